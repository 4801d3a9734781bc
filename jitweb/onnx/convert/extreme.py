"""Max and Min, of any number of operands: TVM's frontend stacks them, and reduces the stack."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from tvm import te, tirx

from jitweb.onnx.convert.node import Node


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


def _own(place: tuple[Any, ...], shape: tuple[int, ...]) -> list[Any]:
    """The place in an operand that is broadcast."""
    last = place[len(place) - len(shape) :]
    return [0 if extent == 1 else index for index, extent in zip(last, shape, strict=True)]
