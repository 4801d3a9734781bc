"""What a job that died or hung says of its case."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.verdict import Kind, Stage
from harness.worker.post_mortem import verdict_of
from harness.worker.progress_page import PAGE, Stages, read_stage
from harness.worker.sandbox import JobResult
from harness.worker.zygote import HANDLER_FAILED


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (JobResult("hung", stage=Stage.parse("legal:pass:3:tirx.UnrollLoop")), Kind.HANG),
        (JobResult("hung", stage=Stage.parse("illegal:pass:3:tirx.UnrollLoop")), Kind.INVALID),
        (JobResult("hung", stage=Stage.parse("reference")), Kind.INVALID),
        (JobResult("died", signal=signal.SIGSEGV, stage=Stage.parse("illegal:build")), Kind.CRASH),
        (
            JobResult("died", signal=signal.SIGSEGV, stage=Stage.parse("legal:run")),
            Kind.OUT_OF_BOUNDS,
        ),
        (JobResult("died", signal=signal.SIGFPE, stage=Stage.parse("legal:run")), Kind.CRASH),
        (JobResult("died", signal=signal.SIGSEGV, stage=Stage.parse("reference")), Kind.INVALID),
        (JobResult("died", signal=signal.SIGKILL, stage=Stage.parse("legal:build")), Kind.INVALID),
        (
            JobResult(
                "died",
                signal=signal.SIGABRT,
                stage=Stage.parse("plain:build"),
                stderr="std::bad_alloc",
            ),
            Kind.OUT_OF_MEMORY,
        ),
    ],
)
def test_a_death_is_judged_by_where_it_happened(outcome: JobResult, kind: Kind) -> None:
    assert verdict_of(outcome).kind is kind


def test_a_death_by_our_own_exception_is_no_finding_wherever_it_was() -> None:
    traceback = "Traceback (most recent call last):\n  ...\nKeyError: 'ours'\n"
    failed = JobResult("died", exit_status=HANDLER_FAILED, stderr=traceback)
    for text in ("plain:build", "legal:pass:3:tirx.UnrollLoop", "illegal:lower", "legal:run", ""):
        outcome = replace(failed, stage=Stage.parse(text))
        verdict = verdict_of(outcome)
        assert outcome.fault == traceback
        assert (verdict.kind, str(verdict.stage)) == (Kind.INVALID, text)
        assert verdict.message == "the harness itself failed: KeyError: 'ours'"
    assert not JobResult("died", exit_status=1, stderr=traceback).fault
    assert not JobResult("died", signal=signal.SIGSEGV, stderr=traceback).fault


def test_a_finding_names_the_pass_and_keeps_the_stage() -> None:
    stage = Stage("legal", "pass", 3, "tirx.UnrollLoop")
    verdict = verdict_of(JobResult("hung", stage=stage))
    assert (verdict.pass_name, verdict.stage) == ("tirx.UnrollLoop", stage)
    assert verdict.signature == "hang|tirx.UnrollLoop"


@pytest.fixture
def page() -> int:
    descriptor = os.memfd_create("page")
    os.ftruncate(descriptor, PAGE)
    return descriptor


def test_the_parent_reads_the_stage_that_the_job_has_written(page: int) -> None:
    stages = Stages()
    stages.share(page)
    assert read_stage(page) == Stage()
    for stage in (
        Stage("legal", "pass", 12, "s_tir.X"),
        Stage(step="load"),
        Stage("device", "run"),
    ):
        stages.enter(stage)
        assert read_stage(page) == stage
    stages.reset()
    assert read_stage(page) == Stage()


@given(st.binary(max_size=64))
def test_a_page_that_the_job_has_overwritten_is_read_as_some_stage(text: bytes) -> None:
    descriptor = os.memfd_create("page")
    try:
        os.ftruncate(descriptor, PAGE)
        os.pwrite(descriptor, text, 0)
        assert isinstance(read_stage(descriptor), Stage)
    finally:
        os.close(descriptor)
