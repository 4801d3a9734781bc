"""Pay-off: what tests brought and cost, by mutator, by schedule primitive and by pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass
from typing import Any

KINDS = ("mutator", "primitive", "pass")


@dataclass
class Payoff:
    """Sums over tests.

    `tests` that had it; `blocks` that nobody reached before, of tests that needed it for that;
    `findings`, known ones too, of which it is the culprit, or for mutators that it made;
    `seconds` of a worker, which the passes and primitives of a test share.
    """

    tests: int = 0
    blocks: int = 0
    findings: int = 0
    seconds: float = 0.0


class Payoffs:
    """The pay-off of everything that was used, by kind and name."""

    def __init__(self) -> None:
        self._tables: dict[str, defaultdict[str, Payoff]] = {
            kind: defaultdict(Payoff) for kind in KINDS
        }

    def count(
        self,
        kind: str,
        used: Collection[str],
        *,
        needed: Collection[str],
        blocks: int,
        culprits: Collection[str],
        seconds: float,
    ) -> None:
        """Count a test that used these, and needed some of them for its new blocks."""
        for name in set(used):
            payoff = self._tables[kind][name]
            payoff.tests += 1
            payoff.blocks += blocks if name in needed else 0
            payoff.findings += name in culprits
            payoff.seconds += seconds / len(set(used))

    def state(self) -> dict[str, dict[str, list[float]]]:
        """All sums as JSON; `restore` is the inverse."""
        return {
            kind: {name: list(astuple(payoff)) for name, payoff in table.items()}
            for kind, table in self._tables.items()
        }

    def restore(self, state: dict[str, dict[str, Any]]) -> None:
        """Go on from the sums of an earlier run."""
        for kind, table in state.items():
            if kind in self._tables:
                for name, (tests, blocks, findings, seconds) in table.items():
                    sums = Payoff(int(tests), int(blocks), int(findings), float(seconds))
                    self._tables[kind][name] = sums


def as_data(state: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """The key `payoff` of `tzer stats --json`: of each kind, the sums by name."""
    names = ("tests", "blocks", "findings", "seconds")
    return {
        kind: {
            name: dict(zip(names, row, strict=True)) for name, row in state.get(kind, {}).items()
        }
        for kind in KINDS
    }


def rows(state: dict[str, dict[str, Any]], kind: str, most: int) -> Iterator[str]:
    """A table of those that brought most blocks, a line each; blocks a second are of the sums."""
    table = state.get(kind, {})
    if not table:
        return
    ranked = sorted(table.items(), key=lambda item: (-item[1][1], item[0]))
    yield f"{kind:40} {'tests':>8} {'blocks':>8} {'a second':>9} {'findings':>8} {'seconds':>8}"
    for name, (tests, blocks, findings, seconds) in ranked[:most]:
        rate = blocks / seconds if seconds else 0.0
        yield f"  {name:38.38} {tests:8} {blocks:8} {rate:9.1f} {findings:8} {seconds:8.0f}"
    if len(ranked) > most:
        yield f"  {len(ranked) - most} more with --json"
