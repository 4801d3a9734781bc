"""A campaign on the real compiler: it finds coverage, goes on where it stopped, and survives."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest

from corpus.store import Store
from harness.coverage import native
from harness.targets import get_target
from tests.missing import skip_without
from tests.tzer.campaign_process import Stats, options_for, run
from tzer import campaign
from tzer.campaign import CampaignError, run_campaign

WEB = ("wasm", "webgpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("campaigns") / "one"


@pytest.fixture(scope="module")
def others() -> set[psutil.Process]:
    """The processes that other tests have started and keep."""
    return children()


@pytest.fixture(scope="module")
def first(folder: Path, others: set[psutil.Process]) -> Stats:
    """The statistics of a first short campaign."""
    return run(folder, 24)


@pytest.fixture(scope="module")
def second(folder: Path, first: Stats) -> Stats:
    """Those of the next one in the same folder."""
    return run(folder, 12)


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def test_a_campaign_tests_programs_and_reaches_the_compiler(first: Stats) -> None:
    assert first["tests"] == 24
    assert first["corpus"] > 5
    assert first["faults"] == 0
    assert first["python_lines"] > 20
    assert 0 < first["tvm_time_share"] <= 1
    assert 0 < first["valid_rate"] <= 1
    assert first["elapsed_s"] > 0


@pytest.mark.native
def test_a_campaign_knows_what_its_seeds_reached(first: Stats) -> None:
    assert native.available()[0]
    assert 1000 < first["native_blocks_seeds"] <= first["native_blocks"]
    assert first["native_files"] > 10


def test_the_same_folder_goes_on(first: Stats, second: Stats) -> None:
    for name in ("tests", "native_blocks", "python_lines", "corpus", "elapsed_s"):
        assert second[name] >= first[name]
    assert second["tests"] == first["tests"] + 12


def test_what_was_returned_is_what_is_stored(folder: Path, second: Stats) -> None:
    with Store.create_or_resume(folder) as store:
        stored = store.stats()
    for name in ("tests", "native_blocks", "native_blocks_seeds", "python_lines", "findings"):
        assert stored[name] == second[name]


def test_no_process_outlives_a_campaign(second: Stats, others: set[psutil.Process]) -> None:
    fresh = children() - others
    assert not [each for each in fresh if not others & set(each.parents())]


@pytest.mark.once  # test_device_targets.py has the targets themselves, on every release
def test_two_threads_of_a_campaign_test_the_web_s_targets(tmp_path: Path) -> None:
    missing = [str(get_target(name).available()) for name in WEB if get_target(name).available()]
    if missing:
        skip_without(missing[0])
    options = options_for(tmp_path / "web", None, 2, 40, targets=WEB)
    with Store.create_or_resume(tmp_path / "web") as store:
        stats = run_campaign(options, store)
        assert 40 <= stats["tests"] <= 41 and stats["valid_rate"] > 0.5
        assert threading.active_count() < 10
        targets = {store.case(entry.id).target for entry in store.entries()}
        assert targets == set(WEB)


@pytest.mark.once
def test_a_campaign_of_a_span_of_time_reports_progress_that_never_goes_back(
    tmp_path: Path,
) -> None:
    seen: list[Stats] = []
    with Store.create_or_resume(tmp_path / "seen") as store:
        ended = run_campaign(options_for(tmp_path / "seen", 3), store, seen.append)
    assert ended["elapsed_s"] >= 3
    tests = [stats["tests"] for stats in seen]
    assert len(seen) >= 2 and tests == sorted(tests) and tests[-1] > 0


def test_a_worker_that_cannot_start_ends_the_campaign_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "HANDLER", "no_such_module:handle")
    with pytest.raises(CampaignError, match="could not start.*no_such_module") as caught:
        run(tmp_path / "none", 5)
    assert "\n" not in str(caught.value)


def test_pay_offs_and_footprint_are_stored(folder: Path, second: Stats) -> None:
    with Store.open(folder) as store:
        learned = store.learned()
    counted = learned["payoff"]["mutator"]
    assert sum(tests for tests, *_ in counted.values()) == second["tests"]
    assert sum(blocks for _, blocks, *_ in counted.values()) <= second["native_blocks"]
    assert set(learned["payoff"]["pass"]) and learned["passes"]["all"]
    assert learned["memory"][-1][1] > 100 << 20
