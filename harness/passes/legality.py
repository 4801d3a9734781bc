"""Legality: checks whether each pass of a sequence has the states that it needs, and repairs it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from harness.case import CaseError, PassCall
from harness.passes.graph import after, bridge, is_legal_pass, steps_left
from harness.passes.make import check_call
from harness.passes.orders import REQUIRED, bind
from harness.passes.pass_info import States
from harness.targets import get_target

Calls = Sequence[PassCall]
DROPPED_SHARE = 0.25  # of the calls that could be made legal, so that repairs don't add up


def minimal_order(target: str) -> tuple[PassCall, ...]:
    """The passes that every lowering requires."""
    has_runtime = get_target(target).has_runtime
    steps = (step for step in REQUIRED if has_runtime or not step.for_runtime)
    return tuple(step.call for step in (bind(target), *steps))


def states_after(states: States, calls: Iterable[PassCall]) -> States:
    """The states after the calls, whether legal or not; unknown passes change nothing."""
    for call in calls:
        states = after(call.name, states)
    return states


def first_illegal(states: States, calls: Calls) -> int | None:
    """The position of the first pass that lacks a state or has wrong arguments, or None."""
    for position, call in enumerate(calls):
        try:
            check_call(call)
        except CaseError:
            return position
        if not is_legal_pass(call.name, states):
            return position
        states = after(call.name, states)
    return None


def is_legal(states: States, calls: Calls) -> bool:
    """Whether every pass has the states that it needs."""
    return first_illegal(states, calls) is None


def complete(states: States, calls: Calls, target: str) -> tuple[PassCall, ...]:
    """The passes that are missing after the calls, up to code generation for the target."""
    states = states_after(states, calls)
    first = bind(target)
    is_bound = first.state in states
    states = states if is_bound else after(first.call.name, states)
    rest = tuple(step.call for step in steps_left(states, get_target(target).has_runtime))
    return rest if is_bound else (first.call, *rest)


def repair(states: States, calls: Calls, rng: random.Random) -> tuple[PassCall, ...]:
    """The nearest legal sequence: passes that a call needs are inserted, or the call is dropped.

    If passes could be inserted to make a call legal, one time in four the call is dropped instead,
    so that repeated repairs don't make sequences longer and longer.
    """
    repaired: list[PassCall] = []
    for call in calls:
        try:
            check_call(call)
        except CaseError:
            continue
        before = bridge(states, call.name)
        if before is None or (before and rng.random() < DROPPED_SHARE):
            continue
        repaired += [*(step.call for step in before), call]
        states = states_after(states, repaired[-1 - len(before) :])
    return tuple(repaired)
