"""Block map: the basic blocks of the stock compiler library, each with its source file.

`source_files.py` determines the source file of each function of the stripped library; here the
functions are decoded and divided into basic blocks. That takes seconds; the result is cached by the
library's build id.
"""

from __future__ import annotations

import fnmatch
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.coverage.elf import ElfError, Library
from harness.coverage.source_files import attribute
from harness.system.files import read_bounded, write_atomically

FORMAT = 2
MOST_BYTES = 256 << 20  # of a map; TVM's has 15 MB
# The exceptions of reading a file that is damaged or is not a block map.
DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class BlockMap:
    """All blocks of TVM's own code, ascending by address.

    `blocks`: uint32 offsets from the library's load address; a block's id is its index here.
    `block_file`: for each block, a uint16 index into `files`. `functions`: uint32 offsets of all
    functions of the library; `function_file`: for each function, an int32 index into `files` or -1.
    """

    build_id: str
    blocks: np.ndarray
    block_file: np.ndarray
    files: tuple[str, ...]
    functions: np.ndarray
    function_file: np.ndarray

    def locate(self, offset: int) -> tuple[str, int]:
        """The source file (or "") and the offset of the function that contains this offset."""
        index = int(np.searchsorted(self.functions, offset, side="right")) - 1
        if index < 0:
            return "", 0
        file = int(self.function_file[index])
        return self.files[file] if file >= 0 else "", int(self.functions[index])

    def in_scope(self, patterns: tuple[str, ...]) -> np.ndarray:
        """The ids (uint32) of blocks whose file starts with or matches one of the patterns."""
        wanted = [
            any(file.startswith(pattern) or fnmatch.fnmatch(file, pattern) for pattern in patterns)
            for file in self.files
        ]
        return np.flatnonzero(np.array(wanted, bool)[self.block_file]).astype(np.uint32)


def cache_folder() -> Path:
    """The folder of cached maps: $TZER_CACHE, else ~/.cache/tzer."""
    return Path(os.environ.get("TZER_CACHE") or Path.home() / ".cache" / "tzer")


def load(path: Path, folder: Path | None = None) -> BlockMap:
    """The map of this library, from the cache or decoded now (about 15 seconds).

    Raises:
        ElfError: the file is not a library in the expected layout.
    """
    library = Library(path)
    cached = (folder or cache_folder()) / f"blocks-{FORMAT}-{library.build_id}.npz"
    try:
        return _read(cached, library.build_id)
    except DAMAGED:
        pass  # missing or damaged: decode it again
    made = decode(library)
    _write(cached, made)
    return made


def _read(path: Path, build_id: str) -> BlockMap:
    with np.load(io.BytesIO(read_bounded(path, MOST_BYTES)), allow_pickle=False) as data:
        found = BlockMap(
            str(data["build_id"]),
            data["blocks"],
            data["block_file"],
            tuple(str(data["files"]).split("\n")),
            data["functions"],
            data["function_file"],
        )
    consistent = (
        len(found.blocks) == len(found.block_file)
        and len(found.functions) == len(found.function_file)
        and int(found.block_file.max()) < len(found.files)
    )
    if found.build_id != build_id or not consistent:
        raise ValueError("the map is of another library, or damaged")
    return found


def _write(path: Path, made: BlockMap) -> None:
    """Write a temporary file and rename it; a cache that can't be written is ignored."""
    content = io.BytesIO()
    np.savez(
        content,
        build_id=np.array(made.build_id),
        blocks=made.blocks,
        block_file=made.block_file,
        files=np.array("\n".join(made.files)),
        functions=made.functions,
        function_file=made.function_file,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())
    except OSError:
        pass


def decode(library: Library) -> BlockMap:
    """Decode the map of a library.

    Raises:
        ElfError: the library's layout is not that of TVM's wheels.
    """
    functions = attribute(library)
    blocks: list[int] = []
    # Initialisers run while the library is loaded, before the first breakpoint is set.
    for index in np.flatnonzero((functions.file >= 0) & ~functions.initialiser).tolist():
        blocks += block_starts(library, int(functions.starts[index]), int(functions.sizes[index]))
    offsets = np.array(blocks, np.int64)
    function = np.searchsorted(functions.starts, offsets, side="right") - 1
    return BlockMap(
        library.build_id,
        offsets.astype(np.uint32),
        functions.file[function].astype(np.uint16),
        functions.files,
        functions.starts.astype(np.uint32),
        functions.file,
    )


def block_starts(library: Library, start: int, size: int) -> list[int]:
    """The addresses (ascending) at which basic blocks of a function start.

    These are its start, the targets of direct branches, and the instructions after a branch or
    return. Only addresses of instructions found by linear decoding count: a breakpoint anywhere
    else would change an instruction.
    """
    from iced_x86 import Decoder, FlowControl, Mnemonic

    branches = FlowControl.CONDITIONAL_BRANCH, FlowControl.UNCONDITIONAL_BRANCH
    ends_block = {*branches, FlowControl.INDIRECT_BRANCH, FlowControl.RETURN}
    starts: set[int] = set()
    leaders: set[int] = set()
    leads = True
    for instruction in Decoder(64, library.code(start, size), ip=start):
        if instruction.is_invalid:
            break  # not code: keep the blocks so far
        address = instruction.ip
        starts.add(address)
        if leads and instruction.mnemonic != Mnemonic.NOP:  # NOP: padding before an aligned block
            leaders.add(address)
            leads = False
        flow = instruction.flow_control
        if flow in ends_block:
            leads = True
            if flow in branches:
                leaders.add(instruction.near_branch_target)
    return sorted(leaders & starts)


__all__ = ["BlockMap", "ElfError", "cache_folder", "load"]
