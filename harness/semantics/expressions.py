"""Expressions: compiles a TIR expression to Python code for its value.

An expression becomes an `Operand`, an expression without side effects; checks (overflow, division
by zero, bounds) are emitted before it as statements. All operands are evaluated, as in the code
that TVM makes with LLVM: `And`, `Or` and `Select` don't branch (tirx/expr.h on Select: "Do not use
it to guard against out of bound access, please use if_then_else instead"), so undefined behaviour
in any operand is undefined behaviour. Only `if_then_else` guards its branches.

A vector is compiled lane by lane: `self.lane` is the lane whose value is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness import compat
from harness.semantics import ranges
from harness.semantics.arithmetic import rounder
from harness.semantics.dtypes import NARROW_FLOATS, DType, parse
from harness.semantics.emitter import Emitter
from harness.semantics.errors import Unsupported
from harness.semantics.ranges import Operand, constant, unknown

COMPARISONS = {"EQ": "eq", "NE": "ne", "LT": "lt", "LE": "le", "GT": "gt", "GE": "ge"}
SYMBOLS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
MAX_LANES = 1024
MAX_CODE_LENGTH = 200  # in characters; longer code is assigned to a temporary
ROUNDERS = {
    name: rounder(parse(name))
    for name in ("float16", "bfloat16", *NARROW_FLOATS, "float32", "float64")
}


def float_code(value: float) -> str:
    """Python source of a float."""
    if value != value:
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "(-inf)"
    return repr(value) if math.copysign(1.0, value) > 0 else f"({value!r})"


class ExpressionCompiler(Emitter):
    """Compiles expressions; `perturbed` adds the perturbations of perturbation.py."""

    def __init__(self, perturbed: bool) -> None:
        super().__init__()
        self.perturbed = perturbed
        self.lane: Operand | None = None
        self.variables: dict[int, Operand] = {}
        self.vectors: dict[int, str] = {}
        self.lane_bound: dict[int, tuple[Operand | None, Operand]] = {}
        # Inexact float operations compiled so far; if 0, there is nothing to perturb.
        self.float_operations = 0
        self._handlers: dict[type, Callable[[Any], Operand]] = {}

    def dtype(self, expression: Any) -> DType:
        return parse(compat.dtype_of(expression))

    def value(self, expression: Any) -> Operand:
        """The operand of a scalar expression, or of lane `self.lane` of a vector.

        Raises:
            Unsupported: a construct that is not modelled; the message names it.
        """
        handler = self._handlers.get(type(expression))
        if handler is None:
            key = compat.type_key(expression)
            handler = getattr(self, f"_{key}", None)
            if handler is None:
                raise Unsupported(f"expression {key}")
            self._handlers[type(expression)] = handler
        result = handler(expression)
        if len(result.code) > MAX_CODE_LENGTH:
            # Python's parser allows about 200 nested parentheses.
            return Operand(self.temporary(result.code), result.low, result.high)
        return result

    @contextmanager
    def at_lane(self, lane: Operand | None) -> Iterator[None]:
        outer, self.lane = self.lane, lane
        yield
        self.lane = outer

    def current_lane(self) -> Operand:
        if self.lane is None:
            raise Unsupported("a vector where a scalar is expected")
        return self.lane

    def vector(self, expression: Any, lanes: int) -> str:
        """The name of a list of all lanes of a vector expression."""
        name, index = self.fresh("v"), self.fresh("l")
        self.emit(f"{name} = []")
        with self.at_lane(self.lane_variable(index, lanes)):
            with self.indented(f"for {index} in range({lanes}):"):
                self.emit(f"{name}.append({self.value(expression).code})")
        return name

    def lane_variable(self, name: str, lanes: int) -> Operand:
        if lanes > MAX_LANES:
            raise Unsupported(f"a vector of more than {MAX_LANES} lanes")
        return Operand(name, 0, lanes - 1)

    # Integers and floats after an operation

    def integer(self, result: Operand, dtype: DType) -> Operand:
        """The result of integer arithmetic in its dtype: signed must fit, narrow unsigned wraps.

        Unsigned integers of 32 bits and more must fit as well: TVM's LLVM code generator marks
        their arithmetic as never wrapping (codegen_llvm.cc: CreateNUWAdd and similar).
        """
        if result.within(dtype.low, dtype.high):
            return result
        if dtype.kind != "int" and dtype.bits < 32:
            return Operand(f"({result.code} & {dtype.high})", 0, dtype.high)
        name = self.temporary(result.code)
        self.emit(
            f"if not {dtype.low} <= {name} <= {dtype.high}: overflow({name}, {dtype.scalar!r})"
        )
        return ranges.clipped(name, result, dtype)

    def rounded(self, code: str, dtype: DType) -> str:
        """The code's value rounded to the dtype, as a name or code."""
        if dtype.scalar == "float64":
            return code if code.isidentifier() else f"({code})"
        if dtype.scalar == "float32":
            self.emit(f"F[0] = {code}")
            return self.temporary("F[0]")
        return self.temporary(f"round_{dtype.scalar}({code})")

    def inexact(self, code: str, dtype: DType, is_exact: str = "") -> Operand:
        """The result of a float operation; `is_exact` is code that tests whether it was exact.

        Without `is_exact`, the operation (of float64, or one that compilers rewrite) always counts
        as inexact.
        """
        self.float_operations += 1
        if not self.perturbed:
            return Operand(self.rounded(code, dtype))
        raw = code if code.isidentifier() else self.temporary(code)
        name = self.fresh("t")
        if dtype.scalar == "float64":
            self.emit(f"{name} = {raw}")
        else:
            self.emit(f"{name} = {self.rounded(raw, dtype)}")
            is_exact = f"{name} == {raw} and {is_exact}" if is_exact else ""
        header = f"if not ({is_exact}):" if is_exact else "if True:"
        with self.indented(header):
            factor = f"factor_{dtype.scalar}()"
            self.emit(f"{name} = {self.rounded(f'{name} * {factor}', dtype)}")
            least = dtype.smallest_normal
            self.emit(f"if -{least!r} < {name} < {least!r}: {name} = flush_{dtype.scalar}({name})")
        return Operand(name)

    # Leaves

    def _IntImm(self, node: Any) -> Operand:
        value = int(node.value)
        dtype = self.dtype(node)
        return constant(value & dtype.high if dtype.kind == "uint" else value)

    def _FloatImm(self, node: Any) -> Operand:
        dtype, exact = self.dtype(node), float(node.value)
        value = ROUNDERS[dtype.scalar](exact)
        if value == exact or exact != exact:
            return Operand(float_code(value))
        # TVM keeps constants as float64, and may fold them before they are rounded.
        self.float_operations += 1
        if not self.perturbed or not math.isfinite(value):
            return Operand(float_code(value))
        scaled = f"{float_code(value)} * factor_{dtype.scalar}()"
        return Operand(self.rounded(scaled, dtype))

    def _Var(self, node: Any) -> Operand:
        key = hash(node)
        found = self.variables.get(key)
        if found is not None:
            return found
        if key in self.lane_bound:
            lane, operand = self.lane_bound[key]
            if lane != self.lane:
                raise Unsupported("Let of a vector that is used in another lane")
            return operand
        if key in self.vectors:
            return unknown(f"{self.vectors[key]}[{self.current_lane().code}]", self.dtype(node))
        raise Unsupported(f"free variable {node.name}")

    # Arithmetic

    def _computing(self, node: Any) -> DType:
        """The dtype of an operation; floats of 8 bits are only stored and converted."""
        dtype = self.dtype(node)
        if dtype.scalar in NARROW_FLOATS:
            raise Unsupported(f"arithmetic of {dtype.scalar}")
        return dtype

    def _Add(self, node: Any) -> Operand:
        dtype, a, b = self._computing(node), self.value(node.a), self.value(node.b)
        if not dtype.is_float:
            return self.integer(ranges.add(a, b), dtype)
        return self._sum("+", a, b, dtype)

    def _Sub(self, node: Any) -> Operand:
        dtype, a, b = self._computing(node), self.value(node.a), self.value(node.b)
        if not dtype.is_float:
            return self.integer(ranges.subtract(a, b), dtype)
        return self._sum("-", a, b, dtype)

    def _sum(self, symbol: str, a: Operand, b: Operand, dtype: DType) -> Operand:
        if not self.perturbed:
            return self.inexact(f"{a.code} {symbol} {b.code}", dtype)
        a, b = self.atom(a), self.atom(b)
        code = f"{a.code} {symbol} {b.code}"
        total = self.temporary(code) if symbol == "+" else self._difference(code, a, b)
        # The error of a sum is a float of the same format, so it shows in one of these.
        first = f"{total} - {a.code} == {'' if symbol == '+' else '-'}{b.code}"
        other = "-" if symbol == "+" else "+"
        return self.inexact(total, dtype, f"{first} and {total} {other} {b.code} == {a.code}")

    def _difference(self, code: str, a: Operand, b: Operand) -> str:
        """A difference; that of NaNs or of equal infinities may be zero, as x - x folds to zero."""
        alike = f"({a.code} == {b.code} or {a.code} != {a.code} and {b.code} != {b.code})"
        return self._times_zero(code, alike)

    def _Mul(self, node: Any) -> Operand:
        dtype, a, b = self._computing(node), self.value(node.a), self.value(node.b)
        if not dtype.is_float:
            return self.integer(ranges.multiply(a, b), dtype)
        constants = (constant_of(node.a), constant_of(node.b))
        if 1.0 in constants:
            return b if constants[0] == 1.0 else a
        code = f"{a.code} * {b.code}"
        if 0.0 in constants:
            return Operand(self._times_zero(code))
        scaled = any(value is not None and is_power_of_two(value) for value in constants)
        exact = "True" if scaled or dtype.bits < 64 else ""
        if self.perturbed:
            a, b = self.atom(a), self.atom(b)
            zero = f"({a.code} == 0.0 or {b.code} == 0.0)"
            code = self._times_zero(f"{a.code} * {b.code}", zero)
        return self.inexact(code, dtype, exact)

    def _times_zero(self, code: str, zero: str = "True") -> str:
        """A product; if it is NaN and `zero` holds, it may be zero, as TVM folds 0 * x to zero."""
        name = self.temporary(code)
        self.emit(f"if {name} != {name} and {zero}: {name} = times_zero({name}, 0.0)")
        return name

    def _Div(self, node: Any) -> Operand:
        dtype, a, b = self._computing(node), self.value(node.a), self.value(node.b)
        if not dtype.is_float:
            return self._integer_division(a, b, dtype, "tdiv")
        divisor = constant_of(node.b)
        if divisor:
            exact = "True" if is_power_of_two(divisor) else ""
            return self.inexact(f"{a.code} / {b.code}", dtype, exact)
        b = self.atom(b)
        code = f"({a.code} / {b.code} if {b.code} else fdiv({a.code}, {b.code}))"
        if constant_of(node.a) == 0.0:
            return Operand(self._times_zero(code))
        if self.perturbed:
            a = self.atom(a)
            code = f"({a.code} / {b.code} if {b.code} else fdiv({a.code}, {b.code}))"
            code = self._times_zero(code, f"{a.code} == 0.0")
        return self.inexact(code, dtype)

    def _Mod(self, node: Any) -> Operand:
        dtype, a, b = self._computing(node), self.value(node.a), self.value(node.b)
        if dtype.is_float:
            return Operand(self.temporary(f"fmod({a.code}, {b.code})"))
        return self._integer_division(a, b, dtype, "tmod")

    def _FloorDiv(self, node: Any) -> Operand:
        dtype, a, b = self._computing(node), self.value(node.a), self.value(node.b)
        if dtype.is_float:
            return Operand(self.temporary(f"floor_of_quotient({a.code}, {b.code})"))
        return self._integer_division(a, b, dtype, "//")

    def _FloorMod(self, node: Any) -> Operand:
        dtype, a, b = self._computing(node), self.value(node.a), self.value(node.b)
        if not dtype.is_float:
            return self._integer_division(a, b, dtype, "%")
        a, b = self.atom(a), self.atom(b)
        return self.inexact(f"{a.code} - floor_of_quotient({a.code}, {b.code}) * {b.code}", dtype)

    def _integer_division(self, a: Operand, b: Operand, dtype: DType, kind: str) -> Operand:
        if b.low == b.high == 0:
            self.emit("undefined('division-by-zero', 'integer division by zero')")
            return constant(0)
        if b.low <= 0 <= b.high:
            b = self.atom(b)
            self.emit(f"if not {b.code}: undefined('division-by-zero', 'integer division by zero')")
        if b.low <= -1 <= b.high and a.low <= dtype.low and dtype.kind == "int":
            # The quotient overflows, and the remainder traps as well.
            a, b = self.atom(a), self.atom(b)
            self.emit(f"if {b.code} == -1 and {a.code} == {dtype.low}: ")
            self.lines[-1] += f"overflow({-dtype.low}, {dtype.scalar!r})"
        if kind in ("//", "%") or (a.low >= 0 and b.low >= 0):
            divide = kind in ("//", "tdiv")
            result = ranges.floor_divide(a, b) if divide else ranges.floor_modulo(a, b)
            return ranges.clipped(result.code, result, dtype)
        magnitude = max(abs(a.low), abs(a.high))
        if kind == "tmod":
            magnitude = min(magnitude, max(abs(b.low), abs(b.high)) - 1)
        return ranges.clipped(
            f"{kind}({a.code}, {b.code})", Operand("", -magnitude, magnitude), dtype
        )

    def _Min(self, node: Any) -> Operand:
        return self._extreme(node, "minimum", "<", ranges.minimum)

    def _Max(self, node: Any) -> Operand:
        return self._extreme(node, "maximum", ">", ranges.maximum)

    def _extreme(
        self, node: Any, name: str, symbol: str, interval: Callable[..., Operand]
    ) -> Operand:
        a, b = self.value(node.a), self.value(node.b)
        if self.dtype(node).is_float:
            self.float_operations += 1  # unspecified for NaN
            if self.perturbed:
                return Operand(self.temporary(f"{name}({a.code}, {b.code})"))
        a, b = self.atom(a), self.atom(b)
        code = f"({a.code} if {a.code} {symbol} {b.code} else {b.code})"
        return interval(code, a, b)

    # Booleans

    def _comparison(self, node: Any) -> Operand:
        a, b = self.value(node.a), self.value(node.b)
        name = COMPARISONS[compat.type_key(node)]
        if self.dtype(node.a).is_float:
            self.float_operations += 1  # unspecified for NaN
            if self.perturbed:
                return Operand(f"{name}({a.code}, {b.code})", 0, 1)
        return Operand(f"({a.code} {SYMBOLS[name]} {b.code})", 0, 1)

    _EQ = _NE = _LT = _LE = _GT = _GE = _comparison

    def _And(self, node: Any) -> Operand:
        a, b = self.value(node.a), self.value(node.b)
        return Operand(f"({a.code} and {b.code})", 0, 1)

    def _Or(self, node: Any) -> Operand:
        a, b = self.value(node.a), self.value(node.b)
        return Operand(f"({a.code} or {b.code})", 0, 1)

    def _Not(self, node: Any) -> Operand:
        return Operand(f"(not {self.value(node.a).code})", 0, 1)

    def _Select(self, node: Any) -> Operand:
        condition = self.value(node.condition)
        a, b = self.value(node.true_value), self.value(node.false_value)
        return ranges.join(f"({a.code} if {condition.code} else {b.code})", a, b)

    # Binding, and vectors

    def _Let(self, node: Any) -> Operand:
        value = self.value(node.value)
        bound = Operand(self.temporary(value.code), value.low, value.high)
        if self.dtype(node.value).lanes > 1:
            self.lane_bound[hash(node.var)] = (self.lane, bound)
        else:
            self.variables[hash(node.var)] = bound
        return self.value(node.body)

    def _Ramp(self, node: Any) -> Operand:
        dtype = self.dtype(node)
        base, stride = self.value(node.base), self.value(node.stride)
        lane = self.current_lane()
        if dtype.is_float:
            return self.inexact(f"{base.code} + {lane.code} * {stride.code}", dtype)
        return self.integer(ranges.add(base, ranges.multiply(lane, stride)), dtype)

    def _Broadcast(self, node: Any) -> Operand:
        return self.value(node.value)

    def _Shuffle(self, node: Any) -> Operand:
        places = [(part, lane) for part in node.vectors for lane in range(self.dtype(part).lanes)]
        elements = []
        for index in node.indices:
            if not isinstance(index, compat.IntImm) or not 0 <= int(index.value) < len(places):
                raise Unsupported("Shuffle by an index that is not a constant in range")
            part, lane = places[int(index.value)]
            with self.at_lane(constant(lane)):
                elements.append(self.value(part))
        if len(elements) == 1:
            return elements[0]
        code = f"({', '.join(element.code for element in elements)})[{self.current_lane().code}]"
        return unknown(code, self.dtype(node))


def constant_of(node: Any) -> float | None:
    """The value of a float constant or of a broadcast one, else None."""
    if compat.type_key(node) == "Broadcast":
        node = node.value
    return float(node.value) if isinstance(node, compat.FloatImm) else None


def is_power_of_two(value: float) -> bool:
    return value != 0.0 and math.isfinite(value) and abs(math.frexp(value)[0]) == 0.5
