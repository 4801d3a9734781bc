"""Records are kept, shared between processes, and move as text; bad ones are refused by line."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitweb.errors import JitwebError
from jitweb.records import (
    FAILED,
    OK,
    RECORDS,
    STATUSES,
    DeviceSpeed,
    Record,
    Records,
    device_key,
    from_lines,
    to_lines,
)

ROOT = Path(__file__).resolve().parents[2]
RECORD = Record("task", "wasm", "{}", "tvm 1", "rows width=4", OK, 1.5, 1.75)

texts = st.text(max_size=20)  # of whole characters, as a file in UTF-8 has them
times = st.floats(1e-6, 1e6)
measured = st.builds(Record, texts, texts, texts, texts, texts, st.just(OK), times, times)
failed = st.builds(
    Record, texts, texts, texts, texts, texts, st.sampled_from([s for s in STATUSES if s != OK])
)


@given(st.lists(measured | failed, max_size=5))
def test_records_come_back_from_text(records: list[Record]) -> None:
    assert list(from_lines(to_lines(records))) == records


def test_the_fastest_comes_first_and_failures_last(tmp_path: Path) -> None:
    slow = replace(RECORD, candidate="slow", min_ms=3.0)
    bad = replace(RECORD, candidate="bad", status=FAILED, min_ms=None, median_ms=None)
    other = replace(RECORD, device="other")
    with Records(tmp_path / "r.sqlite3") as records:
        assert records.add([bad, slow, RECORD, other]) == 4
        assert records.of_task("task", "wasm", "{}", "tvm 1") == [RECORD, slow, bad]
        records.add([replace(RECORD, min_ms=1.0)])
        assert len(records.all()) == 4


def test_a_device_keeps_its_speed(tmp_path: Path) -> None:
    with Records(tmp_path / "r.sqlite3") as records:
        assert records.speed("d", "wasm") is None
        records.set_speed("d", "wasm", DeviceSpeed(50.0, 10.0, 0.01))
        records.set_speed("d", "webgpu", DeviceSpeed(900.0, 100.0, 0.1))
    with Records(tmp_path / "r.sqlite3") as records:
        assert records.speed("d", "wasm") == DeviceSpeed(50.0, 10.0, 0.01)
        assert records.speed("d", "webgpu") == DeviceSpeed(900.0, 100.0, 0.1)


def test_the_longest_search_is_kept(tmp_path: Path) -> None:
    where = ("wasm", "{}", "tvm 1")
    with Records(tmp_path / "r.sqlite3") as records:
        assert records.searched("a", *where) is None
        for seconds in (3.0, math.inf, 30.0):
            records.set_searched(["a", "b"], *where, seconds)
        assert records.searched("a", *where) == math.inf
        assert records.searched("c", *where) is None


def test_records_of_the_first_version_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite3"
    database = sqlite3.connect(path)
    database.executescript(
        RECORDS + "create table devices (device text primary key, fma_gflops real);"
        "pragma user_version = 1;"
    )
    database.close()
    with Records(path) as records:
        records.add([RECORD])
        assert records.speed("d", "wasm") is None
    with Records(path) as records:
        assert records.all() == [RECORD]


def test_equal_fingerprints_have_equal_keys() -> None:
    assert device_key({"a": "1", "b": "2"}) == device_key({"b": "2", "a": "1"})
    assert device_key({"a": "1"}) != device_key({"a": "2"})


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "{}", '{"task": 1}', *to_lines([replace(RECORD, min_ms=None)])]
    + list(to_lines([replace(RECORD, status="fine")]))
    + list(to_lines([replace(RECORD, status=FAILED)]))
    + list(to_lines([replace(RECORD, min_ms=bad) for bad in (0.0, -1.0, math.inf, math.nan)]))
    + list(to_lines([replace(RECORD, task="\ud800")]))
    + [next(to_lines([RECORD])).replace("1.5", "9" * 400), "[" * 100_000],
)
def test_what_is_no_record_is_named_by_its_line(line: str) -> None:
    with pytest.raises(JitwebError, match="line 2 is not a record"):
        list(from_lines([*to_lines([RECORD]), line]))


def test_another_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite3"
    database = sqlite3.connect(path)
    database.execute("create table notes (text)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(JitwebError, match="another program"):
        Records(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"hello, world" * 100])
def test_a_file_that_is_no_database_is_refused_or_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.sqlite3"
    path.write_bytes(content)
    if content:
        with pytest.raises(JitwebError, match="--records"):
            Records(path)
    else:
        Records(path).close()


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite3"
    Records(path).close()
    database = sqlite3.connect(path)
    database.execute("pragma user_version = 99")
    database.close()
    with pytest.raises(JitwebError, match="newer"):
        Records(path)


def test_processes_may_write_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom dataclasses import replace\n"
        "from tests.jitweb.test_records import RECORD\nfrom jitweb.records import Records\n"
        "with Records(Path(sys.argv[1])) as records:\n"
        "    for n in range(50):\n"
        "        records.add([replace(RECORD, candidate=f'{sys.argv[2]} {n}')])\n"
    )
    path = tmp_path / "r.sqlite3"
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=ROOT)
        for name in ("a", "b", "c")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with Records(path) as records:
        assert len(records.all()) == 150


@pytest.mark.parametrize("time", [-1.0, 0.0, 1e308, float("inf"), "one", b"1"])
def test_times_that_can_not_be_are_refused_wherever_they_come_from(
    tmp_path: Path, time: object
) -> None:
    path = tmp_path / "r.sqlite3"
    record = Record("task", "wasm", "device", "compiler", "candidate", "ok", 1.0, 1.0)
    with Records(path) as records:
        records.add([record])
        records._database.execute("update records set min_ms = ?", [time])
        with pytest.raises(JitwebError, match="name another file with --records"):
            records.all()
        with pytest.raises(JitwebError, match="name another file with --records"):
            records.of_task("task", "wasm", "device", "compiler")
    line = json.dumps({**asdict(record), "median_ms": None if time == b"1" else time})
    with pytest.raises(JitwebError, match="line 1 is not a record"):
        list(from_lines([line]))
