"""A lowered PrimFunc as a list of plain nodes: each a kind and fields that are numbers of others.

Asking TVM for one field of one object costs as much as emitting an instruction, and for a type as
much as four, so each is asked for once, and types only where nothing else says them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from harness import compat


class NotCovered(Exception):
    """The emitter doesn't cover a program; the message is the name of what it doesn't."""


class TirType:
    """A type of TIR: "int", "uint", "float" or "bool", its bits and bytes, and lanes.

    `lane` is the type of a lane, and of an element in memory: i8, i16, i32, i64, f32 or f64; `type`
    is WebAssembly's of a scalar. `signed_lane` has its sign, where instructions differ by it:
    "i8_u", but "f32".
    """

    __slots__ = (
        "bits", "bytes", "code", "element", "is_float", "is_signed", "lane", "lanes", "signed_lane",
        "type",
    )  # fmt: skip

    def __init__(self, code: str, bits: int, lanes: int) -> None:
        self.code, self.bits, self.lanes = code, bits, lanes
        self.bytes = bits // 8
        self.is_float, self.is_signed = code == "float", code == "int"
        self.lane = ("f" if self.is_float else "i") + str(bits)
        self.type = {"i8": "i32", "i16": "i32"}.get(self.lane, self.lane)
        self.signed_lane = self.lane
        if not self.is_float:
            self.signed_lane += "_s" if self.is_signed else "_u"
        self.element: TirType = self if lanes == 1 else _made(code, bits, 1)


@cache
def _made(code: str, bits: int, lanes: int) -> TirType:
    return TirType(code, bits, lanes)


COVERED = {
    ("bool", 8), ("float", 32), ("float", 64),
    *((code, bits) for code in ("int", "uint") for bits in (8, 16, 32, 64)),
}  # fmt: skip


@cache
def dtype_of(text: str) -> TirType:
    """Raises: NotCovered, for a type that the emitter doesn't compute with."""
    scalar, _, lanes = text.partition("x")
    code = scalar.rstrip("0123456789")
    bits = int(scalar[len(code) :] or (8 if code == "bool" else 0))
    if (code, bits) not in COVERED or not (lanes or "1").isdigit():
        raise NotCovered(f"the type {text}")
    return _made(code, bits, int(lanes or 1))


class PlainProgram:
    """A function's nodes by their number: `kinds` and `fields`, of which 0 is None.

    Operators that are calls in some releases are nodes with `a` and `b`, as in the others.
    """

    def __init__(self, function: Any) -> None:
        self.kinds: list[str] = ["None"]
        self.fields: list[dict[str, Any]] = [{}]
        self._types: list[str] = [""]
        self._known: dict[int, int] = {}  # by the address of TVM's object, which the function holds
        self.parameters = [self.read(each) for each in function.params]
        self.body = self.read(function.body)

    def read(self, node: Any) -> int:
        """The number of a node, which is taken over with all below it."""
        if node is None:
            return 0
        address = node.__chandle__()
        number = self._known.get(address)
        if number is None:
            kind = compat.type_key(node)
            reader = READERS.get(kind)
            made = reader(self, node, kind) if reader else (kind, {}, "")
            number = self._known[address] = len(self.kinds)
            for table, value in zip((self.kinds, self.fields, self._types), made, strict=True):
                table.append(value)  # type: ignore[attr-defined]
        return number

    def dtype(self, number: int) -> TirType:
        """The type of an expression or of a buffer's elements.

        Raises:
            NotCovered: it is none that the emitter computes with.
        """
        return dtype_of(self._types[number])

    def text(self, number: int) -> str:
        """The type as TVM spells it."""
        return self._types[number]

    def constant(self, number: int) -> int | None:
        """The value of an integer constant, None for anything else."""
        return self.fields[number]["value"] if self.kinds[number] == "IntImm" else None

    def buffer_elements(self, buffer: int) -> int:
        """Raises: NotCovered, if the shape isn't constant."""
        shape = compat.static_shape(self.fields[buffer]["buffer"])
        if shape is None:
            raise NotCovered("a buffer of a size that is not constant")
        return math.prod(shape)

    def is_compact(self, buffer: int) -> bool:
        """Whether a buffer's elements lie side by side from its address on."""
        ty = self.fields[buffer]["buffer"].ty
        return not ty.strides and isinstance(ty.elem_offset, compat.IntImm) and not ty.elem_offset


Made = tuple[str, dict[str, Any], str]


def _with_lanes(text: str, lanes: int) -> str:
    return f"{text}x{lanes}" if lanes > 1 else text


def _lanes(text: str) -> int:
    lanes = text.partition("x")[2]
    return int(lanes) if lanes.isdigit() else 1


def _children(*names: str, type_of: str = "") -> Any:
    """Reads these fields; the type is that of one of them."""

    def read(program: PlainProgram, node: Any, kind: str) -> Made:
        fields = {name: program.read(getattr(node, name)) for name in names}
        return kind, fields, program.text(fields[type_of]) if type_of else ""

    return read


def _comparison(program: PlainProgram, node: Any, kind: str) -> Made:
    a, b = program.read(node.a), program.read(node.b)
    return kind, {"a": a, "b": b}, _with_lanes("bool", _lanes(program.text(a)))


def _typed(*names: str) -> Any:
    """Reads these fields, and asks for the type."""

    def read(program: PlainProgram, node: Any, kind: str) -> Made:
        return (
            kind,
            {name: program.read(getattr(node, name)) for name in names},
            compat.dtype_of(node),
        )

    return read


def _number(program: PlainProgram, node: Any, kind: str) -> Made:
    return kind, {"value": node.value}, str(node.ty.dtype)


def _variable(program: PlainProgram, node: Any, kind: str) -> Made:
    if compat.is_buffer(node):
        return "Buffer", {"buffer": node}, str(node.ty.dtype.dtype)
    return kind, {}, compat.dtype_of(node)


def _load(program: PlainProgram, node: Any, kind: str) -> Made:
    buffer = program.read(compat.load_buffer(node))
    indices = _numbers(program, node.indices)
    lanes = _lanes(program.text(buffer)) * max(_lanes(program.text(each)) for each in indices)
    predicate = program.read(compat.access_predicate(node))
    text = _with_lanes(program.text(buffer).partition("x")[0], lanes)
    return kind, {"buffer": buffer, "indices": indices, "predicate": predicate}, text


def _store(program: PlainProgram, node: Any, kind: str) -> Made:
    fields = {
        "buffer": program.read(node.buffer), "value": program.read(node.value),
        "indices": _numbers(program, node.indices),
        "predicate": program.read(compat.access_predicate(node)),
    }  # fmt: skip
    return kind, fields, ""


def _numbers(program: PlainProgram, nodes: Any) -> list[int]:
    if len(nodes) == 1:
        return [program.read(nodes[0])]
    return [program.read(each) for each in nodes]


def _broadcast(program: PlainProgram, node: Any, kind: str) -> Made:
    value, lanes = program.read(node.value), node.lanes
    if not isinstance(lanes, compat.IntImm):
        raise NotCovered("a number of lanes that is not constant")
    return kind, {"value": value}, _with_lanes(program.text(value), lanes.value)


def _ramp(program: PlainProgram, node: Any, kind: str) -> Made:
    base, stride, lanes = program.read(node.base), program.read(node.stride), node.lanes
    if not isinstance(lanes, compat.IntImm):
        raise NotCovered("a number of lanes that is not constant")
    return kind, {"base": base, "stride": stride}, _with_lanes(program.text(base), lanes.value)


def _call(program: PlainProgram, node: Any, kind: str) -> Made:
    args, text = _numbers(program, node.args), compat.dtype_of(node)
    operator = compat.operator_key(node)
    if operator != kind:
        return operator, dict(zip("ab", args, strict=False)), text
    return kind, {"name": compat.call_name(node), "args": args}, text


def _string(program: PlainProgram, node: Any, kind: str) -> Made:
    return kind, {"value": str(node.value)}, ""


def _shuffle(program: PlainProgram, node: Any, kind: str) -> Made:
    fields = {name: _numbers(program, getattr(node, name)) for name in ("vectors", "indices")}
    return kind, fields, compat.dtype_of(node)


def _sequence(program: PlainProgram, node: Any, kind: str) -> Made:
    return kind, {"seq": _numbers(program, node.seq)}, ""


def _loop(program: PlainProgram, node: Any, kind: str) -> Made:
    names = ("loop_var", "min", "extent", "step", "body")
    fields: dict[str, Any] = {name: program.read(getattr(node, name)) for name in names}
    fields["kind"], fields["is_bound"] = int(node.kind), node.thread_binding is not None
    return kind, fields, ""


def _attribute(program: PlainProgram, node: Any, kind: str) -> Made:
    return kind, {"key": str(node.attr_key), "body": program.read(node.body)}, ""


READERS: dict[str, Callable[[PlainProgram, Any, str], Made]] = {
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Mod", "FloorDiv", "FloorMod", "Min", "Max", "And", "Or",
         "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LShift", "RShift"),
        _children("a", "b", type_of="a"),
    ),
    **dict.fromkeys(("EQ", "NE", "LT", "LE", "GT", "GE"), _comparison),
    **dict.fromkeys(("Not", "BitwiseNot"), _children("a", type_of="a")),
    "Select": _children("condition", "true_value", "false_value", type_of="true_value"),
    "Let": _children("var", "value", "body", type_of="body"), "Cast": _typed("value"),
    "IntImm": _number, "FloatImm": _number, "Var": _variable, "BufferLoad": _load,
    "Broadcast": _broadcast, "Ramp": _ramp, "Call": _call, "StringImm": _string,
    "Shuffle": _shuffle, "SeqStmt": _sequence, "For": _loop, "AttrStmt": _attribute,
    "While": _children("condition", "body"), "BufferStore": _store,
    "IfThenElse": _children("condition", "then_case", "else_case"),
    "AllocBuffer": _children("buffer"), "DeclBuffer": _children("buffer", "data"),
    "Bind": _children("var", "value"), "Evaluate": _children("value"),
}  # fmt: skip
