"""Which integers the inputs may hold, so that no int64 wraps and no id leaves its table.

Kernels compute int64 in 32 bits where they can. Intervals are carried forward through the integers
of a simplified model; where a sum or a product could leave int32, or an index its table, the inputs
that it depends on are narrowed until it can't. The runtime checks them before a kernel runs.

Where that would cost an input more than the ends of int32 (a mask's `1 - mask` costs two numbers, a
square nearly all), or values that leave int32 are compared or returned, the model is `wide`: it
needs 64 bits, which WebAssembly has. Then only indices narrow its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from jitweb.errors import JitwebError
from jitweb.onnx.graph import OUTLINE, attributes, graph_inputs, node_text
from jitweb.onnx.intervals import (
    BITS,
    NEGATED,
    PRODUCTS,
    SCATTERS,
    SQUARES,
    SUMS,
    TURNED,
    WHOLE,
    WHOLE_WIDE,
    Interval,
    interval_of,
    is_past,
    is_within,
    limited,
    terms_of,
    within,
)

INT32, INT64, BOOL = (onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL)
FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE})
ENDLESS = 1 << 62  # constants beyond stand for "as far as there is"
MOST_LOST = 1 << 24  # of the numbers of int32, before 64 bits are asked for
COMPUTES = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Abs", "Pow", "ReduceProd", *SUMS, *SQUARES, *PRODUCTS}
    | SCATTERS
)
PICKS = frozenset({"ArgMax", "ArgMin", "TopK", "Sign"})
COMPARES = PICKS | BITS | {"BitwiseNot", *"Equal Less LessOrEqual Greater GreaterOrEqual".split()}
READS = frozenset({"Gather", "GatherElements", "GatherND"})  # at indices
INDEXED = READS | SCATTERS


@dataclass
class _Found:
    """What a forward pass finds: intervals, and nodes where one leaves its bounds."""

    intervals: dict[str, Interval] = field(default_factory=dict)
    sources: dict[str, frozenset[str]] = field(default_factory=dict)  # the inputs it depends on
    wraps: dict[int, frozenset[str]] = field(default_factory=dict)  # by the node's number
    leaves: dict[int, frozenset[str]] = field(default_factory=dict)
    loose: set[int] = field(default_factory=set)  # nodes whose indices may leave their tables
    assumed: set[str] = field(default_factory=set)  # whose intervals may be wider in truth
    shows: bool = False  # what int32 doesn't hold is returned or compared


@dataclass(frozen=True)
class Integers:
    """The least and the greatest that each integer input may hold, where it may not hold all.

    `wide`: int64 are computed in 64 bits. `loose`: the numbers of nodes whose indices may leave
    their tables all the same, as they are computed.
    """

    ranges: Mapping[str, Interval] = field(default_factory=dict)
    wide: bool = False
    loose: frozenset[int] = frozenset()


NARROW = Integers()


def integers_of(model: onnx.ModelProto, may_be_wide: bool) -> Integers:
    """What the integers of a model may be; `may_be_wide`: all its targets have 64 bits.

    Raises:
        JitwebError: an int64 value leaves int32 whatever the inputs are, and may not.
    """
    _check_constants(model)
    if may_be_wide and _is_wide(model):
        found = _Ranges(model, WHOLE_WIDE)
        ranges = found.narrowed(_leaves)
        kept = {name: within(each, WHOLE) for name, each in ranges.items()}
        return Integers(kept, True, found.loose())
    found = _Ranges(model, WHOLE)
    return Integers(found.narrowed(_wraps, _leaves), False, found.loose())


def _check_constants(model: onnx.ModelProto) -> None:
    """Raises: JitwebError, if constant indices leave their table, as positions of a shape may."""
    analysis = _Analysis(model, WHOLE_WIDE)
    for _, node, given in analysis.nodes:
        if node.op_type not in INDEXED or node.input[1] not in analysis.constants:
            continue
        extents, (low, high) = analysis.extents(node, given), analysis.constants[node.input[1]]
        if extents and not is_within((low, high), max(extents)):
            raise JitwebError(
                f"{node_text(node)} looks up {high if high >= max(extents) else low} in a table of "
                f"{max(extents)}; use a smaller --shape"
            )


def _is_wide(model: onnx.ModelProto) -> bool:
    """Whether the model's int64 need 64 bits."""
    wide = _Ranges(model, WHOLE_WIDE)
    wide.narrowed(_leaves)
    if wide.analysis.has_wide_constants or wide.analysis.run(wide.ranges).shows:
        return True
    narrow = _Ranges(model, WHOLE)
    narrow.narrowed(_leaves)
    before = dict(narrow.ranges)
    try:
        narrow.narrowed(_wraps)
    except JitwebError:  # they never fit
        return True
    return any(
        _count(before[name]) - _count(each) > MOST_LOST for name, each in narrow.ranges.items()
    )


def _count(interval: Interval) -> int:
    return interval[1] - interval[0]


Problems = Callable[[_Found], Mapping[int, frozenset[str]]]


def _wraps(found: _Found) -> Mapping[int, frozenset[str]]:
    return found.wraps


def _leaves(found: _Found) -> Mapping[int, frozenset[str]]:
    return found.leaves


class _Ranges:
    """The ranges of the integer inputs, narrowed until there is no problem of these kinds."""

    def __init__(self, model: onnx.ModelProto, whole: Interval) -> None:
        self.analysis = _Analysis(model, whole)
        self.whole = {
            value.name: whole if value.type.tensor_type.elem_type == INT64 else WHOLE
            for value in graph_inputs(model)
            if value.type.tensor_type.elem_type in (INT32, INT64) and value.doc_string != OUTLINE
        }
        self.ranges = dict(self.whole)

    def narrowed(self, *kinds: Problems) -> dict[str, Interval]:
        """Those inputs that may not hold all.

        Raises:
            JitwebError: an int64 value wraps whatever the inputs are.
        """
        for problems in kinds:
            for number in list(problems(self.analysis.run(self.ranges))):
                self._clear(number, problems)
        return {name: each for name, each in self.ranges.items() if each != self.whole[name]}

    def loose(self) -> frozenset[int]:
        """The nodes whose indices may leave their tables, whatever the inputs are narrowed to."""
        return frozenset(self.analysis.run(self.ranges).loose)

    def _clear(self, number: int, problems: Problems) -> None:
        found = self.analysis.run(self.ranges)
        inputs = problems(found).get(number)
        if inputs is None:
            return  # another one's narrowing was enough

        def is_clear(narrowed: Mapping[str, Interval]) -> bool:
            return number not in problems(self.analysis.run({**self.ranges, **narrowed}))

        narrowed = _narrowed({name: self.ranges[name] for name in inputs}, is_clear)
        if narrowed is not None:
            self.ranges.update(narrowed)
        elif number in found.wraps:
            node = self.analysis.model.graph.node[number]
            raise JitwebError(
                f"{node_text(node)} computes integers that int32 "
                "does not hold; export the model with smaller ones, bound them by Clip, or tune it "
                "for wasm alone"
            )


def _narrowed(
    ranges: Mapping[str, Interval], is_clear: Callable[[Mapping[str, Interval]], bool]
) -> dict[str, Interval] | None:
    """The ranges cut to [-low, high], with the greatest high and then low for which it is clear."""

    def cut(low: int, high: int) -> dict[str, Interval]:
        return {name: (max(first, -low), min(last, high)) for name, (first, last) in ranges.items()}

    if not is_clear(cut(0, 0)):
        return None
    most = max((high for _, high in ranges.values()), default=0)
    least = min((low for low, _ in ranges.values()), default=0)
    high = _greatest(max(most, 0), lambda bound: is_clear(cut(0, bound)))
    low = _greatest(max(-least, 0), lambda bound: is_clear(cut(bound, high)))
    return cut(low, high)


def _greatest(most: int, holds: Callable[[int], bool]) -> int:
    """The greatest number in [0, most] for which it holds, where it holds for 0 and all below."""
    low, above = 0, most + 1
    while above - low > 1:
        middle = (low + above) // 2
        low, above = (middle, above) if holds(middle) else (low, middle)
    return low


class _Analysis:
    """Of a model whose int64 are computed in the integers of `whole`."""

    def __init__(self, model: onnx.ModelProto, whole: Interval) -> None:
        self.model, self.whole = model, whole
        graph = model.graph
        typed = (*graph.value_info, *graph.input, *graph.output)
        self.kinds = {value.name: value.type.tensor_type.elem_type for value in typed}
        self.shapes = {
            value.name: [each.dim_value for each in value.type.tensor_type.shape.dim]
            for value in typed
        }
        self.results = {value.name for value in graph.output}
        self.makers = {name: node for node in graph.node for name in node.output}
        self.constants: dict[str, Interval] = {}
        self.has_wide_constants = False
        for tensor in graph.initializer:
            self.shapes[tensor.name] = list(tensor.dims)
            self.kinds[tensor.name] = tensor.data_type
            if tensor.data_type in (INT32, INT64):
                array = numpy_helper.to_array(tensor)
                if array.size:
                    # The ends of int64 stand for "as far as there is", and saturate.
                    ends = (int(array.min()), int(array.max()))
                    self.constants[tensor.name] = within(ends, whole)
                    is_wide = (array < WHOLE[0]) | (array > WHOLE[1])
                    is_number = (array > -ENDLESS) & (array < ENDLESS)
                    self.has_wide_constants |= bool(np.any(is_wide & is_number))
        self.nodes = [
            (number, node, attributes(node))
            for number, node in enumerate(graph.node)
            if node.op_type in INDEXED | COMPARES
            or any(self.kinds.get(name) in (INT32, INT64) for name in node.output)
        ]

    def run(self, ranges: Mapping[str, Interval]) -> _Found:
        """Intervals of all integer values for these of the inputs; what isn't known is left out."""
        found = _Found({**self.constants, **ranges}, {name: frozenset((name,)) for name in ranges})
        for number, node, given in self.nodes:
            sources = frozenset[str]().union(*(found.sources.get(n, ()) for n in node.input))
            if node.op_type in INDEXED:
                self._check_index(number, node, given, found)
            found.shows |= node.op_type in COMPARES and self._compares_wide(node, found)
            for name in node.output:
                interval = self._interval(node, given, name, found)
                if interval is None:
                    continue
                is_wide = self.kinds.get(name) == INT64
                whole = self.whole if is_wide else WHOLE
                if is_wide and is_past(interval, whole) and node.op_type in COMPUTES:
                    found.wraps[number] = sources
                found.intervals[name] = within(interval, whole)
                if not found.assumed.isdisjoint(node.input):
                    found.assumed.add(name)
                found.sources[name] = sources
                found.shows |= name in self.results and is_past(found.intervals[name], WHOLE)
        return found

    def _compares_wide(self, node: onnx.NodeProto, found: _Found) -> bool:
        """Whether the result may be another one if the operands were made int32.

        A number that is compared with a constant, as masks are, may be refused beyond int32.
        """
        names = node.input[: 1 if node.op_type in PICKS else 2]
        known = [found.intervals.get(name) for name in names]
        leaves = any(each is not None and is_past(each, WHOLE) for each in known)
        is_masked = node.op_type not in BITS and any(name in self.constants for name in names)
        return leaves and not is_masked

    def _check_index(
        self, number: int, node: onnx.NodeProto, given: Mapping[str, Any], found: _Found
    ) -> None:
        interval, extents = found.intervals.get(node.input[1]), self.extents(node, given)
        if not extents or not min(extents):
            return
        if node.op_type in READS and not is_within(interval, min(extents)):
            found.loose.add(number)
        if node.op_type in READS and node.input[1] in found.assumed:
            found.loose.add(number)
        sources = found.sources.get(node.input[1], frozenset())
        if sources and interval is not None and not is_within(interval, max(extents)):
            found.leaves[number] = sources

    def extents(self, node: onnx.NodeProto, given: Mapping[str, Any]) -> list[int]:
        """The extents that a node's indices are for: several by their last axis, or one."""
        shape, indices = (self.shapes.get(name) for name in node.input[:2])
        if not shape:
            return []
        if node.op_type not in ("GatherND", "ScatterND"):
            return [shape[int(given.get("axis", 0))]]
        first = int(given.get("batch_dims", 0))
        return shape[first : first + indices[-1]] if indices else []

    def _interval(
        self, node: onnx.NodeProto, given: Mapping[str, Any], name: str, found: _Found
    ) -> Interval | None:
        kind = self.kinds.get(name)
        if kind == BOOL or kind not in (INT32, INT64):
            return None
        if node.op_type == "Cast" and self.kinds.get(node.input[0]) == BOOL:
            return (0, 1)
        if node.op_type == "Cast" and self.kinds.get(node.input[0]) in FLOATS:
            return self.whole if kind == INT64 else WHOLE  # to which what is larger saturates
        operands = [found.intervals.get(each) for each in node.input if each]
        if node.op_type == "Where":
            operands = [self._guarded(node, place, name, found) for place in (1, 2)]
        if node.op_type == "TopK" and name == node.output[0]:
            return operands[0]
        shapes = [self.shapes.get(each) for each in node.input]
        terms = terms_of(node.op_type, given, shapes, self.shapes.get(name))
        return interval_of(node.op_type, operands, given, shapes, terms)

    def _guarded(
        self, node: onnx.NodeProto, place: int, result: str, found: _Found
    ) -> Interval | None:
        """The interval of an operand of a Where, which may be taken under a condition on itself.

        Of what isn't equal to a negative number, as padding is, it is assumed that it isn't below
        zero.
        """
        name, condition = node.input[place], self.makers.get(node.input[0])
        interval, is_true = found.intervals.get(name), place == 1
        while condition is not None and condition.op_type == "Not":
            condition, is_true = self.makers.get(condition.input[0]), not is_true
        if interval is None or condition is None or name not in condition.input:
            return interval
        kind = condition.op_type
        other = next((each for each in condition.input if each != name), "")
        number = self.constants.get(other)
        if number is None or number[0] != number[1]:
            return interval
        if kind == "Equal" and not is_true and number[0] < 0:
            found.assumed.add(result)
            return (max(interval[0], 0), max(interval[1], 0))
        kind = kind if is_true else NEGATED.get(kind, "")
        kind = kind if condition.input[0] == name else TURNED.get(kind, kind)
        return limited(interval, kind, number[0])


def within_tables(model: onnx.ModelProto, loose: frozenset[int]) -> None:
    """Cut the indices of these nodes to what their tables have.

    They are computed, so that no check of an input finds them; no kernel reads beyond a table.
    """
    analysis = _Analysis(model, WHOLE)
    nodes = list(model.graph.node)
    made: list[onnx.NodeProto] = []
    for number, node in enumerate(nodes):
        if number in loose:
            extents = np.array(analysis.extents(node, attributes(node)), np.int64)
            name = node.input[1]
            kind = analysis.kinds.get(name, INT64)
            for operator, ends in (("Max", -extents), ("Min", extents - 1)):
                ends = ends.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
                cut = f"{node.output[0]}/{operator}"
                end = numpy_helper.from_array(
                    ends.reshape(-1 if len(ends) > 1 else ()), f"{cut}/end"
                )
                model.graph.initializer.append(end)
                made.append(onnx.helper.make_node(operator, [name, end.name], [cut], node.name))
                shape = analysis.shapes.get(node.input[1])
                model.graph.value_info.append(onnx.helper.make_tensor_value_info(cut, kind, shape))
                name = cut
            node.input[1] = name
        made.append(node)
    if loose:
        del model.graph.node[:]
        model.graph.node.extend(made)
