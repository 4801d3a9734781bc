"""A store that was damaged, half made or made by someone else gets one clear line, and no more."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.database import describe_error, is_ours
from corpus.encoding import DecodeError, pack_blocks, pack_module, pack_rest, unpack_blocks
from corpus.encoding import unpack_case as unpack
from corpus.schema import FILE
from corpus.store import Store, StoreError
from harness.case import Case, PassCall
from harness.system.sqlite import BoundedConnection
from harness.system.text import LONGEST_LINE
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
            store.finding(finding.id)
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


def one_finding(store: Store) -> None:
    store.finding(store.findings()[0].id)


def progress(field: str) -> str:
    return f"update meta set value = '{{{field}}}' where name = 'progress'"


def learned(field: str) -> str:
    return f"insert or replace into meta values ('learned', '{{{field}}}')"


DEEP = "[" * 100_000
HUGE = "9" * 400  # as a float it is infinite
NESTED = '{"a":' * 40 + "1" + "}" * 40
ENDLESS = "with recursive n (i) as (select 1 union all select i + 1 from n) select i from n"


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("update modules set text = x'00'", one_finding),
        ("delete from modules", one_finding),
        ("update findings set verdict = '[]'", Store.findings),
        ("update findings set kind = 'ghost'", Store.findings),
        ("update findings set rest = '{}'", one_finding),
        ("update findings set id = 'a' || char(27) || '[2J' where first_test = 1", Store.findings),
        ("update findings set count = 'many'", Store.findings),
        ("update findings set first_seconds = 9e999", Store.findings),
        ("update findings set verdict = replace(verdict, '\"m\"', '7')", Store.findings),
        (f"update findings set verdict = '{DEEP}'", Store.findings),
        (f"update findings set verdict = replace(verdict, '{{}}', '{NESTED}')", Store.findings),
        ("update findings set verdict = cast(zeroblob(2000000) as text)", Store.findings),
        (
            "update findings set signature = cast(x'ff' as text) where first_test = 1",
            Store.findings,
        ),
        ("insert or replace into meta values ('settings', '{\"targets\": 3}')", Store.settings),
        (
            "insert or replace into meta values ('settings', '{\"tvm\": [\"0.27\"]}')",
            Store.settings,
        ),
        (f"insert or replace into meta values ('settings', '{DEEP}')", Store.settings),
        (progress('"counts": {"tests": -1}'), Store.progress),
        (progress('"counts": [1]'), Store.progress),
        (progress('"seconds": {"elapsed": 1e400}'), Store.progress),
        (progress('"seeds_done": [[]]'), Store.progress),
        (progress('"scheduler": {"ir": {"x": [1]}}'), Store.progress),
        ("update lines set line = 'x' where line = 1", Store.coverage),
        ("create view v as select 1", Store.stats),
        ("create trigger t after insert on meta begin select 1; end", Store.stats),
        ("create index i on lines (line)", Store.stats),
        ("alter table lines add column more", Store.stats),
        (f"drop table findings; create view findings as {ENDLESS}", Store.findings),
        (f"drop table timeline; create view timeline as {ENDLESS}", Store.timeline),
        ("update meta set value = '{' where name = 'progress'", Store.progress),
        ("update meta set value = '7' where name = 'stats'", Store.stats),
        ("update meta set value = '{\"valid_rate\": null}' where name = 'stats'", Store.stats),
        ("update meta set value = '{\"elapsed_s\": 1e999}' where name = 'stats'", Store.stats),
        (f"update meta set value = '{{\"tests\": {HUGE}}}' where name = 'stats'", Store.stats),
        (progress(f'"seconds": {{"elapsed": {HUGE}}}'), Store.progress),
        (learned('"payoff": {"pass": {"a": [1, 2]}}'), Store.learned),
        (learned('"memory": [[1, 2, "x"]]'), Store.learned),
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
    database.executescript(statement)
    database.close()
    with pytest.raises(StoreError, match="is damaged"), Store.open(tmp_path) as store:
        read(store)  # type: ignore[operator]


def test_a_column_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(DecodeError, match="larger than anything"):
        unpack_blocks(zlib.compress(bytes(65 << 20)))


@given(
    st.lists(st.integers(0, 2**32 - 1)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=99),
)
def test_columns_come_back_as_they_were(blocks: list[int], text: str) -> None:
    ids = np.array(blocks, np.uint32)
    assert np.array_equal(unpack_blocks(pack_blocks(ids)), ids)
    case = Case(text, (PassCall("tirx.X", (1, 2.5, None, True, text)),), "llvm", 3, 4, text)
    assert unpack(pack_module(case), pack_rest(case)) == case


def test_a_campaign_killed_while_it_made_its_folder_starts_anew(tmp_path: Path) -> None:
    half = tmp_path / f".{FILE}.1a2b"
    for path in (tmp_path / "lock", half):
        path.write_bytes(b"half")
        assert is_ours(path)
    with Store.create_or_resume(tmp_path) as store:
        store.record_progress({"tests": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == [half.name, FILE, "lock"]


def test_a_new_store_is_neither_written_nor_locked_through_a_link(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "campaign", tmp_path / "mine"
    folder.mkdir()
    (folder / "lock").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="lock is a link"):
        Store.create_or_resume(folder)
    assert not elsewhere.exists()


def test_a_journal_that_names_files_to_delete_is_not_played_back(
    template: Path, tmp_path: Path
) -> None:
    shutil.copy(template, tmp_path / FILE)
    (tmp_path / f"{FILE}-journal").write_bytes(b"journal")
    for open_store in (Store.open, Store.create_or_resume):
        with pytest.raises(StoreError, match="-journal is not its own; move it away"):
            open_store(tmp_path)


def test_findings_are_listed_without_their_modules(tmp_path: Path) -> None:
    """A module of zeros is a thousand times as large as it is in the file."""
    with Store.create_or_resume(tmp_path) as store:
        for number in range(10):
            case = Case(f"{number}" + " " * (4 << 20))
            store.add_finding(case, Verdict(Kind.CRASH, True, "m", f"s{number}"), 1, True)
    tracemalloc.start()
    with Store.open(tmp_path) as store:
        assert len(store.findings()) == 10
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_message_that_nobody_reads_to_its_end_is_cut(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path) as store:
        long = "x" * (50 << 20)
        store.add_finding(Case("1"), Verdict(Kind.CRASH, True, long, long, long), 1, True)
        (finding,) = store.findings()
    texts = (finding.verdict.message, finding.signature, finding.verdict.pass_name)
    assert [len(text) for text in texts] == [LONGEST_LINE] * 3


@pytest.mark.parametrize("place", ["/dev/zero", "/proc/self/pagemap", "mine", "nothing"])
def test_a_link_in_the_place_of_the_file_is_refused(
    tmp_path: Path, template: Path, place: str
) -> None:
    """A foreign folder may lead to another campaign of the user's, or to a file without an end."""
    shutil.copy(template, tmp_path / "mine")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / FILE).symlink_to(tmp_path / place)
    for open_store in (Store.open, Store.create_or_resume):
        with pytest.raises(StoreError, match=f"{FILE} is a link; name the folder"):
            open_store(tmp_path / "store")
    assert not (tmp_path / "nothing").exists()


def test_a_file_without_content_is_no_store(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    for open_store in (Store.open, Store.create_or_resume):
        with pytest.raises(StoreError, match="it is empty"):
            open_store(tmp_path)


def test_a_query_without_an_end_is_ended(template: Path) -> None:
    database = BoundedConnection(template, "mode=ro", 1)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        for _ in database.sql.execute(ENDLESS):
            pass
    database.sql.close()


def test_a_value_that_would_fill_the_memory_is_refused(template: Path) -> None:
    database = BoundedConnection(template, "mode=ro", 1)
    with pytest.raises(sqlite3.DataError, match="too big"):
        database.sql.execute("select length(zeroblob(100000000) || 'x')").fetchone()
    database.sql.close()


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
def test_every_error_says_how_to_fix_it(error: Exception, words: str) -> None:
    assert words in describe_error(error, Path("campaign"))


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
