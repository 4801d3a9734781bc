"""Rules: how an expression of each kind of dtype is built from drawn operands.

Each rule takes the source of operands, a dtype and the remaining depth, and returns a RangedExpr of
that dtype, or None where it doesn't apply. The tables at the end list the rules of each dtype.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Protocol

from tvm import tirx

from harness import compat
from harness.ir.intervals import Interval, base_dtype, fits, is_float, is_integer, lanes_of, limits
from harness.ir.loop_kinds import VECTORIZED
from harness.ir.sites import Scope, Variable
from seeds.index_rules import draw_iteration, scaled
from seeds.values import (
    FLOATS,
    INTEGERS,
    NARROW_FLOATS,
    RangedExpr,
    cast,
    clamped,
    constant,
    draw_constant,
    intrinsic,
    narrowed,
    vector,
    whole,
)

# Float functions with the bound of their result: None where it may be infinite or NaN.
# The portable ones are lowered for every float dtype and number of lanes, the others become calls
# of the C library, for scalars of 32 and 64 bits only.
PORTABLE: tuple[tuple[str, float | None], ...] = (
    ("exp", None), ("exp2", None), ("exp10", None), ("log", None), ("log2", None),
    ("log10", None), ("sqrt", None), ("rsqrt", None), ("tan", None), ("atanh", None),
    ("tanh", 1.0), ("sigmoid", 1.0), ("sin", 1.0), ("cos", 1.0),
)  # fmt: skip
LIBRARY: tuple[tuple[str, float | None], ...] = (
    ("log1p", None), ("cosh", None), ("sinh", None), ("acos", None), ("asin", None),
    ("acosh", None), ("asinh", None), ("erf", 1.0), ("atan", 1.6),
)  # fmt: skip
# Functions with the largest argument to give them, and a bound of their results there.
THROUGH_FLOATS = (
    ("sqrt", 100, 11), ("exp", 4, 56), ("exp2", 6, 65), ("fabs", 100, 101), ("tanh", 100, 2),
    ("cosh", 4, 29), ("atan", 100, 2), ("ceil", 100, 101),
)  # fmt: skip
ROUNDING = ("floor", "ceil", "trunc", "round", "nearbyint", "fabs")
BINARY_CALLS = ("atan2", "hypot", "copysign", "nextafter", "pow")
SAFE_MAGNITUDE = {"float16": 6e4, "bfloat16": 1e38, "float32": 1e38, "float64": 1e300}
# The probability of constructs that are valid but known to fail in TVM: low, so that they rarely
# hide other bugs.
KNOWN_FAILING_PROBABILITY = 0.1
COMPARISONS = ("EQ", "NE", "LT", "LE", "GT", "GE")


class OperandSource(Protocol):
    """The part of the expression generator that rules use."""

    rng: random.Random
    scope: Scope
    wild: float

    def draw(self, dtype: str, depth: int = 3) -> RangedExpr: ...

    def load(self, dtype: str) -> RangedExpr | None: ...

    def condition(self, depth: int = 2) -> Any: ...

    def fresh_name(self) -> str: ...


Rule = Callable[[OperandSource, str, int], RangedExpr | None]


# Rules of every dtype.


def make_select(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """Select or if_then_else, sometimes with a constant condition."""
    a, b = source.draw(dtype, depth), source.draw(dtype, depth)
    lanes = lanes_of(dtype)
    if source.rng.random() < 0.5:
        mask = vector("bool", lanes) if source.rng.random() < 0.5 else "bool"
        node = tirx.Select(source.draw(mask, depth).expr, a.expr, b.expr)
    else:
        node = intrinsic(dtype, "if_then_else", source.condition(depth), a.expr, b.expr)
    return _joined(node, dtype, a, b)


def make_let(source: OperandSource, dtype: str, depth: int) -> RangedExpr | None:
    """A Let whose variable is in scope of its body."""
    if source.rng.random() > source.wild:
        return None
    inner = dtype if lanes_of(dtype) == 1 and source.rng.random() < 0.6 else "int32"
    bound = source.draw(inner, depth)
    var = compat.Var(source.fresh_name(), inner)
    outer, source.scope = (
        source.scope,
        source.scope.with_variable(Variable(var, inner, bound.interval)),
    )
    body = source.draw(dtype, depth)
    source.scope = outer
    return RangedExpr(tirx.Let(var, bound.expr, body.expr), dtype, body.interval, body.bound)


def make_cast(source: OperandSource, dtype: str, depth: int) -> RangedExpr | None:
    """A conversion from another dtype, of a value that is in range of this one."""
    base, lanes = base_dtype(dtype), lanes_of(dtype)
    if base == "bool" and source.rng.random() > source.wild:
        return None
    others = [other for other in (*INTEGERS, *FLOATS, "bool") if other != base]
    weights = [1 if other in ("float16", "bfloat16") else 4 for other in others]
    origin = vector(source.rng.choices(others, weights)[0], lanes)
    if is_float(base) and lanes == 1 and source.rng.random() < 0.2:
        loaded = source.load(source.rng.choice(NARROW_FLOATS))
        if loaded is not None:
            return cast(loaded, dtype)
    value = source.draw(origin, depth)
    if is_integer(base) and not _representable(value, base):
        if value.interval is None:
            return None
        low, high = limits(base)
        keep = (max(low, limits(origin)[0]), min(high, limits(origin)[1]))
        value = clamped(value, keep)
    elif base in ("float16", "bfloat16") and value.interval is not None:
        value = narrowed(source.rng, value, 128)
    return cast(value, dtype)


def _representable(value: RangedExpr, base: str) -> bool:
    if value.interval is not None:
        return fits(value.interval, base)
    low, high = limits(base)
    return value.bound is not None and max(low, -1e9) <= -value.bound and value.bound <= high


def make_shuffle(source: OperandSource, dtype: str, depth: int) -> RangedExpr | None:
    """A lane of a vector, or a permutation of a vector's lanes."""
    if source.rng.random() > source.wild or dtype.startswith("bool"):
        return None
    if VECTORIZED in source.scope.loops and source.rng.random() > KNOWN_FAILING_PROBABILITY:
        return None
    base, lanes = base_dtype(dtype), lanes_of(dtype)
    whole_vector = source.draw(vector(base, max(lanes, 4)), depth)
    picks = [source.rng.randrange(max(lanes, 4)) for _ in range(lanes)]
    indices = [tirx.IntImm("int32", pick) for pick in picks]
    return RangedExpr(
        tirx.Shuffle([whole_vector.expr], indices), dtype, whole_vector.interval, whole_vector.bound
    )


# Rules of integers.


def make_arithmetic(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """Add, Sub, Mul, Min, Max of operands narrow enough for the result to fit."""
    key = source.rng.choice(["Add", "Add", "Sub", "Mul", "Min", "Max"])
    a, b = source.draw(dtype, depth), source.draw(dtype, depth)
    if key in ("Min", "Max"):
        pick = min if key == "Min" else max
        found = (pick(a.range[0], b.range[0]), pick(a.range[1], b.range[1]))
        return RangedExpr(compat.binary(key, a.expr, b.expr), dtype, found)
    found = _arithmetic_interval(key, a.range, b.range)
    if not fits(found, dtype):
        top = limits(dtype)[1]
        magnitude = int(top**0.5) - 1 if key == "Mul" else top // 2
        magnitude = min(magnitude, source.rng.choice([8, 100, magnitude]))
        a, b = narrowed(source.rng, a, magnitude), narrowed(source.rng, b, magnitude)
        found = _arithmetic_interval(key, a.range, b.range)
    if not fits(found, dtype):  # an unsigned difference below zero
        key, found = "Max", (max(a.range[0], b.range[0]), max(a.range[1], b.range[1]))
    return RangedExpr(compat.binary(key, a.expr, b.expr), dtype, found)


def make_division(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """One of the four divisions and moduli, by a divisor that can't be zero."""
    key = source.rng.choice(["FloorDiv", "FloorMod", "Div", "Mod"])
    a, b = source.draw(dtype, depth), _divisor(source, dtype, depth)
    low, high = limits(dtype)
    if a.range[0] == low < 0 and b.range[0] <= -1 <= b.range[1]:
        a = clamped(a, (low + 1, high))
    least, most = _division_interval(key, a.range, b.range)
    found = (max(least, low), min(most, high))
    return RangedExpr(compat.binary(key, a.expr, b.expr), dtype, found)


def _divisor(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    low, high = limits(dtype)
    if source.rng.random() < 0.6:
        value = draw_constant(source.rng, dtype)
        return value if value.range != (0, 0) else constant(dtype, source.rng.choice([1, 3, 4]))
    value = source.draw(dtype, depth)
    if not value.range[0] <= 0 <= value.range[1]:
        return value
    if source.rng.random() < 0.5:
        return clamped(value, (1, high))
    if source.rng.random() < 0.5 and low < 0:
        return clamped(value, (low, -1))
    odd = compat.binary("BitwiseOr", value.expr, constant(dtype, 1).expr)
    return RangedExpr(odd, dtype, (1, high) if value.range[0] >= 0 else (low, high))


def make_bits(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """And, or, xor, not."""
    key = source.rng.choice(["BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"])
    a = source.draw(dtype, depth)
    if key == "BitwiseNot":
        node = tirx.bitwise_not(a.expr)
        return RangedExpr(
            node,
            dtype,
            (~a.range[1], ~a.range[0]) if not dtype.startswith("u") else whole(dtype),
        )
    b = source.draw(dtype, depth)
    if key == "BitwiseAnd" and min(a.range[0], b.range[0]) >= 0:
        found = (0, min(a.range[1], b.range[1]))
    else:
        bits = max(abs(end).bit_length() for end in (*a.range, *b.range))
        signed = min(a.range[0], b.range[0]) < 0
        found = (-(1 << bits) if signed else 0, (1 << bits) - 1)
        found = found if fits(found, dtype) else limits(dtype)
    return RangedExpr(compat.binary(key, a.expr, b.expr), dtype, found)


def make_shift(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """A shift by less than the width; to the left only what stays in range."""
    bits = int(base_dtype(dtype).removeprefix("u").removeprefix("int"))
    amount = source.rng.choice([0, 1, 2, 3, bits // 2, bits - 1])
    a = source.draw(dtype, depth)
    if source.rng.random() < 0.5:
        by = constant(dtype, amount)
        found = (a.range[0] >> amount, a.range[1] >> amount)
        return RangedExpr(compat.binary("RShift", a.expr, by.expr), dtype, found)
    if base_dtype(dtype) in ("uint8", "uint16") and source.rng.random() < 0.4:
        by = constant(dtype, amount).expr  # what leaves at the top is gone
        node = compat.binary("LShift", a.expr, by)
        if source.rng.random() < 0.5:
            node = compat.binary("RShift", node, by)
        return RangedExpr(node, dtype, whole(dtype))
    amount = min(amount, bits - 2)
    a = narrowed(source.rng, a, max(limits(dtype)[1] >> amount, 1))
    a = clamped(a, (0, limits(dtype)[1] >> amount))
    found = (a.range[0] << amount, a.range[1] << amount)
    return RangedExpr(compat.binary("LShift", a.expr, constant(dtype, amount).expr), dtype, found)


def make_iteration(source: OperandSource, dtype: str, depth: int) -> RangedExpr | None:
    """What indexes are made of, sometimes scaled up to the end of the dtype."""
    value = draw_iteration(source.rng, source.scope, dtype) if lanes_of(dtype) == 1 else None
    if value is not None and source.rng.random() < 0.4:
        return scaled(source.rng, value, dtype)
    return value


def make_through_float(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """An integer through a function of floats and back."""
    name, most, bound = source.rng.choice(THROUGH_FLOATS)
    value = narrowed(source.rng, source.draw(dtype, depth), most)
    value = clamped(value, (0, min(most, limits(dtype)[1])))
    wide = vector(source.rng.choice(("float32", "float32", "float64")), lanes_of(dtype))
    made = intrinsic(wide, name, tirx.Cast(wide, value.expr))
    return RangedExpr(tirx.Cast(dtype, made), dtype, (0, bound))


def make_popcount(source: OperandSource, dtype: str, depth: int) -> RangedExpr | None:
    """popcount, which each code generator expands differently."""
    if base_dtype(dtype) not in ("int32", "int64", "uint32", "uint64") or lanes_of(dtype) != 1:
        return None
    return RangedExpr(intrinsic(dtype, "popcount", source.draw(dtype, depth).expr), dtype, (0, 64))


# Rules of floats.


def make_float(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """Add, Sub, Mul, Div, Min, Max of floats."""
    key = source.rng.choice(["Add", "Sub", "Mul", "Mul", "Div", "Min", "Max"])
    a, b = source.draw(dtype, depth), source.draw(dtype, depth)
    bound: float | None = None
    if a.bound is not None and b.bound is not None:
        sums = {"Add": a.bound + b.bound, "Sub": a.bound + b.bound, "Mul": a.bound * b.bound}
        bound = sums.get(key, None if key == "Div" else max(a.bound, b.bound))
    return _bounded(compat.binary(key, a.expr, b.expr), dtype, bound)


def make_math(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """A call of a mathematical function."""
    chance = source.rng.random()
    a = source.draw(dtype, depth)
    if chance < 0.25:
        name = source.rng.choice(ROUNDING)
        return _bounded(
            intrinsic(dtype, name, a.expr), dtype, None if a.bound is None else a.bound + 1
        )
    library = dtype in ("float32", "float64") and VECTORIZED not in source.scope.loops
    if chance < 0.4 and library:
        b = source.draw(dtype, depth)
        return RangedExpr(intrinsic(dtype, source.rng.choice(BINARY_CALLS), a.expr, b.expr), dtype)
    name, bound = source.rng.choice(PORTABLE + LIBRARY if library else PORTABLE)
    return RangedExpr(
        intrinsic(dtype, name, a.expr), dtype, None, bound if a.bound is not None else None
    )


# Rules of bool.


def make_comparison(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """A comparison of integers, floats or bools."""
    lanes = lanes_of(dtype)
    base = source.rng.choices(
        ["int32", "int64", "float32", "bool", "uint8", "int8", "float64", "uint32"],
        [16, 6, 10, 1, 2, 2, 2, 2],
    )[0]
    operand = vector(base, lanes)
    a, b = source.draw(operand, depth), source.draw(operand, depth)
    key = source.rng.choice(COMPARISONS[:2] if base == "bool" else COMPARISONS)
    return RangedExpr(compat.binary(key, a.expr, b.expr), dtype, (0, 1))


def make_bool_arithmetic(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """Bitwise operators, the extremes and the product of bools."""
    keys = ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
    if source.rng.random() < KNOWN_FAILING_PROBABILITY:
        keys = ("Min", "Max", "Mul")
    key = source.rng.choice(keys)
    a, b = source.draw(dtype, depth), source.draw(dtype, depth)
    return RangedExpr(compat.binary(key, a.expr, b.expr), dtype, (0, 1))


def make_logic(source: OperandSource, dtype: str, depth: int) -> RangedExpr:
    """And, Or, Not."""
    key = source.rng.choice(["And", "Or", "Not"])
    a = source.draw(dtype, depth)
    if key == "Not":
        return RangedExpr(tirx.Not(a.expr), dtype, (0, 1))
    return RangedExpr(compat.binary(key, a.expr, source.draw(dtype, depth).expr), dtype, (0, 1))


def make_test(source: OperandSource, dtype: str, depth: int) -> RangedExpr | None:
    """isnan, isfinite, isinf, likely."""
    if lanes_of(dtype) != 1:
        return None
    name = source.rng.choice(["isnan", "isfinite", "isinf", "likely"])
    if name == "likely":
        return RangedExpr(intrinsic(dtype, name, source.draw("bool", depth).expr), dtype, (0, 1))
    # TVM's own functions expand to several uses of the operand, so bind it to a variable.
    operand = source.rng.choice(["float32", "float64"])
    var = compat.Var(source.fresh_name(), operand)
    body = getattr(tirx, name)(var)
    return RangedExpr(tirx.Let(var, source.draw(operand, depth).expr, body), dtype, (0, 1))


_EVERY: tuple[Rule, ...] = (
    make_select,
    make_cast,
    make_shuffle,
)
_INTEGER: tuple[Rule, ...] = (
    *_EVERY,
    make_let,
    *(make_arithmetic,) * 4,
    *(make_division,) * 3,
    *(make_bits,) * 2,
    *(make_shift,) * 2,
    *(make_iteration,) * 2,
    make_popcount,
    make_through_float,
)
_FLOAT: tuple[Rule, ...] = (
    *_EVERY,
    make_let,
    *(make_float,) * 4,
    *(make_math,) * 2,
)
_BOOL: tuple[Rule, ...] = (
    *_EVERY[:2],
    *(make_comparison,) * 4,
    *(make_logic,) * 2,
    make_bool_arithmetic,
    make_test,
)


def rules_of(dtype: str) -> tuple[Rule, ...]:
    if is_float(dtype):
        return _FLOAT
    return _BOOL if base_dtype(dtype) == "bool" else _INTEGER


def _joined(node: Any, dtype: str, a: RangedExpr, b: RangedExpr) -> RangedExpr:
    if a.interval is not None and b.interval is not None:
        found = (min(a.interval[0], b.interval[0]), max(a.interval[1], b.interval[1]))
        return RangedExpr(node, dtype, found)
    if a.bound is not None and b.bound is not None:
        return RangedExpr(node, dtype, None, max(a.bound, b.bound))
    return RangedExpr(node, dtype, whole(dtype))


def _bounded(node: Any, dtype: str, bound: float | None) -> RangedExpr:
    top = SAFE_MAGNITUDE[base_dtype(dtype)]
    return RangedExpr(node, dtype, None, bound if bound is not None and bound < top else None)


def _arithmetic_interval(key: str, a: Interval, b: Interval) -> Interval:
    if key == "Add":
        return a[0] + b[0], a[1] + b[1]
    if key == "Sub":
        return a[0] - b[1], a[1] - b[0]
    products = [x * y for x in a for y in b]
    return min(products), max(products)


def _division_interval(key: str, a: Interval, b: Interval) -> Interval:
    largest = max(abs(a[0]), abs(a[1]))
    divisor = max(abs(b[0]), abs(b[1]))
    if key == "FloorMod":
        return (0 if b[0] > 0 else 1 - divisor), (0 if b[1] < 0 else divisor - 1)
    if key == "Mod":
        rest = min(largest, divisor - 1)
        return (0 if a[0] >= 0 else -rest), (0 if a[1] <= 0 else rest)
    if a[0] >= 0 and b[0] > 0:
        return a[0] // b[1], a[1] // b[0]
    return (-largest if min(a[0], b[0]) < 0 else 0), largest
