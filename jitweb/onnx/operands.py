"""Whether a node's operands can be combined: shapes that were asked for may not fit together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

BROADCAST = frozenset(
    "Add Sub Mul Div Pow Mod Where And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual Min "
    "Max Sum Mean PRelu".split()
)


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
