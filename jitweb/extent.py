"""Extents that depend on a length that is open, as of a sequence: what the plan knows of them.

An `Extent` is an integer, what it is at the most, with the function of the length beside it. So
whatever chooses by size chooses as for the most, and whatever computes with an extent gets one that
depends on the length in turn, or `DependsOnLength` where the result would hold for the most alone.
It is equal to another one of the same function, and to no other number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jitweb.errors import NotEquations

MOST_DEGREE, MOST_FACTORS = 2, 8
CHECKED = (1, 7, 37)  # lengths besides the most: shorter than any tile, odd, longer than all
Polynomial = tuple[int, ...]  # by powers of the length, from the zeroth


class DependsOnLength(NotEquations):
    """What is asked of an extent is not the same for all lengths."""


@dataclass(frozen=True)
class Opening:
    """The length that is open: its name, and the most that it may be; it is at least one."""

    name: str
    most: int

    def __str__(self) -> str:
        return f"{self.name}:{self.most}"

    def extent(self) -> Extent:
        """The length itself."""
        return Extent(self.most, ((1, (0, 1)),))

    @property
    def checked(self) -> tuple[int, ...]:
        """The lengths that a model is checked at."""
        return (*(each for each in CHECKED if each < self.most), self.most)


class OpenSize(int):
    """A size of an opening; as a text it is what the user gave."""

    def __new__(cls, opening: Opening, size: int) -> OpenSize:
        made = super().__new__(cls, size)
        made.text = str(opening)
        return made

    text: str

    def __str__(self) -> str:
        return self.text


class Extent(int):
    """The product of ceil(polynomial(length) / divisor) over its `factors`, for lengths to `most`.

    Its value as an integer is that at the most.
    """

    most: int
    factors: tuple[tuple[int, Polynomial], ...]

    def __new__(cls, most: int, factors: tuple[tuple[int, Polynomial], ...]) -> Extent:
        made = super().__new__(cls, _value(factors, most))
        made.most, made.factors = most, factors
        return made

    @classmethod
    def polynomial(cls, most: int, coefficients: Sequence[int]) -> int:
        """The extent of a polynomial of the length, a plain integer if it is constant."""
        trimmed = _trimmed(coefficients)
        return cls(most, ((1, trimmed),)) if len(trimmed) > 1 else int((*trimmed, 0)[0])

    def at(self, length: int) -> int:
        """The extent at this length."""
        return _value(self.factors, length)

    def __mul__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        factors = other.factors if isinstance(other, Extent) else ((1, (int(other),)),)
        whole: Polynomial = (1,)
        kept = []
        for divisor, terms in (*self.factors, *factors):
            product = _times(whole, terms)
            if divisor == 1 and len(product) <= MOST_DEGREE + 1:
                whole = product
            else:
                kept.append((divisor, terms))
        if len(kept) >= MOST_FACTORS:
            raise DependsOnLength("its extents are too many factors")
        if not kept:
            return Extent.polynomial(self.most, whole)
        return Extent(self.most, (*kept, *([(1, whole)] if whole != (1,) else [])))

    __rmul__ = __mul__

    def __add__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        terms = self._terms()
        others = other._terms() if isinstance(other, Extent) else (int(other),)
        size = max(len(terms), len(others))
        padded = ([*each, *[0] * (size - len(each))] for each in (terms, others))
        return Extent.polynomial(self.most, [a + b for a, b in zip(*padded, strict=True)])

    __radd__ = __add__

    def __sub__(self, other: int) -> int:
        return self + -1 * other

    def __floordiv__(self, other: int) -> int:
        terms = self.factors[0][1]
        if isinstance(other, Extent) or len(self.factors) > 1 or self.factors[0][0] > 1:
            if other == 1:
                return self
            raise DependsOnLength(f"{self.text} is divided")
        if any(each % other for each in terms):
            raise DependsOnLength(f"{self.text} may be no multiple of {other}")
        return Extent.polynomial(self.most, [each // other for each in terms])

    def __mod__(self, other: int) -> int:
        # Raises where there may be a rest.
        self // other
        return 0

    def _refused(self, *others: Any) -> Any:
        raise DependsOnLength(f"it computes with {self.text}")

    __neg__ = __rsub__ = __rfloordiv__ = __rmod__ = __pow__ = __rpow__ = __divmod__ = _refused

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Extent) and self.factors == other.factors
        return same and self.most == other.most  # type: ignore[attr-defined]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.most, self.factors))

    def _terms(self) -> Polynomial:
        if len(self.factors) > 1 or self.factors[0][0] > 1:
            raise DependsOnLength(f"something is added to {self.text}")
        return self.factors[0][1]

    @property
    def text(self) -> str:
        """The extent in words, of a length N."""
        return " * ".join(_factor_text(*factor) for factor in self.factors)


def ceil_div(extent: int, divisor: int) -> int:
    """How many of so many cover an extent."""
    if not isinstance(extent, Extent):
        return -(-extent // divisor)
    try:
        return extent // divisor
    except DependsOnLength:
        if len(extent.factors) > 1:
            raise
        (before, terms), *_ = extent.factors
        return Extent(extent.most, ((before * divisor, terms),))


def is_multiple(extent: int, divisor: int) -> bool:
    """Whether an extent is a multiple of a number, at every length."""
    try:
        return extent % divisor == 0
    except DependsOnLength:
        return False


def at_length(extent: int, length: int | None) -> int:
    """An extent at a length, None being the most; what doesn't depend on it as it is."""
    return extent.at(length) if isinstance(extent, Extent) and length is not None else int(extent)


def shape_at(shape: Sequence[int], length: int | None) -> tuple[int, ...]:
    """A shape at a length, None being the most."""
    return tuple(at_length(extent, length) for extent in shape)


def length_of(extent: int, value: int) -> int | None:
    """The length at which an extent, which grows with it, has this value; None if it has none."""
    if not isinstance(extent, Extent):
        return None
    least, most = 1, extent.most
    while least < most:
        middle = (least + most) // 2
        least, most = (middle + 1, most) if extent.at(middle) < value else (least, middle)
    return least if extent.at(least) == value else None


def fitted(points: Sequence[tuple[int, int]], most: int) -> int | None:
    """The polynomial of the length through three points, if its coefficients are whole."""
    (a, u), (b, v), (c, w) = points
    slope = (v - u) * (c - b) * (c - a)
    bend = (w - v) * (b - a) - (v - u) * (c - b)
    scale = (c - b) * (c - a) * (b - a)
    if bend % scale:
        return None
    square = bend // scale
    linear = slope // ((c - b) * (c - a)) - square * (b * b - a * a)
    if linear % (b - a):
        return None
    linear //= b - a
    return Extent.polynomial(most, (u - linear * a - square * a * a, linear, square))


def extent_json(extent: int) -> int | list[list[int]]:
    """An extent as plan.json holds it: a number, or factors, each [divisor, coefficients...]."""
    if not isinstance(extent, Extent):
        return extent
    return [[divisor, *terms] for divisor, terms in extent.factors]


def extent_from_json(entry: Any, most: int) -> int:
    """An extent as a plan that was checked holds it."""
    if isinstance(entry, int):
        return entry
    return Extent(most, tuple((divisor, tuple(terms)) for divisor, *terms in entry))


def _value(factors: Sequence[tuple[int, Polynomial]], length: int) -> int:
    values = (
        -(-sum(each * length**power for power, each in enumerate(terms)) // divisor)
        for divisor, terms in factors
    )
    return math.prod(values)


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    product = [0] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            product[i + j] += a * b
    return _trimmed(product)


def _trimmed(terms: Sequence[int]) -> Polynomial:
    kept = list(terms)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def _factor_text(divisor: int, terms: Polynomial) -> str:
    names = ("", "N", "N*N")
    parts = [
        "*".join(filter(None, ("" if each == 1 and power else str(each), names[power])))
        for power, each in enumerate(terms)
        if each
    ]
    text = " + ".join(reversed(parts))
    return f"ceil(({text}) / {divisor})" if divisor > 1 else text
