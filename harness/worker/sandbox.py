"""Sandbox: runs jobs in worker processes that may crash, hang or exhaust memory.

A `Worker` owns one zygote (see `harness.worker.zygote`), which has TVM loaded, and through it one
child that runs one job after another. When the child dies, the worker reports how (signal, native
backtrace, output, stage) and forks the next. A job can't harm the caller.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from harness import UserError
from harness.system.processes import python_command, python_environment
from harness.system.text import last_line
from harness.verdict import Stage
from harness.worker import wire
from harness.worker.progress_page import PAGE, Spent, read_stage
from harness.worker.zygote import BLOCKS_PER_MESSAGE, DISARM, FORK, HANDLER_FAILED, KILL

START_SECONDS = 120.0  # the first start on a machine decodes the compiler library
STDERR_TAIL = 4096
ENVIRONMENT = {
    # Kernels are tiny: two threads show data races as well as many, and start faster.
    "TVM_NUM_THREADS": "2",
    "TVM_BIND_THREADS": "0",
    "PYTHONHASHSEED": "0",
}
NO_BLOCKS = np.empty(0, np.uint32)


class SandboxError(UserError):
    """The worker's process can't be started."""


@dataclass(frozen=True)
class Settings:
    """The handler of a worker, and its limits.

    `handler` is a dotted path to a function from request to reply. `scope` are path prefixes of the
    native coverage, () for none. `seconds` is the wall time limit of a job; `memory_bytes` the
    address space that it may allocate in addition to the zygote's. A child is replaced after `jobs`
    jobs, or when its resident memory exceeds `resident_bytes`.
    """

    handler: str = "harness.oracles.verify:handle"
    scope: tuple[str, ...] = ()
    seconds: float = 20.0
    memory_bytes: int = 4 << 30
    jobs: int = 2000
    resident_bytes: int = 3 << 30


@dataclass(frozen=True)
class JobResult:
    """How a job ended: "done", "died", "hung" or "interrupted".

    `blocks` are the ids (uint32) of native blocks first hit in this child since its last job, and
    `lines` the Python lines of TVM, if the request asked for them. `stage` is the last one that the
    job recorded; `crash` the raw text of the native backtrace; `stderr` the end of its output.
    """

    status: str
    reply: dict[str, Any] = field(default_factory=dict)
    blocks: np.ndarray = field(default_factory=lambda: NO_BLOCKS)
    lines: frozenset[tuple[str, int]] = frozenset()
    signal: int = 0
    exit_status: int = 0
    stage: Stage = Stage()
    crash: bytes = b""
    stderr: str = ""
    seconds: float = 0.0
    spent: dict[Spent, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    rss: int = 0

    @property
    def fault(self) -> str:
        """The traceback if an exception of the handler itself ended the job, else ""."""
        failed = self.status == "died" and self.exit_status == HANDLER_FAILED
        return self.stderr or "no traceback" if failed else ""


def killed(*, interrupted: bool = False) -> JobResult:
    """How a job ended whose whole worker is gone."""
    return JobResult("interrupted" if interrupted else "died", signal=signal.SIGKILL)


class _Child:
    """One forked child: its channel, and the files of its output and crash report."""

    def __init__(self, control: socket.socket) -> None:
        self.channel, far_end = socket.socketpair()
        self.crash, crash_end = os.pipe()
        self.errors = os.memfd_create("stderr")
        self.stage = os.memfd_create("stage")
        os.ftruncate(self.stage, PAGE)
        sent = [far_end.fileno(), crash_end, self.errors, self.stage]
        try:
            socket.send_fds(control, [FORK], sent)
        finally:
            far_end.close()
            os.close(crash_end)
        self.channel.setblocking(False)
        os.set_blocking(self.crash, False)
        self.jobs = 0
        self.rss = 0

    def crash_report(self) -> bytes:
        try:
            return os.read(self.crash, 1 << 16)
        except BlockingIOError:
            return b""

    def stderr(self) -> str:
        size = os.fstat(self.errors).st_size
        tail = os.pread(self.errors, STDERR_TAIL, max(0, size - STDERR_TAIL))
        return tail.decode(errors="replace")

    def close(self) -> None:
        self.channel.close()
        for descriptor in (self.crash, self.errors, self.stage):
            os.close(descriptor)


class Worker:
    """One sandboxed process tree. Used by one thread; `interrupt` may come from another."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._known = [NO_BLOCKS]
        self._interrupted = False
        self._child: _Child | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.native = False
        self.start_blocks = NO_BLOCKS
        self._start()

    @property
    def zygote_pid(self) -> int:
        return self._process.pid if self._process else 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(
        self, request: dict[str, Any], *, fresh: bool = False, seconds: float | None = None
    ) -> JobResult:
        """Run one job; `fresh` uses a child that has not run any other, `seconds` another limit.

        Raises:
            SandboxError: the zygote died and can't be started again.
        """
        if fresh or (self._child is not None and self._worn_out(self._child)):
            self._retire()
        child = self._ready_child()
        started = time.perf_counter()
        outcome = self._run(child, request, started, seconds or self.settings.seconds)
        if outcome.status != "done":
            self._child = None
            child.close()
        return outcome

    def forget_known(self, blocks: np.ndarray) -> None:
        """Disarm these blocks, which the caller knows already, in later children."""
        self._known.append(np.asarray(blocks, np.uint32))
        self._disarm(self._known[-1])

    def interrupt(self) -> None:
        """End the job in flight, from another thread; its outcome is "interrupted"."""
        self._interrupted = True
        try:
            self._control.send(KILL)
        except OSError:  # the zygote has already ended
            pass

    def close(self) -> None:
        """End the processes. Safe to call twice."""
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._process is not None:
            self._control.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    # Starting children.

    def _worn_out(self, child: _Child) -> bool:
        return child.jobs >= self.settings.jobs or child.rss > self.settings.resident_bytes

    def _ready_child(self) -> _Child:
        if self._child is None:
            try:
                self._child = self._fork()
            except (OSError, EOFError):  # the zygote was killed: start a new one
                self._start()
                self._child = self._fork()
        return self._child

    def _fork(self) -> _Child:
        child = _Child(self._control)
        message = self._receive(time.monotonic() + START_SECONDS)
        while "pid" not in message:  # the exit message of an earlier child may come first
            message = self._receive(time.monotonic() + START_SECONDS)
        return child

    def _retire(self) -> None:
        if self._child is None:
            return
        self._child.close()
        self._child = None
        # Closing its channel ends an idle child; the zygote has only one child at a time.
        try:
            self._await_exit()
        except (OSError, EOFError):
            pass

    def _start(self) -> None:
        self.close()
        self._control, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = json.dumps(asdict(self.settings))
        self._process = subprocess.Popen(
            python_command("-m", "harness.worker.zygote", str(far_end.fileno()), asked),
            pass_fds=[far_end.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=python_environment(**ENVIRONMENT),
            start_new_session=True,  # Ctrl-C is the campaign's to handle
        )
        far_end.close()
        self._await_ready()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        blocks = []
        while True:
            try:
                message = self._receive(deadline)
            except (OSError, EOFError, TimeoutError):
                raise SandboxError(self._start_failure()) from None
            if "failed" in message:
                self.close()
                raise SandboxError(f"a worker could not start: {message['failed']}")
            if "blocks" in message:
                blocks.append(message["blocks"])
            if "ready" in message:
                break
        self.native = message["native"]
        self.start_blocks = np.concatenate(blocks) if blocks else NO_BLOCKS
        for known in self._known:
            self._disarm(known)

    def _start_failure(self) -> str:
        assert self._process is not None and self._process.stderr is not None
        self._process.kill()
        said = last_line(self._process.stderr.read().decode(errors="replace"))
        self.close()
        return f"a worker could not start: {said or 'it died without a word'}"

    def _disarm(self, blocks: np.ndarray) -> None:
        for start in range(0, len(blocks), BLOCKS_PER_MESSAGE):
            part = blocks[start : start + BLOCKS_PER_MESSAGE]
            try:
                self._control.send(DISARM + part.astype(np.uint32).tobytes())
            except OSError:  # the zygote died; the next one gets all blocks again
                return

    def _receive(self, deadline: float) -> dict[str, Any]:
        """The next message on the control socket; raises EOFError if the zygote died."""
        ready, _, _ = select.select([self._control], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        data = self._control.recv(1 << 17)
        if not data:
            raise EOFError
        if data[:1] == b"B":
            return {"blocks": np.frombuffer(data[1:], np.uint32)}
        return dict(json.loads(data[1:]))

    def _await_exit(self) -> int:
        message = self._receive(time.monotonic() + 10)
        while "exit" not in message:
            message = self._receive(time.monotonic() + 10)
        return int(message["status"])

    # Running jobs.

    def _run(
        self, child: _Child, request: dict[str, Any], started: float, seconds: float
    ) -> JobResult:
        self._interrupted = False
        reader, blocks = wire.FrameReader(), NO_BLOCKS
        deadline = time.monotonic() + seconds
        child.channel.settimeout(seconds)
        try:
            wire.send_json(child.channel, wire.REQUEST, request)
        except OSError:
            return self._died(child, started)
        child.channel.setblocking(False)
        while True:
            left = deadline - time.monotonic()
            waiting = [child.channel, self._control]
            ready = select.select(waiting, [], [], left)[0] if left > 0 else []
            if not ready:
                return self._hung(child, started)
            alive = reader.feed(child.channel) if child.channel in ready else True
            try:
                for tag, payload in reader.frames():
                    if tag == wire.BLOCKS:
                        blocks = np.frombuffer(payload, np.uint32)
                    elif tag == wire.REPLY:
                        return self._done(child, json.loads(payload), blocks, started)
            except (ValueError, KeyError, TypeError, RecursionError):
                # Bytes that nobody meant to write: the job has damaged the memory of its process.
                self._control.send(KILL)
                return self._died(child, started)
            if not alive or child.channel not in ready:
                return self._died(child, started)

    def _done(
        self, child: _Child, reply: dict[str, Any], blocks: np.ndarray, started: float
    ) -> JobResult:
        child.jobs += 1
        child.rss = reply["rss"]
        return JobResult(
            "done",
            reply=reply["reply"],
            blocks=blocks,
            lines=frozenset((file, line) for file, line in reply["lines"]),
            seconds=time.perf_counter() - started,
            spent={Spent(name): seconds for name, seconds in reply["spent"].items()},
            cpu_seconds=reply["cpu_seconds"],
            rss=reply["rss"],
        )

    def _hung(self, child: _Child, started: float) -> JobResult:
        stage = read_stage(child.stage)
        try:
            self._control.send(KILL)
            self._await_exit()
        except (OSError, EOFError, TimeoutError):
            self._kill_zygote()
        return JobResult(
            "hung",
            stage=stage,
            stderr=child.stderr(),
            seconds=time.perf_counter() - started,
        )

    def _died(self, child: _Child, started: float) -> JobResult:
        try:
            status = self._await_exit()
        except (OSError, EOFError, TimeoutError):  # the zygote itself was killed, and the child too
            self._kill_zygote()
            status = signal.SIGKILL
        return JobResult(
            "interrupted" if self._interrupted else "died",
            signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            exit_status=os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
            stage=read_stage(child.stage),
            crash=child.crash_report(),
            stderr=child.stderr(),
            seconds=time.perf_counter() - started,
        )

    def _kill_zygote(self) -> None:
        if self._process is not None:
            self._process.kill()
