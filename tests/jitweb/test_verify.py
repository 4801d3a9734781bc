"""What a bundle is verified by: the user's arrays, or what several oracles compute."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from jitweb import expected
from jitweb.bundle import ExpectedOutputs, sample
from jitweb.cli import cli
from jitweb.errors import JitwebError
from jitweb.model import import_model
from jitweb.onnx.reference import evaluator
from jitweb.verify import Agreement, Verification, verify_bundle
from jitweb.workflow import Options, tune_model

NORM = {"g": [1, 2, 3, 4], "b": [0, 0, 0, 0], "mu": [1, 0, -1, 2], "v": [1, 4, 0.5, 2]}
SHAPE = [1, 4, 3, 3]
X = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)


@pytest.fixture(scope="module")
def norm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BatchNormalization of opset 11, which onnx.reference computes wrongly."""
    path = tmp_path_factory.mktemp("norm") / "norm.onnx"
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("BatchNormalization", ["x", *NORM], ["y"])],
        "norm",
        [value("x", TensorProto.FLOAT, SHAPE)],
        [value("y", TensorProto.FLOAT, SHAPE)],
        [numpy_helper.from_array(np.array(each, np.float32), name) for name, each in NORM.items()],
    )
    opset = helper.make_opsetid("", 11)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def tuned(norm: Path) -> Path:
    tune_model(Options(norm, norm.parent / "out"), lambda name: None, None)
    return norm.parent / "out"


def right() -> np.ndarray:
    g, b, mu, v = (np.array(each, np.float64).reshape(1, 4, 1, 1) for each in NORM.values())
    return ((X - mu) / np.sqrt(v + 1e-5) * g + b).astype(np.float32)


def test_an_error_of_the_reference_alone_makes_no_right_model_wrong(tuned: Path) -> None:
    found = verify_bundle(tuned, "wasm", 1e-4)
    (agreement,) = found.agreements
    assert found.is_right and not agreement.source.startswith("onnx.reference")
    (reference,) = [name for name in found.sources if name.startswith("onnx.reference")]
    assert agreement.errors[reference] > 1e-3
    assert any(
        line.startswith("differs  wasm y: ") and line.endswith(f"against {reference}")
        for line in found.lines()
    )


def test_what_a_file_says_the_outputs_are_is_what_is_expected(tuned: Path, tmp_path: Path) -> None:
    for wanted, status in ((right(), 0), (right() + 1, 1)):
        np.savez(tmp_path / "x.npz", x=X, y=wanted)
        arguments = ["verify", str(tuned), "--inputs", str(tmp_path / "x.npz"), "--json"]
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == status, done.output
        assert json.loads(done.stdout)["references"] == ["x.npz"]


def test_inputs_alone_need_the_model(norm: Path, tuned: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X)
    with pytest.raises(JitwebError, match=r"holds no outputs .* \(y\), or name the --model"):
        verify_bundle(tuned, None, 1e-4, given=tmp_path / "x.npz")
    found = verify_bundle(tuned, None, 1e-4, given=tmp_path / "x.npz", model=norm)
    assert found.is_right and len(found.sources) > 1


def test_another_model_than_the_bundle_s_is_said_to_be_one(
    norm: Path, tuned: Path, tmp_path: Path
) -> None:
    model = onnx.load(norm)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(model, tmp_path / "other.onnx")
    model.graph.input[0].name = model.graph.node[0].input[0] = "z"
    onnx.save(model, tmp_path / "third.onnx")
    for name, why in (("other", "does not fit x"), ("third", "there is no input x")):
        words = rf"{name}.onnx is not the model that .*out was made of: .*{why}"
        with pytest.raises(JitwebError, match=words):
            verify_bundle(tuned, None, 1e-4, model=tmp_path / f"{name}.onnx")


def test_tune_keeps_the_inputs_that_it_was_given(norm: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=X, y=right())
    options = Options(norm, tmp_path / "out", inputs=tmp_path / "x.npz")
    tune_model(options, lambda name: None, None)
    assert verify_bundle(tmp_path / "out", None, 1e-4).sources == ("x.npz",)


def test_what_no_oracle_agrees_with_is_wrong_and_each_is_reported() -> None:
    agreement = Agreement("wasm", "y", {"one": 0.5, "two": 0.25}, 1e-4)
    found = Verification((), (agreement,), ("one", "two"))
    assert not found.is_right
    assert [line.split(":")[0] for line in found.lines()] == ["WRONG    wasm y"] * 2
    assert not any("onnxruntime" in line for line in found.lines())


@pytest.mark.parametrize(("error", "count"), [(0.0, 1), (1.0, 2)])
def test_the_reference_is_asked_only_where_onnxruntime_differs_from_the_plan(
    norm: Path, monkeypatch: pytest.MonkeyPatch, error: float, count: int
) -> None:
    def answer(model: onnx.ModelProto, inputs: expected.Arrays) -> expected.Arrays:
        g, b, mu, v = (np.array(each).reshape(1, 4, 1, 1) for each in NORM.values())
        return {"y": ((inputs["x"] - mu) / np.sqrt(v + 1e-5) * g + b + error).astype(np.float32)}

    monkeypatch.setattr(expected, "_onnxruntime", lambda: SimpleNamespace(__version__="1.0"))
    monkeypatch.setattr(expected, "_by_onnxruntime", answer)
    found = expected.expected_outputs(norm, {}, import_model(norm))
    assert len(found.outputs) == count and next(iter(found.outputs)) == "onnxruntime 1.0"


def test_the_reference_stops_at_its_limit(norm: Path) -> None:
    with pytest.raises(TimeoutError):
        evaluator(onnx.load(norm), end=0.0).run(None, {"x": X})


def test_each_source_keeps_its_own_outputs() -> None:
    kept = sample(ExpectedOutputs({}, {"a": {"y": np.ones(3)}, "b": {"y": np.full(3, 2.0)}}))
    assert kept["output.0.y"].tolist() == [1, 1, 1] and kept["scale.1.y"].tolist() == [2]
