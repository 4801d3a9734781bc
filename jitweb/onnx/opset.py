"""Operators whose meaning or form changed between opsets, as opset 20 writes them.

What is not listed here only took more types from one opset to another. Operators that are new since
opset 21 are written as what their specification says, in fused.py and attention.py.
"""

from __future__ import annotations

import numpy as np
import onnx

from jitweb.errors import JitwebError
from jitweb.onnx.cast_weights import cast_rows
from jitweb.onnx.graph import Graph, attributes, node_text, operands

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
    """Split takes sizes as an input (13), or says into how many parts (18).

    Parts without elements, which TVM does not take, are constants.
    """
    given, inputs, count = attributes(node), operands(node, 2), len(node.output)
    axis = given.get("axis", 0)
    if "split" in given:
        inputs[1] = graph.constant(np.array(given["split"], np.int64))
    sizes = graph.value(inputs[1])
    if sizes is not None and not sizes.all():
        return _split_some(graph, inputs[0], axis, sizes)
    if "split" in given:
        return graph.ops("Split", inputs, count, axis=axis)
    if inputs[1] or "num_outputs" in given:
        return keep(graph, node)
    return graph.ops("Split", inputs[:1], count, axis=axis, num_outputs=count)


def _split_some(graph: Graph, x: str, axis: int, sizes: np.ndarray) -> list[str]:
    kept = graph.constant(sizes[sizes > 0])
    count = int(np.count_nonzero(sizes))
    found = iter([x] if count == 1 else graph.ops("Split", [x, kept], count, axis=axis))
    empty = list(graph.shape(x))
    empty[axis] = 0
    nothing = graph.constant(np.zeros(empty), graph.dtype(x))
    return [next(found) if size else nothing for size in sizes]


def compress(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Compress by a constant: a Gather of the places where it is true."""
    x, axis = node.input[0], attributes(node).get("axis")
    condition = graph.value(node.input[1])
    if condition is None:
        return keep(graph, node)
    places = graph.constant(np.flatnonzero(condition))
    if axis is None:
        x = graph.op("Reshape", x, graph.constant(np.array([-1])))
    return [graph.op("Gather", x, places, axis=axis or 0)]


def softmax(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Before opset 13 the axis said where to flatten to two dimensions: by default at 1."""
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


def scatter_some(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """A scatter of no updates is the data."""
    return [node.input[0]] if 0 in graph.shape(node.input[1]) else keep(graph, node)


def scatter(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Scatter was renamed (11)."""
    return graph.ops("ScatterElements", list(node.input), 1, **attributes(node))


def group_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """From opset 21 on scale and bias are a value a channel; before, one a group.

    Written out: normalise each group, then scale and shift each channel.
    """
    x, scale, bias = node.input
    given, shape = attributes(node), graph.shape(node.input[0])
    if graph.shape(scale) == (given["num_groups"],):
        each = graph.constant(np.arange(shape[1]) // (shape[1] // given["num_groups"]))
        scale, bias = (graph.op("Gather", name, each, axis=0) for name in (scale, bias))
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


def batch_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """BatchNormalization is as it is, unless it would compute the mean of what it is given.

    Raises:
        JitwebError: it would.
    """
    if attributes(node).get("training_mode"):
        raise JitwebError(f"{node_text(node)} is in training mode; export the model for inference")
    return keep(graph, node)


def thresholded_relu(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """ThresholdedRelu: x where it is greater than alpha, else 0, also for NaN."""
    (x,) = node.input
    alpha, zero = (
        graph.constant(each, graph.dtype(x)) for each in (attributes(node).get("alpha", 1.0), 0.0)
    )
    return [graph.op("Where", graph.op("Greater", x, alpha), x, zero)]


def celu(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Celu: max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""
    (x,) = node.input
    kind = graph.dtype(x)
    zero, one = graph.constant(0.0, kind), graph.constant(1.0, kind)
    alpha = graph.constant(attributes(node).get("alpha", 1.0), kind)
    grown = graph.op("Sub", graph.op("Exp", graph.op("Div", x, alpha)), one)
    below = graph.op("Min", zero, graph.op("Mul", alpha, grown))
    return [graph.op("Add", graph.op("Max", zero, x), below)]


def lp_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """LpNormalization: x by its norm along an axis; where that is 0, 0 as of onnxruntime."""
    (x,), given = node.input, attributes(node)
    axis = graph.constant(np.array([given.get("axis", -1)]))
    kind = "ReduceL1" if given.get("p", 2) == 1 else "ReduceL2"
    norm, zero = graph.op(kind, x, axis, keepdims=1), graph.constant(0.0, graph.dtype(x))
    is_zero = graph.op("Equal", norm, zero)
    return [graph.op("Where", is_zero, zero, graph.op("Div", x, norm))]


def reduce_log_sum_exp(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """ReduceLogSumExp: of exponentials less the greatest, unless that is infinite."""
    given, (x, axes) = attributes(node), operands(node, 2)
    if "axes" in given:
        axes = graph.constant(np.array(given["axes"], np.int64))
    if not axes and given.get("noop_with_empty_axes"):
        return keep(graph, node)
    inputs = [axes] if axes else []
    most = graph.op("ReduceMax", x, *inputs, keepdims=1)
    zero = graph.constant(0.0, graph.dtype(x))
    most = graph.op("Where", graph.op("IsInf", most), zero, most)
    grown = graph.op("Exp", graph.op("Sub", x, most))
    total = graph.op("ReduceSum", grown, *inputs, keepdims=1)
    whole = graph.op("Add", graph.op("Log", total), most)
    if given.get("keepdims", 1):
        return [whole]
    return [graph.op("Squeeze", whole, *(inputs or [_every(graph, x)]))]


def _every(graph: Graph, x: str) -> str:
    """All axes of a value, as a constant."""
    return graph.constant(np.arange(len(graph.shape(x))))


def integer_power(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Pow of integers, which TVM lacks: products of squares, those of the exponent's bits.

    Raises:
        JitwebError: the exponent is a constant that is negative or not whole.
    """
    base, exponent = node.input
    kind, power = graph.dtype(base), graph.value(exponent)
    if kind not in (onnx.TensorProto.INT32, onnx.TensorProto.INT64):
        return keep(graph, node)
    if power is not None and np.any((power < 0) | (power != np.trunc(power))):
        raise JitwebError(
            f"{node_text(node)} takes integers to a power that is negative or not whole; "
            "export the model with a base of floats"
        )
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
