"""The graph of pass states, with which sequences are drawn, checked, completed and repaired.

`PASS_GRAPH` has a node for each pass and each state, with `kind` "pass" or "state". An edge from a
state to a pass is a need; one from a pass to a state means that the pass gives or destroys it. Each
edge has its `relation` ("needs", "gives", "destroys") and its `source` in TVM. The edge by which
every lowering reaches a state also has the `step`.

The functions below query the graph; results that are needed for each mutant are cached.
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

CACHE_SIZE = 4096  # results; a campaign has a few hundred sets of states


def build_graph(rows: Iterable[PassInfo], required: Iterable[Step]) -> networkx.DiGraph:
    """The graph of these passes, with the steps of every lowering."""
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


@lru_cache(CACHE_SIZE)
def legal_passes(states: States) -> tuple[str, ...]:
    """The optional passes that are legal on a module with these states."""
    return tuple(name for name in OPTIONAL if is_legal_pass(name, states))


@lru_cache(CACHE_SIZE)
def moving_passes(states: States) -> tuple[str, ...]:
    """The legal passes that change the states."""
    return tuple(name for name in legal_passes(states) if after(name, states) != states)


# The optional passes of a lowering, by the state that each provides with the fewest steps.
PROVIDERS: dict[State, Step] = {
    state: step
    for name, state, step in PASS_GRAPH.edges(data="step")
    if step is not None and PASS_GRAPH.nodes[name]["optional"]
}


def _prerequisites() -> dict[State, States]:
    """For each state that has a provider: the state and those that must be reached before it."""
    provided = networkx.DiGraph()
    for state, step in PROVIDERS.items():
        provided.add_edges_from((need, state) for need in PASS_GRAPH.predecessors(step.call.name))
    return {state: frozenset(networkx.ancestors(provided, state) | {state}) for state in PROVIDERS}


_PREREQUISITES = _prerequisites()


@lru_cache(CACHE_SIZE)
def bridge(states: States, name: str) -> tuple[Step, ...] | None:
    """The steps that make the pass legal on a module with these states; None if none can."""
    steps: list[Step] = []
    for step in REQUIRED:
        lacking = missing(name, states)
        if not lacking:
            break
        # A missing state may need others that passes earlier in the required order give.
        wanted = frozenset().union(*(_PREREQUISITES.get(state, {state}) for state in lacking))
        if step.state in states or step.state not in wanted:
            continue
        if step.state not in PROVIDERS or not is_legal_pass(step.call.name, states):
            return None
        steps.append(step)
        states = after(step.call.name, states)
    return tuple(steps) if is_legal_pass(name, states) else None


@lru_cache(CACHE_SIZE)
def steps_left(states: States, for_runtime: bool) -> tuple[Step, ...]:
    """The remaining steps of a lowering for a module with these states, up to code generation."""
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
