"""What scalar expressions mean. Integers of 8 and 16 bits are kept as i32 with their sign or zeros
above; those with a sign and 32 or 64 bits as sums (`integers.py`), as TIR says that they don't
overflow.
"""

from __future__ import annotations

from typing import Any

from harness.wasm.emit.graph import Branch, CodeRegion, Phi, ValueGraph, ValueNode
from harness.wasm.emit.integers import added, is_natural, multiplied, value_of
from harness.wasm.emit.lanes import lane_of_ramp, let, variable
from harness.wasm.emit.opcodes import CONVERSIONS, SCALAR, SELECT, SIGN_EXTENSIONS
from harness.wasm.emit.program import TirType
from harness.wasm.emit.translation import Rule, Translation

Fields = dict[str, Any]
TRAPS = frozenset({"BufferLoad", "Div", "Mod", "FloorDiv", "FloorMod"})


def normalized(graph: ValueGraph, node: ValueNode, dtype: TirType) -> ValueNode:
    """An i32 cut to the bits of a narrow type."""
    if dtype.bits >= 32 or dtype.is_float:
        return node
    limit = 1 << dtype.bits
    low, high = (-limit // 2, limit // 2 - 1) if dtype.is_signed else (0, limit - 1)
    if node.low is not None and node.high is not None and low <= node.low and node.high <= high:
        return node
    node = value_of(graph, node)
    if dtype.is_signed:
        made = graph.op(SIGN_EXTENSIONS[dtype.bits], "i32", node)
    else:
        made = graph.scalar("i32", "and", node, graph.integer("i32", limit - 1))
    made.low, made.high = low, high
    return made


def binary(name: str) -> Rule:
    """add, sub, mul, or, xor, ...: of integers that wrap, or of floats."""

    def rule(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
        a, b = t.index(fields["a"]), t.index(fields["b"])
        if dtype.is_signed and dtype.bits >= 32:
            if name == "add":
                return added(t.graph, a, b)
            if name == "sub":
                return added(t.graph, a, b, -1)
            if name == "mul":
                return multiplied(t.graph, a, b)
        a, b = value_of(t.graph, a), value_of(t.graph, b)
        return normalized(t.graph, t.graph.scalar(dtype.type, name, a, b), dtype)

    return rule


def conjunction(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    a, b = t.scalar(fields["a"]), t.scalar(fields["b"])
    made = t.graph.scalar(dtype.type, "and", a, b)
    bounds = [each.high for each in (a, b) if is_natural(each) and each.high is not None]
    if bounds or is_natural(a) or is_natural(b):
        made.low, made.high = 0, min(bounds, default=None)
    return made


def divided(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    """Truncated division; of a float its quotient."""
    if dtype.is_float:
        return t.graph.scalar(dtype.type, "div", t.scalar(fields["a"]), t.scalar(fields["b"]))
    return _divided(t, fields, dtype, "div")


def remainder(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    if dtype.is_float:
        return t.imported("fmod", dtype, [t.scalar(fields["a"]), t.scalar(fields["b"])])
    return _divided(t, fields, dtype, "rem")


def _divided(t: Translation, fields: Fields, dtype: TirType, name: str) -> ValueNode:
    a, b = t.scalar(fields["a"]), t.scalar(fields["b"])
    return _quotient(t.graph, a, b, dtype, name)


def _quotient(
    graph: ValueGraph, a: ValueNode, b: ValueNode, dtype: TirType, name: str
) -> ValueNode:
    natural = is_natural(a) and is_natural(b)
    sign = "u" if natural or not dtype.is_signed else "s"
    code = SCALAR[dtype.type][f"{name}_{sign}"]
    if b.value is not None and b.value not in (0, -1):  # which doesn't trap
        made = graph.op(code, dtype.type, a, b)
    else:
        made = graph.anchored(code, dtype.type, (a, b), None)
    if natural:
        bound = b.value - 1 if name == "rem" and b.value else None
        made.low, made.high = 0, bound
        if name == "div" and a.high is not None and b.value:
            made.high = a.high // b.value
    return normalized(graph, made, dtype)


def floored(name: str) -> Rule:
    """FloorDiv and FloorMod: truncated, with a step down where the signs differ."""

    def rule(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
        graph, a, b = t.graph, t.scalar(fields["a"]), t.scalar(fields["b"])
        if not dtype.is_signed or (is_natural(a) and is_natural(b)):
            return _quotient(graph, a, b, dtype, name)
        if b.value is not None and b.value > 0 and b.value & (b.value - 1) == 0:
            if name == "div":
                bits = graph.integer(dtype.type, b.value.bit_length() - 1)
                return graph.scalar(dtype.type, "shr_s", a, bits)
            rest = graph.scalar(dtype.type, "and", a, graph.integer(dtype.type, b.value - 1))
            rest.low, rest.high = 0, b.value - 1
            return rest
        rest = _quotient(graph, a, b, dtype, "rem")
        zero = graph.integer(dtype.type, 0)
        differ = graph.scalar(dtype.type, "lt_s", graph.scalar(dtype.type, "xor", rest, b), zero)
        is_short = graph.scalar("i32", "and", graph.scalar(dtype.type, "ne", rest, zero), differ)
        if name == "rem":
            more = graph.scalar(dtype.type, "add", rest, b)
            return graph.op(SELECT, dtype.type, more, rest, is_short)
        quotient = _quotient(graph, a, b, dtype, "div")
        less = graph.scalar(dtype.type, "sub", quotient, graph.integer(dtype.type, 1))
        return normalized(graph, graph.op(SELECT, dtype.type, less, quotient, is_short), dtype)

    return rule


def extreme(name: str) -> Rule:
    """Min and Max: a if it is less (or greater) than b, which no NaN is."""

    def rule(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
        a, b = t.scalar(fields["a"]), t.scalar(fields["b"])
        sign = "" if dtype.is_float else "_s" if dtype.is_signed else "_u"
        asked = t.graph.scalar(dtype.type, ("lt" if name == "min" else "gt") + sign, a, b)
        made = t.graph.op(SELECT, dtype.type, a, b, asked)
        if dtype.is_signed:
            choose, first = (min, max) if name == "min" else (max, min)
            made.low, made.high = _bound(a.low, b.low, choose), _bound(a.high, b.high, choose)
            # What is known of one bounds the least above, the greatest below.
            if name == "min" and made.high is None:
                made.high = a.high if b.high is None else b.high
            if name == "max" and made.low is None:
                made.low = a.low if b.low is None else b.low
        return made

    return rule


def _bound(a: int | None, b: int | None, choose: Any) -> int | None:
    return None if a is None or b is None else int(choose(a, b))


def comparison(name: str) -> Rule:
    def rule(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
        operands = t.program.dtype(fields["a"])
        is_plain = operands.is_float or name in ("eq", "ne")
        sign = "" if is_plain else "_s" if operands.is_signed else "_u"
        a, b = t.scalar(fields["a"]), t.scalar(fields["b"])
        return _boolean(t.graph.scalar(operands.type, name + sign, a, b))

    return rule


def _boolean(node: ValueNode) -> ValueNode:
    node.low, node.high = 0, 1
    return node


def logic(name: str) -> Rule:
    """And and Or, whose second operand is asked only where it matters, if it could fail."""

    def rule(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
        a = t.scalar(fields["a"])
        if is_safe(t, fields["b"]):
            return _boolean(t.graph.scalar("i32", name, a, t.scalar(fields["b"])))
        known = t.graph.integer("i32", 0 if name == "and" else 1)
        asked = a if name == "and" else t.graph.scalar("i32", "eqz", a)
        return _boolean(chosen(t, asked, lambda: t.scalar(fields["b"]), lambda: known, "i32"))

    return rule


def negated(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    return _boolean(t.graph.scalar("i32", "eqz", t.scalar(fields["a"])))


def inverted(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    ones = t.graph.integer(dtype.type, -1)
    made = t.graph.scalar(dtype.type, "xor", t.scalar(fields["a"]), ones)
    return normalized(t.graph, made, dtype)


def shift(name: str) -> Rule:
    def rule(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
        a, b = t.scalar(fields["a"]), t.scalar(fields["b"])
        sign = "" if name == "shl" else "_s" if dtype.is_signed else "_u"
        made = t.graph.scalar(dtype.type, name + sign, a, b)
        if name == "shr" and is_natural(a):
            made.low = 0
            made.high = None if a.high is None or b.value is None else a.high >> b.value
        return normalized(t.graph, made, dtype)

    return rule


def select(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    yes, no = t.scalar(fields["true_value"]), t.scalar(fields["false_value"])
    made = t.graph.op(SELECT, dtype.type, yes, no, t.scalar(fields["condition"]))
    if dtype.is_signed:
        made.low, made.high = _bound(yes.low, no.low, min), _bound(yes.high, no.high, max)
    return made


def cast(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    source = t.program.dtype(fields["value"]).element
    node = t.index(fields["value"])
    if source.code == dtype.code and source.bits == dtype.bits:
        return node
    return converted(t.graph, node, source, dtype)


def converted(graph: ValueGraph, node: ValueNode, source: TirType, dtype: TirType) -> ValueNode:
    """A scalar of one type as one of another."""
    if dtype.code == "bool":
        zero = graph.zero(source.type)
        return _boolean(graph.scalar(source.type, "ne", value_of(graph, node), zero))
    if source.is_float and dtype.is_float:
        return graph.op(CONVERSIONS[source.type, dtype.type], dtype.type, node)
    if source.is_float:
        sign = "_s" if dtype.is_signed or dtype.bits < 32 else "_u"
        made = graph.op(CONVERSIONS[source.type, dtype.type + sign], dtype.type, node)
        return normalized(graph, made, dtype)
    sign = "_s" if source.is_signed or source.bits < 32 else "_u"
    if dtype.is_float:
        code = CONVERSIONS[source.type + sign, dtype.type]
        return graph.op(code, dtype.type, value_of(graph, node))
    if source.type == dtype.type:
        return normalized(graph, node, dtype)
    key = source.type if source.type == "i64" else source.type + sign
    made = graph.op(CONVERSIONS[key, dtype.type], dtype.type, value_of(graph, node))
    if made.low is None and source.bits <= dtype.bits:
        made.low, made.high = node.low, node.high
    return normalized(graph, made, dtype)


def constant(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    return t.graph.floating(dtype.type, fields["value"])


def of_lane(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    return t.index(fields["value"])


def is_safe(t: Translation, number: int) -> bool:
    """Whether an expression can be evaluated where its value may not be wanted."""
    kind, fields = t.program.kinds[number], t.program.fields[number]
    if kind in TRAPS:
        return False
    if kind == "Call":
        return all(is_safe(t, each) for each in fields["args"])
    names = ("a", "b", "value", "body", "condition", "true_value", "false_value", "base", "stride")
    if not isinstance(fields, dict) or kind in ("IntImm", "FloatImm", "StringImm", "Var"):
        return True
    return all(is_safe(t, fields[name]) for name in names if name in fields)


def chosen(t: Translation, asked: ValueNode, yes: Any, no: Any, type_: str) -> ValueNode:
    """One of two values, of which only that one is computed."""
    graph, region = t.graph, t.graph.region
    graph.use(asked, region)
    branch = Branch(
        asked, CodeRegion(region, is_branch=True), CodeRegion(region, is_branch=True), ()
    )
    region.effects.append(branch)
    region.open = branch
    results = []
    for body, make in ((branch.yes, yes), (branch.no, no)):
        graph.region = body
        result = value_of(graph, make())
        graph.use(result, body)
        results.append(result)
    graph.region, region.open = region, None
    phi = Phi(graph.new_local(type_), results[1])
    phi.next = results[0]
    branch.phis.append(phi)
    return graph.held(phi.local, region)


RULES: dict[str, Rule] = {
    "Add": binary("add"), "Sub": binary("sub"), "Mul": binary("mul"), "Div": divided,
    "Mod": remainder, "FloorDiv": floored("div"), "FloorMod": floored("rem"), "Min": extreme("min"),
    "Max": extreme("max"), "EQ": comparison("eq"), "NE": comparison("ne"), "LT": comparison("lt"),
    "LE": comparison("le"), "GT": comparison("gt"), "GE": comparison("ge"), "And": logic("and"),
    "Or": logic("or"), "Not": negated, "BitwiseAnd": conjunction, "BitwiseOr": binary("or"),
    "BitwiseXor": binary("xor"), "BitwiseNot": inverted, "LShift": shift("shl"),
    "RShift": shift("shr"), "Select": select, "Cast": cast, "FloatImm": constant, "Let": let,
    "Var": variable, "Broadcast": of_lane, "Ramp": lane_of_ramp,
}  # fmt: skip
