"""Zygote: the process that loads TVM once and forks the sandbox's children.

Started by `harness.worker.sandbox` as `python -m harness.worker.zygote`. It loads TVM and the
handler, arms the native coverage and compiles one small program, so that a child costs a fork of a
few milliseconds, not a start of a second. It runs no case itself. Over its control socket the
parent requests a child (with the sockets that the child uses), a kill, or that blocks are disarmed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.system.processes import end_with, ends_with_us
from harness.system.text import first_line
from harness.worker import wire
from harness.worker.progress_page import STAGES

FORK, KILL, DISARM = b"F", b"K", b"D"
BLOCKS_PER_MESSAGE = 8192
HANDLER_FAILED = 70  # EX_SOFTWARE of sysexits.h

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Zygote:
    """The warm process: handler, native coverage, and at most one child at a time."""

    def __init__(self, control: socket.socket, settings: dict[str, Any]) -> None:
        self.control = control
        self.settings = settings
        module, _, name = settings["handler"].partition(":")
        self.handler: Handler = getattr(importlib.import_module(module), name)
        self.native = self._arm()
        self.child = 0
        self.child_end = -1

    def _arm(self) -> Any | None:
        if not self.settings["scope"]:
            return None
        from harness.coverage import native

        if not native.available()[0]:
            return None
        try:
            block_map = native.load_block_map()
        except native.ElfError:  # a library of another build: use only Python coverage
            return None
        coverage = native.NativeCoverage(block_map, tuple(self.settings["scope"]))
        coverage.arm()
        return coverage

    def serve(self) -> None:
        """Serve requests until the parent ends; then end the child and return."""
        _warm_up()
        if self.native is not None:
            self._send_blocks(self.native.drain())
        gc.collect()
        gc.freeze()  # what children share stays shared: their collections don't touch it
        self._send({"ready": True, "native": self.native is not None})
        while True:
            waiting: list[Any] = [self.control]
            if self.child:
                waiting.append(self.child_end)
            ready, _, _ = select.select(waiting, [], [])
            if self.child_end in ready:
                self._reap()
            if self.control in ready and not self._answer():
                break
        if self.child:
            os.kill(self.child, signal.SIGKILL)

    def _answer(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self.control, 1 << 17, 4)
        if not message:
            return False
        if message[:1] == FORK:
            self._fork(descriptors)
        elif message[:1] == KILL and self.child:
            os.kill(self.child, signal.SIGKILL)
        elif message[:1] == DISARM and self.native is not None:
            self.native.disarm(np.frombuffer(message[1:], np.uint32))
        return True

    def _fork(self, descriptors: list[int]) -> None:
        end_with_us = ends_with_us()
        pid = os.fork()
        if pid == 0:
            end_with_us()
            self.control.close()
            # `os._exit`: a child must never return into the zygote's loop.
            try:
                child_main(self.handler, self.native, self.settings, descriptors)
                os._exit(0)
            except BaseException:  # an exception of the handler itself: print its traceback
                traceback.print_exc()
                os._exit(HANDLER_FAILED)
        for descriptor in descriptors:
            os.close(descriptor)
        self.child, self.child_end = pid, os.pidfd_open(pid)
        self._send({"pid": pid})

    def _reap(self) -> None:
        _, status = os.waitpid(self.child, 0)
        os.close(self.child_end)
        self._send({"exit": self.child, "status": status})
        self.child, self.child_end = 0, -1

    def _send(self, message: dict[str, Any]) -> None:
        self.control.send(b"J" + json.dumps(message).encode())

    def _send_blocks(self, blocks: np.ndarray) -> None:
        for start in range(0, len(blocks), BLOCKS_PER_MESSAGE):
            self.control.send(b"B" + blocks[start : start + BLOCKS_PER_MESSAGE].tobytes())


def child_main(
    handler: Handler, native: Any | None, settings: dict[str, Any], descriptors: list[int]
) -> None:
    """Run jobs from the first descriptor until it closes. Called in the forked child."""
    data, crash_report, errors, stage = descriptors
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(errors, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    STAGES.share(stage)
    _limit_memory(settings["memory_bytes"])
    _install_crash_handler(crash_report)
    channel = socket.socket(fileno=data)
    while (frame := wire.receive_frame(channel)) is not None:
        request = json.loads(frame[1])
        os.ftruncate(errors, 0)
        os.lseek(errors, 0, os.SEEK_SET)
        STAGES.reset()
        if native is not None:
            _rearm(native, request)
        reply = _run(handler, request)
        blocks = native.drain() if native is not None else np.empty(0, np.uint32)
        wire.send_frame(channel, wire.BLOCKS, blocks.astype(np.uint32).tobytes())
        wire.send_json(channel, wire.REPLY, reply)


def _run(handler: Handler, request: dict[str, Any]) -> dict[str, Any]:
    recorder = _python_coverage() if request.get("python_coverage") else None
    if recorder is not None:
        recorder.start()
    lines: list[Any] = []
    started = time.process_time()
    try:
        reply = handler(request)
    finally:
        if recorder is not None:
            lines = sorted(recorder.stop())
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "reply": reply,
        "lines": lines,
        "spent": STAGES.seconds(),
        "cpu_seconds": time.process_time() - started,
        "peak_rss": usage.ru_maxrss * 1024,
        "rss": _resident_bytes(),
    }


_recorder: Any = None


def _python_coverage() -> Any:
    global _recorder
    if _recorder is None:
        from harness.coverage.python_lines import PythonCoverage

        _recorder = PythonCoverage()
    return _recorder


def _rearm(native: Any, request: dict[str, Any]) -> None:
    if request.get("trace"):
        native.arm()
    elif request.get("rearm"):
        native.arm(np.asarray(request["rearm"], np.uint32))
    native.drain()


def _install_crash_handler(descriptor: int) -> None:
    try:
        from harness.coverage.crash import install_crash_handler
    except ImportError:  # no native extension on this machine: deaths have no backtrace
        return
    install_crash_handler(descriptor)


def _limit_memory(extra: int) -> None:
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[0])
    limit = pages * resource.getpagesize() + extra
    # The hard limit is not lowered, because the programs of devices need more.
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def _warm_up() -> None:
    """Compile one program, so that every child inherits an initialised LLVM."""
    import tvm
    from tvm import te

    source = te.placeholder((4,), "float32", "source")
    target = te.compute((4,), lambda i: source[i] + te.const(1, "float32"), "target")
    tvm.compile(tvm.IRModule({"main": te.create_prim_func([source, target])}), target="llvm")


def main() -> None:
    end_with(os.getppid())
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        zygote = Zygote(control, json.loads(sys.argv[2]))
    except Exception as error:
        reason = first_line(error)
        control.send(b"J" + json.dumps({"failed": f"{type(error).__name__}: {reason}"}).encode())
        return
    zygote.serve()


if __name__ == "__main__":
    main()
