"""Steps on the schedule primitives of a case: fewer of them, plainer arguments, fewer loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness import compat
from harness.case import Case, JSONValue, PrimitiveCall
from harness.ir import rewrite
from harness.oracles.schedule import without_threads
from harness.schedules import DoesNotApply, Replay
from harness.schedules.table import PRIMITIVES, Takes
from tzer.mutate.base import prim_funcs
from tzer.triage.steps.edit import (
    Edit,
    ShrinkStep,
    chunks,
    if_readable,
    module_of,
    paths,
    put,
    without_calls,
)

SMALL = (0, 1, 2)


def _fewer_primitives(case: Case) -> list[Edit]:
    return [without_calls(case, "trace", *part) for part in chunks(len(case.trace))]


def _plain_arguments(case: Case) -> list[Edit]:
    edits: list[Edit] = []
    for index, call in enumerate(case.trace):
        for args in _plainer_list(call.args, fixed=True):
            calls = (*case.trace[:index], replace(call, args=args), *case.trace[index + 1 :])
            edits.append(_with_trace(case, calls))
    return edits


def _with_trace(case: Case, trace: tuple[PrimitiveCall, ...]) -> Edit:
    return lambda: replace(case, trace=trace)


def _plainer_list(
    values: tuple[JSONValue, ...], fixed: bool = False
) -> Iterator[tuple[JSONValue, ...]]:
    """Lists with one plainer value; with one value less, unless their length is `fixed`."""
    for position, value in enumerate(values):
        before, behind = values[:position], values[position + 1 :]
        if not fixed:
            yield (*before, *behind)
        for plainer in _plainer(value):
            yield (*before, plainer, *behind)


def _plainer(value: JSONValue) -> Iterator[JSONValue]:
    if isinstance(value, tuple):
        yield from _plainer_list(value)
    elif isinstance(value, bool):
        yield from [False] if value else []
    elif isinstance(value, int):
        yield from (small for small in SMALL if small < value)


def _fewer_loops(case: Case) -> list[Edit]:
    """Without one of the loops, which those inside it are numbered by in the trace."""
    if not case.trace:
        return []
    edits: list[Edit] = []
    for var, function in prim_funcs(module_of(case.module)):
        for path, node in paths(function):
            if compat.type_key(node) == "For":
                edits.append(_without_loop(case, var, function, path, node))
    return edits


def _without_loop(case: Case, var: Any, function: Any, path: rewrite.Path, loop: Any) -> Edit:
    def made() -> Case:
        depth = _loops_around(function, path)
        below = {str(n.name_hint) for n in compat.nodes(loop) if compat.type_key(n) == "SBlock"}
        trace = tuple(_renumbered(call, below, depth) for call in case.trace)
        body = rewrite.substitute(loop.body, {loop.loop_var: loop.min})
        changed = put(function, path, body)
        module = rewrite.with_function(module_of(case.module), var, changed)
        return replace(case.with_module(module), trace=trace)

    return made


def _loops_around(function: Any, path: rewrite.Path) -> int:
    spine = (rewrite.at(function, path[:length]) for length in range(1, len(path)))
    return sum(1 for node in spine if compat.type_key(node) == "For")


def _renumbered(call: PrimitiveCall, blocks: set[str], depth: int) -> PrimitiveCall:
    """The call with the loops of these blocks numbered as without the one at this depth."""
    primitive = PRIMITIVES.get(call.name)
    kinds = primitive.kinds if primitive else ()
    args = list(call.args)
    for position, kind in enumerate(kinds[: len(args)]):
        if kind in (Takes.LOOP, Takes.TARGET):
            args[position] = _lower(args[position], blocks, depth)
        elif kind is Takes.LOOPS and isinstance(args[position], tuple):
            loops = args[position]
            assert isinstance(loops, tuple)
            args[position] = tuple(_lower(each, blocks, depth) for each in loops)
    return replace(call, args=tuple(args))


def _lower(loop: JSONValue, blocks: set[str], depth: int) -> JSONValue:
    match loop:
        case (str() as block, int() as number) if block in blocks and number > depth:
            return block, number - 1
    return loop


def _scheduled_program(case: Case) -> list[Edit]:
    """What the first primitives leave as the program itself, as many of them as possible."""
    return [_scheduled(case, kept) for kept in range(len(case.trace))]


def _scheduled(case: Case, kept: int) -> Edit:
    """The program after all but the last `kept` primitives."""
    applied = case.trace[: len(case.trace) - kept]

    def made() -> Case | None:
        replay = Replay(module_of(case.module))
        for call in applied:
            try:
                replay.apply(call)
            except DoesNotApply:
                continue
        module = replay.module if kept else without_threads(replay.module)
        return if_readable(case, module, trace=case.trace[len(applied) :])

    return made


TRACES = (
    ShrinkStep("trace", "the schedule primitives that it does not need", _fewer_primitives),
    ShrinkStep("primitives", "plain arguments of schedule primitives", _plain_arguments),
    ShrinkStep("scheduled", "a program needs no schedule that was applied", _scheduled_program),
    ShrinkStep("loops-of-trace", "fewer loops, renumbered in the trace", _fewer_loops),
)
