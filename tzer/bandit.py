"""Bandit: chooses the mutator to try next by the rewards of earlier trials.

`joint.py` asks for a ranking of the mutators, and the campaign reports the result of each mutant.
An arm's reward is new coverage per second: finds are modelled as Poisson events over the time
spent, so that a Gamma prior leads to a Gamma posterior of the rate, and Thompson sampling draws one
rate for each arm and ranks the arms by it. What is rewarded early (easy coverage) isn't later, so
old evidence is discounted.

Sources: Thompson 1933; Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", NIPS 2011;
Raj and Kalyani, "Taming Non-stationary Bandits", 2017 (discounting); Karamcheti, Mann and
Rosenberg, "Adaptive Grey-Box Fuzz-Testing with Thompson Sampling", AISec 2018 (mutators as arms).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass

# The prior of an arm without evidence is one find in one second: optimistic, so that every arm is
# tried early.
PRIOR_FINDS = 1.0
PRIOR_SECONDS = 1.0
# Evidence halves in about 700 trials of any arm.
DISCOUNT = 0.999
SHORTEST_TRIAL = 1e-3


@dataclass
class Arm:
    """The discounted evidence about one mutator."""

    finds: float = 0.0
    seconds: float = 0.0


class Bandit:
    """Discounted Thompson sampling over named arms, by finds per second."""

    def __init__(self, names: Iterable[str]) -> None:
        self.arms = {name: Arm() for name in names}

    def ranking(
        self, rng: random.Random, *, uniform: bool = False, among: Collection[str] | None = None
    ) -> tuple[str, ...]:
        """All arms (or those in `among`), the most promising draw first.

        `uniform` ignores the evidence and shuffles the arms.
        """
        names = [name for name in self.arms if among is None or name in among]
        if uniform:
            rng.shuffle(names)
            return tuple(names)
        drawn = {name: self._draw(self.arms[name], rng) for name in names}
        return tuple(sorted(names, key=lambda name: -drawn[name]))

    def learn(self, name: str, blocks: int, seconds: float) -> None:
        """Record a trial of this arm: its duration, and how many new blocks it found."""
        if name not in self.arms:
            return
        for arm in self.arms.values():
            arm.finds *= DISCOUNT
            arm.seconds *= DISCOUNT
        self.arms[name].finds += float(blocks > 0)
        self.arms[name].seconds += max(seconds, SHORTEST_TRIAL)

    def state(self) -> dict[str, list[float]]:
        """The evidence as JSON; `restore` is the inverse."""
        return {name: [arm.finds, arm.seconds] for name, arm in self.arms.items()}

    def restore(self, state: dict[str, list[float]]) -> None:
        """Load the evidence of an earlier run, for the arms that still exist."""
        for name, (finds, seconds) in state.items():
            if name in self.arms:
                self.arms[name] = Arm(float(finds), float(seconds))

    @staticmethod
    def _draw(arm: Arm, rng: random.Random) -> float:
        return rng.gammavariate(PRIOR_FINDS + arm.finds, 1.0 / (PRIOR_SECONDS + arm.seconds))
