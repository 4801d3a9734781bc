"""Emitter: collects the Python source of one function, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness.semantics.ranges import Operand

STEP = "  "
_UNSAFE = re.compile(r"[^A-Za-z0-9_.]")


def label(name: object) -> str:
    """A name from the IR, made safe for string literals in generated code."""
    return _UNSAFE.sub("_", str(name))[:60]


class Emitter:
    """Collects lines at the current indentation and generates fresh names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._indent = STEP
        self._names = 0

    def emit(self, text: str) -> None:
        self.lines.append(self._indent + text)

    def fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def temporary(self, code: str) -> str:
        """Assign the value of the code to a new local variable; returns its name."""
        name = self.fresh("t")
        self.emit(f"{name} = {code}")
        return name

    def atom(self, operand: Operand) -> Operand:
        """The same operand as a name or a number, so that its code may be repeated."""
        if operand.is_atom or operand.is_constant:
            return operand
        return Operand(self.temporary(operand.code), operand.low, operand.high)

    @contextmanager
    def indented(self, header: str) -> Iterator[None]:
        """A compound statement; gets a `pass` if its body is empty."""
        self.emit(header)
        outer, before = self._indent, len(self.lines)
        self._indent += STEP
        yield
        if len(self.lines) == before:
            self.emit("pass")
        self._indent = outer

    @contextmanager
    def captured(self, deeper: bool = False) -> Iterator[list[str]]:
        """Collect the lines emitted inside in the yielded list; `deeper` indents them."""
        outer_lines, outer_indent = self.lines, self._indent
        self.lines = []
        if deeper:
            self._indent += STEP
        yield self.lines
        self.lines, self._indent = outer_lines, outer_indent
