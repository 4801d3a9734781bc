"""The findings among the examples: a script and an issue text each, which holds the script."""

from __future__ import annotations

import ast
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "findings"


def test_each_has_its_script_in_its_issue_text() -> None:
    scripts = sorted(FOLDER.glob("*.py"))
    assert len(scripts) == 3
    for path in scripts:
        script = path.read_text()
        ast.parse(script)
        assert script in path.with_suffix(".md").read_text()
        assert path.stem in (FOLDER / "README.md").read_text()
