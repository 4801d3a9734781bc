"""From ONNX by way of Relax to a flat list of kernel calls.

TVM imports, legalises and fuses; what comes out here knows no Relax any more: values with numbers,
kernels as PrimFuncs in 32 bits, constants as NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx, onnx_frontend

from harness import compat
from harness.quiet import without_warnings
from jitweb.errors import JitwebError
from jitweb.narrow import NotNarrowable, narrow_array, narrow_function, stored_dtype
from jitweb.onnx_file import graph_inputs, unsupported


@dataclass(frozen=True)
class Value:
    """A value of the graph: an input, a constant, or an output of a call. Compared by identity."""

    dtype: str
    shape: tuple[int, ...]
    array: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class KernelCall:
    """A call of a kernel: values in, values out, in the order of the function's parameters."""

    name: str
    function: Any
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@dataclass(frozen=True)
class Graph:
    """A model as calls in order. `inputs` and `outputs` are in the model's own order."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    calls: tuple[KernelCall, ...]


def import_graph(model: onnx.ModelProto) -> Graph:
    """The model as kernel calls.

    Raises:
        JitwebError: it has operators, control flow or shapes that can't be imported.
    """
    missing = unsupported(model, onnx_frontend._get_convert_map())
    if missing:
        raise JitwebError(f"operators that are not supported: {'; '.join(missing)}")
    try:
        with without_warnings(), tvm.transform.PassContext(opt_level=3):
            module = from_onnx(model, keep_params_in_input=False)
            module = tvm.transform.Sequential(_passes())(module)
    except Exception as error:  # the frontend raises whatever Python or the FFI raises
        raise JitwebError(f"TVM can't import the model: {compat.first_line(error)}") from None
    return _Reader(module, len(graph_inputs(model))).graph()


def _passes() -> list[Any]:
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


class _Reader:
    def __init__(self, module: Any, inputs: int) -> None:
        self.module, self.main = module, module["main"]
        self.values: dict[Any, Any] = {}  # a Value, or a tuple of them
        self.functions: dict[str, Any] = {}
        self.inputs = inputs

    def graph(self) -> Graph:
        for parameter in self.main.params:
            self.values[parameter] = _value(parameter.ty, str(parameter.name))
        inputs = tuple(self.values[parameter] for parameter in self.main.params[: self.inputs])
        calls: list[KernelCall] = []
        for block in self.main.body.blocks:
            for binding in block.bindings:
                self._bind(binding, calls)
        result = self._read(self.main.body.body)
        outputs = result if isinstance(result, tuple) else (result,)
        return Graph(inputs, outputs, tuple(calls))

    def _bind(self, binding: Any, calls: list[KernelCall]) -> None:
        value = binding.value
        if not _is_call(value):
            self.values[binding.var] = self._read(value)
            return
        operator = str(getattr(value.op, "name", "another function"))
        if operator != "relax.call_tir":
            raise JitwebError(
                f"the model has a part that is not static: {operator} remains after import; "
                "fix every shape with --shape, and export without control flow"
            )
        name = str(value.args[0].name_hint)
        arguments = self._read(value.args[1])
        made = (value.ty_args if hasattr(value, "ty_args") else value.sinfo_args)[0]
        kinds = list(made.fields) if hasattr(made, "fields") else [made]
        outputs = tuple(_value(kind, name) for kind in kinds)
        inputs = arguments if isinstance(arguments, tuple) else (arguments,)
        calls.append(KernelCall(name, self._function(name), inputs, outputs))
        self.values[binding.var] = outputs if hasattr(made, "fields") else outputs[0]

    def _read(self, node: Any) -> Any:
        if isinstance(node, compat.Var):
            return self.values[node]
        kind = compat.type_key(node)
        if kind == "TupleGetItem":
            return self._read(node.tuple_value)[int(node.index)]
        if kind == "Tuple":
            return tuple(self._read(each) for each in node.fields)
        if kind in ("GenericConst", "Constant"):
            if node not in self.values:
                data = node.value if kind == "GenericConst" else node.data
                array = narrow_array(data.numpy())
                self.values[node] = Value(str(array.dtype), array.shape, array)
            return self.values[node]
        raise JitwebError(f"the model has a part that is not static: {kind} remains after import")

    def _function(self, name: str) -> Any:
        if name not in self.functions:
            function = self.module[name]
            try:
                self.functions[name] = _bare(narrow_function(function))
            except NotNarrowable as error:
                raise JitwebError(f"the kernel {name} can't be made 32-bit: {error}") from None
        return self.functions[name]


def _bare(function: Any) -> Any:
    """The function with only those attributes that say what it means."""
    for name in ("op_pattern", "global_symbol"):
        if name in (function.attrs or {}):
            function = function.without_attr(name)
    return function.with_attr("tirx.noalias", True)


def _is_call(node: Any) -> bool:
    return compat.type_key(node) == "Call"


def _value(kind: Any, name: str) -> Value:
    shape = getattr(kind, "shape", None)
    extents: Sequence[Any] = getattr(shape, "values", None) or []
    if shape is None or not all(isinstance(extent, compat.IntImm) for extent in extents):
        raise JitwebError(f"{name} has a shape that is not static; fix every input with --shape")
    dtype = stored_dtype(str(getattr(kind.dtype, "dtype", kind.dtype)))
    return Value(dtype, tuple(int(extent) for extent in extents))
