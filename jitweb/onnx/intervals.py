"""Intervals of integers: what an operator's result may hold, given what its operands may.

Used by ranges.py. An interval is the least and the greatest; of an unknown operator there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Interval = tuple[int, int]
WHOLE: Interval = (-(2**31), 2**31 - 1)
WHOLE_WIDE: Interval = (-(2**63), 2**63 - 1)
SUMS = frozenset("ReduceSum ReduceL1 ReduceMean Mean Sum CumSum".split())  # a mean sums first
SQUARES = frozenset({"ReduceSumSquare", "ReduceL2"})
BITS = frozenset({"BitwiseAnd", "BitwiseOr", "BitwiseXor"})
PRODUCTS = frozenset({"MatMul", "Gemm", "Einsum"})
SCATTERS = frozenset({"ScatterND", "ScatterElements"})
# Operators whose result holds elements of the first operand alone.
MOVES = frozenset(
    "Identity Reshape Squeeze Unsqueeze Transpose Slice Expand Tile Flatten Split Gather "
    "GatherElements GatherND ReduceMax ReduceMin DepthToSpace SpaceToDepth Cast Trilu Relu".split()
)


def within(interval: Interval, whole: Interval) -> Interval:
    """An interval with both ends made those of another, where they leave it."""
    low, high = (min(max(end, whole[0]), whole[1]) for end in interval)
    return (low, high)


def is_past(interval: Interval, whole: Interval) -> bool:
    """Whether an interval leaves another."""
    return interval[0] < whole[0] or interval[1] > whole[1]


def interval_of(
    kind: str,
    operands: Sequence[Interval | None],
    given: Mapping[str, Any],
    shapes: Sequence[list[int] | None],
    terms: int,
) -> Interval | None:
    """The interval of an operator's integer result, None where it isn't known.

    Of a sum or product of `terms` elements it is that of what is computed on the way, too.
    """
    first = operands[0] if operands else None
    if kind in ("ArgMax", "ArgMin", "TopK"):
        shape = shapes[0]
        return (0, max(shape) - 1) if shape else None
    if kind == "Sign":
        return (-1, 1)
    if kind == "Where":  # the condition is unknown
        return _union(operands[-2:])
    if kind in ("Min", "Max", "Clip"):
        return _bounded(kind, operands)
    reduction = str(given.get("reduction"))
    if kind in SCATTERS and reduction in ("add", "mul"):
        return _scattered(reduction, operands, terms)
    if kind in ("Concat", "ScatterND", "ScatterElements", "OneHot", "Pad"):
        return _union([each for place, each in enumerate(operands) if _is_data(kind, place)])
    if first is None:
        return None
    if kind in MOVES:
        return first
    if kind in SUMS:
        whole = _union(operands if kind in ("Sum", "Mean") else [first])
        return whole and _repeated(magnitude(whole) if kind == "ReduceL1" else whole, terms)
    if kind in SQUARES:
        return _product([magnitude(first)] * 2, terms)
    if kind == "ReduceProd":
        return _product([first] * min(terms, 64), 1)  # of 64 any but -1, 0 and 1 leaves int32
    if kind in PRODUCTS:
        return _matmul(kind, operands, terms)
    if kind == "Neg":
        return (-first[1], -first[0])
    if kind == "Abs":
        return (0, max(map(abs, first)))
    if kind == "BitwiseNot":
        return (-1 - first[1], -1 - first[0])
    if len(operands) == 2 and operands[1] is not None:
        return _arithmetic(kind, first, operands[1])
    return None


def terms_of(
    kind: str,
    given: Mapping[str, Any],
    shapes: Sequence[list[int] | None],
    result: Sequence[int] | None,
) -> int:
    """How many elements or products are added, or multiplied, for one of the result's; at most."""
    sizes = [int(np.prod(shape, dtype=object)) if shape else 1 for shape in shapes]
    shape = shapes[0] if shapes else None
    if kind in ("Sum", "Mean"):
        return len(shapes)
    if kind == "CumSum":  # along one axis
        return max(shape, default=1) if shape else 1
    if kind in ("MatMul", "Gemm"):
        return max(shape) if shape and kind == "Gemm" else shape[-1] if shape else 1
    if kind == "Einsum":
        return _summed(str(given["equation"]), shapes)
    if kind in SCATTERS:  # all updates may be of one place
        return sizes[-1]
    return max(1, sizes[0] // max(1, int(np.prod(result or (), dtype=object)))) if sizes else 1


def _summed(equation: str, shapes: Sequence[list[int] | None]) -> int:
    """The product of the extents that an Einsum sums over."""
    operands, arrow, result = equation.replace(" ", "").partition("->")
    extents: dict[str, int] = {}
    for text, shape in zip(operands.split(","), shapes, strict=True):
        left, _, right = text.partition("...")
        known = shape or []
        extents.update(zip(left, known, strict=False))
        extents.update(zip(reversed(right), reversed(known), strict=False))
    once = {letter for letter in extents if operands.count(letter) == 1}
    kept = set(result) if arrow else once  # implicitly, what occurs once
    return math.prod(extent for letter, extent in extents.items() if letter not in kept)


def _repeated(interval: Interval, terms: int) -> Interval:
    """The interval of a sum of one to so many."""
    return (min(interval[0] * terms, interval[0]), max(interval[1] * terms, interval[1]))


def magnitude(interval: Interval) -> Interval:
    return (0, max(map(abs, interval)))


def _product(factors: Sequence[Interval], terms: int) -> Interval:
    """The interval of a sum of so many products."""
    most = terms * math.prod(magnitude(factor)[1] for factor in factors)
    return (0 if min(low for low, _ in factors) >= 0 else -most, most)


def _matmul(kind: str, operands: Sequence[Interval | None], terms: int) -> Interval | None:
    known = [each for each in operands if each is not None]
    if len(known) < len(operands):
        return None
    low, high = _product(known[:2] if kind == "Gemm" else known, terms)
    added = known[2] if kind == "Gemm" and len(known) > 2 else (0, 0)
    return (low + min(added[0], 0), high + max(added[1], 0))


def _scattered(reduction: str, operands: Sequence[Interval | None], terms: int) -> Interval | None:
    data, updates = operands[0], operands[-1]
    if data is None or updates is None:
        return None
    if reduction == "mul":
        return _product([data, *[updates] * min(terms, 64)], 1)
    low, high = _repeated(updates, terms)
    return (data[0] + min(low, 0), data[1] + max(high, 0))


def _is_data(kind: str, place: int) -> bool:
    """Whether an operand's elements are among those of the result."""
    if kind in ("ScatterND", "ScatterElements"):
        return place != 1
    return place == 2 if kind == "OneHot" else kind != "Pad" or place in (0, 2)


def _bounded(kind: str, operands: Sequence[Interval | None]) -> Interval | None:
    """Of a minimum or maximum; of a Clip whose ends may be unknown, or left out."""
    if kind == "Clip":
        if operands[0] is None:
            return None
        known = [each or WHOLE_WIDE for each in operands]
        least = known[1][0] if len(known) == 3 else WHOLE_WIDE[0]
        most = known[2][1] if len(known) == 3 else WHOLE_WIDE[1]
        low, high = known[0]
        return (min(max(low, least), most), max(min(high, most), least))
    known = [each for each in operands if each is not None]
    if len(known) < len(operands):
        return None
    pick = min if kind == "Min" else max
    return (pick(low for low, _ in known), pick(high for _, high in known))


def _union(operands: Sequence[Interval | None]) -> Interval | None:
    known = [each for each in operands if each is not None]
    if not known or len(known) < len(operands):
        return None
    return (min(low for low, _ in known), max(high for _, high in known))


def _arithmetic(kind: str, left: Interval, right: Interval) -> Interval | None:
    if kind in BITS:
        end = 1 << max(each.bit_length() for each in (*left, *right))
        return (0 if min(*left, *right) >= 0 else -end, end - 1)
    if kind == "Add":
        return (left[0] + right[0], left[1] + right[1])
    if kind == "Sub":
        return (left[0] - right[1], left[1] - right[0])
    if kind == "Mul":
        corners = [a * b for a in left for b in right]
        return (min(corners), max(corners))
    if kind == "Div":  # no result of an integer division is greater than what is divided
        if right[0] >= 0:
            return (min(left[0], 0), max(left[1], 0))
        most = max(map(abs, left))
        return (0 if min(*left, *right) >= 0 else -most, most)
    if kind == "Pow":
        most = max(*magnitude(left), 1) ** min(max(right[1], 0), 64)
        return (0 if left[0] >= 0 else -most, most)
    if kind == "Mod":
        most = max(map(abs, right))
        return (0 if min(*left, *right) >= 0 else -most, most)
    return None


NEGATED = {
    "Less": "GreaterOrEqual", "LessOrEqual": "Greater", "Greater": "LessOrEqual",
    "GreaterOrEqual": "Less",
}  # fmt: skip
TURNED = {
    "Less": "Greater", "LessOrEqual": "GreaterOrEqual", "Greater": "Less",
    "GreaterOrEqual": "LessOrEqual",
}  # fmt: skip


def limited(interval: Interval, kind: str, number: int) -> Interval:
    """The part of an interval for which a comparison with a number is true; at least one number."""
    low, high = interval
    if kind == "Equal":
        return (number, number)
    if kind in ("Less", "LessOrEqual"):
        high = min(high, number - (kind == "Less"))
    if kind in ("Greater", "GreaterOrEqual"):
        low = max(low, number + (kind == "Greater"))
    return (min(low, high), high) if kind.startswith("Less") else (low, max(low, high))


def is_within(interval: Interval | None, extent: int) -> bool:
    """Whether indices, which count from the end if negative, are those of so many elements."""
    return interval is not None and -extent <= interval[0] <= interval[1] < extent
