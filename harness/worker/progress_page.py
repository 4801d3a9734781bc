"""The progress page: the current stage of a job, and what it has spent its time on.

A job may die at any moment. Before each step it therefore writes its stage into a page that it
shares with its parent, which reads it after the death. The same context manager adds up the seconds
of each kind of work.
"""

from __future__ import annotations

import mmap
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from harness.verdict import Stage

PAGE = 4096


class Spent(StrEnum):
    """What the time of a job is spent on."""

    PASSES = "passes"
    CODE_GENERATORS = "code_generators"  # TVM's own alone
    LLVM = "llvm"  # native builds, by LLVM or another compiler, and runs
    INTERPRETER = "interpreter"
    CHECKS = "checks"
    ELSE = "else"


INSIDE_TVM = (Spent.PASSES, Spent.CODE_GENERATORS, Spent.LLVM)


class Stages:
    """The current stage, and the seconds since the last reset by what they were spent on."""

    def __init__(self) -> None:
        self._page: mmap.mmap | None = None
        self._seconds: defaultdict[Spent, float] = defaultdict(float)
        self._what = Spent.ELSE
        self._since = time.perf_counter()

    def share(self, descriptor: int) -> None:
        """Write the stage to this file from now on (one page, shared with the parent)."""
        self._page = mmap.mmap(descriptor, PAGE)

    def reset(self) -> None:
        self._seconds.clear()
        self._switch(Spent.ELSE)
        self._seconds.clear()
        self.enter(Stage())

    def seconds(self) -> dict[Spent, float]:
        """The seconds since the last reset; each is counted once."""
        self._switch(self._what)
        return dict(self._seconds)

    def _switch(self, what: Spent) -> None:
        now = time.perf_counter()
        self._seconds[self._what] += now - self._since
        self._what, self._since = what, now

    def enter(self, stage: Stage) -> None:
        """Record that this stage begins."""
        if self._page is not None:
            text = str(stage).encode()[: PAGE - 1] + b"\0"
            self._page[: len(text)] = text

    @contextmanager
    def spending(self, what: Spent) -> Iterator[None]:
        """Count the time of this block as spent on this, but for blocks inside it."""
        before = self._what
        self._switch(what)
        try:
            yield
        finally:
            self._switch(before)

    @contextmanager
    def inside_tvm(self, stage: Stage | None = None, what: Spent = Spent.PASSES) -> Iterator[None]:
        """Record that this stage begins, and count the time of this block."""
        if stage is not None:
            self.enter(stage)
        with self.spending(what):
            yield


def read_stage(descriptor: int) -> Stage:
    """The last stage that was written to this file; an empty one if the page is damaged."""
    text = os.pread(descriptor, PAGE, 0).split(b"\0", 1)[0].decode(errors="replace")
    try:
        return Stage.parse(text)
    except ValueError:
        return Stage()


STAGES = Stages()
