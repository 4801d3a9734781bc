"""Values of several lanes, as many vectors of 16 bytes as they take."""

from __future__ import annotations

import struct
from typing import Any

from harness.wasm.emit.graph import ValueGraph, ValueNode
from harness.wasm.emit.integers import added, value_of
from harness.wasm.emit.opcodes import (
    BITWISE,
    CONVERT_LANES,
    EXTEND,
    EXTRACT_LANE,
    LANE_BYTES,
    REPLACE_LANE,
    SHUFFLE,
    SPLATS,
    V128_BITSELECT,
    V128_NOT,
    VECTOR,
    simd,
)
from harness.wasm.emit.program import NotCovered, TirType
from harness.wasm.emit.translation import Rule, Translation, Value, Vector, natural

Fields = dict[str, Any]
INTEGER_LANE = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
FORMATS = {"i8": "b", "i16": "h", "i32": "i", "i64": "q"}


def pieces_of(lanes: int, lane: str) -> int:
    return -(-lanes // natural(lane))


def splat(graph: ValueGraph, node: ValueNode, lane: str, lanes: int) -> Vector:
    """A scalar in every lane."""
    piece = graph.op(SPLATS[lane], "v128", value_of(graph, node))
    return Vector([piece] * pieces_of(lanes, lane), lane, lanes)


def extracted(graph: ValueGraph, vector: Vector, lane: int, dtype: TirType) -> ValueNode:
    """A lane as a scalar of a type."""
    width = natural(vector.lane)
    place = bytes([lane % width])
    piece = vector.pieces[lane // width]
    if dtype.code == "bool":
        kind = {"i8": "i8_s", "i16": "i16_s"}.get(vector.lane, vector.lane)
        type_ = "i64" if kind == "i64" else "i32"
        found = graph.op(simd(EXTRACT_LANE[kind]) + place, type_, piece)
        return graph.scalar(type_, "ne", found, graph.integer(type_, 0))
    kind = dtype.signed_lane if dtype.bits < 32 else dtype.lane
    return graph.op(simd(EXTRACT_LANE[kind]) + place, dtype.type, piece)


def assembled(graph: ValueGraph, nodes: list[ValueNode], lane: str) -> Vector:
    """A vector of these scalars."""
    width, pieces = natural(lane), []
    for start in range(0, len(nodes), width):
        part = [value_of(graph, node) for node in nodes[start : start + width]]
        piece = graph.op(SPLATS[lane], "v128", part[0])
        for place, node in enumerate(part):
            if node is not part[0]:
                code = simd(REPLACE_LANE[lane]) + bytes([place])
                piece = graph.op(code, "v128", piece, node)
        pieces.append(piece)
    return Vector(pieces, lane, len(nodes))


def by_lanes(t: Translation, number: int, dtype: TirType) -> Value:
    """A vector whose lanes are computed one by one."""
    nodes = [t.at_lane(number, lane) for lane in range(dtype.lanes)]
    if dtype.code != "bool":
        return assembled(t.graph, nodes, dtype.lane)
    zero = t.graph.integer("i32", 0)
    masks = [t.graph.scalar("i32", "sub", zero, value_of(t.graph, node)) for node in nodes]
    return assembled(t.graph, masks, "i32")


def vector(t: Translation, number: int) -> Vector:
    made = t.value(number)
    assert isinstance(made, Vector)
    return made


def each(t: Translation, code: bytes, *vectors: Vector) -> list[ValueNode]:
    """An instruction on vectors of equally many pieces."""
    graph = t.graph
    return [
        graph.op(code, "v128", *pieces)
        for pieces in zip(*(each.pieces for each in vectors), strict=True)
    ]


def arithmetic(name: str) -> Any:
    """add, sub, mul, div, min or max; None where there is no instruction for these lanes."""

    def rule(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
        code = _instruction(name, dtype)
        if code is None:
            return None
        a, b = vector(t, fields["a"]), vector(t, fields["b"])
        # min and max are b < a ? b : a and its like, where a NaN is not less: as TVM defines them.
        operands = (b, a) if dtype.is_float and name in ("min", "max") else (a, b)
        return Vector(each(t, code, *operands), dtype.lane, dtype.lanes)

    return rule


def _instruction(name: str, dtype: TirType) -> bytes | None:
    if dtype.code == "bool":
        return None
    if name in BITWISE:
        return BITWISE[name]
    if name in ("min", "max"):
        name = f"p{name}" if dtype.is_float else f"{name}_{'s' if dtype.is_signed else 'u'}"
    return VECTOR[dtype.lane].get(name)


def comparison(name: str) -> Any:
    def rule(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
        operands = t.program.dtype(fields["a"])
        if operands.code == "bool":
            return None
        is_plain = operands.is_float or name in ("eq", "ne")
        sign = "" if is_plain else "_s" if operands.is_signed else "_u"
        code = VECTOR[operands.lane].get(name + sign)
        if code is None:
            return None
        pieces = each(t, code, vector(t, fields["a"]), vector(t, fields["b"]))
        return Vector(pieces, INTEGER_LANE[operands.bytes], dtype.lanes)

    return rule


def logic(name: str) -> Any:
    def rule(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
        a, b = vector(t, fields["a"]), vector(t, fields["b"])
        if a.lane != b.lane:
            return None
        return Vector(each(t, BITWISE[name], a, b), a.lane, a.lanes)

    return rule


def negated(t: Translation, fields: Fields, dtype: TirType) -> Vector:
    a = vector(t, fields["a"])
    return Vector(each(t, V128_NOT, a), a.lane, a.lanes)


def select(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
    if t.program.dtype(fields["condition"]).lanes == 1:
        return None
    mask = vector(t, fields["condition"])
    yes, no = vector(t, fields["true_value"]), vector(t, fields["false_value"])
    if not LANE_BYTES[mask.lane] == LANE_BYTES[yes.lane] == LANE_BYTES[no.lane]:
        return None
    return Vector(each(t, V128_BITSELECT, yes, no, mask), yes.lane, yes.lanes)


def shift(name: str) -> Any:
    def rule(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
        if t.program.kinds[fields["b"]] != "Broadcast":
            return None
        by = t.scalar(t.program.fields[fields["b"]]["value"])
        if by.type != "i32":
            return None
        sign = "" if name == "shl" else "_s" if dtype.is_signed else "_u"
        a, graph = vector(t, fields["a"]), t.graph
        code = VECTOR[dtype.lane][name + sign]
        return Vector([graph.op(code, "v128", each, by) for each in a.pieces], a.lane, a.lanes)

    return rule


def broadcast(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
    if dtype.code == "bool":
        return None
    return splat(t.graph, t.index(fields["value"]), dtype.lane, dtype.lanes)


def ramp(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
    stride = t.program.constant(fields["stride"])
    if stride is None or dtype.is_float:
        return None
    base = splat(t.graph, t.index(fields["base"]), dtype.lane, dtype.lanes)
    width, pieces = natural(dtype.lane), []
    bits = 8 * LANE_BYTES[dtype.lane]
    for number, piece in enumerate(base.pieces):
        steps = [stride * (number * width + lane) for lane in range(width)]
        wrapped = [(step + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1) for step in steps]
        constant = t.graph.vector(struct.pack(f"<{width}{FORMATS[dtype.lane]}", *wrapped))
        pieces.append(t.graph.op(VECTOR[dtype.lane]["add"], "v128", piece, constant))
    return Vector(pieces, dtype.lane, dtype.lanes)


def cast(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
    """Between integers of any width, and from or to float32 where there are as many bits."""
    source = t.program.dtype(fields["value"])
    if "bool" in (dtype.code, source.code):
        return _of_mask(t, fields, dtype) if source.code == "bool" else None
    if source.is_float and dtype.is_float:
        return None if source.bits != dtype.bits else vector(t, fields["value"])
    if source.is_float:
        code = CONVERT_LANES.get((source.lane, dtype.signed_lane))
        if code is None:
            return None
        return Vector(each(t, code, vector(t, fields["value"])), dtype.lane, dtype.lanes)
    bits = dtype.bits
    if dtype.is_float and source.bits > bits:  # the integer would be cut first
        return None
    found = resized(t, vector(t, fields["value"]), source, bits)
    if not dtype.is_float:
        return found
    sign = "_s" if source.is_signed or source.bits < bits else "_u"
    code = CONVERT_LANES.get((found.lane + sign, dtype.lane))
    return None if code is None else Vector(each(t, code, found), dtype.lane, dtype.lanes)


def _of_mask(t: Translation, fields: Fields, dtype: TirType) -> Vector | None:
    mask = vector(t, fields["value"])
    if dtype.code == "bool":
        return mask
    if LANE_BYTES[mask.lane] != dtype.bytes:
        return None
    one = splat(t.graph, _one(t.graph, dtype), dtype.lane, dtype.lanes)
    return Vector(each(t, BITWISE["and"], mask, one), dtype.lane, dtype.lanes)


def _one(graph: ValueGraph, dtype: TirType) -> ValueNode:
    if dtype.is_float:
        return graph.floating(dtype.type, 1)
    return graph.integer(dtype.type, 1)


def resized(t: Translation, value: Vector, source: TirType, bits: int) -> Vector:
    """Integers with more or fewer bits, which wrap."""
    graph = t.graph
    while 8 * LANE_BYTES[value.lane] < bits:
        sign, wide = ("_s" if source.is_signed else "_u"), INTEGER_LANE[2 * LANE_BYTES[value.lane]]
        halves = [
            graph.op(simd(EXTEND[value.lane + sign, half]), "v128", piece)
            for piece in value.pieces
            for half in ("low", "high")
        ]
        value = Vector(halves[: pieces_of(value.lanes, wide)], wide, value.lanes)
    while 8 * LANE_BYTES[value.lane] > bits:
        size = LANE_BYTES[value.lane] // 2
        code = simd(SHUFFLE) + bytes(each for each in range(32) if each // size % 2 == 0)
        pairs = zip(value.pieces[::2], [*value.pieces[1::2], value.pieces[-1]], strict=False)
        pieces = [graph.op(code, "v128", a, b) for a, b in pairs]
        value = Vector(pieces, INTEGER_LANE[size], value.lanes)
    return value


def let(t: Translation, fields: Fields, dtype: TirType) -> Value:
    t.values[fields["var"]] = t.value(fields["value"])
    return t.value(fields["body"])


def variable(t: Translation, fields: Fields, dtype: TirType) -> Value:
    known = t.values.get(fields["number"])
    if known is None:
        raise NotCovered("a variable that is bound nowhere")
    if isinstance(known, Vector) and t.lane is not None:
        return extracted(t.graph, known, t.lane, dtype)
    return known


def lane_of_ramp(t: Translation, fields: Fields, dtype: TirType) -> ValueNode:
    assert t.lane is not None
    base, stride = t.index(fields["base"]), t.index(fields["stride"])
    if dtype.is_signed and dtype.bits >= 32:
        return added(t.graph, base, stride, t.lane)
    step = t.graph.scalar(
        dtype.type, "mul", value_of(t.graph, stride), t.graph.integer(dtype.type, t.lane)
    )
    return t.graph.scalar(dtype.type, "add", value_of(t.graph, base), step)


VECTOR_RULES: dict[str, Rule] = {
    "Add": arithmetic("add"), "Sub": arithmetic("sub"), "Mul": arithmetic("mul"),
    "Div": arithmetic("div"), "Min": arithmetic("min"), "Max": arithmetic("max"),
    "BitwiseAnd": arithmetic("and"), "BitwiseOr": arithmetic("or"), "BitwiseXor": arithmetic("xor"),
    "BitwiseNot": negated, "LShift": shift("shl"), "RShift": shift("shr"),
    "EQ": comparison("eq"), "NE": comparison("ne"), "LT": comparison("lt"), "LE": comparison("le"),
    "GT": comparison("gt"), "GE": comparison("ge"), "And": logic("and"), "Or": logic("or"),
    "Not": negated, "Select": select, "Broadcast": broadcast, "Ramp": ramp, "Cast": cast,
    "Let": let, "Var": variable,
}  # fmt: skip
