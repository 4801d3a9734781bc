"""Data races: which iterations of concurrent loops touched an element.

Programs run one iteration after another, so a race shows as two accesses, one of them a write, from
different iterations of the same execution of a parallel, vectorized or thread loop. Every such
iteration is a context; an element remembers the context that wrote it and those that read it since.
"""

from __future__ import annotations

from typing import Any

from harness.semantics.errors import undefined

ROOT = 0


class Concurrency:
    """The contexts of one run. Contexts and loop executions are numbered from 1."""

    def __init__(self) -> None:
        self._parents = [ROOT]
        self._executions = [0]
        self._entered = 0

    def enter(self) -> int:
        """A concurrent loop starts: the number of this execution of it."""
        self._entered += 1
        return self._entered

    def iterate(self, parent: int, execution: int) -> int:
        """An iteration starts: its context, inside the parent context."""
        self._parents.append(parent)
        self._executions.append(execution)
        return len(self._parents) - 1

    def concurrent(self, one: int, other: int) -> bool:
        """Whether two contexts are, or lie in, different iterations of one loop execution."""
        iterations = {}
        while one:
            iterations[self._executions[one]] = one
            one = self._parents[one]
        while other:
            if iterations.get(self._executions[other], other) != other:
                return True
            other = self._parents[other]
        return False


class Tags:
    """The last writer and the readers since, of every element of one buffer.

    Generated code calls `read` and `write` only when `reader[i]` or `writer[i]` is another context
    than the current one, which keeps the common case to one comparison.
    """

    def __init__(self, concurrency: Concurrency, size: int, name: str) -> None:
        self.writer = [ROOT] * size
        self.reader = [ROOT] * size
        self._readers: dict[int, list[int]] = {}
        self._concurrency = concurrency
        self._name = name

    def read(self, index: int, context: int) -> None:
        if self._concurrency.concurrent(self.writer[index], context):
            self._race(index, "read", "written")
        self.reader[index] = context
        self._readers.setdefault(index, []).append(context)

    def write(self, index: int, context: int) -> None:
        if self._concurrency.concurrent(self.writer[index], context):
            self._race(index, "written", "written")
        for reader in self._readers.pop(index, ()):
            if self._concurrency.concurrent(reader, context):
                self._race(index, "written", "read")
        self.writer[index] = context
        self.reader[index] = ROOT

    def _race(self, index: int, now: str, before: str) -> None:
        undefined(
            "data-race",
            f"element {index} of {self._name} is {now} in one iteration of a concurrent loop"
            f" and {before} in another",
        )


def distinct(positions: list[Any], name: str) -> None:
    """Check that the lanes of a vector store go to different elements."""
    if len(set(positions)) != len(positions):
        undefined("data-race", f"two lanes of a vector store write one element of {name}")
