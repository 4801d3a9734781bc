"""Max, Min and Clip.

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
    """Clip: an end that isn't given, or is NaN, is none."""
    if node.note == NAN_IS_LEAST:
        low, high = (float(node.constant(position)) for position in (1, 2))
        return _limited(node, low, high)
    computed: list[Any] = []
    steps: list[tuple[Callable[[Any, Any], Any], Any]] = []
    for choose, position in ((tirx.max, 1), (tirx.min, 2)):
        if position >= len(node.inputs) or node.inputs[position] is None:
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


def _own(place: tuple[Any, ...], shape: tuple[int, ...]) -> list[Any]:
    """The place in an operand that is broadcast."""
    last = place[len(place) - len(shape) :]
    return [0 if extent == 1 else index for index, extent in zip(last, shape, strict=True)]
