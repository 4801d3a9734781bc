"""What the tuner chooses among: a Candidate is a task with one point of its space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jitweb.space.matmul import Panels

Value = int | str


@dataclass(frozen=True)
class Kernel:
    """A candidate as TIR, ready to be lowered for its target, with all that goes with it.

    `packings` say how weights must be laid out; `opt_level` is LLVM's.
    """

    function: Any
    packings: tuple[Panels, ...] = ()
    opt_level: int = 1

    def pack(self, arguments: list[np.ndarray]) -> list[np.ndarray]:
        """The arguments with weights laid out as this kernel wants them."""
        packed = list(arguments)
        for packing in self.packings:
            packed[packing.position] = packing.apply(packed[packing.position])
        return packed


@dataclass(frozen=True)
class Candidate:
    """One point of a task's space. Two of equal text are the same."""

    family: str
    point: Mapping[str, Value]
    build: Callable[[], Kernel] = field(compare=False, repr=False)

    @property
    def text(self) -> str:
        """The point in words, e.g. "matmul columns=8 order=columns rows=4"; its key in records."""
        return " ".join([self.family, *(f"{name}={value}" for name, value in self.point.items())])
