"""The emitter as a whole: a lowered function in, an object for the linker out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.wasm import binary
from harness.wasm.emit.calls import ALL_RULES, ALL_VECTOR_RULES
from harness.wasm.emit.code import Code
from harness.wasm.emit.lanes import by_lanes
from harness.wasm.emit.opcodes import TYPES
from harness.wasm.emit.program import NotCovered, PlainProgram
from harness.wasm.emit.promotion import promoted, row_loop, writes_of
from harness.wasm.emit.statements import refuse_layout, statement
from harness.wasm.emit.translation import Translation
from harness.wasm.linker import FUNCTION_INDEX_LEB, GLOBAL_INDEX_LEB, STACK_BYTES, STACK_POINTER
from harness.wasm.object_file import (
    FUNCTION_SYMBOL,
    GLOBAL_SYMBOL,
    ObjectFile,
    Relocation,
    Symbol,
)

MOST_ON_STACK = STACK_BYTES * 3 // 4  # of a function's own buffers


class Emitted(NamedTuple):
    """A function's object and what its caller needs to know, as of a `Lowered` one.

    Its parameters are an address for each buffer, one for each of `scratch`, the scalars, and int32
    begin and end, a part of `rows`, which are None where they depend on the scalars.
    """

    code: ObjectFile
    rows: int | None
    scratch: tuple[int, ...]


def emit(name: str, function: Any, *, relaxed: bool, has_open_rows: bool = False) -> Emitted:
    """The object of a lowered function, under this name.

    With `relaxed`, products are added by relaxed multiply-adds, which round once or twice. Unless
    it `has_open_rows`, only a loop of constant extent is done in parts; else scalars are lengths.

    Raises:
        NotCovered: the function has what the emitter doesn't cover.
    """
    try:
        return _emitted(name, PlainProgram(function), relaxed, has_open_rows)
    except RecursionError:
        raise NotCovered("an expression as deep as this") from None


def _emitted(name: str, program: PlainProgram, relaxed: bool, has_open_rows: bool) -> Emitted:
    t = Translation(program, relaxed=relaxed)
    t.rules, t.vector_rules, t.by_lanes = ALL_RULES, ALL_VECTOR_RULES, by_lanes
    t.slots = promoted(program)
    body = program.body
    t.row_loop, rows = row_loop(program, body, has_open_rows)
    scratch = _scratch(program, t.slots)
    parameters = _take_parameters(t, scratch, has_open_rows)
    frame_local = t.graph.new_local("i32")
    t.frame_pointer = t.graph.held(frame_local, t.graph.root)
    t.writes = writes_of(program, t.slots, body)
    statement(t, body)
    code = Code(t.graph, len(parameters))
    made = _object(name, code.body(t.frame, frame_local), code, parameters, t.frame)
    return Emitted(made, rows, tuple(scratch.values()))


def _take_parameters(t: Translation, scratch: Mapping[int, int], has_open_rows: bool) -> list[str]:
    """Give each parameter its local; returns their types."""
    graph, program = t.graph, t.program
    buffers, types = [], []
    given = program.parameters
    scalars = [each for each in given if program.kinds[each] != "Buffer"]
    for number in [*(each for each in given if each not in scalars), *scratch, *scalars]:
        is_buffer = number not in scalars
        types.append("i32" if is_buffer else program.dtype(number).type)
        node = graph.held(graph.new_local(types[-1]), graph.root)
        if is_buffer:
            t.memories[number] = t.memory(node)
            buffers.append(number)
        else:
            t.values[number] = node
            node.low = 0 if has_open_rows else None
    for buffer in buffers:
        refuse_layout(t, buffer)
    t.row_ends = tuple(graph.held(graph.new_local("i32"), graph.root) for _ in range(2))
    for node in t.row_ends:
        node.low = 0
    return [*types, "i32", "i32"]


def _scratch(program: PlainProgram, slots: Mapping[int, Any]) -> dict[int, int]:
    """The largest of the function's buffers, until the others fit on the stack, and their bytes."""
    sizes = {}
    for kind, fields in zip(program.kinds, program.fields, strict=True):
        if kind == "AllocBuffer" and fields["buffer"] not in slots:
            buffer = fields["buffer"]
            dtype = program.dtype(buffer)
            sizes[buffer] = program.buffer_elements(buffer) * dtype.bytes * dtype.lanes
    left = sum(sizes.values())
    moved = {}
    for buffer in sorted(sizes, key=lambda each: -sizes[each]):
        if left <= MOST_ON_STACK:
            break
        moved[buffer] = sizes[buffer]
        left -= sizes[buffer]
    return moved


def _object(name: str, content: bytes, code: Code, parameters: list[str], frame: int) -> ObjectFile:
    names = sorted({each for _, each in code.calls})
    kinds = [bytes([0x60]) + _types(parameters) + _types([])]
    imported = []
    for each in names:
        type_ = "f32" if each.endswith("f") and each != "erf" else "f64"
        count = 2 if each.rstrip("f") in ("atan2", "fmod", "hypot", "pow", "fmo") else 1
        kinds.append(bytes([0x60]) + _types([type_] * count) + _types([type_]))
        imported.append(len(kinds) - 1)
    symbols = [Symbol(FUNCTION_SYMBOL, each, False, place) for place, each in enumerate(names)]
    symbols.append(Symbol(GLOBAL_SYMBOL, STACK_POINTER, False))
    symbols.append(Symbol(FUNCTION_SYMBOL, name, True, len(names), is_exported=True))
    relocations = [Relocation(GLOBAL_INDEX_LEB, offset, len(names)) for offset in code.globals]
    relocations += [
        Relocation(FUNCTION_INDEX_LEB, offset, names.index(each)) for offset, each in code.calls
    ]
    return ObjectFile(
        types=kinds, imported_functions=names, imported_types=imported, functions=[0],
        code=content, bodies=[(0, len(content))], symbols=symbols, code_relocations=relocations,
        frame=frame,
    )  # fmt: skip


def _types(names: list[str]) -> bytes:
    return binary.vector(bytes([TYPES[each]]) for each in names)
