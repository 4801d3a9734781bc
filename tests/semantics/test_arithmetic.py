"""Scalar arithmetic follows its definition in every dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tvm import tirx

from harness.semantics import UndefinedBehaviour, Unsupported, arithmetic
from harness.semantics.dtypes import NARROW_FLOATS, parse
from tests.semantics.helpers import evaluate, ml_dtypes

SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


def integers(dtype: str) -> st.SearchStrategy[int]:
    return st.integers(parse(dtype).low, parse(dtype).high)


@given(st.data(), st.sampled_from(SIGNED))
def test_floor_division_and_modulo_restore_the_dividend(data: Any, dtype: str) -> None:
    a, b = data.draw(integers(dtype)), data.draw(integers(dtype))
    assume(b != 0 and not (b == -1 and a == parse(dtype).low))
    quotient = int(evaluate(tirx.FloorDiv, (dtype, a), (dtype, b)))
    remainder = int(evaluate(tirx.FloorMod, (dtype, a), (dtype, b)))
    assert quotient * b + remainder == a
    assert 0 <= remainder < b or b < remainder <= 0


@pytest.mark.parametrize("name", NARROW_FLOATS)
@given(st.floats(-400, 400))
def test_conversion_to_floats_of_8_bits_is_that_of_ml_dtypes(name: str, value: float) -> None:
    expected = np.float64(value).astype(getattr(ml_dtypes, name))
    found = evaluate(lambda x: tirx.Cast(name, x), ("float64", value))
    assert np.float64(found) == np.float64(expected)


@pytest.mark.parametrize(("name", "value"), [("float8_e4m3fn", 449.0), ("float8_e5m2", math.inf)])
def test_what_a_float_of_8_bits_can_t_hold_is_left_to_targets(name: str, value: float) -> None:
    with pytest.raises(UndefinedBehaviour) as caught:
        evaluate(lambda x: tirx.Cast(name, x), ("float64", value))
    assert caught.value.kind == "bad-cast"


def test_arithmetic_of_floats_of_8_bits_is_not_judged() -> None:
    with pytest.raises(Unsupported, match="arithmetic of float8_e5m2"):
        evaluate(lambda x: x + x, ("float8_e5m2", 1.0))


@given(st.data(), st.sampled_from(SIGNED))
def test_truncating_division_rounds_towards_zero(data: Any, dtype: str) -> None:
    a, b = data.draw(integers(dtype)), data.draw(integers(dtype))
    assume(b != 0 and not (b == -1 and a == parse(dtype).low))
    quotient = int(evaluate(tirx.Div, (dtype, a), (dtype, b)))
    remainder = int(evaluate(tirx.Mod, (dtype, a), (dtype, b)))
    assert quotient * b + remainder == a
    assert abs(remainder) < abs(b)
    assert remainder == 0 or (remainder < 0) == (a < 0)


@given(st.data(), st.sampled_from(["uint8", "uint16"]), st.sampled_from(["Add", "Sub", "Mul"]))
def test_narrow_unsigned_arithmetic_wraps_as_numpy_does(data: Any, dtype: str, name: str) -> None:
    a, b = data.draw(integers(dtype)), data.draw(integers(dtype))
    expected = {"Add": a + b, "Sub": a - b, "Mul": a * b}[name] % (1 << parse(dtype).bits)
    assert int(evaluate(getattr(tirx, name), (dtype, a), (dtype, b))) == expected


WIDE = (*SIGNED, "uint32", "uint64")


@given(st.data(), st.sampled_from(WIDE), st.sampled_from(["Add", "Sub", "Mul"]))
def test_wide_arithmetic_is_exact_or_undefined(data: Any, dtype: str, name: str) -> None:
    a, b = data.draw(integers(dtype)), data.draw(integers(dtype))
    exact = {"Add": a + b, "Sub": a - b, "Mul": a * b}[name]
    try:
        result = int(evaluate(getattr(tirx, name), (dtype, a), (dtype, b)))
    except UndefinedBehaviour as fault:
        assert fault.kind == "signed-overflow"
        assert not parse(dtype).low <= exact <= parse(dtype).high
    else:
        assert result == exact


@given(st.data(), st.sampled_from(SIGNED + UNSIGNED), st.sampled_from(SIGNED + UNSIGNED))
def test_integer_casts_keep_the_low_bits(data: Any, source: str, target: str) -> None:
    value = data.draw(integers(source))
    result = evaluate(lambda x: tirx.Cast(target, x), (source, value))
    assert result == np.array(value, source).astype(target)


@given(st.floats(width=32), st.sampled_from(SIGNED + UNSIGNED))
def test_float_to_integer_casts_truncate_what_fits(value: float, target: str) -> None:
    dtype = parse(target)
    fits = math.isfinite(value) and dtype.low <= int(value) <= dtype.high
    try:
        result = int(evaluate(lambda x: tirx.Cast(target, x), ("float32", value)))
    except UndefinedBehaviour as fault:
        assert fault.kind == "bad-cast" and not fits
    else:
        assert fits and result == math.trunc(value)


@given(integers("int64"), st.sampled_from(["float16", "float32", "float64"]))
def test_integers_become_the_nearest_float(value: int, target: str) -> None:
    result = evaluate(lambda x: tirx.Cast(target, x), ("int64", value))
    with np.errstate(over="ignore"):
        assert result == np.int64(value).astype(target) or target == "float16"
    if target == "float16" and abs(value) < 2048:
        assert int(result) == value


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(st.data())
def test_float_operations_round_as_numpy_does(dtype: str, data: Any) -> None:
    width: Any = {"float16": 16, "float32": 32, "float64": 64}[dtype]
    floats = st.floats(width=width, allow_nan=False)
    a, b = data.draw(floats), data.draw(floats)
    make = np.dtype(dtype).type
    with np.errstate(all="ignore"):
        expected = {
            "Add": make(a) + make(b), "Sub": make(a) - make(b),
            "Mul": make(a) * make(b), "Div": make(a) / make(b),
        }  # fmt: skip
    for name, value in expected.items():
        result = evaluate(getattr(tirx, name), (dtype, a), (dtype, b))
        assert result == value or (np.isnan(result) and np.isnan(value)), name


@given(st.floats(width=32, allow_nan=False))
def test_rounding_to_bfloat16_is_that_of_ml_dtypes(value: float) -> None:
    rounded = arithmetic.rounder(parse("bfloat16"))(value)
    assert rounded == float(np.float32(value).astype(ml_dtypes.bfloat16))


@given(st.floats(width=32, allow_nan=False))
def test_rounding_to_float16_is_that_of_numpy(value: float) -> None:
    with np.errstate(over="ignore"):
        expected = float(np.float64(value).astype(np.float16))
    assert arithmetic.rounder(parse("float16"))(value) == expected


@given(st.data(), st.sampled_from(SIGNED))
def test_a_right_shift_is_a_floor_division_by_a_power_of_two(data: Any, dtype: str) -> None:
    a, amount = data.draw(integers(dtype)), data.draw(st.integers(0, parse(dtype).bits - 1))
    result = evaluate(lambda x, y: x >> y, (dtype, a), (dtype, amount))
    assert int(result) == math.floor(a / 2**amount) or int(result) == a // 2**amount


@given(st.data(), st.sampled_from(["&", "|", "^"]), st.sampled_from(SIGNED + UNSIGNED))
def test_bitwise_operators_agree_with_numpy(data: Any, symbol: str, dtype: str) -> None:
    a, b = data.draw(integers(dtype)), data.draw(integers(dtype))
    operations = {"&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor}
    build = {"&": lambda x, y: x & y, "|": lambda x, y: x | y, "^": lambda x, y: x ^ y}
    result = evaluate(build[symbol], (dtype, a), (dtype, b))
    assert result == operations[symbol](np.array(a, dtype), np.array(b, dtype))


@given(st.data(), st.sampled_from(SIGNED + UNSIGNED))
def test_popcount_counts_the_ones(data: Any, dtype: str) -> None:
    value = data.draw(integers(dtype))
    expected = bin(value & ((1 << parse(dtype).bits) - 1)).count("1")
    assert int(evaluate(tirx.popcount, (dtype, value))) == expected


def test_leading_zeros_are_counted_from_the_top() -> None:
    assert evaluate(tirx.clz, ("int32", 1)) == 31
    assert evaluate(tirx.clz, ("int32", -1)) == 0


@given(st.floats(width=32))
def test_reinterpret_round_trips(value: float) -> None:
    def round_trip(x: Any) -> Any:
        return tirx.reinterpret("float32", tirx.reinterpret("uint32", x))

    result = evaluate(round_trip, ("float32", value))
    assert result == np.float32(value) or (np.isnan(result) and math.isnan(value))


def test_reinterpret_of_one_is_its_bit_pattern() -> None:
    build = lambda x: tirx.reinterpret("uint32", x)  # noqa: E731
    assert evaluate(build, ("float32", 1.0)) == 0x3F800000


INTRINSICS: dict[str, Any] = {
    "exp": math.exp, "exp2": lambda x: 2.0**x, "exp10": lambda x: 10.0**x, "log": math.log,
    "log2": math.log2, "log10": math.log10, "log1p": math.log1p, "sqrt": math.sqrt,
    "rsqrt": lambda x: x**-0.5, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "asin": math.asin, "acos": math.acos, "atan": math.atan, "sinh": math.sinh,
    "cosh": math.cosh, "tanh": math.tanh, "erf": math.erf, "floor": math.floor,
    "ceil": math.ceil, "trunc": math.trunc, "nearbyint": round, "round": round,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)), "abs": abs, "atanh": math.atanh,
    "asinh": math.asinh,
}  # fmt: skip


@pytest.mark.parametrize("name", INTRINSICS)
@pytest.mark.parametrize("value", [0.25, 0.75, 0.5])
def test_an_intrinsic_computes_the_function_of_its_name(name: str, value: float) -> None:
    result = evaluate(getattr(tirx, name), ("float64", value))
    assert result == pytest.approx(INTRINSICS[name](value), rel=1e-14, abs=0)


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("sqrt", -1.0, math.nan), ("log", -1.0, math.nan), ("log", 0.0, -math.inf),
        ("exp", 1000.0, math.inf), ("exp", -1000.0, 0.0), ("rsqrt", 0.0, math.inf),
        ("acos", 2.0, math.nan), ("sin", math.inf, math.nan), ("floor", -math.inf, -math.inf),
        ("tanh", 1000.0, 1.0), ("sigmoid", -1000.0, 0.0), ("atanh", 1.0, math.inf),
        ("log1p", -1.0, -math.inf), ("round", 2.5, 2.0), ("nearbyint", 3.5, 4.0),
    ],
)  # fmt: skip
def test_outside_its_domain_an_intrinsic_is_nan_or_infinite(
    name: str, value: float, expected: float
) -> None:
    result = evaluate(getattr(tirx, name), ("float32", value))
    assert result == expected or (math.isnan(expected) and math.isnan(result))


@pytest.mark.parametrize(
    "build, operands, expected",
    [
        (tirx.pow, (2.0, 10.0), 1024.0), (tirx.pow, (0.0, -1.0), math.inf),
        (tirx.fmod, (7.5, -2.0), 1.5), (tirx.fmod, (-7.5, 2.0), -1.5),
        (tirx.hypot, (3.0, 4.0), 5.0), (tirx.copysign, (3.0, -0.0), -3.0),
        (tirx.atan2, (1.0, 1.0), math.pi / 4), (tirx.nextafter, (1.0, 2.0), 1.0 + 2.0**-52),
        (tirx.FloorDiv, (-7.0, 2.0), -4.0), (tirx.FloorMod, (-7.0, 2.0), 1.0),
        (tirx.Mod, (-7.0, 2.0), -1.0), (tirx.Min, (1.0, -2.0), -2.0), (tirx.Max, (1.0, -2.0), 1.0),
    ],
)  # fmt: skip
def test_functions_of_two_floats(
    build: Any, operands: tuple[float, float], expected: float
) -> None:
    result = evaluate(build, ("float64", operands[0]), ("float64", operands[1]))
    assert result == pytest.approx(expected, rel=1e-15)


def test_a_fixed_point_product_rounds_to_nearest() -> None:
    def build(x: Any) -> Any:
        # 0.75 as a fraction of 2**31, halved once more
        return tirx.q_multiply_shift(x, tirx.const(3 << 29, "int32"), tirx.const(31, "int32"),
                                     tirx.const(-1, "int32"))  # fmt: skip

    assert evaluate(build, ("int32", 100)) == 38  # 37.5, rounded up
    assert evaluate(build, ("int32", -100)) == -37


@given(st.floats(-100, 100, width=32))
def test_predicates_of_floats(value: float) -> None:
    assert evaluate(lambda x: tirx.Cast("bool", x), ("float32", value)) == (value != 0)
    assert evaluate(tirx.isnan, ("float32", value)) == False  # noqa: E712
