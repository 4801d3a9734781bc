"""Operators whose meaning or form changed between opsets, as opset 20 writes them.

What is not listed here only took more types from one opset to another. Operators that are new since
opset 21 are written as what their specification says, in fused.py and attention.py.
"""

from __future__ import annotations

import numpy as np
import onnx

from jitweb.onnx.cast_weights import cast_rows
from jitweb.onnx.graph import Graph, attributes, operands

MOST_EXPONENT = 63  # of an integer whose power 64 bits hold, but for -1, 0 and 1


def drop(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Identity, and Dropout as it is in inference: the input itself, and a mask of ones."""
    if len([name for name in node.output if name]) == 1:
        return [node.input[0]]
    return [node.input[0], graph.constant(np.ones(graph.shape(node.input[0]), np.bool_))]


def cast(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """A Cast to what the value already is does nothing; rows of a table are cast with it."""
    if graph.dtype(node.input[0]) != attributes(node)["to"]:
        return cast_rows(graph, node)
    return [node.input[0]]


def cast_like(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """CastLike is a Cast, as types are known."""
    dtype = graph.dtype(node.input[1])
    if not dtype:
        raise ValueError("the type to cast to is not known")
    return [graph.op("Cast", node.input[0], to=dtype)]


def keep(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """The node as it is."""
    raise ValueError("nothing to rewrite")


def concat(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """A Concat without those operands that have no elements, as a cache of length 0 has."""
    some = [name for name in node.input if 0 not in (graph.known_shape(name) or ())]
    if len(some) == 1:
        return some
    if not some or len(some) == len(node.input):
        return keep(graph, node)
    return graph.ops("Concat", some, 1, **attributes(node))


def axes_as_input(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Squeeze, Unsqueeze (13) and reductions (13, 18) take their axes as an input."""
    given = attributes(node)
    axes = given.pop("axes", None)
    inputs = list(node.input)
    if axes is not None:
        inputs.append(graph.constant(np.array(axes, np.int64)))
    return graph.ops(node.op_type, inputs, 1, **given)


def split(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Split takes sizes as an input (13), or says into how many parts (18)."""
    given, inputs, count = attributes(node), operands(node, 2), len(node.output)
    axis = given.get("axis", 0)
    if "split" in given:
        inputs[1] = graph.constant(np.array(given["split"], np.int64))
    if inputs[1]:
        return graph.ops("Split", inputs, count, axis=axis)
    return graph.ops("Split", inputs[:1], count, axis=axis, num_outputs=count)


def softmax(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Before opset 13 the axis told where to flatten to two dimensions: by default at 1."""
    shape = graph.shape(node.input[0])
    axis = attributes(node).get("axis", 1) % max(len(shape), 1)
    if axis == len(shape) - 1:
        return [graph.op(node.op_type, node.input[0], axis=-1)]
    rows = int(np.prod(shape[:axis], dtype=np.int64))
    flat = graph.op("Reshape", node.input[0], graph.constant(np.array([rows, -1])))
    result = graph.op(node.op_type, flat, axis=-1)
    return [graph.op("Reshape", result, graph.constant(np.array(shape, np.int64)))]


def attributes_as_inputs(*names: str) -> object:
    """A rule: these attributes become inputs after the first, in this order."""

    def rule(graph: Graph, node: onnx.NodeProto) -> list[str]:
        given = attributes(node)
        inputs = [node.input[0]]
        for name in names:
            value = given.pop(name, None)
            if value is None:
                inputs.append("")
                continue
            is_real = isinstance(value, float)
            dtype = graph.dtype(node.input[0]) if is_real else onnx.TensorProto.INT64
            one = [value] if name == "k" else value
            inputs.append(graph.constant(np.array(one), dtype))
        while inputs[-1] == "":
            inputs.pop()
        return graph.ops(node.op_type, inputs, len(node.output), **given)

    return rule


def slice_(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Slice takes starts, ends and axes as inputs (10)."""
    given = attributes(node)
    axes = given.get("axes", list(range(len(given["starts"]))))
    parts = (given["starts"], given["ends"], axes)
    return [graph.op("Slice", node.input[0], *(graph.constant(np.array(p)) for p in parts))]


def scatter(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Scatter was renamed (11)."""
    return graph.ops("ScatterElements", list(node.input), 1, **attributes(node))


def group_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """From opset 21 on scale and bias are a value a channel; before, one a group.

    Written out: normalise each group, then scale and shift each channel.
    """
    x, scale, bias = node.input
    given, shape = attributes(node), graph.shape(node.input[0])
    groups = graph.constant(np.array([shape[0], given["num_groups"], -1]))
    flat = graph.op("Reshape", x, groups)
    dtype = graph.dtype(x)
    ones = graph.constant(np.ones(graph.shape(flat)[-1]), dtype)
    normal = graph.op("LayerNormalization", flat, ones, axis=-1, epsilon=given.get("epsilon", 1e-5))
    back = graph.op("Reshape", normal, graph.constant(np.array(shape)))
    channels = graph.constant(np.array([shape[1], *[1] * (len(shape) - 2)]))
    scaled = graph.op("Mul", back, graph.op("Reshape", scale, channels))
    return [graph.op("Add", scaled, graph.op("Reshape", bias, channels))]


def swish(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Swish (24): x · sigmoid(alpha · x)."""
    (x,) = node.input
    alpha = attributes(node).get("alpha", 1.0)
    inner = x if alpha == 1 else graph.op("Mul", x, graph.constant(alpha, graph.dtype(x)))
    return [graph.op("Mul", x, graph.op("Sigmoid", inner))]


def integer_power(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Pow of integers, which TVM lacks: products of squares, those of the exponent's bits."""
    base, exponent = node.input
    kind, power = graph.dtype(base), graph.value(exponent)
    if kind not in (onnx.TensorProto.INT32, onnx.TensorProto.INT64):
        return keep(graph, node)
    if power is not None and np.any((power < 0) | (power != np.trunc(power))):
        return keep(graph, node)
    exponent = graph.op("Cast", exponent, to=kind)
    one, two = graph.constant(1, kind), graph.constant(2, kind)
    most = MOST_EXPONENT if power is None else int(np.max(power, initial=1))
    result, square = one, base
    for bit in range(max(most.bit_length(), 1)):
        square = graph.op("Mul", square, square) if bit else square
        part = graph.op("Div", exponent, graph.constant(1 << bit, kind))
        is_set = graph.op("Equal", graph.op("Mod", part, two), one)
        result = graph.op("Mul", result, graph.op("Where", is_set, square, one))
    return [result]
