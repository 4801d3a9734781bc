"""Matmul kernels: C = epilogue(A B), batched or not, with all of the epilogue fused.

A tile of C, rows x columns, is kept in registers while k runs; B is in panels as wide as the tile,
in the order in which they are read. A weight gets this layout once, when the bundle is made; any
other B is copied panel by panel (`pack="copy"`) or read in place (`pack="none"`).

If the tile doesn't divide a row or column, the last tile starts earlier and overlaps the one
before: both write the same values, so no size needs a slow remainder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir.loop_kinds import PARALLEL, SERIAL, UNROLLED, VECTORIZED
from harness.ir.rewrite import substitute
from jitweb.extent import Extent, at_length, ceil_div, is_multiple
from jitweb.space import emit
from jitweb.space.approximate import FUNCTIONS, Functions, approximate
from jitweb.space.emit import LANES
from jitweb.space.matmul_equations import Matmul, longest_last
from jitweb.space.panels import Packing, Panels, RowPanels, in_panels

ELEMENTS = 4  # that are made floats by a step of a loop: a word of 8 bits, or two of 16


@dataclass(frozen=True)
class Tiling:
    """A point of the space: the tile in registers, the outer loop, and how B is packed."""

    rows: int
    columns: int
    order: str  # "columns": a panel of B stays in the cache for all rows; or "rows"
    # Of B: "weight", "unpack" (panels of a packed weight, made floats), "copy" or "none"; or
    # "rows", which are those of a packed A, made floats.
    pack: str


def build_matmul(matmul: Matmul, tiling: Tiling) -> tuple[Any, tuple[Packing, ...]]:
    """The kernel as a function without blocks, and the layouts of its weights."""
    return MatmulBuilder(matmul, tiling).build()


class MatmulBuilder:
    """Builds the kernel of one tiling. `lanes` is the width of a vector, in float32.

    A target with other outer loops overrides `build`. `functions` are those that the target lacks.
    """

    functions: Functions = FUNCTIONS
    within_word = UNROLLED  # of the loop over the elements of a word

    def __init__(self, matmul: Matmul, tiling: Tiling, lanes: int | None = None) -> None:
        self.matmul, self.tiling = matmul, tiling
        self.lanes = min(lanes or tiling.columns, tiling.columns)
        self.row_tiles = ceil_div(matmul.rows, tiling.rows)
        self.column_tiles = ceil_div(matmul.columns, tiling.columns)
        self.batches = emit.product(matmul.batch)
        self.parameters = list(matmul.system.parameters)
        self.panel: Any = None  # of floats, in memory of the kernel's own
        self.from_panels: Any = None  # the right side in panels, at this panel and lane
        self.in_panel = (emit.index("panel"), emit.index("lane"))
        self.rows: Any = None  # a tile's rows of the left side as floats, in memory of its own
        self.from_row_panels: Any = None  # the left side in panels, at this group, tile and lane
        self.in_rows = tuple(emit.index(name) for name in ("group", "tile", "lane"))
        self.packings: tuple[Packing, ...] = ()

    def build(self) -> tuple[Any, tuple[Packing, ...]]:
        tiling, outer = self.tiling, emit.index("outer")
        if tiling.pack in ("weight", "unpack"):
            self._take_panels()
        if tiling.pack == "rows":
            self._take_row_panels()
        tiles = self.column_tiles if tiling.order == "columns" else self.row_tiles
        number, tile = emit.row_major(outer, (self.batches, tiles))
        batch = emit.row_major(number, self.matmul.batch)
        body = self._inside(batch, tile)
        if self._fits:
            body = tirx.IfThenElse(tirx.all(*self._fits), body, self._too_short(batch, tile))
        body = emit.loop(outer, self.batches * tiles, body, PARALLEL)
        return emit.function(self.parameters, body), self.packings

    def _inside(self, batch: list[Any], tile: Any) -> Any:
        """All tiles at a tile of the outer axis."""
        inner = emit.index("inner")
        if self.tiling.order == "columns":
            before, locals_ = self._panel(batch, tile)
            body = emit.loop(inner, self.row_tiles, self.tile(batch, inner, tile))
        else:
            before, locals_ = self._panel(batch, inner)
            body = emit.loop(inner, self.column_tiles, self.tile(batch, tile, inner))
            if self.tiling.pack == "rows":
                before = [self._rows_unpacked(batch, tile)]
                locals_ = [self.rows]
        return emit.with_locals(locals_, emit.sequence([*before, body]))

    def tiled(self, batch: list[Any], row_tile: Any, column_tile: Any) -> Any:
        """One tile, or the elements of it that are there where it doesn't fit."""
        body = self.tile(batch, row_tile, column_tile)
        fits = self._fits
        if not fits:
            return body
        single = self._single()
        row, column = emit.index("row_within"), emit.index("column_within")
        places, loops = [], []
        for within, tile, extent, size, now in (
            (row, row_tile, self.matmul.rows, self.tiling.rows, single.tiling.rows),
            (column, column_tile, self.matmul.columns, self.tiling.columns, single.tiling.columns),
        ):
            start = tile * emit.constant(size)
            places.append(tile if now == size else start + within)
            count = tirx.min(emit.constant(size), emit.constant(extent) - start)
            loops.append((within, 1 if now == size else count))
        other = single.tile(batch, *places)
        for within, count in reversed(loops):
            other = emit.loop(within, count, other)
        return tirx.IfThenElse(tirx.all(*fits), body, other)

    def _too_short(self, batch: list[Any], tile: Any) -> Any:
        """What `_inside` does, for a length at which a tile doesn't fit: in tiles of a single row,
        or column, along what depends on the length.
        """
        matmul, tiling, single = self.matmul, self.tiling, self._single()
        extent, size, now = (
            (matmul.columns, tiling.columns, single.tiling.columns)
            if tiling.order == "columns"
            else (matmul.rows, tiling.rows, single.tiling.rows)
        )
        if now == size:
            return single._inside(batch, tile)
        within, start = emit.index("within"), tile * emit.constant(size)
        count = tirx.min(emit.constant(size), emit.constant(extent) - start)
        return emit.loop(within, count, single._inside(batch, start + within))

    def _single(self) -> MatmulBuilder:
        """The builder of tiles of one row, or column, along what depends on the length."""
        matmul, tiling, single = self.matmul, self.tiling, copy(self)
        rows = 1 if isinstance(matmul.rows, Extent) else tiling.rows
        columns = 1 if isinstance(matmul.columns, Extent) else tiling.columns
        pack = "none" if columns < tiling.columns and tiling.pack == "copy" else tiling.pack
        single.tiling = Tiling(rows, columns, tiling.order, pack)
        single.lanes, single.panel = min(self.lanes, columns), None
        single.row_tiles = ceil_div(matmul.rows, rows)
        single.column_tiles = ceil_div(matmul.columns, columns)
        return single

    @property
    def _fits(self) -> list[Any]:
        """The conditions that a tile fits, as far as they depend on the length."""
        sizes = (self.matmul.rows, self.tiling.rows), (self.matmul.columns, self.tiling.columns)
        return [
            emit.constant(extent) >= size for extent, size in sizes if at_length(extent, 1) < size
        ]

    def _panel(self, batch: list[Any], column_tile: Any) -> tuple[list[Any], list[Any]]:
        """Statements that load a panel of B, and their buffers."""
        tiling, matmul = self.tiling, self.matmul
        if tiling.pack not in ("unpack", "copy"):
            return [], []
        panel = emit.local("panel", (matmul.depth, tiling.columns))

        def copied(k: Any) -> Any:
            column = emit.index("column_copy")
            element = emit.store(panel, self.right(batch, column_tile, column, k), k, column)
            return emit.loop(column, tiling.columns, element, VECTORIZED)

        filled = self.over_k(copied)
        self.panel = panel
        return [filled], [panel]

    def _take_panels(self) -> None:
        """Replace weights among the parameters by panels, and the right side by what is there."""
        matmul, columns = self.matmul, self.tiling.columns
        number, lane = self.in_panel
        panels: dict[Any, Any] = {}
        for position, is_transposed in matmul.weights(self._all).items():
            weight, k = self.parameters[position], 1 if is_transposed else 0
            shape = (self.column_tiles, emit.shape_of(weight)[k], columns)
            made = emit.buffer("panels", shape, str(weight.ty.dtype))
            panels[weight] = made, lambda indices, k=k: [number, indices[k], lane]
            self.packings += (Panels(position, columns, is_transposed),)
            self.parameters[position] = made
        self.from_panels = in_panels(matmul.right, panels)

    def _take_row_panels(self) -> None:
        """Replace packed weights of the left side among the parameters by panels of rows."""
        matmul, rows = self.matmul, self.tiling.rows
        group, tile, lane = self.in_rows
        panels: dict[Any, Any] = {}
        for position in matmul.row_weights(self._all):
            weight = self.parameters[position]
            extents = emit.shape_of(weight)[1:]
            shape = (matmul.groups, self.row_tiles, emit.product(extents), rows)
            made = emit.buffer("rows", shape, str(weight.ty.dtype))

            def place(indices: Sequence[Any], extents: tuple[int, ...] = extents) -> list[Any]:
                return [group, tile, emit.flat(indices[1:], extents), lane]

            panels[weight] = made, place
            axes = tuple(range(1, 1 + len(extents)))
            self.packings += (RowPanels(position, rows, matmul.groups, axes),)
            self.parameters[position] = made
        self.from_row_panels = in_panels(matmul.left, panels)
        self.rows = emit.local("rows", (matmul.depth, rows))

    def _rows_unpacked(self, batch: list[Any], row_tile: Any) -> Any:
        """A statement that makes floats of a tile's rows of a packed weight."""
        variables, extents = list(self.matmul.k_extents), list(self.matmul.k_extents.values())
        k, part, within = (
            [emit.index("k_rows") for _ in extents],
            emit.index("k_part"),
            emit.index("k"),
        )
        outer, last = k[:-1], k[-1:]
        is_divided = extents[-1] % ELEMENTS == 0
        if is_divided:
            last = [part * ELEMENTS + within]
        table = dict(zip(variables, [*outer, *last], strict=True))

        def unpacked(i: Any) -> Any:
            at = table | dict(zip(self.in_rows, (batch[0], row_tile, i), strict=True))
            place = emit.flat([*outer, *last], extents)
            return emit.store(self.rows, at_place(self.from_row_panels, at), place, i)

        body = in_vectors(self.tiling.rows, unpacked)
        if is_divided:
            body = emit.loop(within, ELEMENTS, body, UNROLLED)
            body = emit.loop(part, extents[-1] // ELEMENTS, body)
        else:
            body = emit.loop(k[-1], extents[-1], body)
        return emit.loops(outer, extents[:-1], body)

    @property
    def _all(self) -> frozenset[int]:
        return frozenset(range(len(self.parameters)))

    def _row(self, tile: Any) -> Any:
        return tile_start(tile, self.tiling.rows, self.matmul.rows)

    def _column(self, tile: Any) -> Any:
        return tile_start(tile, self.tiling.columns, self.matmul.columns)

    def _right(self, batch: list[Any], column: Any, k: Any) -> Any:
        table = self.matmul.table(batch, emit.constant(0), column, k)
        return at_place(self.matmul.right, table)

    def _left(self, batch: list[Any], row: Any, k: Any) -> Any:
        return at_place(self.matmul.left, self.matmul.table(batch, row, emit.constant(0), k))

    def over_k(self, make: Callable[[Any], Any]) -> Any:
        """A statement for each k: a loop, or nested ones where k is divided."""

        def over(start: Any, count: int, steps: tuple[int, ...], kind: int) -> list[Any]:
            size, finer = (steps[0], steps[1:]) if steps else (1, ())
            inner = SERIAL if finer else self.within_word
            statements = []
            if count >= size:
                k = emit.index("k")
                place = start + k * size
                body = over(place, size, finer, inner) if steps else [make(place)]
                statements.append(emit.loop(k, count // size, emit.sequence(body), kind))
            if count % size:
                rest = start + emit.constant(count - count % size)
                statements += over(rest, count % size, finer, inner)
            return statements

        steps = self.divisions if self.panel is None else ()
        return emit.sequence(over(emit.constant(0), self.matmul.depth, steps, SERIAL))

    @property
    def divisions(self) -> tuple[int, ...]:
        """What the loop over k is divided by: see Matmul.steps."""
        return self.matmul.steps

    def each(self, name: str, make: Any, rows_kind: Any = UNROLLED) -> Any:
        """A statement for each element of a tile, in vectors."""
        i, j = emit.index(f"i_{name}"), emit.index(f"j_{name}")
        vectors = self.tiling.columns // self.lanes
        if vectors == 1:
            inner = emit.loop(j, self.lanes, make(i, j), VECTORIZED)
        else:
            v = emit.index(f"v_{name}")
            inner = emit.loop(j, self.lanes, make(i, v * self.lanes + j), VECTORIZED)
            inner = emit.loop(v, vectors, inner, rows_kind)
        return emit.loop(i, self.tiling.rows, inner, rows_kind)

    def tile(self, batch: list[Any], row_tile: Any, column_tile: Any) -> Any:
        """One tile of C: its sum over k, then its epilogue."""
        each = self.each
        shape = (self.tiling.rows, self.tiling.columns)
        total, staged = emit.local("total", shape), []

        def step(k: Any) -> Any:
            products, buffers = self.step(batch, row_tile, column_tile, total, k)
            staged.extend(buffers)
            return products

        start = each("init", lambda i, j: emit.store(total, tirx.FloatImm("float32", 0.0), i, j))
        run = self.over_k(step)
        if not self.matmul.has_heavy_epilogue:
            finish = self.finish(batch, row_tile, column_tile, total, UNROLLED)
            return emit.with_locals([total, *staged], emit.sequence([start, run, *finish]))
        # Temporarily in memory, so that one copy of the epilogue's code can loop over the tile.
        tile = emit.local("tile", shape)
        keep = each("keep", lambda i, j: emit.store(tile, emit.load(total, i, j), i, j))
        finish = self.finish(batch, row_tile, column_tile, tile, SERIAL)
        return emit.with_locals([total, tile, *staged], emit.sequence([start, run, keep, *finish]))

    def step(
        self, batch: list[Any], row_tile: Any, column_tile: Any, total: Any, k: Any
    ) -> tuple[Any, list[Any]]:
        """Statements that add the products of one k to the tile, and their local buffers."""

        def product(i: Any, j: Any) -> Any:
            left = self.left(batch, row_tile, i, k)
            right = self.right(batch, column_tile, j, k)
            return emit.store(total, emit.load(total, i, j) + left * right, i, j)

        return self.each("sum", product), []

    def left(self, batch: list[Any], row_tile: Any, i: Any, k: Any) -> Any:
        """A's element in row i of the tile."""
        if self.rows is not None:
            at = emit.row_major(k, self.matmul.sum.reduced_extents)
            order = longest_last(self.matmul.sum.reduced_extents)
            extents = list(self.matmul.k_extents.values())
            return emit.load(self.rows, emit.flat([at[place] for place in order], extents), i)
        return self._left(batch, self._row(row_tile) + i, k)

    def right(self, batch: list[Any], column_tile: Any, j: Any, k: Any) -> Any:
        """B's element in column j of the tile, from its place in the tiling."""
        if self.panel is not None:
            return emit.load(self.panel, k, j)
        if self.from_panels is None:
            return self._right(batch, self._column(column_tile) + j, k)
        total = self.matmul.sum
        table = dict(zip(total.reduced, emit.row_major(k, total.reduced_extents), strict=True))
        table |= dict(zip(self.in_panel, (column_tile, j), strict=True))
        return at_place(self.from_panels, table)

    def finish(
        self, batch: list[Any], row_tile: Any, column_tile: Any, total: Any, rows_kind: Any
    ) -> list[Any]:
        """Statements that apply the epilogue to the tile and store it."""

        def stored(i: Any, j: Any) -> Any:
            place = self.place(batch, row_tile, column_tile, i, j)
            value = self.value(place, emit.load(total, i, j))
            return emit.store(self.matmul.epilogue.buffer, value, *place)

        return [self.each("end", stored, rows_kind)]

    def place(self, batch: list[Any], row_tile: Any, column_tile: Any, i: Any, j: Any) -> list[Any]:
        """The indices in C of an element of the tile."""
        return self.matmul.place(batch, self._row(row_tile) + i, self._column(column_tile) + j)

    def value(self, place: list[Any], total: Any) -> Any:
        """The value of C's element at this place, computed from its sum."""
        matmul, epilogue = self.matmul, self.matmul.epilogue
        if epilogue is matmul.sum:
            return total

        def replaced(load: Any) -> Any:
            return total if compat.load_buffer(load).same_as(matmul.sum.buffer) else load

        value = tvm_ffi.structural_map(epilogue.value, (compat.BufferLoad, replaced))
        value = at_place(value, dict(zip(epilogue.spatial, place, strict=True)))
        return approximate(value, self.functions)


def in_vectors(extent: int, make: Callable[[Any], Any]) -> Any:
    """A statement for each of so many places, in vectors; the last overlaps the one before."""
    place, lane = emit.index("part"), emit.index("lane")
    if extent < LANES:
        return emit.loop(place, extent, make(place))
    begin = tile_start(place, LANES, extent)
    return emit.loop(
        place, -(-extent // LANES), emit.loop(lane, LANES, make(begin + lane), VECTORIZED)
    )


def tile_start(tile: Any, size: int, extent: int) -> Any:
    """The start of a tile; the last one overlaps the one before."""
    start = tile * emit.constant(size)
    if is_multiple(extent, size):
        return start
    return tirx.min(start, emit.constant(extent - size))


def fitting(columns: int, extent: int) -> int:
    """The number of columns of a tile, halved until it fits the extent."""
    while columns > extent:
        columns //= 2
    return columns


def at_place(expression: Any, table: dict[Any, Any]) -> Any:
    """The expression with its variables replaced by these values, in the variables' dtypes."""
    return substitute(
        expression,
        {var: place.astype(compat.dtype_of(var)) for var, place in table.items()},
    )
