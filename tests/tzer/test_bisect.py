"""Reproducers run on several releases, each in an environment that is made once, by one process.

The environments here are stubs: a `python` that has a `tvm` with nothing but a version, and a pip
that does what the test says. What real wheels are like is for the reproducers' own tests.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from corpus.store import Store
from harness import UserError
from harness.case import Case, module_text
from harness.verdict import Kind, Stage, Verdict
from tests import programs
from tzer.bisect_cli import bisect as command
from tzer.bisect_cli import reproducers_of
from tzer.triage import wheels
from tzer.triage.bisect import WheelOutcome, bisect, table
from tzer.triage.commands import publish, run_on
from tzer.triage.commands import table as triage_table
from tzer.triage.examine import Examined, Reproducer
from tzer.triage.folder import Kept, TriageFolder, keep_wheels, read_index, read_wheels
from tzer.triage.minimize import Smaller
from tzer.triage.reproducer import write_reproducer
from tzer.triage.result import Status, TriageResult
from tzer.triage.run import TriageReport
from tzer.triage.wheels import COMPLETE, FORMAT, PINS, WheelError, chosen, released, wheel

# Affected: 0.26.0 alone; 0.28.0 can't express it.
REPRODUCER = """
import sys, tvm
if tvm.__version__ == "0.28.0":
    print("TVM 0.28.0 can't express this case"); sys.exit(2)
print("expected: nothing of note")
print("came:    ", tvm.__version__)
sys.exit(tvm.__version__ == "0.26.0")
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def stub_python(path: Path, version: str) -> None:
    packages = path.parent / "packages"
    executable(path, f'PYTHONPATH="{packages}" exec "{sys.executable}" "$@"\n')
    packages.mkdir(exist_ok=True)
    (packages / "tvm.py").write_text(f'__version__ = "{version}"\n')
    (packages / "tvm_ffi.py").write_text('__version__ = "0.1.14"\n')


def complete(folder: Path, version: str) -> None:
    """An environment that is there already."""
    stub_python(folder / version / "bin" / "python", version)
    wanted = [str(FORMAT), f"apache-tvm=={version}", "numpy", *PINS[-1][1]]
    (folder / version / COMPLETE).write_text("\n".join(wanted))


def stub_pip(folder: Path, install: str, index: str = "exit 1") -> None:
    """A pip that notes what it is to install, and copies a template where it is to make one."""
    executable(
        folder / "pip" / "bin" / "python",
        f"""
case "$*" in
  *" venv "*) for place in "$@"; do :; done; cp -r "{folder}/template" "$place" ;;
  *" index "*) {index} ;;
  *) echo "$@" >> "{folder}/installed"; {install} ;;
esac
""",
    )
    (folder / "pip" / COMPLETE).write_text(f"{FORMAT} {sys.executable}")
    stub_python(folder / "template" / "bin" / "python", "0.26.0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tmp_path in wheels.wheels_folder().parents
    return wheels.wheels_folder()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "finding.py").write_text(REPRODUCER)
    return tmp_path / "finding.py"


def test_the_first_and_the_last_affected_release_are_named(folder: Path, script: Path) -> None:
    for version in ("0.26.0", "0.27.0", "0.28.0"):
        complete(folder, version)
    names = "0.26.0,0.27.0,0.28.0"
    done = CliRunner().invoke(command, [str(script), "--wheels", names, "--json"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    assert (found["first"], found["last"]) == ("0.26.0", "0.26.0")
    outcomes = [each["outcome"] for each in found["wheels"]]
    assert outcomes == ["shows", "does not show", "can't express"]
    assert {each["apache_tvm_ffi"] for each in found["wheels"]} == {"0.1.14"}
    lines = CliRunner().invoke(command, [str(script), "--wheels", names]).stdout.splitlines()
    assert lines[0].split() == ["reproducer", "0.26.0", "0.27.0", "0.28.0", "affected"]
    assert lines[1].startswith("finding.py") and lines[1].endswith("0.26.0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('of the script itself')", "of the script itself"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("import subprocess, sys; subprocess.run(['sleep', '60'])", "no end within 0.5 s"),
    ],
)
def test_a_script_that_fails_itself_shows_no_bug(
    folder: Path, script: Path, text: str, said: str
) -> None:
    complete(folder, "0.26.0")
    script.write_text("import tvm\n" + text)
    ((run,),) = (each.runs for each in bisect([script], ["0.26.0"], folder, print, seconds=0.5))
    assert run.outcome is WheelOutcome.FAILED and said in run.said


def test_an_environment_that_was_left_half_made_is_made_anew(folder: Path) -> None:
    stub_pip(folder, "exit 0")
    (folder / "0.26.0" / "bin").mkdir(parents=True)
    (folder / "0.26.0" / "rubbish").write_text("of the one before")
    reported: list[str] = []
    for _ in range(2):
        assert wheel("0.26.0", folder, reported.append).ffi == "0.1.14"
    assert not (folder / "0.26.0" / "rubbish").exists()
    assert len(reported) == 1 and "once" in reported[0]
    assert (folder / "installed").read_text().count("apache-tvm-ffi<0.1.15") == 1


def test_one_process_makes_an_environment_and_others_wait(folder: Path) -> None:
    stub_pip(folder, "exit 0")
    reported: list[str] = []
    made: list[str] = []
    with wheels._locked(folder, "0.26.0", reported.append):
        other = threading.Thread(
            target=lambda: made.append(wheel("0.26.0", folder, reported.append).version)
        )
        other.start()
        other.join(0.3)
        assert not made and not (folder / "installed").exists()
    other.join()
    assert made == ["0.26.0"] and "waiting for another process" in reported[0]


def test_a_release_that_cannot_be_installed_is_an_outcome_and_the_rest_goes_on(
    folder: Path, script: Path
) -> None:
    complete(folder, "0.26.0")
    stub_pip(folder, 'echo "ERROR: Could not find a version: no network" >&2; exit 1')
    reported: list[str] = []
    (found,) = bisect([script], ["0.25.0", "0.26.0"], folder, reported.append)
    assert [run.outcome for run in found.runs] == [WheelOutcome.NO_WHEEL, WheelOutcome.SHOWS]
    assert "apache-tvm 0.25.0 can't be installed" in reported[1] and "--wheels" in reported[1]
    assert not (folder / "0.25.0").exists()
    done = CliRunner().invoke(command, [str(script), "--wheels", "0.25.0"])
    assert isinstance(done.exception, UserError)  # there is none at all to run it on
    assert list(table([found]))[1].split()[-1] == "0.26.0"


def test_releases_come_from_pips_index_or_else_from_what_is_there(folder: Path) -> None:
    stub_pip(folder, "exit 1", 'echo "Available versions: 0.27.0.post1, 0.26.0, 0.9, x;y"')
    assert released(folder, print) == ["0.9", "0.26.0", "0.27.0.post1"]
    assert chosen([], folder, print) == chosen(["all"], folder, print) == released(folder, print)
    assert chosen(["0.27.0", "0.9", "0.27.0"], folder, print) == ["0.27.0", "0.9"]
    stub_pip(folder, "exit 1", 'echo "ERROR: no network" >&2; exit 1')
    with pytest.raises(WheelError, match="no network.*check the network, or name releases"):
        released(folder, print)
    complete(folder, "0.26.0")
    assert released(folder, print) == ["0.26.0"]


@pytest.mark.parametrize("version", ["../../etc", "-r file", "0.26.0 other", "", "9" * 5000])
def test_only_the_number_of_a_release_becomes_a_folder(folder: Path, version: str) -> None:
    with pytest.raises(UserError, match="not a release"):
        wheel(version, folder, print)
    with pytest.raises(UserError, match="not a release"):
        chosen(["0.26.0", version], folder, print)


def test_a_campaigns_findings_are_bisected_and_that_is_kept(folder: Path, tmp_path: Path) -> None:
    """The scripts are written anew: what lies in the campaign's folder is not run."""
    complete(folder, "0.26.0")
    campaign = tmp_path / "campaign"
    with Store.create_or_resume(campaign) as store:
        verdict = Verdict(Kind.CRASH, signature="crash|x", stage=Stage("legal", "lower"))
        store.add_finding(Case(module_text(programs.scaled_sum())), verdict, 1, True)
        finding_id = store.findings()[0].id
    (campaign / "triage").mkdir()
    (campaign / "triage" / f"{finding_id}.py").write_text(f"open({str(tmp_path)!r} + '/run', 'w')")
    done = CliRunner().invoke(command, [str(campaign), "--wheels", "0.26.0", "--json"])
    assert done.exit_code == 0, done.output
    # The stub has no numpy's TVM: the script says so.
    outcomes = [each["outcome"] for each in json.loads(done.stdout)[0]["wheels"]]
    assert outcomes == ["can't express"]
    assert read_wheels(campaign)[finding_id][0]["outcome"] == "can't express"
    assert json.loads(done.stdout)[0]["reproducer"] == finding_id
    assert not (tmp_path / "run").exists()


def test_what_was_minimized_is_bisected_in_its_smallest_form(tmp_path: Path) -> None:
    large, small = (Case(module_text(each())) for each in (programs.matmul, programs.scaled_sum))
    with Store.create_or_resume(tmp_path) as store:
        verdict = Verdict(Kind.CRASH, signature="crash|x", stage=Stage("legal", "lower"))
        (finding, _) = store.add_finding(large, verdict, 1, True)
    ((_, before),) = reproducers_of(tmp_path, [])
    work = TriageFolder(tmp_path)
    work.save(finding.id, large.digest, Kept(Smaller(small, verdict)))
    work.close()
    ((named, after),) = reproducers_of(tmp_path, [finding.id, finding.id[:6]])
    assert named == finding.id and after != before
    assert after == write_reproducer(small, verdict)


def test_a_later_bisection_adds_its_releases(tmp_path: Path) -> None:
    def runs(*each: str) -> list[dict[str, Any]]:
        return [dict(zip(("version", "outcome"), run.split(), strict=True)) for run in each]

    keep_wheels(tmp_path, {"01": runs("0.9 shows", "0.26 failed"), "02": runs("0.9 shows")})
    keep_wheels(tmp_path, {"01": runs("0.10 shows", "0.26 shows")})
    kept = read_wheels(tmp_path)
    assert kept["01"] == runs("0.9 shows", "0.10 shows", "0.26 shows")
    assert kept["02"] == runs("0.9 shows")


def test_a_finding_that_the_index_alone_has_is_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.create_or_resume(tmp_path) as store:
        verdict = Verdict(Kind.CRASH, signature="crash|x", stage=Stage("legal", "lower"))
        (finding, _) = store.add_finding(Case(module_text(programs.matmul())), verdict, 1, True)
    work = TriageFolder(tmp_path)
    reported = [TriageResult(i, "crash", Status.REPORTED, "", "s") for i in ("01", finding.id)]
    work.publish(reported, {})
    work.close()
    assert [name for name, _ in reproducers_of(tmp_path, [])] == [finding.id]
    assert "note: 1 that triage/index.json reports are not in" in capsys.readouterr().err


def test_a_folder_without_findings_makes_no_environment(folder: Path, tmp_path: Path) -> None:
    Store.create_or_resume(tmp_path / "campaign").close()
    done = CliRunner().invoke(command, [str(tmp_path / "campaign"), "--wheels", "0.26.0"])
    assert (done.exit_code, done.stdout) == (0, "nothing to run\n")
    assert not folder.exists()


def test_triage_adds_what_came_of_a_finding_on_each_release(folder: Path, tmp_path: Path) -> None:
    """To its table, its index and its issue texts; a later run without --wheels keeps that."""
    for version in ("0.26.0", "0.27.0"):
        complete(folder, version)
    verdict = Verdict(Kind.CRASH, message="SIGSEGV", signature="crash|x")
    result = TriageResult("0123abcd", "crash", Status.REPORTED, "", "crash|x")
    smaller, script = Smaller(Case("{}"), verdict), Reproducer(REPRODUCER, "it compiles.")
    report = TriageReport([Examined(result, smaller, script)])
    work = TriageFolder(tmp_path)
    run_on(["0.26.0", "0.27.0"], tmp_path, report)
    for _ in range(2):
        publish(work, report, "0.27.0")
        (kept,) = json.loads((tmp_path / "triage" / "index.json").read_text())
        assert [each["outcome"] for each in kept["wheels"]] == ["shows", "does not show"]
        assert read_index(tmp_path) == {result.id: result}
        issue = (tmp_path / "triage" / f"{result.id}.md").read_text()
        assert "- on apache-tvm `0.27.0`: `does not show`" in issue
    work.close()
    (line,) = triage_table([result], read_wheels(tmp_path))
    assert line.endswith("affected: 0.26.0; ")


def test_a_reproducer_that_is_not_there_is_named(folder: Path) -> None:
    done = CliRunner().invoke(command, ["nowhere.py", "--wheels", "0.26.0"])
    assert isinstance(done.exception, UserError) and "nowhere.py" in str(done.exception)
