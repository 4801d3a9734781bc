"""A campaign on the real compiler: it finds coverage, goes on where it stopped, and survives."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from corpus.schema import FILE
from corpus.store import Store
from harness.coverage import native
from harness.targets import get_target
from tests.tzer.campaign_process import options_for
from tzer import campaign
from tzer.campaign import CampaignError, run_campaign

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
WEB = ("wasm", "webgpu")

Stats = dict[str, Any]


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


def run(out: Path, tests: int, jobs: int = 1) -> Stats:
    with Store.create_or_resume(out) as store:
        return run_campaign(options_for(out, None, jobs, tests), store)


def test_a_campaign_tests_programs_and_reaches_the_compiler(first: Stats) -> None:
    assert first["tests"] == 24
    assert first["corpus"] > 5
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


def test_a_span_of_time_ends_a_campaign(tmp_path: Path) -> None:
    with Store.create_or_resume(tmp_path / "short") as store:
        assert run_campaign(options_for(tmp_path / "short", 3), store)["elapsed_s"] >= 3


def test_a_campaign_may_be_of_the_web_s_targets(tmp_path: Path) -> None:
    missing = [str(get_target(name).available()) for name in WEB if get_target(name).available()]
    if missing:
        assert not os.environ.get("CI"), missing
        pytest.skip(missing[0])
    options = options_for(tmp_path / "web", None, 2, 40, targets=WEB)
    with Store.create_or_resume(tmp_path / "web") as store:
        stats = run_campaign(options, store)
        assert stats["tests"] >= 40 and stats["valid_rate"] > 0.5
        targets = {store.case(entry.id).target for entry in store.entries()}
        assert targets == set(WEB)


def test_progress_is_reported_and_never_goes_back(tmp_path: Path) -> None:
    seen: list[Stats] = []
    with Store.create_or_resume(tmp_path / "seen") as store:
        run_campaign(options_for(tmp_path / "seen", None, tests=12), store, seen.append)
    tests = [stats["tests"] for stats in seen]
    assert len(seen) >= 2 and tests == sorted(tests) and tests[-1] > 0


def test_a_worker_that_cannot_start_ends_the_campaign_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign, "HANDLER", "no_such_module:handle")
    with pytest.raises(CampaignError, match="could not start.*no_such_module") as caught:
        run(tmp_path / "none", 5)
    assert "\n" not in str(caught.value)


# Processes that are killed.


def start(out: Path, seconds: float, jobs: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.tzer.campaign_process", str(out), str(seconds)]
    return subprocess.Popen(
        [*command, str(jobs)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def ended() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes put in here are gone after the test, whatever it did."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_campaign_with_everything_kept(
    tmp_path: Path, ended: list[subprocess.Popen[str]], number: int
) -> None:
    process = start(tmp_path / "stopped", 120)
    ended.append(process)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    with Store.create_or_resume(tmp_path / "stopped") as store:
        assert store.stats()["tests"] > 0


def test_killed_workers_are_replaced(tmp_path: Path, ended: list[subprocess.Popen[str]]) -> None:
    process = start(tmp_path / "kills", 20, jobs=2)
    ended.append(process)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    for _ in range(4):
        time.sleep(1.5)
        for worker in psutil.Process(process.pid).children(recursive=True)[-2:]:
            os.kill(worker.pid, signal.SIGKILL)
    before = read(tmp_path / "kills")["tests"]
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert read(tmp_path / "kills")["tests"] > before


def read(out: Path) -> Stats:
    with Store.open(out) as store:
        return store.stats()


@pytest.mark.slow
def test_a_campaign_killed_at_any_moment_resumes_with_every_finding(tmp_path: Path) -> None:
    out, rng = tmp_path / "killed", random.Random(20)
    tests, signatures, blocks = 0, set[str](), 0
    run(out, 5)
    for _ in range(KILLS):
        process = start(out, 120)
        if rng.random() < 0.75:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.random())
        else:
            time.sleep(3 * rng.random())
        process.kill()
        process.communicate()
        assert sqlite3.connect(out / FILE).execute("pragma integrity_check").fetchone() == ("ok",)
        with Store.create_or_resume(out) as store:
            stats, findings = store.stats(), {finding.signature for finding in store.findings()}
            for entry in store.entries():
                store.case(entry.id)
        assert stats["tests"] >= tests and stats["native_blocks"] >= blocks
        assert findings >= signatures
        tests, signatures, blocks = stats["tests"], findings, stats["native_blocks"]
    assert run(out, 5)["tests"] > tests


def test_two_threads_share_one_store(tmp_path: Path) -> None:
    stats = run(tmp_path / "two", 12, jobs=2)
    assert 12 <= stats["tests"] <= 13
    assert threading.active_count() < 10
