"""Quantised matmuls and convolutions, in float32 and yet exact.

A product of two 8-bit integers is below 2^15 · 2 in magnitude, so a sum of 512 of them is a whole
number that float32 holds. Longer sums are cut into such parts, whose sums are added as int32. That
makes integer operators as fast as float32 ones and exact. Weights stay the integers that they are:
see weights.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx

from jitweb.onnx.graph import NAN_IS_LEAST, Graph, attributes, operands
from jitweb.onnx.weights import weight
from jitweb.small_weights import Quantized

FLOAT, INT32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
EXACT = 512  # products of 8-bit integers whose sum float32 holds


def integers(graph: Graph, name: str, zero_point: str, axis: int | None = None) -> str:
    """8-bit integers less their zero point, as float32; several zero points lie along `axis`."""
    known, offset = graph.value(name), graph.value(zero_point)
    if known is not None and known.ndim > 1 and (offset is not None or not zero_point):
        return weight(graph, quantized_array(known, None, offset, axis or 0))
    value = _whole(graph, name)
    if not zero_point:
        return value
    zero = _whole(graph, zero_point)
    if axis is not None and math.prod(graph.shape(zero)) > 1:
        rank = len(graph.shape(name))
        shape = [-1 if place == axis % rank else 1 for place in range(rank)]
        zero = graph.op("Reshape", zero, graph.constant(np.array(shape)))
    elif graph.shape(zero) == (1,):
        zero = graph.op("Reshape", zero, graph.constant(np.zeros(0, np.int64)))
    return graph.op("Sub", value, zero)


def _whole(graph: Graph, name: str) -> str:
    """8-bit integers as float32: those that they were made of, if they were."""
    return graph.whole.get(name) or graph.op("Cast", name, to=FLOAT)


def as_bytes(graph: Graph, whole: str, kind: int) -> str:
    """Whole floats in the range of an 8-bit type as that; `integers` reads the floats themselves.

    So bytes are stored only where something else needs them: WGSL has none, and a kernel that makes
    floats of what the one before wrote is slower on WebAssembly too.
    """
    name = graph.op("Cast", whole, to=kind)
    graph.whole[name] = whole
    return name


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
    """A quantised weight, or rows of one; or what such a pair with the same constants does to a
    float, in floats.

    Raises:
        ValueError: it is neither.
    """
    if graph.value(node.input[0]) is not None:
        return [_dequantized(graph, node, node.input[0])]
    made = graph.producers.get(node.input[0])
    if made is not None and made.op_type == "Gather" and graph.value(made.input[0]) is not None:
        if math.prod(graph.shape(node.input[1])) != 1:
            raise ValueError("a table with a scale for each element of an axis")
        table = _dequantized(graph, node, made.input[0])
        return [graph.op("Gather", table, made.input[1], **attributes(made))]
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
    return [graph.op("Mul", limited(graph, steps, low - middle, high - middle), one)]


def limited(graph: Graph, steps: str, low: float, high: float) -> str:
    """Floats within the ends of an integer type; NaN is the least, as of onnxruntime's Quantize."""
    ends = (graph.constant(end, FLOAT) for end in (low, high))
    return graph.op("Clip", steps, *ends, doc_string=NAN_IS_LEAST)


def _dequantized(graph: Graph, node: onnx.NodeProto, name: str) -> str:
    """A constant by the scale and zero point of a DequantizeLinear.

    Raises:
        ValueError: it is no matrix, or one of these is computed.
    """
    numbers, scale, zero = (graph.value(each) for each in (name, *operands(node, 3)[1:]))
    if (
        numbers is None
        or numbers.ndim < 2
        or scale is None
        or (zero is None and any(node.input[2:]))
    ):
        raise ValueError("not a quantised weight")
    given = attributes(node)
    place = (int(given.get("axis", 1)), int(given.get("block_size", 0)))
    return weight(graph, quantized_array(numbers, scale, zero, *place))


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
    middle = 1 << (bits - 1)
    numbers = unpacked(data.reshape(rows, blocks, -1), bits)[..., :block].reshape(rows, -1)
    if zero is not None and zero.dtype == np.uint8:
        zero = unpacked(zero.reshape(rows, -1), bits)[:, :blocks]
    made = Quantized(
        np.ascontiguousarray((numbers[:, :depth].astype(np.int16) - middle).T.astype(np.int8)),
        max(bits, 4),
        np.ascontiguousarray(scale.reshape(rows, blocks).T.astype(np.float32)),
        None if zero is None else _offset(zero.reshape(rows, blocks).T, middle),
        0,
        block,
    )
    result = graph.op("MatMul", a, weight(graph, made))
    return [graph.op("Add", result, bias) if bias else result]


def _offset(zero: np.ndarray, middle: int) -> np.ndarray | None:
    """Zero points of integers that have become less by the middle; None if they are 0 now."""
    offset = np.ascontiguousarray(zero.astype(np.float32) - middle)
    return offset if offset.any() else None


def quantized_array(
    numbers: np.ndarray, scale: Any, zero: Any, axis: int, block: int = 0, kind: str = ""
) -> Quantized:
    """An array of 4-bit or 8-bit integers with a scale and zero point for all of it, or for each
    element or block of an axis; either may be None. `kind` is theirs, if not their dtype's name.

    Raises:
        ValueError: they are other integers.
    """
    kind = kind or numbers.dtype.name
    if kind not in ("int4", "uint4", "int8", "uint8"):
        raise ValueError(f"integers of {kind}")
    bits = int(kind.removeprefix("u").removeprefix("int"))
    middle = 1 << (bits - 1) if kind.startswith("u") else 0
    axis %= numbers.ndim

    def along(part: np.ndarray) -> np.ndarray:
        if part.ndim == numbers.ndim:
            return part
        shape = [1] * numbers.ndim
        shape[axis] = part.size
        return part.reshape(shape)

    if zero is None:
        zero = np.zeros((), np.float32)
    return Quantized(
        (numbers.astype(np.int16) - middle).astype(np.int8),
        bits,
        None if scale is None else along(scale.astype(np.float32)),
        _offset(along(zero), middle),
        axis,
        max(block, 1),
    )


def gather_block_quantized(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """GatherBlockQuantized: rows of a table that is quantised in blocks."""
    data, indices, scales, zeros = operands(node, 4)
    given = attributes(node)
    table, scale, zero = graph.value(data), graph.value(scales), graph.value(zeros)
    bits, block = int(given.get("bits", 4)), int(given.get("block_size", 128))
    if table is None or scale is None or (zeros and zero is None):
        raise ValueError("a GatherBlockQuantized of a computed table")
    kind = ""
    if table.dtype == np.uint8:
        kind, table = f"uint{bits}", unpacked(table, bits)
        middle = np.asarray(1 << (bits - 1))
        zero = middle if zero is None else unpacked(zero, bits)[..., : scale.shape[-1]]
    axis = int(given.get("quantize_axis", 1))
    name = weight(graph, quantized_array(table, scale, zero, axis, block, kind))
    return [graph.op("Gather", name, indices, axis=int(given.get("gather_axis", 0)))]


def unpacked(data: np.ndarray, bits: int) -> np.ndarray:
    """The numbers of so many bits in the last axis of bytes, the low ones of a byte first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (data[..., None] >> shifts) & np.uint8((1 << bits) - 1)
    return parts.reshape(*data.shape[:-1], -1)
