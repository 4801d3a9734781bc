"""Device: loads, runs and times web code in a separate process.

`table.py` lists the devices. Bad code never harms the caller: a device that traps, hangs or dies
raises one of the errors below, and the next call restarts it.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from harness import UserError

if TYPE_CHECKING:
    import numpy as np


class DeviceError(UserError):
    """The device can't be started, or died."""


class KernelRefused(Exception):
    """The device's validator rejects the code; the message is its diagnostic."""


class KernelFailed(Exception):
    """The kernel trapped, ran out of time or memory, or caused a device loss."""


@dataclass(frozen=True)
class Launch:
    """One call of a kernel.

    `handle` is the result of `load`, `entry` the function's name. `arrays` are its buffers in the
    order of the parameters, `writes` the positions of those that it writes; `scalars` are int32s
    that follow the buffers (for a WebAssembly kernel the rows to compute: begin and end).
    """

    handle: int
    entry: str
    arrays: tuple[np.ndarray, ...]
    writes: tuple[int, ...]
    scalars: tuple[int, ...] = ()


SHORTEST_MS, LONGEST_MS = 1e-9, 1e9


def is_time(value: Any) -> bool:
    """Whether the value is plausible as the milliseconds of a call: a picosecond to eleven days."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and SHORTEST_MS <= value <= LONGEST_MS


@dataclass(frozen=True)
class Timing:
    """Several measurements of one call of a kernel, in milliseconds."""

    samples_ms: tuple[float, ...]

    @property
    def min_ms(self) -> float:
        return min(self.samples_ms)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.samples_ms)


class Device(Protocol):
    """A place where web code runs."""

    kind: str

    def fingerprint(self) -> dict[str, str]:
        """The properties that identify the device: equal fingerprints can share records."""

    def limits(self) -> dict[str, int]:
        """The limits of kernels, by WebGPU's names; empty for WebAssembly."""

    def features(self) -> list[str]:
        """The optional WebGPU features that kernels may use, by WebGPU's names."""

    def load(self, code: Any) -> int:
        """Load code; returns a handle for launches.

        Raises:
            KernelRefused: the device rejects it.
            DeviceError: the device died.
        """

    def run(self, launch: Launch, timeout_s: float = 10.0) -> list[np.ndarray]:
        """The arrays that the call wrote, in the order of `launch.writes`.

        Raises:
            KernelFailed: it trapped, hung or ran out of memory.
            DeviceError: the device died.
        """

    def time(self, launches: Sequence[Launch], seconds: float) -> list[Timing]:
        """Time calls alternately, after a warm-up until times are steady.

        Takes about `seconds` in all. Raises as `run`.
        """

    def release(self, handle: int) -> None:
        """Release the code of a handle."""

    def close(self) -> None:
        """End the device's process."""


# What software adapters of WebGPU are called, in a fingerprint's architecture or adapter.
SOFTWARE_ADAPTERS = ("swiftshader", "llvmpipe", "microsoft basic render driver")


def is_software_adapter(fingerprint: Mapping[str, str]) -> bool:
    """Whether a device's WebGPU runs on the processor."""
    names = f"{fingerprint.get('architecture', '')} {fingerprint.get('adapter', '')}".lower()
    return any(name in names for name in SOFTWARE_ADAPTERS)


class Closing:
    """A context manager that closes the device."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError
