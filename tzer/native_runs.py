"""Native runs: which tests are compiled to machine code and run, beside being interpreted.

LLVM takes four times as long as all the rest of a test, and finds only what a code generator does
wrong. So a test is run natively where TVM's code generator did what it had not done before (new
blocks in its files), where the lowered module has a kind of node that was never compiled (its
`shape`), and in a fixed share, for everything else.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Iterable
from enum import StrEnum

import numpy as np

from harness.coverage.blockmap import BlockMap
from harness.coverage.scope import GROUPS

SHARE = 0.04


class Reason(StrEnum):
    """Why a test is run natively."""

    NONE = ""
    GENERATOR = "generator"
    SHAPE = "shape"
    SHARE = "share"


class NativeRuns:
    """What was compiled natively so far. Shared by all threads."""

    def __init__(self, rng: random.Random, shapes: Iterable[int] = ()) -> None:
        self._rng = rng
        self._lock = threading.Lock()
        self._shapes = set(shapes)
        self._is_generator = np.zeros(0, np.bool_)

    def use_block_map(self, block_map: BlockMap) -> None:
        """Know the blocks of code generators."""
        generators = [file.startswith(GROUPS["codegen"]) for file in block_map.files]
        self._is_generator = np.asarray(generators, np.bool_)[block_map.block_file]

    def wanted(self, shape: Collection[int], new_blocks: np.ndarray) -> Reason:
        """Why a test of this shape and with these new blocks (ids) is to be run natively, if so."""
        known = new_blocks[new_blocks < len(self._is_generator)]
        with self._lock:
            unseen = not self._shapes.issuperset(shape)
            self._shapes.update(shape)
            if known.size and self._is_generator[known].any():
                return Reason.GENERATOR
            if unseen:
                return Reason.SHAPE
            return Reason.SHARE if self._rng.random() < SHARE else Reason.NONE

    def shapes(self) -> list[int]:
        """All that a resumed campaign has to know."""
        with self._lock:
            return sorted(self._shapes)
