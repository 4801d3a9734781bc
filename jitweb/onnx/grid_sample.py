"""GridSample: a gather for each corner around a place, weighted and added.

TVM's own is one expression, which in cubic form is so long that its compilation takes minutes.
Source: ONNX's specification of GridSample 20, and where that says little onnxruntime.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import onnx

from jitweb.onnx.graph import Graph, attributes

FLOAT, INT32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
CUBIC = -0.75  # the coefficient
Tap = tuple[str, str]  # the places along an axis, and their weights; "" where they are 1


def grid_sample(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """GridSample of images and volumes, in all modes."""
    x, grid = node.input
    given = attributes(node)
    if graph.dtype(x) != FLOAT:
        raise ValueError("GridSample of other types")
    batch, channels, *extents = graph.shape(x)
    out = graph.shape(grid)[1:-1]
    size, count = math.prod(extents), math.prod(out)
    flat = _reshaped(graph, x, batch, channels, size)
    flat = _reshaped(graph, graph.op("Transpose", flat, perm=[1, 0, 2]), channels, batch * size)
    axes = [
        _taps(graph, _coordinate(graph, grid, len(extents) - 1 - axis), extent, given)
        for axis, extent in enumerate(extents)
    ]
    firsts = graph.constant(np.repeat(np.arange(batch) * size, count), INT32)
    total = ""
    for corner in itertools.product(*axes):
        total = _plus(graph, total, _corner(graph, flat, corner, extents, firsts))
    made = _reshaped(graph, total, channels, batch, count)
    return [_reshaped(graph, graph.op("Transpose", made, perm=[1, 0, 2]), batch, channels, *out)]


def _corner(
    graph: Graph, flat: str, corner: Sequence[Tap], extents: Sequence[int], firsts: str
) -> str:
    places, weight = "", ""
    for (place, own), extent in zip(corner, extents, strict=True):
        if places:
            places = graph.op("Mul", places, graph.constant(extent, INT32))
        places = _plus(graph, places, place)
        weight = graph.op("Mul", weight, own) if weight and own else weight or own
    taken = graph.op("Gather", flat, graph.op("Add", places, firsts), axis=1)
    return graph.op("Mul", taken, weight) if weight else taken


def _coordinate(graph: Graph, grid: str, place: int) -> str:
    taken = graph.op("Gather", grid, graph.constant(np.array(place)), axis=-1)
    return _reshaped(graph, taken, -1)


def _taps(graph: Graph, place: str, extent: int, given: dict[str, object]) -> list[Tap]:
    """The elements that are read along an axis, for a coordinate from -1 to 1."""
    mode, padding = given.get("mode", "linear"), given.get("padding_mode", "zeros")
    is_aligned = bool(given.get("align_corners", 0))
    half = (extent - 1 if is_aligned else extent) / 2
    at = _line(graph, place, half, (extent - 1) / 2)
    if mode == "nearest":
        return [_tap(graph, graph.op("Round", at), "", extent, str(padding), is_aligned)]
    first = graph.op("Floor", at)
    part = graph.op("Sub", at, first)
    if mode in ("cubic", "bicubic"):
        weights = _cubic_weights(graph, part)
        starts = range(-1, 3)
    else:
        weights, starts = [_line(graph, part, -1, 1), part], range(2)
    return [
        _tap(graph, _line(graph, first, 1, start), weight, extent, str(padding), is_aligned)
        for start, weight in zip(starts, weights, strict=True)
    ]


def _tap(graph: Graph, at: str, weight: str, extent: int, padding: str, is_aligned: bool) -> Tap:
    if padding == "reflection":
        at = _reflected(graph, at, extent, is_aligned)
    inside = _cut(graph, at, extent)
    if padding == "zeros":
        is_in = graph.op("Cast", graph.op("Equal", at, inside), to=FLOAT)
        weight = graph.op("Mul", weight, is_in) if weight else is_in
    return graph.op("Cast", inside, to=INT32), weight


def _reflected(graph: Graph, at: str, extent: int, is_aligned: bool) -> str:
    """A place beyond the ends, mirrored as often as it takes: at pixels, or at their edges."""
    low, length = (0.0, extent - 1.0) if is_aligned else (-0.5, float(extent))
    if not length:
        return _line(graph, at, 0, 0)
    turned = _line(graph, at, 1, -low)
    turns = graph.op("Floor", _line(graph, turned, 0.5 / length, 0))
    rest = graph.op("Sub", turned, _line(graph, turns, 2 * length, 0))
    distance = graph.op("Abs", _line(graph, rest, 1, -length))
    return graph.op("Round", _line(graph, distance, -1, length + low))


def _cubic_weights(graph: Graph, part: str) -> list[str]:
    """Of the four places around one that lies so far beyond the second."""

    def near(x: str) -> str:  # ((a + 2) x - (a + 3)) x x + 1
        inner = graph.op("Mul", graph.op("Mul", _line(graph, x, CUBIC + 2, -CUBIC - 3), x), x)
        return _line(graph, inner, 1, 1)

    def far(x: str) -> str:  # ((a x - 5 a) x + 8 a) x - 4 a
        inner = graph.op("Mul", _line(graph, x, CUBIC, -5 * CUBIC), x)
        inner = graph.op("Mul", _line(graph, inner, 1, 8 * CUBIC), x)
        return _line(graph, inner, 1, -4 * CUBIC)

    rest = _line(graph, part, -1, 1)
    return [far(_line(graph, part, 1, 1)), near(part), near(rest), far(_line(graph, rest, 1, 1))]


def _line(graph: Graph, x: str, factor: float, summand: float) -> str:
    if factor != 1:
        x = graph.op("Mul", x, graph.constant(factor, FLOAT))
    return graph.op("Add", x, graph.constant(summand, FLOAT)) if summand else x


def _cut(graph: Graph, x: str, extent: int) -> str:
    return graph.op("Clip", x, *(graph.constant(end, FLOAT) for end in (0, extent - 1)))


def _plus(graph: Graph, total: str, more: str) -> str:
    return graph.op("Add", total, more) if total else more


def _reshaped(graph: Graph, x: str, *shape: int) -> str:
    return graph.op("Reshape", x, graph.constant(np.array(shape)))
