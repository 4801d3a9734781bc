"""The catalogue as a graph: passes and states, and how passes change states."""

from __future__ import annotations

import networkx

from harness.passes.catalogue import CATALOGUE


def _build() -> networkx.DiGraph:
    """State -> pass edges are needs; pass -> state edges are gives or destroys.

    Each edge has `relation` ("needs", "gives" or "destroys") and `source`, why it is so; each node
    has `kind`, "pass" or "state".
    """
    graph = networkx.DiGraph()
    for info in CATALOGUE.values():
        graph.add_node(info.name, kind="pass", source=info.source)
        for state in info.needs | info.gives | info.destroys:
            graph.add_node(state, kind="state")
        for state in info.needs:
            graph.add_edge(state, info.name, relation="needs", source=info.source)
        for relation, states in (("gives", info.gives), ("destroys", info.destroys)):
            for state in states:
                graph.add_edge(info.name, state, relation=relation, source=info.source)
    return graph


PASS_GRAPH: networkx.DiGraph = _build()
