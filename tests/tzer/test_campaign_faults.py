"""What a case may do to its worker, and what the campaign makes of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus.store import Store
from harness.case import Case
from harness.verdict import Kind
from harness.worker.sandbox import Settings, Worker
from tests.harness.oracles.faulty import FAULT
from tests.tzer.campaign_process import options_for
from tzer import campaign
from tzer.coverage_map import CoverageMap
from tzer.fuzz_cli import print_faults
from tzer.trial import Examiner, Stopped


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    settings = Settings("tests.tzer.hostile:handle", seconds=3.0, memory_bytes=1 << 30)
    with Worker(settings) as one:
        yield one


@pytest.fixture
def examiner(worker: Worker) -> Examiner:
    return Examiner(worker, CoverageMap(), threading.Event(), lambda signature: True, ["llvm"])


def case_that(does: str) -> Case:
    return Case(module="", origin=does)


@pytest.mark.parametrize(
    ("does", "kind"),
    [
        ("loop", Kind.HANG),
        ("stack", Kind.CRASH),
        ("abort", Kind.CRASH),
    ],
)
def test_a_case_that_ends_its_worker_is_a_confirmed_finding(
    examiner: Examiner, does: str, kind: Kind
) -> None:
    trial = examiner.test(case_that(does))
    assert trial.verdict is not None and trial.verdict.kind is kind
    assert trial.confirmed
    after = examiner.test(case_that("nothing"))
    assert after.verdict is not None and after.verdict.kind is Kind.OK


def test_a_case_that_eats_memory_ends_at_the_limit_and_the_next_runs(examiner: Examiner) -> None:
    trial = examiner.test(case_that("memory"))
    assert trial.verdict is not None and trial.verdict.kind is not Kind.OK
    after = examiner.test(case_that("nothing"))
    assert after.verdict is not None and after.verdict.kind is Kind.OK


def test_a_case_whose_worker_was_killed_from_outside_is_run_again(
    examiner: Examiner, worker: Worker
) -> None:
    examiner.test(case_that("nothing"))
    killer = threading.Timer(0.5, os.kill, (worker.zygote_pid, signal.SIGKILL))
    killer.start()
    trial = examiner.test(case_that("loop"))
    assert trial.verdict is not None and trial.verdict.kind is Kind.HANG


def test_a_campaign_that_stops_drops_the_test_in_flight(examiner: Examiner) -> None:
    def stop() -> None:
        examiner.stopping.set()
        examiner.worker.interrupt()

    timer = threading.Timer(0.5, stop)
    timer.start()
    with pytest.raises(Stopped):
        examiner.test(case_that("loop"))
    with pytest.raises(Stopped):
        examiner.test(case_that("nothing"))


def test_a_campaign_prints_an_error_of_ours_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(campaign, "HANDLER", "tests.harness.oracles.faulty:campaign_job")
    folder = tmp_path / "campaign"
    with Store.create_or_resume(folder) as store:
        stats = campaign.run_campaign(options_for(folder, None, tests=3), store)
        assert (stats["tests"], stats["findings"], stats["corpus"]) == (3, {}, 0)
        assert stats["faults"] >= 3
        assert store.findings(unconfirmed=True) == []
        print_faults(store, stats)
    printed = capsys.readouterr().err
    assert printed.count("Traceback") == 1  # of several that are alike, the first
    assert FAULT in printed and "\x1b" not in printed
    assert "please report it" in printed
