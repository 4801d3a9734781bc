"""Source files: which file of TVM each function of the stripped library was compiled from.

It combines three properties of a stripped library:
- `.eh_frame` lists the functions object file by object file, each with its cold part;
- an object file of TVM has functions that run at start-up (registrations), the last one at its end;
- checks and error messages leave the path of the source file in `.rodata`, and only the functions
  of that file refer to it, by `lea register, [rip+…]`.

So the list is split after those start-up functions, wherever the addresses before and after don't
overlap, and a piece is named after the one file that it refers to. A file without any check has no
path: it is named after its folder and what it registers, as in `src/tirx/transform/(BindTarget)`.
"""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from harness.coverage.elf import ElfError, Library

# A piece without a path and with fewer functions is a part of its neighbour, not a file.
FEWEST_FUNCTIONS = 4
FEWEST_FILES = 100
_SOURCE_PATH = re.compile(rb"\x00/[^\x00]*?/(src/[\w/+-]+\.cc)(?=\x00)")
_REGISTERED = re.compile(rb"([a-z_]\w*(?:\.[a-z_]\w*)*\.[A-Za-z]\w*)\x00")


@dataclass(frozen=True)
class Attribution:
    """Functions ascending by address, with their sizes (bytes), files and whether they run when
    the library is loaded. `file` is an index into `files`, or -1 where the code is not TVM's."""

    starts: np.ndarray
    sizes: np.ndarray
    file: np.ndarray
    initialiser: np.ndarray
    files: tuple[str, ...]


@dataclass
class _Piece:
    """A range [start, stop) of the functions in link order."""

    start: int
    stop: int
    file: str = ""


def attribute(library: Library) -> Attribution:
    """Determine the source file of every function of the library.

    Raises:
        ElfError: the library's layout is not that of TVM's wheels.
    """
    starts, sizes = library.functions()
    initialiser = np.isin(starts, library.initialisers())
    references = _References(library, starts)
    # The code that runs later is after the start-up code; only there is it ordered by object file.
    later = starts > starts[initialiser].max(initial=0)
    pieces = _pieces(references.path, _apart(starts, later), initialiser, later)
    while pieces and not pieces[-1].file:
        pieces.pop()  # linked after TVM's own objects: LLVM, the C++ library
    if len({piece.file for piece in pieces}) < FEWEST_FILES:
        raise ElfError(f"{library.path}: its layout is not that of TVM's wheels")
    _name(pieces, references, later)
    files = tuple(sorted({piece.file for piece in pieces}))
    index_of = {file: index for index, file in enumerate(files)}
    file_of = np.full(len(starts), -1, np.int32)
    for piece in pieces:
        file_of[piece.start : piece.stop] = index_of[piece.file]
    order = np.argsort(starts)
    return Attribution(starts[order], sizes[order], file_of[order], initialiser[order], files)


class _References:
    """The functions' references to `.rodata`: paths of source files, and registered names.

    `path` maps the index of a function in link order to the source file that it refers to.
    """

    def __init__(self, library: Library, starts: np.ndarray) -> None:
        self._strings = library.bytes_of(".rodata").tobytes()
        self._base = library.sections[".rodata"].address
        sites, targets = _address_loads(library)
        inside = (targets >= self._base) & (targets < self._base + len(self._strings))
        order = np.argsort(starts)
        place = np.searchsorted(starts[order], sites[inside], side="right") - 1
        by_place = np.argsort(order[place], kind="stable")
        self._place = order[place][by_place]
        self._target = targets[inside][by_place]
        paths = {
            self._base + match.start() + 1: match.group(1).decode()
            for match in _SOURCE_PATH.finditer(self._strings)
        }
        refers = np.isin(self._target, np.fromiter(paths, np.int64, len(paths)))
        self.path: dict[int, str] = {
            int(place): paths[int(target)]
            for place, target in zip(self._place[refers], self._target[refers], strict=True)
        }

    def registered(self, piece: _Piece) -> list[str]:
        """Names such as "tirx.transform.BindTarget" that the functions of a piece refer to."""
        first, last = np.searchsorted(self._place, (piece.start, piece.stop))
        found = (
            _REGISTERED.match(self._strings, int(target) - self._base)
            for target in self._target[first:last]
        )
        return list(dict.fromkeys(match.group(1).decode() for match in found if match))


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


def _apart(starts: np.ndarray, later: np.ndarray) -> np.ndarray:
    """For each place (bool): every function before it lies below every function from it on."""
    places = np.flatnonzero(later)
    highest = np.zeros(len(starts) + 1, np.int64)
    lowest = np.full(len(starts) + 1, np.iinfo(np.int64).max)
    highest[places + 1] = lowest[places] = starts[places]
    return np.maximum.accumulate(highest) < np.minimum.accumulate(lowest[::-1])[::-1]


def _pieces(
    path: dict[int, str], apart: np.ndarray, initialiser: np.ndarray, later: np.ndarray
) -> list[_Piece]:
    """The functions in link order, cut so that no piece refers to two files."""
    ends = {0, len(initialiser)}
    for place in (np.flatnonzero(initialiser) + 1).tolist():
        while place < len(later) and not later[place] and not initialiser[place]:
            place += 1  # its cold part belongs to it
        if apart[place]:
            ends.add(place)
    referring = sorted(path)
    cuts = sorted(ends)
    for left, right in zip(referring, referring[1:], strict=False):
        if path[left] != path[right] and cuts[bisect_right(cuts, left)] > right:
            # No start-up function between two files: split somewhere in the middle.
            possible = np.flatnonzero(apart[left + 1 : right + 1])
            if len(possible):
                insort(cuts, left + 1 + int(possible[len(possible) // 2]))
    made = []
    for start, stop in zip(cuts, cuts[1:], strict=False):
        first = bisect_right(referring, start - 1)
        inside = first < len(referring) and referring[first] < stop
        made.append(_Piece(start, stop, path[referring[first]] if inside else ""))
    return made


def _name(pieces: list[_Piece], references: _References, later: np.ndarray) -> None:
    """Name the pieces without a path, after their neighbours and what they register."""
    named = [index for index, piece in enumerate(pieces) if piece.file]
    for index, piece in enumerate(pieces):
        if piece.file:
            continue
        behind = bisect_right(named, index)
        before, after = pieces[named[max(behind - 1, 0)]].file, pieces[named[behind]].file
        if int(later[piece.start : piece.stop].sum()) < FEWEST_FUNCTIONS:
            piece.file = before
        else:
            piece.file = _name_of(references.registered(piece), before, after)


def _name_of(registered: Sequence[str], before: str, after: str) -> str:
    """A name for the file that registers these names and was linked between two known files."""
    stems = {_plain(name.rpartition(".")[2]) for name in registered}
    for file in (after, before):
        if _plain(PurePosixPath(file).stem) in stems:
            return file
    folders = {str(PurePosixPath(file).parent) for file in (before, after)}
    # The shortest name is the pass itself: StmtSimplify, not StmtSimplifyConfig.
    for name in sorted(registered, key=lambda name: (len(name), name)):
        space, _, what = name.rpartition(".")
        folder = "src/" + space.replace(".", "/")
        if folder in folders:
            return f"{folder}/({what})"
    return f"{PurePosixPath(before).parent}/(after {PurePosixPath(before).name})"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
