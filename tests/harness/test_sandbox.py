"""The sandbox survives whatever a job does, and says what it was."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from harness.worker.sandbox import SandboxError, Settings, Worker

HANDLER = "tests.harness.handlers:handle"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker(Settings(handler=HANDLER, seconds=4.0, memory_bytes=1 << 30)) as one:
        yield one


def test_jobs_share_a_child_until_it_dies(worker: Worker) -> None:
    first = worker.run({"do": "nothing"})
    second = worker.run({"do": "nothing"})
    assert first.status == second.status == "done"
    assert first.reply["pid"] == second.reply["pid"]


def test_a_fresh_child_is_another_process(worker: Worker) -> None:
    first = worker.run({"do": "nothing"})
    assert worker.run({"do": "nothing"}, fresh=True).reply["pid"] != first.reply["pid"]


@pytest.mark.parametrize(
    ("do", "number"), [("segfault", signal.SIGSEGV), ("abort", signal.SIGABRT)]
)
def test_a_death_by_signal_is_reported_and_survived(worker: Worker, do: str, number: int) -> None:
    outcome = worker.run({"do": do})
    assert (outcome.status, outcome.signal) == ("died", number)
    assert worker.run({"do": "nothing"}).status == "done"


def test_a_job_beyond_its_time_is_ended(worker: Worker) -> None:
    assert worker.run({"do": "loop"}).status == "hung"
    assert worker.run({"do": "nothing"}).status == "done"


def test_a_job_is_refused_memory_beyond_its_limit(worker: Worker) -> None:
    assert worker.run({"do": "eat_memory"}).reply == {"refused": True}


def test_a_broken_handler_leaves_its_traceback(worker: Worker) -> None:
    outcome = worker.run({"do": "raise"})
    assert outcome.status == "died"
    assert "the handler is broken" in outcome.stderr


@pytest.mark.parametrize("do", ["send_a_frame_without_end", "send_a_broken_reply"])
def test_a_job_that_answers_with_noise_is_ended_and_survived(worker: Worker, do: str) -> None:
    assert worker.run({"do": do}).status == "died"
    assert worker.run({"do": "nothing"}).status == "done"


def test_a_request_larger_than_a_frame_is_not_sent(worker: Worker) -> None:
    with pytest.raises(ValueError, match="a frame of"):
        worker.run({"do": "nothing", "more": "x" * (257 << 20)})
    assert worker.run({"do": "nothing"}).status == "done"


def test_a_killed_zygote_is_replaced(worker: Worker) -> None:
    os.kill(worker.zygote_pid, signal.SIGKILL)
    os.waitid(os.P_PID, worker.zygote_pid, os.WEXITED | os.WNOWAIT)
    outcomes = [worker.run({"do": "nothing"}).status for _ in range(2)]
    assert outcomes[-1] == "done"


def test_a_job_killed_with_its_zygote_comes_back_as_dead(worker: Worker) -> None:
    killer = threading.Timer(0.5, os.kill, (worker.zygote_pid, signal.SIGKILL))
    killer.start()
    assert worker.run({"do": "loop"}).status == "died"
    assert worker.run({"do": "nothing"}).status == "done"


def test_an_interrupted_job_returns_at_once(worker: Worker) -> None:
    timer = threading.Timer(0.3, worker.interrupt)
    timer.start()
    assert worker.run({"do": "loop"}).status == "interrupted"
    assert worker.run({"do": "nothing"}).status == "done"


def test_closing_leaves_no_process_behind() -> None:
    one = Worker(Settings(handler=HANDLER))
    child, zygote = one.run({"do": "nothing"}).reply["pid"], one.zygote_pid
    one.close()
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{pid}") for pid in (child, zygote)):
            return
        time.sleep(0.05)
    raise AssertionError("a process outlived its worker")


def test_a_handler_that_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(SandboxError, match="could not start.*no_such_module"):
        Worker(Settings(handler="no_such_module:handle"))
