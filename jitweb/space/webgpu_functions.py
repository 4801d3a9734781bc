"""Functions of float32 in WGSL, where its own are not right or not to be relied on.

WGSL lets an implementation assume that there are no NaN and no infinities. So it does: on
SwiftShader, in Chromium, exp, log and sigmoid lose NaN; there, and with naga on lavapipe, `x != x`
is false for it and max(NaN, 0) is 0. What no compiler can assume away are integers; so what is
special is found by the bits of a float, and chosen among the bits of results. In between exp and
log are WGSL's own. Its pow is undefined for a negative base, its tanh overflows on some devices,
and it has no erf. Constants that are infinite or NaN can't be written in WGSL at all.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from tvm import tirx

from jitweb.space.approximate import (
    ERF,
    INFINITY_BITS,
    NEGATIVE_INFINITY,
    TANH,
    Functions,
    bits_of,
    by_sign,
    clipped,
    extremes,
    fmod,
    is_nan,
    let,
    number,
    power_of,
    rational,
    with_bits,
)

NAN_BITS, NEGATIVE_ZERO = 0x7FC00000, -1 << 31  # as int32
LEAST_NORMAL_BITS = 1 << 23
LOWEST, HIGHEST = -103.98, 88.72284  # where exp is less than half of the least number; infinite
MOST = 87.0  # exp of it can divide: WGSL's division is exact enough up to 2^126


def _bits(value: float) -> int:
    """The bits of a float32, as int32."""
    return int(struct.unpack("<i", struct.pack("<f", value))[0])


def _integer(value: int) -> Any:
    return tirx.IntImm("int32", value)


def _kept(x: Any, value: Callable[[Any], Any]) -> Any:
    """The value for a number, and NaN for NaN.

    TVM's WGSL has no variables of integer vectors: bits are written anew where they are needed.
    """
    return let(x, lambda held: with_bits(is_nan(held), bits_of(held), value(held)))


def _relu(x: Any) -> Any:
    """max(x, 0), by one comparison: as integers, negative numbers lie below the negative NaNs."""

    def of_held(x: Any) -> Any:
        is_negative = bits_of(x) <= NEGATIVE_INFINITY
        return tirx.reinterpret("float32", tirx.Select(is_negative, _integer(0), bits_of(x)))

    return let(x, of_held)


def _exp(x: Any) -> Any:
    def of_held(x: Any) -> Any:
        bits = bits_of(x)
        is_large = bits > by_sign(bits, _bits(LOWEST), _bits(HIGHEST))
        special = tirx.Select(is_nan(x), bits, by_sign(bits, 0, INFINITY_BITS))
        return with_bits(is_large, special, tirx.exp(x))

    return let(x, of_held)


def _log(x: Any) -> Any:
    """Subnormal numbers, which a device may take for 0, are integers times 2^-149."""

    def of_held(x: Any) -> Any:
        bits = bits_of(x)
        is_tiny = bits < LEAST_NORMAL_BITS
        normal = tirx.Select(is_tiny, bits.astype("float32"), x)
        shift = tirx.Select(is_tiny, number(-149 * math.log(2)), number(0))
        # Infinity is its own logarithm, that of a negative number is NaN.
        beyond = tirx.Select(bits.equal(INFINITY_BITS), bits, _integer(NAN_BITS))
        of_zero = tirx.Select(bits < NEGATIVE_ZERO + 1, _integer(NEGATIVE_INFINITY), beyond)
        special = tirx.Select(bits.equal(0), _integer(NEGATIVE_INFINITY), of_zero)
        # What is not above 0, as an integer, or not below infinity.
        is_special = tirx.Select(bits > 0, bits, _integer(INFINITY_BITS)) >= INFINITY_BITS
        return with_bits(is_special, special, tirx.log(normal) + shift)

    return let(x, of_held)


def _sigmoid(x: Any) -> Any:
    def of_number(x: Any) -> Any:
        return number(1) / (number(1) + tirx.exp(clipped(number(0) - x, -MOST, MOST)))

    return _kept(x, of_number)


FUNCTIONS: Functions = {
    "exp": _exp,
    "tanh": lambda x: _kept(x, lambda held: rational(held, *TANH)),
    "sigmoid": _sigmoid,
    "erf": lambda x: _kept(x, lambda held: rational(held, *ERF)),
    "log": _log,
    "pow": power_of(_exp, _log),
    "fmod": fmod,
    "isnan": is_nan,
    "nearbyint": tirx.round,  # WGSL's rounds to even, and TVM makes vectors of it
    "trunc": tirx.trunc,  # in the place of two casts: TVM has no casts to vectors of integers here
    **extremes(_relu),
}
