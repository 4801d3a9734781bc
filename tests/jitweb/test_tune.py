"""The tuner: verified before timed, best so far at any moment, nothing measured twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tvm import tirx

from harness import compat
from harness.case import Case
from harness.devices.node import NodeDevice
from jitweb import records as recorded
from jitweb.records import Records
from jitweb.space import emit
from jitweb.space.candidate import Candidate, Kernel
from jitweb.targets import WasmTarget
from jitweb.tune import Progress, TaskInput, Tuner
from jitweb.wrong import keep_wrong
from tests.jitweb.kernels import task

TASKS = [task("dense-wide", sites=3), task("softmax-wide"), task("transpose", sites=2)]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeDevice]:
    with NodeDevice() as device:
        yield device


def test_every_task_gets_a_verified_and_timed_kernel(node: NodeDevice) -> None:
    seen: list[Progress] = []
    outcome = Tuner(WasmTarget(), node, None, on_progress=seen.append).run(TASKS)
    assert outcome.is_complete
    for state in outcome.states.values():
        assert state.time is not None and state.time.min_ms > 0
        assert state.tried >= 1 and not state.wrong
    expected = sum(
        state.task.sites * state.time.min_ms for state in outcome.states.values() if state.time
    )
    assert outcome.latency_ms == pytest.approx(expected)
    assert [progress.tried for progress in seen] == sorted(progress.tried for progress in seen)
    assert seen[-1].left == sum(len(state.left) for state in outcome.states.values())


def test_a_second_run_measures_nothing_and_chooses_the_same(
    node: NodeDevice, tmp_path: Path
) -> None:
    with Records(tmp_path / "r.sqlite3") as records:
        first = Tuner(WasmTarget(), node, records).run(TASKS)
        second = Tuner(WasmTarget(), node, records).run(TASKS)
    assert first.measured > 0 and second.measured == 0
    for key, state in second.states.items():
        assert state.from_records
        assert state.best.text == first.states[key].best.text


def test_a_budget_ends_the_search_with_the_best_so_far(node: NodeDevice) -> None:
    many = [task(name, key=f"{name} {n}") for n in range(40) for name in ("dense-wide", "batched")]
    started = time.monotonic()
    outcome = Tuner(WasmTarget(), node, None, budget_s=3.0).run(many)
    assert not outcome.is_complete
    assert outcome.seconds < 3.3 and time.monotonic() - started < 6
    assert sum(state.time is not None for state in outcome.states.values()) > 4


def test_without_a_device_the_static_order_decides() -> None:
    outcome = Tuner(WasmTarget(), None, None).run(TASKS)
    assert outcome.measured == 0
    for state in outcome.states.values():
        assert state.best is state.candidates[0] and state.time is None


class OneWrong(WasmTarget):
    """The space with a kernel in front that gives zeros, and one that traps."""

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        def zeros() -> Kernel:
            output = function.params[-1]
            at = [emit.index("at") for _ in output.ty.shape]
            body = emit.store(output, tirx.FloatImm("float32", 0.0), *at)
            for var, extent in zip(at, output.ty.shape, strict=True):
                body = emit.loop(var, int(extent), body)
            return Kernel(emit.function(function.params, body))

        def outside() -> Kernel:
            output = function.params[-1]
            place = [emit.constant(1 << 26) for _ in output.ty.shape]
            return Kernel(
                emit.function(
                    function.params,
                    emit.store(output, tirx.FloatImm("float32", 0.0), *place),
                )
            )

        right = super().candidates(function, constants)
        return [
            Candidate("zeros", {}, zeros),
            Candidate("outside", {}, outside),
            *right[:2],
        ]


def test_wrong_kernels_are_set_aside_and_never_timed(node: NodeDevice, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    def on_wrong(wrong: TaskInput, candidate: Candidate, message: str) -> None:
        told.append((candidate.family, message))

    kernel = replace(task("dense-wide"), key="hostile")
    with Records(tmp_path / "r.sqlite3") as records:
        outcome = Tuner(OneWrong(), node, records, on_wrong=on_wrong).run([kernel])
        kept = {record.candidate: record for record in records.all()}
    assert [family for family, _ in told] == ["zeros", "outside"]
    assert "expected" in told[0][1] and "out of bounds" in told[1][1]
    assert kept["zeros"].status == recorded.WRONG and kept["zeros"].min_ms is None
    assert kept["outside"].status == recorded.FAILED
    assert outcome.states["hostile"].best.family == "matmul"


def test_a_kernel_that_was_set_aside_is_kept_as_a_case(tmp_path: Path) -> None:
    kernel = task("dense-wide")
    zeros = OneWrong().candidates(kernel.function, kernel.constants)[0]
    case = Case.from_json(keep_wrong(tmp_path, kernel, zeros).read_text())
    assert "zeros" in case.origin
    assert compat.is_well_formed(case.load()) is None
