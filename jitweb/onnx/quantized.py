"""Quantised matmuls and convolutions, in float32 and yet exact.

A product of two 8-bit integers is below 2^15 · 2 in magnitude, so a sum of 512 of them is a whole
number that float32 holds. Longer sums are cut into such parts, whose sums are added as int32. That
makes integer operators as fast as float32 ones and exact; their weights are kept in float32.
"""

from __future__ import annotations

import math

import numpy as np
import onnx

from jitweb.onnx.graph import Graph, attributes, operands

FLOAT, INT32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
EXACT = 512  # products of 8-bit integers whose sum float32 holds


def integers(graph: Graph, name: str, zero_point: str, axis: int | None = None) -> str:
    """8-bit integers less their zero point, as float32; several zero points lie along `axis`."""
    value = graph.op("Cast", name, to=FLOAT)
    if not zero_point:
        return value
    zero = graph.op("Cast", zero_point, to=FLOAT)
    if axis is not None and math.prod(graph.shape(zero)) > 1:
        rank = len(graph.shape(name))
        shape = [-1 if place == axis % rank else 1 for place in range(rank)]
        zero = graph.op("Reshape", zero, graph.constant(np.array(shape)))
    elif graph.shape(zero) == (1,):
        zero = graph.op("Reshape", zero, graph.constant(np.zeros(0, np.int64)))
    return graph.op("Sub", value, zero)


def product(graph: Graph, a: str, b: str) -> str:
    """The exact int32 product of matrices of small whole numbers in float32."""
    depth = graph.shape(a)[-1]
    total = ""
    for start in range(0, depth, EXACT):
        end = min(start + EXACT, depth)
        left, right = a, b
        if end - start < depth:
            left, right = part(graph, a, -1, start, end), part(graph, b, -2, start, end)
        total = _added(graph, total, graph.op("MatMul", left, right))
    return total or graph.op("Cast", graph.op("MatMul", a, b), to=INT32)


def _added(graph: Graph, total: str, more: str) -> str:
    more = graph.op("Cast", more, to=INT32)
    return graph.op("Add", total, more) if total else more


def part(graph: Graph, name: str, axis: int, start: int, end: int) -> str:
    """A part of an axis, counted from the end."""
    place = graph.constant(np.array([axis + len(graph.shape(name))]))
    bounds = [graph.constant(np.array([each])) for each in (start, end)]
    return graph.op("Slice", name, *bounds, place)


def matmul_integer(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """MatMulInteger: A's zero points are one a row, B's one a column."""
    a, b, zero_a, zero_b = operands(node, 4)
    return [product(graph, integers(graph, a, zero_a, -2), integers(graph, b, zero_b, -1))]


def conv_integer(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """ConvInteger: sums over a part of the channels, so many that each sum is exact.

    With groups, or a large kernel, over a part of the weights of an output, with zeros as the rest.
    """
    x, w, zero_x, zero_w = operands(node, 4)
    given, shape = attributes(node), graph.shape(w)
    x, w = integers(graph, x, zero_x), integers(graph, w, zero_w, 0)
    channels, kernel = shape[1], math.prod(shape[2:])
    step = max(1, EXACT // kernel)
    if channels * kernel <= EXACT:
        return [graph.op("Cast", graph.op("Conv", x, w, **given), to=INT32)]
    total, before_end = "", 1 - len(shape)
    if kernel > EXACT or given.get("group", 1) != 1:
        for start in range(0, channels * kernel, EXACT):
            places = np.arange(channels * kernel).reshape(shape[1:])
            mask = (places >= start) & (places < start + EXACT)
            some = graph.op("Mul", w, graph.constant(mask, FLOAT))
            total = _added(graph, total, graph.op("Conv", x, some, **given))
        return [total]
    for start in range(0, channels, step):
        end = min(start + step, channels)
        parts = (part(graph, each, before_end, start, end) for each in (x, w))
        total = _added(graph, total, graph.op("Conv", *parts, **given))
    return [total]


def dequantize_linear(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """What QuantizeLinear and DequantizeLinear with the same constants do to a float, in floats.

    Raises:
        ValueError: it isn't such a pair.
    """
    made = graph.producers.get(node.input[0])
    if made is None or made.op_type != "QuantizeLinear":
        raise ValueError("not the result of a QuantizeLinear")
    (_, scale, zero), (x, own_scale, own_zero) = operands(node, 3), operands(made, 3)
    for ours, theirs in ((scale, own_scale), (zero, own_zero)):
        left, right = graph.value(ours), graph.value(theirs)
        if ours != theirs and (left is None or right is None or not np.array_equal(left, right)):
            raise ValueError("scales that differ")
    if math.prod(graph.shape(scale)) != 1 or graph.dtype(x) != FLOAT:
        raise ValueError("a scale for each channel")
    offset = graph.value(zero)
    if zero and offset is None:
        raise ValueError("a computed zero point")
    kind = np.dtype(np.uint8) if offset is None else offset.dtype
    low, high = (float(end) for end in _ends(kind))
    middle = 0.0 if offset is None else float(offset.reshape(-1)[0])
    one = graph.op("Reshape", scale, graph.constant(np.zeros(0, np.int64)))
    steps = graph.op("Round", graph.op("Div", x, one))
    ends = (graph.constant(end - middle, FLOAT) for end in (low, high))
    return [graph.op("Mul", graph.op("Clip", steps, *ends), one)]


def _ends(dtype: np.dtype) -> tuple[int, int]:
    """The least and the greatest integer of a dtype.

    Raises:
        ValueError: it is none of NumPy's own.
    """
    if dtype.kind not in "iu":
        raise ValueError(f"integers of {dtype}")
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def quantized(graph: Graph, x: str) -> tuple[str, str, str]:
    """x in 8 bits, with its scale and zero point, by DynamicQuantizeLinear."""
    result, scale, zero = graph.ops("DynamicQuantizeLinear", [x], 3)
    return result, scale, zero


def dynamic_quantize_matmul(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """DynamicQuantizeMatMul (A, B, scale, zero point, bias): A is quantised here."""
    a, b, b_scale, b_zero, bias = operands(node, 5)
    short, scale, zero = quantized(graph, a)
    return [_rescaled(graph, short, b, scale, b_scale, zero, b_zero, bias)]


def matmul_integer_to_float(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """MatMulIntegerToFloat (A, B, scales, zero points, bias)."""
    return [_rescaled(graph, *operands(node, 7))]


def _rescaled(
    graph: Graph, a: str, b: str, a_scale: str, b_scale: str, a_zero: str, b_zero: str, bias: str
) -> str:
    total = product(graph, integers(graph, a, a_zero, -2), integers(graph, b, b_zero, -1))
    scale = graph.op("Mul", a_scale, b_scale)
    result = graph.op("Mul", graph.op("Cast", total, to=FLOAT), scale)
    return graph.op("Add", result, bias) if bias else result


def matmul_nbits(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """MatMulNBits: B is [N, blocks, packed bytes], low bits first; a scale, zero point a block."""
    a, packed, scales, zeros, order, bias = operands(node, 6)
    given = attributes(node)
    rows, depth, bits, block = (int(given[each]) for each in ("N", "K", "bits", "block_size"))
    blocks = -(-depth // block)
    data, scale, zero = graph.value(packed), graph.value(scales), graph.value(zeros)
    if data is None or scale is None or order or bits not in (2, 4, 8) or (zeros and zero is None):
        raise ValueError("a MatMulNBits with computed weights, an order of its own or other bits")
    numbers = unpacked(data.reshape(rows, blocks, -1), bits)[..., :block].astype(np.float32)
    if zero is None:
        middle: np.ndarray = np.full((rows, blocks), 1 << (bits - 1), np.float32)
    elif zero.dtype == np.uint8:
        middle = unpacked(zero.reshape(rows, -1), bits)[:, :blocks].astype(np.float32)
    else:
        middle = zero.reshape(rows, blocks).astype(np.float32)
    scale = scale.reshape(rows, blocks).astype(np.float32)
    weights = ((numbers - middle[..., None]) * scale[..., None]).reshape(rows, -1)[:, :depth]
    result = graph.op("MatMul", a, graph.constant(np.ascontiguousarray(weights.T), FLOAT))
    return [graph.op("Add", result, bias) if bias else result]


def unpacked(data: np.ndarray, bits: int) -> np.ndarray:
    """The numbers of so many bits in the last axis of bytes, the low ones of a byte first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (data[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return parts.reshape(*data.shape[:-1], -1)
