"""Calls: instructions where WebAssembly has them, else functions of C's mathematics."""

from __future__ import annotations

from typing import Any

from harness import compat
from harness.wasm.emit.expressions import RULES, chosen, converted, is_safe
from harness.wasm.emit.graph import ValueNode
from harness.wasm.emit.lanes import INTEGER_LANE, VECTOR_RULES, each, vector
from harness.wasm.emit.memory import load, load_vector, splat_of_load
from harness.wasm.emit.opcodes import LANE_BYTES, REINTERPRETATIONS, SELECT, VECTOR
from harness.wasm.emit.program import NotCovered, TirType
from harness.wasm.emit.translation import Rule, Translation, Value, Vector

Fields = dict[str, Any]
EXTERN = frozenset({"call_pure_extern", "call_extern"})
LLVM = frozenset({"call_llvm_pure_intrin", "call_llvm_intrin"})
# By the name that TIR or LLVM has for it.
INSTRUCTIONS = {
    "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "nearbyint": "nearest",
    "rint": "nearest", "fabs": "abs",
}  # fmt: skip
IN_C = frozenset(
    "acos acosh asin asinh atan atan2 atanh cos cosh exp exp2 exp10 fmod hypot log log10 log1p "
    "log2 pow round sin sinh tan tanh".split()
)
COUNTS = {"popcount": "popcnt", "ctpop": "popcnt", "ctlz": "clz", "clz": "clz"}


def call(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    """The rule of a call that makes a scalar, or is evaluated at one lane."""
    name, args = _called(t, fields)
    if name in SPECIAL:
        return SPECIAL[name](t, args, dtype)
    if name in INSTRUCTIONS and dtype.is_float:
        return t.graph.scalar(dtype.type, INSTRUCTIONS[name], t.scalar(args[0]))
    if name in COUNTS and dtype.bits >= 32:
        return t.graph.scalar(dtype.type, COUNTS[name], t.scalar(args[0]))
    if name in IN_C:
        return t.imported(name, dtype, [t.scalar(each) for each in args])
    raise NotCovered(f"the call {name}")


def call_vector(t: Translation, fields: Fields, dtype: TirType) -> Value | None:
    """The rule of a call that makes a vector; None to compute it lane by lane."""
    name, args = _called(t, fields)
    if name in INSTRUCTIONS and dtype.is_float:
        code = VECTOR[dtype.lane][INSTRUCTIONS[name]]
        return Vector(each(t, code, vector(t, args[0])), dtype.lane, dtype.lanes)
    if name == "fmuladd":
        return _multiply_add(t, args, dtype)
    if name == "reinterpret":
        value = vector(t, args[0])
        source = t.program.dtype(args[0])
        if "bool" in (source.code, dtype.code) or LANE_BYTES[value.lane] != dtype.bytes:
            return None
        return Vector(value.pieces, dtype.lane, dtype.lanes)
    if name == "likely":
        return t.value(args[0])
    if name == "isnan" and t.program.dtype(args[0]).is_float:
        value = vector(t, args[0])
        pieces = each(t, VECTOR[value.lane]["ne"], value, value)
        return Vector(pieces, INTEGER_LANE[LANE_BYTES[value.lane]], dtype.lanes)
    if name == "if_then_else" and t.program.dtype(args[0]).lanes == 1:
        return _chosen_vector(t, args, dtype)
    return None


def _called(t: Translation, fields: Fields) -> tuple[str, list[int]]:
    name, args = fields["name"], fields["args"]
    if not name:
        raise NotCovered("a call of another function")
    if name in EXTERN:
        return str(t.program.fields[args[0]].get("value")).removesuffix("f"), args[1:]
    if name in LLVM:
        number = t.program.constant(args[0])
        if number is None:
            raise NotCovered(f"the call {name}")
        return compat.llvm_intrinsic(number).removeprefix("llvm."), args[1:]
    return name, args


def _multiply_add(t: Translation, args: list[int], dtype: TirType) -> Vector | None:
    """a b + c, rounded once or twice: as relaxed instructions do, or as two."""
    a, b, c = (vector(t, each) for each in args)
    table = VECTOR[dtype.lane]
    if t.relaxed:
        return Vector(each(t, table["relaxed_madd"], a, b, c), dtype.lane, dtype.lanes)
    product = Vector(each(t, table["mul"], a, b), dtype.lane, dtype.lanes)
    return Vector(each(t, table["add"], product, c), dtype.lane, dtype.lanes)


def _multiply_add_scalar(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    a, b, c = (t.scalar(each) for each in args)
    return t.graph.scalar(dtype.type, "add", t.graph.scalar(dtype.type, "mul", a, b), c)


def _chosen_vector(t: Translation, args: list[int], dtype: TirType) -> Value | None:
    if dtype.code == "bool":
        return None
    asked = t.scalar(args[0])
    if is_safe(t, args[1]) and is_safe(t, args[2]):
        yes, no = vector(t, args[1]), vector(t, args[2])
        pieces = [
            t.graph.op(SELECT, "v128", one, other, asked)
            for one, other in zip(yes.pieces, no.pieces, strict=True)
        ]
        return Vector(pieces, dtype.lane, dtype.lanes)
    count = len(_empty_pieces(dtype))
    pieces = [
        chosen(t, asked, _piece(t, args[1], place), _piece(t, args[2], place), "v128")
        for place in range(count)
    ]
    return Vector(pieces, dtype.lane, dtype.lanes)


def _empty_pieces(dtype: TirType) -> range:
    return range(-(-dtype.lanes * dtype.bytes // 16))


def _piece(t: Translation, number: int, place: int) -> Any:
    return lambda: vector(t, number).pieces[place]


def _if_then_else(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    asked = t.scalar(args[0])
    if is_safe(t, args[1]) and is_safe(t, args[2]):
        return t.graph.op(SELECT, dtype.type, t.scalar(args[1]), t.scalar(args[2]), asked)
    return chosen(t, asked, lambda: t.index(args[1]), lambda: t.index(args[2]), dtype.type)


def _reinterpret(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    source = t.program.dtype(args[0]).element
    value = t.scalar(args[0])
    if source.bits != dtype.bits:
        raise NotCovered("reinterpret to another width")
    if source.type == dtype.type:
        return converted(t.graph, value, source, dtype)
    return t.graph.op(REINTERPRETATIONS[source.type, dtype.type], dtype.type, value)


def _same(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    return t.index(args[0])


def _is_nan(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    value = t.scalar(args[0])
    return t.graph.scalar(value.type, "ne", value, value)


def _infinite(name: str) -> Any:
    """isinf and isfinite: how the absolute value compares with infinity."""

    def rule(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
        value = t.scalar(args[0])
        size = t.graph.scalar(value.type, "abs", value)
        return t.graph.scalar(value.type, name, size, t.graph.floating(value.type, float("inf")))

    return rule


def _absolute(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    value = t.scalar(args[0])
    zero = t.graph.zero(dtype.type)
    negative = t.graph.scalar(dtype.type, "sub", zero, value)
    asked = t.graph.scalar(dtype.type, "lt_s", value, zero)
    return t.graph.op(SELECT, dtype.type, negative, value, asked)


def _copysign(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    return t.graph.scalar(dtype.type, "copysign", t.scalar(args[0]), t.scalar(args[1]))


def _inverse_root(t: Translation, args: list[int], dtype: TirType) -> ValueNode:
    root = t.graph.scalar(dtype.type, "sqrt", t.scalar(args[0]))
    return t.graph.scalar(dtype.type, "div", t.graph.floating(dtype.type, 1), root)


SPECIAL: dict[str, Any] = {
    "fmuladd": _multiply_add_scalar, "if_then_else": _if_then_else, "reinterpret": _reinterpret,
    "likely": _same, "isnan": _is_nan, "isinf": _infinite("eq"), "isfinite": _infinite("lt"),
    "abs": _absolute, "copysign": _copysign, "rsqrt": _inverse_root,
}  # fmt: skip


def shuffle(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    """A lane of several vectors, one after another, by constant indices."""
    indices = fields["indices"]
    wanted = t.program.constant(indices[t.lane if len(indices) > 1 and t.lane is not None else 0])
    for number in fields["vectors"]:
        lanes = t.program.dtype(number).lanes
        if wanted is None or wanted < lanes:
            break
        wanted -= lanes
    if wanted is None:
        raise NotCovered("a shuffle by indices that are not constant")
    return t.at_lane(number, wanted) if lanes > 1 else t.index(number)


ALL_RULES: dict[str, Rule] = {**RULES, "Call": call, "BufferLoad": load, "Shuffle": shuffle}


def _broadcast(t: Translation, fields: Fields, dtype: TirType) -> Value | None:
    found = splat_of_load(t, fields, dtype)
    return found if found is not None else VECTOR_RULES["Broadcast"](t, fields, dtype)


ALL_VECTOR_RULES: dict[str, Rule] = {
    **VECTOR_RULES, "Call": call_vector, "BufferLoad": load_vector, "Broadcast": _broadcast,
}  # fmt: skip
