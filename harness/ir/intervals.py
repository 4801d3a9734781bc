"""Dtypes and intervals: the values of a dtype, and those that an integer expression can have.

Conservative interval arithmetic for the fuzzer's own code generation (`harness.ir.sites`, the seed
generator, the mutators). It doesn't use TVM's analyzer, which is under test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from harness import compat

Interval = tuple[int, int]


class Ranges(Protocol):
    """The source of the intervals of variables and buffer elements."""

    def interval_of(self, var: Any) -> Interval | None: ...

    def memory_of(self, buffer: Any) -> Any: ...


def base_dtype(dtype: str) -> str:
    """The dtype of one lane."""
    return dtype.split("x", 1)[0] if "x" in dtype else dtype


def lanes_of(dtype: str) -> int:
    """The number of lanes, 1 for a scalar; 0 for a scalable vector, which is not supported."""
    _, cross, lanes = dtype.partition("x")
    if not cross:
        return 1
    return int(lanes) if lanes.isdigit() else 0


def is_integer(dtype: str) -> bool:
    """Whether this is a signed or unsigned integer dtype (bool is neither)."""
    return dtype.startswith(("int", "uint"))


def is_float(dtype: str) -> bool:
    """Whether this is a floating-point dtype, bfloat16 included."""
    return dtype.startswith(("float", "bfloat"))


def limits(dtype: str) -> Interval:
    """The smallest and the largest value of an integer dtype or bool."""
    dtype = base_dtype(dtype)
    if dtype == "bool":
        return 0, 1
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    if dtype.startswith("u"):
        # TVM's integer constants are signed 64-bit integers: larger ones can't be represented.
        return 0, min((1 << bits) - 1, (1 << 63) - 1)
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def fits(interval: Interval, dtype: str) -> bool:
    """Whether every value of the interval fits the dtype."""
    low, high = limits(dtype)
    return low <= interval[0] and interval[1] <= high


def input_interval(dtype: str) -> Interval:
    """The range of generated inputs (harness.semantics.inputs)."""
    if dtype == "bool":
        return 0, 1
    low, high = limits(dtype)
    return max(low, -8), min(high, 8)


# Calls whose result depends only on the values of their arguments.
PURE_CALLS = frozenset(
    "if_then_else likely exp exp2 exp10 erf tanh sigmoid log log2 log10 log1p tan cos cosh acos "
    "acosh sin sinh asin asinh atan atanh atan2 sqrt rsqrt floor ceil trunc round nearbyint fabs "
    "nextafter hypot copysign ldexp isnan isfinite isinf pow fmod popcount clz fma "
    "bitwise_and bitwise_or bitwise_xor bitwise_not shift_left shift_right".split()
)


def is_pure_call(call: Any) -> bool:
    """Whether the call is an operator or a mathematical function without side effects."""
    return compat.call_name(call) in PURE_CALLS


def interval(expr: Any, scope: Ranges) -> Interval | None:
    """The values that an integer expression can have; None if unknown, or of another dtype.

    Assumes, as TVM does, that the expression does not overflow.
    """
    key = compat.type_key(expr)
    if key == "IntImm":
        return int(expr.value), int(expr.value)
    dtype = compat.dtype_of(expr)
    if not (is_integer(dtype) or base_dtype(dtype) == "bool"):
        return None
    if key == "Var":
        found = scope.interval_of(expr)
    elif key == "BufferLoad":
        memory = scope.memory_of(compat.load_buffer(expr))
        found = memory.interval if memory is not None else None
    else:
        found = _operator_interval(key, expr, scope)
    return found if found is not None and fits(found, dtype) else limits(dtype)


class _Extended:
    """The intervals of a scope and one more variable."""

    def __init__(self, scope: Ranges, var: Any, found: Interval | None) -> None:
        self.scope, self.var, self.found = scope, var, found

    def interval_of(self, var: Any) -> Interval | None:
        return self.found if var.same_as(self.var) else self.scope.interval_of(var)

    def memory_of(self, buffer: Any) -> Any:
        return self.scope.memory_of(buffer)


def _operator_interval(key: str, expr: Any, scope: Ranges) -> Interval | None:
    if key in ("Cast", "Broadcast"):
        return interval(expr.value, scope)
    if key == "Let":
        return interval(expr.body, _Extended(scope, expr.var, interval(expr.value, scope)))
    if key == "Select":
        return _hull(interval(expr.true_value, scope), interval(expr.false_value, scope))
    if key == "Call":
        if compat.call_name(expr) == "if_then_else":
            return _hull(interval(expr.args[1], scope), interval(expr.args[2], scope))
        return None
    if key not in OPERATOR_INTERVALS:
        return None
    a, b = interval(expr.a, scope), interval(expr.b, scope)
    return OPERATOR_INTERVALS[key](a, b) if a and b else None


def _hull(a: Interval | None, b: Interval | None) -> Interval | None:
    return (min(a[0], b[0]), max(a[1], b[1])) if a and b else None


def corners(a: Interval, b: Interval) -> Iterator[tuple[int, int]]:
    """The four pairs of ends of two intervals."""
    yield from ((x, y) for x in a for y in b)


def _floormod(a: Interval, b: Interval) -> Interval | None:
    return (0, min(b[1] - 1, a[1]) if a[0] >= 0 else b[1] - 1) if b[0] > 0 else None


def _floordiv(a: Interval, b: Interval) -> Interval | None:
    if b[0] <= 0 <= b[1]:
        return None
    found = [x // y for x, y in corners(a, b)]
    return min(found), max(found)


OPERATOR_INTERVALS: dict[str, Any] = {
    "Add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "Sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "Mul": lambda a, b: (
        min(x * y for x, y in corners(a, b)),
        max(x * y for x, y in corners(a, b)),
    ),
    "Min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "Max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "FloorMod": _floormod,
    "FloorDiv": _floordiv,
}
