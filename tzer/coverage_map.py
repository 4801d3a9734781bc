"""Coverage map: what of the compiler the campaign has reached already.

Every worker reports blocks that are new to its own child; the coverage map says which of them are
new to the campaign, and remembers what calibration said: stable blocks are coverage, unstable ones
(that come and go when a case is repeated) are ignored for ever. Shared by all workers' threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np

UNKNOWN, STABLE, UNSTABLE = 0, 1, 2
NO_BLOCKS = np.empty(0, np.uint32)
Line = tuple[str, int]


class CoverageMap:
    """The state of each native block by its id (uint32), and the Python lines reached."""

    def __init__(self) -> None:
        self._state = np.zeros(1 << 16, np.uint8)
        self._lock = threading.Lock()
        self._settled: list[np.ndarray] = []
        self.stable_count = 0
        self.lines: set[Line] = set()
        # The number of each block's source file, where there is a map of them.
        self.file_of_block = np.empty(0, np.uint16)

    def unknown(self, blocks: np.ndarray) -> np.ndarray:
        """Those of the blocks about which nothing is known yet, each once, in order of id."""
        blocks = np.unique(np.asarray(blocks, np.uint32))
        with self._lock:
            self._grow(blocks)
            return blocks[self._state[blocks] == UNKNOWN]

    def stable(self, blocks: np.ndarray) -> np.ndarray:
        """Those of the blocks that are known coverage, each once, in order of id."""
        blocks = np.unique(np.asarray(blocks, np.uint32))
        with self._lock:
            self._grow(blocks)
            return blocks[self._state[blocks] == STABLE]

    def settle(self, stable: np.ndarray, unstable: np.ndarray = NO_BLOCKS) -> np.ndarray:
        """Write down what calibration said; the stable blocks that nobody reported before."""
        with self._lock:
            new = self._set(stable, STABLE)
            self._set(unstable, UNSTABLE)
            self.stable_count += len(new)
        return new

    def settled_since(self, mark: int) -> tuple[np.ndarray, int]:
        """The blocks settled after an earlier call's mark (0 at first), and the next mark."""
        with self._lock:
            parts = self._settled[mark:]
            return (np.concatenate(parts) if parts else NO_BLOCKS), len(self._settled)

    def coverage(self) -> np.ndarray:
        """The ids of all stable blocks."""
        with self._lock:
            return np.flatnonzero(self._state == STABLE).astype(np.uint32)

    def files_reached(self) -> int:
        """How many source files of the compiler the stable blocks lie in."""
        if not self.file_of_block.size:
            return 0
        return len(np.unique(self.file_of_block[self.coverage()]))

    def unstable(self) -> np.ndarray:
        """The ids of all blocks that calibration ruled out."""
        with self._lock:
            return np.flatnonzero(self._state == UNSTABLE).astype(np.uint32)

    def add_lines(self, lines: Iterable[Line]) -> frozenset[Line]:
        """Count these Python lines; those that are new."""
        with self._lock:
            new = frozenset(lines) - self.lines
            self.lines |= new
        return new

    def _set(self, blocks: np.ndarray, state: int) -> np.ndarray:
        blocks = np.unique(np.asarray(blocks, np.uint32))
        self._grow(blocks)
        new = blocks[self._state[blocks] == UNKNOWN]
        self._state[new] = state
        if new.size:
            self._settled.append(new)
        return new

    def _grow(self, blocks: np.ndarray) -> None:
        """Make room for these ids (sorted)."""
        if blocks.size and int(blocks[-1]) >= len(self._state):
            larger = np.zeros(max(int(blocks[-1]) + 1, 2 * len(self._state)), np.uint8)
            larger[: len(self._state)] = self._state
            self._state = larger
