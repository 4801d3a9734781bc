"""The blockings of matmuls with tiles in workgroup memory: which fit, and in which order.

The order is by an estimate like that of benchmarks/gpu_static.py, from what it prints of the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness import compat
from jitweb.space import emit
from jitweb.space.emit import LANES
from jitweb.space.matmul_equations import Matmul, uses


@dataclass(frozen=True)
class Blocking:
    """A point of the space: an invocation's part of C, the group along columns and rows, the k of
    a step."""

    rows: int
    columns: int
    x: int
    y: int
    depth: int

    @property
    def tile(self) -> tuple[int, int]:
        """The rows and columns of a workgroup's tile."""
        return self.rows * self.y, self.columns * self.x

    @property
    def storage(self) -> int:
        """Bytes of workgroup memory."""
        rows, columns = self.tile
        return 4 * (rows * (self.depth + LANES) + self.depth * columns)


def along_k(matmul: Matmul) -> tuple[bool, bool] | None:
    """For A and B, whether neighbours in memory are neighbours in k, or else in rows or columns.

    None if either is something else than float32 that can be read in vectors.
    """
    if len(matmul.sum.reduced) != 1 or matmul.groups != 1:
        return None
    row, (k,) = matmul.sum.spatial[matmul.row_axis], matmul.sum.reduced
    left, right = _along_k(matmul.left, row, k), _along_k(matmul.right, matmul.column, k)
    return None if left is None or right is None else (left, right)


def _along_k(side: Any, own: Any, k: Any) -> bool | None:
    if not isinstance(side, compat.BufferLoad) or compat.dtype_of(side) != "float32":
        return None
    *others, last = side.indices
    along = next((var for var in (k, own) if last.same_as(var)), None)
    if along is None or any(uses(each, along) for each in others):
        return None
    return bool(along.same_as(k))


@dataclass(frozen=True)
class TileShape:
    """A blocking without its k, and the share of multiply-adds among its inner loop's instructions
    as Mesa compiles it for navi21, with the loop over a step's k unrolled. Those of 8x16, 16x16
    and 8x4 invocations with 4 rows each are guesses from their neighbours.
    """

    rows: int
    columns: int
    x: int
    y: int
    share: float


SHAPES = (
    TileShape(4, 8, 8, 8, 0.948),
    TileShape(8, 4, 8, 8, 0.950),
    TileShape(4, 4, 8, 8, 0.924),
    TileShape(8, 8, 8, 8, 0.968),
    TileShape(8, 8, 8, 4, 0.957),
    TileShape(4, 8, 8, 16, 0.952),
    TileShape(4, 4, 16, 16, 0.935),
    TileShape(4, 4, 8, 4, 0.9),
)
DEPTHS = (16, 32, 8)
UNITS = (8, 32, 72)  # compute units of small, middling and large GPUs; a workgroup is on one
LANES_OF_UNIT = 64


def blockings(matmul: Matmul, most_threads: int, most_storage: int) -> list[Blocking]:
    """The points that fit a matmul, the fastest by the estimate first."""
    found: dict[Blocking, float] = {}
    for shape in SHAPES:
        for depth in DEPTHS:
            blocking = Blocking(shape.rows, shape.columns, shape.x, shape.y, depth)
            if fits(matmul, blocking, most_threads, most_storage):
                found[blocking] = _estimate(matmul, blocking, shape.share)
                break
    return sorted(found, key=found.__getitem__)


def _estimate(matmul: Matmul, blocking: Blocking, share: float) -> float:
    """Cycles, added up over GPUs of several sizes, as if the busiest unit's were all's: see
    docs/benchmarks.md."""
    rows, columns = blocking.tile
    groups = -(-matmul.rows // rows) * -(-matmul.columns // columns) * emit.product(matmul.batch)
    work = rows * columns * matmul.depth / LANES_OF_UNIT
    shared = 2 / blocking.columns + 2 / blocking.rows  # of the rate of multiply-adds
    return sum(-(-groups // units) * units for units in UNITS) * work * max(1 / share, shared)


def fits(matmul: Matmul, blocking: Blocking, most_threads: int, most_storage: int) -> bool:
    """Whether the tiles are whole, and every invocation copies as many vectors of them."""
    sides = along_k(matmul)
    threads, (rows, columns) = blocking.x * blocking.y, blocking.tile
    if sides is None or threads > most_threads or blocking.storage > most_storage:
        return False
    if matmul.depth % blocking.depth or matmul.columns < columns or matmul.columns % LANES:
        return False
    if matmul.rows < rows and (2 * matmul.rows <= rows or not sides[0]):
        return False
    turned = ((rows, not sides[0]), (columns, sides[1]))
    return all(
        side * blocking.depth % (threads * (LANES * LANES if is_turned else LANES)) == 0
        for side, is_turned in turned
    )
