"""What the rules share: the program, its graph so far, and what its variables stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness.wasm.emit.graph import ValueGraph, ValueNode
from harness.wasm.emit.integers import value_of
from harness.wasm.emit.opcodes import LANE_BYTES
from harness.wasm.emit.program import NotCovered, PlainProgram, TirType


class Vector:
    """Lanes in vectors of 16 bytes, of which the last may be used in part.

    A lane is i8, i16, i32, i64, f32 or f64; a boolean is a lane of ones or of zeros, as wide as
    what was compared.
    """

    __slots__ = ("lane", "lanes", "pieces")

    def __init__(self, pieces: list[ValueNode], lane: str, lanes: int) -> None:
        self.pieces, self.lane, self.lanes = pieces, lane, lanes


Value = ValueNode | Vector


def natural(lane: str) -> int:
    """The lanes of one vector."""
    return 16 // LANE_BYTES[lane]


@dataclass
class MemoryArea:
    """What a buffer points to; buffers of one memory may overlap, those of others don't.

    `state` changes with each store, and `loads` are those since the last one.
    """

    number: int  # among all memories
    pointer: ValueNode
    offset: int = 0
    state: int = 0
    loads: list[ValueNode] = field(default_factory=list)


Rule = Callable[["Translation", dict[str, Any], TirType], Any]


class Translation:
    """The translation of one function. `lane` is the lane that expressions are evaluated at, None
    for whole vectors."""

    def __init__(self, program: PlainProgram, *, relaxed: bool) -> None:
        self.program, self.graph, self.relaxed = program, ValueGraph(), relaxed
        self.values: dict[int, Value] = {}
        self.memories: dict[int, MemoryArea] = {}  # of buffers, and of pointers
        self.slots: dict[int, dict[tuple[int, int], tuple[int, int]]] = {}  # see promotion.py
        self.current: dict[tuple[int, int, int], Value] = {}  # what a slot holds
        self.writes: dict[int, Any] = {}  # of statements: see promotion.py
        self.lane: int | None = None
        self.row_loop = -1  # the loop that runs from the first of `row_ends` to the other
        self.row_ends: tuple[ValueNode, ...] = ()
        self._memories = 0
        self.frame = 0  # bytes of the stack
        self.frame_pointer: ValueNode
        self.rules: dict[str, Rule] = {}
        self.vector_rules: dict[str, Rule] = {}
        self.by_lanes: Callable[[Translation, int, TirType], Value]

    def value(self, number: int) -> Value:
        """The value of an expression; an integer may be a sum."""
        kind, fields = self.program.kinds[number], self.program.fields[number]
        if kind == "IntImm":
            return self.graph.integer(self.program.dtype(number).type, fields["value"])
        dtype = self.program.dtype(number)
        if dtype.lanes > 1 and self.lane is None:
            rule = self.vector_rules.get(kind)
            if kind == "Var":
                fields = {"number": number}
            made = rule(self, fields, dtype) if rule else None
            return made if made is not None else self.by_lanes(self, number, dtype)
        rule = self.rules.get(kind)
        if rule is None:
            raise NotCovered(kind)
        value: Value = rule(self, fields if kind != "Var" else {"number": number}, dtype.element)
        return value

    def memory(self, pointer: ValueNode, offset: int = 0) -> MemoryArea:
        """A memory of its own."""
        self._memories += 1
        return MemoryArea(self._memories, pointer, offset)

    def call_name(self, number: int) -> str:
        """The name of what a call calls, without its dialect."""
        return str(self.program.fields[number]["name"]) or "of another function"

    def imported(self, name: str, dtype: TirType, args: list[ValueNode]) -> ValueNode:
        """The result of a function of C's mathematics, of a float's type."""
        suffix = {"f32": "f", "f64": ""}.get(dtype.type)
        if suffix is None:
            raise NotCovered(f"{name} of an integer")
        node = self.graph.op(f"{name}{suffix}".encode(), dtype.type, *args)
        node.import_name = f"{name}{suffix}"
        return node

    def index(self, number: int) -> ValueNode:
        """The value of a scalar expression, which may be a sum."""
        value = self.value(number)
        assert isinstance(value, ValueNode), "a scalar"
        return value

    def scalar(self, number: int) -> ValueNode:
        """The value of a scalar expression, as an instruction."""
        return value_of(self.graph, self.index(number))

    def at_lane(self, number: int, lane: int) -> ValueNode:
        """The value of a lane of a vector, as a scalar."""
        before, self.lane = self.lane, lane
        try:
            return self.index(number)
        finally:
            self.lane = before
