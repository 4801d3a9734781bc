"""Max, Min and Clip, ArgMax, ArgMin and Hardmax.

Of several operands TVM's frontend makes a stack, which it reduces; and the ends of a Clip are
buffers of a number each, of which a fused kernel of a quantised model has more than WebGPU allows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from tvm import te, tirx

from jitweb.onnx.convert.node import Node
from jitweb.onnx.graph import NAN_IS_LEAST

MOST = np.finfo(np.float32).max


def maximum(node: Node) -> Any:
    """Max: NaN where an operand is NaN."""
    return _extreme(node, tirx.max)


def minimum(node: Node) -> Any:
    """Min: NaN where an operand is NaN."""
    return _extreme(node, tirx.min)


def _extreme(node: Node, choose: Callable[[Any, Any], Any]) -> Any:
    shape = np.broadcast_shapes(*node.shapes)

    def compute(*operands: Any) -> Any:
        def element(*place: Any) -> Any:
            values = (
                operand(*_own(place, own))
                for operand, own in zip(operands, node.shapes, strict=True)
            )
            return reduce(choose, values)

        return te.compute(shape, element, name=node.name)

    return node.emit(compute, *node.inputs)


def clip(node: Node) -> Any:
    """Clip: an end that is NaN is none; of floats, one left out is the last finite one."""
    if node.note == NAN_IS_LEAST:
        low, high = (float(node.constant(position)) for position in (1, 2))
        return _limited(node, low, high)
    computed: list[Any] = []
    steps: list[tuple[Callable[[Any, Any], Any], Any]] = []
    for choose, position in ((tirx.max, 1), (tirx.min, 2)):
        if position >= len(node.inputs) or node.inputs[position] is None:
            if node.is_float:
                steps.append((choose, np.float32(MOST if position == 2 else -MOST)))
            continue
        known = node.values[position]
        if known is None:
            computed.append(node.inputs[position])
            steps.append((choose, None))
        elif not np.isnan(known).any():
            steps.append((choose, known.reshape(-1)[0]))

    def compute(x: Any, *ends: Any) -> Any:
        def element(*place: Any) -> Any:
            value, left = x(*place), iter(ends)
            for choose, known in steps:
                end = next(left)(*()) if known is None else tirx.const(known.item(), x.dtype)
                value = choose(value, end)
            return value

        return te.compute(node.shapes[0], element, name="clip")

    return node.emit(compute, node.inputs[0], *computed)


def _limited(node: Node, low: float, high: float) -> Any:
    """Within the ends by comparisons, of which those with NaN are false."""

    def compute(x: Any) -> Any:
        least, most = (tirx.const(end, x.dtype) for end in (low, high))

        def element(*place: Any) -> Any:
            value = x(*place)
            return tirx.Select(least < value, tirx.Select(value < most, value, most), least)

        return te.compute(node.shapes[0], element, name="clip")

    return node.emit(compute, node.inputs[0])


def argmax(node: Node) -> Any:
    """ArgMax: the first place of the greatest, or the last; of NaN, if there is one."""
    return _place_of(node, te.max)


def argmin(node: Node) -> Any:
    """ArgMin: as ArgMax, of the least."""
    return _place_of(node, te.min)


def _place_of(node: Node, reduce: Callable[..., Any]) -> Any:
    axis, shape = node.axis(0), node.shapes[0]
    middle = (1,) if node.attributes.get("keepdims", 1) else ()
    result = (*shape[:axis], *middle, *shape[axis + 1 :])

    def compute(x: Any) -> Any:
        places = _places(node, x, axis, reduce)

        def element(*place: Any) -> Any:
            others = place[axis + 1 :] if middle else place[axis:]
            return places(*place[:axis], *others).astype("int64")

        return te.compute(result, element, name="place")

    return node.emit(compute, node.inputs[0])


def hardmax(node: Node) -> Any:
    """Hardmax: 1 at the place of the greatest along an axis, 0 elsewhere."""
    axis, shape = node.axis(-1), node.shapes[0]

    def compute(x: Any) -> Any:
        places = _places(node, x, axis, te.max)

        def element(*place: Any) -> Any:
            is_there = places(*place[:axis], *place[axis + 1 :]) == place[axis].astype("int32")
            return tirx.Select(is_there, tirx.const(1, x.dtype), tirx.const(0, x.dtype))

        return te.compute(shape, element, name="hardmax")

    return node.emit(compute, node.inputs[0])


def _places(node: Node, x: Any, axis: int, reduce: Callable[..., Any]) -> Any:
    """The first place of the extreme element along an axis, or the last, as int32."""
    shape, is_last = node.shapes[0], bool(node.attributes.get("select_last_index"))
    rest = (*shape[:axis], *shape[axis + 1 :])
    every, other = (te.reduce_axis((0, shape[axis]), name) for name in ("every", "other"))

    def at(place: tuple[Any, ...], index: Any) -> Any:
        return x(*place[:axis], index, *place[axis:])

    best = te.compute(rest, lambda *place: reduce(at(place, every), axis=every), name="best")

    def element(*place: Any) -> Any:
        value = at(place, other)
        is_there = value == best(*place)
        if node.is_float:
            is_there = tirx.any(is_there, tirx.isnan(value))
        none = tirx.const(-1 if is_last else shape[axis], "int32")
        found = tirx.if_then_else(is_there, other.var.astype("int32"), none)
        return (te.max if is_last else te.min)(found, axis=other)

    return te.compute(rest, element, name="places")


def _own(place: tuple[Any, ...], shape: tuple[int, ...]) -> list[Any]:
    """The place in an operand that is broadcast."""
    last = place[len(place) - len(shape) :]
    return [0 if extent == 1 else index for index, extent in zip(last, shape, strict=True)]
