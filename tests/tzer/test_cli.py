"""The commands as a user types them: output that can be piped, errors that say how to fix it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from corpus.store import Store
from harness.case import Case, PassCall, module_text
from harness.verdict import Kind, Stage, Verdict
from tests import programs
from tests.command import run_command
from tzer.cli import main
from tzer.fuzz_cli import print_changes

ROOT = Path(__file__).resolve().parents[2]
STATS = {"tests", "tests_per_second", "valid_rate", "tvm_time_share", "native_blocks"} | {
    "native_blocks_seeds",
    "native_files",
    "python_lines",
    "corpus",
    "findings",
    "elapsed_s",
}
PASSES = (
    PassCall("context.Set", ('{"tirx.UnrollLoop/auto_max_step": 4, "tirx.noalias": false}',)),
    PassCall("s_tir.CanonicalizeLoop"),
)
FINDING = {"id", "kind", "legal", "signature", "message", "pass", "count", "confirmed", "minimized"}


def tzer(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_command(main, *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign's folder with two findings, one legal, and statistics."""
    path = tmp_path_factory.mktemp("store") / "campaign"
    case = Case(module_text(programs.shifted_inner()), PASSES)
    with Store.create_or_resume(path) as store:
        store.add_finding(case, Verdict(Kind.CRASH, False, "it died", "crash|a"), 1, True)
        wrong = Verdict(
            Kind.WRONG_RESULT,
            True,
            "parameter 0[1] is 3, expected 4",
            "wrong-result|b",
            "s_tir.CanonicalizeLoop",
            Stage("legal"),
            {"expected": "4", "actual": "3"},
        )
        store.add_finding(case, wrong, 2, True)
        store.record_stats({"tests": 7})
    return path


def test_stats_are_one_json_value_with_the_documented_keys(folder: Path) -> None:
    done = tzer("stats", folder, "--json")
    assert done.returncode == 0 and done.stderr == ""
    stats = json.loads(done.stdout)
    assert stats.keys() >= STATS
    assert stats["tests"] == 7
    assert stats["findings"] == {"crash": 1, "wrong-result": 1}


def test_findings_come_legal_first_with_the_documented_keys(folder: Path) -> None:
    found = json.loads(tzer("findings", folder, "--json").stdout)
    assert [finding["legal"] for finding in found] == [True, False]
    assert all(finding.keys() >= FINDING for finding in found)


def test_known_issues_come_last_with_their_number(tmp_path: Path) -> None:
    signature = (
        "internal-error|InternalError|src/ir/prim/const_fold.h|fb->value != # Divide by zero"
    )
    known = Verdict(Kind.INTERNAL_ERROR, True, "Divide by zero", signature, "tirx.StmtSimplify")
    other = Verdict(Kind.CRASH, False, "it died", "crash|a")
    with Store.create_or_resume(tmp_path / "campaign") as store:
        for number, verdict in enumerate((known, other)):
            store.add_finding(Case(f"module {number}"), verdict, number, True)
        store.record_stats({"tests": 10, "known_failures": 4})
    found = json.loads(tzer("findings", tmp_path / "campaign", "--json").stdout)
    assert [finding["known"] for finding in found] == [None, "apache/tvm#13348"]
    lines = tzer("findings", tmp_path / "campaign").stdout.splitlines()
    assert "[apache/tvm#13348] Divide by zero" in lines[1] and "#" not in lines[0]
    stats = json.loads(tzer("stats", tmp_path / "campaign", "--json").stdout)
    assert stats["findings"] == {"crash": 1}
    assert stats["known_findings"] == {"float-division-by-zero": 1}
    assert stats["known_failures"] == 4
    lines = tzer("stats", tmp_path / "campaign").stdout.splitlines()
    assert "known      40.0% of the tests ended at known issues: float-division-by-zero" in lines


def test_pay_offs_and_growth_are_in_the_statistics(tmp_path: Path) -> None:
    memory = [[at * 60.0, (1 << 30) + at * 60_000, 5 << 20] for at in range(40)]
    paid = {"mutator": {"split": [4, 90, 1, 3.0]}, "pass": {"tirx.UnrollLoop": [2, 0, 0, 1.0]}}
    with Store.create_or_resume(tmp_path / "campaign") as store:
        store.record_learned({"payoff": paid, "memory": memory})
    stats = json.loads(tzer("stats", tmp_path / "campaign", "--json").stdout)
    best = {"tests": 4, "blocks": 90, "findings": 1, "seconds": 3.0}
    assert stats["payoff"]["mutator"] == {"split": best} and stats["payoff"]["primitive"] == {}
    assert stats["rss_bytes_per_hour"] == pytest.approx(3_600_000)
    assert (stats["store_bytes"], stats["store_bytes_per_hour"]) == (5 << 20, 0)
    lines = tzer("stats", tmp_path / "campaign").stdout.splitlines()
    assert "footprint  1026 MiB of memory, +3 an hour; 5.0 MiB of store, +0.0 an hour" in lines
    assert "  split" in [line[:7] for line in lines]


def test_the_same_for_people(folder: Path) -> None:
    lines = tzer("stats", folder).stdout.splitlines()
    assert "tests      7, 0.0 a second, 0% valid" in lines
    assert "findings   1 wrong-result, 1 crash" in lines
    lines = tzer("findings", folder).stdout.splitlines()
    assert len(lines) == 2
    assert "wrong-result" in lines[0] and "legal" in lines[0]


def test_show_tells_the_whole_finding(folder: Path) -> None:
    finding_id = json.loads(tzer("findings", folder, "--json").stdout)[0]["id"]
    shown = tzer("show", folder, finding_id[:4]).stdout
    for part in ("expected", "s_tir.CanonicalizeLoop()   <- here", "def main(", "first in test 2"):
        assert part in shown


def test_show_as_json_holds_the_case_itself(folder: Path) -> None:
    summary = json.loads(tzer("findings", folder, "--json").stdout)[0]
    shown = json.loads(tzer("show", folder, summary["id"], "--json").stdout)
    assert shown.items() >= summary.items()
    assert shown["detail"] == {"expected": "4", "actual": "3"} and "def main(" in shown["script"]
    case = Case.from_json(json.dumps(shown["case"]))
    assert case.passes == PASSES and case.load() is not None


def test_a_program_that_this_tvm_cannot_load_leaves_the_rest_to_be_shown(tmp_path: Path) -> None:
    case = Case('{"root_index": 1, "nodes": [{"type": "tirx.Unheard"}]}')
    with Store.create_or_resume(tmp_path) as store:
        store.add_finding(case, Verdict(Kind.CRASH, True, "it died", "crash|a"), 1, True)
        finding_id = next(iter(store.findings())).id
    shown = tzer("show", tmp_path, finding_id)
    assert shown.returncode == 0, shown.stderr
    assert "it died" in shown.stdout and "the program can't be shown" in shown.stdout
    assert json.loads(tzer("show", tmp_path, finding_id, "--json").stdout)["script"] is None


def test_an_unknown_pass_is_named_in_a_sentence(tmp_path: Path) -> None:
    case = Case(module_text(programs.shifted_inner()), (PassCall("tirx.NoSuchPass"),))
    with Store.create_or_resume(tmp_path) as store:
        store.add_finding(case, Verdict(Kind.CRASH, True, "it died", "crash|a"), 1, True)
        finding_id = store.findings()[0].id
    done = tzer("repro", tmp_path, finding_id)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tzer: unknown pass 'tirx.NoSuchPass'; ")
    assert len(done.stderr.splitlines()) == 1


def test_a_reproducer_is_written_whole_and_shows_the_bug(folder: Path, tmp_path: Path) -> None:
    finding_id = json.loads(tzer("findings", folder, "--json").stdout)[0]["id"]
    script = tmp_path / "finding.py"
    assert tzer("repro", folder, finding_id, "-o", script).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["finding.py"]
    assert tzer("repro", folder, finding_id).stdout == script.read_text()
    shown = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert shown.returncode == 1, shown.stderr
    assert "expected" in shown.stdout and "came" in shown.stdout
    entries = "Entries({'tirx.UnrollLoop': {'auto_max_step': 4}, 'tirx.noalias': False})"
    assert entries in script.read_text()


def test_a_reproducer_goes_through_links_and_into_pipes_which_stay(
    folder: Path, tmp_path: Path
) -> None:
    finding_id = json.loads(tzer("findings", folder, "--json").stdout)[0]["id"]
    real, link, pipe = tmp_path / "real.py", tmp_path / "link.py", tmp_path / "pipe"
    real.write_text("old")
    link.symlink_to(real)
    assert tzer("repro", folder, finding_id, "-o", link).returncode == 0
    assert link.is_symlink() and real.read_text() == tzer("repro", folder, finding_id).stdout
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert tzer("repro", folder, finding_id, "-o", pipe).returncode == 0
        assert reader.communicate()[0] == real.read_text()
    assert pipe.is_fifo()


def test_what_a_stored_finding_says_is_not_obeyed_by_the_terminal(tmp_path: Path) -> None:
    bad = "\x1b[2Jgone\r\n\udcff\x07\x9b\x7f\u202e\u2066"
    module = module_text(programs.shifted_inner())
    case = Case(module, (PassCall("s_tir.CanonicalizeLoop", (bad,)),), origin=bad)
    detail = {"frames": [[bad, bad, 1]], "expected": bad, "actual": [bad]}
    hostile = Verdict(Kind.CRASH, False, bad, bad, bad, detail=detail)
    with Store.create_or_resume(tmp_path) as store:
        store.add_finding(case, hostile, 1, True)
        finding_id = next(iter(store.findings())).id
    for arguments in (["findings"], ["show", finding_id], ["repro", finding_id], ["stats"]):
        done = tzer(arguments[0], tmp_path, *arguments[1:])
        assert done.returncode in (0, 2), done.stderr
        assert "gone" in done.stdout or arguments[0] in ("repro", "stats")
        assert (done.stdout + done.stderr).replace("\n", "").isprintable()


def test_closed_streams_do_not_lead_into_the_campaign(folder: Path) -> None:
    command = f"'{sys.executable}' -c 'from tzer.cli import main; main()' stats '{folder}'"
    before = {path.name: path.stat().st_size for path in folder.iterdir()}
    done = subprocess.run(f"{command} >&- 2>&- <&-", shell=True, cwd=ROOT)
    assert done.returncode in (0, 2)
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == before


@pytest.mark.parametrize("command", [["--help"], ["fuzz", "--help"], ["--version"]])
def test_help_needs_nothing_heavy(command: Sequence[str]) -> None:
    code = (
        "import sys\nfrom tzer.cli import main\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert not {"tvm", "numpy", "rich", "onnx", "networkx"} & set(done.stderr.split())


def test_reading_a_campaign_does_not_import_tvm(folder: Path) -> None:
    code = (
        "import sys\nfrom tzer.cli import main\n"
        "try: main()\n"
        "finally: print('tvm' in sys.modules, file=sys.stderr)"
    )
    for command in (["stats"], ["findings"], ["cov", "--by", "pass"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *command, str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.stderr.strip() == "False"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats", "/nowhere"], "no campaign in /nowhere"),
        (["findings", "/etc/passwd"], "no campaign"),
        (["show", "{folder}", "ffff"], "no finding has the id ffff"),
        (["repro", "{folder}", "'"], "no finding has the id"),
        (["fuzz", "--time", "soon", "--out", "{tmp}"], "give one such as 90s"),
        (["fuzz", "--time", "0s", "--out", "{tmp}"], "more than nothing"),
        (["fuzz", "--tests", "0", "--out", "{tmp}"], "--tests"),
        (["fuzz", "--target", "z80", "--out", "{tmp}"], "the targets are llvm"),
        (["fuzz", "--target", ",", "--out", "{tmp}"], "names no target"),
        (["fuzz", "--scope", "everything", "--out", "{tmp}"], "the scopes are"),
        (["fuzz", "--strategy", "luck", "--out", "{tmp}"], "joint"),
        (["fuzz", "--out", "/proc/nothing"], "/proc/nothing"),
        (["fuzz", "--out", "{tests}"], "holds other files"),
        (["fuzz", "--out", ""], "the path is empty"),
        (["fuzz", "--ray", "auto", "--out", "{tmp}"], "ray"),
        (["fuzz", "--out", "{folder}/campaign.sqlite3/deeper"], "inside of a file"),
        (["repro", "{folder}", "", "-o", "{tmp}"], "no finding has the id"),
        (["check", "/nowhere"], "/nowhere can't be read"),
        (["check", "{tests}"], "it is not a regular file"),
        (["check", "{tests}/conftest.py"], "is not JSON; tzer show DIR ID --case prints a case"),
        (["check", "{tests}/jitweb/hostile_plans.json"], "not a case"),
        (["frobnicate"], "No such command"),
        (["stats"], "Missing argument"),
    ],
)
def test_wrong_use_is_one_line_and_status_two(
    folder: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    places = {"folder": folder, "tmp": tmp_path / "new", "tests": ROOT / "tests"}
    done = tzer(*(argument.format(**places) for argument in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_campaign_of_another_tvm_is_not_mixed_with_this_one(tmp_path: Path) -> None:
    for settings, words in (({"tvm": "0.25.0"}, "is of TVM 0.25.0"), ({}, "is of TVM unknown")):
        Store.create_or_resume(tmp_path / words, settings).close()
        done = tzer("fuzz", "--tests", "1", "--out", tmp_path / words)
        assert done.returncode == 2
        assert words in done.stderr.splitlines()[-1]


def test_a_campaign_that_goes_on_otherwise_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    began = {"targets": ["llvm"], "scope": ["tirx", "arith"], "strategy": "joint"}
    print_changes(Path("out"), began, {**began, "targets": ("llvm",)})
    assert capsys.readouterr().err == ""
    print_changes(Path("out"), began, {**began, "targets": ("wasm", "c")})
    assert (
        capsys.readouterr().err == "note: out began with --target llvm, and goes on with wasm,c\n"
    )


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", "from tzer.cli import main; main()", "findings", str(folder)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
