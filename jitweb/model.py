"""The importer: an ONNX model as a static plan of kernel calls over slots of memory.

    ONNX --(TVM's frontend, legalisation, fusion)--> calls --> plan

After TVM's own work three things are left to do: kernels of constants alone are computed once, pure
reshapes become other names for the same memory, and every activation gets a slot that is free while
it lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tvm import te

from harness import compat
from jitweb.errors import JitwebError, NotEquations
from jitweb.extent import Opening
from jitweb.kernel_cost import cost_of
from jitweb.kernel_reference import run_function
from jitweb.merge import Merger, open_constants
from jitweb.onnx.branches import Values
from jitweb.onnx.graph import graph_inputs, nothing
from jitweb.onnx.ranges import NARROW, Integers, integers_of, within_tables
from jitweb.onnx.read import read_onnx
from jitweb.onnx.simplify import simplify
from jitweb.onnx.supported import check_kinds
from jitweb.packed_kernels import with_packed_weights
from jitweb.plan import Call, Operand, Plan, Slot, Task, Tensor, Weight
from jitweb.relax_graph import GraphValue, KernelCall, KernelGraph, import_graph
from jitweb.small_weights import Quantized
from jitweb.space.emit import shape_of
from jitweb.space.equations import inlined
from jitweb.weight_store import WeightStore

MOST_NAME = 200  # characters of a task's name: TVM's lists all that it fused
ALIGNMENT = 256  # what WebGPU asks of the offset of a binding, and enough for any vector
STORED = ("float32", "int32", "int64")  # inputs and outputs
WIDE_TARGETS = {"wasm"}  # that have integers of 64 bits
ONNX_DTYPES = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}


@dataclass(frozen=True)
class ImportedModel:
    """A plan, the PrimFunc of each task, and the weights by name.

    `packed` names the weights that are in words: see small_weights.py. `wide`: its int64 are
    computed and stored in 64 bits, which WebAssembly alone can.
    """

    plan: Plan
    functions: Mapping[str, Any]
    weights: Mapping[str, np.ndarray]
    packed: AbstractSet[str] = frozenset()
    wide: bool = False


def import_model(
    path: Path,
    shapes: Mapping[str, Sequence[int]] | None = None,
    targets: Sequence[str] = ("wasm",),
    values: Values | None = None,
) -> ImportedModel:
    """Import an ONNX file; `shapes` fixes symbolic inputs by name, `values` makes some constants.

    An If that hangs on an input is refused: see variants.py.

    Raises:
        JitwebError: the file or the model can't be used; the message says how to fix it.
    """
    return plan_simplified(path.stem, simplify(read_onnx(path, shapes or {}, values)), targets)


def plan_simplified(
    name: str,
    model: onnx.ModelProto,
    targets: Sequence[str] = ("wasm",),
    store: WeightStore | None = None,
) -> ImportedModel:
    """Import a model that `simplify` returned.

    Weights go to the store, which the variants of a model share.

    Raises:
        JitwebError: the model can't be used.
    """
    return plan_model(name, model, _integers(model, targets), store)


def plan_open(
    name: str,
    models: Iterable[onnx.ModelProto],
    opening: Opening,
    targets: Sequence[str] = ("wasm",),
    store: WeightStore | None = None,
) -> ImportedModel:
    """Import a model for all lengths, of what `simplify` returned at each of `lengths_of`.

    Raises:
        JitwebError: the model can't be used, or not with an open length.
    """
    found = [
        (_part_of(each, integers), integers.wide)
        for each, integers in ((model, _integers(model, targets)) for model in models)
    ]
    merger = Merger(opening)
    parts = [part for part, _ in found]
    inputs, outputs = (
        _merged(merger, [getattr(part, role) for part in parts]) for role in ("inputs", "outputs")
    )
    plain = open_constants([part.graph for part in parts])
    graphs = [with_packed_weights(part.graph, plain) for part in parts]
    part = _Part(merger.graph(graphs), inputs, outputs)
    if len({wide for _, wide in found}) > 1:
        raise merger.refused("its integers are of 32 or of 64 bits")
    planned = _Planner(name, part, store or WeightStore()).imported()
    return replace(planned, wide=found[0][1], plan=replace(planned.plan, open=opening))


def _integers(model: onnx.ModelProto, targets: Sequence[str]) -> Integers:
    check_kinds(model)
    integers = integers_of(model, set(targets) <= WIDE_TARGETS)
    within_tables(model, integers.loose)
    return integers


def plan_model(
    name: str,
    model: onnx.ModelProto,
    integers: Integers = NARROW,
    store: WeightStore | None = None,
) -> ImportedModel:
    """Import a model of static shapes; `integers` says what they may be.

    Raises:
        JitwebError: the model can't be used.
    """
    part = _part_of(model, integers)
    part = replace(part, graph=with_packed_weights(part.graph))
    planner = _Planner(name, part, store or WeightStore())
    return replace(planner.imported(), wide=integers.wide)


@dataclass(frozen=True)
class _Boundary:
    """An input or output as the user sees it. `kind` is the number of its ONNX type.

    The shape is kept from before reshapes go, as the memory of an output may be that of a value
    of another shape.
    """

    name: str
    kind: int
    shape: tuple[int, ...]
    range: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Part:
    """What a plan is made of."""

    graph: KernelGraph
    inputs: Sequence[_Boundary]
    outputs: Sequence[_Boundary]


def _part_of(model: onnx.ModelProto, integers: Integers) -> _Part:
    graph = import_graph(model, integers.wide)
    takes = graph_inputs(model)[: len(graph.inputs)]  # weights without data come after them
    inputs = _boundary(takes, graph.inputs, integers.ranges)
    outputs = _boundary(model.graph.output, graph.outputs)
    return _Part(_with_copies(_without_reshapes(_folded(graph))), inputs, outputs)


def _merged(merger: Merger, boundaries: Sequence[Sequence[_Boundary]]) -> list[_Boundary]:
    """Inputs or outputs for all lengths, of those at each."""
    merged = []
    for same in zip(*boundaries, strict=True):
        name = same[0].name
        if len({each.range for each in same}) > 1:
            raise merger.refused(f"what the input {name} may hold depends on it")
        merged.append(replace(same[0], shape=merger.shape([each.shape for each in same], name)))
    return merged


def _boundary(
    infos: Sequence[Any],
    values: tuple[GraphValue, ...],
    ranges: Mapping[str, tuple[int, int]] | None = None,
) -> list[_Boundary]:
    known = ranges or {}
    return [
        _Boundary(info.name, info.type.tensor_type.elem_type, value.shape, known.get(info.name))
        for info, value in zip(infos, values, strict=True)
    ]


def _folded(graph: KernelGraph) -> KernelGraph:
    """The graph with the results of calls on constants alone as constants."""
    known: dict[GraphValue, GraphValue] = {}
    outlines: dict[Any, tuple[GraphValue, ...]] = {}
    calls = []
    for call in graph.calls:
        inputs = tuple(known.get(value, value) for value in call.inputs)
        if all(value.array is not None for value in inputs):
            call = replace(call, inputs=inputs)
            if any(value.has_no_data for value in inputs):  # once for equal operands
                key = (call.function, inputs)
                known.update(
                    zip(call.outputs, outlines.setdefault(key, _outlined(call)), strict=True)
                )
                continue
            results = _results(call)
            for output, array in zip(call.outputs, results, strict=True):
                known[output] = replace(output, array=array)
        else:
            calls.append(replace(call, inputs=inputs))
    return replace(graph, calls=tuple(calls), outputs=_replaced(graph.outputs, known))


def _outlined(call: KernelCall) -> tuple[GraphValue, ...]:
    """What a call on weights without data gives."""
    without = [value for value in call.inputs if value.has_no_data]
    return tuple(replace(each, array=_as_small(each, without)) for each in call.outputs)


def _results(call: KernelCall) -> Sequence[np.ndarray | Quantized]:
    """What a call on constants gives; a quantised weight that is only moved stays quantised."""
    arrays = [value.array for value in call.inputs if value.array is not None]
    if arrays and isinstance(arrays[0], Quantized):
        places = _places(call)
        if places is not None:
            return [arrays[0].moved(places)]
    floats = [each.floats() if isinstance(each, Quantized) else each for each in arrays]
    return run_function(call.function, floats)


def _as_small(output: GraphValue, sources: Sequence[GraphValue]) -> np.ndarray:
    """What is made of weights without data: it takes as much for each element as a single one."""
    array = sources[0].array
    if len(sources) > 1 or array is None or isinstance(array, Quantized) or not array.ndim:
        return nothing(output.dtype, output.shape)
    if array.dtype != np.uint8:
        return nothing(output.dtype, output.shape)
    return nothing(np.uint8, (max(2, array.size * output.count // sources[0].count),))


def _without_reshapes(graph: KernelGraph) -> KernelGraph:
    """The graph with each reshape's result replaced by its operand.

    A reshape stays where an output of the model would become an input, a constant, or the same
    memory as another output.
    """
    same: dict[GraphValue, GraphValue] = {}
    taken: set[GraphValue] = set(graph.inputs)
    calls = []
    for call in graph.calls:
        call = replace(call, inputs=_replaced(call.inputs, same))
        if not _is_reshape(call) or (
            call.outputs[0] in graph.outputs
            and (call.inputs[0] in taken or call.inputs[0] in graph.outputs)
        ):
            calls.append(call)
            continue
        same[call.outputs[0]] = call.inputs[0]
        if call.outputs[0] in graph.outputs:
            taken.add(call.inputs[0])
    return replace(graph, calls=tuple(calls), outputs=_replaced(graph.outputs, same))


def _with_copies(graph: KernelGraph) -> KernelGraph:
    """The graph with a kernel for each output that is a constant, which copies it to its place."""
    constants = {each: None for each in graph.outputs if each.array is not None and each.count}
    copies = {value: replace(value, array=None) for value in constants}
    calls = [KernelCall("copy", _copy(value), (value,), (copy,)) for value, copy in copies.items()]
    return replace(graph, calls=(*graph.calls, *calls), outputs=_replaced(graph.outputs, copies))


def _copy(value: GraphValue) -> Any:
    source = te.placeholder(value.shape, value.dtype, name="source")
    copied = te.compute(value.shape, lambda *place: source(*place), name="copied")
    return te.create_prim_func([source, copied]).with_attr("tirx.noalias", True)


def _replaced(
    values: tuple[GraphValue, ...], table: Mapping[GraphValue, GraphValue]
) -> tuple[GraphValue, ...]:
    return tuple(table.get(value, value) for value in values)


def _is_reshape(call: KernelCall) -> bool:
    """Whether a kernel only copies every element to the same place of the flat array."""
    if len(call.inputs) != 1 or len(call.outputs) != 1:
        return False
    source, result = call.inputs[0], call.outputs[0]
    if source.bytes != result.bytes or source.array is not None:
        return False
    places = _places(call)
    return places is not None and bool(np.array_equal(places.reshape(-1), np.arange(places.size)))


def _places(call: KernelCall) -> np.ndarray | None:
    """Where each element of the result is copied from, in the flat array; None if it isn't."""
    if len(call.inputs) != 1 or len(call.outputs) != 1:
        return None
    source, result = call.inputs[0], call.outputs[0]
    if source.dtype != result.dtype:
        return None
    try:
        system = inlined(call.function)
    except NotEquations:
        return None
    if len(system.equations) != 1 or not isinstance(system.equations[0].value, compat.BufferLoad):
        return None
    flat = np.arange(int(np.prod(source.shape, dtype=np.int64)), dtype=np.int64)
    (copied,) = run_function(call.function, [flat.reshape(source.shape)], dtype=np.int64)
    return copied


class _Planner:
    """Gives every value its place, and every kernel its task."""

    def __init__(
        self,
        name: str,
        part: _Part,
        store: WeightStore,
    ) -> None:
        self.name, self.graph = name, part.graph
        self.inputs, self.outputs = part.inputs, part.outputs
        self.slots: list[int] = []
        self.places: dict[GraphValue, int] = {}
        self.names: dict[GraphValue, str] = {}
        self.store = store
        self.functions: dict[str, Any] = {}
        self._keys: dict[Any, str] = {}

    def imported(self) -> ImportedModel:
        graph = self.graph
        for value in dict.fromkeys((*graph.inputs, *graph.outputs)):
            self.places[value] = self._new_slot(value.bytes)
        keys = [self._key(call) for call in graph.calls]
        calls = self._place_calls(keys)
        plan = Plan(
            self.name,
            self._tensors(self.inputs, graph.inputs),
            self._tensors(self.outputs, graph.outputs),
            tuple(self.slots),
            calls,
            self._tasks(keys, calls),
        )
        return ImportedModel(plan, self.functions, self.store.arrays, self.store.packed)

    def _tensors(
        self, boundary: Sequence[_Boundary], values: tuple[GraphValue, ...]
    ) -> tuple[Tensor, ...]:
        tensors = []
        for seen, value in zip(boundary, values, strict=True):
            dtype = ONNX_DTYPES.get(seen.kind)
            if dtype is None or value.dtype not in STORED:
                declared = onnx.TensorProto.DataType.Name(seen.kind).lower()
                is_known = dtype is None or value.dtype == dtype
                came = "" if is_known else f", which TVM computes as {value.dtype}"
                raise JitwebError(
                    f"{seen.name} is of a type that is not supported ({declared}{came}); "
                    "use float32, int32, int64 or bool"
                )
            place = self.places[value]
            tensors.append(Tensor(seen.name, dtype, value.dtype, seen.shape, place, seen.range))
        return tuple(tensors)

    def _new_slot(self, size: int) -> int:
        self.slots.append(aligned(size))
        return len(self.slots) - 1

    def _place_calls(self, keys: list[str]) -> tuple[Call, ...]:
        """The calls with every operand in its place; a slot is free once nothing reads it."""
        last_read: dict[GraphValue, int] = {}
        for number, call in enumerate(self.graph.calls):
            for value in call.inputs:
                last_read[value] = number
        kept = set(self.graph.inputs) | set(self.graph.outputs)
        free: list[int] = []
        calls = []
        for number, (key, call) in enumerate(zip(keys, self.graph.calls, strict=True)):
            for value in call.outputs:
                if value not in self.places:
                    self.places[value] = self._take(free, value.bytes)
            operands = tuple(self._operand(value) for value in (*call.inputs, *call.outputs))
            calls.append(Call(key, operands))
            for value in dict.fromkeys((*call.inputs, *call.outputs)):
                is_done = last_read.get(value, number) == number
                if is_done and value.array is None and value not in kept:
                    free.append(self.places[value])
        return tuple(calls)

    def _take(self, free: list[int], size: int) -> int:
        """A free slot: the smallest that is large enough, else the largest, made larger."""
        size = aligned(size)
        if not free:
            return self._new_slot(size)
        fitting = [slot for slot in free if self.slots[slot] >= size]
        if fitting:
            slot = min(fitting, key=lambda each: self.slots[each])
        else:
            slot = max(free, key=lambda each: self.slots[each])
            self.slots[slot] = size
        free.remove(slot)
        return slot

    def _operand(self, value: GraphValue) -> Operand:
        if value.array is None:
            return Slot(self.places[value])
        if value not in self.names:
            self.names[value] = self.store.name(value)
        return Weight(self.names[value])

    def _key(self, call: KernelCall) -> str:
        """The task's key: equal for functions that are equal but for names."""
        if call.function not in self._keys:
            key = f"{compat.structural_hash(call.function) & (1 << 64) - 1:016x}"
            self._keys[call.function] = key
            self.functions.setdefault(key, call.function)
        return self._keys[call.function]

    def _tasks(self, keys: list[str], calls: tuple[Call, ...]) -> dict[str, Task]:
        tasks: dict[str, Task] = {}
        for key, call, kernel in zip(keys, calls, self.graph.calls, strict=True):
            constants = frozenset(
                position for position, each in enumerate(call.args) if isinstance(each, Weight)
            )
            if key in tasks:
                task = tasks[key]
                tasks[key] = replace(
                    task, sites=task.sites + 1, constants=task.constants & constants
                )
                continue
            values = (*kernel.inputs, *kernel.outputs)
            cost = cost_of(self.functions[key], [value.bytes for value in values])
            tasks[key] = Task(
                key,
                kernel.name[:MOST_NAME],
                cost.kind,
                cost.flops,
                cost.bytes,
                1,
                # As the kernel sees them: a reshape may lie between.
                tuple(map(shape_of, filter(compat.is_buffer, self.functions[key].params))),
                tuple(range(len(kernel.inputs), len(values))),
                constants,
            )
        return tasks


def aligned(size: int) -> int:
    """The bytes that a slot for so many takes."""
    return -(-max(size, 4) // ALIGNMENT) * ALIGNMENT
