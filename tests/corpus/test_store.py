"""The store keeps what it was given, whatever happens to the process or the disk."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.schema import FILE, VERSION
from corpus.store import Store, StoreError
from harness.case import Case, PassCall
from harness.verdict import Kind, Verdict

ROOT = Path(__file__).resolve().parents[2]
KILLS = 12

WRITER = """
import sys, numpy as np
from pathlib import Path
from corpus.store import Store
from harness.case import Case
from harness.verdict import Kind, Verdict
with Store.create_or_resume(Path(sys.argv[1])) as store:
    number = store.progress().get("tests", 0)
    print("ready", flush=True)
    while True:
        number += 1
        with store.transaction():
            store.add_entry(Case(f"module {number}"), np.arange(number, dtype=np.uint32), None)
            store.add_coverage(np.array([number], np.uint32), [("a.py", number)])
            mark = f"crash|{number % 50}"
            verdict = Verdict(Kind.CRASH, signature=mark)
            store.add_finding(Case(f"m{number % 50}"), verdict, number, True)
            store.record_progress({"tests": number})
"""


def crash(signature: str, legal: bool = True) -> Verdict:
    return Verdict(Kind.CRASH, legal, "it died", signature)


def test_an_entry_comes_back_whole(tmp_path: Path) -> None:
    case = Case("a module", (PassCall("tirx.UnrollLoop", (1, "x", None, True)),), "c", 3, 7, "seed")
    blocks = np.array([5, 70_000, 2**31], np.uint32)
    with Store.create_or_resume(tmp_path / "c") as store:
        entry_id = store.add_entry(case, blocks, None)
        child = store.add_entry(case, blocks[:1], entry_id)
    with Store.open(tmp_path / "c") as store:
        entries = list(store.entries())
        assert [entry.parent for entry in entries] == [None, entry_id]
        assert np.array_equal(entries[0].blocks, blocks)
        assert store.case(child) == case
        with pytest.raises(StoreError, match="is missing"):
            store.case(99)


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=20), max_size=5))
def test_coverage_is_the_union_of_what_was_added(parts: list[list[int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with Store.create_or_resume(Path(folder) / "c") as store:
            for part in parts:
                store.add_coverage(np.array(part, np.uint32), [("f.py", n % 7) for n in part])
            blocks, lines = store.coverage()
    assert blocks.tolist() == sorted({n for part in parts for n in part})
    assert lines == {("f.py", n % 7) for part in parts for n in part}


def test_findings_are_grouped_by_signature_legal_ones_first(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c") as store:
        store.add_finding(Case("1"), crash("a", legal=False), 1, True)
        store.add_finding(Case("2"), crash("b", legal=True), 2, True)
        _, new = store.add_finding(Case("3"), crash("a", legal=False), 3, True)
        assert not new
        store.add_finding(Case("4"), crash("c"), 4, False)
        found = store.findings()
        assert [(f.signature, f.legal, f.count) for f in found] == [("b", True, 1), ("a", False, 2)]
        assert store.finding(found[1].id).case.module == "1"
        assert len(store.findings(unconfirmed=True)) == 3
        assert store.findings_by_kind() == {"crash": 2}


def test_a_case_that_tells_more_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c") as store:
        store.add_finding(Case("1"), crash("a", legal=False), 1, False)
        store.add_finding(Case("2"), crash("a", legal=True), 2, True)
        store.add_finding(Case("3"), crash("a", legal=True), 3, True)
        finding = store.finding(store.findings()[0].id)
        assert (finding.case.module, finding.legal, finding.count) == ("2", True, 3)
        assert finding.first_test == 1


def test_a_finding_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c") as store:
        finding, _ = store.add_finding(Case("1"), crash("a"), 1, True)
        assert store.finding(finding.id[:4]).id == finding.id
        for wrong in ("", "zz", "%", "'; drop table findings"):
            with pytest.raises(StoreError, match="no finding has the id"):
                store.finding(wrong)


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c") as store:
        with pytest.raises(ZeroDivisionError), store.transaction():
            store.add_entry(Case("1"), np.empty(0, np.uint32), None)
            raise ZeroDivisionError
        assert not list(store.entries())


def test_settings_are_those_of_the_first_start(tmp_path: Path) -> None:
    for seed in (1, 2):
        with Store.create_or_resume(tmp_path / "c", {"seed": seed}) as store:
            assert store.settings() == {"seed": 1}


def test_a_reader_sees_what_a_campaign_writes(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c") as writer, Store.open(tmp_path / "c") as reader:
        writer.record_progress({"tests": 5})
        assert reader.progress() == {"tests": 5}


def test_two_campaigns_on_one_folder_are_refused(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c"):
        with pytest.raises(StoreError, match="another campaign"):
            Store.create_or_resume(tmp_path / "c")
    Store.create_or_resume(tmp_path / "c").close()


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter one")
    with pytest.raises(StoreError, match="holds other files"):
        Store.create_or_resume(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(StoreError, match="is a file"):
        Store.create_or_resume(tmp_path / "thesis.txt")


def test_a_folder_without_a_campaign_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no campaign in"):
        Store.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to look" * 40])
def test_another_file_under_our_name_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StoreError):
        Store.create_or_resume(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_folder_or_a_pipe_under_our_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / FILE).mkdir(parents=True)
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / FILE)
    for folder in (tmp_path / "a", tmp_path / "b"):
        for way in (Store.create_or_resume, Store.open):
            with pytest.raises(StoreError, match="not a regular file"):
                way(folder)


def test_a_campaign_that_was_deleted_does_not_go_on(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path) as store:
        store.check_place()
        (tmp_path / FILE).unlink()
        with pytest.raises(StoreError, match="deleted or moved"):
            store.check_place()


def test_a_store_of_a_newer_version_is_refused_and_kept(tmp_path: Path) -> None:
    Store.create_or_resume(tmp_path).close()
    database = sqlite3.connect(tmp_path / FILE)
    database.execute(f"pragma user_version = {VERSION + 1}")
    database.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match="newer tzer"):
        Store.create_or_resume(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as raised:
        Store.create_or_resume(tmp_path / "file" / "c")
    assert "\n" not in str(raised.value)
    with pytest.raises(StoreError):
        Store.create_or_resume(Path("/proc/no-campaign"))


def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    with Store.create_or_resume(folder) as store:
        store.add_entry(Case("kept"), np.empty(0, np.uint32), None)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        status = 1
        try:
            with Store.create_or_resume(folder) as store:
                for number in range(10_000):
                    noise = random.Random(number).randbytes(2000).hex()
                    store.add_entry(Case(noise), np.empty(0, np.uint32), None)
        except StoreError as error:
            status = 0 if "can't be written" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with Store.create_or_resume(folder) as store:
        assert store.case(1).module == "kept"


def test_a_kill_at_any_moment_loses_no_finished_transaction(tmp_path: Path) -> None:
    folder, last = tmp_path / "c", 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.random() * 0.1)
        process.kill()
        process.communicate()
        with Store.create_or_resume(folder) as store:
            tests = store.progress().get("tests", 0)
            assert tests >= last
            assert len(list(store.entries())) == tests
            assert len(store.coverage()[0]) == len(store.coverage()[1]) == tests
            assert sum(finding.count for finding in store.findings()) == tests
            last = tests
    assert last > 0
