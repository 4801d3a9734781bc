"""Resize and Upsample: each axis by gathers, which are weighted and added.

All sizes are known, so the places and weights are constants. TVM's own operators take the ratio of
the extents in the place of the scales, and know no axes, filters or three dimensions of them.
Source: ONNX's specification of Resize 19; in float32 and rounded as onnxruntime does it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from jitweb.errors import JitwebError
from jitweb.onnx.graph import Graph, attributes, node_text, operands

FLOAT = onnx.TensorProto.FLOAT
OLD = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}  # before opset 11
MOST_EXTENT, MOST_TAPS = 1 << 20, 16
SUPPORT = {"linear": 1.0, "cubic": 2.0}  # of a filter, in pixels to each side
Taps = tuple[np.ndarray, np.ndarray]  # places and weights, each [extent, taps]


@dataclass(frozen=True)
class _Axis:
    """One axis: its extents before and after, the scale, and the part that is cropped."""

    number: int
    old: int
    new: int
    scale: np.float32
    start: np.float32 = np.float32(0)
    end: np.float32 = np.float32(1)


def resize(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Resize.

    Raises:
        JitwebError: its size depends on values, or it interpolates integers.
    """
    given = attributes(node)
    if len(node.input) < 3:  # opset 10
        return _resized(graph, node, given | OLD, _value(graph, node, node.input[1]))
    _, roi, scales, sizes = operands(node, 4)
    if scales and graph.shape(scales) == (0,):
        scales = ""
    crop = _value(graph, node, roi) if roi and "crop" in _mode(given) else None
    if scales:
        return _resized(graph, node, given, _value(graph, node, scales), crop=crop)
    return _resized(graph, node, given, None, _value(graph, node, sizes), crop)


def upsample(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """Upsample: what Resize was until opset 10."""
    given = attributes(node)
    scales = given["scales"] if "scales" in given else _value(graph, node, node.input[1])
    return _resized(graph, node, given | OLD, np.array(scales, np.float32))


def _mode(given: Mapping[str, Any]) -> str:
    return str(given.get("coordinate_transformation_mode", "half_pixel"))


def _value(graph: Graph, node: onnx.NodeProto, name: str) -> np.ndarray:
    found = graph.value(name)
    if found is None:
        raise JitwebError(
            f"{node_text(node)} has a size that depends on values; export the model with a fixed "
            "one"
        )
    return found


def _resized(
    graph: Graph,
    node: onnx.NodeProto,
    given: Mapping[str, Any],
    scales: np.ndarray | None,
    sizes: np.ndarray | None = None,
    crop: np.ndarray | None = None,
) -> list[str]:
    x, kind = node.input[0], given.get("mode", "nearest")
    if kind != "nearest" and graph.dtype(x) != FLOAT:
        raise JitwebError(f"{node_text(node)} interpolates integers; put a Cast to float before it")
    result = x
    axes = _axes(graph.shape(x), given, scales, sizes, crop)
    if not all(0 < each.new <= MOST_EXTENT and each.scale > 0 for each in axes):
        asked = "x".join(str(each.new) for each in axes)
        raise JitwebError(f"{node_text(node)} asks for the size {asked}; export the model again")
    for axis in axes:
        if axis.old == axis.new and axis.scale == 1 and crop is None:
            continue
        places = _places(axis, _mode(given))
        taps = _taps(axis, places, kind, given)
        result = _along(graph, result, axis.number, taps)
        outside = (places < 0) | (places > axis.old - 1)
        if crop is not None and outside.any():
            value = graph.constant(given.get("extrapolation_value", 0.0), FLOAT)
            result = graph.op("Where", _beside(graph, result, axis.number, outside), value, result)
    return [result]


def _axes(
    shape: tuple[int, ...],
    given: Mapping[str, Any],
    scales: np.ndarray | None,
    sizes: np.ndarray | None,
    crop: np.ndarray | None,
) -> list[_Axis]:
    numbers = [each % len(shape) for each in given.get("axes", range(len(shape)))]
    old = [shape[number] for number in numbers]
    if scales is not None:
        factors = [np.float32(each) for each in scales]
        new = [
            _whole(float(np.float32(n) * factor)) for n, factor in zip(old, factors, strict=True)
        ]
    else:
        assert sizes is not None
        new = [int(each) for each in sizes]
        factors = [np.float32(a) / np.float32(b) for a, b in zip(new, old, strict=True)]
        policy = given.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            factors = [min(factors) if policy == "not_larger" else max(factors)] * len(old)
            new = [_whole(float(f) * n + 0.5) for f, n in zip(factors, old, strict=True)]
    ends = np.ravel([[0, 1]] * len(old)).reshape(-1, 2).T.ravel() if crop is None else crop
    starts = [np.float32(each) for each in ends[: len(old)]]
    stops = [np.float32(each) for each in ends[len(old) :]]
    return [_Axis(*each) for each in zip(numbers, old, new, factors, starts, stops, strict=True)]


def _whole(extent: float) -> int:
    return int(extent) if 0 <= extent <= MOST_EXTENT else -1


def _places(axis: _Axis, mode: str) -> np.ndarray:
    """Where each element of the result lies in what is resized, in float32."""
    at, half = np.arange(axis.new, dtype=np.float32), np.float32(0.5)
    last = np.float32(axis.old - 1)
    if mode == "asymmetric":
        return at / axis.scale
    if mode == "tf_half_pixel_for_nn":
        return (at + half) / axis.scale
    if mode == "align_corners":
        return at * last / np.float32(axis.new - 1) if axis.new > 1 else at * 0
    if mode == "tf_crop_and_resize":
        if axis.new == 1:
            return half * (axis.start + axis.end) * last + at
        return axis.start * last + at * (axis.end - axis.start) * last / np.float32(axis.new - 1)
    if mode == "pytorch_half_pixel" and axis.new == 1:
        return at * 0
    centred = (at + half) / axis.scale - half
    if mode == "half_pixel_symmetric":
        adjustment = np.float32(axis.new) / (axis.scale * np.float32(axis.old))
        return centred + np.float32(axis.old) / 2 * (1 - adjustment)
    return centred


def _taps(axis: _Axis, places: np.ndarray, kind: str, given: Mapping[str, Any]) -> Taps:
    if kind == "nearest":
        rounded = ROUND[given.get("nearest_mode", "round_prefer_floor")](
            places, bool(axis.scale < 1)
        )
        return np.clip(rounded, 0, axis.old - 1).astype(np.int64)[:, None], np.ones((axis.new, 1))
    is_cubic = kind == "cubic"
    if not is_cubic and not given.get("antialias"):
        places = np.clip(places, 0, axis.old - 1)
    stretch = max(1.0, 1.0 / float(axis.scale)) if given.get("antialias") else 1.0
    reach = SUPPORT[kind] * stretch
    count = int(math.ceil(reach)) * 2 + (stretch > 1)
    first = np.floor(places).astype(np.int64) - (count - 1) // 2
    taken = first[:, None] + np.arange(count)
    distance = np.abs(taken - places[:, None].astype(np.float64)) / stretch
    a = given.get("cubic_coeff_a", -0.75)
    weights = _cubic(distance, a) if is_cubic else np.maximum(1 - distance, 0)
    if given.get("exclude_outside"):
        weights = np.where((taken < 0) | (taken > axis.old - 1), 0, weights)
    weights = weights / weights.sum(1, keepdims=True)
    return np.clip(taken, 0, axis.old - 1), weights


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


ROUND: Mapping[str, Callable[[np.ndarray, bool], np.ndarray]] = {
    "floor": lambda places, shrinks: np.floor(places),
    "ceil": lambda places, shrinks: np.ceil(places),
    "round_prefer_floor": lambda places, shrinks: np.ceil(places - np.float32(0.5)),
    "round_prefer_ceil": lambda places, shrinks: np.floor(places + np.float32(0.5)),
    "simple": lambda places, shrinks: np.ceil(places) if shrinks else np.floor(places),
}


def _along(graph: Graph, x: str, axis: int, taps: Taps) -> str:
    places, weights = taps
    if weights.shape[1] > MOST_TAPS:
        return _by_matrix(graph, x, axis, taps)
    total = ""
    for tap in np.flatnonzero(np.any(weights, axis=0)):
        part = graph.op("Gather", x, graph.constant(places[:, tap]), axis=axis)
        if not np.all(weights[:, tap] == 1):
            weight = _beside(graph, part, axis, weights[:, tap].astype(np.float32))
            part = graph.op("Mul", part, weight)
        total = graph.op("Add", total, part) if total else part
    return total


def _by_matrix(graph: Graph, x: str, axis: int, taps: Taps) -> str:
    """The same as a matmul, where many elements become one."""
    places, weights = taps
    matrix = np.zeros((graph.shape(x)[axis], len(places)))
    np.add.at(matrix, (places, np.arange(len(places))[:, None]), weights)
    turned = list(range(len(graph.shape(x))))
    turned[axis], turned[-1] = turned[-1], turned[axis]
    product = graph.op(
        "MatMul", graph.op("Transpose", x, perm=turned), graph.constant(matrix, FLOAT)
    )
    return graph.op("Transpose", product, perm=turned)


def _beside(graph: Graph, x: str, axis: int, array: np.ndarray) -> str:
    """A constant along one axis of a value."""
    return graph.constant(array.reshape(-1, *[1] * (len(graph.shape(x)) - axis - 1)))
