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
from jitweb.errors import NotEquations
from jitweb.space import emit
from jitweb.space.approximate import FUNCTIONS, Functions, approximate
from jitweb.space.equations import (
    Equation,
    EquationSystem,
    inlined,
    loads,
    read_equations,
    read_once,
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

    system: EquationSystem
    extents: tuple[int, ...]

    @property
    def has_reductions(self) -> bool:
        return any(equation.is_reduction for equation in self.system.equations)


@read_once
def read_rows(function: Any) -> Rows:
    """The function as a row kernel.

    Raises:
        NotEquations: it doesn't have this form.
    """
    system = inlined(function, _kept(read_equations(function)))
    reductions = [equation for equation in system.equations if equation.is_reduction]
    if reductions:
        extents = _without_trailing_ones(reductions[0].extents)
    else:
        extents = _without_trailing_ones(system.equations[-1].extents)[:-1]
    rows = Rows(system, extents)
    _check(rows)
    return rows


def _kept(system: EquationSystem) -> frozenset[Any]:
    """The buffers that a reduction reads whose values, or what those use, call functions."""
    heavy: set[Any] = set()
    kept: set[Any] = set()
    for equation in system.equations:
        if equation.is_reduction or system.is_output(equation) or not _is_heavy(equation, heavy):
            continue
        (kept if _is_reduced(system, equation) else heavy).add(equation.buffer)
    return frozenset(kept)


def _is_heavy(equation: Equation, heavy: set[Any]) -> bool:
    return any(
        compat.call_name(node) in FUNCTIONS
        if isinstance(node, compat.Call)
        else isinstance(node, compat.BufferLoad) and compat.load_buffer(node) in heavy
        for node in compat.nodes(equation.value)
    )


def _is_reduced(system: EquationSystem, equation: Equation) -> bool:
    return any(
        other.is_reduction
        and any(compat.load_buffer(load).same_as(equation.buffer) for load in loads(other.value))
        for other in system.equations
    )


def _without_trailing_ones(extents: tuple[int, ...]) -> tuple[int, ...]:
    while len(extents) > 1 and extents[-1] == 1:
        extents = extents[:-1]
    return extents


def _check(rows: Rows) -> None:
    made: list[Equation] = []
    for equation in rows.system.equations:
        if equation.extents[: len(rows.extents)] != rows.extents:
            raise NotEquations("its equations are not of the same rows")
        if equation.is_reduction:
            if emit.product(equation.extents[len(rows.extents) :]) != 1:
                raise NotEquations("a reduction leaves more than one element of a row")
            combine_of(equation)
        for load in loads(equation.value):
            for earlier in made:
                if compat.load_buffer(load).same_as(earlier.buffer):
                    _check_same_row(load, equation, rows)
        made.append(equation)


def _check_same_row(load: Any, equation: Equation, rows: Rows) -> None:
    for found, var, extent in zip(load.indices, equation.spatial, rows.extents, strict=False):
        if extent != 1 and not found.same_as(var):
            raise NotEquations("a row depends on another one")


def combine_of(equation: Equation) -> tuple[Callable[[Any, Any], Any], Any]:
    """The operation of a reduction, and its operand."""
    make = COMBINES.get(compat.type_key(equation.value))
    if make is not None:
        for own, other in (
            (equation.value.a, equation.value.b),
            (equation.value.b, equation.value.a),
        ):
            if isinstance(own, compat.BufferLoad) and compat.load_buffer(own).same_as(
                equation.buffer
            ):
                return make, other
    raise NotEquations("a reduction is not a sum, product, maximum or minimum")


def build_rows(rows: Rows, width: int) -> Any:
    """The kernel as a function without blocks, with vectors of `width` elements."""
    return RowsBuilder(rows, width).build()


class RowsBuilder:
    """Builds the kernel; a target with another outer loop overrides `build`.

    `functions` are those that the target lacks.
    """

    functions: Functions = FUNCTIONS
    vector_dtypes: tuple[str, ...] = ("float32", "int32", "int64")

    def __init__(self, rows: Rows, width: int) -> None:
        self.rows, self.width = rows, width
        self.held: dict[Any, Any] = {}  # the replacements of buffers of reductions and kept rows
        self.aliases: set[Any] = set()  # outputs that temporarily hold a kept row
        self.locals: list[Any] = []

    def build(self) -> Any:
        row = emit.index("row")
        count = emit.product(self.rows.extents)
        loop = emit.loop(row, count, self.row(row), PARALLEL)
        return emit.function(self.rows.system.parameters, loop)

    def row(self, row: Any) -> Any:
        """All equations of one row."""
        at = emit.row_major(row, self.rows.extents)
        body: list[Any] = []
        for equation in self.rows.system.equations:
            if equation.is_reduction:
                body += self._reduce(equation, at)
            else:
                body.append(self._store(equation, at))
        return emit.with_locals(self.locals, emit.sequence(body))

    def _value(self, value: Any, table: dict[Any, Any]) -> Any:
        """The expression at a place, with loads of this row's earlier results from their place."""

        def replaced(load: Any) -> Any:
            held = self.held.get(compat.load_buffer(load))
            return load if held is None else held(list(load.indices))

        value = tvm_ffi.structural_map(value, (compat.BufferLoad, replaced))
        places = {var: place.astype(compat.dtype_of(var)) for var, place in table.items()}
        return approximate(substitute(value, places), self.functions)

    def _width_for(self, equation: Equation, extent: int) -> int:
        dtypes = [str(equation.buffer.ty.dtype)]
        dtypes += [compat.dtype_of(load) for load in loads(equation.value)]
        if any(dtype not in self.vector_dtypes for dtype in dtypes):
            return 1
        width = self.width
        while width > extent:
            width //= 2
        return width

    def _reduce(self, equation: Equation, at: list[Any]) -> list[Any]:
        combine, value = combine_of(equation)
        combine = self._keeping_nan(equation, combine)
        dtype = str(equation.buffer.ty.dtype)
        width = self._width_for(equation, equation.reduced_extents[-1])
        extent = equation.reduced_extents[-1]
        outer = [emit.index("k_outer") for _ in equation.reduced[:-1]]
        table = dict(zip(equation.spatial, at, strict=False)) | dict(
            zip(equation.reduced[:-1], outer, strict=True)
        )
        table |= {var: emit.constant(0) for var in equation.spatial[len(at) :]}
        lanes = emit.local("lanes", (width,), dtype)
        total = emit.local("total", (1,), dtype)

        def combined(held: Any, k: Any, *place: Any) -> Any:
            new = self._value(value, table | {equation.reduced[-1]: k})
            return emit.store(held, combine(emit.load(held, *place), new), *place)

        k, lane = emit.index("k"), emit.index("lane")
        start, lane_sum = emit.index("lane_start"), emit.index("lane_end")
        whole, end, left = emit.divided(extent, width)
        inner = [
            emit.loop(
                k,
                whole,
                emit.loop(lane, width, combined(lanes, k * width + lane, lane), VECTORIZED),
            )
        ]
        if not isinstance(left, int) or left:
            rest = emit.index("k_rest")
            inner.append(emit.loop(rest, left, combined(total, rest + end, 0)))
        run = emit.sequence(inner)
        for var, count in zip(
            reversed(outer), reversed(equation.reduced_extents[:-1]), strict=True
        ):
            run = emit.loop(var, count, run)
        self.locals += [lanes, total]
        last = combine(emit.load(total, 0), emit.load(lanes, lane_sum))
        statements = [
            emit.loop(start, width, emit.store(lanes, equation.init, start), VECTORIZED),
            emit.store(total, equation.init, 0),
            run,
            emit.loop(lane_sum, width, emit.store(total, last, 0), UNROLLED),
        ]
        self.held[equation.buffer] = lambda indices: emit.load(total, 0)
        if self.rows.system.is_output(equation):
            place_ = [*at, *(emit.constant(0) for _ in equation.spatial[len(at) :])]
            statements.append(emit.store(equation.buffer, emit.load(total, 0), *place_))
        return statements

    def _keeping_nan(self, equation: Equation, combine: Callable[[Any, Any], Any]) -> Any:
        """The operation so that NaN stays, of a maximum or minimum that is a result.

        Not of a softmax's: the sum that comes after it is NaN all the same.
        """
        only = sum(each.is_reduction for each in self.rows.system.equations) == 1
        kind = compat.type_key(equation.value).lower()
        is_float = str(equation.buffer.ty.dtype) == "float32"
        return self.functions.get(kind, combine) if only and is_float else combine

    def _store(self, equation: Equation, at: list[Any]) -> Any:
        inner = equation.spatial[len(at) :]
        if not inner:
            return emit.store(
                equation.buffer, self._value(equation.value, _table(equation, at)), *at
            )
        buffer, offset = self._target(equation, at)
        extents = equation.extents[len(at) :]
        outer = [emit.index("outer") for _ in inner[:-1]]
        extent, width = extents[-1], self._width_for(equation, extents[-1])
        in_place = any(compat.load_buffer(x) in self.aliases for x in loads(equation.value)) or any(
            compat.load_buffer(x) in self.held and buffer in self.aliases
            for x in loads(equation.value)
        )

        def vector(start: Any, count: int) -> Any:
            lane = emit.index("lane")
            place = [*at, *outer, start + lane if count > 1 else start]
            value = self._value(equation.value, _table(equation, place))
            kind = VECTORIZED if count > 1 else SERIAL
            written = emit.store(buffer, value, *place[offset:])
            return emit.loop(lane, count, written, kind) if count > 1 else written

        step, rest = emit.index("step"), emit.index("rest")
        whole, end, left = emit.divided(extent, width)
        parts = [emit.loop(step, whole, vector(step * width, width))]
        is_open = not isinstance(left, int)
        if in_place and (is_open or left):
            parts.append(emit.loop(rest, left, vector(rest + end, 1)))
        elif is_open or left:
            last = vector(emit.constant(extent - width), width)
            if is_open:  # and perhaps shorter than a vector
                single = emit.loop(rest, left, vector(rest + end, 1))
                last = tirx.IfThenElse(whole > 0, last, single)
                last = tirx.IfThenElse(left > 0, last, None)
            parts.append(last)
        body = emit.sequence(parts)
        for var, count in zip(reversed(outer), reversed(extents[:-1]), strict=True):
            body = emit.loop(var, count, body)
        return body

    def _target(self, equation: Equation, at: list[Any]) -> tuple[Any, int]:
        """The buffer that an equation is stored to, and how many of its indices are the row's."""
        system = self.rows.system
        if system.is_output(equation):
            return equation.buffer, 0
        # A kept row is in the output's row, if its shape is equal, until the output overwrites it.
        last = system.equations[-1]
        if (
            system.is_output(last)
            and last.extents == equation.extents
            and str(last.buffer.ty.dtype) == str(equation.buffer.ty.dtype)
            and _reads_only_in_place(last, equation)
        ):
            self.held[equation.buffer] = lambda indices: emit.load(last.buffer, *indices)
            self.aliases.add(last.buffer)
            return last.buffer, 0
        inner = equation.extents[len(at) :]
        if emit.product(inner) > MOST_KEPT:
            raise NotEquations("a row is too long to be kept")
        kept = emit.local("kept", inner, str(equation.buffer.ty.dtype))
        self.locals.append(kept)
        self.held[equation.buffer] = lambda indices: emit.load(kept, *indices[len(at) :])
        return kept, len(at)


def _table(equation: Equation, place: list[Any]) -> dict[Any, Any]:
    return dict(zip(equation.spatial, place, strict=True))


def _reads_only_in_place(reader: Equation, kept: Equation) -> bool:
    for load in loads(reader.value):
        if compat.load_buffer(load).same_as(kept.buffer):
            for found, var, extent in zip(
                load.indices, reader.spatial, reader.extents, strict=True
            ):
                if extent != 1 and not found.same_as(var):
                    return False
    return True
