"""A reproducer made on one release says of the other whether the bug is there.

Real findings: those of 0.27 from findings.jsonl, those of 0.26 from findings_0.26.jsonl.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness import compat
from harness.case import Case
from harness.verdict import Verdict
from tests.tzer.test_constructors import OTHER, ROOT
from tzer.triage.reproducer import write_reproducer

KEPT = "findings_0.26.jsonl" if compat.tvm_version().startswith("0.26") else "findings.jsonl"
LINES = Path(__file__).with_name(KEPT).read_text().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES[:1])
def test_the_other_release_has_the_bug_or_not(line: str, tmp_path: Path) -> None:
    kept = json.loads(line)
    verdict = Verdict.from_json(json.dumps(kept["verdict"]))
    text = write_reproducer(Case.from_json(json.dumps(kept["case"])), verdict)
    assert "MODULE_JSON" not in text
    script = tmp_path / "finding.py"
    script.write_text(text)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [ROOT / OTHER / "bin" / "python", script],
        capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode in (0, 1) and "came: " in done.stdout, done.stdout + done.stderr
