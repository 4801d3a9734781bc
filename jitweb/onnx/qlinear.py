"""QLinear operators: 8-bit integers in and out, as quantised files of the form QOperator hold them.

Matmuls and convolutions sum exactly as integers; everything else is computed in floats between a
dequantisation and a quantisation, as onnxruntime does. Sources: ONNX's operator specification, and
onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from jitweb.onnx.attention import attend_packed
from jitweb.onnx.fused import swap_last
from jitweb.onnx.graph import CONTRIB, Graph, attributes, operands
from jitweb.onnx.quantized import as_bytes, integers, limited

FLOAT = onnx.TensorProto.FLOAT
Rule = Callable[[Graph, onnx.NodeProto], list[str]]


def dequantized(graph: Graph, x: str, scale: str, zero: str) -> str:
    """8-bit integers as the floats that they stand for."""
    return graph.op("Mul", integers(graph, x, zero), _scalar(graph, scale))


def quantized_as(graph: Graph, steps: str, zero: str) -> str:
    """Multiples of a scale, rounded to even, in the 8 bits of the zero point."""
    kind = graph.dtype(zero) if zero else onnx.TensorProto.UINT8
    ends = np.iinfo(onnx.helper.tensor_dtype_to_np_dtype(kind))
    total = graph.op("Round", steps)
    if zero:
        total = graph.op("Add", total, _scalar(graph, graph.op("Cast", zero, to=FLOAT)))
    return as_bytes(graph, limited(graph, total, float(ends.min), float(ends.max)), kind)


def quantized(graph: Graph, x: str, scale: str, zero: str) -> str:
    """Floats in 8 bits."""
    return quantized_as(graph, graph.op("Div", x, _scalar(graph, scale)), zero)


def _scalar(graph: Graph, name: str) -> str:
    """A value of one element without axes; of more, as it is."""
    if graph.shape(name) == (1,):
        return graph.op("Reshape", name, graph.constant(np.zeros(0, np.int64)))
    return name


def _rescaled(graph: Graph, total: str, scales: list[str], result: str, axis: int) -> str:
    """An int32 sum times two scales, over a third; several lie along an axis of the sum."""
    rank = len(graph.shape(total))
    factor = graph.op("Mul", *(_scalar(graph, each) for each in scales))
    factor = graph.op("Div", factor, _scalar(graph, result)) if result else factor
    count = math.prod(graph.shape(factor))
    if count > 1:
        shape = [count if place == axis % rank else 1 for place in range(rank)]
        factor = graph.op("Reshape", factor, graph.constant(np.array(shape)))
    return graph.op("Mul", graph.op("Cast", total, to=FLOAT), factor)


def qlinear_matmul(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QLinearMatMul: A's scales are one, B's one, or one a column."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = node.input
    if math.prod(graph.shape(a_scale)) > 1:
        raise ValueError("a QLinearMatMul with a scale for each row")
    total = graph.op("MatMulInteger", a, b, a_zero, b_zero)
    return [quantized_as(graph, _rescaled(graph, total, [a_scale, b_scale], y_scale, -1), y_zero)]


def qlinear_conv(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QLinearConv: the weights' scale is one, or one a channel of the result."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias = operands(node, 9)
    total = graph.op("ConvInteger", x, w, x_zero, w_zero, **attributes(node))
    if bias:
        shape = [1, -1, *[1] * (len(graph.shape(total)) - 2)]
        total = graph.op("Add", total, graph.op("Reshape", bias, graph.constant(np.array(shape))))
    return [quantized_as(graph, _rescaled(graph, total, [x_scale, w_scale], y_scale, 1), y_zero)]


def qgemm(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QGemm: alpha A' B' + C, with C an int32 of A's and B's scales; a float without y_scale."""
    a, a_scale, a_zero, b, b_scale, b_zero, bias, y_scale, y_zero = operands(node, 9)
    given = attributes(node)
    a = swap_last(graph, a) if given.get("transA") else a
    b = swap_last(graph, b) if given.get("transB") else b
    total = graph.op("MatMulInteger", a, b, a_zero, b_zero)
    total = graph.op("Add", total, bias) if bias else total
    steps = _rescaled(graph, total, [a_scale, b_scale], y_scale, -1)
    if given.get("alpha", 1.0) != 1:
        raise ValueError("a QGemm with a factor of its own")
    return [quantized_as(graph, steps, y_zero) if y_scale else steps]


def binary(kind: str) -> Rule:
    """QLinearAdd and QLinearMul."""

    def rule(graph: Graph, node: onnx.NodeProto) -> list[str]:
        a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = operands(node, 8)
        left = dequantized(graph, a, a_scale, a_zero)
        right = dequantized(graph, b, b_scale, b_zero)
        return [quantized(graph, graph.op(kind, left, right), y_scale, y_zero)]

    return rule


def unary(kind: str, *kept: str) -> Rule:
    """An operator of one operand, which keeps these attributes."""

    def rule(graph: Graph, node: onnx.NodeProto) -> list[str]:
        x, x_scale, x_zero, y_scale, y_zero = operands(node, 5)
        given: dict[str, Any] = attributes(node)
        if given.get("channels_last"):
            raise ValueError(f"a {node.op_type} with the channels last")
        real = dequantized(graph, x, x_scale, x_zero)
        result = graph.op(kind, real, **{name: given[name] for name in kept if name in given})
        return [quantized(graph, result, y_scale, y_zero)]

    return rule


def qlinear_softmax(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QLinearSoftmax: of one axis from opset 13 on, before of all from it on."""
    x, x_scale, x_zero, y_scale, y_zero = operands(node, 5)
    given, rank = attributes(node), len(graph.shape(x))
    axis = given.get("axis", -1) % rank
    if given.get("opset", 13) < 13 and axis != rank - 1:
        raise ValueError("a QLinearSoftmax over several axes")
    real = graph.op("Softmax", dequantized(graph, x, x_scale, x_zero), axis=axis)
    return [quantized(graph, real, y_scale, y_zero)]


def qlinear_concat(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QLinearConcat: y's scale and zero point, then three operands for each part."""
    y_scale, y_zero, *rest = node.input
    parts = [dequantized(graph, *rest[place : place + 3]) for place in range(0, len(rest), 3)]
    whole = graph.ops("Concat", parts, 1, axis=attributes(node)["axis"])[0]
    return [quantized(graph, whole, y_scale, y_zero)]


def qlinear_where(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QLinearWhere (condition, x, its scale and zero, y, its scale and zero, the result's)."""
    condition, x, x_scale, x_zero, y, y_scale, y_zero, z_scale, z_zero = node.input
    parts = (dequantized(graph, x, x_scale, x_zero), dequantized(graph, y, y_scale, y_zero))
    return [quantized(graph, graph.op("Where", condition, *parts), z_scale, z_zero)]


def qattention(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QAttention: Attention whose projection is of 8-bit integers."""
    x, w, bias, x_scale, w_scale, mask, x_zero, w_zero, past = operands(node, 9)
    total = graph.op("MatMulInteger", x, w, x_zero, w_zero)
    flat = graph.op("Add", _rescaled(graph, total, [x_scale, w_scale], "", -1), bias)
    return attend_packed(graph, node, flat, mask, past)


def qembed_layer_normalization(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """QEmbedLayerNormalization: the tables, and the scale and bias of the norm, are in 8 bits."""
    ids, segments, *quantised, mask = operands(node, 18)[:8]
    scales, zeros = operands(node, 18)[8:13], operands(node, 18)[13:]
    tables = [
        dequantized(graph, *each) if each[0] else ""
        for each in zip(quantised, scales, zeros, strict=True)
    ]
    inputs = [ids, segments, *tables, mask]
    given = attributes(node)
    return graph.ops("EmbedLayerNormalization", inputs, 2, domain=CONTRIB, **given)


_POOL = ("kernel_shape", "strides", "pads", "auto_pad", "ceil_mode", "count_include_pad")
RULES: dict[str, Rule] = {
    "QLinearAdd": binary("Add"),
    "QLinearMul": binary("Mul"),
    "QLinearSigmoid": unary("Sigmoid"),
    "QLinearLeakyRelu": unary("LeakyRelu", "alpha"),
    "QLinearAveragePool": unary("AveragePool", *_POOL),
    "QLinearGlobalAveragePool": unary("GlobalAveragePool"),
    "QLinearSoftmax": qlinear_softmax,
    "QLinearConcat": qlinear_concat,
    "QLinearWhere": qlinear_where,
    "QGemm": qgemm,
    "QAttention": qattention,
    "QEmbedLayerNormalization": qembed_layer_normalization,
}
