"""Data races: which iterations of concurrent loops accessed an element.

Programs run one iteration after another, so a race is two accesses, one of them a write, from
different iterations of the same execution of a parallel, vectorized or thread loop. Each such
iteration is a context; the access history holds, for each element, the context that wrote it last
and those that have read it since.
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
        """Start an execution of a concurrent loop; returns its number."""
        self._entered += 1
        return self._entered

    def iterate(self, parent: int, execution: int) -> int:
        """Start an iteration; returns its context, a child of the parent context."""
        self._parents.append(parent)
        self._executions.append(execution)
        return len(self._parents) - 1

    def concurrent(self, one: int, other: int) -> bool:
        """Whether two contexts are (or are nested in) different iterations of one execution."""
        iterations = {}
        while one:
            iterations[self._executions[one]] = one
            one = self._parents[one]
        while other:
            if iterations.get(self._executions[other], other) != other:
                return True
            other = self._parents[other]
        return False


class AccessHistory:
    """The last writer of each element of one buffer, and the readers since.

    Generated code calls `read` and `write` only when `reader[i]` or `writer[i]` is not the current
    context, so that the common case costs one comparison.
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
    """Check that the lanes of a vector store write different elements."""
    if len(set(positions)) != len(positions):
        undefined("data-race", f"two lanes of a vector store write one element of {name}")
