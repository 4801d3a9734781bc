"""The report in a real browser: it opens from disk, sorts, filters; hostile text stays text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpus.store import EMPTY_STATS, Store
from harness.case import Case, PassCall
from harness.verdict import Kind, Stage, Verdict
from tests.tab import Tab
from tzer.report import programs
from tzer.report.collect import collect, whole_findings
from tzer.report.kept import NAME as KEPT
from tzer.report.kept import keep_programs, read_programs
from tzer.report.page import render
from tzer.report.programs import NOT_HERE
from tzer.triage.result import Status, TriageResult

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror=window.hacked=1>\u2028&lt;b&gt;"
)
BEFORE = '@T.prim_func\ndef main(A: T.Buffer((4,), "float32")):\n    A[0] = A[0] + 1\n    A[1] = 2'
AFTER = BEFORE.replace("A[0] + 1", "A[0]")


def stats(elapsed: float, tests: int, blocks: int) -> dict[str, Any]:
    more = {"elapsed_s": elapsed, "tests": tests, "native_blocks": blocks, "passes_s": elapsed / 2}
    return EMPTY_STATS | more | {"corpus": 3, "python_lines": 5}


def fill(store: Store) -> None:
    """Two hours, four findings, a handful of entries."""
    add_findings(store)
    add_progress(store)


def add_findings(store: Store) -> None:
    kinds = [Kind.CRASH, Kind.WRONG_RESULT, Kind.WRONG_RESULT, Kind.INTERNAL_ERROR]
    for number, kind in enumerate(kinds):
        message = HOSTILE if number == 0 else f"message {number}"
        signature = f"{kind}|{number}" if number < 3 else "x|fb->value != # Divide by zero"
        stage = Stage("legal", "pass", 0, "tirx.StmtSimplify")
        verdict = Verdict(kind, True, message, signature, "tirx.StmtSimplify", stage)
        for _ in range(number + 1):
            store.add_finding(Case("{}", (PassCall("tirx.StmtSimplify"),)), verdict, 5, True, 60.0)


def add_progress(store: Store) -> None:
    for number, (elapsed, blocks) in enumerate([(5.0, 100), (3000.0, 150), (7200.0, 200)]):
        store.add_coverage(np.arange(number * 50, blocks, dtype=np.uint32), [("a.py", number)])
        store.add_timeline(stats(elapsed, 100 * (number + 1), blocks))
        store.add_entry(
            Case("{}", (PassCall("tirx.RemoveNoOp"),)), np.arange(9, dtype=np.uint32), None
        )
    store.record_stats(stats(7200.0, 300, 200))
    store.record_progress(
        {
            "seed": 7, "counts": {}, "seconds": {}, "seeds_finished": True, "seeds_done": [],
            "faults": {}, "shapes": [],
        }
    )  # fmt: skip
    paid = {"mutator": {"loops.split": [4, 40, 1, 2.0], "loops.fuse": [4, 2, 0, 1.0]}}
    store.record_learned({"payoff": paid})


def triage(campaign: Path, finding_id: str) -> None:
    """What triage and bisection leave of a finding, and of one whose id is a path."""
    (campaign / "triage").mkdir()
    result = TriageResult(finding_id, "crash", Status.REPORTED, HOSTILE, "a signature")
    (campaign / "triage" / "index.json").write_text(json.dumps([result.to_data()]))
    (campaign / "triage" / f"{finding_id}.py").write_text(f"print({HOSTILE!r})")
    (campaign / "triage" / f"{finding_id}.md").write_text(f"# {HOSTILE}")
    runs = [{"version": "0.1", "outcome": "shows"}]
    of_all = {finding_id: runs, "../../etc/passwd": runs}
    (campaign / "triage" / "wheels.json").write_text(json.dumps(of_all))


def test_programs_that_were_printed_are_kept_for_the_same_case(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "campaign") as store:
        fill(store)
        found = whole_findings(store)
    first, *rest = found
    printed = {each.id: {"program": HOSTILE} for each in found}
    unprinted = {first.id: {"note": f"{NOT_HERE}: there is none"}}
    keep_programs(tmp_path, found, printed | unprinted)
    kept = {each.id: {"program": HOSTILE} for each in rest}
    assert rest and read_programs(tmp_path, found) == kept
    other = replace(rest[0], case=replace(rest[0].case, opt_level=0))
    assert other.id not in read_programs(tmp_path, [other])
    for damaged in ("", "[]", '{"' + rest[0].id + '": {"of": 1, "programs": {"program": 2}}}'):
        (tmp_path / KEPT).write_text(damaged)
        assert read_programs(tmp_path, found) == {}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("report") / "campaign"
    settings = {"tvm": "0.0 (blocks 1)", "targets": ["llvm"], "scope": ["tirx"], "seed": None}
    with Store.create_or_resume(folder, settings | {"strategy": "joint"}) as store:
        fill(store)
        found = whole_findings(store)
        triage(folder, found[0].id)
        first = {"program": HOSTILE, "before": BEFORE, "after": AFTER, "culprit": "StmtSimplify()"}
        made = collect(store, {each.id: first for each in found}, found)
    made["files"] = [
        {"file": f"src/{number % 7}/{number}.cc", "reached": number, "blocks": 900, "last_hour": 1}
        for number in range(400)
    ]
    return made


@pytest.fixture(scope="module")
def tab(
    data: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, browser: None
) -> Iterator[Tab]:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_bytes(render(data))
    with Tab(file.as_uri()) as tab:
        tab.wait_until("document.querySelectorAll('details.finding').length === 4")
        yield tab
        assert tab.errors == []


def texts(tab: Tab, selector: str) -> list[str]:
    found: list[str] = tab.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.textContent)"
    )
    return found


def test_what_the_campaign_did_is_there(tab: Tab) -> None:
    assert "3findings" in texts(tab, ".figure") and "1known issues" in texts(tab, ".figure")
    assert "300tests" in texts(tab, ".figure")
    assert len(texts(tab, "figure svg polyline")) == 3
    assert texts(tab, "#passes-table tbody tr")[0].startswith("tirx.RemoveNoOp3")
    assert texts(tab, "#mutators-table tbody tr")[0] == "loops.splitmutator4402012"
    assert "--seed 7" in texts(tab, "#command")[0] and "--scope tirx" in texts(tab, "#command")[0]


def test_hostile_text_stays_text(tab: Tab) -> None:
    tab.evaluate(
        "document.querySelectorAll('details.finding').forEach(each => { each.open = true; })"
    )
    tab.wait_until("document.querySelectorAll('details.finding pre').length === 14")
    assert HOSTILE in texts(tab, "summary .message")
    assert any(HOSTILE in text.replace("\n", "") for text in texts(tab, "details.finding pre"))
    assert tab.evaluate("window.hacked") is None
    assert tab.evaluate("document.images.length + document.scripts.length") == 2
    tab.evaluate(
        "document.querySelectorAll('details.finding').forEach(each => { each.open = false; })"
    )


def test_what_triage_and_bisection_say_is_there(tab: Tab, data: dict[str, Any]) -> None:
    assert [bool(each["triage"]) for each in data["findings"]].count(True) == 1
    tab.evaluate(
        "document.querySelectorAll('details.finding').forEach(each => { each.open = true; })"
    )
    tab.wait_until("document.querySelector('.tag.bad') !== null")
    assert texts(tab, ".tag.bad") == ["reported"] and "0.1: shows" in texts(tab, "dd")
    assert {"Minimized reproducer", "Issue text"} <= set(texts(tab, "details.finding h3"))
    assert "reported (1)" in texts(tab, "#finding-state option")


def test_the_pass_at_fault_shows_as_a_difference(tab: Tab) -> None:
    tab.evaluate("document.querySelector('details.finding').open = true")
    tab.wait_until("document.querySelector('.diff') !== null")
    assert texts(tab, ".diff .gone")[:1] == ["    A[0] = A[0] + 1"]
    assert texts(tab, ".diff .come")[:1] == ["    A[0] = A[0]"]
    assert {"@T.prim_func", "T.Buffer"} <= set(texts(tab, ".diff .d"))
    assert texts(tab, ".diff .k")[:1] == ["def"] and '"float32"' in texts(tab, ".diff .s")


def test_findings_are_filtered_and_sorted(tab: Tab) -> None:
    def show(kind: str = "", state: str = "", text: str = "") -> list[str]:
        for place, value in (("kind", kind), ("state", state), ("text", text)):
            tab.evaluate(f"""(() => {{ const each = document.getElementById("finding-{place}");
                each.value = {json.dumps(value)}; each.dispatchEvent(new Event("input")); }})()""")
        return texts(tab, "summary .message")

    assert show(kind="wrong-result") == ["message 2", "message 1"]
    assert show(state="known") == ["message 3"]
    assert show(text="MESSAGE 1") == ["message 1"]
    assert show(text="no such thing") == []
    tab.evaluate("document.querySelectorAll('.sorts button')[1].click()")
    assert show() == ["message 3", "message 2", "message 1", HOSTILE]
    assert texts(tab, ".sorts [aria-pressed=true]") == ["count"]


def test_tables_sort_by_any_column_and_show_more_when_asked(tab: Tab) -> None:
    rows = "#files-table tbody tr"
    assert len(texts(tab, rows)) == 200 and texts(tab, rows)[0].startswith("src/0/399.cc399")
    tab.evaluate("document.querySelector('#files-table th button').focus()")
    tab.evaluate("document.activeElement.click()")
    assert texts(tab, "#files-table th[aria-sort=ascending]") == ["Source file"]
    assert texts(tab, rows)[0].startswith("src/0/0.cc")
    tab.evaluate("document.querySelector('#files-table .more').click()")
    assert len(texts(tab, rows)) == 400
    tab.evaluate("""(() => { const search = document.getElementById("files-text");
        search.value = "SRC/3/"; search.dispatchEvent(new Event("input")); })()""")
    assert len(texts(tab, rows)) == 57


def test_nothing_needs_the_width_of_a_desk(
    data: dict[str, Any], tmp_path: Path, browser: None
) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(render(data))
    with Tab(file.as_uri(), width=360, dark=True) as tab:
        tab.wait_until("document.querySelectorAll('details.finding').length === 4")
        tab.evaluate(
            "document.querySelectorAll('details.finding').forEach(each => { each.open = true; })"
        )
        tab.wait_until("document.querySelector('.diff') !== null")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        assert (
            tab.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(247, 247, 245)"
        )
        # Every control can be reached by the keyboard: none of them is an element without a role.
        assert tab.evaluate("document.querySelectorAll('div[onclick], span[onclick]').length") == 0


def test_nothing_but_the_page_itself_is_asked_for(data: dict[str, Any]) -> None:
    page = render(data).decode()
    assert not re.findall(r'(?:src|href)="(?!#|data:,)', page)
    assert page.count("<script") == 2 and "default-src 'none'" in page and "connect-src" not in page
    assert "connect-src 'self'" in render(data | {"live": True}).decode()


def test_the_last_hour_of_a_file_is_what_came_in_it(data: dict[str, Any], tmp_path: Path) -> None:
    from tzer.cov import _blocks_an_hour_ago

    with Store.create_or_resume(tmp_path / "campaign") as store:
        fill(store)
        order = store.blocks_in_order()
        assert sorted(order) == list(range(200)) and len(order) == 200
        assert _blocks_an_hour_ago(store) == 150
        assert set(order[150:]) == set(range(150, 200))


def test_what_a_link_leads_to_is_not_in_the_report(tmp_path: Path) -> None:
    """Who opens the report of somebody else's campaign may pass it on."""
    (tmp_path / "mine").write_text("a secret")
    with Store.create_or_resume(tmp_path / "campaign") as store:
        add_findings(store)
        found = whole_findings(store)
        triage(tmp_path / "campaign", found[0].id)
        for suffix in (".py", ".md"):
            file = tmp_path / "campaign" / "triage" / f"{found[0].id}{suffix}"
            file.unlink()
            file.symlink_to(tmp_path / "mine")
        page = render(collect(store, {}, found))
    assert found[0].id.encode() in page and b"a secret" not in page


PRINTS_MUCH = """
import sys
for line in sys.stdin:
    sys.stderr.write("a backtrace\\n" * 20_000)
    print('{"program": "x"}', flush=True)
"""
ENDS_AT_ONCE = "raise SystemExit('no TVM here')"


@pytest.mark.parametrize(
    ("printer", "printed"),
    [
        (PRINTS_MUCH, [{"program": "x"}, {"program": "x"}]),
        (ENDS_AT_ONCE, [{"note": "TVM prints no programs here: no TVM here"}]),
    ],
)
def test_a_printer_of_programs_may_print_errors_or_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printer: str, printed: list[dict[str, str]]
) -> None:
    """Neither fills a pipe that nobody reads, nor ends the report."""
    monkeypatch.setattr(programs, "python_command", lambda *_: [sys.executable, "-c", printer])
    with Store.create_or_resume(tmp_path / "campaign") as store:
        add_findings(store)
        one, other, *_ = (replace(each, case=Case("x" * 300_000)) for each in whole_findings(store))
    assert [texts for _, texts in programs.programs([one, other])] == printed


def test_the_page_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    """Nothing of an entry is in the page but the counts of its passes."""
    with Store.create_or_resume(tmp_path / "campaign") as store, store.transaction():
        for number in range(1000):
            calls = tuple(PassCall(f"tirx.Pass{number % 60}") for _ in range(5))
            store.add_entry(Case("{}", calls), np.arange(3, dtype=np.uint32), None, number)
        page = render(collect(store, {}, []))
    assert len(page) < 50_000


def test_the_live_page_follows_and_ends_with_its_server(tmp_path: Path, browser: None) -> None:
    with Store.create_or_resume(tmp_path / "campaign") as store:
        add_progress(store)  # no finding, so that there is no program for TVM to print
    command = [sys.executable, "-c", "from tzer.cli import main; main()", "report", "--watch"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "campaign")], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    address = next(line for line in process.stderr if line.startswith("http")).split()[0]
    threading.Thread(target=process.stderr.read, daemon=True).start()
    try:
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(address.replace(address.split("/")[3], "guess"))
        with Tab(address) as tab:
            tab.wait_until("document.querySelector('#figures')?.textContent.includes('300tests')")
            with Store.create_or_resume(tmp_path / "campaign") as store:
                store.record_stats(stats(7300.0, 12345, 250))
            tab.wait_until("document.querySelector('#figures')?.textContent.includes('12,345')")
            assert tab.errors == []
    finally:
        process.terminate()
        process.wait()
