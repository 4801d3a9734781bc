"""Operand: a piece of generated code with the interval of its value.

The intervals follow from loop extents, constants and dtypes alone. They let the compiler omit the
overflow and bounds checks that cannot fail, which is most of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.semantics.dtypes import DType

_UNLIMITED = (-(1 << 70), 1 << 70)


@dataclass(frozen=True)
class Operand:
    """A Python expression without side effects. `low` and `high` hold for integers and bools."""

    code: str
    low: int = _UNLIMITED[0]
    high: int = _UNLIMITED[1]

    @property
    def is_constant(self) -> bool:
        return self.low == self.high

    @property
    def is_atom(self) -> bool:
        """Whether the code is a name or a non-negative number, which is free to repeat."""
        return self.code.isidentifier() or self.code.isdigit()

    def within(self, low: int, high: int) -> bool:
        return low <= self.low and self.high <= high


def constant(value: int) -> Operand:
    code = str(value) if value >= 0 else f"({value})"
    return Operand(code, value, value)


def unknown(code: str, dtype: DType) -> Operand:
    """An operand whose interval is that of its dtype."""
    if dtype.is_float:
        return Operand(code)
    return Operand(code, dtype.low, dtype.high)


def add(a: Operand, b: Operand) -> Operand:
    if a.is_constant and b.is_constant:
        return constant(a.low + b.low)
    if b.is_constant and b.low == 0:
        return a
    if a.is_constant and a.low == 0:
        return b
    return Operand(f"({a.code} + {b.code})", a.low + b.low, a.high + b.high)


def subtract(a: Operand, b: Operand) -> Operand:
    if a.is_constant and b.is_constant:
        return constant(a.low - b.low)
    if b.is_constant and b.low == 0:
        return a
    return Operand(f"({a.code} - {b.code})", a.low - b.high, a.high - b.low)


def multiply(a: Operand, b: Operand) -> Operand:
    if a.is_constant and b.is_constant:
        return constant(a.low * b.low)
    if b.is_constant and b.low == 1:
        return a
    if a.is_constant and a.low == 1:
        return b
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Operand(f"({a.code} * {b.code})", min(corners), max(corners))


def floor_divide(a: Operand, b: Operand) -> Operand:
    """a // b for a divisor that is known not to be zero."""
    if a.is_constant and b.is_constant:
        return constant(a.low // b.low)
    divisors = [y for y in (b.low, b.high, -1, 1) if b.low <= y <= b.high and y != 0]
    corners = [x // y for x in (a.low, a.high) for y in divisors]
    return Operand(f"({a.code} // {b.code})", min(corners), max(corners))


def floor_modulo(a: Operand, b: Operand) -> Operand:
    """a % b (the sign of b) for a divisor that is known not to be zero."""
    if a.is_constant and b.is_constant:
        return constant(a.low % b.low)
    if b.low > 0:
        if 0 <= a.low and a.high < b.low:
            return a
        high = b.high - 1 if a.low < 0 else min(a.high, b.high - 1)
        return Operand(f"({a.code} % {b.code})", 0, high)
    return Operand(f"({a.code} % {b.code})", min(0, b.low + 1), max(0, b.high - 1))


def join(code: str, a: Operand, b: Operand) -> Operand:
    """An operand that is one of two others; its interval covers both."""
    return Operand(code, min(a.low, b.low), max(a.high, b.high))


def minimum(code: str, a: Operand, b: Operand) -> Operand:
    return Operand(code, min(a.low, b.low), min(a.high, b.high))


def maximum(code: str, a: Operand, b: Operand) -> Operand:
    return Operand(code, max(a.low, b.low), max(a.high, b.high))


def clipped(code: str, operand: Operand, dtype: DType) -> Operand:
    """The operand after a check that its value fits its dtype."""
    return Operand(code, max(operand.low, dtype.low), min(operand.high, dtype.high))
