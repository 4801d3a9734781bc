"""Caches: written in place, read as far as they are filled; decoders with and without one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from jitweb.errors import JitwebError
from jitweb.model import import_model
from jitweb.run_plan import run_plan
from tests.jitweb.onnx.models import Arrays, assert_agree, check, model_of, node, referred

RANDOM = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, np.float32)


@pytest.mark.parametrize(
    ("cache", "update", "starts", "given"),
    [
        ((2, 3, 8, 4), (2, 3, 1, 4), np.array([5, 0]), {}),
        ((1, 3, 8, 4), (1, 3, 3, 4), np.array([4]), {}),
        ((2, 3, 8, 4), (2, 3, 3, 4), np.array([5, 1]), {}),
        ((2, 3, 8, 4), (2, 3, 3, 4), np.array([6, 7]), {"mode": "circular"}),
        ((2, 8, 4), (2, 5, 4), None, {"axis": 1}),
    ],
)
def test_tensor_scatter_writes_at_the_start_of_each_batch(
    cache: Any, update: Any, starts: Any, given: dict[str, Any], tmp_path: Path
) -> None:
    inputs = {"cache": floats(*cache), "update": floats(*update)}
    inputs |= {} if starts is None else {"starts": starts}
    model = model_of([node("TensorScatter", [*inputs], ["y"], **given)], inputs, ["y"], opset=24)
    check(model, inputs, tmp_path)


@pytest.mark.parametrize("is_causal", [0, 1])
def test_attention_sees_a_cache_as_far_as_it_is_filled(is_causal: int, tmp_path: Path) -> None:
    inputs = {"q": floats(2, 4, 2, 8), "k": floats(2, 4, 9, 8), "v": floats(2, 4, 9, 8)}
    inputs["lengths"] = np.array([7, 3])
    names = ["q", "k", "v", "", "", "", "lengths"]
    model = model_of(
        [node("Attention", names, ["y"], is_causal=is_causal)], inputs, ["y"], opset=24
    )
    check(model, inputs, tmp_path)


def test_whether_a_cache_grows_is_asked_for_where_an_input_decides_it(tmp_path: Path) -> None:
    """As in decoders of onnxruntime-genai that take the total length of the sequence."""
    inputs: Arrays = {
        "q": floats(1, 1, 8), "k": floats(1, 1, 8), "v": floats(1, 1, 8),
        "past_k": floats(1, 2, 6, 4), "past_v": floats(1, 2, 6, 4),
        "last": np.array([3], np.int32), "total": np.array(6, np.int32),
    }  # fmt: skip
    heads: dict[str, Any] = {"num_heads": 2, "kv_num_heads": 2, "domain": "com.microsoft"}
    outputs = ["y", "new_k", "new_v"]
    model = model_of([node("GroupQueryAttention", [*inputs], outputs, **heads)], inputs, outputs)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match="the cache grows is decided by total: .* --set total=6"):
        import_model(tmp_path / "m.onnx")
    fixed = import_model(tmp_path / "m.onnx", values={"total": (6,)})
    taken = {name: array for name, array in inputs.items() if name != "total"}
    found = run_plan(fixed, taken)
    assert found["new_k"].shape == (1, 2, 6, 4)
    np.testing.assert_array_equal(found["new_k"][:, :, :3], inputs["past_k"][:, :, :3])
    np.testing.assert_array_equal(found["new_k"][0, :, 3].reshape(-1), inputs["k"].reshape(-1))
    assert not found["new_k"][:, :, 4:].any()


# ------------------------------------------------------------------------------- merged decoders


def merged(folder: Path) -> Path:
    """A decoder as Optimum merges one: an If on an input, weights outside of its branches.

    With the cache x is added to what was kept, without it nothing was.
    """
    float32 = onnx.TensorProto.FLOAT
    with_cache = [
        node("MatMul", ["x", "w"], ["new"]),
        node("Identity", ["new"], ["same"]),  # a name of the branch's own that goes
        node("Concat", ["past", "same"], ["present_1"], axis=1),
        node("ReduceSum", ["present_1", "axes"], ["y_1"], keepdims=0),
    ]
    without = [
        node("MatMul", ["x", "w"], ["present_2"]),
        node("ReduceSum", ["present_2", "axes"], ["y_2"], keepdims=0),
    ]
    branches = [
        helper.make_graph(
            nodes,
            f"branch_{number}",
            [],
            [onnx.ValueInfoProto(name=f"{name}_{number}") for name in ("y", "present")],
        )
        for number, nodes in enumerate((with_cache, without), 1)
    ]
    choice = node(
        "If", ["use_cache_branch"], ["y", "present"], "optimum::if",
        then_branch=branches[0], else_branch=branches[1],
    )  # fmt: skip
    inputs = {"x": floats(1, 1, 4), "past": floats(1, 3, 4), "use_cache_branch": np.array([True])}
    weights = {"w": floats(4, 4), "axes": np.array([1])}
    model = model_of([choice], inputs, [], weights)
    shapes: dict[str, list[str | int | None]] = {"y": [1, 4], "present": [1, "whole", 4]}
    for name, shape in shapes.items():
        model.graph.output.append(helper.make_tensor_value_info(name, float32, shape))
    for value in model.graph.input[:2]:
        value.type.tensor_type.shape.dim[1].Clear()
        value.type.tensor_type.shape.dim[1].dim_param = f"length of {value.name}"
    onnx.save(model, folder / "merged.onnx")
    return folder / "merged.onnx"


@pytest.mark.parametrize("has_cache", [True, False])
def test_a_branch_by_an_input_is_taken_at_import(has_cache: bool, tmp_path: Path) -> None:
    path = merged(tmp_path)
    inputs: Arrays = {"x": floats(1, 1, 4), "past": floats(1, 3, 4)}
    whole = {**inputs, "use_cache_branch": np.array([has_cache])}
    wanted = referred(onnx.load(path), whole)
    taken = inputs if has_cache else {"x": inputs["x"]}
    shapes = {name: array.shape for name, array in taken.items()}
    imported = import_model(path, shapes, values={"use_cache_branch": (has_cache,)})
    assert [each.name for each in imported.plan.inputs] == list(taken)
    assert_agree(run_plan(imported, taken), wanted)


def test_a_branch_by_an_input_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path, shapes = merged(tmp_path), {"x": (1, 1, 4), "past": (1, 3, 4)}
    with pytest.raises(
        JitwebError, match="by use_cache_branch: make .* --set use_cache_branch=VALUE"
    ):
        import_model(path, shapes)
    for values, message in (
        (
            {"other": (1,)},
            "--set other: there is no input other; the model's inputs are x, past, use_cache",
        ),
        ({"use_cache_branch": (3,)}, "--set use_cache_branch=3 is no bool of use_cache_branch"),
        ({"use_cache_branch": (math.nan,)}, "--set use_cache_branch=nan is no bool"),
        ({"use_cache_branch": (1, 0)}, "--set use_cache_branch=1,0 is no bool"),
    ):
        with pytest.raises(JitwebError, match=message):
            import_model(path, shapes, values=values)
