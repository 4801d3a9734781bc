"""Transitions: which pass to draw after which, by the new blocks a second that it brought.

A pair of passes is rare, so its rate is drawn towards that of the second pass alone, and that
towards the rate of all (Katz's back-off, with counts). What paid early does not pay later: old
evidence is discounted. No pass is ever drawn less than `FLOOR` times as often as the average, so
that nothing dies.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

START = ""
# Evidence halves in so many tests.
HALF_LIFE = 3000
FLOOR = 0.2
# Seconds of evidence that the more general rate counts for.
PRIOR_SECONDS = 3.0
REWEIGH_EVERY = 50


class Rates:
    """Discounted new blocks and seconds by name."""

    def __init__(self) -> None:
        self.sums: dict[str, tuple[float, float]] = {}
        self._scale = 1.0  # what one unit of evidence counts for now; grows instead of decay

    def add(self, name: str, blocks: float, seconds: float) -> None:
        before = self.sums.get(name, (0.0, 0.0))
        self.sums[name] = before[0] + self._scale * blocks, before[1] + self._scale * seconds

    def age(self) -> None:
        """Let one test pass."""
        self._scale *= 2 ** (1 / HALF_LIFE)
        if self._scale > 1e6:
            self.sums = {name: (b / 1e6, s / 1e6) for name, (b, s) in self.sums.items()}
            self._scale /= 1e6

    def rate(self, name: str, prior: float) -> float:
        """Blocks a second, where `prior` is expected."""
        blocks, seconds = self.sums.get(name, (0.0, 0.0))
        blocks, seconds = blocks / self._scale, seconds / self._scale
        return (blocks + prior * PRIOR_SECONDS) / (seconds + PRIOR_SECONDS)

    def state(self) -> dict[str, tuple[float, float]]:
        """The sums as JSON; `restore` is the inverse."""
        return {name: (b / self._scale, s / self._scale) for name, (b, s) in self.sums.items()}

    def restore(self, state: Mapping[str, Sequence[float]], known: Iterable[str]) -> None:
        """Load the sums of an earlier run, for the names that still exist."""
        names = set(known)
        self.sums = {name: (float(b), float(s)) for name, (b, s) in state.items() if name in names}


class Transitions:
    """The rates of all passes, and of all pairs of one after another."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._single = Rates()
        self._pairs = Rates()
        self._all = Rates()
        self._weights: dict[str, list[float]] = {}
        self._stale = 0

    def learn(
        self, tested: Sequence[str], needed: Sequence[str], blocks: int, seconds: float
    ) -> None:
        """Record a test of these passes, of which some were needed for its new blocks."""
        for rates in (self._single, self._pairs, self._all):
            rates.age()
        if not tested:
            return
        share = seconds / len(tested)
        self._all.add(START, blocks if needed else 0, seconds)
        for before, after in _pairs(tested):
            self._single.add(after, 0, share)
            self._pairs.add(_key(before, after), 0, share)
        for before, after in _pairs(needed):
            self._single.add(after, blocks / len(needed), 0)
            self._pairs.add(_key(before, after), blocks / len(needed), 0)

    def successor(self, rng: random.Random, before: str) -> str:
        """A pass to run after this one, or first, after `START`."""
        if self._stale <= 0:
            self._weights.clear()
            self._stale = REWEIGH_EVERY
        self._stale -= 1
        if before not in self._weights:
            self._weights[before] = self._weigh(before)
        return rng.choices(self.names, self._weights[before])[0]

    def chain(self, rng: random.Random, length: int) -> tuple[str, ...]:
        """So many passes, each drawn as the successor of the one before."""
        chain: list[str] = []
        for _ in range(length if self.names else 0):
            chain.append(self.successor(rng, chain[-1] if chain else START))
        return tuple(chain)

    def _weigh(self, before: str) -> list[float]:
        general = self._all.rate(START, 1.0)
        rates = [
            self._pairs.rate(_key(before, name), self._single.rate(name, general))
            for name in self.names
        ]
        average = sum(rates) / max(len(rates), 1) or 1.0
        return [max(rate / average, FLOOR) for rate in rates]

    def state(self) -> dict[str, dict[str, tuple[float, float]]]:
        """What was learned as JSON; `restore` is the inverse."""
        return {
            "all": self._all.state(),
            "single": self._single.state(),
            "pairs": self._pairs.state(),
        }

    def restore(self, state: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
        """Load what an earlier run learned, of the passes that still exist."""
        pairs = {_key(before, after) for before in (START, *self.names) for after in self.names}
        known = ((self._all, {START}), (self._single, set(self.names)), (self._pairs, pairs))
        for name, (rates, names) in zip(("all", "single", "pairs"), known, strict=True):
            rates.restore(state.get(name, {}), names)


def _pairs(names: Sequence[str]) -> Iterable[tuple[str, str]]:
    return pairwise((START, *names))


def _key(before: str, after: str) -> str:
    return f"{before}>{after}"
