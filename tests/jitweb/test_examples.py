"""The example models: what a newcomer runs first, and what the other tests of jitweb import."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KINDS = ["bert", "gpt", "t5-encoder", "t5-decoder"]
SMALL = {"layers": 1, "hidden": 8, "heads": 2, "sequence": 6, "vocabulary": 11, "feed_forward": 12}
OUTPUTS = {
    "bert": {"last_hidden_state": (1, 6, 8), "pooler_output": (1, 8)},
    "gpt": {"logits": (1, 6, 11)},
    "t5-encoder": {"last_hidden_state": (1, 6, 8)},
    "t5-decoder": {"logits": (1, 6, 11)},
}
# What these graphs must hold to stand for the exports of the real models.
OPERATORS = {
    "bert": {"Gather", "LayerNormalization", "Cast", "Sub", "Softmax", "Erf", "Gemm", "Tanh"},
    "gpt": {"Gather", "LayerNormalization", "Gemm", "Split", "Where", "Softmax", "Pow", "Tanh"},
    "t5-encoder": {"Gather", "Pow", "ReduceMean", "Sqrt", "Div", "Softmax", "Relu"},
    "t5-decoder": {"Gather", "Pow", "ReduceMean", "Sqrt", "Div", "Softmax", "Relu"},
}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


make_model = load("make_model").make_model


def feeds(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Random ids and states, all keys kept."""
    random = np.random.default_rng(0)
    made: dict[str, NDArray[Any]] = {}
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            made[value.name] = random.standard_normal(shape, dtype=np.float32)
        elif value.name.endswith("attention_mask"):
            made[value.name] = np.ones(shape, np.int64)
        else:
            made[value.name] = random.integers(0, 2, shape)
    return made


def outputs(model: onnx.ModelProto, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    return list(ReferenceEvaluator(model).run(None, inputs))


def run(script: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_valid_and_gives_finite_outputs_of_the_declared_shapes(kind: str) -> None:
    model = make_model(kind, **SMALL)
    onnx.checker.check_model(model, full_check=True)
    names = [value.name for value in model.graph.output]
    found = dict(zip(names, outputs(model, feeds(model)), strict=True))
    assert {name: value.shape for name, value in found.items()} == OUTPUTS[kind]
    for value in found.values():
        assert value.dtype == np.float32
        assert np.isfinite(value).all()
        assert value.std() > 0.01  # alive: neither constant nor saturated to one value


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_holds_the_operators_of_real_exports(kind: str) -> None:
    assert {node.op_type for node in make_model(kind).graph.node} >= OPERATORS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_models_and_other_seeds_other_ones(kind: str) -> None:
    model = make_model(kind, seed=3, **SMALL)
    assert model.SerializeToString() == make_model(kind, seed=3, **SMALL).SerializeToString()
    other = make_model(kind, seed=4, **SMALL)
    inputs = feeds(model)
    assert not np.allclose(outputs(model, inputs)[0], outputs(other, inputs)[0])


def test_the_halves_of_t5_share_their_embedding() -> None:
    encoder, decoder = (
        {each.name: each for each in make_model(kind, seed=1, **SMALL).graph.initializer}
        for kind in ("t5-encoder", "t5-decoder")
    )
    assert encoder["shared.weight"] == decoder["shared.weight"]


@pytest.mark.parametrize(
    ("kind", "mask"),
    [
        ("bert", "attention_mask"),
        ("t5-encoder", "attention_mask"),
        ("t5-decoder", "encoder_attention_mask"),
    ],
)
def test_a_masked_key_has_no_influence(kind: str, mask: str) -> None:
    model = make_model(kind, **SMALL)
    inputs = feeds(model)
    changed = "encoder_hidden_states" if kind == "t5-decoder" else "input_ids"
    inputs[mask][0, -1] = 0
    before = outputs(model, inputs)[0]
    inputs[changed][0, -1] += 1
    after = outputs(model, inputs)[0]
    # The masked token itself still has a row of its own, but in the decoder, where it is not a row.
    rows = slice(None) if kind == "t5-decoder" else slice(-1)
    np.testing.assert_array_equal(before[:, rows], after[:, rows])
    inputs[mask][0, -1] = 1
    assert not np.allclose(outputs(model, inputs)[0][:, rows], after[:, rows])


@pytest.mark.parametrize("kind", ["gpt", "t5-decoder"])
def test_a_later_token_has_no_influence_on_an_earlier_one(kind: str) -> None:
    model = make_model(kind, **SMALL)
    inputs = feeds(model)
    before = outputs(model, inputs)[0]
    inputs["input_ids"][0, 3] += 1
    after = outputs(model, inputs)[0]
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert not np.allclose(before[:, 4:], after[:, 4:])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_imported_by_tvm_with_its_weights_bound(kind: str) -> None:
    from tvm.relax.frontend.onnx import from_onnx

    model = make_model(kind, **SMALL)
    imported = from_onnx(model, keep_params_in_input=False)
    assert len(imported["main"].params) == len(model.graph.input)


def test_the_command_writes_the_model_that_the_function_makes(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    done = run(
        "make_model.py",
        "gpt",
        "-o",
        path,
        "--layers",
        1,
        "--sequence",
        5,
        "--seed",
        9,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert onnx.load(path) == make_model("gpt", layers=1, sequence=5, seed=9)


def test_t5_is_written_as_two_models_and_their_weights_beside_them(tmp_path: Path) -> None:
    arguments = ("t5", "-o", tmp_path / "m.onnx", "--external-data")
    for _ in range(2):  # writing again replaces the weights, and appends nothing
        assert run("make_model.py", *arguments, cwd=tmp_path).returncode == 0
    for half in ("encoder", "decoder"):
        path = tmp_path / f"m.{half}.onnx"
        data = path.with_name(path.name + ".data")
        made = make_model(f"t5-{half}")
        assert path.stat().st_size < data.stat().st_size
        assert data.stat().st_size < 1.2 * made.ByteSize()
        inputs = feeds(made)
        np.testing.assert_array_equal(outputs(onnx.load(path), inputs)[0], outputs(made, inputs)[0])


@pytest.mark.parametrize(
    ("script", "arguments", "says"),
    [
        ("make_model.py", ("lstm", "-o", "m.onnx"), "'lstm'"),
        ("make_model.py", ("bert",), "--output"),
        ("make_model.py", ("bert", "-o", "m.onnx", "--layers", "0"), "--layers"),
        ("make_model.py", ("bert", "-o", "m.onnx", "--seed", "-1"), "--seed"),
        ("make_model.py", ("bert", "-o", "m.onnx", "--heads", "5"), "choose a multiple"),
        ("make_model.py", ("bert", "-o", "no/such/folder/m.onnx"), "no/such/folder"),
        ("export_models.py", ("t5", "-o", "m"), "'t5'"),
        ("export_models.py", ("gpt2", "-o", "m", "--sequence", "0"), "--sequence"),
    ],
)
def test_bad_options_are_one_line_and_exit_2(
    script: str, arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    done = run(script, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert says in line
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_and_size_raise_errors_that_teach() -> None:
    with pytest.raises(ValueError, match="choose one of bert, gpt, t5-encoder, t5-decoder"):
        make_model("t5")
    with pytest.raises(ValueError, match="at least 1"):
        make_model("bert", layers=0)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_an_export_without_pytorch_says_what_to_install(tmp_path: Path) -> None:
    done = run("export_models.py", "gpt2", "-o", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install 'tzer[examples]'" in line
    assert list(tmp_path.iterdir()) == []
