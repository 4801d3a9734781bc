"""Options: the options of a campaign, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.coverage.scope import DEFAULT_SCOPE

DEFAULT_TOLERANCE = 4


class Strategy(StrEnum):
    """What the campaign mutates and what guides it; all but JOINT are baselines to compare with."""

    JOINT = "joint"
    RANDOM_PASS = "random-pass"
    IR_ONLY = "ir-only"
    GENERAL_ONLY = "general-only"
    NO_COVERAGE = "no-coverage"

    @property
    def switches(self) -> Switches:
        """All that distinguishes this strategy from the others."""
        return SWITCHES[self]


@dataclass(frozen=True)
class Switches:
    """What a strategy does; they differ in nothing else.

    `coverage`: it decides what is kept and chosen, and what is learned. `specific`: mutators that
    are made for tensor programs, and those of schedules, beside the general ones. `programs`:
    programs are mutated and drawn, not only those of the seeds. `passes`: sequences are mutated;
    without it they are drawn afresh where programs are not mutated, and empty where they are.
    """

    coverage: bool = True
    specific: bool = True
    programs: bool = True
    passes: bool = True


SWITCHES: dict[Strategy, Switches] = {
    Strategy.JOINT: Switches(),
    Strategy.RANDOM_PASS: Switches(programs=False, passes=False),
    Strategy.IR_ONLY: Switches(passes=False),
    Strategy.GENERAL_ONLY: Switches(specific=False),
    Strategy.NO_COVERAGE: Switches(coverage=False),
}


@dataclass(frozen=True)
class CampaignOptions:
    """The budget (`time_s` seconds or `tests`, whichever ends first), and how to spend it.

    `scope` are path patterns of the compiler's source files (see `harness.coverage.scope`).
    `trickle` are targets that get a small fixed share of the tests beside `targets`.
    """

    time_s: float | None
    tests: int | None
    jobs: int
    out: Path
    targets: tuple[str, ...] = ("llvm",)
    scope: tuple[str, ...] = DEFAULT_SCOPE
    seed: int | None = None
    strategy: Strategy = Strategy.JOINT
    tolerance: int = DEFAULT_TOLERANCE
    trickle: tuple[str, ...] = ()
