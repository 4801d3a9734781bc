"""Rarity: how unusual the coverage of each corpus entry is.

`joint.py` chooses what to mutate by this. A block counts the more the fewer entries reach it: an
entry's weight is the sum of 1 / (number of entries that reach the block) over its blocks. To keep
memory flat, only the rarest blocks of each entry are held: the many common ones hardly weigh.

Sources: Lemieux and Sen, "FairFuzz: A Targeted Mutation Strategy for Increasing Greybox Fuzz
Testing Coverage", ASE 2018 (rare branches); Böhme, Pham and Roychoudhury, "Coverage-based Greybox
Fuzzing as Markov Chain", CCS 2016 (energy against frequency).
"""

from __future__ import annotations

import numpy as np

HELD_BLOCKS = 64


class Rarity:
    """Counts of the entries that reach each block, and each entry's rarest blocks."""

    def __init__(self) -> None:
        self._counts = np.zeros(1 << 16, np.uint32)
        self._held: dict[int, np.ndarray] = {}

    def add(self, entry: int, blocks: np.ndarray) -> None:
        """The entry reaches these blocks (ids, uint32, each once)."""
        blocks = np.unique(np.asarray(blocks, np.uint32))
        if blocks.size == 0:
            return
        self._grow(int(blocks[-1]) + 1)
        self._counts[blocks] += 1
        order = np.argsort(self._counts[blocks], kind="stable")
        self._held[entry] = blocks[order[:HELD_BLOCKS]]

    def remove(self, entry: int) -> None:
        """Forget the entry. Its blocks stay counted: they are no less often reached."""
        self._held.pop(entry, None)

    def held(self, entry: int) -> np.ndarray:
        """The rarest blocks of the entry (uint32), the rarest first; empty if none are known."""
        return self._held.get(entry, np.empty(0, np.uint32))

    def weights(self, entries: list[int]) -> np.ndarray:
        """One weight an entry (float64, above 0); entries without known blocks get the median."""
        weights = np.full(len(entries), np.nan)
        known = [index for index, entry in enumerate(entries) if entry in self._held]
        if not known:
            return np.ones(len(entries))
        blocks = np.concatenate([self._held[entries[index]] for index in known])
        sizes = [len(self._held[entries[index]]) for index in known]
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        weights[known] = np.add.reduceat(1.0 / self._counts[blocks], starts)
        weights[np.isnan(weights)] = float(np.median(weights[known]))
        return weights

    def _grow(self, size: int) -> None:
        if size > len(self._counts):
            larger = np.zeros(max(size, 2 * len(self._counts)), np.uint32)
            larger[: len(self._counts)] = self._counts
            self._counts = larger
