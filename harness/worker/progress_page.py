"""The progress page: the current stage of a job, and the time that it has spent inside TVM.

A job may die at any moment. Before each step it therefore writes its stage into a page that it
shares with its parent, which reads it after the death. The same context manager adds up the time
inside TVM, which should be at least 80 % of a worker's time.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.verdict import Stage

PAGE = 4096


class Stages:
    """The current stage and the seconds spent inside TVM since the last reset."""

    def __init__(self) -> None:
        self._page: mmap.mmap | None = None
        self._depth = 0
        self.tvm_seconds = 0.0

    def share(self, descriptor: int) -> None:
        """Write the stage to this file from now on (one page, shared with the parent)."""
        self._page = mmap.mmap(descriptor, PAGE)

    def reset(self) -> None:
        self.tvm_seconds = 0.0
        self._depth = 0
        self.enter(Stage())

    def enter(self, stage: Stage) -> None:
        """Record that this stage begins."""
        if self._page is not None:
            text = str(stage).encode()[: PAGE - 1] + b"\0"
            self._page[: len(text)] = text

    @contextmanager
    def inside_tvm(self, stage: Stage | None = None) -> Iterator[None]:
        """Count the time of this block as TVM's; blocks inside it are not counted twice."""
        if stage is not None:
            self.enter(stage)
        self._depth += 1
        started = time.perf_counter()
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self.tvm_seconds += time.perf_counter() - started


def read_stage(descriptor: int) -> Stage:
    """The last stage that was written to this file; an empty one if the page is damaged."""
    text = os.pread(descriptor, PAGE, 0).split(b"\0", 1)[0].decode(errors="replace")
    try:
        return Stage.parse(text)
    except ValueError:
        return Stage()


STAGES = Stages()
