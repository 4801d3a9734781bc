"""Pictures of the graph of pass states: the whole of it, and the way of a lowering through it."""

from __future__ import annotations

from collections.abc import Iterator

import networkx

from harness.passes.graph import PASS_GRAPH
from harness.passes.orders import REQUIRED, Step

EDGE_STYLES = {"needs": "solid", "gives": "bold", "destroys": "dashed"}


def as_dot() -> str:
    """The whole graph for Graphviz: passes as boxes, states as ellipses."""
    lines = [
        *(f'  "{node}" [shape={"box" if kind == "pass" else "ellipse"}];'
          for node, kind in PASS_GRAPH.nodes(data="kind")),
        *(f'  "{start}" -> "{end}" [style={EDGE_STYLES[relation]}];'
          for start, end, relation in PASS_GRAPH.edges(data="relation")),
    ]  # fmt: skip
    return "\n".join(["digraph passes {", "  rankdir=LR;", *sorted(lines), "}"])


def lowering_as_mermaid() -> str:
    """The passes of every lowering: an arrow where the second needs a state that the first gives.

    Needs that follow from others are left out. Dashed: passes that run only on demand.
    """
    order = networkx.transitive_reduction(lowering_graph())
    lines = ["flowchart LR", *(f'    p{place}["{text}"]' for place, text in _texts())]
    lines += sorted(f"    p{start} --> p{end}" for start, end in order.edges)
    on_demand = ",".join(f"p{place}" for place, step in enumerate(REQUIRED) if step.on_demand)
    lines += ["    classDef demand stroke-dasharray: 4", f"    class {on_demand} demand"]
    return "\n".join(lines)


def lowering_graph() -> networkx.DiGraph:
    """The steps of a lowering (places in REQUIRED), each with those that need its state."""
    order = networkx.DiGraph()
    order.add_nodes_from(range(len(REQUIRED)))
    for place, step in enumerate(REQUIRED):
        order.add_edges_from(
            (place, other) for other, later in enumerate(REQUIRED) if _needs(later, step)
        )
    return order


def _needs(later: Step, step: Step) -> bool:
    return PASS_GRAPH.has_edge(step.state, later.call.name)


def _texts() -> Iterator[tuple[int, str]]:
    for place, step in enumerate(REQUIRED):
        yield place, f"{step.call.name.partition('.')[2]}<br>{step.state}"
