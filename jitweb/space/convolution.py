"""Convolution kernels: matmuls whose columns are gathered block by block.

Rows are output channels, columns are places along the last axis. A block of places reads a window
of the source: it is copied to memory of the thread's own once, with zeros for the padding, and all
rows read it there. Where the stride is s, the window's last axis is split into s phases, so that
what a vector of columns reads is contiguous whatever the place in the kernel. So neither padding
nor stride costs the inner loop anything, and no column is gathered once for each k.

A depthwise convolution is one whose groups have a single row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tvm import tirx

from harness.ir.loop_kinds import PARALLEL, SERIAL, UNROLLED, VECTORIZED
from jitweb.space import emit
from jitweb.space.approximate import approximate
from jitweb.space.convolution_equations import Axis, Convolution
from jitweb.space.emit import LANES
from jitweb.space.matmul import MatmulBuilder, Tiling, at_place, in_vectors, tile_start
from jitweb.space.matmul_equations import longest_last
from jitweb.space.panels import RowPanels

MOST_UNROLLED = 8  # steps of the kernel's last axis
ENOUGH_PARTS = 8  # of a kernel, for threads to share
COPIES = ("copy", "rows")  # of a tile's rows, in memory of the thread's own
ROW_TILES_OF_PART = 8  # enough that copying the window once more costs little


class ConvolutionBuilder(MatmulBuilder):
    """Builds the kernel: `floats` is what a block's window may take, in elements.

    The rows of the weight are in panels: those of the parameter at this position ("weight"), or
    copies of a tile's rows, made once for all columns of a block ("copy"), by vectors from panels
    of a packed weight ("rows").
    """

    def __init__(
        self, convolution: Convolution, tiling: Tiling, floats: int, weight: int | None
    ) -> None:
        super().__init__(convolution.matmul, tiling)
        self.convolution, self.total = convolution, convolution.matmul.sum
        taken = (self.matmul.row_axis, self.matmul.column_axis)
        self.others = [axis for axis in range(len(self.total.extents)) if axis not in taken]
        self.steps = self.matmul.k_extents
        self.spans = self._spans(floats)
        self.window: Any = None
        self.weights: Any = None
        self.base: dict[Any, Any] = {}  # where the block begins, by variable
        self.local: dict[Any, Any] = {}  # the place within it
        if tiling.pack == "weight":
            assert weight is not None
            shape = (self.matmul.groups, self.row_tiles, self.matmul.depth, tiling.rows)
            self.weights = emit.buffer("weights", shape, "float32")
            order = tuple(1 + place for place in longest_last(self.total.reduced_extents))
            self.packings = (RowPanels(weight, tiling.rows, self.matmul.groups, order),)
            self.parameters[weight] = self.weights
        elif tiling.pack == "rows":
            self._take_row_panels()
            self.weights = self.rows
        else:
            self.weights = emit.local("weights", (self.matmul.depth, tiling.rows))

    @property
    def block(self) -> str:
        """The block's extents as text."""
        return "x".join(str(self.spans[var]) for var in self.total.spatial if var in self.spans)

    def _spans(self, floats: int) -> dict[Any, int]:
        """The block's extents by variable: columns first, then the axes before, if they fit."""
        axes = [self.matmul.column_axis, *reversed(self.others)]
        spans = {self.total.spatial[axis]: 1 for axis in axes}
        for axis in axes:
            var, extent = self.total.spatial[axis], self.total.extents[axis]
            unit = self.tiling.columns if axis == self.matmul.column_axis else 1
            units = most = -(-extent // unit)
            while units > 1 and self._floats({**spans, var: units * unit}) > floats:
                units -= 1
            units = -(-most // -(-most // units))  # so that the blocks are of nearly one size
            spans[var] = min(units * unit, extent)
            if spans[var] < extent:
                break
        return spans

    def _shape(self, spans: Mapping[Any, int]) -> list[int]:
        """The extents of the window: of all axes but the last one's, its phases, its places."""
        convolution = self.convolution
        extents = [axis.extent({**spans, **self.steps}) for axis in convolution.axes]
        long, stride = extents.pop(convolution.vector), convolution.stride
        used = convolution.axes[convolution.vector].steps(self.steps)
        phases = max(step % stride for step in used) + 1
        return [*extents, phases, -(-long // stride)]

    def _floats(self, spans: Mapping[Any, int]) -> int:
        return emit.product(self._shape(spans))

    def build(self) -> tuple[Any, tuple[Any, ...]]:
        matmul, total, tiling = self.matmul, self.total, self.tiling
        axes = [*self.others, matmul.column_axis]
        variables = [total.spatial[axis] for axis in axes]
        extents = [total.extents[axis] for axis in axes]
        spans = [self.spans[var] for var in variables]
        blocks = [-(-extent // span) for extent, span in zip(extents, spans, strict=True)]
        outer = emit.index("outer")
        parts = self._parts(emit.product((matmul.groups, *blocks)))
        per_part = -(-self.row_tiles // parts)
        counts = (matmul.groups, *blocks, parts)
        group, *numbers, part = emit.row_major(outer, counts)
        starts = [
            tile_start(number, span, extent)
            for number, span, extent in zip(numbers, spans, extents, strict=True)
        ]
        self.base = dict(zip(variables, starts, strict=True)) | {matmul.group: group}
        self.window = emit.local("window", self._shape(self.spans))
        fill = self._fill()
        places = [emit.index("place") for _ in self.others]
        column_tile, row_tile = emit.index("column_tile"), emit.index("row_tile")
        column = tile_start(column_tile, tiling.columns, spans[-1])
        self.local = dict(zip(variables, [*places, column], strict=True))
        batch = [group, *(a + b for a, b in zip(starts[:-1], places, strict=True))]
        first = tile_start(part, per_part, self.row_tiles)
        body = self.tile(batch, first + row_tile, column)
        inner = ([*places, column_tile], [*spans[:-1], -(-spans[-1] // tiling.columns)])
        if tiling.order == "columns":
            body = emit.loops(*inner, emit.loop(row_tile, per_part, body))
        else:
            body = emit.loops(*inner, body)
            body = emit.sequence([*self._rows_copied(batch, first + row_tile), body])
            body = emit.loop(row_tile, per_part, body)
        owned = [self.window, *([self.weights] if tiling.pack in COPIES else [])]
        body = emit.with_locals(owned, emit.sequence([fill, body]))
        body = emit.loop(outer, emit.product(counts), body, PARALLEL)
        return emit.function(self.parameters, body), self.packings

    def _rows_copied(self, batch: list[Any], row_tile: Any) -> list[Any]:
        """Statements that copy a tile's rows of the weight."""
        if self.tiling.pack == "rows":
            return [self._rows_unpacked(batch, row_tile)]
        if self.tiling.pack != "copy":
            return []
        k, i = [emit.index("k") for _ in self.steps], emit.index("i")
        row = self.matmul.place(batch, self._row(row_tile) + i, emit.constant(0))
        table = dict(zip(self.total.spatial, row, strict=True)) | dict(
            zip(self.steps, k, strict=True)
        )
        value = approximate(at_place(self.matmul.left, table))
        extents = list(self.steps.values())
        copy = emit.loop(
            i, self.tiling.rows, emit.store(self.weights, value, emit.flat(k, extents), i)
        )
        return [emit.loops(k, extents, copy)]

    def _parts(self, blocks: int) -> int:
        """In how many parts the rows are done, each with a window of its own, to occupy threads."""
        return max(1, min(-(-ENOUGH_PARTS // blocks), self.row_tiles // ROW_TILES_OF_PART))

    def _column(self, tile: Any) -> Any:
        return self.base[self.matmul.column] + tile

    def over_k(self, make: Callable[[Any], Any]) -> Any:
        """A loop nest over k; a short innermost loop over a few registers is unrolled."""
        *outer, last = [emit.index("k") for _ in self.steps]
        *extents, extent = self.steps.values()
        is_short = extent <= MOST_UNROLLED and self.tiling.rows == 1
        kind = UNROLLED if is_short else SERIAL
        return emit.loops(outer, extents, emit.loop(last, extent, make([*outer, last]), kind))

    def left(self, batch: list[Any], row_tile: Any, i: Any, k: Any) -> Any:
        flat = emit.flat(k, list(self.steps.values()))
        if self.tiling.pack in COPIES:
            return emit.load(self.weights, flat, i)
        return emit.load(self.weights, batch[0], row_tile, flat, i)

    def right(self, batch: list[Any], column_tile: Any, j: Any, k: Any) -> Any:
        steps = dict(zip(self.steps, k, strict=True))
        convolution, stride = self.convolution, emit.constant(self.convolution.stride)
        places = [axis.at({**self.local, **steps}) for axis in convolution.axes]
        places.pop(convolution.vector)
        step = convolution.axes[convolution.vector].at(steps)
        place = self.local[self.matmul.column] + tirx.floordiv(step, stride)
        return emit.load(self.window, *places, tirx.floormod(step, stride), place + j)

    def _fill(self) -> Any:
        """Statements that copy the block's window of the source."""
        convolution, shape = self.convolution, self._shape(self.spans)
        vector = convolution.vector
        others = [axis for place, axis in enumerate(convolution.axes) if place != vector]
        within = [emit.index("within") for _ in others]
        padded = [
            emit.constant(axis.constant) + axis.at(self.base) + place
            for axis, place in zip(others, within, strict=True)
        ]
        phase = emit.index("phase")
        inside = [
            check
            for axis, place, extent in zip(others, padded, shape, strict=False)
            for check in self._checks(axis, place, extent)
        ]
        source = [place + axis.offset for axis, place in zip(others, padded, strict=True)]

        def copied(place: Any) -> Any:
            along = convolution.axes[vector]
            start = emit.constant(along.constant + along.offset) + along.at(self.base)
            index = start + place * emit.constant(convolution.stride) + phase
            indices = [*source[:vector], index, *source[vector:]]
            return emit.store(
                self.window, emit.load(convolution.source, *indices), *within, phase, place
            )

        def zero(place: Any) -> Any:
            return emit.store(self.window, tirx.FloatImm("float32", 0.0), *within, phase, place)

        body = self._copy(copied, zero, phase, shape[-1])
        if inside:
            body = tirx.IfThenElse(tirx.all(*inside), body, in_vectors(shape[-1], zero))
        return emit.loops([*within, phase], shape[:-1], body)

    def _checks(self, axis: Axis, place: Any, extent: int) -> list[Any]:
        """Conditions for a place of an axis not to be padding, where some block could be."""
        first, last = self._reach(axis, extent)
        checks = []
        if first < axis.low:
            checks.append(place >= emit.constant(axis.low))
        if last >= axis.high:
            checks.append(place < emit.constant(axis.high))
        return checks

    def _reach(self, axis: Axis, extent: int) -> tuple[int, int]:
        """The first and the last place of an axis that some block's window reads."""
        counts = dict(zip(self.total.spatial, self.total.extents, strict=True))
        counts[self.matmul.group] = self.matmul.groups
        starts = sum(
            factor * (counts[var] - self.spans.get(var, 1))
            for var, factor in axis.terms.items()
            if var in counts
        )
        return axis.constant, axis.constant + starts + extent - 1

    def _copy(self, copied: Any, zero: Any, phase: Any, extent: int) -> Any:
        """The copy of a row of the window, with zeros at its ends where it may be padding."""
        axis, stride = self.convolution.axes[self.convolution.vector], self.convolution.stride
        first, last = self._reach(axis, extent * stride)
        if first >= axis.low and last < axis.high:
            return in_vectors(extent, copied)
        start = emit.constant(axis.constant) + axis.at(self.base) + phase

        def reached(bound: int) -> Any:
            place = tirx.floordiv(emit.constant(bound + stride - 1) - start, stride)
            return tirx.max(emit.constant(0), tirx.min(place, emit.constant(extent)))

        low, high = reached(axis.low), reached(axis.high)
        high = tirx.max(low, high)
        place, one, before, after = (emit.index(name) for name in ("part", "one", "low", "high"))
        count = high - low
        lane = emit.index("lane")
        begin = low + tirx.min(place * LANES, count - LANES)
        many = emit.loop(lane, LANES, copied(begin + lane), VECTORIZED)
        parts = [
            _until(before, low, zero(before)),
            _until(after, emit.constant(extent) - high, zero(high + after)),
            tirx.IfThenElse(
                count >= LANES,
                _until(place, tirx.floordiv(count + (LANES - 1), LANES), many),
                _until(one, count, copied(low + one)),
            ),
        ]
        return emit.sequence(parts)


def _until(var: Any, extent: Any, body: Any) -> Any:
    """A loop of a computed number of iterations."""
    return tirx.For(var, emit.constant(0), extent, SERIAL, body)
