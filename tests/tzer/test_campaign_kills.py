"""Campaigns whose processes are killed: nothing that was finished is lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from corpus.schema import FILE
from corpus.store import Store
from tests.tzer.campaign_process import Stats, run

ROOT = Path(__file__).resolve().parents[2]
KILLS = 4


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
    process = start(tmp_path / "kills", 120, jobs=2)
    ended.append(process)
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    for _ in range(3):
        time.sleep(1)
        for worker in psutil.Process(process.pid).children(recursive=True)[-2:]:
            os.kill(worker.pid, signal.SIGKILL)
    before = read(tmp_path / "kills")["tests"]
    while process.poll() is None and read(tmp_path / "kills")["tests"] == before:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
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
