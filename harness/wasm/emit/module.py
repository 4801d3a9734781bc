"""The emitter as a whole: a lowered function in, an object for the linker out."""

from __future__ import annotations

from typing import Any

from harness.wasm import binary
from harness.wasm.emit.calls import ALL_RULES, ALL_VECTOR_RULES
from harness.wasm.emit.code import Code
from harness.wasm.emit.lanes import by_lanes
from harness.wasm.emit.opcodes import TYPES
from harness.wasm.emit.program import NotCovered, PlainProgram
from harness.wasm.emit.promotion import promoted, writes_of
from harness.wasm.emit.statements import statement
from harness.wasm.emit.translation import Translation
from harness.wasm.linker import FUNCTION_INDEX_LEB, GLOBAL_INDEX_LEB, STACK_POINTER
from harness.wasm.object_file import (
    FUNCTION_SYMBOL,
    GLOBAL_SYMBOL,
    ObjectFile,
    Relocation,
    Symbol,
)

ROWS = 2  # the last parameters of a function with the plain ABI: its first row and its end


def emit(name: str, function: Any, *, relaxed: bool) -> ObjectFile:
    """The object of a function with the plain ABI (`harness/targets/wasm.py`), under this name.

    With `relaxed`, products are added by relaxed multiply-adds, which round once or twice.

    Raises:
        NotCovered: the function has what the emitter doesn't cover.
    """
    program = PlainProgram(function)
    t = Translation(program, relaxed=relaxed)
    t.rules, t.vector_rules, t.by_lanes = ALL_RULES, ALL_VECTOR_RULES, by_lanes
    parameters = _take_parameters(t)
    frame_local = t.graph.new_local("i32")
    t.frame_pointer = t.graph.held(frame_local, t.graph.root)
    body = program.function["body"]
    t.slots = promoted(program)
    t.writes = writes_of(program, t.slots, body)
    statement(t, body)
    code = Code(t.graph, len(parameters))
    try:
        content = code.body(t.frame, frame_local)
    except RecursionError:
        raise NotCovered("an expression as deep as this") from None
    return _object(name, content, code, parameters, t.frame)


def _take_parameters(t: Translation) -> list[str]:
    """Give each parameter its local; returns their types."""
    graph, program = t.graph, t.program
    numbers = program.array(program.function["params"])
    types = []
    for place, number in enumerate(numbers):
        kind = program.kinds[program.fields[number]["ty"]]
        type_ = "i32" if kind == "PointerType" else program.dtype(number).type
        types.append(type_)
        node = graph.held(graph.new_local(type_), graph.root)
        if kind == "PointerType":
            t.memories[number] = t.memory(node)
        else:
            t.values[number] = node
            if place >= len(numbers) - ROWS:
                node.low = 0
    return types


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
