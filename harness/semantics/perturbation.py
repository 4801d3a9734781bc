"""Perturbed runs (Monte Carlo arithmetic), which show how far rounding can move each output.

The result r of every inexact float operation becomes r * (1 + u * error * epsilon), u uniform in
[-1, 1] (Parker, "Monte Carlo Arithmetic", 1997). An exact result is not perturbed, as every correct
compilation computes the same. Runs with different seeds are samples of the results that different
correct compilations might have.

Where TIR leaves one of two results unspecified, four bits of the seed choose, so that any sixteen
successive seeds cover every combination:

* a comparison with a NaN operand: LLVM's ordered comparisons are false, but TVM's simplifier
  rewrites !(a < b) to b <= a;
* min or max with a NaN operand;
* a product of NaN and zero, or a difference of NaNs, which TVM folds to zero;
* the rounding of a tie by tirx.round, and the sign of a zero where the result depends on it
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

TABLE_SIZE = 1021  # a prime, so that no loop nest has the table's period
OPERATION_ERROR = 2.0
# What WGSL allows (section "Floating Point Accuracy"): 2.5 units in the last place for a division,
# and for functions an absolute error of 2^-11 at worst, in float32's epsilons of 2^-23.
WGSL_OPERATION_ERROR = 8.0
WGSL_FUNCTION_ERROR = 4096.0
# A result that is not finite, which WGSL lets be any value, becomes a random value up to this.
INDETERMINATE_RANGE = 1e30


class Perturbation:
    """The perturbations of one run; deterministic in its seed.

    `wgsl_accuracy` is for devices whose functions are only as accurate as WGSL requires.
    """

    def __init__(self, seed: int, *, wgsl_accuracy: bool = False) -> None:
        self._operation_error = WGSL_OPERATION_ERROR if wgsl_accuracy else OPERATION_ERROR
        self._least_error = WGSL_FUNCTION_ERROR if wgsl_accuracy else 0.0
        self._wgsl_accuracy = wgsl_accuracy
        self._uniform = np.random.default_rng(seed).uniform(-1.0, 1.0, TABLE_SIZE)
        self.next: Callable[[], float] = cycle(self._uniform.tolist()).__next__
        # Independent of each other: sixteen successive seeds cover every combination.
        bits = [bool(seed >> bit & 1) for bit in range(4)]
        self._inverts_comparisons, self._swaps_extremes, self._folds, self._flips_zeros = bits

    def factors(self, epsilon: float) -> Callable[[], float]:
        """A function that returns the next factor for a result of + - * / or sqrt."""
        return cycle((1.0 + self._operation_error * epsilon * self._uniform).tolist()).__next__

    def function_error(
        self, round_to: Callable[[float], float], epsilon: float
    ) -> Callable[[float, float, float], float]:
        """A function that perturbs a result, given its relative and absolute error in epsilons."""
        draw, least, wgsl_accuracy = self.next, self._least_error, self._wgsl_accuracy

        def perturb(value: float, relative: float, absolute: float) -> float:
            if wgsl_accuracy and not math.isfinite(value):
                return round_to(draw() * INDETERMINATE_RANGE)
            if not math.isfinite(value) or (value == 0.0 and draw() < 0.0):
                return value  # a zero is often exact, and a division by it depends on that
            error = (abs(value) * max(relative, least) + max(absolute, least)) * epsilon
            return round_to(value + draw() * error)

        return perturb

    def flusher(self, smallest_normal: float) -> Callable[[float], float]:
        """A function that moves a subnormal result by up to the smallest normal value.

        Half of the zeros are kept: a zero is often exact, and other results depend on that.
        """
        draw = self.next

        def flush(value: float) -> float:
            if value == 0.0 and draw() < 0.0:
                return value
            return value + draw() * smallest_normal

        return flush

    def comparisons(self) -> dict[str, Callable[[float, float], bool]]:
        """The comparisons of floats by name; inverted for NaN operands in half of the seeds."""
        table: dict[str, Callable[[float, float], bool]] = {
            "lt": operator.lt, "le": operator.le, "gt": operator.gt,
            "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
        }  # fmt: skip
        if not self._inverts_comparisons:
            return table
        return {name: _inverted_on_nan(function) for name, function in table.items()}

    def alternatives(self) -> dict[str, Callable[..., float]]:
        """The alternatives that this seed chose for min, max, round and folding, by name."""
        table: dict[str, Callable[..., float]] = {}
        reciprocal_root, power = (INTRINSICS[name].function for name in ("rsqrt", "pow"))
        if self._swaps_extremes:
            table |= {
                "minimum": lambda a, b: a if a < b or a != a or b != b else b,
                "maximum": lambda a, b: a if a > b or a != a or b != b else b,
            }
        if self._folds:
            table["times_zero"] = lambda value, zero: zero
        if self._flips_zeros:
            # All have the other sign, or none has one: atanh(-0.0) is lowered to a logarithm of 1.
            other: Callable[[float], float] = abs if self._folds else operator.neg
            table |= {
                "m_round": round_half_away,
                "fdiv": lambda a, b: divide_floats(a, b if b != 0.0 else other(b)),
                "m_copysign": lambda a, b: math.copysign(a, b if b and b == b else other(b)),
                "m_atan2": lambda a, b: math.atan2(a if a else other(a), b if b else other(b)),
                "m_rsqrt": lambda a: reciprocal_root(a if a else other(a)),
                "m_pow": lambda a, b: power(a if a else other(a), b),
            }
        return table


def _inverted_on_nan(compare: Callable[[float, float], bool]) -> Callable[[float, float], bool]:
    def inverted(a: float, b: float) -> bool:
        result = compare(a, b)
        return not result if a != a or b != b else result

    return inverted
