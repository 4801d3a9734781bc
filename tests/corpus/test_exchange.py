"""A corpus leaves as text and comes back; what is not a corpus is refused, and changes nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import exchange
from corpus.exchange import ImportFailed, add_cases, export_lines, read_cases
from corpus.merge import add_entries, check_same_tvm, distilled
from corpus.store import Store, StoreError
from harness.case import Case, PassCall, PrimitiveCall

NOTHING = np.empty(0, np.uint32)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts
cases = st.builds(
    Case,
    texts,
    st.lists(st.builds(PassCall, st.just("tirx.X"), st.tuples(scalars))).map(tuple),
    st.sampled_from(["llvm", "c"]),
    st.integers(0, 4),
    st.integers(0, 2**63 - 1),
    texts,
    st.lists(st.builds(PrimitiveCall, st.just("split"), st.tuples(scalars)), max_size=3).map(tuple),
)


def text_of(store: Store) -> str:
    return "".join(f"{line}\n" for line in export_lines(store))


def read(text: str | bytes) -> list[exchange.PackedCase]:
    return read_cases(io.BytesIO(text.encode() if isinstance(text, str) else text), "a file")


@given(st.lists(cases, max_size=6))
def test_what_is_exported_is_json_and_comes_back(kept: list[Case]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        with Store.create_or_resume(Path(folder) / "a") as store:
            for case in dict.fromkeys(kept):
                store.add_entry(case, NOTHING, None)
            text = text_of(store)
        assert [Case.from_json(json.dumps(each)) for each in json.loads(text)] == list(
            dict.fromkeys(kept)
        )
        with Store.create_or_resume(Path(folder) / "b") as store:
            assert add_cases(store, read(text)) == len(set(kept))
            assert text_of(store) == text
            assert add_cases(store, read(text)) == 0
            assert not any(entry.judged for entry in store.entries())


def test_lines_of_cases_alone_and_several_corpora_in_a_row_are_read() -> None:
    one, other = Case("one").to_json(), Case("other").to_json()
    for text in (f"{one}\n{other}", f"[\n{one}\n]\n[\n{other}\n]\n", f"[\n{one},\n{other}\n]"):
        assert [each.unpack().module for each in read(text)] == ["one", "other"]


DEEP = "[" * 100_000
CASE = json.loads(Case("module", (PassCall("tirx.X"),)).to_json())


def changed(**fields: object) -> str:
    return json.dumps(CASE | fields)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not a case"),
        ("7", "not a case"),
        (DEEP, "nested too deeply"),
        (b"\xff\xfe", "not a case"),
        ("\x00", "not a case"),
        ("9" * 5000, "not a case"),
        ('{"case": {}}', "not a case"),
        (changed(module="\udc80"), "surrogate"),
        (changed(module=["a"]), "the module must be a string"),
        (changed(format=99), "of another format"),
        (changed(more=1), "not a case"),
        (changed(target="../llvm"), "the target must be a name"),
        (changed(passes=[{"name": "os.system;", "args": []}]), "a pass has a name"),
        (changed(passes=[{"name": "tirx.X", "args": [{}]}]), "JSON scalars"),
        (changed(input_seed=-1), "input_seed"),
        (changed(trace=[{"name": "__x__", "args": [], "function": "main"}]), "primitive has"),
        (changed(trace=[{"name": "split", "args": [], "function": "a b"}]), "function's name"),
        (changed(origin="x" * 2000), "origin"),
    ],
)
def test_a_line_that_is_no_case_is_named(line: str | bytes, words: str) -> None:
    text = line if isinstance(line, bytes) else line.encode()
    with pytest.raises(ImportFailed, match="^a file, line 2: ") as caught:
        read(Case("first").to_json().encode() + b"\n" + text)
    assert words in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_what_has_no_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LONGEST_LINE", 1000)
    monkeypatch.setattr(exchange, "MOST_BYTES", 5000)
    with open("/dev/zero", "rb") as endless, pytest.raises(ImportFailed, match="longer than"):
        read_cases(endless, "zeros")
    with pytest.raises(ImportFailed, match="is larger than"):
        read(f"{Case('x' * 500).to_json()}\n" * 20)
    monkeypatch.setattr(exchange, "MOST_LINES", 100)
    with pytest.raises(ImportFailed, match="more than 100 lines"):
        read("\n" * 200)


def blocks(*ids: int) -> np.ndarray:
    return np.array(ids, np.uint32)


@pytest.fixture
def source(tmp_path: Path) -> Store:
    store = Store.create_or_resume(tmp_path / "source", {"tvm": "1"})
    for module, reached in (("a", (1, 2)), ("b" * 50, (1, 2)), ("c", (2, 3)), ("d", ())):
        store.add_entry(Case(module), blocks(*reached), None)
    store.add_coverage(blocks(1, 2, 3, 9), [("x.py", 1)])
    store.record_progress({"seeds_finished": True, "counts": {"tests": 5}})
    return store


def test_a_distilled_corpus_reaches_the_same_and_goes_on(source: Store, tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "new", source.settings()) as new:
        assert add_entries(new, source, distilled(source)) == 2
        assert [new.case(entry.id).module for entry in new.entries()] == ["a", "c"]
        reached = set(np.concatenate([entry.blocks for entry in new.entries()]).tolist())
        assert reached == {1, 2, 3}
        assert new.coverage()[0].tolist() == [1, 2, 3, 9] and new.coverage()[1] == {("x.py", 1)}
        assert new.progress() == {"seeds_finished": True}
        assert all(entry.judged for entry in new.entries())


def test_what_was_imported_and_not_run_is_distilled_as_well(source: Store) -> None:
    add_cases(source, read(Case("e").to_json()))
    assert {source.case(each).module for each in distilled(source)} == {"a", "c", "e"}


def test_a_corpus_of_unknown_coverage_is_not_distilled_to_nothing(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c") as store:
        store.add_entry(Case("a"), NOTHING, None)
        with pytest.raises(StoreError, match="tzer doctor"):
            distilled(store)


def test_merging_adds_each_case_once(source: Store, tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "other", source.settings()) as other:
        other.add_entry(Case("a"), blocks(1), None)
        other.add_entry(Case("f"), blocks(7), None)
        assert add_entries(other, source) == 3
        assert add_entries(other, source) == 0
        assert len(list(other.entries())) == 5


def test_blocks_of_another_tvm_are_not_mixed(source: Store, tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "other", {"tvm": "2"}) as other:
        with pytest.raises(StoreError, match="is of TVM 1.*of 2; export the one, and import"):
            check_same_tvm(source, other)


def test_a_removed_entry_takes_its_module_along_if_nothing_else_needs_it(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "c") as store:
        first = store.add_entry(Case("a"), NOTHING, None)
        second = store.add_entry(Case("a", input_seed=1), NOTHING, None)
        store.remove_entry(first)
        assert store.case(second).module == "a"
        store.remove_entry(second)
        store.remove_entry(second)
        assert not list(store.entries())
    import sqlite3

    database = sqlite3.connect(tmp_path / "c" / "campaign.sqlite3")
    assert database.execute("select count(*) from modules").fetchone() == (0,)
    database.close()
