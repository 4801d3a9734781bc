"""QuantizeLinear in the forms that TVM's frontend lacks: a type by attribute, scales of blocks."""

from __future__ import annotations

import numpy as np
import onnx

from jitweb.onnx.graph import Graph, attributes, operands
from jitweb.onnx.quantized import as_bytes, dequantize_linear, limited

FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8


def quantize_linear(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """The zero point says what the type is, where an attribute did; each element has its scale."""
    given, (x, scale, zero) = attributes(node), operands(node, 3)
    kind, block = given.pop("output_dtype", 0), given.pop("block_size", 0)
    blocks = {"block_size": block} if block else {}
    if not zero and kind and kind != UINT8:
        zero = graph.constant(np.zeros(graph.shape(scale)), kind)
        return [graph.op("QuantizeLinear", x, scale, zero, **given, **blocks)]
    if not block:
        raise ValueError("nothing to rewrite")
    kind = graph.dtype(zero) if zero else UINT8
    ends = np.iinfo(onnx.helper.tensor_dtype_to_np_dtype(kind))
    steps = graph.op("Round", graph.op("Div", x, _each(graph, node, scale)))
    if zero:
        steps = graph.op("Add", steps, _each(graph, node, graph.op("Cast", zero, to=FLOAT)))
    return [as_bytes(graph, limited(graph, steps, float(ends.min), float(ends.max)), kind)]


def dequantize(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """What `dequantize_linear` takes; else, with scales of blocks, each element by its own."""
    try:
        return dequantize_linear(graph, node)
    except ValueError:
        if not attributes(node).get("block_size"):
            raise
    x, scale, zero = operands(node, 3)
    value = graph.whole.get(x) or graph.op("Cast", x, to=FLOAT)
    if zero:
        offset = _each(graph, node, graph.op("Cast", zero, to=FLOAT))
        value = graph.op("Sub", value, offset)
    return [graph.op("Mul", value, _each(graph, node, scale))]


def _each(graph: Graph, node: onnx.NodeProto, blocks: str) -> str:
    """A value for each block along an axis as one for each element."""
    given, extents = attributes(node), graph.shape(node.input[0])
    axis, size = given.get("axis", 1) % len(extents), given["block_size"]
    places = graph.constant(np.arange(extents[axis]) // size)
    return graph.op("Gather", blocks, places, axis=axis)
