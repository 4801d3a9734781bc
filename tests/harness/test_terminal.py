"""Nothing that came from elsewhere is obeyed by a terminal: the tools print by one path."""

from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.console.terminal import print_json, print_line, print_python, print_text
from harness.system.processes import ROOT
from harness.system.text import LONGEST_LINE, first_line, last_line, printable

HOSTILE = "\x1b[2Ja\x07b\x9bc\x7fd\u202ee\u2066f\ud800g\r\nh\u2028i"


@given(st.text())
def test_a_line_is_one_line_of_visible_characters(text: str) -> None:
    assert printable(text).isprintable()
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in printable(text))


@given(st.text().filter(str.isprintable))
def test_visible_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("out", [print_line, print_text])
def test_what_is_hostile_is_escaped(out: object, capsys: pytest.CaptureFixture[str]) -> None:
    out(HOSTILE)  # type: ignore[operator]
    printed = capsys.readouterr().out
    assert printed.removesuffix("\n").replace("\n", "").isprintable()
    assert printed.startswith(r"\x1b[2Ja\x07b\x9bc\x7fd\u202ee\u2066f\ud800g\r")


@pytest.mark.parametrize("colored", [False, True])
def test_a_program_is_printed_without_what_a_terminal_would_obey(
    colored: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    print_python(f"x = '{HOSTILE}'\ny = 1", colored=colored)
    printed = capsys.readouterr().out
    assert r"\x1b[2Ja\x07b" in printed and "\x1b[2J" not in printed and "\x07" not in printed


def test_json_stays_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"message": HOSTILE, "time": float("inf")})
    printed = capsys.readouterr().out
    assert printed.isascii() and "\x1b" not in printed
    assert json.loads(printed) == {"message": HOSTILE, "time": None}


def test_a_message_is_its_first_line_cut_to_what_one_reads() -> None:
    assert first_line(ValueError("\n a\nb")) == "a"
    assert first_line(ValueError("Traceback (most recent call last):\n x\nE: b")) == "E: b"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * (50 << 20)))) == LONGEST_LINE
    assert (last_line("a\nb\n"), last_line(" ")) == ("b", "")


def test_the_tools_print_by_one_path() -> None:
    found = set()
    for package in ("harness", "corpus", "seeds", "tzer", "jitweb"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    *("print", "click.echo", "click.secho"),
                    *("sys.stdout.write", "sys.stderr.write"),
                ):
                    found.add(str(path.relative_to(ROOT)))
    assert found == {"harness/console/terminal.py"}
