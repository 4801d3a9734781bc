"""A row of the table of known issues (`known_issues.py`).

Loads no TVM.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.verdict import Kind

DESCRIBED = "docs/findings.md"
BOTH = ("0.26", "0.27")


@dataclass(frozen=True)
class KnownIssue:
    """One cause. `reference` is an issue or pull request, or docs/findings.md if unreported.

    `ingredient` is what a program has of it, if `harness.ir.ingredients` knows a way around.
    """

    name: str
    reference: str
    why: str
    kinds: tuple[Kind, ...]
    signature: str
    releases: tuple[str, ...] = BOTH
    ingredient: str = ""
