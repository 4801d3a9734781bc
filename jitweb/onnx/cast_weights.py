"""Weights that a graph itself dequantises: Cast of 8-bit integers, perhaps Sub, then Mul by scales.

Folded, they would be constants in float32; so they become quantised weights: see weights.py.
"""

from __future__ import annotations

import numpy as np
import onnx

from jitweb.onnx.graph import Graph, attributes
from jitweb.onnx.quantized import quantized_array
from jitweb.onnx.weights import weight
from jitweb.small_weights import Quantized

BYTES = frozenset(getattr(onnx.TensorProto, each) for each in ("INT8", "UINT8", "INT4", "UINT4"))
KEEPS = frozenset("Cast Sub Transpose Reshape Squeeze Unsqueeze".split())  # what is whole, so


def note_bytes(graph: Graph, node: onnx.NodeProto) -> None:
    """Note that a constant is made of integers of 8 bits or less alone."""
    if node.op_type not in KEEPS or node.domain:
        return
    source = node.input[0]
    if source in graph.of_bytes or (source in graph.constants and graph.dtype(source) in BYTES):
        graph.of_bytes.update(node.output)


def scaled(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Mul of such a constant by one scale, or one for each element or block of an axis.

    Raises:
        ValueError: it is none.
    """
    for name, other in (node.input, node.input[::-1]):
        numbers, scale = graph.value(name), graph.value(other)
        if numbers is None or scale is None or name not in graph.of_bytes:
            continue
        if numbers.ndim < 2 or graph.dtype(name) != onnx.TensorProto.FLOAT:
            continue
        if np.broadcast_shapes(numbers.shape, scale.shape) != numbers.shape:
            continue
        scale = scale.reshape((1,) * (numbers.ndim - scale.ndim) + scale.shape)
        return [weight(graph, _quantized(numbers, scale))]
    raise ValueError("no product of integers and scales")


def _quantized(numbers: np.ndarray, scale: np.ndarray) -> Quantized:
    """Numbers in float32 by a scale: int8 and, where they are not such, zero points.

    These are not whole where those of the graph are not, as 7.5 with 4 bits.

    Raises:
        ValueError: no range of 256 holds them, or they are not a whole number apart.
    """
    one = tuple(axis for axis, extent in enumerate(scale.shape) if extent == 1)
    low, high = numbers.min(one, keepdims=True), numbers.max(one, keepdims=True)
    whole = _are_whole(numbers)
    if whole and low.min() >= -128 and high.max() <= 127:
        return Quantized(numbers.astype(np.int8), 8, scale)
    if whole and low.min() >= 0 and high.max() <= 255:
        low = np.zeros_like(low)
    elif (high - low).max() > 255:
        raise ValueError("integers of more than 8 bits")
    zero = np.asarray(-128 - low, np.float32)
    if not _are_whole(numbers + zero):
        raise ValueError("numbers that are not a whole number apart")
    return Quantized((numbers + zero).astype(np.int8), 8, scale, zero)


def _are_whole(numbers: np.ndarray) -> bool:
    return np.array_equal(numbers, np.rint(numbers))


def cast_rows(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Cast of rows of a table of such integers: rows of the table in float32.

    Raises:
        ValueError: it is none.
    """
    made = graph.producers.get(node.input[0])
    if made is None or made.op_type != "Gather" or graph.dtype(node.input[0]) not in BYTES:
        raise ValueError("no rows of a table")
    numbers = graph.value(made.input[0])
    if numbers is None or numbers.ndim < 2 or attributes(node)["to"] != onnx.TensorProto.FLOAT:
        raise ValueError("no rows of a table")
    table = weight(graph, quantized_array(numbers, None, None, 0))
    return [graph.op("Gather", table, made.input[1], **attributes(made))]
