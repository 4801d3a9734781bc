"""The tuner: verified before timed, best so far at any moment, nothing measured twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tvm
from tvm import tirx

from harness import compat
from harness.case import Case
from harness.devices.base import KernelFailed
from harness.devices.node import NodeDevice
from jitweb import records as recorded
from jitweb.records import DeviceSpeed, Records
from jitweb.rejected_kernels import keep_rejected
from jitweb.space import emit
from jitweb.space.candidate import Candidate, Kernel
from jitweb.targets import WasmTarget
from jitweb.task_input import TaskInput
from jitweb.tune import Progress, Tuner
from tests.jitweb.kernels import task

TASKS = [task("dense-wide", sites=3), task("softmax-wide"), task("transpose", sites=2)]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeDevice]:
    with NodeDevice() as device:
        yield device


def test_every_task_gets_a_kernel_and_a_second_run_measures_nothing(
    node: NodeDevice, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    with Records(tmp_path / "r.sqlite3") as records:
        first = Tuner(WasmTarget(), node, records, on_progress=seen.append).run(TASKS)
        second = Tuner(WasmTarget(), node, records).run(TASKS)
    assert first.is_complete
    for state in first.states.values():
        assert state.time is not None and state.time.min_ms > 0
        assert state.tried >= 1 and not state.wrong
    expected = sum(
        state.task.sites * state.time.min_ms for state in first.states.values() if state.time
    )
    assert first.latency_ms == pytest.approx(expected)
    assert [progress.tried for progress in seen] == sorted(progress.tried for progress in seen)
    assert seen[-1].left == sum(len(state.left) for state in first.states.values())
    assert first.measured > 0 and second.measured == 0
    for key, state in second.states.items():
        assert state.from_records
        assert state.best.text == first.states[key].best.text


def test_a_budget_ends_the_search_with_the_best_so_far(node: NodeDevice) -> None:
    many = [task(name, key=f"{name} {n}") for n in range(40) for name in ("dense-wide", "batched")]
    outcome = Tuner(WasmTarget(), node, None, budget_s=3.0).run(many)
    assert not outcome.is_complete
    timed = [state for state in outcome.states.values() if state.time is not None]
    assert 0 < len(timed) < len(many)
    assert all(state.built is not None for state in outcome.states.values())


def test_without_a_device_the_static_order_decides() -> None:
    outcome = Tuner(WasmTarget(), None, None).run(TASKS)
    assert outcome.measured == 0
    for state in outcome.states.values():
        assert state.best is state.candidates[0] and state.time is None


class OneWrong(WasmTarget):
    """The space with a kernel in front that writes zeros, and one that traps."""

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


class WrongFallback(WasmTarget):
    """The space with a first kernel that is right, and whose fallback writes zeros."""

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        zeros, _, first, second = OneWrong().candidates(function, constants)
        return [replace(first, fallback=zeros), second]


def test_a_kernel_whose_fallback_is_wrong_is_not_taken(node: NodeDevice) -> None:
    kernel = task("dense-wide")
    state = Tuner(WrongFallback(), node, None).run([kernel]).states[kernel.key]
    first, second = WasmTarget().candidates(kernel.function, kernel.constants)[:2]
    assert state.best.text == second.text
    assert [each.text for each in state.wrong] == ["zeros", first.text]


def test_wrong_kernels_are_rejected_and_never_timed(node: NodeDevice, tmp_path: Path) -> None:
    reported: list[tuple[str, str]] = []

    def on_wrong(wrong: TaskInput, candidate: Candidate, message: str) -> None:
        reported.append((candidate.family, message))

    kernel = replace(task("dense-wide"), key="hostile")
    with Records(tmp_path / "r.sqlite3") as records:
        outcome = Tuner(OneWrong(), node, records, on_wrong=on_wrong).run([kernel])
        kept = {record.candidate: record for record in records.all()}
    assert [family for family, _ in reported] == ["zeros", "outside"]
    assert "expected" in reported[0][1] and "out of bounds" in reported[1][1]
    assert kept["zeros"].status == recorded.WRONG and kept["zeros"].min_ms is None
    assert kept["outside"].status == recorded.FAILED
    assert outcome.states["hostile"].best.family == "matmul"


def test_a_rejected_kernel_is_never_chosen_however_early_the_search_ends(
    node: NodeDevice, tmp_path: Path
) -> None:
    def interrupt(wrong: TaskInput, candidate: Candidate, message: str) -> None:
        raise KeyboardInterrupt

    kernel = task("dense-wide")
    with Records(tmp_path / "r.sqlite3") as records:
        outcome = Tuner(OneWrong(), node, records, on_wrong=interrupt).run([kernel])
        state = outcome.states[kernel.key]
        assert [candidate.text for candidate in state.wrong] == ["zeros"]
        assert state.best.text == "outside" and state.time is None and state.built is not None
        again = Tuner(OneWrong(), None, records).run([kernel])
        assert again.states[kernel.key].best.text == "zeros"  # no device, no knowledge of it


class Few(WasmTarget):
    """The space's first candidates."""

    def __init__(self, count: int) -> None:
        self.count = count

    def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
        return super().candidates(function, constants)[: self.count]


def test_a_longer_search_goes_on_where_a_shorter_one_stopped(
    node: NodeDevice, tmp_path: Path
) -> None:
    kernel = task("dense-wide")
    with Records(tmp_path / "r.sqlite3") as records:
        first = Tuner(Few(2), node, records, budget_s=60).run([kernel])
        assert first.measured == 2 and first.is_complete
        # It ended by itself, so that no budget makes another search worthwhile.
        assert Tuner(WasmTarget(), node, records, goes_on=True).run([kernel]).measured == 0

        where = ("wasm", Tuner(Few(1), node, None)._device_key, f"tvm {tvm.__version__}")
        records._database.execute("update searches set seconds = 1")
        assert Tuner(Few(4), node, records, budget_s=1, goes_on=True).run([kernel]).measured == 0
        assert Tuner(Few(4), node, records, budget_s=60).run([kernel]).measured == 0
        longer = Tuner(Few(4), node, records, budget_s=60, goes_on=True).run([kernel])
        assert 0 < longer.measured <= 2
        assert {record.candidate for record in records.of_task(kernel.key, *where)} <= {
            candidate.text for candidate in longer.states[kernel.key].candidates
        }


def test_each_target_of_a_device_has_a_speed_of_its_own(node: NodeDevice, tmp_path: Path) -> None:
    class Other(WasmTarget):
        name = "other"

    with Records(tmp_path / "r.sqlite3") as records:
        tuners = [Tuner(kind(), node, records, budget_s=1.0) for kind in (WasmTarget, Other)]
        for tuner in tuners:
            tuner.run(TASKS[:1])
        key = tuners[0]._device_key
        assert records.speed(key, "wasm") != records.speed(key, "other") is not None


def test_a_race_that_fails_shows_which_kernel_fails(node: NodeDevice) -> None:
    class Late(WasmTarget):
        """Right when it is verified; the second kernel traps when it is timed."""

        def candidates(self, function: Any, constants: frozenset[int]) -> list[Candidate]:
            return super().candidates(function, constants)[:3]

    class Trapping(Node):
        def time(self, launches: Any, seconds: float) -> Any:
            if any(launch.handle in self.bad for launch in launches):
                raise KernelFailed("it trapped")
            return super().time(launches, seconds)

        def load(self, code: Any) -> int:
            handle = super().load(code)
            self.codes.setdefault(bytes(code), len(self.codes))
            if self.codes[bytes(code)] == self.worst:
                self.bad.add(handle)
            return handle

    reported: list[str] = []
    kernel = task("dense-wide")
    with Trapping() as device:
        tuner = Tuner(Late(), device, None, on_wrong=lambda *wrong: reported.append(wrong[2]))
        tuner._speed = DeviceSpeed(1e6, 1e6, 0.0)
        outcome = tuner.run([kernel])
    assert reported == ["it trapped"]
    assert len(outcome.states[kernel.key].wrong) == 1 and outcome.measured == 2


class Node(NodeDevice):
    """A device that knows its kernels by the order of their first loading."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[bytes, int] = {}
        self.bad: set[int] = set()
        self.worst = 4  # three probes come first, then the first candidate


def test_a_rejected_kernel_is_stored_as_a_case(tmp_path: Path) -> None:
    kernel = task("dense-wide")
    zeros = OneWrong().candidates(kernel.function, kernel.constants)[0]
    case = Case.from_json(keep_rejected(tmp_path, "wasm", kernel, zeros).read_text())
    assert "zeros" in case.origin and case.target == "wasm"
    assert compat.why_ill_formed(case.load()) is None
