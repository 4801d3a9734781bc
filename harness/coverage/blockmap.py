"""Block map: the basic blocks of the stock compiler library, each with its source file.

The library is stripped, but every TVM source file leaves its path in `.rodata` (in checks and error
messages), its functions refer to that path by `lea register, [rip+…]`, and the linker has laid the
objects side by side. So the functions between two references to one file are that file's. Decoding
takes seconds; the result is kept in the cache, under the library's build id.
"""

from __future__ import annotations

import fnmatch
import os
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.coverage.elf import ElfError, Library

FORMAT = 1
# References further apart than this many functions have other code (LLVM's) in between.
WIDEST_GAP = 1500
_SOURCE_PATH = re.compile(rb"\x00[^\x00]*?/(src/[\w./+-]+\.cc)(?=\x00)")
_PADDING = 0x90, 0xCC


@dataclass(frozen=True)
class BlockMap:
    """All blocks of TVM's own code, ascending by address.

    `blocks`: uint32 offsets from where the library is loaded; a block's id is its index here.
    `block_file`: uint16 index into `files`, one a block. `functions`: uint32 offsets of function
    starts, of the whole library; `function_file`: int32 index into `files`, or -1, one a function.
    """

    build_id: str
    blocks: np.ndarray
    block_file: np.ndarray
    files: tuple[str, ...]
    functions: np.ndarray
    function_file: np.ndarray

    def locate(self, offset: int) -> tuple[str, int]:
        """(source file or "", offset of the function's start) of the code at this offset."""
        index = int(np.searchsorted(self.functions, offset, side="right")) - 1
        if index < 0:
            return "", 0
        file = int(self.function_file[index])
        return self.files[file] if file >= 0 else "", int(self.functions[index])

    def in_scope(self, patterns: tuple[str, ...]) -> np.ndarray:
        """The ids (uint32) of blocks whose file starts with, or matches, one of the patterns."""
        wanted = [
            any(file.startswith(pattern) or fnmatch.fnmatch(file, pattern) for pattern in patterns)
            for file in self.files
        ]
        return np.flatnonzero(np.array(wanted, bool)[self.block_file]).astype(np.uint32)


def cache_folder() -> Path:
    """Where maps are kept: $TZER_CACHE, else ~/.cache/tzer."""
    return Path(os.environ.get("TZER_CACHE") or Path.home() / ".cache" / "tzer")


def load(path: Path, folder: Path | None = None) -> BlockMap:
    """The map of this library, from the cache or decoded now (some 15 seconds).

    Raises:
        ElfError: the file is not a library that can be understood.
    """
    library = Library(path)
    kept = (folder or cache_folder()) / f"blocks-{FORMAT}-{library.build_id}.npz"
    try:
        return _read(kept, library.build_id)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        pass  # not there yet, or damaged: made anew
    made = decode(library)
    _write(kept, made)
    return made


def _read(path: Path, build_id: str) -> BlockMap:
    with np.load(path, allow_pickle=False) as data:
        found = BlockMap(
            str(data["build_id"]),
            data["blocks"],
            data["block_file"],
            tuple(str(data["files"]).split("\n")),
            data["functions"],
            data["function_file"],
        )
    if found.build_id != build_id or len(found.blocks) != len(found.block_file):
        raise ValueError("the map is of another library")
    return found


def _write(path: Path, made: BlockMap) -> None:
    """Written aside and moved into place; a cache that can't be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            try:
                np.savez(
                    file,
                    build_id=np.array(made.build_id),
                    blocks=made.blocks,
                    block_file=made.block_file,
                    files=np.array("\n".join(made.files)),
                    functions=made.functions,
                    function_file=made.function_file,
                )
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError:
        pass


def decode(library: Library) -> BlockMap:
    """The map of a library, from its bytes."""
    functions = library.function_starts()
    files, function_file = attribute(library, functions)
    blocks, block_file = [], []
    for start, stop in _stretches(functions, function_file):
        leaders = _leaders(library, functions, start, stop)
        blocks.append(leaders)
        index = np.searchsorted(functions, leaders, side="right") - 1
        block_file.append(function_file[index])
    return BlockMap(
        library.build_id,
        np.concatenate(blocks).astype(np.uint32),
        np.concatenate(block_file).astype(np.uint16),
        files,
        functions.astype(np.uint32),
        function_file.astype(np.int32),
    )


def attribute(library: Library, functions: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """(source files, index of the file of each function or -1).

    Functions between the last reference to one file and the first to the next are shared out half
    and half: the boundary is not known, and either file is a neighbour.
    """
    paths = _source_paths(library)
    sites, targets = _address_loads(library)
    addresses = np.array(sorted(paths), np.int64)
    place = np.minimum(np.searchsorted(addresses, targets), len(addresses) - 1)
    refers = addresses[place] == targets
    files = tuple(sorted(set(paths.values())))
    index_of = {file: index for index, file in enumerate(files)}
    path_file = np.array([index_of[paths[address]] for address in addresses.tolist()])
    referring = np.searchsorted(functions, sites[refers], side="right") - 1
    file = path_file[place[refers]]
    order = np.lexsort((file, referring))
    referring, file = referring[order], file[order]
    found = np.full(len(functions), -1, np.int32)
    for left, right, a, b in zip(referring, referring[1:], file, file[1:], strict=False):
        found[left], found[right] = a, b
        if a == b and right - left <= WIDEST_GAP * 2:
            found[left : right + 1] = a
        elif right - left <= WIDEST_GAP:
            middle = left + (right - left + 1) // 2
            found[left:middle], found[middle : right + 1] = a, b
    return files, found


def _source_paths(library: Library) -> dict[int, str]:
    data = library.bytes_of(".rodata").tobytes()
    base = library.sections[".rodata"].address
    # The string starts behind the zero byte; code refers to its first byte.
    return {base + m.start() + 1: m.group(1).decode() for m in _SOURCE_PATH.finditer(data)}


def _address_loads(library: Library) -> tuple[np.ndarray, np.ndarray]:
    """(addresses, targets) of every `lea register64, [rip + displacement]` (int64)."""
    text = library.bytes_of(".text")
    lea = (text[1:-5] == 0x8D) & ((text[2:-4] & 0xC7) == 0x05) & ((text[:-6] & 0xF8) == 0x48)
    at = np.flatnonzero(lea).astype(np.int64)
    bytes_ = [text[at + 3 + k].astype(np.int64) << (8 * k) for k in range(4)]
    displacement = sum(bytes_[1:], bytes_[0])
    displacement -= (displacement >= 1 << 31) * (1 << 32)
    sites = at + library.sections[".text"].address
    return sites, sites + 7 + displacement


def _stretches(functions: np.ndarray, file: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of unbroken runs of functions that have a file."""
    changes = np.flatnonzero(np.diff(file >= 0)) + 1
    edges = [0, *changes.tolist(), len(functions)]
    return [
        (int(functions[a]), int(functions[b]))
        for a, b in zip(edges, edges[1:], strict=False)
        if file[a] >= 0 and b < len(functions)
    ]


def _leaders(library: Library, functions: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Addresses (int64, ascending) at which basic blocks of [start, stop) begin.

    Function starts, targets of direct branches, and what follows a branch or return. Only starts of
    instructions that a linear decode from a function's start meets are kept: a breakpoint anywhere
    else would change code.
    """
    from iced_x86 import Decoder, FlowControl

    first = int(np.searchsorted(functions, start))
    last = int(np.searchsorted(functions, stop))
    section = library.sections[".text"]
    ends_block = {
        FlowControl.CONDITIONAL_BRANCH,
        FlowControl.UNCONDITIONAL_BRANCH,
        FlowControl.INDIRECT_BRANCH,
        FlowControl.RETURN,
    }
    direct = {FlowControl.CONDITIONAL_BRANCH, FlowControl.UNCONDITIONAL_BRANCH}
    found: set[int] = set()
    for index in range(first, last):
        begin, end = int(functions[index]), int(functions[index + 1])
        offset = begin - section.address + section.offset
        code = library.data[offset : offset + end - begin]
        starts: set[int] = set()
        leaders = {begin}
        for instruction in Decoder(64, code, ip=begin):
            address = instruction.ip
            starts.add(address)
            flow = instruction.flow_control
            if flow in ends_block:
                behind = instruction.next_ip
                if behind < end and code[behind - begin] not in _PADDING:
                    leaders.add(behind)
                if flow in direct:
                    leaders.add(instruction.near_branch_target)
            elif instruction.is_invalid:
                break  # not code: what was met so far stands
        found |= leaders & starts
    return np.array(sorted(found), np.int64)


__all__ = ["BlockMap", "ElfError", "cache_folder", "load"]
