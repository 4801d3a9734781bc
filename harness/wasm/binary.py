"""The WebAssembly binary format, as far as the linker needs it (WebAssembly core specification 2.0,
chapter 5): LEB128 numbers, vectors, sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MAGIC = b"\0asm\1\0\0\0"

TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA = range(1, 12)
CUSTOM = 0

I32 = 0x7F
I32_CONST, END = 0x41, 0x0B
FUNCTION_KIND, TABLE_KIND, MEMORY_KIND, GLOBAL_KIND = range(4)


class FormatError(ValueError):
    """The bytes are not in the expected format."""


class Reader:
    """Reads numbers and names from bytes, front to back."""

    def __init__(self, content: bytes, position: int = 0, end: int | None = None) -> None:
        self.content = content
        self.position = position
        self.end = len(content) if end is None else end

    def __bool__(self) -> bool:
        return self.position < self.end

    def byte(self) -> int:
        return self.bytes(1)[0]

    def bytes(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if self.position > self.end:
            raise FormatError("the file is truncated")
        return self.content[start : self.position]

    def unsigned(self) -> int:
        """An unsigned LEB128 number."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    def signed(self) -> int:
        """A signed LEB128 number."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value - (1 << shift) if byte & 0x40 else value

    def name(self) -> str:
        return self.bytes(self.unsigned()).decode()


def sections(content: bytes) -> Iterator[tuple[int, str, Reader]]:
    """Each section's number, its name if it is a custom section, and a reader of its content."""
    if content[:8] != MAGIC:
        raise FormatError("the file is not WebAssembly")
    reader = Reader(content, 8)
    while reader:
        number, size = reader.byte(), reader.unsigned()
        start = reader.position
        reader.bytes(size)
        inside = Reader(content, start, reader.position)
        yield number, inside.name() if number == CUSTOM else "", inside


def unsigned(value: int) -> bytes:
    """A number as unsigned LEB128."""
    encoded = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        encoded.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def signed(value: int) -> bytes:
    """A number as signed LEB128."""
    encoded = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        done = (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40)
        encoded.append(byte | (0 if done else 0x80))
        if done:
            return bytes(encoded)


def padded(value: int) -> bytes:
    """A number below 2**32 as LEB128 padded to five bytes, the size that relocations reserve.

    Its low 32 bits are the same if it is read as signed LEB128.
    """
    last = value >> 28 & 0x0F
    return bytes([*((value >> shift & 0x7F) | 0x80 for shift in (0, 7, 14, 21)), last])


def vector(items: Iterable[bytes]) -> bytes:
    """A vector: the number of items, then the items."""
    elements = list(items)
    return unsigned(len(elements)) + b"".join(elements)


def sized(content: bytes) -> bytes:
    """The bytes, preceded by their length."""
    return unsigned(len(content)) + content


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + sized(content)


def name(text: str) -> bytes:
    return sized(text.encode())
