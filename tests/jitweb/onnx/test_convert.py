"""The converters: each operator gives what ONNX says, for every form that its attributes allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jitweb.onnx.convert import CONVERTERS, FUNCTIONS
from tests.jitweb.onnx.models import check, computed, model_of, node

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((3, 5, 4)).astype(np.float32)
TIES = RANDOM.integers(-2, 3, (3, 7)).astype(np.float32)
# Also where exponentials, squares and quotients are infinite, and outside of what is defined.
ANGLES = np.array(
    [np.nan, np.inf, -np.inf, 0, -0.0, 1, -1, 0.1, -0.2, 0.3, -0.6, 0.99, 3, -7.5, 88.9, -88.9,
     1e12, -1e-12],
    np.float32,
)  # fmt: skip
EDGES = np.array([np.nan, np.inf, -np.inf, 1], np.float32)
NUMBERS = RANDOM.integers(-9, 9, (3, 5)).astype(np.int64)

CASES: list[tuple[str, dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray], int]] = [
    # operator, attributes, inputs, constants, outputs
    ("Cast", {"to": 6}, {"x": X * 100}, {}, 1),
    ("Cast", {"to": 9}, {"x": NUMBERS}, {}, 1),
    ("Cast", {"to": 1}, {"x": NUMBERS > 0}, {}, 1),
    ("Max", {}, {"x": X, "y": X[:, :1]}, {"z": EDGES}, 1),
    ("Max", {}, {"x": NUMBERS}, {"y": np.array([2])}, 1),
    ("Min", {}, {"x": EDGES[:, None]}, {"y": EDGES, "z": np.array(3, np.float32)}, 1),
    ("Min", {}, {"x": EDGES}, {}, 1),
    ("Clip", {}, {"x": X}, {"low": np.array(-0.5, np.float32), "y": np.array(1, np.float32)}, 1),
    ("Clip", {}, {"x": EDGES[[0, 2, 3]]}, {"low": np.array(2, np.float32)}, 1),
    *((kind, {}, {"x": ANGLES}, {}, 1) for kind in sorted(FUNCTIONS)),
    ("Sign", {}, {"x": NUMBERS}, {}, 1),
    ("IsInf", {}, {"x": EDGES}, {}, 1),
    ("IsInf", {"detect_negative": 0}, {"x": EDGES}, {}, 1),
    ("IsInf", {"detect_positive": 0}, {"x": EDGES}, {}, 1),
    ("ArgMax", {"axis": 1}, {"x": TIES}, {}, 1),
    ("ArgMax", {"axis": 0, "select_last_index": 1, "keepdims": 0}, {"x": TIES}, {}, 1),
    ("ArgMin", {"axis": 2, "keepdims": 0}, {"x": X}, {}, 1),
    ("ArgMin", {}, {"x": NUMBERS}, {}, 1),
    ("ArgMax", {}, {"x": EDGES[[3, 0, 1]]}, {}, 1),  # NaN is the greatest
    ("ArgMax", {}, {"x": EDGES[[2, 2]]}, {}, 1),  # and -inf alone has a place, too
    ("Hardmax", {"axis": 1}, {"x": TIES}, {}, 1),
    ("Hardmax", {"axis": 0}, {"x": X}, {}, 1),
    ("Clip", {}, {"x": X, "low": np.array(0.5, np.float32)}, {}, 1),
    ("Clip", {}, {"x": NUMBERS}, {"low": np.array(-3), "high": np.array(5)}, 1),
    ("CumSum", {}, {"x": X}, {"axis": np.array(1)}, 1),
    ("CumSum", {"reverse": 1}, {"x": X}, {"axis": np.array(-1)}, 1),
    ("CumSum", {"exclusive": 1}, {"x": NUMBERS}, {"axis": np.array([0])[0]}, 1),
    ("CumSum", {"exclusive": 1, "reverse": 1}, {"x": NUMBERS}, {"axis": np.array(1)}, 1),
    ("TopK", {}, {"x": TIES}, {"k": np.array([4])}, 2),
    ("TopK", {"largest": 0, "axis": 0}, {"x": TIES}, {"k": np.array([2])}, 2),
    ("TopK", {"axis": 1}, {"x": X}, {"k": np.array([1])}, 2),
    ("OneHot", {}, {"i": NUMBERS}, {"d": np.array(6), "v": X[0, 0, :2]}, 1),
    ("OneHot", {"axis": 0}, {"i": NUMBERS[0]}, {"d": np.array(3), "v": np.array([0, 1])}, 1),
    ("Gather", {"axis": -1}, {"x": X, "i": RANDOM.integers(-4, 4, (2, 3))}, {}, 1),
    ("Gather", {"axis": 1}, {"x": X}, {"i": np.array(-2)}, 1),
    ("Gather", {}, {"i": NUMBERS[:1] % 3 - 3}, {"x": X}, 1),
    ("GatherElements", {"axis": 1}, {"x": X, "i": RANDOM.integers(-5, 5, (3, 2, 4))}, {}, 1),
    ("GatherElements", {}, {"i": np.array([[0, -1, 1]])}, {"x": X[:, 0, :3]}, 1),
]  # fmt: skip
ORDER = {"OneHot": ("i", "d", "v"), "Gather": ("x", "i"), "GatherElements": ("x", "i")}


@pytest.mark.parametrize(("kind", "attributes", "inputs", "constants", "outputs"), CASES)
def test_converted_operators_compute_what_onnx_says(
    kind: str,
    attributes: dict[str, Any],
    inputs: dict[str, np.ndarray],
    constants: dict[str, np.ndarray],
    outputs: int,
    tmp_path: Path,
) -> None:
    names = ORDER.get(kind, (*inputs, *constants))
    results = [f"y{number}" for number in range(outputs)]
    model = model_of([node(kind, names, results, **attributes)], inputs, results, constants)
    check(model, inputs, tmp_path)


@pytest.mark.parametrize("is_constant", [True, False])
@pytest.mark.parametrize("reduction", ["none", "add", "max"])
@pytest.mark.parametrize(
    ("kind", "indices", "updates"),
    [
        ("ScatterElements", np.array([[2, -3], [0, 1]]), X[:2, 0, :2]),
        ("ScatterND", np.array([[0, 1], [2, -1]]), X[:2, 1]),
        ("ScatterND", np.array([[[1]], [[0]]]), X[:2, None]),
    ],
)
def test_scatters_write_each_update_to_its_place(
    kind: str,
    indices: np.ndarray,
    updates: np.ndarray,
    reduction: str,
    is_constant: bool,
    tmp_path: Path,
) -> None:
    data = X[:, 0] if kind == "ScatterElements" else X
    inputs = {"x": data, "u": updates}
    weights = {"i": indices} if is_constant else {}
    made = node(kind, ["x", "i", "u"], ["y"], reduction=reduction)
    taken = inputs if is_constant else {**inputs, "i": indices}
    check(model_of([made], taken, ["y"], weights, opset=18), taken, tmp_path)


@pytest.mark.parametrize("is_constant", [True, False])
def test_updates_of_one_place_are_added_up(is_constant: bool, tmp_path: Path) -> None:
    indices = np.array([[1], [1], [0]])
    inputs = {"x": X, "u": X[::-1].copy(), **({} if is_constant else {"i": indices})}
    made = node("ScatterND", ["x", "i", "u"], ["y"], reduction="add")
    model = model_of([made], inputs, ["y"], {"i": indices} if is_constant else {}, opset=18)
    check(model, inputs, tmp_path)


def test_every_converter_is_tested() -> None:
    tested = {kind for kind, *_ in CASES} | {"ScatterElements", "ScatterND"}
    # What a pair of QuantizeLinear and DequantizeLinear becomes: see the last test.
    assert {kind for _, kind in CONVERTERS} == tested | {"FakeQuantize"}


def test_nan_is_picked_before_all_numbers_and_true(tmp_path: Path) -> None:
    """As onnxruntime has it; onnx.reference sorts NaN to the end, and ONNX says nothing."""
    x = np.array([[np.nan, 1, np.inf, 2], [3, np.nan, -np.inf, np.nan]], np.float32)
    nodes = [
        node("TopK", ["x", "k"], ["greatest", "i"]),
        node("TopK", ["x", "k"], ["least", "j"], largest=0),
        node("Cast", ["x"], ["b"], to=9),
        node("Clip", ["x", "one"], ["c"]),
    ]
    outputs = ["greatest", "i", "least", "j", "b", "c"]
    weights = {"k": np.array([3]), "one": np.float32(1)}
    found = computed(model_of(nodes, {"x": x}, outputs, weights), {"x": x}, tmp_path)
    nan, inf, most = np.nan, np.inf, np.finfo(np.float32).max
    np.testing.assert_array_equal(found["greatest"], [[nan, inf, 2], [nan, nan, 3]])
    np.testing.assert_array_equal(found["least"], [[1, 2, inf], [-inf, 3, nan]])
    assert found["i"].tolist() == [[0, 2, 3], [1, 3, 0]]
    assert found["j"].tolist() == [[1, 3, 2], [2, 0, 1]]
    assert found["b"].all()
    np.testing.assert_array_equal(found["c"], [[nan, 1, most, 2], [3, nan, 1, nan]])


def test_kernels_that_the_frontend_makes_are_kept(tmp_path: Path) -> None:
    """It emits those of Pad itself; here twice, in stretches of their own."""
    pad = [node("Pad", [a, "pads"], [b]) for a, b in (("x", "a"), ("b", "y"))]
    weights = {"axis": np.array(1), "pads": np.array([0, 1, 0, 0, 0, 2])}
    nodes = [pad[0], node("CumSum", ["a", "axis"], ["b"]), pad[1]]
    check(model_of(nodes, {"x": X}, ["y"], weights), {"x": X}, tmp_path)


def test_converted_operators_stand_among_imported_ones(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("CumSum", ["a", "axis"], ["b"]),
        node("Add", ["b", "a"], ["c"]),
        node("TopK", ["c", "k"], ["v", "i"]),
        node("Neg", ["v"], ["y"]),
    ]
    weights = {"axis": np.array(1), "k": np.array([2])}
    check(model_of(nodes, {"x": X}, ["y", "i", "a"], weights), {"x": X}, tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_quantised_nan_is_the_least_integer(dtype: str, tmp_path: Path) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1, -0.5, 0.125, 1e9, -1e9], np.float32)
    pair = [
        node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    weights = {"scale": np.float32(0.25), "zero": np.array(3, dtype)}
    found = computed(model_of(pair, {"x": x}, ["y"], weights, opset=19), {"x": x}, tmp_path)
    least, most = ((int(end) - 3) / 4 for end in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    assert found["y"].tolist() == [least, most, least, 1, -0.5, 0, most, least]
