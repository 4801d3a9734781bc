"""The mathematical intrinsics: one table of what each computes and how accurate a target must be.

A function takes and returns binary64 and never raises: outside its domain it returns NaN or an
infinity, as C's library does. The errors bound those of the code that TVM generates for the
intrinsic, in units of the dtype's epsilon (half an ulp of one). Only perturbed runs use them: they
determine how far an output may deviate before it counts as wrong. Where a lowering loses accuracy
near zero (tanh as (1 - exp(-2x)) / (1 + exp(-2x)), log1p as log(1 + x)), `absolute` bounds that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

INFINITY = math.inf


@dataclass(frozen=True)
class Intrinsic:
    """`relative` is 0 for exact functions: neither rounded nor perturbed."""

    function: Callable[..., float]
    relative: float = 0.0
    absolute: float = 0.0
    # What the arguments add to the relative error, as a function of the dtype's epsilon and the
    # arguments: exp10 as exp(x * ln 10) magnifies the rounding of its argument.
    growth: Callable[..., float] | None = None

    @property
    def exact(self) -> bool:
        return self.relative == 0.0


def guarded(
    function: Callable[..., float], at_overflow: Callable[..., float] | float = INFINITY
) -> Callable[..., float]:
    """A function of Python's math module that returns C's result where Python's raises."""

    def call(*args: float) -> float:
        try:
            return float(function(*args))
        except ValueError:
            return math.nan
        except OverflowError:
            return at_overflow(*args) if callable(at_overflow) else at_overflow

    return call


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    def call(x: float) -> float:
        if x == 0.0:
            return -INFINITY
        return math.nan if x < 0.0 or x != x else function(x)

    return call


def _log1p(x: float) -> float:
    return -INFINITY if x == -1.0 else guarded(math.log1p)(x)


def _atanh(x: float) -> float:
    return math.copysign(INFINITY, x) if abs(x) == 1.0 else guarded(math.atanh)(x)


def _power(x: float, y: float) -> float:
    if x == 0.0 and y < 0.0:
        odd = y == math.floor(y) and math.fmod(y, 2.0) != 0.0
        return math.copysign(INFINITY, x) if odd else INFINITY

    def overflowed(x: float, y: float) -> float:
        return -INFINITY if x < 0.0 and math.fmod(y, 2.0) != 0.0 else INFINITY

    return guarded(math.pow, overflowed)(x, y)


def _reciprocal_square_root(x: float) -> float:
    if x == 0.0:
        return math.copysign(INFINITY, x)
    return math.nan if x < 0.0 or x != x else 1.0 / math.sqrt(x)


def _sigmoid(x: float) -> float:
    if x < 0.0:
        exponential = math.exp(x)
        return exponential / (1.0 + exponential)
    return 1.0 / (1.0 + math.exp(-x))


def _rounded_to_integer(function: Callable[[float], int]) -> Callable[[float], float]:
    """floor, ceil or trunc of a float: keeps infinities, NaN and the sign of zero."""

    def call(x: float) -> float:
        return math.copysign(float(function(x)), x) if math.isfinite(x) else x

    return call


def round_half_away(x: float) -> float:
    """C's round, which some targets use for tirx.round, where LLVM's rounds ties to even."""
    if not math.isfinite(x) or abs(x) >= 2.0**52:
        return x
    return math.copysign(math.floor(abs(x) + 0.5), x)


def _hypot(x: float, y: float) -> float:
    return math.hypot(x, y)


def _fused(a: float, b: float, c: float) -> float:
    return a * b + c


def _argument(_: float, x: float) -> float:
    return 4.0 * abs(x) if math.isfinite(x) else 0.0


def _argument_of_exp10(epsilon: float, x: float) -> float:
    """TVM's lowering uses ln 10 with ten digits for every dtype."""
    return (4.0 + 1e-11 / epsilon) * abs(x) if math.isfinite(x) else 0.0


def _exponent_of_power(_: float, x: float, y: float) -> float:
    """pow as exp2(y * log2 x) magnifies the rounding of y * log2 x."""
    if not (math.isfinite(x) and math.isfinite(y)) or x == 0.0:
        return 0.0
    return min(1e6, 4.0 * abs(y * math.log2(abs(x))))


# By the operator's name without `tirx.`.
INTRINSICS: dict[str, Intrinsic] = {
    # The code generators call libm or LLVM's intrinsic, some a vector library accurate to 4 ulp.
    "exp": Intrinsic(guarded(math.exp), 16, growth=_argument),
    "exp2": Intrinsic(guarded(math.exp2), 16, growth=_argument),
    # LLVM: exp(x * ln 10).
    "exp10": Intrinsic(guarded(lambda x: 10.0**x), 16, growth=_argument_of_exp10),
    "log": Intrinsic(_logarithm(math.log), 16, 4),
    "log2": Intrinsic(_logarithm(math.log2), 16, 4),
    "log10": Intrinsic(_logarithm(math.log10), 16, 4),
    "log1p": Intrinsic(_log1p, 16, 4),
    "sqrt": Intrinsic(guarded(math.sqrt), 2),
    "rsqrt": Intrinsic(_reciprocal_square_root, 8),
    "pow": Intrinsic(_power, 16, growth=_exponent_of_power),
    "sin": Intrinsic(guarded(math.sin), 16, 4),
    "cos": Intrinsic(guarded(math.cos), 16, 4),
    "tan": Intrinsic(guarded(math.tan), 32, 8),
    "asin": Intrinsic(guarded(math.asin), 16, 4),
    "acos": Intrinsic(guarded(math.acos), 16, 4),
    "atan": Intrinsic(guarded(math.atan), 16, 4),
    "atan2": Intrinsic(guarded(math.atan2), 16, 4),
    "sinh": Intrinsic(guarded(math.sinh, lambda x: math.copysign(INFINITY, x)), 32, 8),
    "cosh": Intrinsic(guarded(math.cosh), 32),
    "tanh": Intrinsic(guarded(math.tanh), 32, 8),
    "asinh": Intrinsic(guarded(math.asinh), 32, 8),
    "acosh": Intrinsic(guarded(math.acosh), 32, 8),
    # LLVM: (log(1 + x) - log(1 - x)) / 2.
    "atanh": Intrinsic(_atanh, 32, 8),
    "sigmoid": Intrinsic(_sigmoid, 32, growth=_argument),
    # Metal and WebGPU: a rational approximation with an error of some ulp of one.
    "erf": Intrinsic(guarded(math.erf), 32, 8),
    "hypot": Intrinsic(_hypot, 8),
    "fma": Intrinsic(_fused, 2),
    "floor": Intrinsic(_rounded_to_integer(math.floor)),
    "ceil": Intrinsic(_rounded_to_integer(math.ceil)),
    "trunc": Intrinsic(_rounded_to_integer(math.trunc)),
    "nearbyint": Intrinsic(_rounded_to_integer(round)),
    "round": Intrinsic(_rounded_to_integer(round)),
    "fabs": Intrinsic(abs),
    "copysign": Intrinsic(math.copysign),
    "fmod": Intrinsic(lambda a, b: math.nan if b == 0.0 else guarded(math.fmod)(a, b)),
}
# Intrinsics from a float to bool.
PREDICATES: dict[str, Callable[[float], bool]] = {
    "isnan": math.isnan,
    "isinf": math.isinf,
    "isfinite": math.isfinite,
}


def count_leading_zeros(value: int, bits: int) -> int:
    """clz of a positive value; the caller must rule out zero, for which LLVM's is undefined."""
    return bits - (value & ((1 << bits) - 1)).bit_length()


def population_count(value: int, bits: int) -> int:
    return (value & ((1 << bits) - 1)).bit_count()


def multiply_shift(x: int, y: int, left: int, right: int, fraction: int) -> int:
    """q_multiply_shift: x * 2**left * y / 2**(fraction + right), halves rounded up, as int32."""
    total = fraction + right
    value = ((x << left) * y + (1 << (total - 1))) >> total
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value
