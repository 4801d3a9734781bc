"""Loops whose number is known are written out; others are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from jitweb.errors import JitwebError
from jitweb.model import import_model
from tests.jitweb.onnx.models import assert_agree, computed, model_of, node

X = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
value = helper.make_tensor_value_info
FLOAT, ROW = TensorProto.FLOAT, [4, 5]


def body(last: str = "on", **values: Any) -> onnx.GraphProto:
    """Adds 1 to the state, and gives it away; goes on by `last`."""
    nodes = [
        node("Add", ["state", "one"], ["next"]),
        node("Identity", ["next"], ["given"]),
        node("Less", ["number", "two"], ["early"]),
        node("ReduceSum", ["next"], ["sum"], keepdims=0),
        node("Less", ["sum", "most"], ["small"]),
    ]
    takes = [value("number", TensorProto.INT64, []), value("on", TensorProto.BOOL, [])]
    takes.append(value("state", FLOAT, ROW))
    gives = [value(last, TensorProto.BOOL, []), value("next", FLOAT, ROW)]
    gives.append(value("given", FLOAT, ROW))
    constants = [
        onnx.numpy_helper.from_array(np.array(1, np.float32), "one"),
        onnx.numpy_helper.from_array(np.array(2), "two"),
        onnx.numpy_helper.from_array(np.array(9, np.float32), "most"),
    ]
    return helper.make_graph(nodes, "body", takes, gives, constants)


def looping(count: Any, last: str = "on") -> onnx.ModelProto:
    made = node("Loop", ["count", "start", "x"], ["y", "all"], "again", body=body(last))
    weights = {"start": np.array(True)} | ({} if count is None else {"count": np.array(count)})
    inputs = {"x": X} | ({"count": np.array(3)} if count is None else {})
    return model_of([made], inputs, ["y", "all"], weights)


@pytest.mark.once
@pytest.mark.parametrize(("count", "last"), [(1, "on"), (4, "on"), (9, "early")])
def test_a_loop_of_a_known_number_is_written_out(count: int, last: str, tmp_path: Path) -> None:
    """Also where it ends by a condition on what is known, such as the number itself."""
    times = min(count, 3) if last == "early" else count
    steps = [X]
    for _ in range(times):
        steps.append(steps[-1] + np.float32(1))
    found = computed(looping(count, last), {"x": X}, tmp_path)
    assert_agree(found, {"y": steps[-1], "all": np.stack(steps[1:])})


@pytest.mark.once
@pytest.mark.parametrize(
    ("model", "words"),
    [
        (looping(None), r"again \(Loop\) repeats as often as values say.* by --set, or export"),
        (looping(9, "small"), r"again \(Loop\) goes on by a condition that depends on values"),
        (looping(0), r"again \(Loop\) is never run; export the model without it"),
        (looping(1 << 40), r"again \(Loop\) repeats 5 nodes \d+ times, and at most 20000"),
    ],
    ids=["number", "condition", "never", "endless"],
)
def test_a_loop_that_is_not_is_refused_by_name(
    model: onnx.ModelProto, words: str, tmp_path: Path
) -> None:
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match=words) as caught:
        import_model(tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.once
@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_takes_and_gives_along_its_axes_and_ways(axis: int, tmp_path: Path) -> None:
    side = [ROW[1 - axis]]
    nodes = [node("Add", ["sum", "part"], ["next"]), node("Identity", ["next"], ["given"])]
    inner = helper.make_graph(
        nodes,
        "body",
        [value("sum", FLOAT, side), value("part", FLOAT, side)],
        [value("next", FLOAT, side), value("given", FLOAT, side)],
    )
    made = node(
        "Scan", ["zero", "x"], ["last", "all"], "scan", body=inner, num_scan_inputs=1,
        scan_input_axes=[axis], scan_output_axes=[axis], scan_input_directions=[axis],
        scan_output_directions=[axis],
    )  # fmt: skip
    model = model_of([made], {"x": X}, ["last", "all"], {"zero": np.zeros(side, np.float32)})
    found = computed(model, {"x": X}, tmp_path)
    parts = X if axis == 0 else X.T[::-1]  # backwards, and given away so, along the second axis
    sums = np.cumsum(parts, axis=0)
    wanted = sums if axis == 0 else sums[::-1].T
    assert_agree(found, {"last": sums[-1], "all": wanted})


@pytest.mark.once
def test_a_branch_by_the_values_of_a_tensor_asks_for_no_set(tmp_path: Path) -> None:
    side = [value("r", FLOAT, ROW)]
    branches = [helper.make_graph([node(n, ["x"], ["r"])], n, [], side) for n in ("Relu", "Neg")]
    nodes = [
        node("ReduceSum", ["x"], ["sum"], keepdims=0),
        node("Greater", ["sum", "zero"], ["up"]),
        node("If", ["up"], ["y"], "way", then_branch=branches[0], else_branch=branches[1]),
    ]
    onnx.save(model_of(nodes, {"x": X}, ["y"], {"zero": np.float32(0)}), tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match=r"way \(If\) takes a branch by the values of x, .*Where"):
        import_model(tmp_path / "m.onnx")
