"""Weights of fewer than 32 bits, and how they lie in a bundle and in memory: in words of 32 bits.

WGSL stores nothing smaller than a word, and WebAssembly's vectors take words as well as bytes, so
both targets have one form. Along one axis, that over which a matmul sums, two, four or eight
elements are in a word, the first in its lowest bits; so a vector of words along another axis
becomes vectors of floats by shifts alone. packed_kernels.py writes the kernels that do it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

LEAST = 1024  # elements: what is smaller stays in float32
BLOCKS = (256, 128, 64, 32, 16, 8, 4, 2, 1)  # elements that share a scale
WORTHWHILE = 0.8  # of the bytes in float32: a form that takes more is not used
FLOAT, BRAIN, INTEGER = "float16", "bfloat16", "integer"
LEAST_EXPONENT = -24  # of float16, denormal numbers included
MOST_CODE = 30  # of an exponent's five bits, of which 31 is an infinity to who reads a float16
# The sign, and the lowest bits of the exponent and the highest of the fraction, in float32.
FLOAT_BITS = 0x0FFFE000 - (1 << 31)


@dataclass(frozen=True, eq=False)
class Quantized:
    """(numbers - zero) * scale, computed in float32, of a weight with at least two axes.

    `numbers` is int8, of `bits` each. `scale` and `zero` (None: 1 and 0) are float32 and broadcast
    to the weight's shape, after each of their elements along `axis` was repeated `block` times.
    """

    numbers: np.ndarray
    bits: int
    scale: np.ndarray | None = None
    zero: np.ndarray | None = None
    axis: int = 0
    block: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.numbers.shape)

    def floats(self) -> np.ndarray:
        """The weight in float32."""
        values = self.numbers.astype(np.float32)
        with np.errstate(all="ignore"):  # a scale may be infinite, or NaN
            if self.zero is not None:
                values -= self.whole(self.zero)
            if self.scale is not None:
                values *= self.whole(self.scale)
        return values

    def whole(self, part: np.ndarray) -> np.ndarray:
        """The scales or zero points with the weight's shape."""
        if self.block > 1 and part.shape[self.axis] > 1:
            repeated = np.repeat(part, self.block, self.axis)
            part = repeated.take(np.arange(self.shape[self.axis]), self.axis)
        return np.broadcast_to(part, self.shape)

    def moved(self, places: np.ndarray, is_kept: np.ndarray | None = None) -> Quantized:
        """The weight whose elements come from these places of this one's flat array.

        Those that are not kept are zero, by the factors of the element that was there.

        Raises:
            ValueError: these have no integer for zero.
        """

        def taken(part: np.ndarray | None) -> np.ndarray | None:
            return None if part is None else _without_repeats(self.whole(part).reshape(-1)[places])

        numbers = self.numbers.reshape(-1)[places]
        scale, zero = taken(self.scale), taken(self.zero)
        if is_kept is not None:
            middle = np.zeros(()) if zero is None else zero
            padded = np.where(is_kept, numbers, middle)
            with np.errstate(invalid="ignore"):
                numbers = padded.astype(np.int8)
            if not np.array_equal(numbers, padded):
                raise ValueError("zero points that are no such integers")
        return Quantized(numbers, self.bits, scale, zero)

    def as_matrix(self, order: tuple[int, ...]) -> Quantized:
        """The weight as a matrix: all axes but the first, in this order, are its columns."""
        rows, is_plain = self.shape[0], self.block == 1

        def flat(part: np.ndarray | None) -> np.ndarray | None:
            if part is None:
                return None
            if is_plain and part.size == 1:
                return part.reshape(1, 1)
            if is_plain and part.ndim == self.numbers.ndim and part.size == part.shape[0]:
                return part.reshape(rows, 1)
            return self.whole(part).transpose(0, *order).reshape(rows, -1)

        return Quantized(
            self.numbers.transpose(0, *order).reshape(rows, -1),
            self.bits,
            flat(self.scale),
            flat(self.zero),
        )


def _without_repeats(part: np.ndarray) -> np.ndarray:
    """The array, with one element along each axis where all are equal."""
    for axis in range(part.ndim):
        first = part.take([0], axis)
        if np.all(first == part):
            part = first
    return part


@dataclass(frozen=True)
class Form:
    """How a weight of this shape is packed.

    An integer lies in a word with half of their range added, so that none is below zero. A float of
    16 bits is one of float16, but for its exponent: that begins so low that none is denormal, which
    processors are slow to multiply, and GPUs take for zero. It is 0 for 0 alone.
    `words` and `factors` are the shapes of its arrays: int32 words, and float32 scales, of which
    each is for a block of so many elements along each axis, followed by as many zero points.
    """

    kind: str
    bits: int
    axis: int
    shape: tuple[int, ...]
    words: tuple[int, ...]
    factors: tuple[int, ...] = ()
    lowest: int = 0  # the exponent that a float has where its five bits of it are 1
    blocks: tuple[int, ...] = ()
    has_scale: bool = False
    has_zero: bool = False
    order: tuple[int, ...] = ()  # of the axes that have become its columns, if it was no matrix

    @property
    def per_word(self) -> int:
        return 32 // self.bits


@dataclass(frozen=True, eq=False)
class Packed:
    """A weight in the arrays that a kernel takes for it: the words, and factors if it has some."""

    form: Form
    arrays: tuple[np.ndarray, ...]


def pack(weight: np.ndarray | Quantized, axis: int, kept: int | None = None) -> Packed | None:
    """The weight, packed along an axis; None if it doesn't get smaller or has another value then.

    `kept` is an axis along which each element has a factor of its own.
    """
    if isinstance(weight, Quantized):
        packed = _quantized(weight, axis, kept)
    else:
        found = _float(weight, axis) if weight.dtype == np.float32 else None
        if found is None:
            return None
        packed = found
    size = sum(array.nbytes for array in packed.arrays)
    return packed if size < WORTHWHILE * 4 * int(np.prod(weight.shape)) else None


def _float(weight: np.ndarray, axis: int) -> Packed | None:
    """The smallest form that holds each element of the array exactly."""
    for is_right, packed in (
        (_is_whole, _whole), (_is_half, _half), (_is_brain, _brain),
    ):  # fmt: skip
        # Most are known by their first elements.
        if is_right(weight.reshape(-1)[:LEAST]) and is_right(weight):
            return packed(weight, axis)
    return None


def _is_whole(weight: np.ndarray) -> bool:
    return bool(np.all((weight >= -128) & (weight <= 127) & (np.rint(weight) == weight)))


def _whole(weight: np.ndarray, axis: int) -> Packed:
    return _packed(Form(INTEGER, 8, axis, weight.shape, ()), weight.astype(np.int16) + 128)


def _is_half(weight: np.ndarray) -> bool:
    with np.errstate(all="ignore"):
        half = weight.astype(np.float16)
        return bool(np.all(np.isfinite(half) & (half == weight)))


def _half(weight: np.ndarray, axis: int) -> Packed | None:
    parts, exponents = np.frexp(weight)  # in [0.5, 1)
    exponents -= 1
    is_zero = weight == 0
    known = exponents[~is_zero]
    lowest = max(LEAST_EXPONENT, int(known.max(initial=LEAST_EXPONENT)) - MOST_CODE + 1)
    if known.min(initial=lowest) < lowest:
        return None  # so wide a range as float16's with its denormal numbers
    codes = np.where(is_zero, 0, exponents - lowest + 1)
    fractions = np.where(is_zero, 0, np.abs(parts) * 2048 - 1024).astype(np.int32)
    numbers = (np.signbit(weight).astype(np.int32) << 15) | (codes << 10) | fractions
    return _packed(Form(FLOAT, 16, axis, weight.shape, (), lowest=lowest), numbers)


def _is_brain(weight: np.ndarray) -> bool:
    return not np.any(weight.view(np.uint32) & 0xFFFF) and bool(np.all(np.isfinite(weight)))


def _brain(weight: np.ndarray, axis: int) -> Packed:
    return _packed(Form(BRAIN, 16, axis, weight.shape, ()), weight.view(np.uint32) >> 16)


def _packed(form: Form, numbers: np.ndarray, factors: tuple[np.ndarray, ...] = ()) -> Packed:
    words = _words(numbers, form.bits, form.axis)
    return Packed(replace(form, words=words.shape), (words, *factors))


def _words(numbers: np.ndarray, bits: int, axis: int) -> np.ndarray:
    """Integers as words along an axis, the low bits of each."""
    per = 32 // bits
    moved = np.moveaxis(numbers, axis, 0)
    padding = -len(moved) % per
    moved = np.pad(moved, [(0, padding)] + [(0, 0)] * (moved.ndim - 1))
    words = np.zeros((len(moved) // per, *moved.shape[1:]), np.uint32)
    for place in range(per):
        part = moved[place::per].astype(np.int32).view(np.uint32) & np.uint32((1 << bits) - 1)
        words |= part << np.uint32(place * bits)
    return np.ascontiguousarray(np.moveaxis(words.view(np.int32), 0, axis))


def _quantized(weight: Quantized, axis: int, kept: int | None) -> Packed:
    given = [None if part is None else weight.whole(part) for part in (weight.scale, weight.zero)]
    parts = [part for part in given if part is not None]
    form = Form(INTEGER, weight.bits, axis, weight.shape, ())
    numbers = weight.numbers.astype(np.int16) + (1 << (weight.bits - 1))
    if not parts:
        return _packed(form, numbers)
    blocks = tuple(1 if each == kept else _block(parts, each) for each in range(parts[0].ndim))
    starts = tuple(slice(None, None, block) for block in blocks)
    factors = np.concatenate([part[starts] for part in parts], axis)
    form = replace(
        form,
        factors=factors.shape,
        blocks=blocks,
        has_scale=given[0] is not None,
        has_zero=given[1] is not None,
    )
    return _packed(form, numbers, (np.ascontiguousarray(factors, np.float32),))


def _block(parts: list[np.ndarray], axis: int) -> int:
    """The most elements along an axis for which all these arrays have the same values."""
    extent = parts[0].shape[axis]
    places = np.arange(extent)
    start = tuple(slice(None) if each == axis else slice(2) for each in range(parts[0].ndim))
    for block in (extent, *BLOCKS):
        first = places // block * block
        for cut in (start, ...):  # most are known by their first elements
            cuts = [part[cut] for part in parts]
            if not all(np.array_equal(part.take(first, axis), part) for part in cuts):
                break
        else:
            return block
    return 1
