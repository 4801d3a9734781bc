"""Which integers the inputs may hold, so that no int64 leaves int32 and no id its table.

Kernels compute int64 in 32 bits. Intervals are carried forward through the integers of a simplified
model; where a sum or a product could leave int32, or an index its table, the inputs that it depends
on are narrowed until it can't. The runtime checks them before a kernel runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from jitweb.errors import JitwebError
from jitweb.onnx.graph import attributes
from jitweb.onnx.read import graph_inputs

Interval = tuple[int, int]
INT32, INT64, BOOL = (onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE})
WHOLE: Interval = (-(2**31), 2**31 - 1)
SUMS = frozenset("ReduceSum ReduceL1 ReduceMean Mean Sum CumSum".split())  # a mean sums first
SQUARES = frozenset({"ReduceSumSquare", "ReduceL2"})
PRODUCTS = frozenset({"MatMul", "Gemm", "Einsum"})
SCATTERS = frozenset({"ScatterND", "ScatterElements"})
COMPUTES = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Abs", "ReduceProd", *SUMS, *SQUARES, *PRODUCTS, *SCATTERS}
)
# Operators whose result holds elements of the first operand alone.
MOVES = frozenset(
    "Identity Reshape Squeeze Unsqueeze Transpose Slice Expand Tile Flatten Split Gather "
    "GatherElements GatherND ReduceMax ReduceMin DepthToSpace SpaceToDepth Cast Trilu Relu".split()
)
INDEXED = frozenset({"Gather", "GatherElements"})


@dataclass
class _Found:
    """What a forward pass finds: intervals, and nodes where one leaves its bounds."""

    intervals: dict[str, Interval] = field(default_factory=dict)
    sources: dict[str, frozenset[str]] = field(default_factory=dict)  # the inputs it depends on
    wraps: dict[int, frozenset[str]] = field(default_factory=dict)  # by the node's number
    leaves: dict[int, frozenset[str]] = field(default_factory=dict)


def input_ranges(model: onnx.ModelProto) -> dict[str, Interval]:
    """The least and the greatest that each integer input may hold; int32's ends are left out.

    Raises:
        JitwebError: an int64 value leaves int32 whatever the inputs are.
    """
    ranges = {
        value.name: WHOLE
        for value in graph_inputs(model)
        if value.type.tensor_type.elem_type in (INT32, INT64)
    }
    analysis = _Analysis(model)
    for problems in (lambda found: found.wraps, lambda found: found.leaves):
        for number in list(problems(analysis.run(ranges))):
            inputs = problems(analysis.run(ranges)).get(number)
            if inputs is None:
                continue  # another one's narrowing was enough

            def is_clear(
                narrowed: Mapping[str, Interval],
                number: int = number,
                problems: Callable[[_Found], Mapping[int, Any]] = problems,
            ) -> bool:
                return number not in problems(analysis.run({**ranges, **narrowed}))

            narrowed = _narrowed({name: ranges[name] for name in inputs}, is_clear)
            if narrowed is not None:
                ranges.update(narrowed)
            elif number in analysis.run(ranges).wraps:
                node = model.graph.node[number]
                raise JitwebError(
                    f"{node.name or node.output[0]} ({node.op_type}) computes integers that int32 "
                    "does not hold; export the model with smaller ones, or bound them by Clip"
                )
    return {name: interval for name, interval in ranges.items() if interval != WHOLE}


def _narrowed(
    ranges: Mapping[str, Interval], is_clear: Callable[[Mapping[str, Interval]], bool]
) -> dict[str, Interval] | None:
    """The ranges cut to [-low, high], with the greatest high and then low for which it is clear."""

    def cut(low: int, high: int) -> dict[str, Interval]:
        return {name: (max(first, -low), min(last, high)) for name, (first, last) in ranges.items()}

    if not is_clear(cut(0, 0)):
        return None
    high = _greatest(WHOLE[1], lambda bound: is_clear(cut(0, bound)))
    low = _greatest(-WHOLE[0], lambda bound: is_clear(cut(bound, high)))
    return cut(low, high)


def _greatest(most: int, holds: Callable[[int], bool]) -> int:
    """The greatest number in [0, most] for which it holds, where it holds for 0 and all below."""
    low, above = 0, most + 1
    while above - low > 1:
        middle = (low + above) // 2
        low, above = (middle, above) if holds(middle) else (low, middle)
    return low


class _Analysis:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        typed = (*graph.value_info, *graph.input, *graph.output)
        self.kinds = {value.name: value.type.tensor_type.elem_type for value in typed}
        self.shapes = {
            value.name: [each.dim_value for each in value.type.tensor_type.shape.dim]
            for value in typed
        }
        self.constants: dict[str, Interval] = {}
        for tensor in graph.initializer:
            self.shapes[tensor.name] = list(tensor.dims)
            self.kinds[tensor.name] = tensor.data_type
            if tensor.data_type in (INT32, INT64):
                array = numpy_helper.to_array(tensor)
                if array.size:
                    # The ends of int64 stand for "as far as there is", and saturate.
                    low, high = np.clip([array.min(), array.max()], *WHOLE)
                    self.constants[tensor.name] = (int(low), int(high))
        self.nodes = [
            (number, node, attributes(node))
            for number, node in enumerate(graph.node)
            if node.op_type in INDEXED
            or any(self.kinds.get(name) in (INT32, INT64) for name in node.output)
        ]

    def run(self, ranges: Mapping[str, Interval]) -> _Found:
        """Intervals of all integer values for these of the inputs; what isn't known is left out."""
        found = _Found({**self.constants, **ranges}, {name: frozenset((name,)) for name in ranges})
        for number, node, given in self.nodes:
            sources = frozenset[str]().union(*(found.sources.get(n, ()) for n in node.input))
            if node.op_type in INDEXED:
                self._check_index(number, node, given, found)
            for name in node.output:
                interval = self._interval(node, given, name, found)
                if interval is None:
                    continue
                is_past = interval[0] < WHOLE[0] or interval[1] > WHOLE[1]
                if is_past and self.kinds.get(name) == INT64 and node.op_type in COMPUTES:
                    found.wraps[number] = sources
                found.intervals[name] = (max(interval[0], WHOLE[0]), min(interval[1], WHOLE[1]))
                found.sources[name] = sources
        return found

    def _check_index(
        self, number: int, node: onnx.NodeProto, given: Mapping[str, Any], found: _Found
    ) -> None:
        interval, shape = found.intervals.get(node.input[1]), self.shapes.get(node.input[0])
        if interval is None or not shape:
            return
        extent = shape[int(given.get("axis", 0))]
        sources = found.sources.get(node.input[1], frozenset())
        if sources and extent and not -extent <= interval[0] <= interval[1] < extent:
            found.leaves[number] = sources

    def _interval(
        self, node: onnx.NodeProto, given: Mapping[str, Any], name: str, found: _Found
    ) -> Interval | None:
        kind = self.kinds.get(name)
        if kind == BOOL or kind not in (INT32, INT64):
            return None
        if node.op_type == "Cast" and self.kinds.get(node.input[0]) == BOOL:
            return (0, 1)
        if node.op_type == "Cast" and self.kinds.get(node.input[0]) in FLOATS:
            return WHOLE  # to which what is larger saturates
        operands = [found.intervals.get(each) for each in node.input if each]
        shapes = [self.shapes.get(each) for each in node.input]
        terms = _terms(node.op_type, given, shapes, self.shapes.get(name))
        return _interval_of(node.op_type, operands, given, shapes, terms)


def _interval_of(
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
        return whole and _repeated(_magnitude(whole) if kind == "ReduceL1" else whole, terms)
    if kind in SQUARES:
        return _product([_magnitude(first)] * 2, terms)
    if kind == "ReduceProd":
        return _product([first] * min(terms, 64), 1)  # of 64 any but -1, 0 and 1 leaves int32
    if kind in PRODUCTS:
        return _matmul(kind, operands, terms)
    if kind == "Neg":
        return (-first[1], -first[0])
    if kind == "Abs":
        return (0, max(map(abs, first)))
    if len(operands) == 2 and operands[1] is not None:
        return _arithmetic(kind, first, operands[1])
    return None


def _terms(
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


def _magnitude(interval: Interval) -> Interval:
    return (0, max(map(abs, interval)))


def _product(factors: Sequence[Interval], terms: int) -> Interval:
    """The interval of a sum of so many products."""
    most = terms * math.prod(_magnitude(factor)[1] for factor in factors)
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
        known = [each or WHOLE for each in operands]
        least = known[1][0] if len(known) == 3 else WHOLE[0]
        most = known[2][1] if len(known) == 3 else WHOLE[1]
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
    if kind == "Mod":
        most = max(map(abs, right))
        return (0 if min(*left, *right) >= 0 else -most, most)
    return None
