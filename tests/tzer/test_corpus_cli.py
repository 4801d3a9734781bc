"""`tzer corpus` as a user types it: corpora pass through pipes, and bad ones change nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corpus.entries import NOT_JUDGED
from corpus.store import Store
from harness.case import Case, PassCall, module_text
from tests import programs
from tests.command import run_command
from tests.tzer.campaign_process import options_for
from tzer.campaign import run_campaign
from tzer.cli import main
from tzer.cov import tvm_release

ROOT = Path(__file__).resolve().parents[2]
PASSES = (PassCall("s_tir.CanonicalizeLoop"),)


def tzer(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_command(main, "corpus", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign's folder with three entries, of which two reach everything."""
    path = tmp_path_factory.mktemp("store") / "campaign"
    modules = [module_text(each()) for each in (programs.scaled_sum, programs.matmul)]
    with Store.create_or_resume(path, {"tvm": tvm_release()}) as store:
        for case, ids in (
            (Case(modules[0], PASSES), (1, 2)),
            (Case(modules[0]), (1, 2)),
            (Case(modules[1]), (3,)),
        ):
            store.add_entry(case, np.array(ids, np.uint32), None)
    return path


def modules_of(folder: Path) -> list[Case]:
    with Store.open(folder) as store:
        return [store.case(entry.id) for entry in store.entries()]


def test_a_corpus_goes_through_a_pipe(folder: Path, tmp_path: Path) -> None:
    command = f"'{sys.executable}' -c 'from tzer.cli import main; main()' corpus"
    new = tmp_path / "new"
    done = subprocess.run(
        f"{command} export '{folder}' | {command} import '{new}' -",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"3 of 3 cases added to {new}; tzer fuzz judges them\n"
    assert modules_of(new) == modules_of(folder)
    assert json.loads(tzer("export", new).stdout) == json.loads(tzer("export", folder).stdout)


def test_a_distilled_folder_is_a_campaign_of_its_own(folder: Path, tmp_path: Path) -> None:
    done = tzer("distill", folder, "-o", tmp_path / "new", "--json")
    assert json.loads(done.stdout) == {"entries": 3, "kept": 2, "added": 2}
    with Store.create_or_resume(tmp_path / "new") as store:
        assert store.settings()["tvm"] == tvm_release()


def test_several_campaigns_are_merged_each_case_once(folder: Path, tmp_path: Path) -> None:
    tzer("distill", folder, "-o", tmp_path / "a")
    assert tzer("merge", folder, tmp_path / "a", "-o", tmp_path / "b").returncode == 0
    assert len(modules_of(tmp_path / "b")) == 3


def refused(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr


def test_a_program_that_calls_out_is_not_imported(tmp_path: Path) -> None:
    from tvm import tirx

    call = tirx.Evaluate(tirx.call_extern("int32", "system", "true"))
    import tvm

    function = tirx.PrimFunc([], call).with_attr("global_symbol", "main")
    hostile = Case(module_text(tvm.IRModule({"main": function})))
    for case, words in (
        (hostile, "the case in line 2 can't be imported: the program calls out of itself"),
        (Case('{"root_index": 0, "nodes": []}'), "the case in line 2 can't be imported: TVM"),
    ):
        good = Case(module_text(programs.matmul()))
        (tmp_path / "cases").write_text(f"{good.to_json()}\n{case.to_json()}\n")
        refused(tzer("import", tmp_path / "new", tmp_path / "cases"), words)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "/nowhere"], "no campaign in /nowhere"),
        (["import", "{tmp}", "/nowhere"], "/nowhere can't be read"),
        (["import", "{tmp}", "{tests}"], "it is not a regular file"),
        (["import", "{tmp}", "{tests}/conftest.py"], "line 1: not a case"),
        (["import", "{tmp}"], "Missing argument"),
        (["distill", "{folder}"], "Missing option"),
        (["distill", "{folder}", "-o", "{folder}"], "give another folder with -o"),
        (["distill", "{folder}", "-o", "{tests}"], "holds other files"),
        (["merge", "{folder}", "/nowhere", "-o", "{tmp}"], "no campaign in /nowhere"),
        (["merge", "{folder}", "{other}", "-o", "{tmp}"], "is of TVM 0.25"),
        (["merge", "-o", "{tmp}"], "Missing argument"),
    ],
)
def test_wrong_use_is_one_line_and_changes_nothing(
    folder: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    other = tmp_path / "other"
    Store.create_or_resume(other, {"tvm": "0.25"}).close()
    places = {"folder": folder, "tmp": tmp_path / "new", "tests": ROOT / "tests", "other": other}
    refused(tzer(*(argument.format(**places) for argument in arguments)), words)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_a_campaign_writes_to_is_not_imported_into(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "cases").write_text("[\n]\n")
    with Store.create_or_resume(folder):
        refused(tzer("import", folder, tmp_path / "cases"), "another campaign is writing to")
        assert tzer("export", folder).returncode == 0


@pytest.mark.native
def test_a_campaign_judges_what_was_imported_and_keeps_what_is_new(tmp_path: Path) -> None:
    nothing = np.empty(0, np.uint32)
    good, bad = Case(module_text(programs.matmul())), Case(module_text(programs.store_at(_beyond)))
    with Store.create_or_resume(tmp_path / "c", {"tvm": tvm_release()}) as store:
        for case in (good, bad):
            store.add_entry(case, nothing, None, NOT_JUDGED)
        store.record_progress({"seeds_finished": True})
        run_campaign(options_for(tmp_path / "c", None, tests=2), store)
        entries = list(store.entries())
        assert [store.case(entry.id).module for entry in entries] == [good.module]
        assert entries[0].judged and entries[0].blocks.size > 100


def _beyond(index: object) -> object:
    return index + 7  # type: ignore[operator]
