"""LSTM, GRU and RNN, step by step: as many as the sequence is long.

The products with the input are one matmul for all steps; a step adds that with its own state. All
steps are the same kernels on the same weights. Source: ONNX's operator specification.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from jitweb.errors import JitwebError
from jitweb.onnx.fused import swap_last
from jitweb.onnx.graph import Graph, attributes, node_text, operands

MOST_STEPS = 256  # of a sequence: each is a dozen kernel calls
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
PLAIN = ("Relu", "Tanh", "Sigmoid", "Softsign", "Softplus")  # activations without parameters
# Those with a slope, and the slope that is meant where none is given.
SLOPES = {"LeakyRelu": 0.01, "ThresholdedRelu": 1.0, "Elu": 1.0}
# Those with a factor and a summand, with these.
LINES = {"Affine": (1.0, 0.0), "ScaledTanh": (1.0, 1.0), "HardSigmoid": (0.2, 0.5)}
Step = Callable[[str, list[str]], list[str]]  # the input's part and the states: the new states
Activation = Callable[[str], str]


def rnn(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """RNN: a state, and what the input adds to it."""
    x, w, r, bias, lengths, h = operands(node, 6)
    _check(graph, node)

    def step_of(own: str, recurrent: str, activations: list[Activation], place: int) -> Step:
        def step(given: str, states: list[str]) -> list[str]:
            product = graph.op("MatMul", states[0], recurrent)
            return [activations[0](graph.op("Add", given, product))]

        return step

    return _run(graph, node, (x, w, r, bias), lengths, [h], step_of)


def lstm(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """LSTM: gates i, o, f, c."""
    x, w, r, bias, lengths, h, c, peepholes = operands(node, 8)
    _check(graph, node)
    hidden, is_coupled = graph.shape(r)[-1], attributes(node).get("input_forget")

    def step_of(own: str, recurrent: str, activations: list[Activation], place: int) -> Step:
        of_gate, of_cell, of_state = activations
        looks = _split(graph, _taken(graph, peepholes, place), hidden, 3) if peepholes else [""] * 3

        def gate(value: str, cell: str, weight: str) -> str:
            seen = graph.op("Add", value, graph.op("Mul", weight, cell)) if weight else value
            return of_gate(seen)

        def step(given: str, states: list[str]) -> list[str]:
            product = graph.op("MatMul", states[0], recurrent)
            gates = _split(graph, graph.op("Add", given, product), hidden, 4)
            i = gate(gates[0], states[1], looks[0])
            if is_coupled:
                f = graph.op("Sub", graph.constant(1.0, graph.dtype(x)), i)
            else:
                f = gate(gates[2], states[1], looks[2])
            kept = graph.op("Mul", f, states[1])
            new = graph.op("Add", kept, graph.op("Mul", i, of_cell(gates[3])))
            return [graph.op("Mul", gate(gates[1], new, looks[1]), of_state(new)), new]

        return step

    return _run(graph, node, (x, w, r, bias), lengths, [h, c], step_of)


def gru(graph: Graph, node: onnx.NodeProto) -> list[str]:
    """GRU: gates z, r, h; the reset is applied to the state, or to its product."""
    x, w, r, bias, lengths, h = operands(node, 6)
    _check(graph, node)
    hidden = graph.shape(r)[-1]
    is_after = bool(attributes(node).get("linear_before_reset", 0))

    def step_of(bias: str, recurrent: str, activations: list[Activation], place: int) -> Step:
        of_gate, of_state = activations
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
            z, r = (of_gate(graph.op("Add", a, b)) for a, b in zip((z, r), own, strict=True))
            if is_after:
                reset = graph.op("Mul", r, product(state, 1))
            else:
                reset = product(graph.op("Mul", r, state), 1)
            new = of_state(graph.op("Add", h, reset))
            # (1 - z) new + z state
            return [graph.op("Add", new, graph.op("Mul", z, graph.op("Sub", state, new)))]

        return step

    return _run(graph, node, (x, w, r, bias), lengths, [h], step_of)


def _check(graph: Graph, node: onnx.NodeProto) -> None:
    """Raises: JitwebError, if it is of a form that is not written out here."""
    if attributes(node).get("layout"):  # which onnxruntime does not take either
        raise JitwebError(f"{node_text(node)} has the batch first; export the model with layout=0")
    steps = graph.shape(node.input[0])[0]
    if steps > MOST_STEPS:
        raise JitwebError(
            f"{node_text(node)} has {steps} steps, and at most {MOST_STEPS} are written out; use "
            "a shorter sequence"
        )


def _activations(graph: Graph, node: onnx.NodeProto, directions: int) -> list[list[Activation]]:
    """The activations of each direction; each is of what `clip` leaves."""
    given, usual = attributes(node), DEFAULTS[node.op_type]
    texts = (each.decode() for each in given.get("activations", []))
    named = list(texts) or usual * directions
    slopes, summands = (iter(given.get(f"activation_{each}", [])) for each in ("alpha", "beta"))
    made: list[Activation] = []
    for place, name in enumerate(named):
        is_of_cell = node.op_type == "LSTM" and place % 3 == 2  # onnxruntime cuts the gates' alone
        limit = None if is_of_cell else given.get("clip")
        kind = next((k for k in (*PLAIN, *SLOPES, *LINES) if k.lower() == name.lower()), "")
        if kind in SLOPES:
            made.append(_activation(graph, kind, next(slopes, SLOPES[kind]), 0.0, limit))
        elif kind in LINES:
            slope, summand = LINES[kind]
            line = (next(slopes, slope), next(summands, summand))
            made.append(_activation(graph, kind, *line, limit))
        elif kind:
            made.append(_activation(graph, kind, 0.0, 0.0, limit))
        else:
            raise JitwebError(f"{node_text(node)} has the activation {name}, which ONNX lacks")
    if len(made) != len(usual) * directions:
        raise JitwebError(f"{node_text(node)} has {len(made)} activations; export the model again")
    return [made[place * len(usual) :][: len(usual)] for place in range(directions)]


def _activation(
    graph: Graph, kind: str, slope: float, summand: float, limit: float | None
) -> Activation:
    def limited(x: str) -> str:
        if not limit:
            return x
        ends = (graph.constant(end, graph.dtype(x)) for end in (-limit, limit))
        return graph.op("Clip", x, *ends)

    def scaled(x: str, factor: float) -> str:
        return graph.op("Mul", x, graph.constant(factor, graph.dtype(x)))

    def activation(x: str) -> str:
        x = limited(x)
        if kind == "Affine":
            return graph.op("Add", scaled(x, slope), graph.constant(summand, graph.dtype(x)))
        if kind == "ScaledTanh":
            return scaled(graph.op("Tanh", scaled(x, summand)), slope)
        if kind == "HardSigmoid":
            return graph.op(kind, x, alpha=slope, beta=summand)
        return graph.op(kind, x, **({"alpha": slope} if kind in SLOPES else {}))

    return activation


def _split(graph: Graph, gates: str, hidden: int, count: int) -> list[str]:
    return graph.ops("Split", [gates, graph.constant(np.array([hidden] * count))], count, axis=-1)


def _run(
    graph: Graph,
    node: onnx.NodeProto,
    weights: tuple[str, str, str, str],
    lengths: str,
    states: list[str],
    step_of: Callable[[str, str, list[Activation], int], Step],
) -> list[str]:
    """All states [steps, directions, batch, hidden], and the last of each kind of state."""
    x, w, r, bias = weights
    steps, batch, _ = graph.shape(x)
    directions, _, hidden = graph.shape(r)
    is_backward = [attributes(node).get("direction", "forward") == "reverse", True][:directions]
    if directions == 2:
        is_backward[0] = False
    all_steps, lasts = [], []
    activations = _activations(graph, node, directions)
    known = graph.value(lengths) if lengths else None
    if known is not None and np.all(known == steps):
        lengths = ""
    if lengths:
        lengths = graph.op("Reshape", lengths, graph.constant(np.array([batch, 1])))
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
        if own and node.op_type != "GRU":
            given = graph.op("Add", given, own)
        recurrent = swap_last(graph, mine[1])
        step = step_of(own, recurrent, activations[direction], direction)
        found = [""] * steps
        for place in range(steps)[:: -1 if is_backward[direction] else 1]:
            new = step(_taken(graph, given, place), now)
            if lengths:  # what lies beyond one's own leaves its states
                is_in = graph.op("Less", graph.constant(place, graph.dtype(lengths)), lengths)
                pairs = zip(new, now, strict=True)
                new = [graph.op("Where", is_in, after, before) for after, before in pairs]
            now = new
            found[place] = graph.op("Unsqueeze", now[0], graph.constant(np.array([0, 1])))
        all_steps.append(graph.ops("Concat", found, 1, axis=0)[0] if steps > 1 else found[0])
        lasts.append([graph.op("Unsqueeze", each, graph.constant(np.array([0]))) for each in now])
    joined = [_joined(graph, list(each), 0) for each in zip(*lasts, strict=True)]
    whole = _joined(graph, all_steps, 1)
    if lengths:  # and gives zeros
        numbers = graph.constant(np.arange(steps).reshape(-1, 1, 1, 1), graph.dtype(lengths))
        is_in = graph.op("Less", numbers, lengths)
        whole = graph.op("Where", is_in, whole, graph.constant(0.0, graph.dtype(x)))
    return [whole, *joined]


def _joined(graph: Graph, parts: list[str], axis: int) -> str:
    return graph.ops("Concat", parts, 1, axis=axis)[0] if len(parts) > 1 else parts[0]


def _taken(graph: Graph, name: str, place: int) -> str:
    """One of the first axis, which goes."""
    return graph.op("Gather", name, graph.constant(np.array(place)), axis=0)
