"""Loop and Scan, written out: as often as is known when the model is imported.

Each iteration takes the nodes of the body anew. A Loop's condition may be computed, from what the
iterations before have as constants. Source: ONNX's operator specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx

from jitweb.errors import JitwebError
from jitweb.onnx.graph import Graph, attributes, graph_nodes, node_text

MOST_NODES = 20_000  # that a loop becomes
Body = Callable[[int, Mapping[str, str]], list[str]]  # the results of an iteration


def written_out(graph: Graph, node: onnx.NodeProto, body: Body) -> list[str] | None:
    """The results of a Loop or a Scan; None where how often is not known.

    Raises:
        JitwebError: they are too many nodes, or a Loop's condition depends on values.
    """
    return (_loop if node.op_type == "Loop" else _scan)(graph, node, body)


def _inner(node: onnx.NodeProto) -> onnx.GraphProto:
    return next(each.g for each in node.attribute if each.name == "body")


def _check_count(node: onnx.NodeProto, count: int) -> None:
    size = graph_nodes(_inner(node))
    if count * size > MOST_NODES:
        raise JitwebError(
            f"{node_text(node)} repeats {size} nodes {count} times, and at most {MOST_NODES} nodes "
            "are written out; use a smaller --shape"
        )


def _loop(graph: Graph, node: onnx.NodeProto, body: Body) -> list[str] | None:
    most, first = (graph.value(name) if name else None for name in node.input[:2])
    if (node.input[0] and most is None) or (node.input[1] and first is None):
        return None
    trips = None if most is None else int(most.reshape(-1)[0])
    goes_on = first is None or bool(first.reshape(-1)[0])
    takes = [each.name for each in _inner(node).input]
    states, stacks = list(node.input[2:]), list[list[str]]()
    count, condition = 0, node.input[1] or graph.constant(True)
    while goes_on and (trips is None or count < trips):
        _check_count(node, count + 1)
        number = graph.constant(np.array(count))
        condition, *results = body(
            count, dict(zip(takes, [number, condition, *states], strict=True))
        )
        known = graph.value(condition)
        if known is None:
            raise JitwebError(
                f"{node_text(node)} goes on by a condition that depends on values, which is not "
                "supported; export the model with a fixed number of iterations"
            )
        goes_on, count = bool(known.reshape(-1)[0]), count + 1
        states, stacked = results[: len(states)], results[len(states) :]
        stacks.append(stacked)
    return [*states, *_stacked(graph, node, stacks, len(node.output) - len(states))]


def _scan(graph: Graph, node: onnx.NodeProto, body: Body) -> list[str] | None:
    if graph.opsets.get("", 0) < 9:  # which has a batch, and lengths of its own
        return None
    given, takes = attributes(node), [each.name for each in _inner(node).input]
    size = given["num_scan_inputs"]
    states, scanned = list(node.input[: len(node.input) - size]), node.input[-size:]
    axes = given.get("scan_input_axes", [0] * size)
    backward = given.get("scan_input_directions", [0] * size)
    count = graph.shape(scanned[0])[axes[0]]
    _check_count(node, count)
    stacks: list[list[str]] = []
    for step in range(count):
        places = [count - 1 - step if each else step for each in backward]
        parts = [
            graph.op("Gather", name, graph.constant(np.array(place)), axis=axis)
            for name, place, axis in zip(scanned, places, axes, strict=True)
        ]
        results = body(step, dict(zip(takes, [*states, *parts], strict=True)))
        states, stacked = results[: len(states)], results[len(states) :]
        stacks.append(stacked)
    made = len(node.output) - len(states)
    turned = given.get("scan_output_directions", [0] * made)
    joined = given.get("scan_output_axes", [0] * made)
    return [*states, *_stacked(graph, node, stacks, made, joined, turned)]


def _stacked(
    graph: Graph,
    node: onnx.NodeProto,
    stacks: Sequence[Sequence[str]],
    count: int,
    axes: Sequence[int] = (),
    backward: Sequence[int] = (),
) -> list[str]:
    """What each iteration gave, along a new axis."""
    if count and not stacks:
        raise JitwebError(f"{node_text(node)} is never run; export the model without it")
    made = []
    for number in range(count):
        axis = axes[number] if axes else 0
        parts = [
            graph.op("Unsqueeze", each[number], graph.constant(np.array([axis]))) for each in stacks
        ]
        parts = parts[::-1] if backward and backward[number] else parts
        made.append(graph.op("Concat", *parts, axis=axis) if len(parts) > 1 else parts[0])
    return made
