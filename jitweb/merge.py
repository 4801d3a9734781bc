"""Kernels for every length: what a model is at three lengths, merged into what it is at all.

The importer needs static shapes, and folds whatever exporters compute from them. So a model whose
length is open is imported at three lengths, near the most: the calls must be the same ones, and
wherever their functions differ in an integer, it is a polynomial of the length. The merged function
has the length as a last parameter. A constant that is longer for a longer length, as a table of
positions or a causal mask, must begin as the shorter one does: kernels read the longest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from tvm import tirx

from harness import compat
from harness.ir.rewrite import children, substitute, with_child
from jitweb.errors import JitwebError
from jitweb.extent import Extent, Opening, at_length, fitted
from jitweb.relax_graph import GraphValue, KernelCall, KernelGraph
from jitweb.small_weights import Quantized
from jitweb.space import emit

LENGTHS = 3
LEAST_MOST = 16  # lengths near it are unlike the other extents of a model
FIX = "fix the shape, by a number in its place"


def lengths_of(opening: Opening) -> tuple[int, ...]:
    """The lengths that a model is imported at, the most first.

    Raises:
        JitwebError: the most is too small.
    """
    if opening.most < LEAST_MOST:
        raise JitwebError(
            f"{opening.name} is {opening.most} at the most; what is left open must be {LEAST_MOST} "
            f"at least: raise it, or {FIX}"
        )
    return tuple(opening.most - each for each in range(LENGTHS))


def open_constants(graphs: Sequence[KernelGraph]) -> frozenset[GraphValue]:
    """The constants that depend on the length, which are to stay as they are.

    Packed in words a shorter one would not be what a longer one begins with.
    """
    found: set[GraphValue] = set()
    for calls in zip(*(graph.calls for graph in graphs), strict=False):
        for values in zip(*(call.inputs for call in calls), strict=False):
            if len({value.shape for value in values}) > 1:
                found.update(values)
    return frozenset(found)


class Differs(ValueError):
    """Functions are not the same but for the length; the message says in what."""


class Merger:
    """Merges what a model is at the lengths of `lengths_of`."""

    def __init__(self, opening: Opening) -> None:
        self.opening, self.lengths = opening, lengths_of(opening)
        self._values: dict[GraphValue, tuple[Sequence[GraphValue], GraphValue]] = {}
        self._functions: dict[Any, Any] = {}

    def graph(self, graphs: Sequence[KernelGraph]) -> KernelGraph:
        """The graph for all lengths.

        Raises:
            JitwebError: they are not the same but for the length; the message says where.
        """
        if len({len(graph.calls) for graph in graphs}) > 1:
            raise self.refused("the model has other kernels at some lengths")
        inputs = self._all([graph.inputs for graph in graphs])
        calls = [self._call(each) for each in zip(*(graph.calls for graph in graphs), strict=True)]
        outputs = self._all([graph.outputs for graph in graphs])
        return KernelGraph(inputs, outputs, tuple(calls))

    def shape(self, shapes: Sequence[Sequence[int]], what: str) -> tuple[int, ...]:
        """A shape for all lengths, of what it is at each.

        Raises:
            JitwebError: an extent is no polynomial of the length, or doesn't grow with it.
        """
        if len({len(shape) for shape in shapes}) > 1:
            raise self.refused(f"the rank of {what} depends on it")
        merged = []
        for extents in zip(*shapes, strict=True):
            extent = integer(self.lengths, extents)
            if extent is None or not _grows(extent):
                raise self.refused(f"an extent of {what} is {', '.join(map(str, extents))}")
            merged.append(extent)
        return tuple(merged)

    def refused(self, what: str) -> JitwebError:
        """The error that something of the model is another at each length."""
        name, lengths = self.opening.name, ", ".join(map(str, self.lengths))
        return JitwebError(f"{name} can't be left open: {what}, at {name} = {lengths}; {FIX}")

    def _all(self, values: Sequence[Sequence[GraphValue]]) -> tuple[GraphValue, ...]:
        if len({len(each) for each in values}) > 1:
            raise self.refused("a kernel has other arguments at some lengths")
        return tuple(self._value(each) for each in zip(*values, strict=True))

    def _call(self, calls: Sequence[KernelCall]) -> KernelCall:
        name = calls[0].name
        inputs = self._all([call.inputs for call in calls])
        outputs = self._all([call.outputs for call in calls])
        fixed = frozenset(place for place, each in enumerate(inputs) if each.array is not None)
        functions = tuple(call.function for call in calls)
        key = (functions, fixed)
        if key not in self._functions:
            try:
                self._functions[key] = merged_function(functions, self.lengths, fixed)
            except Differs as error:
                raise self.refused(f"the kernel {name} is not the same, as {error}") from None
        return KernelCall(name, self._functions[key], inputs, outputs)

    def _value(self, values: Sequence[GraphValue]) -> GraphValue:
        first, *others = values
        if first in self._values:
            known, merged = self._values[first]
            if any(a is not b for a, b in zip(known, others, strict=True)):
                if first.array is None:
                    raise self.refused("a kernel reads other results at some lengths")
                return self._made(values)  # an equal constant, which the others have twice
            return merged
        merged = self._made(values)
        self._values[first] = (others, merged)
        return merged

    def _made(self, values: Sequence[GraphValue]) -> GraphValue:
        first = values[0]
        if len({(each.dtype, each.is_packed) for each in values}) > 1:
            raise self.refused("a value is of another type at some lengths")
        if all(each.array is None for each in values):
            shape = self.shape([each.shape for each in values], "a value")
            return GraphValue(first.dtype, shape, None, first.is_packed)
        if not all(_begins(first.array, each.array) for each in values[1:]):
            raise self.refused("a constant of the model is not the beginning of a longer one")
        return first


def _grows(extent: int) -> bool:
    """Whether an extent is one at least, and no smaller for a greater length."""
    terms = extent.factors[0][1] if isinstance(extent, Extent) else ()
    return at_length(extent, 1) >= 1 and all(each >= 0 for each in terms[1:])


def _begins(longest: Any, shorter: Any) -> bool:
    """Whether an array is what the other one begins with, along every axis."""
    if longest is shorter:
        return True
    if isinstance(longest, Quantized) or isinstance(shorter, Quantized):
        return False
    longest, shorter = np.asarray(longest), np.asarray(shorter)
    if longest.ndim != shorter.ndim or any(map(int.__lt__, longest.shape, shorter.shape)):
        return False
    beginning = longest[tuple(slice(extent) for extent in shorter.shape)]
    return np.array_equal(beginning, shorter, equal_nan=longest.dtype.kind == "f")


def integer(lengths: Sequence[int], values: Sequence[int]) -> int | None:
    """The polynomial of the length that has these values, None if there is none."""
    if len(set(values)) == 1:
        return int(values[0])
    return fitted([*zip(lengths, map(int, values), strict=True)], lengths[0])


def merged_function(
    functions: Sequence[Any], lengths: Sequence[int], fixed: frozenset[int] = frozenset()
) -> Any:
    """The function for all lengths, of what it is at these; the length is its last parameter.

    The `fixed` parameters are constants, which are always as long as for the most.

    Raises:
        Differs: the functions are not the same but for the length.
    """
    first = functions[0]
    if all(compat.structural_equal(first, each) for each in functions[1:]):
        return first
    merging = _Merging(lengths)
    buffers: dict[Any, Any] = {}
    for place, parameters in enumerate(_side_by_side([each.params for each in functions])):
        merging.variable(parameters)
        shapes = [tuple(map(int, each.ty.shape)) for each in parameters]
        if place in fixed or len(set(shapes)) == 1:
            continue
        extents = [integer(lengths, each) for each in _side_by_side(shapes)]
        if None in extents:
            raise Differs("a shape is not a polynomial of it")
        buffer = parameters[0]
        buffers[buffer] = emit.buffer(buffer.name, extents, str(buffer.ty.dtype))  # type: ignore[arg-type]
    body = substitute(merging.node([each.body for each in functions]), buffers)
    own = [buffers.get(each, each) for each in first.params]
    return tirx.PrimFunc([*own, emit.length(lengths[0])], body, attrs=first.attrs)


class _Merging:
    """Walks functions side by side; variables and buffers of the result are the first one's."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = lengths
        self._others: dict[Any, Sequence[Any]] = {}

    def variable(self, nodes: Sequence[Any]) -> Any:
        """The first one, which stands where the others do, everywhere."""
        first, *others = nodes
        known = self._others.setdefault(first, others)
        if not all(a.same_as(b) for a, b in zip(known, others, strict=True)):
            raise Differs("its variables are not in the same places")
        return first

    def node(self, nodes: Sequence[Any]) -> Any:
        """The statement or expression for all lengths.

        Raises:
            Differs: there is none.
        """
        first = nodes[0]
        kinds = {compat.type_key(each) for each in nodes}
        if len(kinds) > 1:
            raise Differs(f"it has {' or '.join(sorted(kinds))}")
        kind = kinds.pop()
        if isinstance(first, compat.Var):
            return self.variable(nodes)
        if kind == "IntImm":
            return self._integer(nodes)
        if kind == "FloatImm":
            return self._float(nodes)
        if kind in SPECIAL:
            return SPECIAL[kind](self, nodes)
        if isinstance(first, compat.Call) and len(set(map(compat.call_name, nodes))) > 1:
            raise Differs("it calls other functions")
        if kind in ("Cast", "Let", "Call") and len(set(map(compat.dtype_of, nodes))) > 1:
            raise Differs("its types differ")
        if kind == "Let":
            self.variable([each.var for each in nodes])
        return self._with_children(nodes)

    def _with_children(self, nodes: Sequence[Any]) -> Any:
        merged, listed = nodes[0], [list(children(each)) for each in nodes]
        if len({len(each) for each in listed}) > 1:
            raise Differs("it has more parts at some lengths")
        for parts in zip(*listed, strict=True):
            if len({step for step, _ in parts}) > 1:
                raise Differs("its parts are other ones")
            step, part = parts[0]
            new = self.node([each for _, each in parts])
            if not new.same_as(part):
                merged = with_child(merged, step, new)
        return merged

    def _integer(self, nodes: Sequence[Any]) -> Any:
        extent = integer(self.lengths, [int(each) for each in nodes])
        if extent is None:
            raise Differs(f"an integer is {', '.join(str(int(each)) for each in nodes)}")
        if not isinstance(extent, Extent):
            return nodes[0]
        return emit.constant(extent).astype(compat.dtype_of(nodes[0]))

    def _float(self, nodes: Sequence[Any]) -> Any:
        values, dtype = [float(each) for each in nodes], compat.dtype_of(nodes[0])
        if len(set(map(repr, values))) == 1:
            return nodes[0]
        for inverted in (False, True):
            counts = [round(1 / each if inverted else each) for each in values]
            stored = [np.dtype(dtype).type(1 / each if inverted else each) for each in counts]
            extent = integer(self.lengths, counts)
            if stored == [np.dtype(dtype).type(each) for each in values] and extent is not None:
                count = emit.constant(extent).astype(dtype)
                return tirx.FloatImm(dtype, 1.0) / count if inverted else count
        raise Differs(f"a number is {', '.join(map(str, values))}")

    def _load(self, nodes: Sequence[Any]) -> Any:
        self.variable([compat.load_buffer(each) for each in nodes])
        return self._with_children(nodes)

    def _store(self, nodes: Sequence[Any]) -> Any:
        self.variable([each.buffer for each in nodes])
        return self._with_children(nodes)

    def _for(self, nodes: Sequence[Any]) -> Any:
        self.variable([each.loop_var for each in nodes])
        return self._with_children(nodes)

    def _block(self, nodes: Sequence[Any]) -> Any:
        first = nodes[0]
        for buffers in _side_by_side([each.alloc_buffers for each in nodes]):
            self.variable(buffers)
        if any(each.match_buffers for each in nodes):
            raise Differs("it has parts of buffers")
        iter_vars = [
            tirx.IterVar(
                self._range([each.dom for each in many]),
                self.variable([each.var for each in many]),
                many[0].iter_type,
            )
            for many in _side_by_side([each.iter_vars for each in nodes])
        ]
        regions = {
            name: [self._region(many) for many in _side_by_side([getattr(n, name) for n in nodes])]
            for name in ("reads", "writes")
        }
        body = self._with_children(nodes)
        return compat.SBlock(
            iter_vars, regions["reads"], regions["writes"], first.name_hint, body.body, body.init,
            first.alloc_buffers, first.match_buffers, first.annotations,
        )  # fmt: skip

    def _range(self, ranges: Sequence[Any]) -> Any:
        least = self.node([each.min for each in ranges])
        return compat.Range.from_min_extent(least, self.node([each.extent for each in ranges]))

    def _region(self, regions: Sequence[Any]) -> Any:
        buffer = self.variable([compat.region_buffer(each) for each in regions])
        parts = _side_by_side([each.region for each in regions])
        return tirx.BufferRegion(buffer, [self._range(each) for each in parts])


SPECIAL: dict[str, Callable[[_Merging, Sequence[Any]], Any]] = {
    "BufferLoad": _Merging._load,
    "BufferStore": _Merging._store,
    "For": _Merging._for,
    "SBlock": _Merging._block,
}


def _side_by_side(lists: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    if len({len(each) for each in lists}) > 1:
        raise Differs("it has more parts at some lengths")
    return list(zip(*lists, strict=True))
