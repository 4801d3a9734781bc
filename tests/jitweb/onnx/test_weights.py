"""Models of 16, 8 and 4 bits: the bundle's weights have their own size, and results agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from jitweb.bundle import read_plan
from jitweb.host import open_host
from jitweb.model import import_model
from jitweb.onnx.read import read_onnx
from jitweb.onnx.simplify import simplify
from jitweb.onnx.weights import with_floats
from jitweb.overview import overview
from jitweb.run_plan import run_plan
from jitweb.workflow import Options, tune_model
from tests.jitweb.onnx.models import assert_agree, computed, model_of, node, referred

DEPTH, COLUMNS, ROWS = 70, 45, 50
RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((4, DEPTH), np.float32)
IDS = RANDOM.integers(0, ROWS, (1, 4))
CHANNELS, KERNEL = (18, 20), (3, 5)
IMAGE = RANDOM.standard_normal((1, CHANNELS[0], 9, 11), np.float32)
PIXELS = RANDOM.integers(0, 256, IMAGE.shape).astype(np.int32)
SMALL = RANDOM.integers(0, 256, (4, DEPTH)).astype(np.int32)


def table(kind: int) -> onnx.ModelProto:
    """Rows of a table, projected, both of a float of 16 bits."""
    nodes = [
        node("Cast", ["w"], ["w_wide"], to=TensorProto.FLOAT),
        node("Gather", ["table", "ids"], ["rows"]),
        node("Cast", ["rows"], ["rows_wide"], to=TensorProto.FLOAT),
        node("Add", ["rows_wide", "x"], ["sum"]),
        node("MatMul", ["sum", "w_wide"], ["y"]),
    ]
    model = model_of(nodes, {"ids": IDS, "x": X[None]}, ["y"])
    for name, shape in (("table", (ROWS, DEPTH)), ("w", (DEPTH, COLUMNS))):
        values = RANDOM.standard_normal(shape)
        model.graph.initializer.append(helper.make_tensor(name, kind, shape, values.reshape(-1)))
    return _inferred(model)


def nbits(bits: int, block: int, zeros: str) -> onnx.ModelProto:
    """MatMulNBits; its zero points are left out, packed or floats."""
    blocks = -(-DEPTH // block)
    given: dict[str, Any] = {"K": DEPTH, "N": COLUMNS, "bits": bits, "block_size": block}
    weights: dict[str, Any] = {
        "w": RANDOM.integers(0, 256, (COLUMNS, blocks, block * bits // 8), np.uint8),
        "scales": RANDOM.random(COLUMNS * blocks, np.float32),
    }
    if zeros == "packed":
        width = -(-blocks * bits // 8)
        weights["zeros"] = RANDOM.integers(0, 256, COLUMNS * width, np.uint8)
    elif zeros == "floats":
        weights["zeros"] = RANDOM.random((COLUMNS, blocks), np.float32) * 15
    nodes = [node("MatMulNBits", ["x", *weights], ["y"], domain="com.microsoft", **given)]
    return model_of(nodes, {"x": X}, ["y"], weights)


def integer(dtype: Any, zero: Any) -> onnx.ModelProto:
    nodes = [
        node("Cast", ["small"], ["a"], to=TensorProto.UINT8),
        node("MatMulInteger", ["a", "w", "", *(["zero"] if zero is not None else [])], ["y"]),
    ]
    ends = np.iinfo(dtype)
    weights = {"w": RANDOM.integers(ends.min, ends.max, (DEPTH, COLUMNS), dtype, endpoint=True)}
    if zero is not None:
        weights["zero"] = np.asarray(zero, dtype)
    return model_of(nodes, {"small": SMALL}, ["y"], weights)


def dequantized(kind: int, turned: bool) -> onnx.ModelProto:
    """A weight by DequantizeLinear, a scale for each column, perhaps transposed after that."""
    shape = (COLUMNS, DEPTH) if turned else (DEPTH, COLUMNS)
    nodes = [
        node("DequantizeLinear", ["w", "scale", "zero"], ["wide"], axis=0 if turned else 1),
        *([node("Transpose", ["wide"], ["right"])] if turned else []),
        node("MatMul", ["x", "right" if turned else "wide"], ["y"]),
    ]
    weights = {"scale": RANDOM.random(COLUMNS, np.float32) + np.float32(0.1)}
    model = model_of(nodes, {"x": X}, ["y"], weights, opset=21)
    low, high = (-8, 8) if kind == TensorProto.INT4 else (0, 256)
    for name, size in (("w", shape), ("zero", (COLUMNS,))):
        values = RANDOM.integers(low, high, size).reshape(-1)
        model.graph.initializer.append(helper.make_tensor(name, kind, size, values))
    return _inferred(model)


def convolved(kind: int, operator: str = "Conv") -> onnx.ModelProto:
    """A convolution with a weight of a float of 16 bits."""
    nodes = [
        node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
        node(operator, ["image", "wide"], ["y"], pads=[1] * 4),
    ]
    model = model_of(nodes, {"image": IMAGE}, ["y"])
    shape = (CHANNELS[::-1] if operator == "Conv" else CHANNELS) + KERNEL
    values = RANDOM.standard_normal(shape).reshape(-1)
    model.graph.initializer.append(helper.make_tensor("w", kind, shape, values))
    return _inferred(model)


def convolved_integers(groups: int) -> onnx.ModelProto:
    nodes = [
        node("Cast", ["pixels"], ["a"], to=TensorProto.UINT8),
        node("ConvInteger", ["a", "w"], ["y"], group=groups),
    ]
    shape = (CHANNELS[1], CHANNELS[0] // groups, *KERNEL)
    weights = {"w": RANDOM.integers(-128, 128, shape, np.int8)}
    return model_of(nodes, {"pixels": PIXELS}, ["y"], weights)


def convolved_channels() -> onnx.ModelProto:
    """A weight by DequantizeLinear, a scale for each channel of the result."""
    nodes = [
        node("DequantizeLinear", ["w", "scale"], ["wide"], axis=0),
        node("Conv", ["image", "wide"], ["y"], strides=[2, 1]),
    ]
    weights = {
        "w": RANDOM.integers(-128, 128, CHANNELS[::-1] + KERNEL, np.int8),
        "scale": RANDOM.random(CHANNELS[1], np.float32) + np.float32(0.1),
    }
    return model_of(nodes, {"image": IMAGE}, ["y"], weights, opset=21)


def turned_channels(kind: Any, per_channel: bool, given: dict[str, Any]) -> onnx.ModelProto:
    """A ConvTranspose by DequantizeLinear; with one scale it is of 8 bits less a zero point."""
    nodes = [
        node("DequantizeLinear", ["w", "scale", "zero"], ["wide"], axis=1),
        node("ConvTranspose", ["image", "wide"], ["y"], **given),
    ]
    size = CHANNELS[1] if per_channel else ()
    weights = {
        "w": RANDOM.integers(0, 128, CHANNELS + KERNEL).astype(kind),
        "scale": RANDOM.random(size).astype(np.float32) + np.float32(0.1),
        "zero": np.zeros(size, kind) if per_channel else np.array(7, kind),
    }
    return model_of(nodes, {"image": IMAGE}, ["y"], weights)


def cast(
    dtype: Any, zero: Any, first: int = TensorProto.FLOAT, most: int | None = None
) -> onnx.ModelProto:
    """A weight that the graph casts, perhaps less zero points, times a scale for each column."""
    nodes = [
        node("Cast", ["w"], ["whole"], to=first),
        *([] if zero is None else [node("Sub", ["whole", "zero"], ["moved"])]),
        node("Cast", ["whole" if zero is None else "moved"], ["wide"], to=TensorProto.FLOAT),
        node("Mul", ["wide", "scale"], ["right"]),
        node("MatMul", ["x", "right"], ["y"]),
    ]
    ends = np.iinfo(dtype)
    weights: dict[str, Any] = {
        "w": RANDOM.integers(ends.min, most or ends.max, (DEPTH, COLUMNS), dtype, endpoint=True),
        "scale": RANDOM.random((1, COLUMNS), np.float32) + np.float32(0.1),
    }
    if zero is not None:
        weights["zero"] = np.asarray(zero, helper.tensor_dtype_to_np_dtype(first))
    return model_of(nodes, {"x": X}, ["y"], weights)


def cast_table() -> onnx.ModelProto:
    """Rows of a table by a scale each, and rows of another that are cast after the Gather."""
    nodes = [
        node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
        node("Mul", ["scale", "wide"], ["table"]),
        node("Gather", ["table", "ids"], ["rows"]),
        node("Gather", ["v", "ids"], ["short"]),
        node("Cast", ["short"], ["whole"], to=TensorProto.FLOAT),
        node("Mul", ["whole", "rows"], ["y"]),
    ]
    weights = {
        "w": RANDOM.integers(-128, 128, (COLUMNS, DEPTH), np.int8),
        "v": RANDOM.integers(0, 256, (COLUMNS, DEPTH), np.uint8),
        "scale": RANDOM.random((COLUMNS, 1), np.float32),
    }
    return model_of(nodes, {"ids": IDS % COLUMNS}, ["y"], weights)


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the shape of its output, which depends on weights that were added."""
    (output,) = model.graph.output
    output.type.Clear()
    output.type.tensor_type.elem_type = TensorProto.FLOAT
    return onnx.shape_inference.infer_shapes(model)


def dynamic_table() -> onnx.ModelProto:
    """Rows of a table of 8 bits that become floats after the Gather, as quantize_dynamic has it."""
    nodes = [
        node("Gather", ["w", "ids"], ["rows"]),
        node("DequantizeLinear", ["rows", "scale", "zero"], ["wide"]),
        node("Add", ["wide", "x"], ["y"]),
    ]
    weights = {
        "w": RANDOM.integers(-128, 128, (COLUMNS, DEPTH), np.int8),
        "scale": np.float32(0.37),
        "zero": np.int8(3),
    }
    return model_of(nodes, {"ids": IDS % COLUMNS, "x": X[None]}, ["y"], weights)


KERNELS_SIZE = math.prod(CHANNELS + KERNEL)
BOTH, ONE = (ROWS + COLUMNS) * DEPTH, COLUMNS * DEPTH
FACTORS = 4 * COLUMNS
PADDED = 4 * COLUMNS * 2  # words at the ends of rows and columns that are not full
MODELS: dict[str, tuple[Callable[[], onnx.ModelProto], float, int]] = {
    "float16": (lambda: table(TensorProto.FLOAT16), 2 * BOTH, 0),
    "bfloat16": (lambda: table(TensorProto.BFLOAT16), 2 * BOTH, 0),
    "int8": (lambda: integer(np.int8, None), ONE, 0),
    "uint8": (lambda: integer(np.uint8, None), ONE, FACTORS),
    "uint8-128": (lambda: integer(np.uint8, 128), ONE, 0),
    "int8-columns": (lambda: integer(np.int8, range(-20, 25)), ONE, FACTORS),
    "qdq-uint8": (lambda: dequantized(TensorProto.UINT8, False), ONE, 2 * FACTORS),
    "qdq-uint8-turned": (lambda: dequantized(TensorProto.UINT8, True), ONE, 2 * FACTORS),
    "table-int8": (dynamic_table, ONE, 2 * 4),
    "qdq-int4": (lambda: dequantized(TensorProto.INT4, True), ONE / 2, 2 * FACTORS),
    **{
        f"4-bit-{block}-{zeros}": (
            partial(nbits, 4, block, zeros),
            ONE / 2,
            (2 if zeros else 1) * FACTORS * -(-DEPTH // block),
        )
        for block in (16, 32, 64, 128, 256)
        for zeros in ("", "packed", "floats")
    },
    "conv-float16": (lambda: convolved(TensorProto.FLOAT16), 2 * KERNELS_SIZE, 0),
    "conv-bfloat16": (lambda: convolved(TensorProto.BFLOAT16), 2 * KERNELS_SIZE, 0),
    "conv-transpose-float16": (
        lambda: convolved(TensorProto.FLOAT16, "ConvTranspose"),
        2 * KERNELS_SIZE,
        0,
    ),
    "int8-conv": (lambda: convolved_integers(1), KERNELS_SIZE, 0),
    "int8-conv-grouped": (lambda: convolved_integers(2), KERNELS_SIZE / 2, 0),
    "conv-channels": (convolved_channels, KERNELS_SIZE, 4 * CHANNELS[1]),
    # Kernels of 3 x 5 become 4 x 6, a multiple of the stride: two of the same factors.
    "turned-channels": (
        lambda: turned_channels(np.int8, True, {"strides": [2, 2], "pads": [1] * 4}),
        KERNELS_SIZE * 24 / 15,
        2 * 4 * CHANNELS[1],
    ),
    "turned-uint8": (
        lambda: turned_channels(np.uint8, False, {"strides": [1, 2], "pads": [1] * 4}),
        KERNELS_SIZE * 18 / 15,
        2 * 4 * CHANNELS[1],
    ),
    "cast-int8": (lambda: cast(np.int8, None), ONE, FACTORS),
    "cast-uint8": (lambda: cast(np.uint8, None), ONE, 2 * FACTORS),
    "cast-less-one": (lambda: cast(np.uint8, 128, TensorProto.INT32), ONE, FACTORS),
    "cast-less-half": (lambda: cast(np.uint8, 7.5, most=15), ONE, 2 * FACTORS),
    "cast-less-columns": (
        lambda: cast(np.uint8, range(100, 100 + COLUMNS), TensorProto.INT32),
        ONE,
        2 * FACTORS,
    ),
    "cast-table": (cast_table, 2 * 48 * DEPTH, FACTORS + 4),
    "8-bit": (lambda: nbits(8, 32, ""), ONE, 3 * FACTORS),
    "8-bit-packed": (lambda: nbits(8, 16, "packed"), ONE, 10 * FACTORS),
}


@pytest.mark.parametrize("name", MODELS)
def test_weights_keep_their_size_and_results_agree(name: str, tmp_path: Path) -> None:
    make, most, factors = MODELS[name]
    model, path = make(), tmp_path / "model.onnx"
    onnx.save(model, path)
    imported = import_model(path)
    size = sum(array.nbytes for array in imported.weights.values())
    assert most <= size - factors <= most + PADDED
    taken = {value.name for value in model.graph.input}
    given: dict[str, np.ndarray] = {
        "x": X, "ids": IDS % COLUMNS, "small": SMALL, "image": IMAGE, "pixels": PIXELS,
    }  # fmt: skip
    inputs = {key: array for key, array in given.items() if key in taken}
    if {"ids", "x"} <= taken:
        inputs["x"] = X[None]
    standard = with_floats(simplify(read_onnx(path, {})))
    is_exact = name.startswith(("int8", "uint8"))
    found, wanted = run_plan(imported, inputs), referred(standard, inputs)
    assert_agree(found, wanted, 0.0 if is_exact else 1e-5)


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_a_transposed_convolution_of_bytes_is_that_of_their_floats(
    kind: Any, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"strides": [2, 3], "dilations": [1, 2], "pads": [1] * 4}
    bytes_ = turned_channels(kind, kind is np.int8, given)
    weights = {each.name: numpy_helper.to_array(each) for each in bytes_.graph.initializer}
    whole = (weights["w"].astype(np.float32) - np.float32(weights["zero"].max())) * weights[
        "scale"
    ].reshape(1, -1, 1, 1)
    turned = node("ConvTranspose", ["image", "w"], ["y"], **given)
    floats = model_of([turned], {"image": IMAGE}, ["y"], {"w": whole})
    onnx.save(bytes_, tmp_path / "m.onnx")
    found = run_plan(import_model(tmp_path / "m.onnx"), {"image": IMAGE})
    assert_agree(found, computed(floats, {"image": IMAGE}, tmp_path))


def test_the_weights_of_a_bundle_are_packed_where_it_runs(tmp_path: Path) -> None:
    model, path, out = table(TensorProto.FLOAT16), tmp_path / "model.onnx", tmp_path / "out"
    onnx.save(model, path)
    report = tune_model(Options(path, out), lambda name: None, None)
    panels = 2 * DEPTH * -(-COLUMNS // 8) * 8  # which overlap where the last one is not full
    assert report.sizes["weights.safetensors"] <= panels + 2 * ROWS * DEPTH + 1000
    inputs: dict[str, np.ndarray] = {"ids": IDS, "x": X[None]}
    with open_host(out, read_plan(out), "wasm", 1) as host:
        found = host.run(inputs)
    assert_agree(found, referred(simplify(read_onnx(path, {})), inputs))


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_inspect_knows_what_is_shipped_without_reading_it(bits: int, tmp_path: Path) -> None:
    depth, columns, path = 320, 260, tmp_path / "model.onnx"
    given: dict[str, Any] = {"K": depth, "N": columns, "bits": bits, "block_size": 32}
    numbers = RANDOM.integers(0, 256, (columns, 10, 4 * bits), np.uint8)
    weights = {"w": numbers, "scales": RANDOM.random(columns * 10, np.float32)}
    nodes = [node("MatMulNBits", ["x", *weights], ["y"], domain="com.microsoft", **given)]
    if bits == 16:
        nodes = [
            node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
            node("Transpose", ["wide"], ["turned"]),
            node("MatMul", ["x", "turned"], ["y"]),
        ]
        weights = {"w": RANDOM.standard_normal((columns, depth)).astype(np.float16)}
    x = np.zeros((4, depth), np.float32)
    onnx.save(model_of(nodes, {"x": x}, ["y"], weights), path)
    size = sum(array.nbytes for array in import_model(path).weights.values())
    assert overview(path, {}).shipped_bytes == size
    assert size == depth * columns * bits // 8 + (4 * 10 * columns if bits < 16 else 0)


def test_a_table_of_4_bits_is_packed(tmp_path: Path) -> None:
    packed = RANDOM.integers(0, 256, (ROWS, 32), np.uint8)
    scales = RANDOM.random((ROWS, 4), np.float32)
    zeros = RANDOM.integers(0, 256, (ROWS, 2), np.uint8)
    gather = node(
        "GatherBlockQuantized", ["w", "ids", "scales", "zeros"], ["y"], domain="com.microsoft",
        block_size=16, bits=4, quantize_axis=1, gather_axis=0,
    )  # fmt: skip
    weights = {"w": packed, "scales": scales, "zeros": zeros}
    path = tmp_path / "model.onnx"
    onnx.save(model_of([gather], {"ids": IDS}, ["y"], weights), path)
    imported = import_model(path)
    assert sum(array.nbytes for array in imported.weights.values()) <= ROWS * (32 + 32) + 4 * 64
    low_first = np.stack([packed & 15, packed >> 4], -1).reshape(ROWS, 64).astype(np.float32)
    middle = np.stack([zeros & 15, zeros >> 4], -1).reshape(ROWS, 4).astype(np.float32)
    whole = (low_first - np.repeat(middle, 16, 1)) * np.repeat(scales, 16, 1)
    np.testing.assert_allclose(run_plan(imported, {"ids": IDS})["y"], whole[IDS], rtol=1e-6)


def test_float32_weights_are_as_they_were(tmp_path: Path) -> None:
    w = RANDOM.standard_normal((DEPTH, COLUMNS), np.float32)
    path = tmp_path / "model.onnx"
    onnx.save(model_of([node("MatMul", ["x", "w"], ["y"])], {"x": X}, ["y"], {"w": w}), path)
    imported = import_model(path)
    (array,) = imported.weights.values()
    assert not imported.packed
    np.testing.assert_array_equal(array, w)
    assert numpy_helper.to_array(onnx.load(path).graph.initializer[0]).dtype == array.dtype


def test_a_bundle_for_webgpu_needs_no_shader_f16_and_uses_it(tmp_path: Path, browser: None) -> None:
    """Where an adapter lacks it, as a browser's software adapter, the other kernel is right."""
    model, path, out = table(TensorProto.FLOAT16), tmp_path / "model.onnx", tmp_path / "out"
    onnx.save(model, path)
    tune_model(Options(path, out, ("webgpu",)), lambda name: None, None)
    plan = read_plan(out)
    part = plan["targets"]["webgpu"]
    assert part["features"] == []
    pairs = [(each, each["halves"]) for each in part["shaders"].values() if "halves" in each]
    assert pairs
    for plain, halves in pairs:
        assert "f16" not in plain["code"] and "enable f16;" in halves["code"]
    inputs: dict[str, np.ndarray] = {"ids": IDS, "x": X[None]}
    with open_host(out, plan, "webgpu", 1) as host:
        found = host.run(inputs)
    assert_agree(found, referred(simplify(read_onnx(path, {})), inputs))
