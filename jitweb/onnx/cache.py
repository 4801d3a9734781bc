"""Caches of a fixed length, into which a step writes at a computed place.

TensorScatter of opset 24, and the buffer that past and present keys share in onnxruntime-genai's
decoders. Each place of the result asks what is for it: a row of the update, or what was there.
"""

from __future__ import annotations

import math

import numpy as np
import onnx

from jitweb.onnx.graph import Graph, attributes, operands

INT64 = onnx.TensorProto.INT64


def tensor_scatter(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """TensorScatter (cache, update, a start for each batch), linear or circular."""
    past, update, starts = operands(node, 3)
    given, shape = attributes(node), graph.shape(past)
    if not starts:
        starts = graph.constant(np.zeros(shape[0]), INT64)
    axis = given.get("axis", -2) % len(shape)
    is_circular = given.get("mode", "linear") == "circular"
    return [written(graph, past, update, starts, axis, is_circular)]


def written(
    graph: Graph, past: str, update: str, starts: str, axis: int, is_circular: bool = False
) -> str:
    """The cache with the update written along an axis, from a start for each batch on."""
    shape, made = graph.shape(past), graph.shape(update)
    batch, places, count = shape[0], shape[axis], made[axis]
    number = _numbers(graph, places, batch, starts)  # of each place's row in the update
    if is_circular:
        number = graph.op("Mod", number, graph.constant(places, INT64))
    least, most = graph.constant(0, INT64), graph.constant(count - 1, INT64)
    inside = graph.op(
        "And",
        graph.op("GreaterOrEqual", number, least),
        graph.op("LessOrEqual", number, most),
    )
    rows = graph.op("Clip", number, least, most)
    if count == 1:
        chosen = update
    elif batch == 1:
        flat = graph.op("Reshape", rows, graph.constant(np.array([places])))
        chosen = graph.op("Gather", update, flat, axis=axis)
    else:
        to = graph.constant(np.array(shape))
        every = graph.op("Expand", _along(graph, rows, len(shape), axis), to)
        chosen = graph.op("GatherElements", update, every, axis=axis)
    return graph.op("Where", _along(graph, inside, len(shape), axis), chosen, past)


def cleared(graph: Graph, cache: str, ends: str, axis: int) -> str:
    """The cache with zeros from an end for each batch on."""
    shape = graph.shape(cache)
    number = _numbers(graph, shape[axis], shape[0], ends)
    kept = graph.op("Less", number, graph.constant(0, INT64))
    zero = graph.constant(0, graph.dtype(cache))
    return graph.op("Where", _along(graph, kept, len(shape), axis), cache, zero)


def causal_from(
    graph: Graph, starts: str, queries: int, keys: int, dtype: int, window: int = -1
) -> str:
    """The mask [batch, 1, queries, keys] of queries that begin at a place for each batch.

    A query sees itself and the keys before it (the last `window` of them).
    """
    (batch,) = graph.shape(starts)
    steps = np.arange(queries)[:, None] - np.arange(keys)[None, :]
    first = graph.op("Reshape", starts, graph.constant(np.array([batch, 1, 1, 1])))
    distance = graph.op("Add", first, graph.constant(steps, INT64))  # back from query to key
    seen = graph.op("GreaterOrEqual", distance, graph.constant(0, INT64))
    if window >= 0:
        near = graph.op("Less", distance, graph.constant(window, INT64))
        seen = graph.op("And", seen, near)
    ends = (graph.constant(each, dtype) for each in (0.0, -math.inf))
    return graph.op("Where", seen, *ends)


def _numbers(graph: Graph, places: int, batch: int, starts: str) -> str:
    """Place less start, [batch, places]."""
    first = graph.op("Reshape", starts, graph.constant(np.array([batch, 1])))
    return graph.op("Sub", graph.constant(np.arange(places)[None], INT64), first)


def _along(graph: Graph, rows: str, rank: int, axis: int) -> str:
    """[batch, places] with the axes of the cache."""
    batch, places = graph.shape(rows)
    shape = [batch, *[1] * (rank - 1)]
    shape[axis] = places
    return graph.op("Reshape", rows, graph.constant(np.array(shape)))
