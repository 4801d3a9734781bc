"""Joint: which corpus entry is mutated next, and whether its program or its passes.

The paper's loop ("Coverage-Guided Tensor Compiler Fuzzing with Joint IR-Pass Mutation", OOPSLA
2022, algorithm 1): a seed is a pair of a TIR program and a pass sequence with two counters. Its
program is mutated until `tolerance` mutations in a row bring nothing new, then its passes are
until `PASS_TOLERANCE` bring nothing new, and back. To this the scheduler adds programs drawn afresh
from the typed generator, entries chosen by the rarity of their coverage (`rarity.py`) and mutators
by the new blocks a second that they brought (`rates.py`).

Pure and deterministic from its random generator: it runs nothing and knows nothing of TVM. The
campaign asks it for a `MutationPlan`, has a worker carry it out, and tells it what came of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from harness.case import PassCall
from harness.oracles.known_issues import KnownIssue
from tzer.avoidance import Avoidance
from tzer.options import DEFAULT_TOLERANCE, Strategy
from tzer.rarity import Rarity
from tzer.rates import Ranking, Shares
from tzer.transitions import START, Transitions

# The prototype of the paper gives passes one fruitless try before it goes back to the program.
PASS_TOLERANCE = 1
# The share of mutants whose pass sequence is drawn or repaired to be legal: exceptions count only
# in those, crashes in any.
LEGAL_SHARE = 0.8
# How often a test draws a fresh program (operators compile without incident, and unusual programs
# are where the failures are), mutates an entry, or draws passes afresh for one. Where coverage
# guides, these follow new blocks a second: of those beyond the seeds', fresh programs brought 93 %
# in the first minutes, in a quarter of the tests.
GENERATE_SHARE = 0.25
FRESH, MUTATE, REDRAW = "fresh", "mutate", "redraw"
SOURCES = {FRESH: GENERATE_SHARE, MUTATE: 0.6, REDRAW: 0.15}
# How many passes a sequence has at most that is drawn, not mutated.
LONGEST_DRAWN = 8
CAPACITY = 20_000
UNGUIDED_CAPACITY = 4_096
REWEIGH_EVERY = 20
KNOWN_COST = 0.5
# An entry's weight is divided by its run time; below this, faster is no better.
FAST_SECONDS = 0.05


class Action(StrEnum):
    """What a worker is asked to do."""

    IR = "ir"
    PASSES = "passes"
    DRAW_PASSES = "draw-passes"
    GENERATE = "generate"
    REPLAY = "replay"


@dataclass(frozen=True)
class MutationPlan:
    """One test to make: mutate `entry` by the first of `mutators` that can, `count` times over.

    `partner` is the entry whose passes a crossover takes from. `seed` makes the worker's choices.
    `avoid` are the ingredients to be rewritten in a changed program. `wanted` are passes to draw,
    and `after` a pass to add after each, as far as they have paid; some draws stay uniform.
    """

    action: Action
    entry: int | None = None
    partner: int | None = None
    mutators: tuple[str, ...] = ()
    count: int = 1
    legal: bool = True
    seed: int = 0
    avoid: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    after: tuple[tuple[str, str], ...] = ()


@dataclass
class ScheduledEntry:
    """The counters of one corpus entry, and the names of its passes."""

    id: int
    chosen: int = 0
    ir_failures: int = 0
    pass_failures: int = 0
    seconds: float = 0.1
    passes: tuple[str, ...] = ()


class Scheduler:
    """The pool of entries and what was learned about them and the mutators.

    `ir_mutators` and `pass_mutators` are names; `general` those of the IR mutators that are
    general-purpose, the only ones of the strategy of that name; `passes` are the names of those to
    draw.
    """

    def __init__(
        self,
        rng: random.Random,
        ir_mutators: Iterable[str],
        pass_mutators: Iterable[str],
        *,
        general: Iterable[str] = (),
        ingredients: Iterable[str] = (),
        passes: Iterable[str] = (),
        strategy: Strategy = Strategy.JOINT,
        tolerance: int = DEFAULT_TOLERANCE,
        capacity: int = CAPACITY,
    ) -> None:
        self.rng = rng
        self.switches = strategy.switches
        self.tolerance = tolerance
        self.capacity = capacity
        self.ir_mutators = Ranking(ir_mutators)
        self.pass_mutators = Ranking(pass_mutators)
        self.avoidance = Avoidance(ingredients)
        self.transitions = Transitions(passes)
        self.sources = Shares(SOURCES)
        self.general = frozenset(general)
        self.rarity = Rarity()
        self.entries: dict[int, ScheduledEntry] = {}
        self._changed: set[int] = set()
        self._order: list[int] = []
        self._rarities = np.empty(0)
        self._stale = 0

    @property
    def guided(self) -> bool:
        """Whether coverage decides what is kept and chosen."""
        return self.switches.coverage

    # What comes in.

    def add(self, entry: ScheduledEntry, blocks: np.ndarray) -> int | None:
        """Take an entry into the pool; `blocks` (ids) may be empty where they aren't known.

        Returns the entry that had to leave a full pool, if any.
        """
        self.entries[entry.id] = entry
        self.rarity.add(entry.id, blocks)
        self._stale = 0
        if len(self.entries) <= self.capacity:
            return None
        least = self._least_promising()
        del self.entries[least]
        self.rarity.remove(least)
        self._stale = 0
        return least

    def wants_everything(self) -> bool:
        """Whether a valid mutant is kept without new coverage."""
        return not self.guided and len(self.entries) < UNGUIDED_CAPACITY

    def learn(
        self,
        plan: MutationPlan,
        mutator: str,
        blocks: int,
        seconds: float,
        *,
        tested: Sequence[str] = (),
        needed: Sequence[str] = (),
        ingredients: tuple[str, ...] = (),
        known: KnownIssue | None = None,
    ) -> None:
        """What came of a plan: the mutator that was used ("" if none could), new blocks, time.

        `tested` are the passes of the test, `needed` those without which it brings less.
        `ingredients` are those of a changed program, `known` the known issue that it ended at. That
        is as bad for the mutator as a test that takes `KNOWN_COST` seconds longer.
        """
        blocks = blocks if self.guided else 0
        ranking = self.pass_mutators if plan.action is Action.PASSES else self.ir_mutators
        ranking.learn(mutator, blocks, seconds + (KNOWN_COST if known is not None else 0.0))
        self.transitions.learn(tested, needed, blocks, seconds)
        self.sources.learn(_source(plan.action), blocks, seconds)
        self.avoidance.learn(ingredients, known)
        entry = self.entries.get(plan.entry) if plan.entry is not None else None
        if entry is None:
            return
        entry.seconds += 0.3 * (seconds - entry.seconds)
        self._count(entry, plan.action, blocks > 0)
        self._changed.add(entry.id)

    def _count(self, entry: ScheduledEntry, action: Action, found: bool) -> None:
        if found:
            entry.ir_failures = entry.pass_failures = 0
        elif action is Action.IR:
            entry.ir_failures += 1
        elif action is Action.PASSES:
            entry.pass_failures += 1
        if entry.ir_failures >= self.tolerance and entry.pass_failures >= PASS_TOLERANCE:
            entry.ir_failures = entry.pass_failures = 0

    def take_changed(self) -> list[ScheduledEntry]:
        """The entries whose counters changed since the last call, to be written down."""
        changed = [self.entries[name] for name in sorted(self._changed) if name in self.entries]
        self._changed.clear()
        return changed

    # What goes out.

    def next(self) -> MutationPlan:
        """The next test. With an empty pool it is a fresh program."""
        rng = self.rng
        legal = rng.random() < LEGAL_SHARE
        source = self._source()
        if source == FRESH or not self.entries:
            count = rng.randint(0, LONGEST_DRAWN) if self._draws_passes else 0
            avoid = self.avoidance.draw(rng)
            return MutationPlan(
                Action.GENERATE,
                count=count,
                legal=legal,
                seed=self._seed(),
                avoid=avoid,
                wanted=self._wanted(count),
            )
        entry = self.entries[self._choose()]
        entry.chosen += 1
        self._changed.add(entry.id)
        action = self._action(entry) if source == MUTATE else Action.DRAW_PASSES
        return MutationPlan(
            action,
            entry=entry.id,
            partner=self._partner(),
            mutators=self._mutators(action),
            count=self._count_of(action),
            legal=legal,
            seed=self._seed(),
            avoid=self.avoidance.draw(rng) if action is Action.IR else (),
            wanted=self._wanted(LONGEST_DRAWN) if action is not Action.IR else (),
            after=self._after(entry.passes) if action is Action.PASSES else (),
        )

    def _source(self) -> str:
        """What the next test begins with."""
        if not self.switches.programs:
            return REDRAW
        among = (FRESH, MUTATE, REDRAW) if self.switches.passes else (FRESH, MUTATE)
        return self.sources.draw(self.rng, among, fixed=not self.guided)

    def _action(self, entry: ScheduledEntry) -> Action:
        if not self.switches.passes or entry.ir_failures < self.tolerance:
            return Action.IR
        return Action.PASSES

    @property
    def _draws_passes(self) -> bool:
        return self.switches.passes or not self.switches.programs

    @property
    def _learns_passes(self) -> bool:
        return self.guided and self.switches.passes

    def _wanted(self, length: int) -> tuple[str, ...]:
        return self.transitions.chain(self.rng, length) if self._learns_passes else ()

    def _after(self, passes: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """A successor of each of these passes, and of the start."""
        if not self._learns_passes or not self.transitions.names:
            return ()
        before = dict.fromkeys((START, *passes))
        return tuple((name, self.transitions.successor(self.rng, name)) for name in before)

    def _mutators(self, action: Action) -> tuple[str, ...]:
        if action is Action.PASSES:
            return self.pass_mutators.draw(self.rng, uniform=not self.guided)
        if action is Action.IR:
            among = None if self.switches.specific else self.general
            return self.ir_mutators.draw(self.rng, uniform=not self.guided, among=among)
        return ()

    def _count_of(self, action: Action) -> int:
        """How many mutations are stacked, or how many passes are drawn."""
        if action is Action.DRAW_PASSES:
            return self.rng.randint(1, LONGEST_DRAWN)
        return self.rng.choices((1, 2, 4), (6, 3, 1))[0]

    def _choose(self) -> int:
        """An entry, with probability by rarity, speed and how seldom it was chosen."""
        self._reweigh()
        chosen = np.array([1 + self.entries[name].chosen for name in self._order], float)
        if not self.guided:
            return self._order[self.rng.randrange(len(self._order))]
        seconds = np.array([self.entries[name].seconds for name in self._order])
        weights = np.cumsum(self._rarities / chosen / np.maximum(seconds, FAST_SECONDS))
        index = int(np.searchsorted(weights, self.rng.random() * weights[-1], side="right"))
        return self._order[min(index, len(self._order) - 1)]

    def _partner(self) -> int:
        return self._order[self.rng.randrange(len(self._order))]

    def _reweigh(self) -> None:
        """Weigh all entries again, but not for each choice: counts change slowly."""
        if self._stale == 0:
            self._order = sorted(self.entries)
            self._rarities = self.rarity.weights(self._order)
            self._stale = REWEIGH_EVERY
        self._stale -= 1

    def _least_promising(self) -> int:
        self._reweigh()
        chosen = np.array([1 + self.entries[name].chosen for name in self._order], float)
        return self._order[int(np.argmin(self._rarities / chosen))]

    def _seed(self) -> int:
        return self.rng.getrandbits(48)

    # What survives the process.

    def state(self) -> dict[str, Any]:
        """What was learned about the mutators, as JSON."""
        return {
            "ir": self.ir_mutators.state(),
            "passes": self.pass_mutators.state(),
            "avoidance": self.avoidance.state(),
            "sources": self.sources.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`; entries are added one by one."""
        self.ir_mutators.restore(state.get("ir", {}))
        self.pass_mutators.restore(state.get("passes", {}))
        self.avoidance.restore(state.get("avoidance", {}))
        self.sources.restore(state.get("sources", {}))


def _source(action: Action) -> str:
    """The source of a test with this action; "" for one that is none of the loop's."""
    sources = {Action.GENERATE: FRESH, Action.DRAW_PASSES: REDRAW}
    return MUTATE if action in (Action.IR, Action.PASSES) else sources.get(action, "")


def passes_that_matter(
    passes: tuple[PassCall, ...], still_holds: Callable[[tuple[PassCall, ...]], bool]
) -> tuple[PassCall, ...]:
    """A subsequence for which `still_holds` still holds, as `passes` itself is known to.

    Halves are dropped first, then single passes from the back: at most 2 + len(passes) questions,
    each of which is one run of the compiler. No single pass of the result can be dropped, unless a
    later drop made that possible.
    """
    middle = len(passes) // 2
    if middle:
        for half in (passes[:middle], passes[middle:]):
            if still_holds(half):
                passes = half
                break
    for index in reversed(range(len(passes))):
        shorter = passes[:index] + passes[index + 1 :]
        if still_holds(shorter):
            passes = shorter
    return passes
