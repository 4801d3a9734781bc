"""Tasks of variants that read the same weight are made to read it in the same layout.

The kernel for one token and that for a whole sequence may be fastest with a matrix in panels of
different widths; then a bundle would hold each weight twice. The layout is taken that costs the
model the least time, all its variants together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import networkx as nx

from jitweb.model import ImportedModel
from jitweb.plan import Weight
from jitweb.space.candidate import Candidate
from jitweb.tune import TaskState, Tuner

Layout = frozenset[str]  # the names of the layouts of a task's shared weights
Positions = Mapping[str, frozenset[int]]  # of the shared weights among a task's parameters
RAW: Layout = frozenset({""})


def share_layouts(
    tuner: Tuner, states: Mapping[str, TaskState], models: Sequence[ImportedModel]
) -> None:
    """Change the best candidates of tasks where they read a weight in different layouts.

    A task keeps its own where no correct candidate has the other's.
    """
    for positions in _groups(models):
        layouts = {key: _layout(states[key].best, positions[key]) for key in positions}
        packing = [key for key, layout in layouts.items() if layout != RAW]
        packing.sort(key=lambda key: -states[key].task.flops * states[key].task.sites)
        options = dict.fromkeys(layouts[key] for key in packing)
        if len(options) < 2:
            continue
        fitting = {
            option: {
                key: [
                    each
                    for each in states[key].candidates
                    if _layout(each, positions[key]) == option
                ]
                for key in packing
            }
            for option in options
        }
        costs = {option: _cost(states, fitting[option]) for option in options}
        chosen = min(options, key=lambda option: costs[option])  # the first, if none is known
        for key, candidates in fitting[chosen].items():
            if layouts[key] != chosen:
                tuner.settle(states[key], candidates)


def _groups(models: Sequence[ImportedModel]) -> Iterator[Positions]:
    """Tasks that are connected by weights that they read, with these weights' positions."""
    readers: dict[str, set[tuple[str, int]]] = {}
    for model in models:
        for call in model.plan.calls:
            for position, operand in enumerate(call.args):
                if isinstance(operand, Weight):
                    readers.setdefault(operand.name, set()).add((call.task, position))
    graph = nx.Graph()
    for places in readers.values():
        nx.add_path(graph, sorted(places))
    for part in nx.connected_components(graph):
        positions: dict[str, frozenset[int]] = {}
        for key, position in sorted(part):
            positions[key] = positions.get(key, frozenset()) | {position}
        if len(positions) > 1:
            yield positions


def _layout(candidate: Candidate, positions: frozenset[int]) -> Layout:
    names = {each.position: each.name for each in candidate.build().packings}
    return frozenset(names.get(position, "") for position in positions)


def _cost(states: Mapping[str, TaskState], fitting: Mapping[str, list[Candidate]]) -> float:
    """Milliseconds of the model with the fastest of these; infinite if one wasn't measured."""
    total = 0.0
    for key, candidates in fitting.items():
        state = states[key]
        known = [state.times[each.text].min_ms for each in candidates if each.text in state.times]
        total += state.task.sites * min(known, default=math.inf)
    return total
