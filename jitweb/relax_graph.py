"""From ONNX by way of Relax to a flat list of kernel calls.

TVM imports, legalises and fuses; what comes out here knows no Relax any more: values with numbers,
kernels as PrimFuncs in 32 bits, constants as NumPy arrays.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

import numpy as np
import onnx
import tvm
import tvm_ffi
from onnx import numpy_helper
from tvm import ir, relax, tirx

from harness import compat
from harness.console.suppress_warnings import without_warnings
from harness.ir.rewrite import with_fields
from harness.system.text import first_line
from jitweb.errors import JitwebError
from jitweb.narrow import NotNarrowable, narrow_array, narrow_function, stored_dtype
from jitweb.onnx.branches import check_branches
from jitweb.onnx.graph import (
    STANDARD,
    graph_inputs,
    is_static,
    node_text,
    nothing,
    user_values,
)
from jitweb.onnx.operands import fit_together, misfit, shapes_of, was_open
from jitweb.onnx.to_relax import to_relax, unsupported
from jitweb.onnx.weights import quantized_weights
from jitweb.small_weights import Quantized

MOST_FLOAT = float(np.finfo(np.float32).max)
NOT_SUPPORTED = "operators that are not supported"
REPLACE = "export the model with other operators in that place"
REPORT = "please report the model"
INTERNALS = "ir.Op("  # in a message of TVM that prints its own objects
# What results of a size that depends on values become.
FROM = {"relax.call_pure_packed": ("nonzero", "range", "unique", "nonmaxsuppression")}


@dataclass(frozen=True)
class GraphValue:
    """A value of the graph: an input, a constant, or an output of a call. Compared by identity.

    `is_packed`: it is part of a weight of fewer than 32 bits.
    """

    dtype: str
    shape: tuple[int, ...]
    array: np.ndarray | Quantized | None = field(default=None, compare=False, repr=False)
    is_packed: bool = False

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def has_no_data(self) -> bool:
        """Whether it is a weight of which type and size alone are known, as for `inspect`.

        The bytes of its array are those that it takes in a bundle.
        """
        array = self.array
        return isinstance(array, np.ndarray) and array.size > 1 and not any(array.strides)

    @property
    def count(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> int:
        return self.count * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class KernelCall:
    """A call of a kernel: values in, values out, in the order of the function's parameters."""

    name: str
    function: Any
    inputs: tuple[GraphValue, ...]
    outputs: tuple[GraphValue, ...]


@dataclass(frozen=True)
class KernelGraph:
    """A model as calls in order. `inputs` and `outputs` are in the model's own order."""

    inputs: tuple[GraphValue, ...]
    outputs: tuple[GraphValue, ...]
    calls: tuple[KernelCall, ...]


def import_graph(model: onnx.ModelProto, wide: bool = False) -> KernelGraph:
    """The model as kernel calls; `wide` leaves int64 what its values are.

    Raises:
        JitwebError: it has operators, control flow or shapes that can't be imported.
    """
    check_branches(model)
    missing = unsupported(model)
    if missing:
        raise JitwebError(f"{NOT_SUPPORTED}: {'; '.join(missing)}; {REPLACE}")
    module = _converted(model, _passes(user_inputs(model)))
    if isinstance(module, str):
        raise JitwebError(_why_not_converted(model, module))
    return _GraphReader(module, model, wide).graph()


def _converted(model: onnx.ModelProto, passes: list[Any]) -> Any:
    """TVM's module after these passes, or what is wrong in a line."""
    # The frontend prints, and TVM warns, of what is said better by the error itself.
    with without_warnings(), redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with tvm.transform.PassContext(opt_level=3):
                return tvm.transform.Sequential(passes)(to_relax(model))
        except Exception as error:  # whatever Python or the FFI raises
            return first_line(error)


def _why_not_converted(model: onnx.ModelProto, message: str) -> str:
    """What is wrong with the node that TVM can't import, in a line."""
    node = _culprit(model)
    if node is None or _unsized(model) not in (None, node):
        return _why_not_static(model) or f"TVM can't import the model: {message}; {REPORT}"
    where = node_text(node)
    shapes = shapes_of(model)
    operands = " and ".join(
        "x".join(map(str, shapes[name])) or "scalar" for name in node.input if name in shapes
    )
    wrong = misfit(node, model)
    if wrong:
        return f"{where} {wrong}"
    if not fit_together(node, shapes):
        again = "export the model again"
        fix = f"check the --shape, or {again}" if was_open(model) else again
        return f"{where} has operands of {operands}, which don't fit together; {fix}"
    if INTERNALS in message:
        return f"TVM can't import {where} with operands of {operands}; {REPLACE}"
    return f"TVM can't import {where}: {message}; {REPLACE}"


def _unsized(model: onnx.ModelProto) -> onnx.NodeProto | None:
    """The first node of whose results the sizes depend on values, as far as ONNX knows."""
    typed = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    known = {value.name for value in typed if is_static(value)}
    for node in model.graph.node:
        if node.domain in STANDARD and any(name and name not in known for name in node.output):
            return node
    return None


def _why_not_static(model: onnx.ModelProto) -> str:
    """Why a part of the model isn't static, in a line; "" if no node is known for it."""
    node = _unsized(model)
    if node is None:
        return ""
    what = f"how many elements {node_text(node)} returns depends on values"
    return f"{what}, which is not supported; {REPLACE}"


def _readers_of(model: onnx.ModelProto, number: int | None) -> list[str]:
    """The nodes that read a constant which holds this number."""
    holding = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.INT64
        and number is not None
        and bool(np.any(numpy_helper.to_array(tensor) == number))
    }
    return [node_text(each) for each in model.graph.node if not holding.isdisjoint(each.input)]


def _is_refused(model: onnx.ModelProto) -> bool:
    return isinstance(_converted(model, []), str)


def _culprit(
    model: onnx.ModelProto, fails: Callable[[onnx.ModelProto], bool] = _is_refused
) -> onnx.NodeProto | None:
    """The first node that makes the import fail; None if several do."""
    few, many = 0, len(model.graph.node)  # the import of so many works, and fails
    while many - few > 1:
        middle = (few + many) // 2
        if fails(_beginning(model, middle)):
            many = middle
        else:
            few = middle
    if not many or not fails(_beginning(model, many)):
        return None
    return model.graph.node[many - 1]


def _beginning(model: onnx.ModelProto, count: int) -> onnx.ModelProto:
    """The model's first nodes, with the results of the last of them."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    del part.graph.node[count:]
    del part.graph.output[:]
    given = [name for name in part.graph.node[-1].output if name]
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in given)
    return part


def user_inputs(model: onnx.ModelProto) -> int:
    """How many inputs are the user's; those after them are weights without their data."""
    return len(user_values(model))


def _passes(inputs: int) -> list[Any]:
    """`inputs` are the model's parameters that are not weights."""
    steps = relax.transform
    return [
        steps.DecomposeOpsForInference(),
        steps.FoldConstant(),
        steps.LegalizeOps(),
        steps.AnnotateTIROpPattern(),
        steps.FoldConstant(),
        steps.FuseOps(),
        steps.FuseTIR(),
        steps.DeadCodeElimination(),
    ]


class _GraphReader:
    def __init__(self, module: Any, model: onnx.ModelProto, wide: bool) -> None:
        self.module, self.main, self.wide = module, module["main"], wide
        self.values: dict[Any, Any] = {}  # a GraphValue, or a tuple of them
        self.functions: dict[str, Any] = {}
        self.model, self.inputs = model, user_inputs(model)

    def graph(self) -> KernelGraph:
        weights = list(quantized_weights(self.model).values())
        first_weight = len(self.main.params) - len(weights)
        given = graph_inputs(self.model)
        for number, parameter in enumerate(self.main.params):
            value = self._value(parameter.ty, str(parameter.name))
            if number >= first_weight:
                value = replace(value, array=weights[number - first_weight])
            elif number >= self.inputs:
                value = replace(value, array=_no_data(value, given[number].type.denotation))
            self.values[parameter] = value
        inputs = tuple(self.values[parameter] for parameter in self.main.params[: self.inputs])
        calls: list[KernelCall] = []
        for block in self.main.body.blocks:
            for binding in block.bindings:
                self._bind(binding, calls)
        result = self._read(self.main.body.body)
        outputs = result if isinstance(result, tuple) else (result,)
        return KernelGraph(inputs, outputs, tuple(calls))

    def _bind(self, binding: Any, calls: list[KernelCall]) -> None:
        value = binding.value
        if not _is_call(value):
            self.values[binding.var] = self._read(value)
            return
        operator = str(value.op.name) if isinstance(value.op, ir.Op) else "another function"
        if operator != "relax.call_tir":
            raise JitwebError(self._why_not(operator))
        name = str(value.args[0].name_hint)
        arguments = self._read(value.args[1])
        made = value.ty_args[0]
        is_tuple = isinstance(made, ir.TupleType)
        outputs = tuple(self._value(kind, name) for kind in (made.fields if is_tuple else (made,)))
        inputs = arguments if isinstance(arguments, tuple) else (arguments,)
        calls.append(KernelCall(name, self._function(name), inputs, outputs))
        self.values[binding.var] = outputs if is_tuple else outputs[0]

    def _why_not(self, operator: str) -> str:
        """Why an operator of Relax is still there, with the nodes that it may come from."""
        plain = operator.removeprefix("relax.").replace("_", "").lower()
        nodes = [
            node_text(node)
            for node in self.model.graph.node
            if node.op_type.lower() in (plain, *(FROM.get(operator, ())))
        ]
        if nodes:
            return f"{NOT_SUPPORTED}: {', '.join(nodes[:5])}; {REPLACE}"
        what = f"TVM leaves {operator}, for which there is no kernel; {REPORT}"
        return _why_not_static(self.model) or what

    def _read(self, node: Any) -> Any:
        if isinstance(node, compat.Var):
            return self.values[node]
        kind = compat.type_key(node)
        if kind == "TupleGetItem":
            return self._read(node.tuple_value)[int(node.index)]
        if kind == "Tuple":
            return tuple(self._read(each) for each in node.fields)
        constant = compat.constant_array(node)
        if constant is not None:
            if node not in self.values:
                array = self._narrow(lambda: narrow_array(constant, self.wide))
                self.values[node] = GraphValue(str(array.dtype), array.shape, array)
            return self.values[node]
        what = f"TVM leaves a part that is not static ({kind}); {REPORT}"
        raise JitwebError(_why_not_static(self.model) or what)

    def _function(self, name: str) -> Any:
        if name not in self.functions:
            function = self.module[name]
            narrowed = self._narrow(lambda: narrow_function(function, self.wide), name)
            self.functions[name] = _bare(narrowed)
        return self.functions[name]

    def _nodes_of(self, kernel: str) -> list[str]:
        """The nodes that a kernel of TVM's may come from, by its name."""
        plain = kernel.replace("_", "").lower()
        return [node_text(each) for each in self.model.graph.node if each.op_type.lower() in plain]

    def _node_with(self, message: str) -> list[str]:
        """The first node of which a kernel can't be narrowed for this reason."""

        def fails(part: onnx.ModelProto) -> bool:
            module = _converted(part, _passes(self.inputs))
            return not isinstance(module, str) and any(
                _why_not_narrow(function, self.wide) == message
                for function in module.functions.values()
                if isinstance(function, tirx.PrimFunc)
            )

        node = _culprit(self.model, fails)
        return [] if node is None else [node_text(node)]

    def _narrow(self, narrow: Callable[[], Any], kernel: str = "") -> Any:
        """Raises: JitwebError, with the nodes that read or are what can't be narrowed."""
        try:
            return narrow()
        except NotNarrowable as error:
            nodes = _readers_of(self.model, error.number)
            if error.number is None:
                found = self._nodes_of(kernel) or self._node_with(str(error))
                if found:
                    raise JitwebError(
                        f"{NOT_SUPPORTED}: {', '.join(found[:5])}; {REPLACE}"
                    ) from None
            where = f"{', '.join(nodes[:5])}: " if nodes else ""
            raise JitwebError(f"{where}{error}") from None

    def _value(self, kind: Any, name: str) -> GraphValue:
        is_static = (
            isinstance(kind, relax.TensorType)
            and isinstance(kind.shape, relax.ShapeExpr)
            and all(isinstance(extent, compat.IntImm) for extent in kind.shape.values)
        )
        if not is_static:
            what = f"the size of {name} depends on values, or is too large; {REPORT}"
            raise JitwebError(_why_not_static(self.model) or what)
        dtype = stored_dtype(str(kind.dtype.dtype), self.wide)
        return GraphValue(dtype, tuple(int(extent) for extent in kind.shape.values))


def _no_data(value: GraphValue, bits: str) -> np.ndarray:
    """An array of the bytes that a weight takes in a bundle, or of its elements."""
    if not bits:
        return nothing(value.dtype, value.shape)
    return nothing(np.uint8, (int(value.count * float(bits) / 8),))


def _bare(function: Any) -> Any:
    """The function with only those attributes that say what it means."""
    for name in ("op_pattern", "global_symbol"):
        if name in (function.attrs or {}):
            function = function.without_attr(name)
    function = function.with_body(
        tvm_ffi.structural_map(function.body, (compat.SBlock, _from_infinity))
    )
    return function.with_attr("tirx.noalias", True)


def _from_infinity(block: Any) -> Any:
    """A block whose maximum starts at -inf, not at the least number: of -inf alone it is -inf."""
    start = block.init
    if start is None or compat.type_key(start) != "BufferStore":
        return block
    value = start.value
    if not isinstance(value, compat.FloatImm) or compat.dtype_of(value) != "float32":
        return block
    if abs(float(value)) != MOST_FLOAT:
        return block
    infinity = tirx.FloatImm("float32", math.copysign(math.inf, float(value)))
    return with_fields(block, init=with_fields(start, value=infinity))


def _why_not_narrow(function: Any, wide: bool) -> str:
    """Why a kernel can't be narrowed; "" if it can."""
    try:
        narrow_function(function, wide)
    except NotNarrowable as error:
        return str(error)
    return ""


def _is_call(node: Any) -> bool:
    return compat.type_key(node) == "Call"
