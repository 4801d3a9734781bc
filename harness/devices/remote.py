"""The common part of the devices: requests to another program.

The program (Node, a page in a browser, or a Python that has the package wgpu) may end at any time;
loaded code is loaded again when it is used next. The other modules here say which program.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from harness.devices.base import Closing, DeviceError, KernelFailed, KernelRefused, Launch, Timing
from harness.devices.channel import ProgramEnded
from harness.devices.message import (
    MOST_MESSAGE,
    NO_ARRAYS,
    TEXT_BYTES,
    Expected,
    count_in,
    object_in,
    samples_in,
    text_in,
    texts_in,
)
from harness.devices.shader import LEAST_LIMITS, Shader
from harness.wasm.linker import ARRAYS_START

Code = bytes | Shader | tuple[Shader, ...]
SHADERS = (Shader, tuple)

START_SECONDS = 60.0
TIMING_PATIENCE = 20.0  # for each launch
ATTEMPTS = 3
# JSON for each launch that is timed: a sample takes half a millisecond or more.
SAMPLES_BYTES, SAMPLES_BYTES_A_SECOND = 4096, 100_000
MOST_LIMIT = 1 << 53


class Responder(Protocol):
    """A program that answers requests: channel.DeviceProcess, page.Page, opened.OpenedPage."""

    def ask(
        self,
        request: Mapping[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        expected: Expected = NO_ARRAYS,
    ) -> tuple[dict[str, Any], list[bytes]]: ...

    def restart(self) -> None: ...

    def close(self) -> None: ...


class RemoteDevice(Closing):
    """A device in another program. Not thread-safe."""

    def __init__(self, program: Responder) -> None:
        self._program = program
        self._codes: dict[int, Code] = {}
        self._loaded: set[int] = set()  # the program may have been ended meanwhile
        self._next = 1  # handles are never reused, so that a new program has none of the old ones

    def limits(self) -> dict[str, int]:
        found = self._identify()
        if found.get("limits") is None:
            return {}
        named = object_in(found, "limits")
        return {
            name: count_in(named, name, least, MOST_LIMIT)
            for name, least in LEAST_LIMITS.items()
            if name in named
        }

    def features(self) -> list[str]:
        """The optional WebGPU features of the device that kernels may use, by WebGPU's names."""
        found = self._identify()
        return texts_in(found, "features") if found.get("features") is not None else []

    def load(self, code: Code) -> int:
        handle, self._next = self._next, self._next + 1
        self._codes[handle] = code
        try:
            self._put(handle)
        except BaseException:
            del self._codes[handle]
            raise
        return handle

    def release(self, handle: int) -> None:
        self._codes.pop(handle, None)
        if handle in self._loaded:
            self._loaded.remove(handle)
            try:
                self._ask({"do": "release", "handle": handle}, (), START_SECONDS, DeviceError)
            except (_Unknown, DeviceError):
                pass  # it was released with its program; the next request raises the error

    def run(self, launch: Launch, timeout_s: float = 10.0) -> list[np.ndarray]:
        request = {"do": "run", "launch": _describe(launch)}
        written = [launch.arrays[position] for position in launch.writes]
        expected = Expected(tuple(array.nbytes for array in written))
        _, parts = self._launch(request, [launch], timeout_s, expected)
        return [
            np.frombuffer(part, array.dtype).reshape(array.shape)
            for part, array in zip(parts, written, strict=True)
        ]

    def time(self, launches: Sequence[Launch], seconds: float) -> list[Timing]:
        if not launches:
            return []
        described = [_describe(launch) for launch in launches]
        request = {"do": "time", "launches": described, "seconds": seconds}
        patience = TIMING_PATIENCE * len(launches) + 10 * seconds
        sampled = int(len(launches) * (SAMPLES_BYTES + seconds * SAMPLES_BYTES_A_SECOND))
        started = time.monotonic()
        answer, _ = self._launch(request, launches, patience, Expected((), TEXT_BYTES + sampled))
        elapsed_ms = 1000 * (time.monotonic() - started)
        return [Timing(samples) for samples in samples_in(answer, len(launches), elapsed_ms)]

    def close(self) -> None:
        self._loaded.clear()
        self._program.close()

    def _identify(self) -> dict[str, Any]:
        return self._ask({"do": "identify"}, (), START_SECONDS, DeviceError)[0]

    def _launch(
        self,
        request: dict[str, Any],
        launches: Sequence[Launch],
        timeout_s: float,
        expected: Expected,
    ) -> tuple[dict[str, Any], list[bytes]]:
        self._check_sizes(launches)
        arrays = [array for launch in launches for array in launch.arrays]
        for _ in range(ATTEMPTS):
            for launch in launches:
                if launch.handle not in self._loaded:
                    self._put(launch.handle)
            try:
                return self._ask(request, arrays, timeout_s, KernelFailed, expected)
            except _Unknown:  # the program ended while it was idle, and this is a new one
                self._loaded.clear()
        raise DeviceError("the device ends again and again before it runs anything")

    def _check_sizes(self, launches: Sequence[Launch]) -> None:
        """Raises KernelFailed for an array that no buffer of the GPU holds, before it is sent."""
        on_gpu = [each for each in launches if isinstance(self._codes.get(each.handle), SHADERS)]
        largest = max((array.nbytes for launch in on_gpu for array in launch.arrays), default=0)
        if largest <= LEAST_LIMITS["maxBufferSize"]:  # which every WebGPU device has
            return
        most = self.limits().get("maxBufferSize", largest)
        if largest > most:
            raise KernelFailed(f"an array of {largest} bytes; a buffer of this GPU holds {most}")

    def _put(self, handle: int) -> None:
        """Load the code of a handle into the current program."""
        if handle not in self._codes:
            raise KeyError(f"there is no code {handle}; was it released?")
        code = self._codes[handle]
        request: dict[str, Any] = {"do": "load", "handle": handle}
        if isinstance(code, bytes):
            self._ask(request, (np.frombuffer(code, np.uint8),), START_SECONDS, DeviceError)
        else:
            shaders = code if isinstance(code, tuple) else (code,)
            request["shaders"] = [asdict(shader) for shader in shaders]
            self._ask(request, (), START_SECONDS, DeviceError)
        self._loaded.add(handle)

    def _ask(
        self,
        request: dict[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        failure: type[Exception],
        expected: Expected = NO_ARRAYS,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """The answer; raises the exception of an error in it, or of a missing one."""
        try:
            answer, parts = self._program.ask(request, arrays, timeout_s, expected)
        except ProgramEnded as end:
            self._loaded.clear()
            raise failure(str(end)) from None
        if "error" not in answer:
            return answer, parts
        message = " ".join(text_in(answer, "message", MOST_MESSAGE).split())
        match answer["error"]:
            case "refused":
                raise KernelRefused(message)
            case "missing":
                raise DeviceError(message)
            case "unknown":
                raise _Unknown
            case "lost":  # a new program gets a new GPU device
                self._loaded.clear()
                self._program.restart()
        raise failure(message)


class _Unknown(Exception):
    """The program has no code of this handle."""


def _describe(launch: Launch) -> dict[str, Any]:
    return {
        "handle": launch.handle,
        "entry": launch.entry,
        "scalars": list(launch.scalars),
        "writes": list(launch.writes),
        "count": len(launch.arrays),
        "base": ARRAYS_START,
    }
