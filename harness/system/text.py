"""Text that came from elsewhere: the line of it that matters, and nothing that a terminal obeys."""

from __future__ import annotations

LONGEST_LINE = 4000  # characters; of what is longer, a reader learns no more


def printable(text: str) -> str:
    """The text on one line, with escapes for all that isn't a visible character or a blank.

    Escaped are line ends, control characters, the marks that change the direction of text, and
    halves of surrogate pairs.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def first_line(error: BaseException) -> str:
    """The line of an exception that says what went wrong, without TVM's backtrace.

    That is the first, or the last of a traceback; the exception's type where it says nothing.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return cut(lines[-1] if lines[0].startswith("Traceback") else lines[0])


def last_line(text: str) -> str:
    """The last line that a program printed; empty where it printed none."""
    lines = text.strip().splitlines()
    return cut(lines[-1].strip()) if lines else ""


def cut(line: str) -> str:
    """The line, shortened where it is longer than anybody reads."""
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"
