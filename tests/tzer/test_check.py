"""One case, judged by a command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.store import Store
from harness.case import Case, module_text
from harness.verdict import Kind, Verdict
from seeds.recipe import from_script
from tests import programs

ROOT = Path(__file__).resolve().parents[2]


def tzer(*arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from tzer.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, input=given)


def test_a_case_that_shows_a_bug_is_told_whole_and_ends_with_one(tmp_path: Path) -> None:
    case = Case(module_text(programs.shifted_inner()))
    with Store.create_or_resume(tmp_path) as store:
        store.add_finding(case, Verdict(Kind.CRASH, True, "it died", "crash|a"), 1, True)
        finding_id = store.findings()[0].id
    text = tzer("show", tmp_path, finding_id, "--case").stdout
    assert Case.from_json(text) == case
    done = tzer("check", "-", given=text)
    assert done.returncode == 1, done.stderr
    for part in ("wrong-result, legal", "in         s_tir.CanonicalizeLoop", "expected   4"):
        assert part in done.stdout


def test_a_case_without_a_bug_ends_with_nothing(tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text(Case(module_text(programs.matmul())).to_json())
    done = tzer("check", path, "--json")
    assert (done.returncode, json.loads(done.stdout)["kind"]) == (0, "ok"), done.stderr


def test_a_case_is_judged_on_large_integers_even_if_small_ones_are_fine(tmp_path: Path) -> None:
    case = Case(module_text(from_script(SHIFTED_BYTES)), target="c")
    done = tzer("check", "-", "--json", given=case.to_json())
    found = json.loads(done.stdout)
    assert (done.returncode, found["kind"], found["pass"]) == (1, "wrong-result", "code generation")
    assert found["detail"]["input_seed"] % 2


SHIFTED_BYTES = """
def main(A: T.Buffer((8,), "uint8"), B: T.Buffer((8,), "uint8")):
    for i in range(8):
        B[i] = T.shift_right(T.shift_left(A[i], T.uint8(4)), T.uint8(4))
"""


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_an_invalid_case_is_one_line_and_status_two(option: tuple[str, ...]) -> None:
    case = Case(module_text(programs.store_at(lambda i: i + 1)))
    done = tzer("check", "-", *option, given=json.dumps({"case": json.loads(case.to_json())}))
    assert done.returncode == 2
    said = json.loads(done.stdout)["message"] if option else done.stderr
    assert "out-of-range" in said and len(done.stderr.splitlines()) == 1 - len(option)
