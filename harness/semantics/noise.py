"""Noise mode: Monte Carlo arithmetic, which shows how far rounding can move each output.

Every inexact float operation's result r becomes r * (1 + u * error * epsilon), u uniform in [-1, 1]
(Parker, "Monte Carlo Arithmetic", 1997). A result that is exact stays, as every correct compilation
gives it. Runs with different seeds scatter as the results of different correct compilations might.

What TIR leaves unspecified has two answers, and four bits of the seed pick among them, so that any
sixteen successive seeds show every combination:

* a comparison with a NaN operand: LLVM's ordered comparisons give false, TVM's simplifier rewrites
  !(a < b) to b <= a;
* min or max with a NaN operand;
* a product of NaN and zero, or a difference of NaNs, which TVM folds to zero;
* the rounding of a tie by tirx.round, and the sign of a zero where something depends on it
  (division by it, copysign, atan2, rsqrt, pow), as TVM folds x + 0.0 to x and x * 0.0 to 0.0; the
  sign of a NaN in copysign.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from itertools import cycle

import numpy as np

from harness.semantics.arithmetic import divide_floats
from harness.semantics.intrinsics import INTRINSICS, round_half_away

TABLE = 1021  # a prime, so that no loop nest keeps step with the table
OPERATION_ERROR = 2.0
# What WGSL allows (section "Floating Point Accuracy"): 2.5 units in the last place for a division,
# and for functions an absolute error of 2^-11 at worst, in float32's epsilons of 2^-23.
LOOSE_OPERATION_ERROR = 8.0
LOOSE_FUNCTION_ERROR = 4096.0
ANYTHING = 1e30  # what stands for a NaN, which WGSL lets be any value, is within this


class Noise:
    """The source of perturbations of one noisy run; deterministic in its seed.

    `loose` is for devices whose functions are as inexact as WGSL allows.
    """

    def __init__(self, seed: int, *, loose: bool = False) -> None:
        self._operation_error = LOOSE_OPERATION_ERROR if loose else OPERATION_ERROR
        self._least_error = LOOSE_FUNCTION_ERROR if loose else 0.0
        self._loose = loose
        self._uniform = np.random.default_rng(seed).uniform(-1.0, 1.0, TABLE)
        self.next: Callable[[], float] = cycle(self._uniform.tolist()).__next__
        # Independent of each other: sixteen successive seeds show every combination.
        bits = [bool(seed >> bit & 1) for bit in range(4)]
        self._turns_comparisons, self._turns_extremes, self._folds, self._turns_zeros = bits

    def factors(self, epsilon: float) -> Callable[[], float]:
        """A function that gives the next factor for a result of + - * / or sqrt."""
        return cycle((1.0 + self._operation_error * epsilon * self._uniform).tolist()).__next__

    def shaker(
        self, round_to: Callable[[float], float], epsilon: float
    ) -> Callable[[float, float, float], float]:
        """A function of a result, its relative and its absolute error (both in epsilons)."""
        draw, least, loose = self.next, self._least_error, self._loose

        def shake(value: float, relative: float, absolute: float) -> float:
            if loose and not math.isfinite(value):
                return round_to(draw() * ANYTHING)
            if not math.isfinite(value) or (value == 0.0 and draw() < 0.0):
                return value  # a zero is often exact, and what divides by it depends on that
            error = (abs(value) * max(relative, least) + max(absolute, least)) * epsilon
            return round_to(value + draw() * error)

        return shake

    def flusher(self, smallest_normal: float) -> Callable[[float], float]:
        """A function that moves a subnormal result by up to the smallest normal value.

        A zero stays one half of the time: as likely as not it is exact, and decides something.
        """
        draw = self.next

        def flush(value: float) -> float:
            if value == 0.0 and draw() < 0.0:
                return value
            return value + draw() * smallest_normal

        return flush

    def comparisons(self) -> dict[str, Callable[[float, float], bool]]:
        """The comparisons of floats by name; a NaN operand may turn the answer."""
        table: dict[str, Callable[[float, float], bool]] = {
            "lt": operator.lt, "le": operator.le, "gt": operator.gt,
            "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
        }  # fmt: skip
        if not self._turns_comparisons:
            return table
        return {name: _turned(function) for name, function in table.items()}

    def choices(self) -> dict[str, Callable[..., float]]:
        """The other answers of min, max, round and what may fold to zero, by name."""
        table: dict[str, Callable[..., float]] = {}
        reciprocal_root, power = (INTRINSICS[name].function for name in ("rsqrt", "pow"))
        if self._turns_extremes:
            table |= {
                "minimum": lambda a, b: a if a < b or a != a or b != b else b,
                "maximum": lambda a, b: a if a > b or a != a or b != b else b,
            }
        if self._folds:
            table["times_zero"] = lambda value, zero: zero
        if self._turns_zeros:
            table |= {
                "m_round": round_half_away,
                "fdiv": lambda a, b: divide_floats(a, b if b != 0.0 else -b),
                "m_copysign": lambda a, b: math.copysign(a, b if b and b == b else -b),
                "m_atan2": lambda a, b: math.atan2(a if a else -a, b if b else -b),
                "m_rsqrt": lambda a: reciprocal_root(a if a else -a),
                "m_pow": lambda a, b: power(a if a else -a, b),
            }
        return table


def _turned(compare: Callable[[float, float], bool]) -> Callable[[float, float], bool]:
    def turned(a: float, b: float) -> bool:
        answer = compare(a, b)
        return not answer if a != a or b != b else answer

    return turned
