"""Rates: new blocks a second of what can be chosen, of which old evidence counts less and less."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence

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


class Ranking:
    """The order in which to try mutators: drawn by their rates, of which none counts as nothing.

    The weight of a mutator is its rate, at least `FLOOR` and at most `CEILING` times the average: a
    single test may bring hundreds of blocks by chance. The order is a draw without replacement
    (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
    """

    HALF_LIFE = 3000
    FLOOR = 0.2
    CEILING = 5.0
    ALL = ""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._rates = Rates(self.HALF_LIFE)

    def learn(self, name: str, blocks: int, seconds: float) -> None:
        """Record a test by this mutator: how many new blocks it brought, and its duration."""
        if name in self.names:
            self._rates.age()
            for each in (name, self.ALL):
                self._rates.add(each, blocks, seconds)

    def weights(self) -> dict[str, float]:
        """The weight of each mutator; 1 is that of an average one."""
        average = self._rates.rate(self.ALL, 1.0)
        relative = {name: self._rates.rate(name, average) / average for name in self.names}
        return {name: min(max(rate, self.FLOOR), self.CEILING) for name, rate in relative.items()}

    def draw(
        self, rng: random.Random, *, uniform: bool = False, among: Collection[str] | None = None
    ) -> tuple[str, ...]:
        """All names (or those in `among`) in the order to try them; `uniform` only shuffles."""
        weights = dict.fromkeys(self.names, 1.0) if uniform else self.weights()
        names = [name for name in self.names if among is None or name in among]
        keys = {name: rng.expovariate(weights[name]) for name in names}
        return tuple(sorted(names, key=keys.__getitem__))

    def state(self) -> dict[str, tuple[float, float]]:
        """The evidence as JSON; `restore` is the inverse."""
        return self._rates.state()

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Load the evidence of an earlier run, for the mutators that still exist."""
        self._rates.restore(state, (*self.names, self.ALL))


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
