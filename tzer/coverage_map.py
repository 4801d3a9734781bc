"""Coverage map: which blocks and lines of the compiler the campaign has reached.

Every worker reports blocks that are new to its own child process; the coverage map determines which
of them are new to the campaign, and stores the result of calibration: stable blocks are coverage,
unstable ones (that a repeated case does not always reach) are ignored. Shared by all threads.
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
        self._files = (0, 0)  # their number, and of how many stable blocks it is
        # The index of each block's source file; empty without a block map.
        self.file_of_block = np.empty(0, np.uint16)

    def unknown(self, blocks: np.ndarray) -> np.ndarray:
        """The blocks among these that are not calibrated yet, without duplicates, sorted."""
        blocks = np.unique(np.asarray(blocks, np.uint32))
        with self._lock:
            self._grow(blocks)
            return blocks[self._state[blocks] == UNKNOWN]

    def stable(self, blocks: np.ndarray) -> np.ndarray:
        """The blocks among these that are known to be stable, without duplicates, sorted."""
        blocks = np.unique(np.asarray(blocks, np.uint32))
        with self._lock:
            self._grow(blocks)
            return blocks[self._state[blocks] == STABLE]

    def settle(self, stable: np.ndarray, unstable: np.ndarray = NO_BLOCKS) -> np.ndarray:
        """Store the result of calibration; returns the stable blocks that were not known before."""
        with self._lock:
            new = self._set(stable, STABLE)
            self._set(unstable, UNSTABLE)
            self.stable_count += len(new)
        return new

    def settled_since(self, position: int) -> tuple[np.ndarray, int]:
        """The blocks settled since the position (0 at first), and the next position."""
        with self._lock:
            parts = self._settled[position:]
            return (np.concatenate(parts) if parts else NO_BLOCKS), len(self._settled)

    def coverage(self) -> np.ndarray:
        """The ids of all stable blocks."""
        with self._lock:
            return np.flatnonzero(self._state == STABLE).astype(np.uint32)

    def files_reached(self) -> int:
        """The number of the compiler's source files with a stable block."""
        if not self.file_of_block.size:
            return 0
        if self._files[0] != self.stable_count:
            files = len(np.unique(self.file_of_block[self.coverage()]))
            self._files = self.stable_count, files
        return self._files[1]

    def unstable(self) -> np.ndarray:
        """The ids of all blocks that calibration found to be unstable."""
        with self._lock:
            return np.flatnonzero(self._state == UNSTABLE).astype(np.uint32)

    def add_lines(self, lines: Iterable[Line]) -> frozenset[Line]:
        """Add these Python lines; returns those that are new."""
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
        """Grow the table for these ids (sorted)."""
        if blocks.size and int(blocks[-1]) >= len(self._state):
            larger = np.zeros(max(int(blocks[-1]) + 1, 2 * len(self._state)), np.uint8)
            larger[: len(self._state)] = self._state
            self._state = larger
