"""Rarity: how rare the coverage of each corpus entry is.

`joint.py` chooses the entry to mutate by it. The weight of an entry is the sum over its blocks of
1 / (number of entries that reach the block). To keep memory constant, only the rarest blocks of
each entry are stored: the many common ones hardly change the weight.

Sources: Lemieux and Sen, "FairFuzz: A Targeted Mutation Strategy for Increasing Greybox Fuzz
Testing Coverage", ASE 2018 (rare branches); Böhme, Pham and Roychoudhury, "Coverage-based Greybox
Fuzzing as Markov Chain", CCS 2016 (energy against frequency).
"""

from __future__ import annotations

import numpy as np

STORED_BLOCKS = 64


class Rarity:
    """Counts of the entries that reach each block, and each entry's rarest blocks."""

    def __init__(self) -> None:
        self._counts = np.zeros(1 << 16, np.uint32)
        self._rarest: dict[int, np.ndarray] = {}

    def add(self, entry: int, blocks: np.ndarray) -> None:
        """Add an entry that reaches these blocks (ids, uint32)."""
        blocks = np.unique(np.asarray(blocks, np.uint32))
        if blocks.size == 0:
            return
        self._grow(int(blocks[-1]) + 1)
        self._counts[blocks] += 1
        order = np.argsort(self._counts[blocks], kind="stable")
        self._rarest[entry] = blocks[order[:STORED_BLOCKS]]

    def remove(self, entry: int) -> None:
        """Remove the entry. The counts of its blocks stay: they are reached as often as before."""
        self._rarest.pop(entry, None)

    def rarest(self, entry: int) -> np.ndarray:
        """The rarest blocks of the entry (uint32), rarest first; empty if none are known."""
        return self._rarest.get(entry, np.empty(0, np.uint32))

    def weights(self, entries: list[int]) -> np.ndarray:
        """The weight of each entry (float64, above 0); the median where no blocks are known."""
        weights = np.full(len(entries), np.nan)
        known = [index for index, entry in enumerate(entries) if entry in self._rarest]
        if not known:
            return np.ones(len(entries))
        blocks = np.concatenate([self._rarest[entries[index]] for index in known])
        sizes = [len(self._rarest[entries[index]]) for index in known]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        weights[known] = np.add.reduceat(1.0 / self._counts[blocks], starts)
        weights[np.isnan(weights)] = float(np.median(weights[known]))
        return weights

    def _grow(self, size: int) -> None:
        if size > len(self._counts):
            larger = np.zeros(max(size, 2 * len(self._counts)), np.uint32)
            larger[: len(self._counts)] = self._counts
            self._counts = larger
