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


@dataclass(frozen=True)
class CampaignOptions:
    """The budget (`time_s` seconds or `tests`, whichever ends first), and how to spend it.

    `scope` are path patterns of the compiler's source files (see `harness.coverage.scope`).
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
