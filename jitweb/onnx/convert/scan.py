"""Running sums: each element is a reduction over those before it.

Quadratic in the axis, which is a sequence's length or less, and any number of threads can share it;
a running sum by a loop is serial, and its result isn't a function of its own place.
"""

from __future__ import annotations

from typing import Any

from tvm import te, tirx

from jitweb.onnx.convert.node import Node


def cumsum(node: Node) -> Any:
    """CumSum, forwards or in reverse, with the element itself or without."""
    (shape, *_), attributes = node.shapes, node.attributes
    axis = int(node.constant(1).reshape(-1)[0]) % len(shape)
    is_exclusive, is_reverse = bool(attributes.get("exclusive")), bool(attributes.get("reverse"))

    def compute(x: Any) -> Any:
        other = te.reduce_axis((0, shape[axis]), "other")

        def element(*place: Any) -> Any:
            first, last = (place[axis], other) if is_reverse else (other, place[axis])
            is_before = first < last if is_exclusive else first <= last
            source = (*place[:axis], other, *place[axis + 1 :])
            zero = tirx.const(0, x.dtype)
            return te.sum(tirx.if_then_else(is_before, x(*source), zero), axis=other)

        return te.compute(shape, element, name="cumsum")

    return node.emit(compute, node.inputs[0])
