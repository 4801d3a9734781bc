"""Pass sequences: mutators of the order in which passes are applied, and of their arguments.

In the mode "legal" the result is repaired to meet every pass's precondition from the module's
state; in the mode "any" it stays as drawn, for crashes alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from harness.case import PassCall
from harness.passes import CATALOGUE, draw_call, draw_legal, draw_random, is_legal, repair

Calls = tuple[PassCall, ...]
Mode = Literal["legal", "any"]
LONGEST = 24


@dataclass(frozen=True)
class PassContext:
    """What a mutation of passes may look at.

    `states`: the module's initial states; `partner`: the passes of another case, for crossover.
    """

    states: frozenset[Any] = frozenset()
    mode: Mode = "legal"
    partner: Calls = field(default=())


class PassMutator:
    """Base: `change` gives a raw sequence, which is then repaired and cut to length."""

    name: ClassVar[str]

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        """Whether the mutator has something to work on."""
        return bool(calls)

    def mutate(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        """Another sequence; the same one where there is nothing to do."""
        if not self.can_mutate(calls, context):
            return calls
        for _ in range(4):
            changed = tuple(self.change(calls, rng, context))[:LONGEST]
            if context.mode == "legal" and not is_legal(context.states, changed):
                changed = tuple(repair(context.states, changed, rng))[:LONGEST]
            if changed != calls:
                return changed
        return calls

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        """Another sequence, perhaps an illegal one."""
        raise NotImplementedError


def draw_some(rng: random.Random, context: PassContext, length: int = 1) -> Calls:
    """Passes with arguments, drawn at random."""
    if context.mode == "legal" and rng.random() < 0.5:
        return tuple(draw_legal(context.states, rng, length))
    return tuple(draw_random(rng, length))


class AddPass(PassMutator):
    """One more pass, somewhere."""

    name = "add-pass"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return True

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        where = rng.randint(0, len(calls))
        return (*calls[:where], *draw_some(rng, context), *calls[where:])


class RepeatPass(PassMutator):
    """A pass a second time, at once or later: what passes should do nothing on."""

    name = "repeat-pass"

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        index = rng.randrange(len(calls))
        where = rng.choice([index, rng.randint(index, len(calls))])
        return (*calls[:where], calls[index], *calls[where:])


class DeletePass(PassMutator):
    """One pass less."""

    name = "delete-pass"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return len(calls) > 1

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        where = rng.randrange(len(calls))
        return (*calls[:where], *calls[where + 1 :])


class ReplacePass(PassMutator):
    """Another pass in the place of one."""

    name = "replace-pass"

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        where = rng.randrange(len(calls))
        return (*calls[:where], *draw_some(rng, context), *calls[where + 1 :])


class TakeSubsequence(PassMutator):
    """A stretch of the sequence alone."""

    name = "take-subsequence"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return len(calls) > 2

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        start = rng.randrange(len(calls))
        return calls[start : start + rng.randint(1, len(calls) - start)]


class ShuffleWindow(PassMutator):
    """The passes of a window in another order."""

    name = "shuffle-window"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return len(calls) > 1

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        start = rng.randrange(len(calls) - 1)
        window = list(calls[start : start + rng.randint(2, 5)])
        rng.shuffle(window)
        return (*calls[:start], *window, *calls[start + len(window) :])


class ChangeArguments(PassMutator):
    """A pass with other arguments."""

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
    """The beginning of this sequence, the end of another."""

    name = "one-point-crossover"

    def can_mutate(self, calls: Calls, context: PassContext) -> bool:
        return bool(calls and context.partner)

    def change(self, calls: Calls, rng: random.Random, context: PassContext) -> Calls:
        mine, theirs = rng.randint(0, len(calls)), rng.randint(0, len(context.partner))
        return (*calls[:mine], *context.partner[theirs:]) or calls


class TwoPointCrossover(PassMutator):
    """A stretch of another sequence in the place of a stretch of this one."""

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
