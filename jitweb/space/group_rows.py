"""Row kernels for GPUs with a workgroup for each row: softmax, layer norm, RMS norm, mean.

Each invocation keeps its vectors of the row in registers, so that every element is loaded once and
stored once, and neighbours load neighbouring vectors. For a reduction each invocation reduces what
it has, and puts that into workgroup memory; after one barrier all of them reduce all of it. That
takes no subgroups, whose width differs, and one barrier instead of a tree's many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat
from harness.ir.loop_kinds import UNROLLED, VECTORIZED
from harness.ir.rewrite import substitute
from jitweb.space import emit
from jitweb.space.emit import LANES
from jitweb.space.equations import Equation, loads
from jitweb.space.matmul_equations import uses
from jitweb.space.rows import Rows, RowsBuilder, combine_of
from jitweb.space.webgpu_functions import FUNCTIONS

GROUPS = (32, 64, 128, 256)  # invocations of a row
MOST_VECTORS = 8  # of an invocation


def group_sizes(rows: Rows, most_threads: int) -> list[int]:
    """The workgroups that divide a row, the best guess first: up to four vectors an invocation."""
    extent = _extent(rows)
    if extent is None:
        return []
    vectors = extent // LANES
    fitting = [
        group
        for group in GROUPS
        if group <= most_threads and vectors % group == 0 and vectors <= MOST_VECTORS * group
    ]
    return sorted(fitting, key=lambda group: (vectors // group > 4, -group))


def _extent(rows: Rows) -> int | None:
    """The elements of a row; None if it isn't read and written element by element in place."""
    found: set[int] = set()
    for equation in rows.system.equations:
        inner = equation.spatial[len(rows.extents) :]
        extents = equation.extents[len(rows.extents) :]
        variables = [*equation.reduced, *(v for v, n in zip(inner, extents, strict=True) if n > 1)]
        counts = [*equation.reduced_extents, *(n for n in extents if n > 1)]
        dtypes = {str(equation.buffer.ty.dtype), *map(compat.dtype_of, loads(equation.value))}
        if dtypes != {"float32"} or len(variables) > 1 or _is_guarded(equation):
            return None
        found.update(counts)
        if not all(_is_in_place(load, variables) for load in loads(equation.value)):
            return None
    (extent, *others) = found or {0}
    return extent if extent and not others and extent % LANES == 0 else None


def _is_guarded(equation: Equation) -> bool:
    calls = (each for each in compat.nodes(equation.value) if isinstance(each, compat.Call))
    return any(compat.call_name(each) == "if_then_else" for each in calls)


def _is_in_place(load: Any, variables: list[Any]) -> bool:
    """Whether an element of the row is read where it is needed, and lies beside its neighbours."""
    used = [index for index in load.indices if any(uses(index, each) for each in variables)]
    return not used or (
        len(used) == 1
        and load.indices[-1].same_as(used[0])
        and any(used[0].same_as(each) for each in variables)
    )


class GroupRows(RowsBuilder):
    """Builds the kernel of a workgroup of this size, which must be among `group_sizes`."""

    functions = FUNCTIONS
    vector_dtypes = ("float32",)

    def __init__(self, rows: Rows, group: int) -> None:
        super().__init__(rows, LANES)
        extent = _extent(rows)
        assert extent is not None
        self.group, self.parts = group, extent // LANES // group
        self.thread = emit.index("thread")
        self.loaded: dict[tuple[Any, ...], Any] = {}  # registers of the row's inputs
        self.fetches: list[Any] = []
        self.place: tuple[Any, Any] | None = None  # in registers, of the element at hand

    def function(self) -> Any:
        """A workgroup for each row."""
        count, block = emit.product(self.rows.extents), emit.index("block")
        at = emit.row_major(block, self.rows.extents)
        statements: list[Any] = []
        for equation in self.rows.system.equations:
            make = self._reduced if equation.is_reduction else self._computed
            statements += make(equation, at)
        body = emit.with_locals(self.locals, emit.sequence([*self.fetches, *statements]))
        body = emit.bound(self.thread, self.group, "threadIdx.x", body)
        body = emit.bound(block, count, "blockIdx.x", body)
        return emit.function(self.rows.system.parameters, body)

    def _register(self, name: str) -> Any:
        made = emit.local(name, (self.parts * LANES,))
        self.locals.append(made)
        return made

    def _start(self, part: Any) -> Any:
        """Where the vector of the row begins that an invocation has as this part."""
        return (part * self.group + self.thread) * LANES

    def _over(self, make: Callable[[Any, Any], Any]) -> Any:
        """A statement for each element that an invocation has, in vectors."""
        part, lane = emit.index("part"), emit.index("lane")
        inner = emit.loop(lane, LANES, make(part, lane), VECTORIZED)
        return emit.loop(part, self.parts, inner, UNROLLED)

    def _element(self, equation: Equation, value: Any, at: list[Any], part: Any, lane: Any) -> Any:
        """The value at an element of the row, from registers."""
        table = dict(zip(equation.spatial, at, strict=False))
        inner = [*equation.spatial[len(at) :], *equation.reduced]
        table |= {var: emit.constant(0) for var in inner}
        moving = self._moving(equation)
        if moving is not None:
            table[moving] = self._start(part) + lane

        def fetched(load: Any) -> Any:
            buffer = compat.load_buffer(load)
            if buffer in self.held or moving is None or not uses(load, moving):
                return load
            return emit.load(self._fetched(load, table, moving), part * LANES + lane)

        self.place = (part, lane)
        return self._value(tvm_ffi.structural_map(value, (compat.BufferLoad, fetched)), table)

    def _moving(self, equation: Equation) -> Any:
        """The variable of an equation that goes along the row, if one does."""
        at = len(self.rows.extents)
        inner = zip(equation.spatial[at:], equation.extents[at:], strict=True)
        variables = [*equation.reduced, *(var for var, extent in inner if extent > 1)]
        return variables[0] if variables else None

    def _fetched(self, load: Any, table: dict[Any, Any], moving: Any) -> Any:
        """Registers with an input's elements of the row, loaded before all else."""
        part, lane = emit.index("part"), emit.index("lane")
        at = {**table, moving: tirx.Var("moving", "int32")}
        places = {var: place.astype(compat.dtype_of(var)) for var, place in at.items()}
        indices = [substitute(index, places) for index in load.indices]
        key = (compat.load_buffer(load), *(str(index) for index in indices))
        if key not in self.loaded:
            self.loaded[key] = self._register("fetched")
            start = self._start(part) + lane
            again = [substitute(index, {at[moving]: start}) for index in indices]
            value = emit.load(compat.load_buffer(load), *again)
            body = emit.store(self.loaded[key], value, part * LANES + lane)
            body = emit.loop(lane, LANES, body, VECTORIZED)
            self.fetches.append(emit.loop(part, self.parts, body, UNROLLED))
        return self.loaded[key]

    def _in_registers(self, buffer: Any) -> Callable[[list[Any]], Any]:
        def at_place(indices: list[Any]) -> Any:
            assert self.place is not None
            part, lane = self.place
            return emit.load(buffer, part * LANES + lane)

        return at_place

    def _computed(self, equation: Equation, at: list[Any]) -> list[Any]:
        """An element of a result for each of the row's, in registers first."""
        is_output = self.rows.system.is_output(equation)
        if self._moving(equation) is None:
            value = self._element(equation, equation.value, at, emit.constant(0), emit.constant(0))
            total = emit.local("single", (1,))
            self.locals.append(total)
            self.held[equation.buffer] = lambda indices: emit.load(total, 0)
            place = [*at, *(emit.constant(0) for _ in equation.spatial[len(at) :])]
            stored = [emit.store(equation.buffer, emit.load(total, 0), *place)]
            return [emit.store(total, value, 0), *(stored if is_output else [])]
        kept = self._register("computed")

        def computed(part: Any, lane: Any) -> Any:
            value = self._element(equation, equation.value, at, part, lane)
            return emit.store(kept, value, part * LANES + lane)

        def stored_at(part: Any, lane: Any) -> Any:
            moving, here = self._moving(equation), self._start(part) + lane
            inner = [
                here if var.same_as(moving) else emit.constant(0)
                for var in equation.spatial[len(at) :]
            ]
            place = [*at, *inner]
            return emit.store(equation.buffer, emit.load(kept, part * LANES + lane), *place)

        statements = [self._over(computed)]
        self.held[equation.buffer] = self._in_registers(kept)
        return [*statements, *([self._over(stored_at)] if is_output else [])]

    def _reduced(self, equation: Equation, at: list[Any]) -> list[Any]:
        """A reduction of the row, which every invocation has in the end."""
        combine, value = combine_of(equation)
        combine = self._keeping_nan(equation, combine)
        own, every = emit.local("own", (LANES,)), emit.local("every", (LANES,))
        total = emit.local("total", (1,))
        shared = tirx.decl_buffer([self.group], "float32", name="reduced", scope="shared")
        self.locals += [own, every, total, shared]

        def begun(buffer: Any) -> Any:
            lane = emit.index("lane")
            start = emit.store(buffer, equation.init, lane)
            return emit.loop(lane, LANES, start, VECTORIZED)

        def taken(part: Any, lane: Any) -> Any:
            new = self._element(equation, value, at, part, lane)
            return emit.store(own, combine(emit.load(own, lane), new), lane)

        def joined(buffer: Any) -> Any:
            result = emit.load(buffer, 0)
            for lane in range(1, LANES):
                result = combine(result, emit.load(buffer, lane))
            return result

        part, lane = emit.index("part"), emit.index("lane")
        new = emit.load(shared, part * LANES + lane)
        each = emit.store(every, combine(emit.load(every, lane), new), lane)
        each = emit.loop(lane, LANES, each, VECTORIZED)
        self.held[equation.buffer] = lambda indices: emit.load(total, 0)
        statements = [
            begun(own),
            self._over(taken),
            emit.store(shared, joined(own), self.thread),
            begun(every),
            emit.loop(part, self.group // LANES, each, UNROLLED),
            emit.store(total, joined(every), 0),
        ]
        if self.rows.system.is_output(equation):
            place = [*at, *(emit.constant(0) for _ in equation.spatial[len(at) :])]
            statements.append(emit.store(equation.buffer, emit.load(total, 0), *place))
        return statements
