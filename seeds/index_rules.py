"""Index expressions as schedules and layouts make them: what the analyzer has its rules for.

Nested moduli, shifted and scaled quotients, fused and padded iterators, negative strides, shifts
and masks, 64-bit arithmetic in between. Each rule makes an expression from an iterator whose
interval is known; `draw_index` brings it into the extent only where it could leave it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tvm import tirx

from harness import compat
from harness.ir.intervals import fits, interval, limits
from harness.ir.sites import Scope, Variable
from seeds.values import RangedExpr, constant

# Iterators and what is made of them stay within it, so that products of two of them don't overflow.
MOST = 1 << 14

BIT_OPERATIONS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("LShift", (1, 2, 3)),
    ("RShift", (1, 2)),
    ("BitwiseAnd", (1, 3, 7, 6)),
    ("BitwiseXor", (1, 2, 7)),
)
# Returns an expression, or a RangedExpr where the rule knows more than `interval` finds.
IndexRule = Callable[[random.Random, Any, Any, str], Any]


def iterators(scope: Scope, dtype: str) -> list[Variable]:
    """The variables of the scope that an index of this dtype can be made of."""
    return [
        variable
        for variable in scope.variables
        if variable.dtype == dtype
        and variable.interval is not None
        and -MOST <= variable.interval[0] <= variable.interval[1] <= MOST
    ]


def draw_iteration(rng: random.Random, scope: Scope, dtype: str) -> RangedExpr | None:
    """An expression of one or two iterators of the scope; None if it has none of this dtype."""
    usable = iterators(scope, dtype) if dtype in ("int32", "int64") else []
    if not usable:
        return None
    loops = [variable for variable in usable if variable.is_loop] or usable
    first, second = rng.choice(loops).var, rng.choice(usable).var
    made = rng.choice(RULES)(rng, first, second, dtype)
    if rng.random() < 0.2:
        inner = made.expr if isinstance(made, RangedExpr) else made
        made = rng.choice(RULES)(rng, inner, second, dtype)
    if isinstance(made, RangedExpr):
        return made
    expr, found = made, interval(made, scope)
    if found is None or not -MOST * MOST <= found[0] <= found[1] <= MOST * MOST:
        return None
    return RangedExpr(expr, dtype, found)


def draw_index(rng: random.Random, scope: Scope, extent: int, dtype: str) -> Any | None:
    """An index in [0, extent) of the iterators of the scope; None if it has none of this dtype."""
    value = draw_iteration(rng, scope, dtype)
    if value is None or not fits((0, extent), dtype):
        return None
    low, high = value.range
    if 0 <= low and high < extent:
        return value.expr
    size = constant(dtype, extent).expr
    if low >= 0 and rng.random() < 0.3:
        return tirx.Min(value.expr, constant(dtype, extent - 1).expr)
    return tirx.FloorMod(value.expr, size)


def scaled(rng: random.Random, value: RangedExpr, dtype: str) -> RangedExpr | None:
    """The value times a constant so large that little is left up to the end of the dtype."""
    low, high = value.range
    reach = max(abs(low), abs(high), 1)
    top = limits(dtype)[1]
    factor = top // reach - rng.randrange(1 + top // reach // 4)
    if factor <= 1:
        return None
    found = (low * factor, high * factor)
    return RangedExpr(tirx.Mul(value.expr, constant(dtype, factor).expr), dtype, found)


def _number(rng: random.Random, dtype: str, among: Sequence[int]) -> Any:
    return constant(dtype, rng.choice(among)).expr


def _shifted_modulus(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """(x % n + c) // d"""
    modulus = tirx.FloorMod(x, _number(rng, dtype, (2, 3, 4, 4, 5, 8)))
    shifted = tirx.Add(modulus, _number(rng, dtype, (1, 1, 2, 3, 5)))
    return tirx.FloorDiv(shifted, _number(rng, dtype, (2, 2, 3, 4)))


def _nested_moduli(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """(x * a + c) % n // d % m"""
    linear = tirx.Add(
        tirx.Mul(x, _number(rng, dtype, (1, 2, 3, 8))), _number(rng, dtype, (0, 1, 5))
    )
    inner = tirx.FloorMod(linear, _number(rng, dtype, (4, 6, 8, 12, 20)))
    quotient = tirx.FloorDiv(inner, _number(rng, dtype, (1, 2, 3, 4)))
    return tirx.FloorMod(quotient, _number(rng, dtype, (2, 3, 4, 8)))


def _fused(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """(x * e + y) // d or % d"""
    fused = tirx.Add(tirx.Mul(x, _number(rng, dtype, (2, 3, 4, 8))), y)
    key = rng.choice((tirx.FloorDiv, tirx.FloorMod, tirx.Div, tirx.Mod))
    return key(fused, _number(rng, dtype, (2, 3, 4, 6, 8)))


def _padded(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """max(x * s - p, 0), or the same by a condition"""
    pad = _number(rng, dtype, (1, 2, 3))
    moved = tirx.Sub(tirx.Mul(x, _number(rng, dtype, (1, 1, 2))), pad)
    zero = constant(dtype, 0).expr
    if rng.random() < 0.5:
        return tirx.Max(moved, zero)
    return tirx.Select(tirx.GE(moved, zero), moved, zero)


def _negative_stride(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """c - x * s, or (c - x) % n"""
    stride = tirx.Mul(x, _number(rng, dtype, (1, 1, 2, 3)))
    backwards = tirx.Sub(_number(rng, dtype, (3, 7, 8, 15, 16)), stride)
    if rng.random() < 0.5:
        return backwards
    return tirx.FloorMod(backwards, _number(rng, dtype, (4, 8, 64)))


def _wide(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """An operation in the other of 32 and 64 bits"""
    other = "int64" if dtype == "int32" else "int32"
    wide = tirx.Cast(other, x)
    key = rng.choice((tirx.FloorDiv, tirx.FloorMod))
    moved = key(tirx.Add(wide, _number(rng, other, (0, 1, 3))), _number(rng, other, (2, 3, 4)))
    return tirx.Cast(dtype, moved)


def _bits(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """A shift, a mask or a flipped bit"""
    key, numbers = rng.choice(BIT_OPERATIONS)
    mask = tirx.FloorMod(x, _number(rng, dtype, (4, 8, 16)))
    return compat.binary(key, mask, _number(rng, dtype, numbers))


def _rest(rng: random.Random, x: Any, y: Any, dtype: str) -> Any:
    """x - x // n * n, which is x % n"""
    size = rng.choice((2, 3, 4, 8))
    number = constant(dtype, size).expr
    rest = tirx.Sub(x, tirx.Mul(tirx.FloorDiv(x, number), number))
    return RangedExpr(rest, dtype, (0, size - 1))


RULES: tuple[IndexRule, ...] = (
    _shifted_modulus,
    _nested_moduli,
    _fused,
    _padded,
    _negative_stride,
    _wide,
    _bits,
    _rest,
)
