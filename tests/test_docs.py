"""The documents name files that are there; README and --help are in order."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/how-it-works.md", "docs/decisions/README.md")
PLACES = ("tzer/", "jitweb/", "corpus/", "seeds/", "harness/", "tests/", "benchmarks/", "docs/")
PATH = re.compile(r"`([a-z_./-]+(?:\.py|\.mjs|\.md|/))`")
LINE, MARGINS = 78, 6  # of `--help` in a terminal of 80 columns
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text()
    named = [path for path in PATH.findall(text) if path.startswith(PLACES)]
    missing = [path for path in named if not (ROOT / path).exists()]
    missing += [
        link for link in LINK.findall(text) if not ((ROOT / document).parent / link).exists()
    ]
    assert not missing


def test_each_tool_has_its_own_part_of_the_readme() -> None:
    parts = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    (tzer,), (jitweb,) = ([p for p in parts if p.startswith(f"{t}:")] for t in ("tzer", "jitweb"))
    command = re.compile(r"^    (?:\$ )?(tzer|jitweb) ", re.MULTILINE)
    assert set(command.findall(tzer)) == {"tzer"} and set(command.findall(jitweb)) == {"jitweb"}


@pytest.mark.parametrize("tool", ["tzer", "jitweb"])
def test_every_command_is_described_in_a_line_that_help_shows_whole(tool: str) -> None:
    groups = [importlib.import_module(f"{tool}.cli").cli]
    for group in groups:
        groups += [each for each in group.commands.values() if isinstance(each, click.Group)]
        room = LINE - MARGINS - max(map(len, group.commands))
        for name, command in group.commands.items():
            shown = command.get_short_help_str(room)
            assert shown and not shown.endswith("..."), f"{tool} {name}"
