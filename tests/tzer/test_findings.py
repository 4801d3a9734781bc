"""A few real findings in TVM 0.27, kept in findings.jsonl, are shown to TVM's developers.

They come from campaigns and from docs/findings.md, at least one of each kind seen so far. The
reproducers run where nothing but TVM and numpy is installed, with the apache-tvm-ffi that pip
brings along today, in which TVM can't write its JSON (docs/decisions/0001).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from corpus.store import Finding, Store
from harness import compat
from harness.case import Case
from harness.verdict import Kind, Verdict
from tests.tzer.scripts import run_each
from tests.tzer.test_reproducer_hostile import CASE
from tzer.triage import reproducer_parts
from tzer.triage.reproducer import write_reproducer

ROOT = Path(__file__).resolve().parents[2]
BARE = ROOT / ".venv-bare" / "bin" / "python"
KEPT = Path(__file__).with_name("findings.jsonl").read_text().splitlines()
PARTS = 3  # for as many pytest workers
KINDS = {Kind.CRASH, Kind.HANG, Kind.INTERNAL_ERROR, Kind.ILL_FORMED_IR, Kind.WRONG_RESULT} | {
    Kind.OUT_OF_BOUNDS,
    Kind.INVALID_CODEGEN,
    Kind.REJECTED_VALID,
    Kind.ROUND_TRIP,
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        compat.tvm_version().startswith("0.26"), reason="the findings are of TVM 0.27"
    ),
]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    with Store.create_or_resume(tmp_path_factory.mktemp("findings") / "campaign") as store:
        for number, line in enumerate(KEPT):
            kept = json.loads(line)
            case = Case.from_json(json.dumps(kept["case"]))
            verdict = Verdict.from_json(json.dumps(kept["verdict"]))
            store.add_finding(case, verdict, number, True)
        return [store.finding(listed.id) for listed in store.findings()]


def run(scripts: dict[Path, str]) -> tuple[dict[Path, tuple[int, str]], str]:
    """Exit status and output of each script in the bare environment, and what came on stderr."""
    assert BARE.exists(), "the environment for reproducers is missing: run make bare"
    for script, text in scripts.items():
        # What hangs does so within seconds; the script itself is more patient.
        script.write_text(
            text.replace(f"SECONDS = {reproducer_parts.HANG_SECONDS}\n", "SECONDS = 5\n")
        )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return run_each(BARE, list(scripts), environment)


def test_each_kind_seen_so_far_is_among_them(findings: list[Finding]) -> None:
    assert {finding.kind for finding in findings} == KINDS
    assert len(findings) == len(KEPT) >= 12


@pytest.mark.parametrize("part", range(PARTS))
def test_a_reproducer_needs_nothing_but_tvm_and_numpy(
    findings: list[Finding], part: int, tmp_path: Path
) -> None:
    scripts = {tmp_path / f"{finding.id}.py": finding for finding in findings[part::PARTS]}
    ended, errors = run({s: write_reproducer(f.case, f.verdict) for s, f in scripts.items()})
    for script, finding in scripts.items():
        status, printed = ended.get(script, (-1, "it died"))
        said = finding.verdict.message + printed + errors
        assert status == 1, said
        assert "expected: " in printed and "came: " in printed, said


def test_what_only_json_can_show_names_the_apache_tvm_ffi_that_it_needs(tmp_path: Path) -> None:
    message = "TVM's JSON of the module loads as another module"
    text = write_reproducer(CASE, Verdict(Kind.ROUND_TRIP, True, message, "round-trip||json"))
    script = tmp_path / "finding.py"
    ended, errors = run({script: text})
    status, printed = ended[script]
    assert status == 2, printed + errors
    assert len(printed.splitlines()) == 1
    assert "it needs TVM 0.27" in printed and "apache-tvm-ffi below 0.1.15" in printed
