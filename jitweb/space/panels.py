"""Layouts of weights: panels of as many columns, or rows, as a tile of the result has.

A weight gets its layout once, when the bundle is made, so that a kernel reads it in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tvm_ffi

from harness import compat
from jitweb.space import emit


class Packing(Protocol):
    """The layout of a weight in a bundle, of the parameter at `position`; `name` identifies it."""

    @property
    def position(self) -> int: ...

    @property
    def name(self) -> str: ...

    def apply(self, weight: np.ndarray) -> np.ndarray:
        """The weight in this layout."""


@dataclass(frozen=True)
class Panels:
    """The layout of a weight: [panel, k, column within the panel]; the last panels overlap."""

    position: int
    width: int
    is_transposed: bool  # the weight is [column, k]

    def apply(self, weight: np.ndarray) -> np.ndarray:
        """The weight, a matrix, in panels.

        [k, columns] or its transpose -> [panels, k, width]
        """
        matrix = weight.T if self.is_transposed else weight
        starts = _starts(matrix.shape[1], self.width)
        return np.ascontiguousarray(
            np.stack([matrix[:, start : start + self.width] for start in starts])
        )

    @property
    def name(self) -> str:
        """The name that identifies this layout of a weight."""
        return f"panels{self.width}{'t' if self.is_transposed else ''}"


@dataclass(frozen=True)
class RowPanels:
    """The layout of a weight: [group, tile, k, row within the tile]; the last overlap.

    k counts through the weight's axes but the first, in this order.
    """

    position: int
    rows: int
    groups: int
    order: tuple[int, ...]

    def apply(self, weight: np.ndarray) -> np.ndarray:
        """[channels, k, ...] -> [groups, tiles, k, rows]"""
        weight = weight.transpose(0, *self.order)
        matrix = weight.reshape(self.groups, weight.shape[0] // self.groups, -1)
        starts = _starts(matrix.shape[1], self.rows)
        tiles = [matrix[:, start : start + self.rows] for start in starts]
        return np.ascontiguousarray(np.stack(tiles, 1).transpose(0, 1, 3, 2))

    @property
    def name(self) -> str:
        """The name that identifies this layout of a weight."""
        return f"rows{self.rows}g{self.groups}k{''.join(map(str, self.order))}"


def _starts(extent: int, size: int) -> list[int]:
    return [min(start, extent - size) for start in range(0, extent, size)]


Place = Callable[[Sequence[Any]], list[Any]]


def in_panels(side: Any, panels: Mapping[Any, tuple[Any, Place]]) -> Any:
    """A side of a matmul that reads panels in the place of weights.

    `panels` has a weight's panels, and the indices there by those in the weight.
    """

    def replaced(load: Any) -> Any:
        buffer, place = panels[compat.load_buffer(load)]
        return emit.load(buffer, *place(list(load.indices)))

    return tvm_ffi.structural_map(side, (compat.BufferLoad, replaced))
