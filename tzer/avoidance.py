"""Avoidance: which ingredients end at known failures, and how often to draw them.

A program that TVM is known to fail on says nothing new, and hides what else is in it. The
scheduler counts for each ingredient (`harness/ir/ingredients.py`) how many of the mutants that had
it ended at the known issue that it is of, and has it rewritten in so many of the next that of all
mutants with it about one in fifty fails. What never fails is never rewritten.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from harness.oracles.known_issues import KnownIssue

# The share of the mutants with an ingredient that may end at its known failure.
ALLOWED = 0.02
# The prior of an ingredient without evidence: one failure in four.
PRIOR_FAILURES = 0.5
PRIOR_TESTS = 2.0
DISCOUNT = 0.999


@dataclass
class Evidence:
    """The discounted evidence about one ingredient: mutants that had it, and known failures."""

    failures: float = 0.0
    tests: float = 0.0

    @property
    def rate(self) -> float:
        return (PRIOR_FAILURES + self.failures) / (PRIOR_TESTS + self.tests)


class Avoidance:
    """The records of all ingredients."""

    def __init__(self, names: Iterable[str]) -> None:
        self.records = {name: Evidence() for name in names}

    def draw(self, rng: random.Random) -> tuple[str, ...]:
        """The ingredients to rewrite in the next mutant."""
        return tuple(
            name for name, record in self.records.items() if rng.random() > ALLOWED / record.rate
        )

    def learn(self, had: Collection[str], known: KnownIssue | None) -> None:
        """Record a mutant: the ingredients that it had, and the known issue that it ended at."""
        for name in had:
            record = self.records.get(name)
            if record is None:
                continue
            record.failures *= DISCOUNT
            record.tests *= DISCOUNT
            record.tests += 1
            record.failures += known is not None and known.ingredient == name

    def state(self) -> dict[str, list[float]]:
        """The evidence as JSON; `restore` is the inverse."""
        return {name: [each.failures, each.tests] for name, each in self.records.items()}

    def restore(self, state: dict[str, list[float]]) -> None:
        """Load the evidence of an earlier run, for the ingredients that still exist."""
        for name, (failures, tests) in state.items():
            if name in self.records:
                self.records[name] = Evidence(float(failures), float(tests))
