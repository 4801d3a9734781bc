"""Values: expressions with the range of what they evaluate to, and constants worth trying.

The generator of typed expressions works on these, so that it can keep signed arithmetic from
overflowing, divisors from being zero and indexes in bounds by construction.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.intervals import Interval, base_dtype, fits, is_float, is_integer, lanes_of, limits

INTEGERS = ("int32", "int64", "int8", "int16", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64", "float16", "bfloat16")
NARROW_FLOATS = ("float8_e4m3fn", "float8_e5m2")


@dataclass(frozen=True)
class RangedExpr:
    """An expression with its dtype and range.

    `interval` is set for integers and bool; `bound` is set for floats that are surely finite and
    no larger than it in magnitude.
    """

    expr: Any
    dtype: str
    interval: Interval | None = None
    bound: float | None = None

    @property
    def range(self) -> Interval:
        """The interval, or all of the dtype."""
        return self.interval if self.interval is not None else limits(self.dtype)


def vector(dtype: str, lanes: int) -> str:
    """The dtype with this many lanes."""
    return dtype if lanes == 1 else f"{dtype}x{lanes}"


def intrinsic(dtype: str, name: str, *args: Any) -> Any:
    """A call of the intrinsic as it is, without the folding that TVM's own wrappers do."""
    return tirx.call_intrin(dtype, compat.operator(name), *args)


def scalar_constant(dtype: str, number: int | float | bool) -> Any:
    """The constant node of a scalar dtype."""
    if is_float(dtype):
        return tirx.FloatImm(dtype, float(number))
    return tirx.IntImm(dtype, int(number))


def constant(dtype: str, number: int | float | bool) -> RangedExpr:
    """A constant of a scalar or vector dtype (all lanes the same)."""
    lanes = lanes_of(dtype)
    expr = scalar_constant(base_dtype(dtype), number)
    if lanes != 1:
        expr = tirx.Broadcast(expr, lanes)
    if is_float(dtype):
        finite = math.isfinite(number)
        return RangedExpr(expr, dtype, None, abs(float(number)) if finite else None)
    return RangedExpr(expr, dtype, (int(number), int(number)))


FINITE_SPECIALS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 1e-3, 3.0, 255.0, 100.25)
WIDE_SPECIALS = (1e30, 1e-40, 16777217.0, 2.0**-149, -1e300, 65504.0, 2.0**63)
NOT_FINITE = (math.inf, -math.inf, math.nan)


def draw_constant(rng: random.Random, dtype: str, within: Interval | None = None) -> RangedExpr:
    """A constant that simplifiers, folders and code generators tend to treat apart."""
    base = base_dtype(dtype)
    if base == "bool":
        return constant(dtype, rng.random() < 0.5)
    if is_float(base):
        return constant(dtype, _draw_float(rng, base))
    return constant(dtype, draw_integer(rng, within or limits(base), limits(base)))


def _draw_float(rng: random.Random, base: str) -> float:
    chance = rng.random()
    if chance < 0.03:
        return rng.choice(NOT_FINITE)
    if chance < 0.10 and base in ("float32", "float64"):
        number = rng.choice(WIDE_SPECIALS)
        return number if base == "float64" or abs(number) < 3e38 else 1e30
    if chance < 0.7:
        return rng.choice(FINITE_SPECIALS)
    return round(rng.uniform(-8, 8), 3)


def draw_integer(rng: random.Random, within: Interval, dtype_limits: Interval) -> int:
    """An integer of the interval: often small, an edge, or next to a power of two."""
    low, high = within
    chance = rng.random()
    if chance < 0.45:
        candidates = [-2, -1, 0, 1, 2, 3, 4, 5, 7, 8]
    elif chance < 0.7:
        power = 1 << rng.randrange(0, 63)
        candidates = [power - 1, power, power + 1, -power, 1 - power]
    elif chance < 0.85:
        candidates = [low, low + 1, high, high - 1, *dtype_limits]
    else:
        candidates = []
    inside = [number for number in candidates if low <= number <= high]
    return rng.choice(inside) if inside else rng.randint(low, min(high, low + (1 << 20)))


def narrowed(rng: random.Random, value: RangedExpr, magnitude: int) -> RangedExpr:
    """The integer value, brought into [-magnitude, magnitude] where it isn't."""
    low, high = value.range
    if -magnitude <= low and high <= magnitude:
        return value
    dtype = value.dtype
    magnitude = min(magnitude, limits(dtype)[1])
    if magnitude <= 0:
        return constant(dtype, 0)
    choice = rng.randrange(4)
    if choice == 0 and magnitude > 1:
        modulus = rng.choice([magnitude, min(magnitude, 7), min(magnitude, 16)])
        return RangedExpr(
            tirx.FloorMod(value.expr, constant(dtype, modulus).expr), dtype, (0, modulus - 1)
        )
    if choice == 1 and magnitude > 1:
        found = (0 if low >= 0 else 1 - magnitude, magnitude - 1)
        return RangedExpr(tirx.Mod(value.expr, constant(dtype, magnitude).expr), dtype, found)
    if choice == 2:
        mask = (1 << (magnitude + 1).bit_length() - 1) - 1
        return RangedExpr(
            compat.binary("BitwiseAnd", value.expr, constant(dtype, mask).expr), dtype, (0, mask)
        )
    return clamped(value, (max(-magnitude, limits(dtype)[0]), magnitude))


def clamped(value: RangedExpr, target: Interval) -> RangedExpr:
    """The integer value between the ends of an interval, by min and max where needed."""
    low, high = value.range
    expr = value.expr
    if low < target[0]:
        expr = tirx.Max(expr, constant(value.dtype, target[0]).expr)
    if high > target[1]:
        expr = tirx.Min(expr, constant(value.dtype, target[1]).expr)
    clip = lambda number: min(max(number, target[0]), target[1])  # noqa: E731
    return RangedExpr(expr, value.dtype, (clip(low), clip(high)))


def cast(value: RangedExpr, dtype: str) -> RangedExpr:
    """The value converted to another dtype with as many lanes; must be in range of it."""
    expr = tirx.Cast(dtype, value.expr)
    base = base_dtype(dtype)
    if is_float(base):
        if value.interval is not None:
            return RangedExpr(expr, dtype, None, float(max(map(abs, value.interval))))
        return RangedExpr(expr, dtype, None, value.bound)
    if base == "bool":
        return RangedExpr(expr, dtype, (0, 1))
    if value.interval is not None:
        kept = value.interval if fits(value.interval, dtype) else limits(dtype)
        return RangedExpr(expr, dtype, kept)
    bound = math.ceil(value.bound or 0.0)
    return RangedExpr(expr, dtype, (-bound if not base.startswith("u") else 0, bound))


def whole(dtype: str) -> Interval | None:
    """All that an integer dtype or bool can hold; None for floats."""
    return limits(dtype) if is_integer(dtype) or base_dtype(dtype) == "bool" else None
