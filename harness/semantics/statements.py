"""Statements: from a PrimFunc to the source of one Python function.

Loops become Python loops, one iteration after another, whatever their kind; concurrent ones
(parallel, vectorized, thread bindings) get a context for race detection. A block's iteration
variables are names for their bindings, its init runs when all its reduction variables are at their
minimum, as LowerInitBlock has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from harness import compat
from harness.semantics import ranges
from harness.semantics.calls import base_name
from harness.semantics.errors import Unsupported
from harness.semantics.memory import Frame, MemoryCompiler, Region, Storage, View
from harness.semantics.ranges import Operand, constant
from harness.semantics.survey import (
    PARALLEL,
    REDUCTION,
    THREAD_ATTRIBUTES,
    THREAD_BINDING,
    VECTORIZED,
    pointed_to,
    region_buffer,
    survey_function,
)

SHARED = ("shared", "shared.dyn", "warp")
IGNORED_CALLS = frozenset({"prefetch", "start_profile_intrinsic", "end_profile_intrinsic"})


class StatementCompiler(MemoryCompiler):
    """Compiles one PrimFunc. `source` is the result; `parameters` says how to call it."""

    def __init__(self, function: Any, functions: Mapping[str, Any], noisy: bool) -> None:
        super().__init__(noisy)
        self.survey = survey_function(function, functions)
        self._functions = functions
        self.storages: dict[int, Storage] = {}
        self.pointers: dict[int, int] = {}
        self.private: dict[int, list[Any]] = {}
        self.parameters: list[Storage | Operand] = []
        self.operations = 0
        self._executions = 1  # of the current statement: the product of the loops' extents
        header = self._parameters(function)
        self.statement(function.body)
        self.source = "\n".join([header, *(self.lines or ["  pass"])])

    def _parameters(self, function: Any) -> str:
        names = []
        for param in function.params:
            if not compat.is_buffer(param):
                operand = ranges.unknown(self.fresh("a"), self.dtype(param))
                self.variables[hash(param)] = operand
                self.parameters.append(operand)
                names.append(operand.code)
        for param in function.params:
            if compat.is_buffer(param):
                self.parameters.append(self._buffer_parameter(param))
        # Scalars first: shapes may speak of them. `Program` sorts arguments the same way.
        names += [item.name for item in self.parameters if isinstance(item, Storage)]
        return f"def main({', '.join(names)}):"

    def _buffer_parameter(self, param: Any) -> Storage:
        shape = compat.static_shape(param)
        if shape is None:
            raise Unsupported(f"buffer {param.name} has a symbolic shape")
        # Arguments are compact and start at their first element; so variables in the layout are
        # bound by them.
        compact = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        for given, actual in [*zip(param.ty.strides, compact), (param.ty.elem_offset, 0)]:
            if compat.type_key(given) == "Var":
                self.variables[hash(given)] = constant(actual)
        dtype, _, strides, offset = self.layout(param)
        if [stride.code for stride in strides] != [str(item) for item in compact]:
            raise Unsupported(f"buffer parameter {param.name} with strides that leave gaps")
        if offset.code != "0":
            raise Unsupported(f"buffer parameter {param.name} with an offset")
        size = dtype.lanes
        for extent in shape:
            size *= extent
        key = hash(param)
        tagged = key in self.survey.written_concurrently
        storage = Storage(
            self.fresh("b"), str(param.name), dtype, constant(size), self.survey.mixed(key),
            False, tagged,
        )  # fmt: skip
        self.storages[key] = storage
        self.tag(storage)
        self.declare(param, storage)
        return storage

    def statement(self, node: Any) -> None:
        """Emit a statement.

        Raises:
            Unsupported: a construct without a model; names it.
        """
        key = compat.type_key(node)
        handler = getattr(self, f"_statement_{key}", None)
        if handler is None:
            raise Unsupported(f"statement {key}")
        handler(node)

    def _statement_SeqStmt(self, node: Any) -> None:
        for part in node.seq:
            self.statement(part)

    # Loops

    def _statement_For(self, node: Any) -> None:
        concurrent = int(node.kind) in (PARALLEL, VECTORIZED, THREAD_BINDING)
        concurrent = concurrent and hash(node.loop_var) not in self.survey.serialised
        with self._loop(node.loop_var, node.min, node.extent, node.step, concurrent):
            self.statement(node.body)

    @contextmanager
    def _loop(
        self, variable: Any, minimum: Any, count: Any, step: Any, concurrent: bool
    ) -> Iterator[None]:
        start, extent = self.atom(self.value(minimum)), self.atom(self.value(count))
        stride = constant(1) if step is None else self.atom(self.value(step))
        if stride.low < 1:
            raise Unsupported("a loop step that is not a positive constant")
        dtype = self.dtype(variable)
        last = Operand("", start.low, max(start.low, start.high + extent.high - 1))
        if last.high > dtype.high:
            code = f"{start.code} + {extent.code}"
            self.emit(f"if {code} > {dtype.high + 1}: overflow({code}, {dtype.scalar!r})")
        self._charge(extent)
        end = ranges.add(start, extent).code
        bounds = end if start.code == "0" else f"{start.code}, {end}"
        if stride.code != "1":
            bounds = f"{start.code}, {end}, {stride.code}"
        name = self.fresh("i")
        self.variables[hash(variable)] = ranges.clipped(name, last, dtype)
        concurrent = concurrent and not self.noisy
        execution = self.temporary("K.enter()") if concurrent else ""
        outer = self._executions
        self._executions *= max(1, min(extent.high, 1 << 20))
        with self.indented(f"for {name} in range({bounds}):"):
            if concurrent:
                context = self.temporary(f"K.iterate({self.contexts[-1]}, {execution})")
                self.contexts.append(context)
            for buffer in self.private.pop(hash(variable), ()):
                self._allocate(buffer)
            yield
            if concurrent:
                self.contexts.pop()
        self._executions = outer

    def _charge(self, extent: Operand) -> None:
        """Emit the count of steps, from which `StepLimit` follows."""
        self.emit(f"S[0] -= {extent.code}" if extent.low >= 0 else f"S[0] -= max(0, {extent.code})")
        self.emit("if S[0] < 0: step_limit()")

    def _statement_While(self, node: Any) -> None:
        outer, self._executions = self._executions, self._executions * 64
        with self.indented("while True:"):
            self._charge(constant(1))
            condition = self.value(node.condition)
            self.emit(f"if not {condition.code}: break")
            self.statement(node.body)
        self._executions = outer

    def _statement_Break(self, _: Any) -> None:
        self.emit("break")

    def _statement_Continue(self, _: Any) -> None:
        self.emit("continue")

    # Control

    def _statement_IfThenElse(self, node: Any) -> None:
        condition = self.value(node.condition)
        with self.indented(f"if {condition.code}:"):
            self.statement(node.then_case)
        if node.else_case is not None:
            with self.indented("else:"):
                self.statement(node.else_case)

    def _statement_AssertStmt(self, node: Any) -> None:
        condition = self.value(node.condition)
        message = "".join(str(part.value) for part in node.message_parts)
        self.emit(f"if not {condition.code}: assert_failed({message!r})")

    def _statement_Return(self, node: Any) -> None:
        self.emit(f"return {self.value(node.value).code}")

    def _statement_Evaluate(self, node: Any) -> None:
        value = node.value
        if compat.type_key(value) != "Call":
            self.value(value)  # for what it may emit: the checks of its operands
            return
        operator = value.op
        name = base_name(str(operator.name)) if compat.type_key(operator) == "Op" else ""
        if name == "ret":
            self.emit(f"return {self.value(value.args[0]).code}")
        elif name in ("break_loop", "continue_loop"):
            self.emit(name.removesuffix("_loop"))
        elif name not in IGNORED_CALLS:
            self.emit(self.value(value).code)

    def private_call(self, node: Any) -> Operand:
        """A call of a function of the module: a nested function, compiled anew for each call."""
        called = self._functions[str(node.op.name_hint)]
        names, values = [], []
        for param, argument in zip(called.params, node.args, strict=True):
            owner = pointed_to(argument, self.pointers)
            if owner is None:
                value = self.value(argument)
                operand = ranges.unknown(self.fresh("a"), self.dtype(param))
                self.variables[hash(param)] = operand
                names.append(operand.code)
                values.append(value.code)
            else:
                self.pointers[hash(param)] = owner
        name = self.fresh("f")
        with self.indented(f"def {name}({', '.join(names)}):"):
            for param in called.params:
                if compat.is_buffer(param):
                    self._declare_over(param, self.pointers.get(hash(param)))
            self.statement(called.body)
        return Operand(f"{name}({', '.join(values)})")

    def _statement_AttrStmt(self, node: Any) -> None:
        attribute = str(node.attr_key)
        if attribute not in THREAD_ATTRIBUTES or hash(node.node.var) in self.variables:
            self.statement(node.body)
            return
        zero = compat.IntImm(compat.dtype_of(node.value), 0)
        with self._loop(node.node.var, zero, node.value, None, concurrent=True):
            self.statement(node.body)

    def _statement_Bind(self, node: Any) -> None:
        owner = pointed_to(node.value, self.pointers)
        if owner is not None:
            self.pointers[hash(node.var)] = owner
            return
        lanes = self.dtype(node.value).lanes
        if lanes > 1:
            self.vectors[hash(node.var)] = self.vector(node.value, lanes)
            return
        value = self.value(node.value)
        self.variables[hash(node.var)] = Operand(
            self.temporary(value.code), value.low, value.high
        )

    # Buffers

    def _allocate(self, buffer: Any) -> None:
        key = hash(buffer)
        tagged = key in self.survey.written_concurrently
        self.storages[key] = self.allocate(buffer, self.survey.mixed(key), tagged)

    def _statement_AllocBuffer(self, node: Any) -> None:
        if str(node.buffer.ty.storage_scope) in SHARED and len(self.contexts) > 1:
            raise Unsupported("memory shared by the threads around its allocation")
        self._allocate(node.buffer)

    def _statement_DeclBuffer(self, node: Any) -> None:
        self._declare_over(node.buffer, pointed_to(node.data, self.pointers))

    def _declare_over(self, buffer: Any, owner: int | None) -> None:
        root = self.survey.root(owner if owner is not None else 0)
        if owner == hash(buffer) or root not in self.storages:
            raise Unsupported("a buffer declared over an unknown pointer")
        self.declare(buffer, self.storages[root], alias=True)

    def _statement_BufferStore(self, node: Any) -> None:
        if compat.access_predicate(node) is not None:
            raise Unsupported("a store with a predicate")
        view = self.view_of(node.buffer)
        lanes = max(self.dtype(node.value).lanes, 1)
        before = self.float_operations
        if lanes == 1:
            value = self.value(node.value).code
            place = self.place(view, node.indices, 1, written=True)
            self.store(view, place, value)
        else:
            self._store_vector(view, node, lanes)
        # An upper estimate of the chain of operations that reaches an element.
        elements = max(1, view.storage.size.low)
        repeats = max(1, self._executions // elements)
        self.operations += (self.float_operations - before) * repeats

    def _store_vector(self, view: View, node: Any, lanes: int) -> None:
        """All lanes are read before the first is written."""
        index, places, values = self.fresh("l"), self.fresh("p"), self.fresh("v")
        self.emit(f"{places} = []; {values} = []")
        with self.at_lane(self.lane_variable(index, lanes)):
            with self.indented(f"for {index} in range({lanes}):"):
                value = self.value(node.value).code
                place = self.place(view, node.indices, lanes, written=True)
                self.emit(f"{values}.append({value}); {places}.append({place.code})")
        if not self.noisy:
            self.emit(f"distinct({places}, {view.label!r})")
        with self.indented(f"for {index}, {values} in zip({places}, {values}):"):
            self.store(view, Operand(index), values)

    # Blocks

    def _statement_SBlockRealize(self, node: Any) -> None:
        block = node.block
        predicate = self.value(node.predicate)
        if predicate.code in ("1", "True"):
            self._block(node, block)
            return
        with self.indented(f"if {predicate.code}:"):
            self._block(node, block)

    def _block(self, node: Any, block: Any) -> None:
        label = str(block.name_hint)
        at_start = []
        for iter_var, value in zip(block.iter_vars, node.iter_values, strict=True):
            bound, minimum = self._bind_axis(iter_var, self.value(value), label)
            if int(iter_var.iter_type) == REDUCTION:
                at_start.append(f"{bound.code} == {minimum.code}")
        frame = self._frame(block, label)
        if frame is not None and not self.noisy:
            self.frames.append(frame)
        for buffer in block.alloc_buffers:
            loop = self.survey.private_loop(hash(buffer))
            if loop is None or loop in self.variables:
                self._allocate(buffer)
            else:
                self.private.setdefault(loop, []).append(buffer)
        for match in block.match_buffers:
            self._match(match)
        if block.init is not None:
            with self.indented(f"if {' and '.join(at_start) or 'True'}:"):
                self.statement(block.init)
        self.statement(block.body)
        if frame is not None and not self.noisy:
            self.frames.pop()

    def _bind_axis(self, iter_var: Any, value: Operand, label: str) -> tuple[Operand, Operand]:
        """Bind a block's axis, after a check that the value lies in the axis' domain."""
        minimum = self.atom(self.value(iter_var.dom.min))
        extent = self.atom(self.value(iter_var.dom.extent))
        value = self.atom(value)
        if value.low < minimum.high or value.high >= minimum.low + extent.low:
            end = ranges.add(minimum, extent).code
            name = str(iter_var.var.name)
            self.emit(
                f"if not {minimum.code} <= {value.code} < {end}: "
                f"undefined('block-domain', f'{name} of block {label} is {{{value.code}}}')"
            )
            high = minimum.high + extent.high - 1
            value = Operand(value.code, max(value.low, minimum.low), min(value.high, high))
        self.variables[hash(iter_var.var)] = value
        return value, minimum

    def _frame(self, block: Any, label: str) -> Frame | None:
        """The block's declared regions; None for a block (the root) that declares nothing."""
        if not (block.iter_vars or block.reads or block.writes):
            return None
        frame = Frame(label, {})
        for written, regions in ((False, block.reads), (True, block.writes)):
            for region in regions:
                view = self.views.get(hash(region_buffer(region)))
                if view is None:
                    continue
                bounds = [
                    (self.value(part.min), self.value(part.extent)) for part in region.region
                ]
                while view.window is not None:
                    view, starts = view.window
                    lead = [(start, constant(1)) for start in starts[: len(starts) - len(bounds)]]
                    shifted = [
                        (ranges.add(start, low), extent)
                        for start, (low, extent) in zip(starts[len(lead) :], bounds, strict=True)
                    ]
                    bounds = lead + shifted
                frame.regions.setdefault(view.key, []).append(Region(written, tuple(bounds)))
        return frame

    def _match(self, match: Any) -> None:
        """A match_buffer: a view through the source region."""
        buffer = match.buffer
        source = self.view_of(region_buffer(match.source))
        starts = tuple(self.atom(self.value(part.min)) for part in match.source.region)
        lead = len(starts) - len(buffer.ty.shape)
        if lead < 0:
            raise Unsupported("a match_buffer of more dimensions than its source")
        offset = source.offset
        for start, stride in zip(starts, source.strides, strict=True):
            offset = ranges.add(offset, ranges.multiply(start, stride))
        # Variables in the layout are defined here, by the source.
        inner = source.strides[lead:]
        for given, actual in [*zip(buffer.ty.strides, inner), (buffer.ty.elem_offset, offset)]:
            if compat.type_key(given) == "Var" and hash(given) not in self.variables:
                self.variables[hash(given)] = self.atom(actual)
        dtype, shape, strides, _ = self.layout(buffer)
        if dtype != source.dtype:
            raise Unsupported("a match_buffer of another dtype than its source")
        self.views[hash(buffer)] = View(
            hash(buffer), str(buffer.name), dtype, shape, strides, offset, source.storage,
            (source, starts),
        )  # fmt: skip
