"""Rates: new blocks a second of what can be chosen, of which old evidence counts less and less."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

# Seconds of evidence that the expected rate counts for.
PRIOR_SECONDS = 3.0


class Rates:
    """Discounted new blocks and seconds by name. Evidence halves in `half_life` tests."""

    def __init__(self, half_life: float) -> None:
        self._growth = 2 ** (1 / half_life)
        self._sums: dict[str, tuple[float, float]] = {}
        self._scale = 1.0  # what one unit of evidence counts for now; grows instead of decay

    def add(self, name: str, blocks: float, seconds: float) -> None:
        before = self._sums.get(name, (0.0, 0.0))
        self._sums[name] = before[0] + self._scale * blocks, before[1] + self._scale * seconds

    def age(self) -> None:
        """Let one test pass."""
        self._scale *= self._growth
        if self._scale > 1e6:
            self._sums = {name: (b / 1e6, s / 1e6) for name, (b, s) in self._sums.items()}
            self._scale /= 1e6

    def rate(self, name: str, prior: float) -> float:
        """Blocks a second, where `prior` is expected."""
        blocks, seconds = self._sums.get(name, (0.0, 0.0))
        blocks, seconds = blocks / self._scale, seconds / self._scale
        return (blocks + prior * PRIOR_SECONDS) / (seconds + PRIOR_SECONDS)

    def state(self) -> dict[str, tuple[float, float]]:
        """The sums as JSON; `restore` is the inverse."""
        return {name: (b / self._scale, s / self._scale) for name, (b, s) in self._sums.items()}

    def restore(self, state: Mapping[str, Sequence[float]], known: Iterable[str]) -> None:
        """Load the sums of an earlier run, for the names that still exist."""
        names = set(known)
        self._sums = {name: (float(b), float(s)) for name, (b, s) in state.items() if name in names}


class Shares:
    """How often to do each of a few things: by the square of its rate, from fixed shares on.

    Nothing is done less often than in `FLOOR` of the tests. The square makes what pays twice as
    well four times as frequent; what pays less and less, as fresh programs do, gives way.
    """

    HALF_LIFE = 400
    FLOOR = 0.08
    ALL = ""

    def __init__(self, start: Mapping[str, float]) -> None:
        self._start = dict(start)
        self._rates = Rates(self.HALF_LIFE)

    def learn(self, name: str, blocks: int, seconds: float) -> None:
        """Record a test that did this."""
        if name in self._start:
            self._rates.age()
            for each in (name, self.ALL):
                self._rates.add(each, blocks, seconds)

    def shares(self, among: Iterable[str]) -> dict[str, float]:
        """The share of each of these, which add up to about one."""
        names = [name for name in among if name in self._start]
        average = self._rates.rate(self.ALL, 1.0)
        weights = {n: self._start[n] * self._rates.rate(n, average) ** 2 for n in names}
        total = sum(weights.values()) or 1.0
        return {name: max(weight / total, self.FLOOR) for name, weight in weights.items()}

    def draw(self, rng: random.Random, among: Iterable[str], *, fixed: bool = False) -> str:
        """One of these; `fixed` ignores what was learned."""
        names = list(among)
        shares = {name: self._start[name] for name in names} if fixed else self.shares(names)
        return rng.choices(names, [shares[name] for name in names])[0]

    def state(self) -> dict[str, tuple[float, float]]:
        """The evidence as JSON; `restore` is the inverse."""
        return self._rates.state()

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Load the evidence of an earlier run."""
        self._rates.restore(state, (*self._start, self.ALL))
