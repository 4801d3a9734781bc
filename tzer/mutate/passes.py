"""Pass sequences: mutate the order of passes and their arguments.

In the mode "legal" the result is repaired to meet every pass's precondition from the module's
state; in the mode "any" it stays as drawn, for crashes alone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from harness.case import PassCall
from harness.passes import CATALOGUE, draw_call, draw_legal, draw_random, is_legal, repair

Calls = tuple[PassCall, ...]
Mode = Literal["legal", "any"]
LONGEST_MUTATED = 24
# How often a pass is drawn by what paid; the rest of the draws find what may pay.
LEARNED_SHARE = 0.5


@dataclass(frozen=True)
class PassContext:
    """The input of a mutation of passes.

    `states`: the module's initial states; `partner`: the passes of another case, for crossover;
    `after`: what is to be drawn after a pass of this name, or first, after "".
    """

    states: frozenset[Any] = frozenset()
    mode: Mode = "legal"
    partner: Calls = field(default=())
    after: Mapping[str, str] = field(default_factory=dict)


class PassMutator:
    """Base: `change` returns a sequence, which is then repaired and truncated."""

    name: ClassVar[str]

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        """Whether the mutator can change anything."""
        return bool(calls)

    def mutate(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        """Another sequence, or the same one if nothing can be changed."""
        if not self.can_mutate(calls, context):
            return calls
        for _ in range(4):
            changed = tuple(self.change(calls, rng, context))[:LONGEST_MUTATED]
            if context.mode == "legal" and not is_legal(context.states, changed):
                changed = tuple(repair(context.states, changed, rng))[:LONGEST_MUTATED]
            if changed != calls:
                return changed
        return calls

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        """Another sequence, which may be illegal."""
        raise NotImplementedError


def draw_some(rng: random.Random, context: PassContext, length: int = 1) -> Calls:
    """Random passes with random arguments."""
    if context.mode == "legal" and rng.random() < 0.5:
        return tuple(draw_legal(context.states, rng, length))
    return tuple(draw_random(rng, length))


def draw_after(calls: Calls, rng: random.Random, context: PassContext) -> Calls:
    """A pass to follow the calls: half of the time that which the context names."""
    name = context.after.get(calls[-1].name if calls else "")
    if name in CATALOGUE and rng.random() < LEARNED_SHARE:
        return (draw_call(rng, CATALOGUE[name]),)
    return draw_some(rng, context)


class AddPass(PassMutator):
    """Insert a pass."""

    name = "add-pass"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return True

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        where = rng.randint(0, len(calls))
        return (*calls[:where], *draw_after(calls[:where], rng, context), *calls[where:])


class RepeatPass(PassMutator):
    """Repeat a pass, immediately or later, which should change nothing."""

    name = "repeat-pass"

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        index = rng.randrange(len(calls))
        where = rng.choice([index, rng.randint(index, len(calls))])
        return (*calls[:where], calls[index], *calls[where:])


class DeletePass(PassMutator):
    """Remove a pass."""

    name = "delete-pass"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return len(calls) > 1

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        where = rng.randrange(len(calls))
        return (*calls[:where], *calls[where + 1 :])


class ReplacePass(PassMutator):
    """Replace a pass by another."""

    name = "replace-pass"

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        where = rng.randrange(len(calls))
        return (*calls[:where], *draw_after(calls[:where], rng, context), *calls[where + 1 :])


class TakeSubsequence(PassMutator):
    """Keep only a slice of the sequence."""

    name = "take-subsequence"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return len(calls) > 2

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        start = rng.randrange(len(calls))
        return calls[start : start + rng.randint(1, len(calls) - start)]


class ShuffleWindow(PassMutator):
    """Shuffle the passes of a window."""

    name = "shuffle-window"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return len(calls) > 1

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        start = rng.randrange(len(calls) - 1)
        window = list(calls[start : start + rng.randint(2, 5)])
        rng.shuffle(window)
        return (*calls[:start], *window, *calls[start + len(window) :])


class ChangeArguments(PassMutator):
    """Change the arguments of a pass."""

    name = "change-arguments"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return any(call.name in CATALOGUE and CATALOGUE[call.name].args for call in calls)

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        usable = [
            i
            for i, call in enumerate(calls)
            if call.name in CATALOGUE and CATALOGUE[call.name].args
        ]
        where = rng.choice(usable)
        fresh = draw_call(rng, CATALOGUE[calls[where].name])
        return (*calls[:where], fresh, *calls[where + 1 :])


class OnePointCrossover(PassMutator):
    """Crossover: the start of this sequence and the end of another."""

    name = "one-point-crossover"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return bool(calls and context.partner)

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        mine, theirs = rng.randint(0, len(calls)), rng.randint(0, len(context.partner))
        return (*calls[:mine], *context.partner[theirs:]) or calls


class TwoPointCrossover(PassMutator):
    """Replace a slice of this sequence by a slice of another."""

    name = "two-point-crossover"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return bool(calls and context.partner)

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        start, stop = sorted(rng.randint(0, len(calls)) for _ in range(2))
        first, last = sorted(rng.randint(0, len(context.partner)) for _ in range(2))
        return (*calls[:start], *context.partner[first:last], *calls[stop:]) or calls


PASS_MUTATORS: tuple[PassMutator, ...] = (
    AddPass(), RepeatPass(), DeletePass(), ReplacePass(), TakeSubsequence(), ShuffleWindow(),
    ChangeArguments(), OnePointCrossover(), TwoPointCrossover(),
)  # fmt: skip
