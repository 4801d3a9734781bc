"""A store that was damaged, half made or made by someone else gets one clear line, and no more."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.database import in_words, is_ours
from corpus.encoding import DecodeError, pack_blocks, pack_module, pack_rest, unpack_blocks
from corpus.encoding import unpack_case as unpack
from corpus.schema import FILE
from corpus.store import Store, StoreError
from harness.case import Case, PassCall
from harness.verdict import Kind, Verdict

NOBODY = 65534


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a small campaign, with something in every table."""
    folder = tmp_path_factory.mktemp("template") / "c"
    with Store.create_or_resume(folder, {"seed": 1}) as store:
        for number in range(30):
            case = Case(f"module {number}" * 50, (PassCall("tirx.X", (number,)),))
            store.add_entry(case, np.arange(number * 20, dtype=np.uint32), None)
            store.add_finding(case, Verdict(Kind.CRASH, True, "m", f"s{number}"), number, True)
            store.add_coverage(np.array([number], np.uint32), [("a.py", number)])
        store.record_progress({"tests": 30})
        store.record_stats({"tests": 30})
    return folder / FILE


def read_everything(folder: Path) -> None:
    with Store.open(folder) as store:
        for entry in list(store.entries()):
            store.case(entry.id)
        for finding in store.findings(unconfirmed=True):
            finding.summary()
        store.coverage(), store.settings(), store.progress(), store.stats(), store.timeline()
        store.latest_finding()


def read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_bytes(data)
        try:
            read_everything(Path(folder))
        except StoreError as error:
            assert len(str(error).splitlines()) == 1


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 2**30), st.integers(1, 255)), min_size=1, max_size=20))
def test_flipped_bytes_are_read_or_refused(template: Path, flips: list[tuple[int, int]]) -> None:
    data = bytearray(template.read_bytes())
    for place, bits in flips:
        data[place % len(data)] ^= bits
    read_or_refused(bytes(data))


@settings(max_examples=30)
@given(st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_is_read_or_refused(template: Path, share: float) -> None:
    data = template.read_bytes()
    read_or_refused(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("update modules set text = x'00'", Store.findings),
        ("update findings set verdict = '[]'", Store.findings),
        ("update findings set kind = 'ghost'", Store.findings),
        ("update findings set rest = '{}'", Store.findings),
        ("update meta set value = '{' where name = 'progress'", Store.progress),
        ("update meta set value = '7' where name = 'stats'", Store.stats),
        ("update meta set value = '{\"valid_rate\": null}' where name = 'stats'", Store.stats),
        ("update meta set value = '{\"elapsed_s\": 1e999}' where name = 'stats'", Store.stats),
        ("update entries set rest = 'null'", lambda store: store.case(1)),
        ("update entries set blocks = x'789c'", lambda store: list(store.entries())),
        ("update coverage set blocks = 'text'", Store.coverage),
        ("drop table findings", Store.findings),
        ("drop table meta", Store.settings),
    ],
)
def test_a_broken_column_is_named_as_damage(
    template: Path, tmp_path: Path, statement: str, read: object
) -> None:
    shutil.copy(template, tmp_path / FILE)
    database = sqlite3.connect(tmp_path / FILE)
    with database:
        database.execute(statement)
    database.close()
    with pytest.raises(StoreError, match="is damaged"), Store.open(tmp_path) as store:
        read(store)  # type: ignore[operator]


def test_a_column_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(DecodeError, match="larger than anything"):
        unpack_blocks(zlib.compress(bytes(65 << 20)))


@given(st.lists(st.integers(0, 2**32 - 1)), st.text(st.characters(exclude_categories=["Cs"])))
def test_columns_come_back_as_they_were(blocks: list[int], text: str) -> None:
    ids = np.array(blocks, np.uint32)
    assert np.array_equal(unpack_blocks(pack_blocks(ids)), ids)
    case = Case(text, (PassCall(text, (1, 2.5, None, True, text)),), text, 3, 4, text)
    assert unpack(pack_module(case), pack_rest(case)) == case


def test_a_campaign_killed_while_it_made_its_folder_starts_anew(tmp_path: Path) -> None:
    for name in ("lock", f"{FILE}.new", f"{FILE}.new-journal"):
        (tmp_path / name).write_bytes(b"half")
        assert is_ours(tmp_path / name)
    with Store.create_or_resume(tmp_path) as store:
        store.record_progress({"tests": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, "lock"]


def test_a_reader_where_nobody_may_write_takes_the_file_as_it_is(template: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(template, Path(name) / FILE)
        (Path(name) / FILE).chmod(0o444)
        Path(name).chmod(0o555)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if os.geteuid() == 0:  # root may write even where permissions say no
                    os.setuid(NOBODY)
                read_everything(Path(name))
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert [path.name for path in Path(name).iterdir()] == [FILE]
        Path(name).chmod(0o755)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (sqlite3.OperationalError("database or disk is full"), "free some space"),
        (OSError(28, "No space left on device"), "free some space"),
        (OSError(27, "File too large"), "ulimit"),
        (PermissionError(13, "Permission denied"), "check its permissions"),
        (sqlite3.DatabaseError("database disk image is malformed"), "restore it"),
        (sqlite3.OperationalError("database is locked"), "is busy"),
    ],
)
def test_every_error_says_how_to_mend_it(error: Exception, words: str) -> None:
    assert words in in_words(error, Path("campaign"))


def test_the_timeline_comes_back_in_its_order(tmp_path: Path) -> None:
    point = {"tests": 5, "native_blocks": 7, "python_lines": 9, "corpus": 3}
    with Store.create_or_resume(tmp_path) as store:
        for seconds in (1.5, 3.0):
            store.add_timeline({**point, "elapsed_s": seconds})
        assert [row["elapsed_s"] for row in store.timeline()] == [1.5, 3.0]
        assert store.timeline()[0] == {**point, "elapsed_s": 1.5, "findings": 0}


def test_the_latest_finding_is_the_confirmed_one_of_the_last_test(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path) as store:
        assert store.latest_finding() is None
        for test, confirmed in ((1, True), (5, True), (9, False)):
            verdict = Verdict(Kind.CRASH, True, f"died in {test}", f"s{test}")
            store.add_finding(Case("1"), verdict, test, confirmed)
        latest = store.latest_finding()
        assert latest is not None and latest[1] == "died in 5"
