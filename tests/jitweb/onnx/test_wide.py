"""int64 beyond 32 bits: computed as such where all targets have them, and only where needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from jitweb.bundle import read_plan
from jitweb.host import open_host
from jitweb.model import import_model
from jitweb.onnx.ranges import integers_of
from jitweb.onnx.simplify import simplify
from jitweb.run_plan import run_plan
from jitweb.workflow import Options, tune_model
from tests.jitweb.onnx.models import Arrays, assert_agree, model_of, node, referred
from tests.jitweb.test_runtime import in_node

BIG = np.array([[1, 70_000, -3_000_000_000, 1 << 40], [-7, 5_000_000_000, 200_000, -(1 << 35)]])
SMALL = np.array([[3, -4, 9, 2], [5, -6, 7, 10]])
TABLE = np.array([1 << 40, -5, 3_000_000_000, 7])
ONE = {"axis": np.array(1), "axes": np.array([1])}

# operator, attributes, inputs, constants
KINDS: list[tuple[str, dict[str, Any], Arrays, Arrays]] = [
    ("Add", {}, {"i": BIG, "j": BIG[::-1].copy()}, {}),
    ("Sub", {}, {"i": BIG, "j": BIG[::-1].copy()}, {}),
    ("Mul", {}, {"i": BIG, "j": SMALL}, {}),
    ("Div", {}, {"i": BIG, "j": SMALL}, {}),
    ("Mod", {}, {"i": BIG, "j": SMALL}, {}),
    ("Mod", {"fmod": 1}, {"i": BIG, "j": SMALL}, {}),
    ("Neg", {}, {"i": BIG}, {}),
    ("Abs", {}, {"i": BIG}, {}),
    ("Sign", {}, {"i": BIG}, {}),
    ("Pow", {}, {"i": SMALL * 1000}, {"e": np.array(3)}),
    ("Pow", {}, {"i": np.abs(SMALL), "e": SMALL % 4}, {}),
    ("Min", {}, {"i": BIG, "j": SMALL}, {}),
    ("Max", {}, {"i": BIG, "j": SMALL}, {}),
    ("Clip", {}, {"i": BIG}, {"low": np.array(-9_000_000_000), "high": np.array(1 << 36)}),
    ("ReduceSum", {"keepdims": 0}, {"i": BIG}, {"axes": ONE["axes"]}),
    ("ReduceProd", {"keepdims": 0}, {"i": SMALL * 1000}, {}),
    ("ReduceMax", {}, {"i": BIG}, {}),
    ("CumSum", {}, {"i": BIG}, {"axis": ONE["axis"]}),
    ("Cast", {"to": onnx.TensorProto.INT64}, {"x": np.array([1e10, -2.5, 3e9], np.float32)}, {}),
    ("Equal", {}, {"i": BIG, "j": BIG + (SMALL > 0) * (1 << 32)}, {}),
    ("Less", {}, {"i": BIG, "j": SMALL}, {}),
    ("Where", {}, {"c": BIG > 0, "i": BIG, "j": SMALL}, {}),
    ("Gather", {}, {"n": np.array([3, 0, -2])}, {"table": TABLE}),
    ("Concat", {"axis": 1}, {"i": BIG, "j": SMALL}, {}),
    ("MatMul", {}, {"i": BIG}, {"w": SMALL.T.copy()}),
    ("ArgMax", {"axis": 1}, {"i": BIG}, {}),
]  # fmt: skip
ORDER = {"Gather": ["table", "n"]}


def made(kind: str, attributes: dict[str, Any], inputs: Arrays, constants: Arrays) -> Any:
    names = ORDER.get(kind, [*inputs, *constants])
    return model_of([node(kind, names, ["y"], **attributes)], inputs, ["y"], constants, opset=18)


@pytest.mark.parametrize(("kind", "attributes", "inputs", "constants"), KINDS)
def test_integers_beyond_32_bits_are_computed_as_onnx_says(
    kind: str, attributes: dict[str, Any], inputs: Arrays, constants: Arrays, tmp_path: Path
) -> None:
    model = made(kind, attributes, inputs, constants)
    onnx.save(model, tmp_path / "m.onnx")
    imported = import_model(tmp_path / "m.onnx")
    assert imported.wide
    assert_agree(run_plan(imported, inputs), referred(model, inputs))


def test_a_bundle_takes_and_returns_integers_beyond_32_bits(tmp_path: Path) -> None:
    """Several operators in one model, as WebAssembly runs them: fused, tuned kernels."""
    inputs = {"i": BIG, "n": np.array([3, 0, -2])}
    nodes = [
        node("Mul", ["i", "i"], ["square"]),
        node("ReduceSum", ["i", "axes"], ["sum"]),
        node("Sub", ["square", "sum"], ["y"]),
        node("Mod", ["i", "seven"], ["mod"]),
        node("CumSum", ["i", "axis"], ["running"]),
        node("Gather", ["table", "n"], ["row"]),
        node("Greater", ["i", "sum"], ["is_more"]),
        node("Cast", ["i"], ["real"], to=onnx.TensorProto.FLOAT),
    ]
    weights = {**ONE, "table": TABLE, "seven": np.array(7)}
    outputs = ["y", "mod", "running", "row", "is_more", "real"]
    model = model_of(nodes, inputs, outputs, weights)
    onnx.save(model, tmp_path / "m.onnx")
    tune_model(Options(tmp_path / "m.onnx", tmp_path / "out"), lambda target: None, None)
    plan = read_plan(tmp_path / "out")
    with open_host(tmp_path / "out", plan, "wasm", 1) as host:
        assert_agree(host.run(inputs), referred(model, inputs))
    told = in_node(f"""
        const model = await load("{tmp_path / "out"}"), n = [0, 1, 2], i = (x) => Array(8).fill(x);
        const {{ mod, y }} = await model.run({{ i: i(2 ** 40), n }});
        const told = [];
        for (const wrong of [i(1.5), i(null), i("5"), i(true), i(2n ** 63n), new Float32Array(8)])
          told.push(await words(() => model.run({{ i: wrong, n }})));
        return {{ mod, type: y.constructor.name, words: told }};""")
    assert (told["mod"], told["type"]) == ([2**40 % 7] * 8, "BigInt64Array")
    assert all("64-bit integer" in each or "must be int64" in each for each in told["words"])


MASK = np.ones((1, 4), np.int64)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Cast", ["i"], ["y"], to=onnx.TensorProto.FLOAT)],
        [node("Sub", ["one", "i"], ["n"]), node("Cast", ["n"], ["y"], to=onnx.TensorProto.FLOAT)],
        [node("Equal", ["i", "one"], ["y"])],
        [node("CumSum", ["i", "axis"], ["n"]), node("Gather", ["words", "n"], ["y"])],
    ],
    ids=["cast", "1 - mask", "compared", "positions"],
)
def test_masks_and_indices_stay_in_32_bits(nodes: list[onnx.NodeProto]) -> None:
    weights = {"one": np.array(1), **ONE, "words": np.ones((9, 2), np.float32)}
    model = model_of(nodes, {"i": MASK}, ["y"], weights)
    assert not integers_of(simplify(model), may_be_wide=True).wide


def test_for_webgpu_inputs_are_bounded_instead(tmp_path: Path) -> None:
    onnx.save(made("Mul", {}, {"i": SMALL, "j": SMALL}, {}), tmp_path / "m.onnx")
    imported = import_model(tmp_path / "m.onnx", targets=("wasm", "webgpu"))
    assert not imported.wide
    assert [each.range for each in imported.plan.inputs] == [(-46340, 46340)] * 2
