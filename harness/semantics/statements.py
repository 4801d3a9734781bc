"""Statements: compiles a PrimFunc to the source of one Python function.

Loops of every kind become sequential Python loops; concurrent ones (parallel, vectorized, thread
bindings) get a context for race detection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from harness import compat
from harness.ir.loop_kinds import CONCURRENT, is_concurrent_pipeline
from harness.semantics import ranges
from harness.semantics.blocks import BlockCompiler, paired
from harness.semantics.emitter import label
from harness.semantics.errors import Unsupported
from harness.semantics.memory import Storage, View
from harness.semantics.ranges import Operand, constant
from harness.semantics.survey import THREAD_ATTRIBUTES, pointed_to, survey_function

SHARED = ("shared", "shared.dyn", "warp")
IGNORED_CALLS = frozenset({"prefetch", "start_profile_intrinsic", "end_profile_intrinsic"})


class StatementCompiler(BlockCompiler):
    """Compiles one PrimFunc. `source` is the result, `parameters` are those of its `main`."""

    def __init__(
        self,
        function: Any,
        functions: Mapping[str, Any],
        symbols: Mapping[Any, int],
        perturbed: bool,
    ) -> None:
        super().__init__(survey_function(function, functions), perturbed)
        self._functions = functions
        self.pointers: dict[int, int] = {}
        self.parameters: list[Storage | Operand] = []
        self.operations = 0
        self._executions = 1  # of the current statement: the product of the loops' extents
        header = self._parameters(function, symbols)
        self.statement(function.body)
        self.source = "\n".join([header, *(self.lines or ["  pass"])])

    def _parameters(self, function: Any, symbols: Mapping[Any, int]) -> str:
        names = []
        for param in function.params:
            if not compat.is_buffer(param):
                operand = ranges.unknown(self.fresh("a"), self.dtype(param))
                self.variables[hash(param)] = operand
                self.parameters.append(operand)
                names.append(operand.code)
        for symbol, extent in symbols.items():
            self.variables[hash(symbol)] = constant(extent)
        for param in function.params:
            if compat.is_buffer(param):
                self.parameters.append(self._buffer_parameter(param))
        # Scalars first, because shapes may use them. `Program` orders arguments the same way.
        names += [item.name for item in self.parameters if isinstance(item, Storage)]
        return f"def main({', '.join(names)}):"

    def _buffer_parameter(self, param: Any) -> Storage:
        extents = [self._extent(extent) for extent in param.ty.shape]
        if not all(extent.is_constant for extent in extents):
            raise Unsupported(f"buffer {param.name} has a symbolic shape")
        shape = [extent.low for extent in extents]
        # Arguments are compact and have no offset, which defines the variables in the layout.
        compact = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        for given, actual in [*paired(param.ty.strides, compact), (param.ty.elem_offset, 0)]:
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
        tracks_accesses = key in self.survey.written_concurrently
        storage = Storage(
            self.fresh("b"), label(param.name), dtype, constant(size), self.survey.mixed(key),
            False, tracks_accesses,
        )  # fmt: skip
        self.storages[key] = storage
        self.start_history(storage)
        self.declare(param, storage)
        return storage

    def _extent(self, extent: Any) -> Operand:
        """The extent of a parameter; its variables may be unknown."""
        unknown = (n for n in compat.nodes(extent) if compat.type_key(n) == "Var")
        if any(hash(var) not in self.variables for var in unknown):
            raise Unsupported("a parameter with a symbolic shape")
        return self.value(extent)

    def statement(self, node: Any) -> None:
        """Emit a statement.

        Raises:
            Unsupported: a construct that is not modelled; the message names it.
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
        concurrent = int(node.kind) in CONCURRENT
        if is_concurrent_pipeline(node):
            raise Unsupported("a software pipeline of a loop whose iterations run at once")
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
        self._count_steps(extent)
        end = ranges.add(start, extent).code
        bounds = end if start.code == "0" else f"{start.code}, {end}"
        if stride.code != "1":
            bounds = f"{start.code}, {end}, {stride.code}"
        name = self.fresh("i")
        self.variables[hash(variable)] = ranges.clipped(name, last, dtype)
        concurrent = concurrent and not self.perturbed
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
        del self.variables[hash(variable)]

    def _count_steps(self, extent: Operand) -> None:
        """Emit code that counts steps and raises `StepLimit`."""
        self.emit(f"S[0] -= {extent.code}" if extent.low >= 0 else f"S[0] -= max(0, {extent.code})")
        self.emit("if S[0] < 0: step_limit()")

    def _statement_While(self, node: Any) -> None:
        outer, self._executions = self._executions, self._executions * 64
        with self.indented("while True:"):
            self._count_steps(constant(1))
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
            self.value(value)  # emits the checks of its operands
            return
        name = compat.call_name(value)
        if name == "ret":
            self.emit(f"return {self.value(value.args[0]).code}")
        elif name in ("break_loop", "continue_loop"):
            self.emit(name.removesuffix("_loop"))
        elif name not in IGNORED_CALLS:
            self.emit(self.value(value).code)

    def private_call(self, node: Any) -> Operand:
        """A call of a function of the module, compiled to a nested function for each call."""
        called = self._functions[str(node.op.name_hint)]
        names, values = [], []
        for param, argument in zip(called.params, node.args, strict=True):
            owner = pointed_to(argument, self.pointers)
            if owner is None:
                value = self.value(argument)
                if compat.dtype_of(argument) != compat.dtype_of(param):
                    self.emit("undefined('bad-argument', 'an argument of another dtype')")
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
        self.variables[hash(node.var)] = Operand(self.temporary(value.code), value.low, value.high)

    # Buffers

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
        # An upper estimate of the chain of operations that an element's value depends on.
        elements = max(1, view.storage.size.low)
        repeats = max(1, self._executions // elements)
        self.operations += (self.float_operations - before) * repeats

    def _store_vector(self, view: View, node: Any, lanes: int) -> None:
        """A vector store, which reads all lanes before it writes the first."""
        index, places, values = self.fresh("l"), self.fresh("p"), self.fresh("v")
        self.emit(f"{places} = []; {values} = []")
        with self.at_lane(self.lane_variable(index, lanes)):
            with self.indented(f"for {index} in range({lanes}):"):
                value = self.value(node.value).code
                place = self.place(view, node.indices, lanes, written=True)
                self.emit(f"{values}.append({value}); {places}.append({place.code})")
        if not self.perturbed:
            self.emit(f"distinct({places}, {view.label!r})")
        with self.indented(f"for {index}, {values} in zip({places}, {values}):"):
            self.store(view, Operand(index), values)
