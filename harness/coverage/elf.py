"""Just enough of ELF to know a stripped shared library: its build id, sections and functions.

A stripped library still says where each function lies: the unwinder needs it, so `.eh_frame` has an
entry for every one of them, object after object as they were linked, and `.eh_frame_hdr` a sorted
table of the same (Linux Standard Base, "Exception Frames"; ELF-64 by the System V ABI).
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness import UserError

SECTION = np.dtype(
    [
        ("name", "<u4"),
        ("type", "<u4"),
        ("flags", "<u8"),
        ("address", "<u8"),
        ("offset", "<u8"),
        ("size", "<u8"),
        ("link", "<u4"),
        ("info", "<u4"),
        ("align", "<u8"),
        ("entry_size", "<u8"),
    ]
)
MAGIC_X86_64 = b"\x7fELF\x02\x01"
# Version 1, pointer encoding any, a 4-byte count, and a table of 4-byte offsets from the header.
EH_FRAME_HDR = (1, 0x03, 0x3B)
RELOCATION = np.dtype([("address", "<u8"), ("info", "<u8"), ("addend", "<i8")])
R_X86_64_RELATIVE = 8
NEEDED = (
    ".text",
    ".rodata",
    ".eh_frame",
    ".eh_frame_hdr",
    ".init_array",
    ".rela.dyn",
    ".note.gnu.build-id",
)


class ElfError(UserError):
    """Not an ELF library of the kind that native coverage understands."""


@dataclass(frozen=True)
class ElfSection:
    """A section: its address in the library, its offset in the file and its size, in bytes."""

    address: int
    offset: int
    size: int


class Library:
    """A 64-bit x86 ELF shared library, mapped read-only.

    Raises:
        ElfError: the file is not one, or has no table of functions.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.data[:6] != MAGIC_X86_64 or struct.unpack_from("<H", self.data, 18)[0] != 62:
            raise ElfError(f"{path} is not an x86-64 ELF library")
        self.sections = self._read_sections()
        for name in NEEDED:
            if name not in self.sections:
                raise ElfError(f"{path} has no section {name}")

    def _read_sections(self) -> dict[str, ElfSection]:
        (start,) = struct.unpack_from("<Q", self.data, 40)
        count, names_index = struct.unpack_from("<HH", self.data, 60)
        table = np.frombuffer(self.data, SECTION, count, start)
        names = table[names_index]
        sections = {}
        for row in table:
            at = int(names["offset"]) + int(row["name"])
            name = self.data[at : self.data.find(b"\0", at)].decode(errors="replace")
            sections[name] = ElfSection(int(row["address"]), int(row["offset"]), int(row["size"]))
        return sections

    def bytes_of(self, name: str) -> np.ndarray:
        """The contents of a section (uint8)."""
        section = self.sections[name]
        return np.frombuffer(self.data, np.uint8, section.size, section.offset)

    def code(self, address: int, size: int) -> bytes:
        """The bytes at an address of `.text`."""
        section = self.sections[".text"]
        offset = address - section.address + section.offset
        return self.data[offset : offset + size]

    @property
    def build_id(self) -> str:
        """The build id, in hex digits."""
        note = self.bytes_of(".note.gnu.build-id").tobytes()
        name_size, size = struct.unpack_from("<II", note)
        start = 12 + -(-name_size // 4) * 4
        return note[start : start + size].hex()

    def functions(self) -> tuple[np.ndarray, np.ndarray]:
        """(addresses, sizes in bytes) of all functions (int64), in the order of their linking.

        A function whose unlikely part was moved away has two entries, one behind the other.

        Raises:
            ElfError: the entries are not those that `.eh_frame_hdr` lists.
        """
        base = self.sections[".eh_frame"].address
        data = self.bytes_of(".eh_frame").tobytes()
        found: list[tuple[int, int]] = []
        at = 0
        while at + 4 <= len(data):
            (size,) = struct.unpack_from("<I", data, at)
            if size == 0:
                break
            common, distance, length = struct.unpack_from("<IiI", data, at + 4)
            if common != 0:  # not what several entries have in common
                found.append((base + at + 8 + distance, length))
            at += 4 + size
        table = np.array(found, np.int64).reshape(-1, 2)
        if not np.array_equal(np.sort(table[:, 0]), self._listed_functions()):
            raise ElfError(f"{self.path} has a table of functions of an unknown form")
        return table[:, 0], table[:, 1]

    def _listed_functions(self) -> np.ndarray:
        header = self.sections[".eh_frame_hdr"]
        data = self.bytes_of(".eh_frame_hdr").tobytes()
        if (data[0], data[2], data[3]) != EH_FRAME_HDR:
            raise ElfError(f"{self.path} has a table of functions of an unknown form")
        (count,) = struct.unpack_from("<I", data, 8)
        table = np.frombuffer(data, "<i4", 2 * count, 12).reshape(-1, 2)
        return np.sort(table[:, 0].astype(np.int64) + header.address)

    def initialisers(self) -> np.ndarray:
        """The addresses (int64, ascending) of the functions that run when the library is loaded."""
        array = self.sections[".init_array"]
        relocations = self.bytes_of(".rela.dyn").view(RELOCATION)
        inside = (relocations["address"] >= array.address) & (
            relocations["address"] < array.address + array.size
        )
        relative = (relocations["info"] & 0xFFFFFFFF) == R_X86_64_RELATIVE
        return np.unique(relocations["addend"][inside & relative])
