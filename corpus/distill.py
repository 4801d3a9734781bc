"""Distill: the fewest and smallest entries that reach all that the corpus reaches.

A weighted set cover, by the greedy rule: the entry with most blocks for its size that nobody before
it reaches comes next (Chvátal, "A Greedy Heuristic for the Set-Covering Problem", 1979). An entry's
gain only shrinks while others are taken, so it is counted again only when it comes up (Minoux,
"Accelerated greedy algorithms for maximizing submodular set functions", 1978).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Blocks = Callable[[int], np.ndarray]


def cover(sizes: Mapping[int, int], blocks: Blocks) -> list[int]:
    """The entries to keep, in the order in which they were taken.

    `sizes` is the cost of each entry by its id, `blocks` returns what an entry reaches (ids,
    uint32). Entries that reach nothing are not kept.
    """
    reached = np.zeros(0, np.bool_)
    waiting = [(-len(np.unique(blocks(each))) / max(size, 1), each) for each, size in sizes.items()]
    heapq.heapify(waiting)
    taken: list[int] = []
    while waiting:
        promised, entry = heapq.heappop(waiting)
        ids = np.unique(blocks(entry))
        if ids.size and int(ids[-1]) >= len(reached):
            reached = np.concatenate([reached, np.zeros(int(ids[-1]) + 1, np.bool_)])
        gain = int((~reached[ids]).sum())
        if gain == 0:
            continue
        worth = -gain / max(sizes[entry], 1)
        if worth > promised and waiting and (worth, entry) > waiting[0]:
            heapq.heappush(waiting, (worth, entry))
            continue
        reached[ids] = True
        taken.append(entry)
    return _needed(taken, blocks)


def _needed(taken: Sequence[int], blocks: Blocks) -> list[int]:
    """Those that reach something alone: what was taken later may cover an early one."""
    counts = np.zeros(0, np.int32)
    for entry in taken:
        counts = _added(counts, np.unique(blocks(entry)), 1)
    kept = []
    for entry in taken:
        ids = np.unique(blocks(entry))
        if (counts[ids] == 1).any():
            kept.append(entry)
        else:
            counts = _added(counts, ids, -1)
    return kept


def _added(counts: np.ndarray, ids: np.ndarray, number: int) -> np.ndarray:
    if ids.size and int(ids[-1]) >= len(counts):
        counts = np.concatenate([counts, np.zeros(int(ids[-1]) + 1, counts.dtype)])
    counts[ids] += number
    return counts
