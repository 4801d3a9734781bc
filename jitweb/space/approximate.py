"""exp, tanh, erf and similar functions as arithmetic that vectorises.

WebAssembly has no such instructions, and LLVM would call a scalar library for each element; WGSL
has no erf. So they become polynomials in the IR. Errors in float32, which the tests check against
float64:

| function | method                                                              | error          |
|----------|---------------------------------------------------------------------|----------------|
| exp      | x = n ln 2 + r, |r| <= ln 2 / 2, polynomial of degree 6 in r         | 3e-7 relative  |
| sigmoid  | 1 / (1 + exp(-x))                                                   | 3e-7 absolute  |
| tanh     | rational function x P(x^2) / Q(x^2), x clipped to [-8, 8]           | 5e-7 absolute  |
| erf      | the same, x clipped to [-3.9, 3.9]                                  | 5e-7 absolute  |
| log      | x = m 2^e, atanh series in (m - 1) / (m + 1)                        | 4e-7 relative  |
| sin, cos | x = n pi / 2 + r, |r| <= pi / 4, polynomials of degree 9 and 8      | 3e-7 absolute  |
| fmod     | x - y trunc(x / y)                                                  | of x / y       |
| pow      | products for whole exponents to 8, sqrt for 0.5, else exp(y log x)  | of its parts   |

NaN stays NaN, and infinities are treated as IEEE 754 says: so softmax of a row with NaN is NaN.
Below -87 exp returns 0. A Relu keeps NaN; max and min of other values may drop it. sin and cos are
for |x| < 1e4. scripts/fit_functions.py computed the coefficients of tanh and erf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import tvm_ffi
from tvm import tirx

from harness import compat

LOWEST, HIGHEST = -87.6, 89.0  # where exp is 0 and infinite in float32
# ln 2 in two parts; the first has few bits, so that n times it is exact.
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
BIAS, MANTISSA_BITS = 127, 23
SQRT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)
LEAST_NORMAL = 2.0**-126
# pi / 2 in three such parts.
HALF_PI = (1.5703125, 4.83751296997e-4, 7.54978995489e-8)
# Limit of x, then P and Q, constants first.
ERF = (
    3.9,
    (1.1283788, 0.204202187, 0.0511458941, 0.00389531357, 0.000147451444, -1.99684111e-06,
     2.01193095e-08),
    (1.0, 0.514298498, 0.116776117, 0.0147285504, 0.00100636769),
)  # fmt: skip
TANH = (
    8.0,
    (0.999999913, 0.129726376, 0.00297887349, 9.81610473e-06, -1.45187831e-08, 2.30306177e-11),
    (1.0, 0.463059353, 0.0239990846, 0.000236246635),
)
GREATEST_POWER = 8
# The sign, exponent and fraction of a float16, in a float32; its lowest exponent means denormal.
HALF_EXPONENT, HALF_FRACTION = 0x0F800000, 0x007FE000
HALF_BITS = (HALF_EXPONENT | HALF_FRACTION) - (1 << 31)
MOST_REPEATED = 24  # nodes of an expression that may stand twice


def approximate(value: Any, *, only: frozenset[str] | None = None) -> Any:
    """The expression with calls of these float32 functions replaced; all of them by default."""

    def replaced(call: Any) -> Any:
        name = compat.call_name(call)
        change = FUNCTIONS.get(name)
        if change is None or compat.dtype_of(call) != "float32":
            return call
        if only is not None and name not in only:
            return call
        return change(*call.args)

    def divided(node: Any) -> Any:
        wanted = only is None or "fmod" in only
        return _fmod(node.a, node.b) if wanted and compat.dtype_of(node) == "float32" else node

    def extreme(node: Any) -> Any:
        wanted = only is None and compat.dtype_of(node) == "float32"
        return _extreme(node) if wanted else node

    def cast(node: Any) -> Any:
        value = node.value
        is_half = isinstance(value, compat.Call) and compat.dtype_of(value) == "float16"
        if not is_half or compat.call_name(value) != "reinterpret":
            return node
        half = value.args[0]  # WGSL has no 16 bits: what they are cut from
        word = half.value if compat.type_key(half) == "Cast" else half.astype("int32")
        return (_of_half if only is None else _of_half_without_denormals)(word)

    return tvm_ffi.structural_map(
        value,
        [
            (tirx.Cast, cast),
            (compat.Call, replaced),
            (tirx.Mod, divided),
            (tirx.Max, extreme),
            (tirx.Min, extreme),
        ],
    )


def _of_half(half: Any) -> Any:
    """The float32 of a float16, the low bits of an int32: infinity and NaN are not among them.

    Its exponent and fraction are moved into those of a float32, which is too small by 2^112 then.
    """
    bits = (half << 16 >> 3) & HALF_BITS
    return tirx.reinterpret("float32", bits) * number(2.0**112)


def _of_half_without_denormals(half: Any) -> Any:
    """The same, on a GPU that takes denormal numbers of float32 for zero."""

    def of_bits(bits: Any) -> Any:
        fraction = (bits & HALF_FRACTION).astype("float32") * number(2.0**-37)
        small = tirx.Select(bits < 0, number(0) - fraction, fraction)
        ordinary = tirx.reinterpret("float32", bits + (112 << MANTISSA_BITS))
        return tirx.Select((bits & HALF_EXPONENT) != 0, ordinary, small)

    return _let((half << 16 >> 3) & HALF_BITS, of_bits)


def number(value: float) -> Any:
    return tirx.FloatImm("float32", value)


def _let(value: Any, body: Callable[[Any], Any]) -> Any:
    """The body with a value that it uses several times but computes once."""
    if isinstance(value, compat.Var):
        return body(value)
    held = tirx.Var("held", compat.dtype_of(value))
    return tirx.Let(held, value, body(held))


def _clipped(x: Any, low: float, high: float) -> Any:
    """x within the ends; of NaN it is any number, as these are relaxed instructions."""
    return tirx.min(tirx.max(x, number(low)), number(high))


def _kept(x: Any, value: Callable[[Any], Any]) -> Any:
    """The value for a number, and NaN for NaN.

    Selecting by an unordered comparison would be no instruction more than min and max are, but with
    relaxed SIMD LLVM makes min and max of it.
    """
    return _let(x, lambda held: tirx.Select(_is_number(held), value(held), held))


def _is_number(x: Any) -> Any:
    return x <= number(math.inf)  # TVM takes x == x for true


def _extreme(node: Any) -> Any:
    """A Relu, max(x, 0), of something short as a comparison that keeps NaN.

    With another number LLVM makes a relaxed instruction of every form of it, which drops NaN; and
    what is long is not to be computed twice.
    """
    left, right = node.a, node.b
    if isinstance(left, compat.FloatImm):
        left, right = right, left
    is_zero = isinstance(right, compat.FloatImm) and float(right) == 0
    if not is_zero or len(list(compat.nodes(left))) > MOST_REPEATED:
        return node
    return tirx.Select(left < right if isinstance(node, tirx.Max) else right < left, right, left)


def _exp(x: Any) -> Any:
    def of_clipped(x: Any) -> Any:
        return _let(tirx.floor(x * number(1 / math.log(2)) + number(0.5)), lambda n: whole(x, n))

    def whole(x: Any, n: Any) -> Any:
        rest = x - n * number(LN2_HIGH) - n * number(LN2_LOW)
        # Half of 2^n, and twice the series: so the greatest results are exact and then infinite.
        power = tirx.reinterpret("float32", (n.astype("int32") + (BIAS - 1)) << MANTISSA_BITS)
        series = [2 / math.factorial(degree) for degree in range(7)]
        return _let(rest, lambda r: _polynomial(r, series) * power)

    return _kept(x, lambda held: _let(_clipped(held, LOWEST, HIGHEST), of_clipped))


def _rational(x: Any, limit: float, over: Sequence[float], under: Sequence[float]) -> Any:
    def of_clipped(x: Any) -> Any:
        return _let(x * x, lambda z: x * _polynomial(z, over) / _polynomial(z, under))

    return _kept(x, lambda held: _let(_clipped(held, -limit, limit), of_clipped))


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """By Horner's rule; the constant comes first."""
    result = number(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + number(coefficient)
    return result


def _tanh(x: Any) -> Any:
    return _rational(x, *TANH)


def _sigmoid(x: Any) -> Any:
    return number(1) / (number(1) + _exp(number(0) - x))


def _erf(x: Any) -> Any:
    return _rational(x, *ERF)


def _log(x: Any) -> Any:
    def of_held(x: Any) -> Any:
        is_tiny = x < number(LEAST_NORMAL)
        raised = tirx.Select(is_tiny, x * number(2.0**23), x)
        shift = tirx.Select(is_tiny, number(-23 * math.log(2)), number(0))
        at_zero = tirx.Select(x == number(0), number(-math.inf), number(math.nan))
        # Infinity and NaN are their own logarithms.
        beyond = tirx.Select(x <= number(0), at_zero, x)
        is_ordinary = tirx.And(x > number(0), x < number(math.inf))
        return tirx.Select(is_ordinary, _log_of_normal(raised) + shift, beyond)

    return _let(x, of_held)


def _log_of_normal(x: Any) -> Any:
    # m starts from sqrt(1/2), so that numbers near 1 have the exponent 0.
    def of_bits(bits: Any) -> Any:
        mantissa = tirx.reinterpret("float32", (bits & 0x7FFFFF) + SQRT_HALF)
        exponent = (bits >> MANTISSA_BITS).astype("float32")
        ratio = _let(mantissa, lambda m: (m - number(1)) / (m + number(1)))
        return _let(exponent, lambda e: _let(ratio, lambda s: series(e, s)))

    def series(exponent: Any, s: Any) -> Any:
        terms = [2 / (2 * degree + 1) for degree in range(6)]
        log_of_mantissa = _let(s * s, lambda z: s * _polynomial(z, terms))
        return exponent * number(LN2_HIGH) + (exponent * number(LN2_LOW) + log_of_mantissa)

    return _let(tirx.reinterpret("int32", x) - SQRT_HALF, of_bits)


def _pow(x: Any, y: Any) -> Any:
    if isinstance(y, compat.FloatImm):
        exponent = float(y)
        if exponent == 0.5:
            return tirx.sqrt(x)
        if exponent == int(exponent) and 1 <= exponent <= GREATEST_POWER:
            return _let(x, lambda held: _power(held, int(exponent)))
    return _exp(y * _log(x))


def _power(x: Any, exponent: int) -> Any:
    half = _let(_power(x, exponent // 2), lambda y: y * y) if exponent > 1 else None
    if half is None:
        return x
    return half * x if exponent % 2 else half


def _sin(x: Any) -> Any:
    return _quarter_turns(x, 0)


def _cos(x: Any) -> Any:
    return _quarter_turns(x, 1)


def _quarter_turns(x: Any, ahead: int) -> Any:
    """The sine of x plus `ahead` quarter turns."""

    def of_whole(x: Any, n: Any) -> Any:
        rest = x
        for part in HALF_PI:
            rest = rest - n * number(part)
        return _let(
            n.astype("int32") + ahead, lambda quarter: _let(rest, lambda r: of_rest(quarter, r))
        )

    def of_rest(quarter: Any, r: Any) -> Any:
        sines = [(-1) ** k / math.factorial(2 * k + 1) for k in range(5)]
        cosines = [(-1) ** k / math.factorial(2 * k) for k in range(5)]
        sine = _let(r * r, lambda z: r * _polynomial(z, sines))
        cosine = _let(r * r, lambda z: _polynomial(z, cosines))
        value = tirx.Select((quarter & 1) != 0, cosine, sine)
        return _let(value, lambda v: tirx.Select((quarter & 2) != 0, number(0) - v, v))

    def of_held(x: Any) -> Any:
        return _let(tirx.floor(x * number(2 / math.pi) + number(0.5)), lambda n: of_whole(x, n))

    return _let(x, of_held)


def _fmod(x: Any, y: Any) -> Any:
    return _let(x, lambda a: _let(y, lambda b: a - b * tirx.trunc(a / b)))


def _rsqrt(x: Any) -> Any:
    return number(1) / tirx.sqrt(x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": _exp,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "erf": _erf,
    "log": _log,
    "pow": _pow,
    "rsqrt": _rsqrt,
    "sin": _sin,
    "cos": _cos,
    "fmod": _fmod,
}
