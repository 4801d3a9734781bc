"""Whether a node's operands can be combined: shapes that were asked for may not fit together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

BROADCAST = frozenset(
    "Add Sub Mul Div Pow Mod Where And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual Min "
    "Max Sum Mean PRelu".split()
)

GIVEN = "given by the user"
SAME_KIND = (BROADCAST - {"Where", "Pow"}) | {"MatMul", "Concat", "Gemm"}
OWN_AXIS = frozenset(("OneHot", "Flatten"))  # whose axis may be one more than there are


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The static shapes of a model's values, as far as they are known."""
    graph = model.graph
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(each.HasField("dim_value") for each in kind.shape.dim):
            found[value.name] = tuple(each.dim_value for each in kind.shape.dim)
    return found


def fit_together(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the operands of an elementwise operator, a MatMul or a Concat can be combined."""
    known = [shapes[name] for name in node.input if name in shapes]
    if len(known) < 2:
        return True
    try:
        if node.op_type in BROADCAST:
            np.broadcast_shapes(*known)
        elif node.op_type == "MatMul" and min(map(len, known)) > 1:
            np.broadcast_shapes(*(shape[:-2] for shape in known))
            return known[0][-1] == known[1][-2]
        elif node.op_type == "Concat":
            axis = next(each.i for each in node.attribute if each.name == "axis")
            return len({(*s[: axis % len(s)], *s[axis % len(s) + 1 :]) for s in known}) == 1
    except ValueError:
        return False
    return True


def give_size(dimension: onnx.TensorShapeProto.Dimension, size: int) -> None:
    """Fix a dimension of an input, noting that it was open."""
    if not dimension.HasField("dim_value"):
        dimension.denotation = GIVEN
    dimension.dim_value = size


def was_open(model: onnx.ModelProto) -> bool:
    """Whether the user gave a size of an input."""
    types = (value.type.tensor_type for value in model.graph.input)
    return any(each.denotation == GIVEN for kind in types for each in kind.shape.dim)


def misfit(node: onnx.NodeProto, model: onnx.ModelProto) -> str:
    """What is wrong with a node's types or its axis, and how to fix it; "" if that is not it."""
    kinds = _kinds_of(model)
    known = dict.fromkeys(kinds[name] for name in node.input if name in kinds)
    if node.op_type in SAME_KIND and len(known) > 1:
        named = (onnx.TensorProto.DataType.Name(kind).lower() for kind in known)
        listed = " and ".join("float32" if each == "float" else each for each in named)
        return f"has operands of {listed}, which are of one type in ONNX; export it with a Cast"
    shape = shapes_of(model).get(node.input[0]) if node.input else None
    axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
    if shape and node.op_type not in OWN_AXIS and not -len(shape) <= axis < len(shape):
        size = "x".join(map(str, shape))
        return (
            f"has the axis {axis}, and its operand of {size} has 0 to {len(shape) - 1}; export the "
            "model again"
        )
    return ""


def _kinds_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = model.graph
    values = (*graph.value_info, *graph.output, *graph.input)
    found = {each.name: each.type.tensor_type.elem_type for each in values}
    found.update((tensor.name, tensor.data_type) for tensor in graph.initializer)
    return {name: kind for name, kind in found.items() if kind}
