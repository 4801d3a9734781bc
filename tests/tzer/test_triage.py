"""Triage: each finding ends as one of five, with the reason, and a bug as a small report."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from corpus.store import Finding, Store
from harness import UserError
from harness.case import Case, PassCall, module_text
from harness.oracles.known_issues import KNOWN_ISSUES, KnownIssue
from harness.oracles.verify import judge
from harness.verdict import Kind, Stage, Verdict
from seeds.recipe import from_script
from tests import programs
from tests.command import run_command
from tzer.cli import main
from tzer.triage.collect import findings_of
from tzer.triage.commands import ProgressLines
from tzer.triage.examine import FindingExaminer, Reproducer, exit_status
from tzer.triage.folder import Kept, TriageFolder, keep_wheels, read_index, read_wheels
from tzer.triage.issue_text import frames_that_matter, issue_text, title_of
from tzer.triage.minimize import Smaller
from tzer.triage.result import Status, TriageResult
from tzer.triage.run import Triage, TriageReport

# The bool of a constant is in the way of nothing else here.
CAST = """
def main(A: T.Buffer((4,), "bool"), B: T.Buffer((4, 3), "float32"), n: T.int32):
    for i in range(4):
        for j in range(3):
            B[i, j] = B[i, j] * T.float32(2)
        A[i] = T.Or(A[i], T.Cast("bool", {number}))
    for i in range(4):
        B[i, 0] = B[i, 0] + T.float32(3)
"""
PASSES = tuple(map(PassCall, ("s_tir.CanonicalizeLoop", "tirx.FlattenBuffer", "tirx.StmtSimplify")))


def case_with(number: int) -> Case:
    return Case(module_text(from_script(CAST.format(number=number))), PASSES, input_seed=3)


def cast_verdict(case: Case) -> Verdict:
    verdict = judge(case, native=False, plain=False).verdict
    assert verdict.kind is Kind.INTERNAL_ERROR
    return verdict


def triage(
    campaign: Path,
    findings: Sequence[Finding],
    issues: Sequence[KnownIssue] = (),
    seconds: float = 1e9,
) -> TriageReport:
    folder = TriageFolder(campaign)
    try:
        deadline = time.monotonic() + seconds
        report = Triage(folder, issues, "0.27", 1, deadline).run(findings)
        folder.publish([each.result for each in report.examined], {})
        return report
    finally:
        folder.close()


def results(report: TriageReport) -> dict[str, TriageResult]:
    return {each.result.id: each.result for each in report.examined}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with one bug twice, a known one, and a finding that does not show."""
    path = tmp_path_factory.mktemp("triage") / "campaign"
    with Store.create_or_resume(path) as store:
        for number, verdict in enumerate(map(cast_verdict, (case_with(5), case_with(7)))):
            named = replace(verdict, signature=f"{verdict.signature}{number}")
            store.add_finding(case_with(5 + 2 * number), named, number, True)
        known = "internal-error|InternalError|src/x.h|fb->value != # Divide by zero"
        zero = Verdict(Kind.INTERNAL_ERROR, True, "Divide by zero", known, "tirx.StmtSimplify")
        store.add_finding(Case(module_text(programs.dividing_by_zero())), zero, 3, True)
        died = Verdict(Kind.CRASH, True, "it died", "crash|SIGSEGV|a", "a", Stage("legal", "build"))
        store.add_finding(Case(module_text(programs.scaled_sum())), died, 4, True)
    return path


@pytest.fixture(scope="module")
def findings(campaign: Path) -> list[Finding]:
    with Store.open(campaign) as store:
        return [store.finding(listed.id) for listed in store.findings()]


@pytest.fixture(scope="module")
def report(campaign: Path, findings: list[Finding]) -> TriageReport:
    zero_is_known = [issue for issue in KNOWN_ISSUES if issue.name == "float-division-by-zero"]
    return triage(campaign, findings, zero_is_known)


def test_each_finding_ends_as_one_of_five_with_the_reason(report: TriageReport) -> None:
    found = sorted((result.status, result.reason) for result in results(report).values())
    first = next(r for r in results(report).values() if r.status is Status.REPORTED)
    assert [status for status, _ in found] == ["duplicate", "invalid", "known", "reported"]
    assert found[0][1] == f"of {first.id}: the same signature"
    assert found[1][1] == "does not show any more"
    assert found[2][1].startswith("float-division-by-zero: ")


def test_what_is_reported_is_small_confirmed_and_shown_by_its_script(report: TriageReport) -> None:
    (each,) = (each for each in report.examined if each.result.status is Status.REPORTED)
    result = each.result
    assert (result.shown, result.runs) == (6, 6) and result.complete
    assert result.before is not None and result.after is not None
    assert (result.before.lines, result.before.passes) == (6, 3)
    assert (result.after.lines, result.after.passes) == (1, 1)
    assert each.smaller is not None and each.smaller.case.input_seed == 0
    # That a script shows it was checked: without, it is not reported.
    assert 'T.Cast("bool", ' in report.reproducers[result.id].script


def test_a_second_run_takes_what_is_there(
    campaign: Path, findings: list[Finding], report: TriageReport
) -> None:
    folder = TriageFolder(campaign)
    examiner, taken = FindingExaminer(folder, 0.0, lambda: False), 0
    try:
        for finding in findings:
            kept = folder.load(finding.id, finding.case.digest).result
            if kept is not None and kept.complete:
                assert examiner.examine(finding).result == kept
                taken += 1
        assert taken == 2  # what is reported, and what does not show
        assert read_index(campaign) == results(report)
    finally:
        examiner.close()
        folder.close()


def test_a_finding_that_is_named_twice_is_no_duplicate_of_itself(campaign: Path) -> None:
    with Store.open(campaign) as store:
        named = store.findings()[0].id
    (finding,), _ = findings_of(campaign, (named, named[:7], named))
    assert finding.id == named


def test_what_is_known_counts_as_done(tmp_path: Path, findings: list[Finding]) -> None:
    """So that the last line of the progress says that all are."""
    every = [replace(KNOWN_ISSUES[0], kinds=tuple(Kind), signature="", releases=("0.27",))]
    folder, done = TriageFolder(tmp_path), list[TriageResult]()
    Triage(folder, every, "0.27", 1, 0.0, done.append).run(findings)
    folder.close()
    assert {each.id for each in done} == {each.id for each in findings}


def test_a_script_ends_when_triage_does_and_so_does_what_it_started() -> None:
    script = (
        "import subprocess, tempfile, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "print(tempfile.mkdtemp(), child.pid, flush=True)\n"
    )
    asked = iter([False, False])
    status, printed = exit_status(f"{script}time.sleep(600)", lambda: next(asked, True))
    assert status is None
    status, printed = exit_status(f"{script}raise SystemExit(1)", lambda: False)
    left, pid = printed.split()
    assert status == 1 and has_ended(int(pid)) and not Path(left).exists()


def has_ended(pid: int) -> bool:
    """Whether this process is gone soon, or dead and waited for by nobody."""
    for _ in range(100):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_an_interrupted_minimization_goes_on(tmp_path: Path, findings: list[Finding]) -> None:
    finding = next(each for each in findings if "Cast" in each.case.module)
    shrunk = from_script(CAST.format(number=5).rpartition("    for")[0])
    part = Smaller(finding.case.with_module(shrunk), finding.verdict, step=4, tests=1000)
    folder = TriageFolder(tmp_path)
    folder.save(finding.id, finding.case.digest, Kept(part))
    folder.close()
    folder = TriageFolder(tmp_path)
    examiner = FindingExaminer(folder, 0.0, lambda: False)  # whose time is over
    try:
        each = examiner.examine(finding)
    finally:
        examiner.close()
        folder.close()
    assert each.smaller is not None and each.result.tests == 1000
    assert each.smaller.case.module == part.case.module and not each.result.complete


def test_minimize_prints_what_is_left(campaign: Path, report: TriageReport) -> None:
    (reported,) = (r for r in results(report).values() if r.status is Status.REPORTED)
    done = run_command(main, "minimize", campaign, reported.id, "--json")
    shown = json.loads(done.stdout)
    assert shown["after"] == {"lines": 1, "passes": 1} and 'T.Cast("bool", ' in shown["script"]
    assert Case.from_json(json.dumps(shown["case"])).passes == (PassCall("tirx.StmtSimplify"),)
    listed = json.loads(run_command(main, "findings", campaign, "--json").stdout)
    sizes = {each["id"]: each["minimized"] for each in listed}
    assert sizes[reported.id] == {"lines": 1, "passes": 1} and None in sizes.values()


def test_what_can_not_be_minimized_is_one_line(campaign: Path, report: TriageReport) -> None:
    (other,) = (r for r in results(report).values() if r.status is Status.INVALID)
    done = run_command(main, "minimize", campaign, other.id)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith("invalid: does not show any more")


def test_what_is_no_longer_reported_loses_its_files_and_other_results_stay(tmp_path: Path) -> None:
    one, other = (TriageResult(i, "crash", Status.REPORTED, "", "s") for i in ("01", "02"))
    folder = TriageFolder(tmp_path)
    folder.publish([one, other], {"01": ("script", "issue"), "02": ("script", "issue")})
    folder.publish([replace(other, status=Status.DUPLICATE)], {})
    folder.close()
    assert {path.name for path in folder.path.glob("0*")} == {"01.py", "01.md"}
    statuses = {result.id: result.status for result in read_index(tmp_path).values()}
    assert statuses == {"01": Status.REPORTED, "02": Status.DUPLICATE}


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "\0" * 100, '{"format": 1, "of": 2}'])
def test_a_damaged_or_hostile_file_of_triage_is_as_if_there_were_none(
    tmp_path: Path, text: str
) -> None:
    folder = TriageFolder(tmp_path)
    (tmp_path / "triage" / "work" / "0123abcd.json").write_text(text)
    (tmp_path / "triage" / "index.json").write_text(text)
    assert folder.load("0123abcd", "of") == Kept()
    assert read_index(tmp_path) == {}
    folder.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "../../victim"},
        {"id": "89abcdef"},
        {"kind": "no-kind"},
        {"status": Status.REPORTED},  # without a case
        {"status": Status.DUPLICATE},
    ],
)
def test_a_kept_result_that_no_examination_ends_with_is_as_if_there_were_none(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    folder = TriageFolder(tmp_path)
    result = TriageResult("0123abcd", "crash", Status.INVALID, "", "s", complete=True)
    folder.save("0123abcd", "of", Kept(result=result))
    assert folder.load("0123abcd", "of").result == result
    folder.save("0123abcd", "of", Kept(result=replace(result, **changed)))
    assert folder.load("0123abcd", "of") == Kept()
    folder.close()


def test_bisections_at_once_keep_what_each_found(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: keep_wheels(tmp_path, {f"{number:02}": []}), range(40)))
    assert set(read_wheels(tmp_path)) == {f"{number:02}" for number in range(40)}


def test_nothing_is_written_through_a_link_that_came_with_a_campaign(tmp_path: Path) -> None:
    campaign, elsewhere = tmp_path / "campaign", tmp_path / "elsewhere"
    Store.create_or_resume(campaign).close()
    (campaign / "triage" / "work").mkdir(parents=True)
    elsewhere.write_text("mine")
    for name in ("01.py", "01.md", "index.json", "wheels.json", "work/01.json"):
        (campaign / "triage" / name).symlink_to(elsewhere)
    (campaign / "report.html").symlink_to(elsewhere)
    folder = TriageFolder(campaign)
    folder.publish([TriageResult("01", "crash", Status.REPORTED, "", "s")], {"01": ("a", "b")})
    folder.save("01", "of", Kept())
    keep_wheels(campaign, {"01": []})
    folder.close()
    assert elsewhere.read_text() == "mine" and (campaign / "triage" / "01.py").read_text() == "a"
    done = run_command(main, "report", campaign)
    assert done.returncode == 2 and "report.html is not a regular file" in done.stderr
    (campaign / "report.html").unlink()
    os.mkfifo(campaign / "report.html")  # of which nobody reads
    done = run_command(main, "report", campaign)
    assert done.returncode == 2 and "report.html is not a regular file" in done.stderr
    for place in ("lock", "work", "."):
        (tmp_path / "other" / "triage").mkdir(parents=True)
        linked = tmp_path / "other" / "triage" / place
        if linked.is_dir():
            linked.rmdir()
        linked.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(UserError, match="is a link"):
            TriageFolder(tmp_path / "other")
        with pytest.raises(UserError, match="is a link"):
            keep_wheels(tmp_path / "other", {})
        shutil.rmtree(tmp_path / "other")


def test_what_can_not_be_written_is_one_line(campaign: Path, tmp_path: Path) -> None:
    (tmp_path / "campaign.sqlite3").write_bytes((campaign / "campaign.sqlite3").read_bytes())
    (tmp_path / "triage").write_text("a file in the place of the folder")
    done = run_command(main, "triage", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "triage can't be written" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_second_triage_of_one_campaign_waits_for_the_first(campaign: Path) -> None:
    folder = TriageFolder(campaign)
    try:
        done = run_command(main, "triage", campaign)
        assert (done.returncode, done.stdout) == (2, "")
        assert "another triage is at work in" in done.stderr
    finally:
        folder.close()


def test_known_issues_are_printed_with_those_of_the_user_first(tmp_path: Path) -> None:
    own = {"name": "ours", "reference": "#7", "why": "we know", "kinds": ["crash"]}
    path = tmp_path / "known.json"
    path.write_text(json.dumps([{**own, "signature": "^crash"}]))
    done = run_command(main, "triage", "--known", "--known-issues", path, "--json")
    listed = json.loads(done.stdout)
    assert [each["name"] for each in listed] == ["ours", *(each.name for each in KNOWN_ISSUES)]
    path.write_text(done.stdout)  # what it prints is what it reads
    assert run_command(main, "triage", "--known", "--known-issues", path).returncode == 0


def known_text(signature: str) -> str:
    own = {"name": "ours", "reference": "#7", "why": "we know", "kinds": ["crash"]}
    return json.dumps([{**own, "signature": signature}])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "must hold a list"),
        ("[1]", "issue 0: it needs name"),
        ('[{"name": "x"}]', "issue 0: it needs name"),
        ("[", "is not JSON"),
        (known_text("a{99999999999}"), "issue 0: the repetition number is too large"),
        (known_text("(" * 9999 + ")" * 9999), "issue 0: maximum recursion depth"),
    ],
)
def test_a_broken_file_of_known_issues_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "known.json"
    path.write_text(text)
    done = run_command(main, "triage", "--known", "--known-issues", path)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_only_the_sandbox_loads_tvm() -> None:
    code = "import sys, tzer.cli, tzer.triage.run, tzer.triage.issue_text, tzer.triage.collect; "
    code += "print('tvm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_a_folder_of_cases_is_triaged_while_nothing_says_what_they_show(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(case_with(5).to_json())
    (tmp_path / "b.json").write_text("{}")
    (finding,), (note,) = findings_of(tmp_path, ())
    assert finding.case == case_with(5) and "b.json is left out" in note
    assert findings_of(tmp_path, (finding.id,))[0] == [finding]
    with pytest.raises(UserError, match="0 cases have an id"):
        findings_of(tmp_path, ("nothing",))


def test_findings_are_read_while_a_campaign_writes(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path, {"tvm": "0.27.99 (blocks 2)"}) as store:
        store.add_finding(case_with(5), Verdict(Kind.CRASH, True, "x", "crash|x"), 1, False)
        (finding,), (note,) = findings_of(tmp_path, ())
    assert not finding.confirmed and "the campaign is of TVM 0.27.99, and this is 0.27" in note


def test_a_campaign_of_another_release_is_left_alone(tmp_path: Path) -> None:
    """Its modules end in errors and deaths of the loader, which are no findings; and what is there
    was made with that release."""
    with Store.create_or_resume(tmp_path, {"tvm": "0.1.2 (blocks 2)"}) as store:
        store.add_finding(case_with(5), Verdict(Kind.CRASH, True, "x", "crash|x"), 1, True)
    folder = TriageFolder(tmp_path)
    folder.publish([TriageResult("01", "crash", Status.REPORTED, "", "s")], {"01": ("a", "b")})
    folder.close()
    for command in ("triage", "minimize"):
        done = run_command(main, command, tmp_path, *["0"][: command == "minimize"])
        assert done.returncode == 2 and "the campaign is of TVM 0.1.2" in done.stderr
    assert (tmp_path / "triage" / "01.py").read_text() == "a"


def test_what_was_done_before_an_interrupt_is_published(
    campaign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "campaign.sqlite3").write_bytes((campaign / "campaign.sqlite3").read_bytes())
    interrupt = lambda lines, result: os.kill(os.getpid(), signal.SIGINT)  # noqa: E731
    monkeypatch.setattr(ProgressLines, "done", interrupt)
    done = run_command(main, "triage", tmp_path)
    assert done.returncode == 130 and "interrupted; run it again" in done.stderr
    known = [result.status for result in read_index(tmp_path).values()]
    assert known == [Status.KNOWN] * 3 and len(done.stdout.splitlines()) == 3


def test_a_full_disk_is_no_fault_of_a_script() -> None:
    """A limit to the size of files stands for it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large: '/.*tzer-script-"):
            exit_status("print('x' * 100)", lambda: False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_a_finding_says_stays_text_in_an_issue() -> None:
    hostile = (
        "```\n# <script>alert(1)</script> [link](http://x) `code` @name #1 &lt; http://y \u2028"
    )
    result = TriageResult("0123abcd", "crash", Status.REPORTED, "", "s", hostile, target=hostile)
    for kind in (Kind.ROUND_TRIP, Kind.CRASH, Kind.INVALID_CODEGEN):
        verdict = Verdict(kind, False, hostile, hostile, hostile, detail={"backtrace": hostile})
        case = replace(case_with(5), passes=(PassCall("tirx.X", (hostile,)),))
        script = f"x = 1\n{hostile}\n"
        reproducer = Reproducer(script, "it compiles.", hostile)
        text = issue_text(result, Smaller(case, verdict), reproducer, "0.27")
        outside, fence = [], ""
        for line in text.splitlines():
            if line.startswith("```") and (not fence or line == fence):
                fence = "" if fence else line.removesuffix("python")
            elif not fence:
                outside.append(line)
        # Without what is escaped, and without code within a line, nothing of it is markup.
        shown = re.sub(r"\\.|`[^`\n]*`", "", "\n".join(outside)).removeprefix("# [Bug]")
        assert not fence and not re.search(r"[<`\[@&]|://|#\d|\u2028", shown), text
        assert len(outside[0]) < 200


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Check failed: (value == 0) is false: 2 exceeds range of bool", "2 exceeds range of bool"),
        ("Check failed: seq.size() != 1 (1 vs. 1) : A SeqStmt", "A SeqStmt"),
        ("Check failed: a == b (0x559587f97330 vs. 0x559587f40750) :", "… a == b (0x… vs. 0x…) :"),
        ("'key is not in Map'", "'key is not in Map'"),
        ("x" * 200, "xxxxx…"),
    ],
)
def test_a_title_says_what_a_check_says_and_no_address(message: str, said: str) -> None:
    result = TriageResult("01", "internal-error", Status.REPORTED, "", "s")
    title = title_of(result, Verdict(Kind.INTERNAL_ERROR, True, message, pass_name="tirx.X"))
    begin = "[Bug] `tirx.X` fails on a valid program: `"
    assert title.startswith(begin) and title.endswith(f"{said.removeprefix('… ')}`")
    assert len(title) <= 125 and (said[0] == "…" or said[-1] == "…" or title == f"{begin}{said}`")


@pytest.mark.parametrize(
    ("place", "title"),
    [
        ("tirx.StmtSimplify", "`tirx.StmtSimplify` crashes"),
        ("build", "code generation for `llvm` crashes"),
        ("", "the compiler crashes"),
        ("{0}{target}", "`{0}{target}` crashes"),
    ],
)
def test_a_title_says_where(place: str, title: str) -> None:
    result = TriageResult("01", "crash", Status.REPORTED, "", "s", target="llvm")
    assert title_of(result, Verdict(Kind.CRASH, pass_name=place)) == f"[Bug] {title}"


def test_an_issue_has_the_sections_of_tvms_template(report: TriageReport) -> None:
    (each,) = (each for each in report.examined if each.result.status is Status.REPORTED)
    assert each.smaller is not None
    reproducer = report.reproducers[each.result.id]
    text = issue_text(each.result, each.smaller, reproducer, "0.27.0")
    titles = [line for line in text.splitlines() if line.startswith("### ")]
    assert [title.removeprefix("### ") for title in titles] == [
        "Expected behavior",
        "Actual behavior",
        "Environment",
        "Steps to reproduce",
        "Triage",
    ]
    assert reproducer.script in text and "Passes: `tirx.StmtSimplify()`" in text
    assert reproducer.program is not None and reproducer.program.strip() in text
    assert "seen in 6 of 6 fresh processes" in text
    frames = list(frames_that_matter(each.smaller.verdict))
    assert frames[0].startswith("src/ir/expr.cc:") and 2 <= len(frames) <= 8
    assert not any("Mutator" in frame or "python" in frame for frame in frames)
