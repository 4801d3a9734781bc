"""The one way to standard output and standard error.

What is printed may come from a file, a store, a bundle, a page or an exception, and may have been
made to be printed: a terminal gets no control character of it. Nothing else in the tools calls
`print` or `click.echo`.
"""

from __future__ import annotations

import json
import math
from typing import Any

import click

from harness.system.text import printable


def print_line(line: str, *, err: bool = False) -> None:
    """Print one line; line ends within it are escaped like control characters."""
    click.echo(printable(line), err=err)


def print_text(text: str, *, err: bool = False) -> None:
    """Print a text of several lines, each escaped."""
    click.echo(_printable_lines(text), err=err)


def print_json(value: Any) -> None:
    """Print the one JSON value of a command; what JSON has no number for is null in it."""
    click.echo(json.dumps(_finite(value), indent=2, sort_keys=True))


def print_python(text: str, *, colored: bool) -> None:
    """Print a Python program, highlighted where `colored`."""
    if not colored:
        print_text(text)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    with console.capture() as capture:
        console.print(Syntax(_printable_lines(text), "python", background_color="default"))
    click.echo(capture.get())


def _printable_lines(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
