"""The linker: makes one module of several object files; it imports a memory and named functions.

wasm-ld does the same in 15 to 20 ms; doing it here takes a fraction of one, and needs no toolchain.
Kernels need little of a linker: functions, constant data, and at most a stack pointer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.wasm import binary
from harness.wasm.frames import stack_bytes
from harness.wasm.object_file import (
    DATA_SYMBOL,
    FUNCTION_SYMBOL,
    GLOBAL_INDEX_LEB,
    GLOBAL_SYMBOL,
    ObjectFile,
    Relocation,
    Symbol,
    read_object,
)

PAGE = 65536
MAX_PAGES = 65536
DATA_START = 1024  # so that no static data is near address 0
STACK_BYTES = 65536
ARRAYS_START = 1 << 18  # where devices put the arrays of a kernel that is run by itself
STACK_POINTER = "__stack_pointer"
ALIGNMENT = 64

# The relocations in the code and data of kernels (tool conventions, "Relocation Sections").
FUNCTION_INDEX_LEB, MEMORY_ADDR_LEB, MEMORY_ADDR_SLEB, MEMORY_ADDR_I32 = 0, 3, 4, 5
TYPE_INDEX_LEB = 6

SHARED_WITH_MAXIMUM, WITH_MAXIMUM = 0x03, 0x01


class LinkError(ValueError):
    """The objects can't be linked; the message says why."""


@dataclass(frozen=True)
class LinkedModule:
    """A module and what its host needs to know.

    `memory_flag` is the offset of the byte that says whether the memory is shared; `static_end` is
    the first address after the module's static data and stack; `stack_pointer` is the name of an
    exported global, or None if no function needs a stack.
    """

    content: bytes
    memory_flag: int
    static_end: int
    stack_pointer: str | None


def link(
    objects: Sequence[bytes | ObjectFile], *, shared: bool = False, imports: Collection[str] = ()
) -> LinkedModule:
    """Link objects into a module that exports every function that they define by its name.

    It imports `env.memory`, declared with the largest maximum, so that any memory fits, and from
    `env` the functions in `imports` that the objects call but don't define.

    Raises:
        LinkError: a symbol is undefined or defined twice, or a kernel's stack would overflow.
        FormatError: an object is damaged.
    """
    files = [each if isinstance(each, ObjectFile) else read_object(each) for each in objects]
    return _Linking(files, imports).module(shared)


class _Linking:
    def __init__(self, files: list[ObjectFile], imports: Collection[str]) -> None:
        self.files = files
        self.types: dict[bytes, int] = {}
        self.imports: dict[str, bytes] = {  # with their types, in the order of their numbers
            name: file.types[kind]
            for file in files
            for name, kind in zip(file.imported_functions, file.imported_types, strict=True)
            if name in imports
        }
        self.first_function: list[int] = []
        self.exports: dict[str, int] = {}
        self.addresses: list[list[int]] = []
        self.needs_stack = any(file.uses_of_globals for file in files)
        self.data_end = DATA_START
        for file in files:
            _check_stack(file)
        self._place()

    def _place(self) -> None:
        """Assign an index to every function and an address to every data segment."""
        count = 0
        for file in self.files:
            for kind in file.types:
                self.types.setdefault(kind, len(self.types))
            self.first_function.append(count)
            count += len(file.functions)
            places = []
            for segment in file.segments:
                self.data_end = _round_up(self.data_end, max(16, segment.alignment))
                places.append(self.data_end)
                self.data_end += len(segment.content)
            self.addresses.append(places)
        for number, file in enumerate(self.files):
            for symbol in file.symbols:
                if symbol.kind == FUNCTION_SYMBOL and symbol.is_exported:
                    if symbol.name in self.exports:
                        raise LinkError(f"the function {symbol.name} is defined twice")
                    self.exports[symbol.name] = self._index(number, symbol.number)

    def _index(self, number: int, function: int) -> int:
        file = self.files[number]
        own = function - len(file.imported_functions)
        return len(self.imports) + self.first_function[number] + own

    def module(self, shared: bool) -> LinkedModule:
        stack = _round_up(self.data_end, 16) + STACK_BYTES if self.needs_stack else self.data_end
        static_end = _round_up(stack, ALIGNMENT)
        flag = SHARED_WITH_MAXIMUM if shared else WITH_MAXIMUM
        limits = bytes([flag]) + binary.unsigned(1) + binary.unsigned(MAX_PAGES)
        memory = _import("memory", bytes([binary.MEMORY_KIND]) + limits)
        functions = [
            _import(name, bytes([binary.FUNCTION_KIND]) + binary.unsigned(self.types[kind]))
            for name, kind in self.imports.items()
        ]
        parts = [binary.MAGIC, binary.section(binary.TYPE, binary.vector(self.types))]
        # The memory comes last, so that its flag is where the section ends.
        parts.append(binary.section(binary.IMPORT, binary.vector([*functions, memory])))
        memory_flag = sum(map(len, parts)) - len(limits)
        kinds = [
            binary.unsigned(self.types[file.types[kind]])
            for file in self.files
            for kind in file.functions
        ]
        parts.append(binary.section(binary.FUNCTION, binary.vector(kinds)))
        if self.needs_stack:
            parts.append(binary.section(binary.GLOBAL, binary.vector([_mutable_i32(stack)])))
        parts.append(binary.section(binary.EXPORT, binary.vector(self._exports())))
        bodies = [body for number in range(len(self.files)) for body in self._bodies(number)]
        parts.append(binary.section(binary.CODE, binary.vector(bodies)))
        segments = [part for number in range(len(self.files)) for part in self._segments(number)]
        if segments:
            parts.append(binary.section(binary.DATA, binary.vector(segments)))
        pointer = STACK_POINTER if self.needs_stack else None
        return LinkedModule(b"".join(parts), memory_flag, static_end, pointer)

    def _exports(self) -> list[bytes]:
        exports = [
            binary.name(name) + bytes([binary.FUNCTION_KIND]) + binary.unsigned(index)
            for name, index in self.exports.items()
        ]
        if self.needs_stack:
            exports.append(binary.name(STACK_POINTER) + bytes([binary.GLOBAL_KIND, 0]))
        return exports

    def _bodies(self, number: int) -> list[bytes]:
        file = self.files[number]
        code = bytearray(file.code)
        for relocation in file.code_relocations:
            self._apply(number, relocation, code, relocation.offset)
        return [binary.sized(bytes(code[begin:end])) for begin, end in file.bodies]

    def _segments(self, number: int) -> list[bytes]:
        file = self.files[number]
        parts = []
        for segment, address in zip(file.segments, self.addresses[number], strict=True):
            content = bytearray(segment.content)
            for relocation in file.data_relocations:
                offset = relocation.offset - segment.position
                if 0 <= offset < len(content):
                    self._apply(number, relocation, content, offset)
            place = bytes([0, binary.I32_CONST]) + binary.signed(address) + bytes([binary.END])
            parts.append(place + binary.sized(bytes(content)))
        return parts

    def _apply(self, number: int, relocation: Relocation, code: bytearray, offset: int) -> None:
        file, kind = self.files[number], relocation.kind
        if kind == TYPE_INDEX_LEB:
            value = self.types[file.types[relocation.index]]
        else:
            value = self._value(number, file.symbols[relocation.index]) + relocation.addend
        if kind == MEMORY_ADDR_I32:
            code[offset : offset + 4] = value.to_bytes(4, "little")
        elif kind in (
            FUNCTION_INDEX_LEB, MEMORY_ADDR_LEB, MEMORY_ADDR_SLEB, TYPE_INDEX_LEB, GLOBAL_INDEX_LEB,
        ):  # fmt: skip
            code[offset : offset + 5] = binary.padded(value)
        else:
            raise LinkError(f"a relocation of kind {kind} is not supported")

    def _value(self, number: int, symbol: Symbol) -> int:
        if symbol.kind == GLOBAL_SYMBOL and symbol.name == STACK_POINTER:
            return 0
        if symbol.kind == FUNCTION_SYMBOL and symbol.is_defined:
            return self._index(number, symbol.number)
        if symbol.kind == FUNCTION_SYMBOL and symbol.name in self.exports:
            return self.exports[symbol.name]
        if symbol.kind == FUNCTION_SYMBOL and symbol.name in self.imports:
            return list(self.imports).index(symbol.name)
        if symbol.kind == DATA_SYMBOL and symbol.is_defined:
            return self.addresses[number][symbol.number] + symbol.offset
        raise LinkError(f"the kernel needs {symbol.name}, which the module doesn't import")


def _check_stack(file: ObjectFile) -> None:
    """Raises: LinkError, if the frames of an object's functions don't fit on the stack."""
    try:
        taken = stack_bytes(file) if file.frame is None else file.frame
    except binary.FormatError as error:
        raise LinkError(f"a kernel's stack can't be bounded: {error}") from None
    if taken is None:
        raise LinkError("a kernel takes memory of an unknown size from the stack")
    if taken > STACK_BYTES:
        raise LinkError(f"a kernel needs {taken} bytes of stack; there are {STACK_BYTES}")


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _import(name: str, description: bytes) -> bytes:
    return binary.name("env") + binary.name(name) + description


def _mutable_i32(value: int) -> bytes:
    return bytes([binary.I32, 1, binary.I32_CONST]) + binary.signed(value) + bytes([binary.END])
