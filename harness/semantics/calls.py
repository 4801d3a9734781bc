"""Calls: intrinsics, casts, bitwise operators and the few builtins that are modelled.

Any other builtin (extern calls, pointers, synchronisation, tensor cores) raises `Unsupported` with
its name.
"""

from __future__ import annotations

from typing import Any

from harness import compat
from harness.semantics import ranges
from harness.semantics.dtypes import NARROW_FLOATS, DType
from harness.semantics.emitter import STEP
from harness.semantics.errors import Unsupported
from harness.semantics.expressions import ExpressionCompiler
from harness.semantics.intrinsics import INTRINSICS, PREDICATES
from harness.semantics.ranges import Operand, constant, unknown

TRANSPARENT = frozenset({"likely", "ignore_loop_partition", "tvm_thread_invariant"})


class CallCompiler(ExpressionCompiler):
    """Compiles calls and casts."""

    def _Call(self, node: Any) -> Operand:
        operator = node.op
        if compat.type_key(operator) != "Op":
            return self.private_call(node)
        base = compat.call_name(node)
        if base in TRANSPARENT:
            return self.value(node.args[0])
        if base in INTRINSICS:
            return self._intrinsic(base, node)
        if base in PREDICATES:
            return Operand(f"m_{base}({self.value(node.args[0]).code})", 0, 1)
        builtin = getattr(self, f"_builtin_{base}", None)
        if builtin is None:
            raise Unsupported(f"call of {operator.name}")
        result: Operand = builtin(node)
        return result

    def private_call(self, node: Any) -> Operand:
        """A call of another function of the module; the subclass for statements overrides it."""
        raise Unsupported("call of a function in an expression")

    def _intrinsic(self, name: str, node: Any) -> Operand:
        dtype, intrinsic = self._computing(node), INTRINSICS[name]
        if not dtype.is_float:
            raise Unsupported(f"call of tirx.{name} on {dtype.scalar}")
        arguments = [self.atom(self.value(argument)).code for argument in node.args]
        code = f"m_{name}({', '.join(arguments)})"
        if intrinsic.exact:
            return Operand(self.temporary(code))
        self.float_operations += 1
        result = self.rounded(code, dtype)
        if not self.perturbed:
            return Operand(result)
        relative = str(intrinsic.relative)
        if intrinsic.growth is not None:
            relative += f" + growth_{name}({', '.join([repr(dtype.epsilon), *arguments])})"
        return Operand(
            self.temporary(f"perturb_{dtype.scalar}({result}, {relative}, {intrinsic.absolute})")
        )

    # Casts

    def _Cast(self, node: Any) -> Operand:
        source, target, value = self.dtype(node.value), self.dtype(node), self.value(node.value)
        if source.is_float:
            return self._cast_float(value, source, target)
        if target.is_float:
            return self._cast_to_float(value, target)
        if target.kind == "bool":
            return value if source.kind == "bool" else Operand(f"({value.code} != 0)", 0, 1)
        if value.within(target.low, target.high):
            return value
        # Narrowing keeps the low bits, in LLVM, C and NumPy alike.
        signed = target.kind == "int"
        return unknown(self.temporary(f"wrap({value.code}, {target.bits}, {signed})"), target)

    def _cast_float(self, value: Operand, source: DType, target: DType) -> Operand:
        if target.kind == "bool":
            return Operand(f"({value.code} != 0.0)", 0, 1)
        if not target.is_float:
            code = f"float_to_int({value.code}, {target.low}, {target.high})"
            return unknown(self.temporary(code), target)
        if target.precision > source.precision and target.bits > source.bits:
            return value
        if target.scalar == source.scalar:
            return value
        if target.scalar in NARROW_FLOATS:
            return self._cast_narrow(value, target)
        return self.inexact(value.code, target, "True")

    def _cast_narrow(self, value: Operand, target: DType) -> Operand:
        """To a float of 8 bits: what becomes of a value that is too large depends on the target."""
        name = self.atom(value).code
        message = f"f'{{{name}}} cast to {target.scalar}'"
        self.emit(f"if not abs({name}) <= {target.largest}: undefined('bad-cast', {message})")
        return self.inexact(name, target, "True")

    def _cast_to_float(self, value: Operand, target: DType) -> Operand:
        if target.scalar in NARROW_FLOATS:
            return self._cast_narrow(Operand(f"float({value.code})"), target)
        limit = 1 << target.precision
        if value.within(-limit, limit) and target.scalar != "float16":
            return Operand(f"float({value.code})")
        code = f"int_to_float({value.code}, round_{target.scalar}, {target.precision})"
        return Operand(self.temporary(code))

    # Bitwise operators: nodes or calls

    def _bitwise(self, node: Any, symbol: str) -> Operand:
        a, b = self._operands(node)
        dtype = self.dtype(node)
        low, high = dtype.low, dtype.high
        if symbol == "&" and (a.low >= 0 or b.low >= 0):
            low, high = 0, min(x.high for x in (a, b) if x.low >= 0)
        elif a.low >= 0 and b.low >= 0:
            low, high = 0, (1 << max(a.high, b.high).bit_length()) - 1
        return ranges.clipped(f"({a.code} {symbol} {b.code})", Operand("", low, high), dtype)

    def _operands(self, node: Any) -> tuple[Operand, Operand]:
        a, b = compat.operands(node)
        return self.value(a), self.value(b)

    def _BitwiseAnd(self, node: Any) -> Operand:
        return self._bitwise(node, "&")

    def _BitwiseOr(self, node: Any) -> Operand:
        return self._bitwise(node, "|")

    def _BitwiseXor(self, node: Any) -> Operand:
        return self._bitwise(node, "^")

    def _BitwiseNot(self, node: Any) -> Operand:
        a = self.value(*compat.operands(node))
        dtype = self.dtype(node)
        if dtype.kind == "bool":
            return Operand(f"(not {a.code})", 0, 1)
        if dtype.kind == "int":
            return Operand(f"(~{a.code})", -a.high - 1, -a.low - 1)
        return Operand(f"({a.code} ^ {dtype.high})", 0, dtype.high)

    def _shift_amount(self, a: Operand, b: Operand, dtype: DType) -> Operand:
        if b.within(0, dtype.bits - 1):
            return b
        code = f"check_shift({a.code}, {b.code}, {dtype.bits})"
        return Operand(self.temporary(code), 0, dtype.bits - 1)

    def _LShift(self, node: Any) -> Operand:
        dtype = self.dtype(node)
        a, b = self._operands(node)
        a = self.atom(a)
        b = self._shift_amount(a, b, dtype)
        corners = [x << y for x in (a.low, a.high) for y in (b.low, b.high)]
        result = Operand(f"({a.code} << {b.code})", min(corners), max(corners))
        if dtype.kind != "int" and not result.within(dtype.low, dtype.high):
            return Operand(f"({result.code} & {dtype.high})", 0, dtype.high)
        return self.integer(result, dtype)

    def _RShift(self, node: Any) -> Operand:
        dtype = self.dtype(node)
        a, b = self._operands(node)
        a = self.atom(a)
        b = self._shift_amount(a, b, dtype)
        corners = [x >> y for x in (a.low, a.high) for y in (b.low, b.high)]
        return Operand(f"({a.code} >> {b.code})", min(corners), max(corners))

    _builtin_bitwise_and = _BitwiseAnd
    _builtin_bitwise_or = _BitwiseOr
    _builtin_bitwise_xor = _BitwiseXor
    _builtin_bitwise_not = _BitwiseNot
    _builtin_shift_left = _LShift
    _builtin_shift_right = _RShift

    # Other builtins

    def _builtin_if_then_else(self, node: Any) -> Operand:
        condition = self.value(node.args[0])
        with self.captured(deeper=True) as then_lines:
            a = self.value(node.args[1])
        with self.captured(deeper=True) as else_lines:
            b = self.value(node.args[2])
        if not then_lines and not else_lines:
            return ranges.join(f"({a.code} if {condition.code} else {b.code})", a, b)
        name = self.fresh("t")
        self.emit(f"if {condition.code}:")
        self.lines += then_lines
        self.emit(f"{STEP}{name} = {a.code}")
        self.emit("else:")
        self.lines += else_lines
        self.emit(f"{STEP}{name} = {b.code}")
        return ranges.join(name, a, b)

    def _builtin_reinterpret(self, node: Any) -> Operand:
        source, target = self.dtype(node.args[0]), self.dtype(node)
        value = self.value(node.args[0])
        if (source.bits, source.lanes) != (target.bits, target.lanes):
            raise Unsupported("reinterpret between widths")
        if source.scalar == target.scalar:
            return value
        name = f"reinterpret_{source.scalar}_as_{target.scalar}"
        return unknown(self.temporary(f"{name}({value.code})"), target)

    def _builtin_popcount(self, node: Any) -> Operand:
        bits = self.dtype(node.args[0]).bits
        return Operand(f"popcount({self.value(node.args[0]).code}, {bits})", 0, bits)

    def _builtin_clz(self, node: Any) -> Operand:
        bits = self.dtype(node.args[0]).bits
        value = self.atom(self.value(node.args[0]))
        self.emit(f"if not {value.code}: undefined('bad-argument', 'clz of zero')")
        return Operand(f"clz({value.code}, {bits})", 0, bits)

    def _builtin_large_uint_imm(self, node: Any) -> Operand:
        low, high = (int(argument.value) & 0xFFFFFFFF for argument in node.args)
        return constant(low | high << 32)

    def _builtin_nextafter(self, node: Any) -> Operand:
        dtype = self.dtype(node)
        if dtype.scalar not in ("float32", "float64"):
            raise Unsupported(f"call of tirx.nextafter on {dtype.scalar}")
        a, b = self.value(node.args[0]), self.value(node.args[1])
        return Operand(self.temporary(f"nextafter_{dtype.scalar}({a.code}, {b.code})"))

    def _builtin_ldexp(self, node: Any) -> Operand:
        value, exponent = self.value(node.args[0]), self.value(node.args[1])
        return self.inexact(f"ldexp({value.code}, {exponent.code})", self.dtype(node), "True")

    def _builtin_q_multiply_shift(self, node: Any) -> Operand:
        x, y, fraction, shift = (self.atom(self.value(argument)) for argument in node.args)
        left, right = f"max({shift.code}, 0)", f"max(-{shift.code}, 0)"
        code = f"multiply_shift({x.code}, {y.code}, {left}, {right}, {fraction.code})"
        return unknown(self.temporary(code), self.dtype(node))

    def _builtin_q_multiply_shift_per_axis(self, node: Any) -> Operand:
        x, y, left, right, fraction, shifts_left, _ = (self.value(item) for item in node.args)
        left_code = f"({left.code} if {shifts_left.code} else 0)"
        code = f"multiply_shift({x.code}, {y.code}, {left_code}, {right.code}, {fraction.code})"
        return unknown(self.temporary(code), self.dtype(node))

    def _builtin_assume(self, node: Any) -> Operand:
        condition = self.value(node.args[0])
        self.emit(f"if not {condition.code}: undefined('false-assume', 'a false T.assume')")
        return constant(1)
