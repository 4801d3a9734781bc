"""Candidate: a task with one point of its space, among which the tuner chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jitweb.space.panels import Packing

Value = int | str


@dataclass(frozen=True)
class Kernel:
    """A candidate as TIR that can be lowered for its target.

    `packings` are the layouts of its weights. Code for WebAssembly is our emitter's if it
    `is_direct` and that covers it, else LLVM's at `opt_level`.
    """

    function: Any
    packings: tuple[Packing, ...] = ()
    is_direct: bool = True
    opt_level: int = 1

    def pack(self, arguments: list[np.ndarray]) -> list[np.ndarray]:
        """The arguments, with weights in the kernel's layout."""
        packed = list(arguments)
        for packing in self.packings:
            packed[packing.position] = packing.apply(packed[packing.position])
        return packed


@dataclass(frozen=True)
class Candidate:
    """One point of a task's space. Candidates with the same text are equal.

    `fallback` is the kernel for devices that lack a feature that this one needs; `tolerance` is how
    far its results may be off, as a share of their scale, if more than others'.
    """

    family: str
    point: Mapping[str, Value]
    build: Callable[[], Kernel] = field(compare=False, repr=False)
    fallback: Candidate | None = field(default=None, compare=False, repr=False)
    tolerance: float | None = None

    @property
    def text(self) -> str:
        """The point as text, e.g. "matmul columns=8 order=columns rows=4"; its key in records."""
        return " ".join([self.family, *(f"{name}={value}" for name, value in self.point.items())])
