"""Noise mode: Monte Carlo arithmetic, which shows how far rounding can move each output.

Every inexact float operation's result r becomes r * (1 + u * error * epsilon), u uniform in [-1, 1]
(Parker, "Monte Carlo Arithmetic", 1997). A result that is exact stays, as every correct compilation
gives it. Runs with different seeds scatter as the results of different correct compilations might.

What TIR leaves unspecified has two answers, and two bits of the seed pick one, so that any four
successive seeds show all: a comparison, min or max with a NaN operand (LLVM's ordered comparisons
give false, TVM's simplifier rewrites !(a < b) to b <= a), the rounding of a tie by tirx.round, a
product of NaN and zero or a difference of NaNs (which TVM folds to zero), and the sign of a zero where something
depends on it (division by it, copysign, atan2), as TVM folds x + 0.0 to x.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from itertools import cycle

import numpy as np

from harness.semantics.arithmetic import divide_floats
from harness.semantics.intrinsics import round_half_away

TABLE = 1021  # a prime, so that no loop nest keeps step with the table
OPERATION_ERROR = 2.0


class Noise:
    """The source of perturbations of one noisy run; deterministic in its seed."""

    def __init__(self, seed: int) -> None:
        self._uniform = np.random.default_rng(seed).uniform(-1.0, 1.0, TABLE)
        self.next: Callable[[], float] = cycle(self._uniform.tolist()).__next__
        # Independent of each other: four successive seeds show every combination.
        self.turns_comparisons = seed & 1 == 1
        self.takes_other_choices = seed >> 1 & 1 == 1

    def factors(self, epsilon: float) -> Callable[[], float]:
        """A function that gives the next factor for a result of + - * / or sqrt."""
        return cycle((1.0 + OPERATION_ERROR * epsilon * self._uniform).tolist()).__next__

    def shaker(
        self, round_to: Callable[[float], float], epsilon: float
    ) -> Callable[[float, float, float], float]:
        """A function of a result, its relative and its absolute error (both in epsilons)."""
        draw = self.next

        def shake(value: float, relative: float, absolute: float) -> float:
            if not math.isfinite(value):
                return value
            error = (abs(value) * relative + absolute) * epsilon
            return round_to(value + draw() * error)

        return shake

    def flusher(self, smallest_normal: float) -> Callable[[float], float]:
        """A function that moves a subnormal result by up to the smallest normal value."""
        draw = self.next
        return lambda value: value + draw() * smallest_normal

    def comparisons(self) -> dict[str, Callable[[float, float], bool]]:
        """The comparisons of floats by name; a NaN operand turns the answer for odd seeds."""
        table: dict[str, Callable[[float, float], bool]] = {
            "lt": operator.lt, "le": operator.le, "gt": operator.gt,
            "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
        }  # fmt: skip
        if not self.turns_comparisons:
            return table
        return {name: _turned(function) for name, function in table.items()}

    def choices(self) -> dict[str, Callable[..., float]]:
        """min, max, round and products with a constant zero, by name."""
        if not self.takes_other_choices:
            return {}
        return {
            "minimum": lambda a, b: a if a < b or a != a or b != b else b,
            "maximum": lambda a, b: a if a > b or a != a or b != b else b,
            "m_round": round_half_away,
            "times_zero": lambda value, zero: zero,
            "fdiv": lambda a, b: divide_floats(a, b if b != 0.0 else -b),
            "m_copysign": lambda a, b: math.copysign(a, b if b != 0.0 else -b),
            "m_atan2": lambda a, b: math.atan2(a if a else -a, b if b else -b),
        }


def _turned(compare: Callable[[float, float], bool]) -> Callable[[float, float], bool]:
    def turned(a: float, b: float) -> bool:
        answer = compare(a, b)
        return not answer if a != a or b != b else answer

    return turned
