"""What triage reports was shown by its script each time, in processes as a user starts them.

What differs between processes here is the C compiler, which findings of the C target are about: a
script that rejects what the test says, and counts how often it was called.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.store import Finding, Store
from harness.case import Case, module_text
from harness.verdict import Kind, Stage, Verdict
from seeds.recipe import from_script
from tests.tzer.test_triage import results, triage
from tzer.triage import examine
from tzer.triage.collect import findings_of
from tzer.triage.examine import shown_by_script
from tzer.triage.result import Status

PROGRAM = """
def main(A: T.Buffer((4,), "int32")):
    for i in range(4):
        A[i] = A[i] + {number}
"""
COMPILER = """#!/bin/sh
for source in "$@"; do case "$source" in *.c) break;; esac; done
calls=$(cat {calls} 2>/dev/null || echo 0); echo $((calls + 1)) > {calls}
{accepts} && exec gcc "$@"
echo "$source:1:1: error: this one is rejected" >&2; exit 1
"""


def with_compiler(folder: Path, accepts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the C compiler reject all code but where a condition of the shell holds."""
    path = folder / "compiler"
    path.write_text(COMPILER.format(calls=folder / "calls", accepts=accepts))
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))


def findings_of_numbers(folder: Path, *numbers: int) -> list[Finding]:
    """Findings of one signature of triage, a program each."""
    with Store.create_or_resume(folder) as store:
        for number in numbers:
            case = Case(module_text(from_script(PROGRAM.format(number=number))), target="c")
            signature = f"invalid-codegen|CompilerRejected|error: this one is rejected|{number}"
            detail = {"error": "CompilerRejected"}
            stage = Stage("legal", "build")
            said = "error: this one is rejected"
            verdict = Verdict(Kind.INVALID_CODEGEN, True, said, signature, "build", stage, detail)
            store.add_finding(case, verdict, 1, True)
    found = {int(each.signature.rpartition("|")[2]): each for each in findings_of(folder, ())[0]}
    return [found[number] for number in numbers]


def test_what_shows_in_some_processes_is_flaky_with_its_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_compiler(tmp_path, "[ $((calls % 2)) = 1 ]", monkeypatch)
    campaign = tmp_path / "campaign"
    report = triage(campaign, findings_of_numbers(campaign, 5), seconds=0)
    (result,) = results(report).values()
    assert result.status is Status.FLAKY and (result.shown, result.runs) == (5, 10)
    assert result.reason == "shows in 5 of 10 fresh processes" and not report.reproducers
    again = triage(campaign, findings_of(campaign, ())[0])
    assert results(again) == results(report)  # it is kept so


def test_what_its_script_does_not_show_is_not_reported_and_the_next_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler accepts in a script's process what it rejects in a worker."""
    accepts = 'case "$TMPDIR" in *tzer-script-*) grep -q "+ 5" "$source";; *) false;; esac'
    with_compiler(tmp_path, accepts, monkeypatch)
    monkeypatch.setattr(examine, "SCRIPT_RUNS", 1)
    campaign = tmp_path / "campaign"
    findings = findings_of_numbers(campaign, 5, 7, 9)
    report = triage(campaign, findings, seconds=0)
    first, second, third = (results(report)[finding.id] for finding in findings)
    assert first.status is Status.INVALID
    said = "not reproduced: its script ends with status 0: came:     just that; the bug does not"
    assert first.reason == f"{said} show"
    assert second.status is Status.REPORTED and list(report.reproducers) == [second.id]
    assert third.duplicate_of == second.id


SHOWS = "print('came:     another'); sys.exit(1)"


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        (SHOWS, Status.REPORTED, ""),
        (f"if calls == '..': sys.exit()\n{SHOWS}", Status.FLAKY, "in 2 of 3 fresh processes"),
        ("print('came:     just that')", Status.INVALID, "not reproduced: its script ends with"),
        ("raise ValueError('its own')", Status.INVALID, "with status 1: ValueError: its own"),
        ("print('needs naga'); sys.exit(2)", Status.INVALID, "ends with status 2: needs naga"),
        ("os.kill(os.getpid(), 9)", Status.INVALID, "ends with status -9"),
    ],
)
def test_a_script_shows_a_finding_if_it_says_so_each_time(
    tmp_path: Path, script: str, status: Status, said: str
) -> None:
    count = f"calls = open({str(tmp_path / 'calls')!r}, 'a+'); calls.seek(0); calls = calls.read()"
    more = f"open({str(tmp_path / 'calls')!r}, 'a').write('.')"
    found, reason = shown_by_script(f"import os, sys\n{count}\n{more}\n{script}\n", lambda: False)
    assert found is status and said in reason
    assert (tmp_path / "calls").read_text() == "..."


def test_each_process_of_a_script_has_a_hash_seed_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    script = "import os, sys; print('came:', os.environ.get('PYTHONHASHSEED')); sys.exit(1)"
    assert examine.exit_status(script, lambda: False) == (1, "came: None\n")
