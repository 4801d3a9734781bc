"""What the tests of bundles share: small models, and a bundle of one, tuned for both targets."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest

from harness.devices.base import Device
from harness.devices.node import NodeDevice
from jitweb.targets import WasmTarget, WebgpuTarget, WebTarget
from jitweb.workflow import Options, tune_model
from tests.harness.gpu import open_device
from tests.jitweb.tiny import Tiny

ROOT = Path(__file__).resolve().parents[2]


def examples() -> ModuleType:
    """examples/make_model.py as a module."""
    name = "jitweb_make_model"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / "make_model.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small example models by kind."""
    folder = tmp_path_factory.mktemp("models")
    paths = {}
    for kind in ("bert", "gpt", "t5-encoder", "t5-decoder"):
        paths[kind] = folder / f"{kind}.onnx"
        onnx.save(examples().make_model(kind), paths[kind])
    return paths


@pytest.fixture(scope="session")
def products(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models of one product with 128 KiB of weights, for what is the same for every model."""
    folder = tmp_path_factory.mktemp("products")
    float_, paths = onnx.TensorProto.FLOAT, {}
    for number, name in enumerate(("first", "second")):
        weights = np.random.default_rng(number).normal(size=(64, 512)).astype(np.float32)
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
            name,
            [onnx.helper.make_tensor_value_info("x", float_, [4, 64])],
            [onnx.helper.make_tensor_value_info("y", float_, [4, 512])],
            [onnx.numpy_helper.from_array(weights, "w")],
        )
        opset = onnx.helper.make_opsetid("", 17)
        paths[name] = folder / f"{name}.onnx"
        onnx.save(onnx.helper.make_model(graph, opset_imports=[opset]), paths[name])
    return paths


@pytest.fixture(scope="session")
def bundle(small_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small BERT for both targets, its kernels chosen by the static order."""
    out = tmp_path_factory.mktemp("bundle") / "bert"
    tune_model(Options(small_models["bert"], out, ("wasm", "webgpu")), lambda name: None, None)
    return out


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose kernels are written by hand."""
    return Tiny().write(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="module", params=["wasm", "webgpu"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[WebTarget, Device]]:
    """A target with a device for it."""
    if request.param == "wasm":
        with NodeDevice() as device:
            yield WasmTarget(), device
        return
    with open_device("wgpu") as gpu:
        yield WebgpuTarget(gpu.limits(), gpu.features()), gpu  # type: ignore[misc]
