"""Options: what a campaign is asked to do, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.coverage.scope import DEFAULT_SCOPE

STRATEGIES = ("joint", "random-pass", "ir-only", "general-only", "no-coverage")
DEFAULT_TOLERANCE = 4


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
    strategy: str = "joint"
    tolerance: int = DEFAULT_TOLERANCE
