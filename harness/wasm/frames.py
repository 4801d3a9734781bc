"""How much of the stack the functions of an object take, read from their code.

LLVM takes a function's frame from the stack by `i32.sub` of a constant from `__stack_pointer`, the
global that has relocations, or from a local that it has just been copied to.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.wasm import binary
from harness.wasm.binary import FormatError, Reader
from harness.wasm.object_file import ObjectFile

BLOCK, LOOP, IF, BR_TABLE, CALL_INDIRECT = 0x02, 0x03, 0x04, 0x0E, 0x11
LOCAL_GET, LOCAL_SET, LOCAL_TEE, GLOBAL_GET = 0x20, 0x21, 0x22, 0x23
F32_CONST, F64_CONST, I32_SUB = 0x43, 0x44, 0x6B
MISC, SIMD = 0xFC, 0xFD
NUMBERS = {  # opcodes followed by so many LEB128 numbers; the others below 0xC5 have none
    **dict.fromkeys((BLOCK, LOOP, IF, 0x0C, 0x0D, 0x10, *range(0x20, 0x25), 0x3F, 0x40), 1),
    **dict.fromkeys((CALL_INDIRECT, *range(0x28, 0x3F)), 2),
    **dict.fromkeys((binary.I32_CONST, 0x42), 1),
}
MISC_NUMBERS = {8: 2, 9: 1, 10: 2, 11: 1}  # bulk memory; those before have none
SIMD_NUMBERS = dict.fromkeys((*range(12), *range(84, 94)), 2)  # loads and stores
SIMD_BYTES = {12: 16, 13: 16, **dict.fromkeys((*range(21, 35), *range(84, 92)), 1)}  # and lanes
LARGEST_OPCODE = 0xC4

Instruction = tuple[int, int]  # the opcode, and its number if it has one


def stack_bytes(file: ObjectFile) -> int | None:
    """The bytes that all functions of an object take from the stack, None where that isn't known.

    Raises:
        FormatError: a function that takes any has an instruction that is not known.
    """
    total, uses = 0, file.uses_of_globals
    for begin, end in file.bodies:
        if not any(begin <= use < end for use in uses):
            continue  # most kernels take nothing, and decoding is slow
        taken = _frame(list(_instructions(Reader(file.code, begin, end))))
        if taken is None:
            return None
        total += taken
    return total


def _frame(code: list[Instruction]) -> int | None:
    """The bytes of a function's frame; None if it takes a number that isn't constant."""
    pointers: set[int] = set()  # the locals that hold the stack pointer

    def is_pointer(instruction: Instruction) -> bool:
        opcode, number = instruction
        return opcode == GLOBAL_GET or (opcode in (LOCAL_GET, LOCAL_TEE) and number in pointers)

    taken, is_used = 0, False
    for place, instruction in enumerate(code):
        is_used = is_used or instruction[0] == GLOBAL_GET
        before = code[max(place - 2, 0) : place]
        if instruction[0] in (LOCAL_SET, LOCAL_TEE) and before and is_pointer(before[-1]):
            pointers.add(instruction[1])
        elif instruction == (I32_SUB, 0) and len(before) == 2 and is_pointer(before[0]):
            if before[1][0] == binary.I32_CONST:
                taken += before[1][1]
    return taken if taken or not is_used else None


def _instructions(reader: Reader) -> Iterator[Instruction]:
    for _ in range(reader.unsigned()):  # the locals: counts and types
        reader.unsigned()
        reader.byte()
    while reader:
        opcode = reader.byte()
        if opcode in (MISC, SIMD):
            _skip(reader, opcode, reader.unsigned())
            yield opcode, 0
        elif opcode == BR_TABLE:
            for _ in range(reader.unsigned() + 1):
                reader.unsigned()
            yield opcode, 0
        elif opcode in (F32_CONST, F64_CONST):
            reader.bytes(4 if opcode == F32_CONST else 8)
            yield opcode, 0
        elif opcode <= LARGEST_OPCODE:
            numbers = [reader.signed() for _ in range(NUMBERS.get(opcode, 0))]
            # Indices are unsigned, but those of locals are compared with each other alone.
            yield opcode, numbers[0] if numbers else 0
        else:
            raise FormatError(f"the instruction {opcode:#x} is not known")


def _skip(reader: Reader, prefix: int, opcode: int) -> None:
    """Skip what follows an instruction of two parts."""
    for _ in range((MISC_NUMBERS if prefix == MISC else SIMD_NUMBERS).get(opcode, 0)):
        reader.unsigned()
    if prefix == SIMD:
        reader.bytes(SIMD_BYTES.get(opcode, 0))
