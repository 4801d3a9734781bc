"""LSTM and GRU, step by step: as many as the sequence is long.

The products with the input are one matmul for all steps; a step adds that with its own state. All
steps are the same kernels on the same weights. Source: ONNX's operator specification.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from jitweb.onnx.fused import swap_last
from jitweb.onnx.graph import Graph, attributes, operands

MOST_STEPS = 256  # of a sequence: each is a dozen kernel calls
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
Step = Callable[[str, list[str]], list[str]]  # the input's part and the states: the new states


def lstm(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """LSTM: gates i, o, f, c; without peepholes."""
    x, w, r, bias, lengths, h, c, peepholes = operands(node, 8)
    _check(graph, node, lengths, peepholes)
    hidden = graph.shape(r)[-1]

    def step_of(part: str, recurrent: str) -> Step:
        def step(given: str, states: list[str]) -> list[str]:
            product = graph.op("MatMul", states[0], recurrent)
            gates = _split(graph, graph.op("Add", given, product), hidden, 4)
            i, o, f = (graph.op("Sigmoid", each) for each in gates[:3])
            kept = graph.op("Mul", f, states[1])
            new = graph.op("Add", kept, graph.op("Mul", i, graph.op("Tanh", gates[3])))
            return [graph.op("Mul", o, graph.op("Tanh", new)), new]

        return step

    return _run(graph, node, (x, w, r, bias), [h, c], step_of)


def gru(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """GRU: gates z, r, h; the reset is applied to the state, or to its product."""
    x, w, r, bias, lengths, h = operands(node, 6)
    _check(graph, node, lengths, "")
    hidden = graph.shape(r)[-1]
    is_after = bool(attributes(node).get("linear_before_reset", 0))

    def step_of(bias: str, recurrent: str) -> Step:
        sizes = graph.constant(np.array([2 * hidden, hidden]))
        parts = graph.ops("Split", [recurrent, sizes], 2, axis=-1)
        biases = graph.ops("Split", [bias, sizes], 2, axis=-1) if bias else ["", ""]

        def product(state: str, place: int) -> str:
            result = graph.op("MatMul", state, parts[place])
            return graph.op("Add", result, biases[place]) if bias else result

        def step(given: str, states: list[str]) -> list[str]:
            (state,) = states
            z, r, h = _split(graph, given, hidden, 3)
            own = _split(graph, product(state, 0), hidden, 2)
            z, r = (
                graph.op("Sigmoid", graph.op("Add", a, b)) for a, b in zip((z, r), own, strict=True)
            )
            if is_after:
                reset = graph.op("Mul", r, product(state, 1))
            else:
                reset = product(graph.op("Mul", r, state), 1)
            new = graph.op("Tanh", graph.op("Add", h, reset))
            # (1 - z) new + z state
            return [graph.op("Add", new, graph.op("Mul", z, graph.op("Sub", state, new)))]

        return step

    return _run(graph, node, (x, w, r, bias), [h], step_of)


def _check(graph: Graph, node: onnx.NodeProto, lengths: str, peepholes: str) -> None:
    """Raises: ValueError, if it is of a form that is not written out here."""
    given, steps = attributes(node), graph.shape(node.input[0])[0]
    known = graph.value(lengths) if lengths else None
    usual = [
        each.decode() if isinstance(each, bytes) else each for each in given.get("activations", [])
    ]
    if (
        (lengths and (known is None or np.any(known != steps)))
        or peepholes
        or given.get("layout")
        or given.get("input_forget")
        or "clip" in given
        or usual not in ([], DEFAULTS[node.op_type], 2 * DEFAULTS[node.op_type])
        or steps > MOST_STEPS
    ):
        raise ValueError(
            f"an {node.op_type} with lengths, peepholes, other activations or too long"
        )


def _split(graph: Graph, gates: str, hidden: int, count: int) -> list[str]:
    return graph.ops("Split", [gates, graph.constant(np.array([hidden] * count))], count, axis=-1)


def _run(
    graph: Graph,
    node: onnx.NodeProto,
    weights: tuple[str, str, str, str],
    states: list[str],
    step_of: Callable[[str, str], Step],
) -> list[str]:
    """All states [steps, directions, batch, hidden], and the last of each kind of state."""
    x, w, r, bias = weights
    steps, batch, _ = graph.shape(x)
    directions, _, hidden = graph.shape(r)
    is_backward = [attributes(node).get("direction", "forward") == "reverse", True][:directions]
    if directions == 2:
        is_backward[0] = False
    all_steps, lasts = [], []
    for direction in range(directions):
        mine = [_taken(graph, each, direction) if each else "" for each in (w, r, bias, *states)]
        zero = graph.constant(np.zeros((batch, hidden)), graph.dtype(x))
        now = [each or zero for each in mine[3:]]
        given = graph.op("MatMul", x, swap_last(graph, mine[0]))
        own = ""
        if mine[2]:
            half = graph.constant(np.array([graph.shape(mine[2])[0] // 2] * 2))
            theirs, own = graph.ops("Split", [mine[2], half], 2, axis=0)
            given = graph.op("Add", given, theirs)
        if own and node.op_type == "LSTM":
            given = graph.op("Add", given, own)
        step = step_of(own, swap_last(graph, mine[1]))
        found = [""] * steps
        for place in range(steps)[:: -1 if is_backward[direction] else 1]:
            now = step(_taken(graph, given, place), now)
            found[place] = graph.op("Unsqueeze", now[0], graph.constant(np.array([0, 1])))
        all_steps.append(graph.ops("Concat", found, 1, axis=0)[0] if steps > 1 else found[0])
        lasts.append([graph.op("Unsqueeze", each, graph.constant(np.array([0]))) for each in now])
    joined = [_joined(graph, list(each), 0) for each in zip(*lasts, strict=True)]
    return [_joined(graph, all_steps, 1), *joined]


def _joined(graph: Graph, parts: list[str], axis: int) -> str:
    return graph.ops("Concat", parts, 1, axis=axis)[0] if len(parts) > 1 else parts[0]


def _taken(graph: Graph, name: str, place: int) -> str:
    """One of the first axis, which goes."""
    return graph.op("Gather", name, graph.constant(np.array(place)), axis=0)
