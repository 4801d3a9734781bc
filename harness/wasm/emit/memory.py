"""Loads and stores: of scalars, of vectors that lie side by side, and of lanes anywhere.

Where a buffer is promoted (`promotion.py`), its elements are values, and nothing is loaded.
"""

from __future__ import annotations

from typing import Any

from harness.wasm.emit.graph import ValueNode
from harness.wasm.emit.integers import added, address, multiplied, value_of
from harness.wasm.emit.lanes import assembled, extracted
from harness.wasm.emit.opcodes import (
    BITWISE,
    LOAD_LANE,
    LOAD_SPLAT,
    LOAD_ZERO,
    LOADS,
    REPLACE_LANE,
    SPLATS,
    STORE_LANE,
    STORES,
    V128_LOAD,
    V128_STORE,
    VECTOR,
    memory,
    simd,
)
from harness.wasm.emit.program import NotCovered, TirType, dtype_of
from harness.wasm.emit.translation import MemoryArea, Translation, Value, Vector, natural

Fields = dict[str, Any]


def load(t: Translation, fields: Fields, dtype: TirType) -> Value:
    """The rule of a load, of a scalar or at one lane."""
    _refuse_predicate(t, fields)
    buffer, index = fields["buffer"], _only_index(t, fields)
    element = t.program.dtype(buffer)
    if buffer in t.slots:
        found = _slot(t, buffer, index)
        if isinstance(found, Vector):
            if t.lane is None:
                raise NotCovered("a scalar of a promoted vector")
            return extracted(t.graph, found, t.lane, dtype)
        return found
    at = t.index(index)
    if element.lanes > 1:
        assert t.lane is not None
        lanes = t.graph.integer(at.type, element.lanes)
        at = added(t.graph, _times(t, at, lanes), t.graph.integer(at.type, t.lane))
    return _load_scalar(t, _memory(t, buffer), at, dtype)


def load_vector(t: Translation, fields: Fields, dtype: TirType) -> Value | None:
    """The rule of a load of a vector."""
    _refuse_predicate(t, fields)
    buffer, index = fields["buffer"], _only_index(t, fields)
    if buffer in t.slots:
        return _slot(t, buffer, index)
    place = _memory(t, buffer)
    start = _start(t, buffer, index)
    if start is None:
        return None
    pieces = []
    width = natural(dtype.lane)
    for first in range(0, dtype.lanes, width):
        lanes = min(width, dtype.lanes - first)
        pieces.append(_load_piece(t, place, start, dtype.bytes, first, lanes))
    found = Vector(pieces, dtype.lane, dtype.lanes)
    if dtype.code != "bool":
        return found
    zero, differs = t.graph.zero("v128"), VECTOR["i8"]["ne"]
    return Vector([t.graph.op(differs, "v128", each, zero) for each in pieces], "i8", dtype.lanes)


def _only_index(t: Translation, fields: Fields) -> int:
    indices = fields["indices"]
    if len(indices) != 1:
        raise NotCovered("a buffer of several dimensions")
    return indices[0]


def _refuse_predicate(t: Translation, fields: Fields) -> None:
    if fields["predicate"]:
        raise NotCovered("a predicate of lanes")


def _memory(t: Translation, buffer: int) -> MemoryArea:
    known = t.memories.get(buffer)
    if known is None:
        raise NotCovered("a buffer without memory")
    return known


def _times(t: Translation, a: ValueNode, b: ValueNode) -> ValueNode:
    return multiplied(t.graph, a, b)


def _start(t: Translation, buffer: int, index: int) -> ValueNode | None:
    """The first element of an access of elements side by side, None of another."""
    lanes = t.program.dtype(buffer).lanes
    if lanes > 1:  # a buffer of vectors, which are taken whole
        if t.program.dtype(index).lanes > 1:
            raise NotCovered("several vectors of a buffer of vectors")
        at = t.index(index)
        return _times(t, at, t.graph.integer(at.type, lanes))
    if t.program.kinds[index] == "Ramp":
        fields = t.program.fields[index]
        return t.index(fields["base"]) if t.program.constant(fields["stride"]) == 1 else None
    count = t.program.dtype(index).lanes
    places = [t.at_lane(index, lane) for lane in range(count)]
    for lane, place in enumerate(places):
        difference = added(t.graph, place, places[0], -1)
        if difference.value != lane:
            return None
    return places[0]


def _anchored(
    t: Translation, place: MemoryArea, code: bytes, type_: str, *args: ValueNode
) -> ValueNode:
    node = t.graph.load(code, type_, args, place.number, place.state)
    place.loads.append(node)
    return node


def _load_scalar(t: Translation, place: MemoryArea, at: ValueNode, dtype: TirType) -> ValueNode:
    base, offset = address(t.graph, place.pointer, at, dtype.bytes, place.offset)
    key = (dtype.lane if dtype.bits >= 32 else dtype.signed_lane, dtype.bits)
    node = _anchored(t, place, memory(LOADS[key], offset), dtype.type, base)
    if dtype.bits < 32:
        half = 1 << dtype.bits - 1
        node.low, node.high = (-half, half - 1) if dtype.is_signed else (0, 2 * half - 1)
        if dtype.code == "bool":
            node.high = 1
    return node


def _load_piece(
    t: Translation, place: MemoryArea, start: ValueNode, size: int, first: int, lanes: int
) -> ValueNode:
    base, offset = address(t.graph, place.pointer, start, size, place.offset)
    offset += first * size
    if lanes * size == 16:
        return _anchored(t, place, memory(V128_LOAD, offset, is_simd=True), "v128", base)
    piece: ValueNode | None = None
    for begin, count in _chunks(lanes * size):
        at = offset + begin
        if piece is None:
            opcode = LOAD_ZERO.get(count, LOAD_SPLAT[count])
            piece = _anchored(t, place, memory(opcode, at, is_simd=True), "v128", base)
        else:
            code = memory(LOAD_LANE[count], at, is_simd=True, lane=begin // count)
            piece = _anchored(t, place, code, "v128", base, piece)
    assert piece is not None
    return piece


def _chunks(size: int) -> list[tuple[int, int]]:
    """Where parts of 8, 4, 2 and 1 bytes of fewer than 16 begin, and their sizes."""
    found, begin = [], 0
    for count in (8, 4, 2, 1):
        if size - begin >= count:
            found.append((begin, count))
            begin += count
    return found


def splat_of_load(t: Translation, fields: Fields, dtype: TirType) -> Value | None:
    """A Broadcast of a load from memory: one instruction."""
    number = fields["value"]
    inner = t.program.fields[number]
    if t.program.kinds[number] != "BufferLoad" or dtype.code == "bool":
        return None
    source = t.program.dtype(inner["buffer"])
    if inner["buffer"] in t.slots or source.lanes > 1 or source.lane != dtype.lane:
        return None
    _refuse_predicate(t, inner)
    place = _memory(t, inner["buffer"])
    at = t.index(_only_index(t, inner))
    base, offset = address(t.graph, place.pointer, at, dtype.bytes, place.offset)
    code = memory(LOAD_SPLAT[dtype.bytes], offset, is_simd=True)
    piece = _anchored(t, place, code, "v128", base)
    return Vector([piece] * -(-dtype.lanes // natural(dtype.lane)), dtype.lane, dtype.lanes)


def store(t: Translation, fields: Fields) -> None:
    """The rule of a store."""
    _refuse_predicate(t, fields)
    buffer, index = fields["buffer"], _only_index(t, fields)
    dtype = t.program.dtype(buffer)
    lanes = t.program.dtype(index).lanes * dtype.lanes
    if buffer in t.slots:
        _store_slot(t, buffer, index, fields["value"])
        return
    place = _memory(t, buffer)
    if lanes == 1:
        scalar = t.scalar(fields["value"])
        _store_scalar(t, place, t.index(index), scalar, dtype)
        return
    start = _start(t, buffer, index)
    value = t.value(fields["value"])
    assert isinstance(value, Vector)
    if dtype.code == "bool":
        value = _bytes_of_mask(t, value, lanes)
    if start is None:
        for lane in range(lanes):
            node = extracted(t.graph, value, lane, dtype.element)
            _store_scalar(t, place, t.at_lane(index, lane), node, dtype.element)
        return
    base, offset = address(t.graph, place.pointer, start, dtype.bytes, place.offset)
    for number, piece in enumerate(value.pieces):
        left, at = lanes * dtype.bytes - 16 * number, offset + 16 * number
        if left >= 16:
            _effect(t, place, memory(V128_STORE, at, is_simd=True), base, piece)
            continue
        for begin, count in _chunks(left):
            code = memory(STORE_LANE[count], at + begin, is_simd=True, lane=begin // count)
            _effect(t, place, code, base, piece)


def _bytes_of_mask(t: Translation, mask: Vector, lanes: int) -> Vector:
    dtype = dtype_of("bool")
    if mask.lane != "i8":
        nodes = [extracted(t.graph, mask, lane, dtype) for lane in range(lanes)]
        return assembled(t.graph, nodes, "i8")
    one = t.graph.op(SPLATS["i8"], "v128", t.graph.integer("i32", 1))
    pieces = [t.graph.op(BITWISE["and"], "v128", each, one) for each in mask.pieces]
    return Vector(pieces, "i8", lanes)


def _store_scalar(
    t: Translation, place: MemoryArea, at: ValueNode, value: ValueNode, dtype: TirType
) -> None:
    base, offset = address(t.graph, place.pointer, at, dtype.bytes, place.offset)
    _effect(t, place, memory(STORES[dtype.lane], offset), base, value)


def _effect(
    t: Translation, place: MemoryArea, code: bytes, base: ValueNode, value: ValueNode
) -> None:
    t.graph.store(code, base, value, place.loads)
    place.loads = []
    place.state += 1


def _slot(t: Translation, buffer: int, index: int) -> Value:
    first, count = slot_of(t, buffer, index)
    start, size = t.slots[buffer][first, count]
    known = _current(t, buffer, start, size)
    if count == size:
        return known
    assert isinstance(known, Vector)
    return extracted(t.graph, known, first - start, t.program.dtype(buffer))


def _current(t: Translation, buffer: int, first: int, count: int) -> Value:
    known = t.current.get((buffer, first, count))
    if known is None:  # read before it is written: anything
        known = t.current[buffer, first, count] = empty(t, buffer, count)
    return known


def empty(t: Translation, buffer: int, lanes: int) -> Value:
    """Zero, as the value of a slot of a buffer."""
    dtype = t.program.dtype(buffer)
    if lanes == 1:
        return t.graph.zero(dtype.type)
    width = natural(dtype.lane)
    return Vector([t.graph.zero("v128")] * -(-lanes // width), dtype.lane, lanes)


def slot_of(t: Translation, buffer: int, index: int) -> tuple[int, int]:
    """The first element and the number of those of an access of a promoted buffer."""
    each, lanes = t.program.dtype(buffer).lanes, t.program.dtype(index).lanes
    is_ramp = t.program.kinds[index] == "Ramp"
    first = t.program.constant(t.program.fields[index]["base"] if is_ramp else index)
    assert first is not None, "a promoted buffer has constant indices"
    return first * each, lanes * each


def _store_slot(t: Translation, buffer: int, index: int, number: int) -> None:
    first, count = slot_of(t, buffer, index)
    start, size = t.slots[buffer][first, count]
    value = t.value(number)
    if isinstance(value, ValueNode):
        value = value_of(t.graph, value)
        if count < size:
            value = _with_lane(t, _current(t, buffer, start, size), first - start, value)
    for node in value.pieces if isinstance(value, Vector) else [value]:
        t.graph.define(node)
    t.current[buffer, start, size] = value


def _with_lane(t: Translation, vector: Value, lane: int, value: ValueNode) -> Vector:
    assert isinstance(vector, Vector)
    pieces, width = list(vector.pieces), natural(vector.lane)
    code = simd(REPLACE_LANE[vector.lane]) + bytes([lane % width])
    pieces[lane // width] = t.graph.op(code, "v128", pieces[lane // width], value)
    return Vector(pieces, vector.lane, vector.lanes)
