"""Row kernels: softmax, layer norm, RMS norm, mean, and everything elementwise.

They compute one row after another: first its reductions in vector accumulators, then the stores of
its elements. Threads split the rows. Without reductions a row is the last axis.

If the width of a vector doesn't divide a row, the last vector starts earlier and overlaps the one
before, if that is harmless; in sums, and if a row is changed in place, the rest is computed element
by element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir.loop_kinds import PARALLEL, SERIAL, UNROLLED, VECTORIZED
from harness.ir.rewrite import substitute
from jitweb.space import emit
from jitweb.space.approximate import FUNCTIONS, approximate
from jitweb.space.equations import (
    Equation,
    Equations,
    NotStages,
    inline,
    loads,
    read_stages,
)

COMBINES: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "Mul": lambda a, b: a * b,
    "Max": tirx.max,
    "Min": tirx.min,
}
MOST_KEPT = 4096  # the maximum elements of a row on the stack


@dataclass(frozen=True)
class Rows:
    """Equations whose rows are independent. `extents` are those of the rows."""

    equations: Equations
    extents: tuple[int, ...]

    @property
    def has_reductions(self) -> bool:
        return any(stage.is_reduction for stage in self.equations.stages)


def read_rows(function: Any) -> Rows:
    """The function as a row kernel.

    Raises:
        NotStages: it doesn't have this form.
    """
    read = read_stages(function)
    equations = inline(read, keep=lambda stage: _is_heavy(stage) and _is_reduced(read, stage))
    reductions = [stage for stage in equations.stages if stage.is_reduction]
    if reductions:
        extents = _without_trailing_ones(reductions[0].extents)
    else:
        extents = _without_trailing_ones(equations.stages[-1].extents)[:-1]
    rows = Rows(equations, extents)
    _check(rows)
    return rows


def _is_heavy(stage: Equation) -> bool:
    return any(
        compat.call_name(node) in FUNCTIONS
        for node in compat.nodes(stage.value)
        if isinstance(node, compat.Call)
    )


def _is_reduced(equations: Equations, stage: Equation) -> bool:
    return any(
        other.is_reduction
        and any(compat.load_buffer(load).same_as(stage.buffer) for load in loads(other.value))
        for other in equations.stages
    )


def _without_trailing_ones(extents: tuple[int, ...]) -> tuple[int, ...]:
    while len(extents) > 1 and extents[-1] == 1:
        extents = extents[:-1]
    return extents


def _check(rows: Rows) -> None:
    made: list[Equation] = []
    for stage in rows.equations.stages:
        if stage.extents[: len(rows.extents)] != rows.extents:
            raise NotStages("its stages are not of the same rows")
        if stage.is_reduction:
            if emit.product(stage.extents[len(rows.extents) :]) != 1:
                raise NotStages("a reduction leaves more than one element of a row")
            _combine(stage)
        for load in loads(stage.value):
            for earlier in made:
                if compat.load_buffer(load).same_as(earlier.buffer):
                    _check_same_row(load, stage, rows)
        made.append(stage)


def _check_same_row(load: Any, stage: Equation, rows: Rows) -> None:
    for found, var, extent in zip(load.indices, stage.spatial, rows.extents, strict=False):
        if extent != 1 and not found.same_as(var):
            raise NotStages("a row depends on another one")


def _combine(stage: Equation) -> tuple[Callable[[Any, Any], Any], Any]:
    """The operation of a reduction, and its operand."""
    make = COMBINES.get(compat.type_key(stage.value))
    if make is not None:
        for own, other in ((stage.value.a, stage.value.b), (stage.value.b, stage.value.a)):
            if isinstance(own, compat.BufferLoad) and compat.load_buffer(own).same_as(stage.buffer):
                return make, other
    raise NotStages("a reduction is no sum, product, maximum or minimum")


def build_rows(rows: Rows, width: int) -> Any:
    """The kernel as a function without blocks, with vectors of `width` elements."""
    return RowsBuilder(rows, width).build()


class RowsBuilder:
    """Builds the kernel; a target with another outer loop overrides `build`.

    `functions` are those that the target lacks; None means all of them.
    """

    functions: frozenset[str] | None = None
    vector_dtypes: tuple[str, ...] = ("float32", "int32")

    def __init__(self, rows: Rows, width: int) -> None:
        self.rows, self.width = rows, width
        self.held: dict[Any, Any] = {}  # the replacements of buffers of reductions and kept rows
        self.aliases: set[Any] = set()  # outputs that temporarily hold a kept row
        self.locals: list[Any] = []

    def build(self) -> Any:
        row = emit.index("row")
        count = emit.product(self.rows.extents)
        loop = emit.loop(row, count, self.row(row), PARALLEL)
        return emit.function(self.rows.equations.parameters, loop)

    def row(self, row: Any) -> Any:
        """All stages of one row."""
        at = emit.row_major(row, self.rows.extents)
        body: list[Any] = []
        for stage in self.rows.equations.stages:
            if stage.is_reduction:
                body += self._reduce(stage, at)
            else:
                body.append(self._store(stage, at))
        return emit.with_locals(self.locals, emit.sequence(body))

    def _value(self, value: Any, table: dict[Any, Any]) -> Any:
        """The expression at a place, with loads of this row's earlier results from their place."""

        def replaced(load: Any) -> Any:
            held = self.held.get(compat.load_buffer(load))
            return load if held is None else held(list(load.indices))

        value = tvm_ffi.structural_map(value, (compat.BufferLoad, replaced))
        places = {var: place.astype(compat.dtype_of(var)) for var, place in table.items()}
        return approximate(substitute(value, places), only=self.functions)

    def _width_for(self, stage: Equation, extent: int) -> int:
        dtypes = [str(stage.buffer.ty.dtype)]
        dtypes += [compat.dtype_of(load) for load in loads(stage.value)]
        if any(dtype not in self.vector_dtypes for dtype in dtypes):
            return 1
        width = self.width
        while width > extent:
            width //= 2
        return width

    def _reduce(self, stage: Equation, at: list[Any]) -> list[Any]:
        combine, value = _combine(stage)
        dtype = str(stage.buffer.ty.dtype)
        width = self._width_for(stage, stage.reduced_extents[-1])
        extent = stage.reduced_extents[-1]
        outer = [emit.index("k_outer") for _ in stage.reduced[:-1]]
        table = dict(zip(stage.spatial, at, strict=False)) | dict(
            zip(stage.reduced[:-1], outer, strict=True)
        )
        table |= {var: emit.constant(0) for var in stage.spatial[len(at) :]}
        lanes = emit.local("lanes", (width,), dtype)
        total = emit.local("total", (1,), dtype)

        def combined(held: Any, k: Any, *place: Any) -> Any:
            new = self._value(value, table | {stage.reduced[-1]: k})
            return emit.store(held, combine(emit.load(held, *place), new), *place)

        k, lane = emit.index("k"), emit.index("lane")
        start, lane_sum = emit.index("lane_start"), emit.index("lane_end")
        inner = [
            emit.loop(
                k,
                extent // width,
                emit.loop(lane, width, combined(lanes, k * width + lane, lane), VECTORIZED),
            )
        ]
        if extent % width:
            rest = emit.index("k_rest")
            place = rest + emit.constant(extent - extent % width)
            inner.append(emit.loop(rest, extent % width, combined(total, place, 0)))
        run = emit.sequence(inner)
        for var, count in zip(reversed(outer), reversed(stage.reduced_extents[:-1]), strict=True):
            run = emit.loop(var, count, run)
        self.locals += [lanes, total]
        last = combine(emit.load(total, 0), emit.load(lanes, lane_sum))
        statements = [
            emit.loop(start, width, emit.store(lanes, stage.init, start), VECTORIZED),
            emit.store(total, stage.init, 0),
            run,
            emit.loop(lane_sum, width, emit.store(total, last, 0), UNROLLED),
        ]
        self.held[stage.buffer] = lambda indices: emit.load(total, 0)
        if self.rows.equations.is_output(stage):
            place_ = [*at, *(emit.constant(0) for _ in stage.spatial[len(at) :])]
            statements.append(emit.store(stage.buffer, emit.load(total, 0), *place_))
        return statements

    def _store(self, stage: Equation, at: list[Any]) -> Any:
        inner = stage.spatial[len(at) :]
        if not inner:
            return emit.store(stage.buffer, self._value(stage.value, _table(stage, at)), *at)
        buffer, offset = self._target(stage, at)
        extents = stage.extents[len(at) :]
        outer = [emit.index("outer") for _ in inner[:-1]]
        extent, width = extents[-1], self._width_for(stage, extents[-1])
        in_place = any(compat.load_buffer(x) in self.aliases for x in loads(stage.value)) or any(
            compat.load_buffer(x) in self.held and buffer in self.aliases
            for x in loads(stage.value)
        )

        def vector(start: Any, count: int) -> Any:
            lane = emit.index("lane")
            place = [*at, *outer, start + lane if count > 1 else start]
            value = self._value(stage.value, _table(stage, place))
            kind = VECTORIZED if count > 1 else SERIAL
            written = emit.store(buffer, value, *place[offset:])
            return emit.loop(lane, count, written, kind) if count > 1 else written

        step, rest = emit.index("step"), emit.index("rest")
        parts = [emit.loop(step, extent // width, vector(step * width, width))]
        left = extent % width
        if left and in_place:
            parts.append(emit.loop(rest, left, vector(rest + emit.constant(extent - left), 1)))
        elif left:
            parts.append(vector(emit.constant(extent - width), width))
        body = emit.sequence(parts)
        for var, count in zip(reversed(outer), reversed(extents[:-1]), strict=True):
            body = emit.loop(var, count, body)
        return body

    def _target(self, stage: Equation, at: list[Any]) -> tuple[Any, int]:
        """The buffer that a stage is stored to, and how many of its indices are the row's."""
        equations = self.rows.equations
        if equations.is_output(stage):
            return stage.buffer, 0
        # A kept row is in the output's row, if its shape is equal, until the output overwrites it.
        last = equations.stages[-1]
        if (
            equations.is_output(last)
            and last.extents == stage.extents
            and str(last.buffer.ty.dtype) == str(stage.buffer.ty.dtype)
            and _reads_only_in_place(last, stage)
        ):
            self.held[stage.buffer] = lambda indices: emit.load(last.buffer, *indices)
            self.aliases.add(last.buffer)
            return last.buffer, 0
        inner = stage.extents[len(at) :]
        if emit.product(inner) > MOST_KEPT:
            raise NotStages("a row is too long to be kept")
        kept = emit.local("kept", inner, str(stage.buffer.ty.dtype))
        self.locals.append(kept)
        self.held[stage.buffer] = lambda indices: emit.load(kept, *indices[len(at) :])
        return kept, len(at)


def _table(stage: Equation, place: list[Any]) -> dict[Any, Any]:
    return dict(zip(stage.spatial, place, strict=True))


def _reads_only_in_place(reader: Equation, kept: Equation) -> bool:
    for load in loads(reader.value):
        if compat.load_buffer(load).same_as(kept.buffer):
            for found, var, extent in zip(
                load.indices, reader.spatial, reader.extents, strict=True
            ):
                if extent != 1 and not found.same_as(var):
                    return False
    return True
