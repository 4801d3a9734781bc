"""Files and arguments that no honest user passes: each is one line and exit status 2, at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jitweb.cli import main
from jitweb.errors import JitwebError
from jitweb.npz import read_npz
from jitweb.records import OK, Record, Records, to_lines

PAGEMAP = Path("/proc/self/pagemap")
RECORD = Record("task", "wasm", "{}", "tvm 1", "rows width=4", OK, 1.5, 1.75)
ENDLESS = "with recursive n (i) as (select 1 union all select i + 1 from n) select i from n"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A pipe, a sparse file of 10 GB, and archives that are larger than they look."""
    names = ("pipe", "huge", "bomb.npz", "lies.npz", "empty.npz")
    paths = {name.removesuffix(".npz"): tmp_path / name for name in names} | {"tmp": tmp_path}
    os.mkfifo(paths["pipe"])
    with open(paths["huge"], "wb") as file:
        file.truncate(10 << 30)
    with zipfile.ZipFile(paths["bomb"], "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, b"")
    content = bytearray(paths["bomb"].read_bytes())
    for found in re.finditer(rb"PK\x01\x02", content):  # sizes in the directory
        content[found.start() + 24 : found.start() + 28] = b"\xf0\xff\xff\xff"
    paths["bomb"].write_bytes(content)
    with zipfile.ZipFile(paths["lies"], "w") as archive:
        shape = "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,), }"
        archive.writestr(
            "x.npy", b"\x93NUMPY\1\0" + len(shape).to_bytes(2, "little") + shape.encode()
        )
    paths["empty"].touch()
    # A regular file without a size, which the kernel makes up without an end.
    paths["endless"] = PAGEMAP if PAGEMAP.exists() else paths["empty"]
    return paths


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (f"tune m.onnx --shape x=1x{'9' * 5000}", "is not a shape"),
        (f"tune m.onnx --shape x={'0' * 5000}1", "is not a shape"),
        (f"tune m.onnx --shape x={'x'.join('1' * 99)}", "is not a shape"),
        (f"tune m.onnx --budget {'9' * 5000}s", "give one such as"),
        ("tune m.onnx --device http://[::1", "is not an address to serve at"),
        ("tune {pipe} --device none", "is not a regular file"),
        ("tune {huge} --device none", "is larger than 2 GiB"),
        ("tune {endless} --device none", "is empty; download it again"),
        ("inspect {endless}", "is empty; download it again"),
        ("inspect {pipe}", "is not a regular file"),
        ("tune m.onnx --records /dev/zero", "it is not a regular file"),
        ("tune m.onnx --records {pipe}", "it is not a regular file"),
        ("tune m.onnx --records {endless}", "can't be used for records"),
        ("run {tmp} -o y --input /dev/zero", "can't be read as .npz (it is not a regular file)"),
        ("run {tmp} -o y --input {pipe}", "can't be read as .npz (it is not a regular file)"),
        ("run {tmp} -o y --input {endless}", "can't be read as .npz"),
        ("run {tmp} -o y --input {huge}", "can't be read as .npz (it is larger than 4096 MiB)"),
        ("run {tmp} -o y --input {lies}", "can't be read as .npz"),
        ("run {tmp} -o y --input {empty}", "can't be read as .npz"),
        ("records import /dev/zero", "it is not a regular file"),
        ("records import {pipe}", "it is not a regular file"),
        ("records import {tmp}", "it is not a regular file"),
        ("records import {huge}", "it is larger than 256 MiB"),
        ("records export /dev/full --records {tmp}/r", "No space left on device"),
        ("records export {tmp}/none/file --records {tmp}/r", "No such file"),
        ("records export a\0b", "null character"),
    ],
)
def test_each_is_one_line_and_status_two(
    files: dict[str, Path],
    command: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(files["tmp"])
    with Records(files["tmp"] / "r") as records:
        records.add([RECORD])
    monkeypatch.setenv("JITWEB_RECORDS", str(files["tmp"] / "mine"))
    monkeypatch.setattr(sys, "argv", ["jitweb", *command.format(**files).split(" ")])
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().err.splitlines()
    assert (ended.value.code, len(lines)) == (2, 1), lines
    assert words in lines[0] and len(lines[0]) < 1000


def test_an_archive_is_no_larger_than_memory(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(JitwebError, match="larger than 4 GiB"):
        read_npz(files["bomb"])
    np.savez(tmp_path / "fine.npz", x=np.arange(3))
    assert read_npz(tmp_path / "fine.npz")["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "statement",
    [
        f"drop table records; create view records as {ENDLESS}",
        "create trigger t after insert on records begin delete from records; end",
        "alter table records add column more",
        "update records set min_ms = 'soon'",
        "update records set min_ms = 1e308",
        "update records set candidate = cast(zeroblob(99999) as text)",
        "update records set status = 'fine'",
    ],
)
def test_records_of_another_form_are_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "r.sqlite3"
    with Records(path) as records:
        records.add([RECORD])
    database = sqlite3.connect(path)
    database.executescript(statement)
    database.close()
    with pytest.raises(JitwebError) as caught, Records(path) as records:
        records.all()
    assert len(str(caught.value).splitlines()) == 1


def test_records_are_not_opened_with_a_journal_that_names_files_to_delete(tmp_path: Path) -> None:
    Records(tmp_path / "r").close()
    (tmp_path / "r-journal").write_bytes(b"journal")
    with pytest.raises(JitwebError, match="r-journal is not its own; move it away"):
        Records(tmp_path / "r")


def test_a_record_is_a_line_of_a_length_that_one_writes(tmp_path: Path) -> None:
    from jitweb.records import from_lines

    long = json.loads(next(to_lines([RECORD]))) | {"candidate": "x" * 99_000}
    for line in (json.dumps(long), "[" * 90_000, '{"a":' * 200 + "1" + "}" * 200):
        with pytest.raises(JitwebError, match="line 1 is not a record"):
            list(from_lines([line]))


def test_new_records_are_not_written_through_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with Records(tmp_path / "link") as records:  # the user's own link: it leads where it should
        records.add([RECORD])
    assert (tmp_path / "link").is_symlink() and (tmp_path / "mine").is_file()
    shutil.copy(tmp_path / "mine", tmp_path / "copy")
    with Records(tmp_path / "copy") as records:
        assert records.all() == [RECORD]
