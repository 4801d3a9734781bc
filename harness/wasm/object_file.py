"""Reads a relocatable WebAssembly object file, as LLVM writes it.

The format is that of the WebAssembly tool conventions ("Linking.md", version 2): an ordinary module
whose custom section "linking" holds a symbol table and whose sections "reloc.*" list the offsets
where a symbol's index or address is to be filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.wasm.binary import (
    CODE,
    DATA,
    FUNCTION,
    FUNCTION_KIND,
    GLOBAL_KIND,
    I32_CONST,
    IMPORT,
    MEMORY_KIND,
    TABLE_KIND,
    TYPE,
    FormatError,
    Reader,
    sections,
)

SYMBOL_TABLE, SEGMENT_INFO = 8, 5
GLOBAL_INDEX_LEB = 7  # a relocation
FUNCTION_SYMBOL, DATA_SYMBOL, GLOBAL_SYMBOL, SECTION_SYMBOL, TABLE_SYMBOL = 0, 1, 2, 3, 5
WEAK, LOCAL, UNDEFINED, EXPLICIT_NAME = 0x01, 0x02, 0x10, 0x40
WITH_ADDEND = {3, 4, 5}


@dataclass(frozen=True)
class Symbol:
    """A function, a global or a place in the data; `number` is its index or segment.

    `is_exported` distinguishes a kernel from the helpers that LLVM adds, which are weak or local.
    """

    kind: int
    name: str
    is_defined: bool
    number: int = 0
    offset: int = 0
    is_exported: bool = False


@dataclass(frozen=True)
class Relocation:
    """An offset in a section where a symbol's index or address is to be filled in."""

    kind: int
    offset: int
    index: int
    addend: int = 0


@dataclass(frozen=True)
class Segment:
    """A data segment: its bytes, alignment, and position in the object's data section."""

    content: bytes
    alignment: int
    position: int


@dataclass
class ObjectFile:
    """The parts of an object file that the linker needs."""

    types: list[bytes] = field(default_factory=list)
    imported_functions: list[str] = field(default_factory=list)
    imported_types: list[int] = field(default_factory=list)  # of each imported function
    imported_globals: list[str] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)  # the type of each
    code: bytes = b""
    bodies: list[tuple[int, int]] = field(default_factory=list)  # begin and end in the code
    segments: list[Segment] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    code_relocations: list[Relocation] = field(default_factory=list)
    data_relocations: list[Relocation] = field(default_factory=list)
    frame: int | None = None  # the bytes that it takes from the stack; None: its code says it

    @property
    def uses_of_globals(self) -> list[int]:
        """Where in the code a global is named: LLVM has one, the stack pointer."""
        return [each.offset for each in self.code_relocations if each.kind == GLOBAL_INDEX_LEB]


def read_object(content: bytes) -> ObjectFile:
    """Read an object.

    Raises:
        FormatError: it is damaged, or uses a feature that the linker doesn't support.
    """
    found = ObjectFile()
    alignments: list[int] = []
    raw: list[tuple[bytes, int]] = []
    for number, name, reader in sections(content):
        if number == TYPE:
            found.types = [_function_type(reader) for _ in range(reader.unsigned())]
        elif number == IMPORT:
            _read_imports(reader, found)
        elif number == FUNCTION:
            found.functions = [reader.unsigned() for _ in range(reader.unsigned())]
        elif number == CODE:
            _read_code(reader, found)
        elif number == DATA:
            raw = _read_data(reader)
        elif name == "linking":
            alignments = _read_linking(reader, found)
        elif name == "reloc.CODE":
            found.code_relocations = _read_relocations(reader)
        elif name == "reloc.DATA":
            found.data_relocations = _read_relocations(reader)
    alignments += [4] * (len(raw) - len(alignments))
    found.segments = [
        Segment(part, 1 << alignment, position)
        for (part, position), alignment in zip(raw, alignments, strict=False)
    ]
    return found


def _function_type(reader: Reader) -> bytes:
    start = reader.position
    reader.byte()
    for _ in range(2):
        reader.bytes(reader.unsigned())
    return reader.content[start : reader.position]


def _read_imports(reader: Reader, found: ObjectFile) -> None:
    for _ in range(reader.unsigned()):
        reader.name()
        name, kind = reader.name(), reader.byte()
        if kind == FUNCTION_KIND:
            found.imported_types.append(reader.unsigned())
            found.imported_functions.append(name)
        elif kind == GLOBAL_KIND:
            reader.bytes(2)
            found.imported_globals.append(name)
        elif kind in (MEMORY_KIND, TABLE_KIND):
            if kind == TABLE_KIND:
                reader.byte()
            for _ in range(1 + (reader.unsigned() & 1)):
                reader.unsigned()
        else:
            raise FormatError(f"{name} is imported with an unknown kind")


def _read_code(reader: Reader, found: ObjectFile) -> None:
    start = reader.position
    found.code = reader.content[start : reader.end]
    for _ in range(reader.unsigned()):
        size = reader.unsigned()
        found.bodies.append((reader.position - start, reader.position - start + size))
        reader.bytes(size)


def _read_data(reader: Reader) -> list[tuple[bytes, int]]:
    start, found = reader.position, []
    for _ in range(reader.unsigned()):
        if reader.unsigned() != 0 or reader.byte() != I32_CONST:
            raise FormatError("a data segment is not at a constant address")
        reader.signed()
        reader.byte()
        size = reader.unsigned()
        found.append((reader.bytes(size), reader.position - size - start))
    return found


def _read_linking(reader: Reader, found: ObjectFile) -> list[int]:
    """Read the symbols; returns the binary logarithm of each data segment's alignment."""
    if reader.unsigned() != 2:
        raise FormatError("the linking section's version is not 2")
    alignments: list[int] = []
    while reader:
        kind, size = reader.byte(), reader.unsigned()
        inside = Reader(reader.content, reader.position, reader.position + size)
        reader.bytes(size)
        if kind == SYMBOL_TABLE:
            found.symbols = [_read_symbol(inside, found) for _ in range(inside.unsigned())]
        elif kind == SEGMENT_INFO:
            for _ in range(inside.unsigned()):
                inside.name()
                alignments.append(inside.unsigned())
                inside.unsigned()
    return alignments


def _read_symbol(reader: Reader, found: ObjectFile) -> Symbol:
    kind, flags = reader.byte(), reader.unsigned()
    is_defined = not flags & UNDEFINED
    if kind == DATA_SYMBOL:
        name = reader.name()
        if not is_defined:
            return Symbol(kind, name, False)
        segment, offset, _size = reader.unsigned(), reader.unsigned(), reader.unsigned()
        return Symbol(kind, name, True, segment, offset)
    number = reader.unsigned()
    if kind == SECTION_SYMBOL:
        return Symbol(kind, "", is_defined, number)
    if kind not in (FUNCTION_SYMBOL, GLOBAL_SYMBOL, TABLE_SYMBOL):
        raise FormatError(f"a symbol of kind {kind} is not supported")
    if is_defined or flags & EXPLICIT_NAME:
        is_exported = is_defined and not flags & (WEAK | LOCAL)
        return Symbol(kind, reader.name(), is_defined, number, is_exported=is_exported)
    if kind == TABLE_SYMBOL:  # may be declared, though no kernel makes indirect calls
        return Symbol(kind, "", False, number)
    imported = found.imported_functions if kind == FUNCTION_SYMBOL else found.imported_globals
    return Symbol(kind, imported[number], False, number)


def _read_relocations(reader: Reader) -> list[Relocation]:
    reader.unsigned()  # the section that they apply to, which the section's name says as well
    found = []
    for _ in range(reader.unsigned()):
        kind, offset, index = reader.byte(), reader.unsigned(), reader.unsigned()
        addend = reader.signed() if kind in WITH_ADDEND else 0
        found.append(Relocation(kind, offset, index, addend))
    return found
