"""Text of a store as it may stand in a script: in literals and comments that it can't end.

Values reach a script as `repr` of what they are. Free text (messages, origins) is also made
printable, so that neither the script nor what it prints holds anything that a terminal obeys.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from harness.system.text import printable

WIDTH = 96
LONGEST_TEXT = 2000


def clean(text: str) -> str:
    """Free text on one line, shortened, with nothing in it that a terminal obeys."""
    return printable(text[:LONGEST_TEXT]) + ("…" if len(text) > LONGEST_TEXT else "")


def comment(lines: Iterable[str]) -> str:
    """Lines as comments of Python, folded where they are long."""
    folded = [part for line in lines for part in fold(clean(line))]
    return "\n".join(f"# {part}".rstrip() for part in folded)


def fold(line: str, width: int = WIDTH) -> list[str]:
    """One line as several that are no longer than `width`, indented further than the first."""
    indent = " " * min(len(line) - len(line.lstrip()), width // 2)
    wrapped = textwrap.wrap(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent + "        ",
        break_on_hyphens=False,
    )
    return wrapped or [""]


def lines_literal(text: str) -> str:
    """A tuple of the text's lines, one literal a line, and the long ones in several.

    `"\\n".join` of it is the text.
    """
    rows = []
    for line in text.split("\n"):
        parts = _parts(line)
        indents = ["    ", *["        "] * (len(parts) - 1)]
        rows += [f"{indent}{part!r}" for indent, part in zip(indents, parts, strict=True)]
        rows[-1] += ","
    return "(\n" + "\n".join(rows) + "\n)"


def text_literal(text: str) -> str:
    """A long text without lines, in several literals."""
    rows = [
        f"    {text[start : start + WIDTH - 10]!r}" for start in range(0, len(text), WIDTH - 10)
    ]
    return "(\n" + "\n".join(rows or ["    ''"]) + "\n)"


def _parts(line: str) -> list[str]:
    """The line in pieces of at most about WIDTH characters, cut behind spaces."""
    return textwrap.wrap(
        line,
        WIDTH - 12,
        drop_whitespace=False,
        replace_whitespace=False,
        expand_tabs=False,
        break_on_hyphens=False,
    ) or [""]
