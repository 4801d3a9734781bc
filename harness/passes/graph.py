"""The graph of pass states: what sequences are drawn from, judged, completed and repaired by.

`PASS_GRAPH` has a node for each pass and each state, with `kind` "pass" or "state". Edges from a
state to a pass are needs; those from a pass to a state are what it gives or destroys. Each edge has
its `relation` ("needs", "gives", "destroys") and `source`, where that is read. The edge by which
every lowering comes to a state has the `step` as well.

The functions below answer from the graph; what is asked for each mutant is computed from it once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import networkx

from harness.passes.catalogue import CATALOGUE
from harness.passes.orders import REQUIRED, Step
from harness.passes.pass_info import PassInfo, States
from harness.passes.state import State

KEPT = 4096  # answers; a campaign meets some hundred sets of states


def build_graph(rows: Iterable[PassInfo], required: Iterable[Step]) -> networkx.DiGraph:
    """The graph of these passes, with the steps that every lowering takes."""
    graph = networkx.DiGraph()
    for info in rows:
        graph.add_node(info.name, kind="pass", optional=info.optional)
        graph.add_nodes_from(info.needs | info.gives | info.destroys, kind="state")
        for state in info.needs:
            graph.add_edge(state, info.name, relation="needs", source=info.source)
        for relation, states in (("gives", info.gives), ("destroys", info.destroys)):
            for state in states:
                graph.add_edge(info.name, state, relation=relation, source=info.source)
    for step in required:
        graph.edges[step.call.name, step.state]["step"] = step
    return graph


PASS_GRAPH = build_graph(CATALOGUE.values(), REQUIRED)


@dataclass(frozen=True)
class _Transition:
    """The states next to a pass in the graph."""

    needs: States
    gives: States
    destroys: States


def _transition(name: str) -> _Transition:
    changed = PASS_GRAPH[name].items()
    return _Transition(
        needs=frozenset(PASS_GRAPH.predecessors(name)),
        gives=frozenset(state for state, edge in changed if edge["relation"] == "gives"),
        destroys=frozenset(state for state, edge in changed if edge["relation"] == "destroys"),
    )


_TRANSITIONS = {
    name: _transition(name) for name, kind in PASS_GRAPH.nodes(data="kind") if kind == "pass"
}
OPTIONAL = tuple(name for name in _TRANSITIONS if PASS_GRAPH.nodes[name]["optional"])


def is_legal_pass(name: str, states: States) -> bool:
    """Whether a module with these states has what the pass needs."""
    return _TRANSITIONS[name].needs <= states


def missing(name: str, states: States) -> States:
    """The states that the pass needs and a module with these states lacks."""
    return _TRANSITIONS[name].needs - states


def after(name: str, states: States) -> States:
    """The states of a module that had these, after the pass; an unknown one changes nothing."""
    transition = _TRANSITIONS.get(name)
    return states if transition is None else states - transition.destroys | transition.gives


@lru_cache(KEPT)
def legal_passes(states: States) -> tuple[str, ...]:
    """The optional passes that are legal on a module with these states."""
    return tuple(name for name in OPTIONAL if is_legal_pass(name, states))


@lru_cache(KEPT)
def moving_passes(states: States) -> tuple[str, ...]:
    """Those of the legal passes after which the states are others."""
    return tuple(name for name in legal_passes(states) if after(name, states) != states)


# The optional passes of a lowering, by the state that each is the cheapest way to.
PROVIDERS: dict[State, Step] = {
    state: step
    for name, state, step in PASS_GRAPH.edges(data="step")
    if step is not None and PASS_GRAPH.nodes[name]["optional"]
}


def _prerequisites() -> dict[State, States]:
    """For each state that has a provider: it, and the states that must come before it."""
    provided = networkx.DiGraph()
    for state, step in PROVIDERS.items():
        provided.add_edges_from((need, state) for need in PASS_GRAPH.predecessors(step.call.name))
    return {state: frozenset(networkx.ancestors(provided, state) | {state}) for state in PROVIDERS}


_PREREQUISITES = _prerequisites()


@lru_cache(KEPT)
def bridge(states: States, name: str) -> tuple[Step, ...] | None:
    """The steps that make the pass legal on a module with these states; None if none can."""
    steps: list[Step] = []
    for step in REQUIRED:
        lacking = missing(name, states)
        if not lacking:
            break
        # A missing state may need others that are given earlier in the required order.
        wanted = frozenset().union(*(_PREREQUISITES.get(state, {state}) for state in lacking))
        if step.state in states or step.state not in wanted:
            continue
        if step.state not in PROVIDERS or not is_legal_pass(step.call.name, states):
            return None
        steps.append(step)
        states = after(step.call.name, states)
    return tuple(steps) if is_legal_pass(name, states) else None


@lru_cache(KEPT)
def steps_left(states: States, for_runtime: bool) -> tuple[Step, ...]:
    """What a lowering still has to do on a module with these states, up to code generation."""
    left: list[Step] = []
    for step in REQUIRED:
        if step.state in states or step.on_demand or (step.for_runtime and not for_runtime):
            continue
        lacking = missing(step.call.name, states)
        first = [s for s in PROVIDERS.values() if s.on_demand and s.state in lacking]
        for taken in (*first, step):
            left.append(taken)
            states = after(taken.call.name, states)
    return tuple(left)
