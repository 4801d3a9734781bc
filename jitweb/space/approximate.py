"""exp, tanh, erf and similar functions as arithmetic that vectorises.

WebAssembly has no such instructions, and LLVM would call a scalar library for each element. So they
become polynomials in the IR; webgpu_functions.py has the table for WGSL. Errors in float32, which
the tests check against float64:

| function | method                                                              | error          |
|----------|---------------------------------------------------------------------|----------------|
| exp      | x = n ln 2 + r, |r| <= ln 2 / 2, polynomial of degree 6 in r         | 3e-7 relative  |
| sigmoid  | 1 / (1 + exp(-x))                                                   | 3e-7 absolute  |
| tanh     | rational function x P(x^2) / Q(x^2), x clipped to [-8, 8]           | 6e-7 absolute  |
| erf      | the same, x clipped to [-3.9, 3.9]                                  | 6e-7 absolute  |
| log      | x = m 2^e, atanh series in (m - 1) / (m + 1)                        | 4e-7 relative  |
| sin, cos | x = n pi / 2 + r, |r| <= pi / 4, polynomials of degree 9 and 8      | 3e-7 absolute  |
| fmod     | x - y trunc(x / y)                                                  | of x / y       |
| pow      | products for whole exponents to 8, sqrt for 0.5, else exp(y log x)  | of its parts   |

NaN stays NaN, in max and min as well, and infinities are treated as IEEE 754 says: so softmax of a
row with NaN is NaN. Below -87 exp returns 0. sin and cos are for |x| < 4e5; beyond, they are
some number from -1 to 1.
scripts/fit_functions.py computed the coefficients of tanh and erf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
# pi / 2 in parts, the first of six bits: n times one, for n below 2^18, is exact.
HALF_PI = (1.5625, 0.008056640625, 0.00023651123046875, 3.1749393656355096e-06)
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
GROWTH = 1 + 2e-7  # so that they reach 1 at the limit
GREATEST_POWER = 8
INFINITY_BITS = 0x7F800000
NEGATIVE_INFINITY = INFINITY_BITS - (1 << 31)  # above it and below zero, as int32, is NaN alone

Functions = Mapping[str, Callable[..., Any]]


def approximate(value: Any, functions: Functions | None = None) -> Any:
    """The expression with these float32 functions replaced; by default those of WebAssembly."""
    table = FUNCTIONS if functions is None else functions

    def call(node: Any) -> Any:
        change = table.get(compat.call_name(node))
        if change is None or compat.dtype_of(node.args[0]) != "float32":
            return node
        return change(*node.args)

    def operator(name: str) -> Callable[[Any], Any]:
        change = table[name]
        return lambda node: change(node.a, node.b) if compat.dtype_of(node) == "float32" else node

    def cast(node: Any) -> Any:
        return table["trunc"](node.value.value) if _is_truncation(node) else node

    casts = [(tirx.Cast, cast)] if "trunc" in table else []
    operators = [(kind, operator(name)) for kind, name in OPERATORS if name in table]
    return tvm_ffi.structural_map(value, [(compat.Call, call), *casts, *operators])


def _is_truncation(node: Any) -> bool:
    """Whether it makes a float of an int32 that was cut from a float32."""
    dtypes = [compat.dtype_of(node), compat.dtype_of(node.value)]
    inner = node.value
    if dtypes != ["float32", "int32"] or compat.type_key(inner) != "Cast":
        return False
    return compat.dtype_of(inner.value) == "float32"


def number(value: float) -> Any:
    return tirx.FloatImm("float32", value)


def let(value: Any, body: Callable[[Any], Any]) -> Any:
    """The body with a value that it uses several times but computes once."""
    if isinstance(value, (compat.Var, compat.FloatImm)):
        return body(value)
    held = tirx.Var("held", compat.dtype_of(value))
    return tirx.Let(held, value, body(held))


def clipped(x: Any, low: float, high: float) -> Any:
    """x within the ends; of NaN it is any number, as these are relaxed instructions."""
    return tirx.min(tirx.max(x, number(low)), number(high))


def _kept(x: Any, value: Callable[[Any], Any]) -> Any:
    """The value for a number, and NaN for NaN.

    Selecting by an unordered comparison would be no instruction more than min and max are, but with
    relaxed SIMD LLVM makes min and max of it.
    """
    return let(x, lambda held: tirx.Select(_is_number(held), value(held), held))


def _is_number(x: Any) -> Any:
    return x <= number(math.inf)  # TVM takes x == x for true


def bits_of(x: Any) -> Any:
    """The bits of a float32, an int32: what a compiler can't assume to be of no NaN."""
    return tirx.reinterpret("int32", x)


def is_nan(x: Any) -> Any:
    """Whether x is NaN, by its bits; TVM may take a mask of 31 of them for a remainder."""
    bits = bits_of(x)
    return bits > by_sign(bits, NEGATIVE_INFINITY, INFINITY_BITS)


def by_sign(bits: Any, negative: int, positive: int) -> Any:
    """The one integer where the float of these bits is negative, else the other."""
    return tirx.Select(bits < 0, tirx.IntImm("int32", negative), tirx.IntImm("int32", positive))


def with_bits(condition: Any, bits: Any, value: Any) -> Any:
    """The float of these bits where the condition is true, else the value."""
    return tirx.reinterpret("float32", tirx.Select(condition, bits, bits_of(value)))


def _relu(x: Any) -> Any:
    """max(x, 0) by a comparison that keeps NaN; of another number LLVM makes a relaxed maximum."""
    return let(x, lambda held: tirx.Select(held < number(0), number(0), held))


def extremes(relu: Callable[[Any], Any]) -> dict[str, Callable[[Any, Any], Any]]:
    """max and min that keep NaN; `relu` is max(x, 0)."""

    def maximum(a: Any, b: Any) -> Any:
        if _is_constant(a):
            a, b = b, a
        return relu(a) if _is_constant(b) and float(b) == 0 else _extreme(tirx.max, a, b)

    return {"max": maximum, "min": lambda a, b: _extreme(tirx.min, a, b)}


def _is_constant(value: Any) -> bool:
    return isinstance(value, compat.FloatImm)


def _extreme(choose: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    def of_held(a: Any, b: Any) -> Any:
        result = choose(a, b)
        for operand in (a, b):
            if not _is_constant(operand):
                result = with_bits(is_nan(operand), bits_of(operand), result)
        return result

    return let(a, lambda a: let(b, lambda b: of_held(a, b)))


def _exp(x: Any) -> Any:
    def of_clipped(x: Any) -> Any:
        return let(tirx.floor(x * number(1 / math.log(2)) + number(0.5)), lambda n: whole(x, n))

    def whole(x: Any, n: Any) -> Any:
        rest = x - n * number(LN2_HIGH) - n * number(LN2_LOW)
        # Half of 2^n, and twice the series: so the greatest results are exact and then infinite.
        power = tirx.reinterpret("float32", (n.astype("int32") + (BIAS - 1)) << MANTISSA_BITS)
        series = [2 / math.factorial(degree) for degree in range(7)]
        return let(rest, lambda r: _polynomial(r, series) * power)

    return _kept(x, lambda held: let(clipped(held, LOWEST, HIGHEST), of_clipped))


def rational(x: Any, limit: float, over: Sequence[float], under: Sequence[float]) -> Any:
    """x P(x^2) / Q(x^2), and exactly 1 or -1 from the limit: so that GELU of -inf is NaN, and of
    other large negative numbers 0."""
    raised = [GROWTH * each for each in over]

    def of_clipped(x: Any) -> Any:
        value = let(x * x, lambda z: x * _polynomial(z, raised) / _polynomial(z, under))
        return clipped(value, -1, 1)

    return let(clipped(x, -limit, limit), of_clipped)


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """By Horner's rule; the constant comes first."""
    result = number(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + number(coefficient)
    return result


def _tanh(x: Any) -> Any:
    return _kept(x, lambda held: rational(held, *TANH))


def _sigmoid(x: Any) -> Any:
    return number(1) / (number(1) + _exp(number(0) - x))


def _erf(x: Any) -> Any:
    return _kept(x, lambda held: rational(held, *ERF))


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

    return let(x, of_held)


def _log_of_normal(x: Any) -> Any:
    # m starts from sqrt(1/2), so that numbers near 1 have the exponent 0.
    def of_bits(bits: Any) -> Any:
        mantissa = tirx.reinterpret("float32", (bits & 0x7FFFFF) + SQRT_HALF)
        exponent = (bits >> MANTISSA_BITS).astype("float32")
        ratio = let(mantissa, lambda m: (m - number(1)) / (m + number(1)))
        return let(exponent, lambda e: let(ratio, lambda s: series(e, s)))

    def series(exponent: Any, s: Any) -> Any:
        terms = [2 / (2 * degree + 1) for degree in range(6)]
        log_of_mantissa = let(s * s, lambda z: s * _polynomial(z, terms))
        return exponent * number(LN2_HIGH) + (exponent * number(LN2_LOW) + log_of_mantissa)

    return let(tirx.reinterpret("int32", x) - SQRT_HALF, of_bits)


def power_of(exp: Callable[[Any], Any], log: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """pow by these functions."""

    def power(x: Any, y: Any) -> Any:
        if isinstance(y, compat.FloatImm):
            exponent = float(y)
            if exponent == 0.5:
                return tirx.sqrt(x)
            if exponent == int(exponent) and 1 <= exponent <= GREATEST_POWER:
                return let(x, lambda held: _power(held, int(exponent)))
        return exp(y * log(x))

    return power


def _power(x: Any, exponent: int) -> Any:
    half = let(_power(x, exponent // 2), lambda y: y * y) if exponent > 1 else None
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
        rest = clipped(rest, -1, 1)  # where x is too large for n it is anything, but no infinity
        return let(
            n.astype("int32") + ahead, lambda quarter: let(rest, lambda r: of_rest(quarter, r))
        )

    def of_rest(quarter: Any, r: Any) -> Any:
        sines = [(-1) ** k / math.factorial(2 * k + 1) for k in range(5)]
        cosines = [(-1) ** k / math.factorial(2 * k) for k in range(5)]
        sine = let(r * r, lambda z: r * _polynomial(z, sines))
        cosine = let(r * r, lambda z: _polynomial(z, cosines))
        value = tirx.Select((quarter & 1) != 0, cosine, sine)
        return let(value, lambda v: tirx.Select((quarter & 2) != 0, number(0) - v, v))

    def of_held(x: Any) -> Any:
        n = tirx.floor(x * number(2 / math.pi) + number(0.5))
        is_finite = tirx.abs(x) < number(math.inf)
        return tirx.Select(is_finite, let(n, lambda n: of_whole(x, n)), number(math.nan))

    return let(x, of_held)


def fmod(x: Any, y: Any) -> Any:
    return let(x, lambda a: let(y, lambda b: a - b * tirx.trunc(a / b)))


def _nearest(x: Any) -> Any:
    """To even where two are as near: TVM makes no vectors of nearbyint, but of LLVM's own."""
    return tirx.call_llvm_pure_intrin("float32", "llvm.nearbyint", x)


def _rsqrt(x: Any) -> Any:
    return number(1) / tirx.sqrt(x)


FUNCTIONS: Functions = {
    "exp": _exp,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "erf": _erf,
    "log": _log,
    "pow": power_of(_exp, _log),
    "rsqrt": _rsqrt,
    "sin": _sin,
    "cos": _cos,
    "fmod": fmod,
    "isnan": is_nan,
    "nearbyint": _nearest,
    **extremes(_relu),
}
# Nodes of their own, by the names that the tables have for them.
OPERATORS = ((tirx.Mod, "fmod"), (tirx.Max, "max"), (tirx.Min, "min"))
