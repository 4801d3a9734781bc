"""The simplifier: what is left is static, of one opset, and computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from jitweb.onnx.graph import OPSET
from jitweb.onnx.simplify import simplify
from tests.jitweb.onnx.models import assert_agree, check, computed, model_of, node, referred

X = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
CUBE = {"x": X}


def kinds(model: onnx.ModelProto) -> list[str]:
    return [each.op_type for each in model.graph.node]


def test_computed_shapes_become_constants() -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "one"], ["n"]),
        node("Range", ["zero", "n", "one"], ["r"]),
        node("Unsqueeze", ["r", "axes"], ["u"]),
        node("Less", ["u", "r"], ["l"]),
        node("Where", ["l", "low", "high"], ["m"]),
        node("ConstantOfShape", ["s"], ["c"], value=helper.make_tensor("v", 1, [1], [2.0])),
        node("Concat", ["axes", "s"], ["t"], axis=0),
        node("Slice", ["t", "axes", "four"], ["whole"]),
        node("Reshape", ["x", "whole"], ["y"]),
        node("Expand", ["m", "whole3"], ["e"]),
        node("Mul", ["y", "c"], ["z"]),
    ]
    weights: dict[str, Any] = {
        "one": np.array(1), "zero": np.array(0), "axes": np.array([1]), "four": np.array([4]),
        "low": np.float32(-1e9), "high": np.float32(0), "whole3": np.array([2, 3, 3]),
    }  # fmt: skip
    model = model_of(nodes, CUBE, ["z", "m"], weights)
    assert set(kinds(simplify(model))) <= {"Reshape", "Mul", "Identity"}


def test_the_branch_of_a_constant_condition_is_taken(tmp_path: Path) -> None:
    def branch(name: str, kind: str) -> onnx.GraphProto:
        inner = [node(kind, ["x"], ["t"]), node("Add", ["t", "w"], [name])]
        weight = helper.make_tensor("w", 1, [1], [3.0])
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3, 4])
        return helper.make_graph(inner, name, [], [value], [weight])

    def choice(result: str, limit: str) -> list[onnx.NodeProto]:
        branches = {"then_branch": branch("p", "Exp"), "else_branch": branch("q", "Abs")}
        return [
            node("Size", ["x"], [f"{result}_n"]),
            node("Less", [f"{result}_n", limit], [f"{result}_b"]),
            node("If", [f"{result}_b"], [result], **branches),
        ]

    weights = {"few": np.array(3), "many": np.array(99)}
    nodes = [*choice("a", "few"), *choice("c", "many"), node("Sub", ["a", "c"], ["y"])]
    model = model_of(nodes, CUBE, ["y"], weights)
    assert kinds(simplify(model)) == ["Abs", "Add", "Exp", "Add", "Sub"]
    check(model, CUBE, tmp_path)


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 17)]
    body = [node("Abs", ["a"], ["t"]), node("Sqrt", ["t"], ["b"])]
    function = helper.make_function("local", "Root", ["a"], ["b"], body, opsets)
    nodes = [node("Root", ["x"], ["y"], domain="local")]
    check(model_of(nodes, CUBE, ["y"], functions=[function]), CUBE, tmp_path)


OLD: list[tuple[int, str, list[str], dict[str, Any], int]] = [
    (11, "Squeeze", ["x1"], {"axes": [1]}, 1),
    (11, "Unsqueeze", ["x"], {"axes": [0, -1]}, 1),
    (11, "ReduceSum", ["x"], {"axes": [-1], "keepdims": 0}, 1),
    (13, "ReduceMax", ["x"], {"axes": [1]}, 1),
    (17, "ReduceMean", ["x"], {"axes": [2], "keepdims": 0}, 1),
    (11, "Split", ["x"], {"axis": 2, "split": [1, 3]}, 2),
    (13, "Split", ["x"], {"axis": 2}, 2),
    (11, "Softmax", ["x"], {"axis": 2}, 1),
    (9, "Slice", ["x"], {"starts": [1], "ends": [9], "axes": [1]}, 1),
    (10, "Clip", ["x"], {"min": -0.5, "max": 0.5}, 1),
    (10, "Pad", ["x"], {"pads": [0, 1, 0, 0, 0, 2], "value": 1.5}, 1),
    (12, "Dropout", ["x"], {}, 1),
]


@pytest.mark.parametrize(("opset", "kind", "names", "attributes", "outputs"), OLD)
def test_operators_of_older_opsets_become_those_of_today(
    opset: int,
    kind: str,
    names: list[str],
    attributes: dict[str, Any],
    outputs: int,
    tmp_path: Path,
) -> None:
    inputs = {"x": X} if names == ["x"] else {"x1": X[:, :1]}
    results = [f"y{number}" for number in range(outputs)]
    nodes = [node(kind, names, results, **attributes)]
    model = model_of(nodes, inputs, results, opset=opset)
    (standard,) = simplify(model).opset_import
    assert standard.version == OPSET
    onnx.checker.check_model(simplify(model), full_check=True)
    check(model, inputs, tmp_path)


def test_softmax_before_opset_13_flattens(tmp_path: Path) -> None:
    model = model_of([node("Softmax", ["x"], ["y"], axis=1)], CUBE, ["y"], opset=11)
    flat = X.reshape(2, 12).astype(np.float64)
    wanted = np.exp(flat) / np.exp(flat).sum(axis=1, keepdims=True)
    found = computed(model, CUBE, tmp_path)
    assert_agree(found, {"y": wanted.reshape(X.shape).astype(np.float32)})


def test_an_empty_shape_makes_a_scalar_and_an_empty_tensor_joins_to_nothing(tmp_path: Path) -> None:
    two = helper.make_tensor("v", 1, [1], [2.0])
    nodes = [
        node("ConstantOfShape", ["none"], ["c"], value=two),
        node("Slice", ["x", "end", "end", "first"], ["rest"]),
        node("Concat", ["rest", "x"], ["all"], axis=0),
        node("Mul", ["all", "c"], ["y"]),
    ]
    weights = {"none": np.zeros(0, np.int64), "end": np.array([2]), "first": np.array([0])}
    check(model_of(nodes, CUBE, ["y"], weights), CUBE, tmp_path)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_floats_are_computed_in_float32(dtype: Any, tmp_path: Path) -> None:
    short = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    weight = (X[0] * 100).astype(dtype)
    nodes = [
        node("Cast", ["x"], ["h"], to=short),
        node("Mul", ["h", "w"], ["scaled"]),
        node("Softmax", ["scaled"], ["p"]),
        node("Cast", ["p"], ["y"], to=TensorProto.FLOAT),
    ]
    model = model_of(nodes, CUBE, ["y"], {"w": weight})
    scaled = X.astype(np.float64) * weight.astype(np.float64)
    parts = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    wanted = (parts / parts.sum(axis=-1, keepdims=True)).astype(np.float32)
    assert_agree(computed(model, CUBE, tmp_path), {"y": wanted})


def test_what_no_output_needs_is_dropped(tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["y"]), node("Det", ["x"], ["unused"])]
    model = model_of(nodes, CUBE, ["y"])
    assert kinds(simplify(model)) == ["Relu"]
    assert_agree(computed(model, CUBE, tmp_path), referred(model_of(nodes[:1], CUBE, ["y"]), CUBE))
