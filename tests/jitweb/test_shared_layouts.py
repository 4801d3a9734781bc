"""Variants read a weight in one layout, so that a bundle holds it once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest

from harness.devices.base import Timing
from harness.devices.node import NodeDevice
from jitweb.model import ImportedModel
from jitweb.shared_layouts import share_layouts
from jitweb.targets import open_target
from jitweb.tune import TaskState, Tuner
from jitweb.variants import import_variants
from jitweb.workflow import task_inputs
from tests.jitweb.onnx.models import model_of, node
from tests.jitweb.onnx.test_merged import branch, choice

WIDTH = 64


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[ImportedModel]:
    """One matrix, by which a row is multiplied or, in the other variant, many are."""
    random = np.random.default_rng(0)
    weight = random.standard_normal((WIDTH, WIDTH)).astype(np.float32)
    then = branch("then", [node("MatMul", ["row", "w"], ["a"])], "a")
    other = branch("else", [node("MatMul", ["rows", "w"], ["b"])], "b")
    inputs = {
        "row": np.zeros((1, WIDTH), np.float32), "rows": np.zeros((16, WIDTH), np.float32),
        "flag": np.array([True]),
    }  # fmt: skip
    model = model_of([choice("flag", ["y"], then, other)], inputs, ["y"], {"w": weight})
    path = tmp_path_factory.mktemp("layouts") / "m.onnx"
    onnx.save(model, path)
    return [each.model for each in import_variants(path, {}, ("wasm",), {})]


def states_of(tuner: Tuner, models: list[ImportedModel]) -> Mapping[str, TaskState]:
    """The tasks' states, their best candidates with tiles of 8 columns and, for a row, of 32."""
    states = tuner.run(task_inputs(models)).states
    for state in states.values():
        columns = "8" if tuple(state.task.function.params[0].ty.shape)[0] == 16 else "32"
        state.best = next(
            each for each in state.candidates if str(each.point["tile"]).endswith(f"x{columns}")
        )
        state.built, state.times = None, {state.best.text: Timing((1.0,))}
    return states


def layouts(states: Mapping[str, TaskState]) -> set[str]:
    return {each.name for state in states.values() for each in state.best.build().packings}


def test_without_measurements_the_largest_task_decides(models: list[ImportedModel]) -> None:
    tuner = Tuner(open_target("wasm", None), None, None)
    states = states_of(tuner, models)
    assert layouts(states) == {"panels8", "panels32"}
    share_layouts(tuner, states, models)
    assert layouts(states) == {"panels8"}


def test_the_layout_that_costs_the_least_in_all_is_taken(models: list[ImportedModel]) -> None:
    tuner = Tuner(open_target("wasm", None), None, None)
    for factor, wanted in ((1.5, "panels32"), (9.0, "panels8")):
        states = states_of(tuner, models)
        for state in states.values():
            has_wide = state.best.build().packings[0].name == "panels32"
            for each in state.candidates:
                if each.family != "plain" and each.text not in state.times:
                    # the row loses more in narrow panels than the rows do in wide ones, or less
                    state.times[each.text] = Timing((3.0 if has_wide else factor,))
        share_layouts(tuner, states, models)
        assert layouts(states) == {wanted}


def test_what_was_not_measured_is_measured_and_correct(models: list[ImportedModel]) -> None:
    with NodeDevice() as device:
        tuner = Tuner(open_target("wasm", None), device, None, budget_s=0.1)
        states = states_of(tuner, models)
        share_layouts(tuner, states, models)
    assert layouts(states) == {"panels8"}
    (row,) = (state for state in states.values() if len(state.times) > 1)
    assert row.time == row.times[row.best.text] and row.time.min_ms < 1
