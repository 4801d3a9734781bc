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

from tzer.rates import Rates

START = ""
# Evidence halves in so many tests.
HALF_LIFE = 3000
FLOOR = 0.2
REWEIGH_EVERY = 50


class Transitions:
    """The rates of all passes, and of all pairs of one after another."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._single = Rates(HALF_LIFE)
        self._pairs = Rates(HALF_LIFE)
        self._all = Rates(HALF_LIFE)
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
