"""DynamicQuantizeLinear, in floats."""

from __future__ import annotations

import onnx

from jitweb.onnx.graph import Graph
from jitweb.onnx.quantized import as_bytes

FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
MOST = 255.0


def dynamic_quantize_linear(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """y, its scale and its zero point; of zeros alone the scale is 1, as in onnxruntime."""
    (x,) = node.input
    none, most = graph.constant(0.0, FLOAT), graph.constant(MOST, FLOAT)
    low = graph.op("Min", graph.op("ReduceMin", x, keepdims=0), none)
    high = graph.op("Max", graph.op("ReduceMax", x, keepdims=0), none)
    width = graph.op("Sub", high, low)
    is_flat = graph.op("Equal", width, none)
    scale = graph.op("Div", graph.op("Where", is_flat, most, width), most)
    zero = graph.op("Round", graph.op("Div", graph.op("Neg", low), scale))
    steps = graph.op("Add", graph.op("Round", graph.op("Div", x, scale)), zero)
    return [
        as_bytes(graph, graph.op("Clip", steps, none, most), UINT8),
        scale,
        as_bytes(graph, zero, UINT8),
    ]
