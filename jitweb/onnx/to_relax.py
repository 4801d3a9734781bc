"""A simplified model as a Relax module: by TVM's frontend, and by our converters where it can't.

The graph is cut into stretches of nodes that the frontend takes, each a model of its own for its
public `from_onnx`, and single nodes for the converters; all are inlined into one function again.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from itertools import groupby
from typing import Any

import numpy as np
import onnx
import tvm
from onnx import numpy_helper
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator
from tvm.relax.frontend.onnx import from_onnx

from harness.console.suppress_warnings import without_warnings
from jitweb.onnx.convert import CONVERTERS
from jitweb.onnx.convert.node import Node, as_constant
from jitweb.onnx.convert.steps import with_steps
from jitweb.onnx.graph import OPSET, OWN, attributes, graph_inputs, names_read


def to_relax(model: onnx.ModelProto) -> Any:
    """The module, its function `main` of the model's inputs and its quantised weights.

    Raises:
        Exception: whatever TVM or a converter raises where it can't import a node.
    """
    if not any(_is_ours(node) for node in model.graph.node):
        return from_onnx(model, keep_params_in_input=False)
    return _Joiner(model).module()


def _is_ours(node: onnx.NodeProto) -> bool:
    return node.domain == OWN or (node.domain, node.op_type) in CONVERTERS


CONTROL_FLOW = ("If", "Loop", "Scan")


@mutator
class _Renamed(PyExprMutator):  # type: ignore[misc]
    """A Relax function that calls other kernels in the place of these."""

    def __init__(self, names: Mapping[Any, Any]) -> None:
        super().__init__()
        self.names = names

    def visit_global_var_(self, variable: Any) -> Any:
        return self.names.get(variable, variable)


class _Joiner:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self.types = {value.name: value.type for value in (*graph.value_info, *graph.input)}
        self.types.update({value.name: value.type for value in graph.output})
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.builder = relax.BlockBuilder()
        self.values: dict[str, Any] = {}
        self.parts: dict[str, Any] = {}
        self.readers = _readers(graph.node)

    def module(self) -> Any:
        inputs = []
        for number, value in enumerate(graph_inputs(self.model)):
            self.values[value.name] = _variable(f"input_{number}", value.type)
            inputs.append(self.values[value.name])
        others = []
        for node in self.model.graph.node:
            if node.domain != OWN:
                others.append(node)
                continue
            (name,) = node.output
            self.values[name] = _variable(f"weight_{len(inputs)}", self.types[name])
            inputs.append(self.values[name])
        results = frozenset(value.name for value in self.model.graph.output)
        others = with_steps(others, self.constants, results)
        with self.builder.function("main", inputs):
            for is_ours, nodes in groupby(others, _is_ours):
                if is_ours:
                    for node in nodes:
                        self._convert(node)
                else:
                    self._import(list(nodes))
            given = [self._operand(value.name) for value in self.model.graph.output]
            body = given[0] if len(given) == 1 else relax.Tuple(given)
            self.builder.emit_func_output(body)
        module = self.builder.get()
        main = module["main"].inline_functions(self.parts)
        for name in self.parts:
            del module[module.get_global_var(name)]
        module["main"] = main
        module = relax.transform.Normalize()(module)
        return relax.transform.ConvertToDataflow(1)(module)

    def _operand(self, name: str) -> Any:
        if name not in self.values:
            self.values[name] = as_constant(numpy_helper.to_array(self.constants[name]))
        return self.values[name]

    def _convert(self, node: onnx.NodeProto) -> None:
        """Emit a node by its converter."""
        known = [self.constants.get(name) for name in node.input]
        result = CONVERTERS[node.domain, node.op_type](
            Node(
                self.builder,
                node.op_type.lower(),
                [self._operand(name) if name else None for name in node.input],
                [None if each is None else numpy_helper.to_array(each) for each in known],
                [self._shape(name) for name in node.input],
                attributes(node),
                len(node.output),
                node.doc_string,
            )
        )
        self._keep(node.output, result)

    def _shape(self, name: str) -> tuple[int, ...]:
        if name in self.constants:
            return tuple(self.constants[name].dims)
        if name not in self.types:
            return ()
        return tuple(each.dim_value for each in self.types[name].tensor_type.shape.dim)

    def _import(self, nodes: Sequence[onnx.NodeProto]) -> None:
        """Emit a stretch of nodes by TVM's frontend."""
        part, read, made = onnx.ModelProto(), _read(nodes), _made(nodes)
        part.ir_version = self.model.ir_version
        part.opset_import.extend(self.model.opset_import)
        graph = part.graph
        graph.name = f"part_{len(self.parts)}"
        graph.node.extend(nodes)
        own, needed = _readers(nodes), {value.name for value in self.model.graph.output}
        inputs = [name for name in read if name not in made and name not in self.constants]
        outputs = [name for name in made if name in needed or self.readers[name] > own[name]]
        graph.input.extend(onnx.ValueInfoProto(name=name, type=self.types[name]) for name in inputs)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        for value in graph.output:
            if value.name in self.types:
                value.type.CopyFrom(self.types[value.name])
        graph.initializer.extend(self.constants[name] for name in read if name in self.constants)
        module = from_onnx(part, keep_params_in_input=False)
        function = self._with_kernels(module).with_attr("global_symbol", graph.name)
        self.parts[graph.name] = function
        callee = self.builder.add_func(function, graph.name)
        arguments = [self._operand(name) for name in inputs]
        self._keep(outputs, self.builder.emit(relax.Call(callee, arguments)))

    def _with_kernels(self, module: Any) -> Any:
        """The function `main` of a part, of which the kernels have names of their own here."""
        renamed = {
            variable: self.builder.add_func(
                function.without_attr("global_symbol"), f"{variable.name_hint}_{len(self.parts)}"
            )
            for variable, function in module.functions.items()
            if variable.name_hint != "main"
        }
        if not renamed:
            return module["main"]
        return _Renamed(renamed).visit_expr(module["main"])

    def _keep(self, names: Sequence[str], result: Any) -> None:
        if len(names) == 1:
            self.values[names[0]] = result
            return
        for place, name in enumerate(names):
            if name:
                self.values[name] = self.builder.emit(relax.TupleGetItem(result, place))


def _variable(name: str, kind: onnx.TypeProto) -> Any:
    shape = [each.dim_value for each in kind.tensor_type.shape.dim]
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.tensor_type.elem_type)).name
    return relax.Var(name, relax.TensorType(shape, dtype))


def _read(nodes: Sequence[onnx.NodeProto]) -> dict[str, None]:
    """The names that the nodes read, in order."""
    return dict.fromkeys(name for node in nodes for name in names_read(node))


def _readers(nodes: Sequence[onnx.NodeProto]) -> Counter[str]:
    """How many of the nodes read each name."""
    return Counter(name for node in nodes for name in set(names_read(node)))


def _made(nodes: Sequence[onnx.NodeProto]) -> dict[str, None]:
    return dict.fromkeys(name for node in nodes for name in node.output if name)


def unsupported(model: onnx.ModelProto) -> list[str]:
    """Operators that can't be imported, each with the names of the nodes that are of it."""
    return [
        f"{kind} ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})"
        for kind, names in unsupported_nodes(model).items()
    ]


def unsupported_nodes(model: onnx.ModelProto) -> dict[str, tuple[str, ...]]:
    """The nodes of each operator that can't be imported."""
    found: dict[tuple[str, str], list[str]] = {}
    for node in model.graph.node:
        found.setdefault((node.domain, node.op_type), []).append(node.name or node.output[0])
    return {
        f"{domain}{'.' if domain else ''}{operator}": tuple(names)
        for (domain, operator), names in found.items()
        if domain != OWN
        and (domain, operator) not in CONVERTERS
        and (domain or operator in CONTROL_FLOW or not _frontend_takes(operator))
    }


def _frontend_takes(operator: str) -> bool:
    """Whether TVM's frontend knows an operator: it refuses others before it looks at operands."""
    part = onnx.ModelProto(ir_version=9)
    part.opset_import.add(domain="", version=OPSET)
    part.graph.node.add(op_type=operator)
    with without_warnings(), redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from_onnx(part)
        except tvm.error.OpNotImplemented:
            return False
        except Exception:  # of its operands, as it has none here
            return True
    return True
