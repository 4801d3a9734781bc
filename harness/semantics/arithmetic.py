"""The scalar operations of generated code that Python has no operator for.

Integers are Python ints in the range of their dtype; floats are Python floats whose value the dtype
can represent. A binary64 result rounded once more to a format of at most 24 bits is the correctly
rounded result for + - * / and sqrt, because 53 >= 2 * 24 + 2 (Figueroa, 1995).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import ml_dtypes
import numpy as np

from harness.semantics.dtypes import NARROW_FLOATS, DType, parse
from harness.semantics.errors import undefined

_F32 = memoryview(bytearray(4)).cast("f")


def round_float32(value: float) -> float:
    """The nearest float32, ties to even; a value too large becomes infinite."""
    _F32[0] = value
    return _F32[0]


def rounder(dtype: DType) -> Callable[[float], float]:
    """A function that rounds a binary64 value to the dtype (nearest, ties to even)."""
    if dtype.scalar == "float64":
        return float
    if dtype.scalar == "float32":
        return round_float32
    precision, largest = dtype.precision, dtype.largest
    least = math.frexp(dtype.smallest_normal)[1]

    def round_small(value: float) -> float:
        if value != value or value in (math.inf, -math.inf) or value == 0.0:
            return value
        exponent = max(math.frexp(value)[1], least)
        scale = precision - exponent
        rounded = math.ldexp(float(round(math.ldexp(value, scale))), -scale)
        if abs(rounded) > largest:
            return math.copysign(math.inf, value)
        return math.copysign(rounded, value)

    return round_small


def divide_floats(a: float, b: float) -> float:
    """a / b with the infinities and NaN of IEEE 754 where Python raises."""
    if b != 0.0:
        return a / b
    if a == 0.0 or a != a:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def truncate_divide(a: int, b: int) -> int:
    """C's division of integers; b is not zero."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def truncate_modulo(a: int, b: int) -> int:
    """C's remainder of integers, which has the sign of a; b is not zero."""
    remainder = abs(a) % abs(b)
    return -remainder if a < 0 else remainder


def remainder_of_floats(a: float, b: float) -> float:
    """C's fmod."""
    if a != a or b != b or b == 0.0 or a in (math.inf, -math.inf):
        return math.nan
    return math.fmod(a, b)


def floor_of_quotient(a: float, b: float) -> float:
    """FloorDiv of floats."""
    quotient = divide_floats(a, b)
    return float(math.floor(quotient)) if math.isfinite(quotient) else quotient


def wrap(value: int, bits: int, signed: bool) -> int:
    """The low bits of an integer, in two's complement if signed."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def float_to_int(value: float, low: int, high: int) -> int:
    """Cast towards zero. Undefined (as in C; poison in LLVM) where the result doesn't fit."""
    if value != value or value in (math.inf, -math.inf):
        undefined("bad-cast", f"{value} cast to an integer")
    result = int(value)
    if not low <= result <= high:
        undefined("bad-cast", f"{value!r} cast to an integer of {low} to {high}")
    return result


def int_to_float(value: int, round_to: Callable[[float], float], precision: int) -> float:
    """The nearest float, ties to even, rounded once even for integers beyond 2 ** 53."""
    magnitude = abs(value)
    excess = magnitude.bit_length() - precision
    if excess > 0:
        kept, lost, half = magnitude >> excess, magnitude & ((1 << excess) - 1), 1 << (excess - 1)
        kept += lost > half or (lost == half and kept & 1 == 1)
        magnitude = kept << excess
    return round_to(float(-magnitude if value < 0 else magnitude))


def check_shift(value: int, amount: int, bits: int) -> int:
    """The shift amount, after a check that it is in range."""
    if not 0 <= amount < bits:
        undefined("bad-shift", f"{value} shifted by {amount} in {bits} bits")
    return amount


def overflow(value: int, dtype: str) -> None:
    undefined("signed-overflow", f"{value} does not fit {dtype}")


_CODES = {("int", 8): "b", ("uint", 8): "B", ("int", 16): "h", ("uint", 16): "H",
          ("int", 32): "i", ("uint", 32): "I", ("int", 64): "q", ("uint", 64): "Q",
          ("float", 32): "f", ("float", 64): "d", ("float", 16): "e"}  # fmt: skip


def to_bits(value: float | int, dtype: DType) -> int:
    """The bit pattern of a value as an unsigned integer."""
    if dtype.scalar in NARROW_FLOATS:
        return int(np.array(value, getattr(ml_dtypes, dtype.scalar)).view(np.uint8))
    if dtype.scalar == "bfloat16":
        return int(struct.unpack("<I", struct.pack("<f", value))[0]) >> 16
    if not dtype.is_float:
        return int(value) & ((1 << dtype.bits) - 1)
    unsigned = _CODES["uint", dtype.bits]
    return int(
        struct.unpack(f"<{unsigned}", struct.pack(f"<{_CODES['float', dtype.bits]}", value))[0]
    )


def from_bits(bits: int, dtype: DType) -> float | int | bool:
    """The value with this bit pattern."""
    if dtype.scalar in NARROW_FLOATS:
        return float(np.array(bits, np.uint8).view(getattr(ml_dtypes, dtype.scalar)))
    if dtype.scalar == "bfloat16":
        return float(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
    if dtype.kind == "bool":
        return bits != 0
    if not dtype.is_float:
        return wrap(bits, dtype.bits, dtype.kind == "int")
    unsigned = _CODES["uint", dtype.bits]
    return float(
        struct.unpack(f"<{_CODES['float', dtype.bits]}", struct.pack(f"<{unsigned}", bits))[0]
    )


def reinterpreter(source: str, target: str) -> Callable[[float | int], float | int | bool]:
    """A function that reinterprets the bits of one dtype as another of the same width."""
    source_dtype, target_dtype = parse(source), parse(target)
    return lambda value: from_bits(to_bits(value, source_dtype), target_dtype)
