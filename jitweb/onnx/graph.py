"""What a rule of the simplifier sees of a graph: types, constants, and how to emit nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from jitweb.onnx.check import checked_tensor

OPSET = 20  # what every model becomes: the newest for which TVM's frontend was tested
STANDARD = ("", "ai.onnx")  # the operators' own domain
OUTLINE = "a weight without its data"  # the description of an input that is one
SMALL = 1 << 16  # elements of a constant that has its data everywhere
CONTRIB = "com.microsoft"  # onnxruntime's own
MOST_LISTED = 12  # inputs, in an error
OWN = "jitweb"  # of one operator, between the simplifier and Relax: see weights.py


def is_outline(tensor: onnx.TensorProto) -> bool:
    """Whether a weight has a type and a shape alone, as `inspect` reads it: see outline.py."""
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def outline(name: str, dtype: int, shape: Sequence[int], bits: float = 0) -> onnx.TensorProto:
    """A weight without its data; `bits`: what an element takes in a bundle, if less than 32."""
    made = onnx.TensorProto(name=name, data_type=dtype, dims=shape)
    made.data_location = onnx.TensorProto.EXTERNAL
    made.doc_string = str(bits or "")
    return made


def outline_input(tensor: onnx.TensorProto) -> onnx.ValueInfoProto:
    """An outline as an input, after those of the user, with its bits in its type's denotation."""
    kind = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    kind.denotation = tensor.doc_string
    return onnx.ValueInfoProto(name=tensor.name, type=kind, doc_string=OUTLINE)


def nothing(dtype: Any, shape: Sequence[int]) -> np.ndarray:
    """An array of zeros that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


class Graph:
    """What a rule sees: shapes and values of names, and `op`, which emits a node."""

    def __init__(self, opsets: Mapping[str, int]) -> None:
        self.opsets = dict(opsets)
        self.types: dict[str, onnx.TypeProto] = {}
        self.constants: dict[str, onnx.TensorProto] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.producers: dict[str, onnx.NodeProto] = {}  # of what isn't constant
        self.is_outlined = False  # weights have no data: large constants need none
        self.whole: dict[str, str] = {}  # 8-bit integers, and the whole floats that they were
        self.unseeing: dict[str, str] = {}  # masks, and which queries of each see no key
        self.of_bytes: set[str] = set()  # constants that are made of 8-bit integers alone
        self._count = 0
        self._prefix = ""

    def shape(self, name: str) -> tuple[int, ...]:
        """The static shape of a value.

        Raises:
            ValueError: it has none.
        """
        shape = self.known_shape(name)
        if shape is None:
            raise ValueError(f"{name} has no static shape")
        return shape

    def known_shape(self, name: str) -> tuple[int, ...] | None:
        """The static shape of a value, or None."""
        if name in self.constants:
            return tuple(self.constants[name].dims)
        kind = self.types.get(name)
        if kind is None or not kind.HasField("tensor_type"):
            return None
        if not kind.tensor_type.HasField("shape"):
            return None
        dimensions = kind.tensor_type.shape.dim
        if not all(each.HasField("dim_value") for each in dimensions):
            return None
        return tuple(each.dim_value for each in dimensions)

    def dtype(self, name: str) -> int:
        """The element type of a value, as ONNX numbers it; 0 if it isn't known."""
        if name in self.constants:
            return int(self.constants[name].data_type)
        return int(self.types[name].tensor_type.elem_type) if name in self.types else 0

    def value(self, name: str) -> np.ndarray | None:
        """The value of a constant, or None."""
        tensor = self.constants.get(name)
        if tensor is not None and is_outline(tensor):
            return nothing(helper.tensor_dtype_to_np_dtype(tensor.data_type), tensor.dims)
        if tensor is not None and name not in self._arrays:
            self._arrays[name] = numpy_helper.to_array(tensor)
        return self._arrays.get(name)

    def outlined(self, shape: Sequence[int], bits: float) -> str:
        """The name of a new float32 weight without data: see `outline`."""
        name = self._new("weight")
        self.constants[name] = outline(name, onnx.TensorProto.FLOAT, shape, bits)
        return name

    def constant(self, array: Any, dtype: int | None = None) -> str:
        """The name of a new constant, of an ONNX element type if one is given."""
        array = np.asarray(array)
        if dtype is not None:
            array = array.astype(helper.tensor_dtype_to_np_dtype(dtype))
        name = self._new("constant")
        self._keep(name, array)
        return name

    def _keep(self, name: str, array: np.ndarray) -> None:
        """Make a name a constant, or an outline of a large one where the weights are outlines."""
        if self.is_outlined and array.size > SMALL:
            known = helper.np_dtype_to_tensor_dtype(array.dtype)
            self.constants[name] = outline(name, known, array.shape)
            return
        self.constants[name] = checked_tensor(array, name)
        self._arrays[name] = array

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Emit a node of one output; its name is returned."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(
        self, kind: str, inputs: Sequence[str], count: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Emit a node of `count` outputs, of opset OPSET; their names are returned."""
        outputs = [self._new(kind) for _ in range(count)]
        node = helper.make_node(
            kind, inputs, outputs, name=self._prefix, domain=domain, **attributes
        )
        return self.add(node, is_made=True)

    def _new(self, text: str) -> str:
        self._count += 1
        return f"{self._prefix}/{text}_{self._count}"

    def add(self, node: onnx.NodeProto, is_made: bool) -> list[str]:
        raise NotImplementedError


def names_read(node: onnx.NodeProto) -> list[str]:
    """The names that a node and the graphs in it read; some may be those graphs' own."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                names += names_read(inner)
            names += [value.name for value in attribute.g.output]
    return names


def graph_nodes(graph: onnx.GraphProto) -> int:
    """How many nodes a graph and those in it have."""
    inner = (each.g for node in graph.node for each in node.attribute if each.HasField("g"))
    return len(graph.node) + sum(map(graph_nodes, inner))


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values; texts as str."""
    found = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    return {
        name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()
    }


# The doc_string of a Clip that makes NaN the least of its ends, as a quantisation does.
NAN_IS_LEAST = "NaN is the least"


def operands(node: onnx.NodeProto, count: int) -> list[str]:
    """A node's inputs, filled up with "" to `count`."""
    return [*node.input, *[""] * (count - len(node.input))]


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs that the user passes."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def user_values(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs of a simplified model but for weights without data, which come after them."""
    return [value for value in graph_inputs(model) if value.doc_string != OUTLINE]


def no_input(name: str, inputs: Iterable[str]) -> str:
    """That a model has no such input, and which it has."""
    known = list(inputs)
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    listed = ", ".join(known[:MOST_LISTED]) + more
    return f"there is no input {name}; the model's inputs are {listed}"


def is_static(value: onnx.ValueInfoProto) -> bool:
    """Whether a value has a shape, of which all dimensions are known."""
    kind = value.type.tensor_type
    return kind.HasField("shape") and all(
        dimension.HasField("dim_value") for dimension in kind.shape.dim
    )


def node_text(node: onnx.NodeProto) -> str:
    """A node's name, or that of its result, with its operator."""
    return f"{node.name or next(filter(None, node.output), '')} ({node.op_type})"


def shape_text(value: onnx.ValueInfoProto) -> str:
    """A value's name with its shape, open dimensions by name."""
    named = "x".join(
        str(dimension.dim_value) if dimension.HasField("dim_value") else dimension.dim_param or "?"
        for dimension in value.type.tensor_type.shape.dim
    )
    return f"{value.name} ({named})"
