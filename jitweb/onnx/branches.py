"""Ifs that hang on inputs: which they are, and what is left of a model where such inputs are fixed.

A decoder that was merged of one with and one without a cache has an If on the input
`use_cache_branch`; speech models have one on the sampling rate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from jitweb.errors import JitwebError
from jitweb.onnx.graph import (
    STANDARD,
    graph_inputs,
    is_outline,
    names_read,
    no_input,
    node_text,
    shape_text,
)

Values = Mapping[str, Sequence[float]]
Condition = Mapping[str, bool]  # on inputs, by their names
Sources = dict[str, frozenset[str]]  # the inputs that a value is computed from

MOST_DECIDING = 3  # booleans, each of which doubles the variants
MOST_KNOWN = 16  # elements of a constant that a condition is computed from
LOOPS = ("Loop", "Scan")
ELSEWHERE = ""  # in the place of an input's name: a loop's state, which no input fixes


def conditions(model: onnx.ModelProto, values: Values) -> list[dict[str, bool]]:
    """The conditions of a model's variants: all values of the booleans that its Ifs hang on.

    One without a condition where there is no such input, or where there are too many.
    """
    booleans = {each.name for each in graph_inputs(model) if _is_flag(each)} - values.keys()
    deciding = dict.fromkeys(
        name for _, names in decisions(model, values) if names <= booleans for name in sorted(names)
    )
    if len(deciding) > MOST_DECIDING:
        return [{}]
    choices = itertools.product((False, True), repeat=len(deciding))
    return [dict(zip(deciding, choice, strict=True)) for choice in choices]


def _is_flag(value: onnx.ValueInfoProto) -> bool:
    kind = value.type.tensor_type
    is_one = math.prod(each.dim_value or 1 for each in kind.shape.dim) == 1
    return kind.elem_type == onnx.TensorProto.BOOL and is_one


def decisions(
    model: onnx.ModelProto, values: Values | None = None
) -> Iterator[tuple[onnx.NodeProto, frozenset[str]]]:
    """Each If whose condition is computed from inputs, those in branches too, with these inputs.

    `values` are of inputs that count as constants.
    """
    fixed = values or {}
    sources = {
        value.name: frozenset() if value.name in fixed else frozenset((value.name,))
        for value in graph_inputs(model)
    }
    yield from _decisions(model.graph, sources)


def _decisions(
    graph: onnx.GraphProto, sources: Sources
) -> Iterator[tuple[onnx.NodeProto, frozenset[str]]]:
    """`sources` are those of the names that are known outside; constants have none."""
    for node in graph.node:
        read = frozenset[str]().union(*(sources.get(name, ()) for name in names_read(node)))
        if node.op_type == "If":
            condition = sources.get(node.input[0], frozenset())
            if condition:
                yield node, condition
        for inner in branches(node):
            own = {value.name: read | {ELSEWHERE} for value in inner.input}
            yield from _decisions(inner, {**sources, **own})
        if node.op_type in ("Shape", "Size"):  # which are fixed
            read = frozenset()
        sources.update((name, read) for name in node.output)


def branches(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs in a node."""
    return [each.g for each in node.attribute if each.HasField("g")]


def check_branches(model: onnx.ModelProto) -> None:
    """Raises: JitwebError, if an If that is left hangs on inputs, or a loop on values."""
    sizes = {
        value.name: math.prod(each.dim_value for each in value.type.tensor_type.shape.dim)
        for value in graph_inputs(model)
    }
    for node, found in decisions(model):
        names = sorted(found - {ELSEWHERE})
        if any(sizes.get(name, 0) > 1 for name in names):
            raise JitwebError(
                f"{node_text(node)} takes a branch by the values of {', '.join(names)}, which is "
                "not supported; export the model with one branch, or with Where in its place"
            )
        if names:
            raise JitwebError(
                f"{node_text(node)} takes a branch by {', '.join(names)}: make a "
                f"bundle for each value that you need, with {set_options(model, names)}"
            )
    for node in model.graph.node:
        if node.domain in STANDARD and node.op_type in LOOPS:
            raise JitwebError(
                f"{node_text(node)} repeats as often as values say, which is not supported; fix "
                "the input that says it by --set, or export the model with a fixed number"
            )


def set_options(model: onnx.ModelProto, names: Sequence[str]) -> str:
    """The options that fix inputs, with the numbers that they are compared with as examples."""
    known = example_values(model)
    return " ".join(f"--set {name}={known.get(name, 'VALUE')}" for name in names)


def undecided(model: onnx.ModelProto, values: Values) -> list[str]:
    """The inputs that an If hangs on and of which no variants are made."""
    flags = conditions(model, values)[0]
    found = (names for _, names in decisions(model, values) if not names <= flags.keys())
    return sorted({name for names in found for name in names} - flags.keys() - {ELSEWHERE})


def example_values(model: onnx.ModelProto) -> dict[str, int]:
    """The integers that inputs are compared with: what a --set may be."""
    constants = {each.name: each for each in model.graph.initializer}
    inputs = {value.name for value in graph_inputs(model)}
    found: dict[str, int] = {}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values = {each.name: each.t for each in node.attribute}
            constants |= {node.output[0]: values["value"]} if "value" in values else {}
        if node.op_type == "Equal":
            for name, other in (node.input, reversed(node.input)):
                tensor = constants.get(other)
                if name not in inputs or tensor is None or math.prod(tensor.dims) != 1:
                    continue
                value = numpy_helper.to_array(tensor).reshape(-1)[0]
                if isinstance(value, np.integer | np.bool_):
                    found.setdefault(name, int(value))
    return found


def fix_values(model: onnx.ModelProto, values: Values) -> None:
    """Make inputs constants; an If on them becomes its branch, and inputs that nothing reads go.

    Raises:
        JitwebError: a value is for no input, or not of its type and size.
    """
    if not values:
        return
    inputs = {value.name: value for value in graph_inputs(model)}
    known: dict[str, np.ndarray] = {}
    for name, given in values.items():
        if name not in inputs:
            raise JitwebError(f"--set {name}: {no_input(name, inputs)}")
        known[name] = _constant(inputs[name], given)
        model.graph.initializer.append(numpy_helper.from_array(known[name], name))
        model.graph.input.remove(inputs[name])
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= MOST_KNOWN and not is_outline(tensor):
            known[tensor.name] = numpy_helper.to_array(tensor)
    opsets = {each.domain: each.version for each in model.opset_import}
    opset = max(opsets.get(each, 0) for each in STANDARD)
    _take_branches(model.graph, known, frozenset(values), opset)
    drop_unread(model)


def drop_unread(model: onnx.ModelProto) -> None:
    """Remove the inputs that nothing reads, such as one of which only the shape was asked."""
    read = {name for node in model.graph.node for name in names_read(node)}
    read |= {value.name for value in model.graph.output}
    for value in [each for each in model.graph.input if each.name not in read]:
        model.graph.input.remove(value)


def _constant(value: onnx.ValueInfoProto, given: Sequence[float]) -> np.ndarray:
    kind = value.type.tensor_type
    shape = [each.dim_value or 1 for each in kind.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    with np.errstate(all="ignore"):
        array = np.array(given).astype(dtype)
    if array.size not in (1, math.prod(shape)) or not np.array_equal(array, np.array(given)):
        asked = ",".join(map(str, given))
        kind_text = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
        raise JitwebError(f"--set {value.name}={asked} is no {kind_text} of {shape_text(value)}")
    return np.full(shape, array[0]) if array.size == 1 else array.reshape(shape)


def _take_branches(
    graph: onnx.GraphProto, known: dict[str, np.ndarray], fixed: frozenset[str], opset: int
) -> None:
    """Make both branches of an If the one that is taken, where its condition is known by now.

    `fixed`: the names of inputs that were fixed, on which a condition is to depend.
    """
    for node in graph.node:
        if node.op_type == "If" and node.input[0] in known:
            _take_branch(node, bool(known[node.input[0]].reshape(-1)[0]))
        for inner in branches(node):
            local = {name for each in inner.node for name in each.output}
            local |= {each.name for each in (*inner.input, *inner.initializer)}
            outer = {name: array for name, array in known.items() if name not in local}
            _take_branches(inner, outer, fixed, opset)
        if node.op_type == "Constant" or not fixed.isdisjoint(node.input):
            found = _evaluated(node, known, opset)
            known.update(found)
            fixed |= found.keys() if node.input else frozenset()


def _take_branch(node: onnx.NodeProto, condition: bool) -> None:
    found = {each.name: each.g for each in node.attribute}
    taken, other = ("then_branch", "else_branch") if condition else ("else_branch", "then_branch")
    found[other].CopyFrom(found[taken])


def _evaluated(
    node: onnx.NodeProto, known: Mapping[str, np.ndarray], opset: int
) -> dict[str, np.ndarray]:
    """What a node of the standard domain makes of few known elements."""
    is_known = all(name in known for name in node.input if name)
    if node.domain not in STANDARD or branches(node) or not is_known or node.op_type in UNKNOWN:
        return {}
    try:
        arrays = {name: known[name] for name in node.input if name}
        found = ReferenceEvaluator(node, opsets={"": opset}).run(None, arrays)
    except Exception:  # the reference lacks the operator, or refuses its operands
        return {}
    return {
        name: np.asarray(array)
        for name, array in zip(node.output, found, strict=False)
        if np.size(array) <= MOST_KNOWN
    }


# What is drawn at each run, and what makes much of little.
UNKNOWN = frozenset(
    "RandomNormal RandomUniform Multinomial Bernoulli Expand ConstantOfShape Range Tile Pad".split()
)
