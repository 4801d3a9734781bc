"""Resize, Upsample, pools and quantisations in the forms that TVM's frontend has wrong or lacks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from jitweb.errors import JitwebError
from jitweb.model import import_model
from tests.jitweb.onnx.models import assert_agree, check, computed, model_of, node

IMAGE = np.random.default_rng(0).standard_normal((1, 2, 5, 7)).astype(np.float32)
TALL = np.random.default_rng(1).standard_normal((1, 2, 9, 10)).astype(np.float32)
LONG = np.random.default_rng(2).standard_normal((1, 2, 40, 3)).astype(np.float32)
ROI = np.array([0, 0, 0.2, 0.1, 1, 1, 0.7, 1.2], np.float32)


def resized(
    x: np.ndarray = IMAGE, scales: Any = None, sizes: Any = None, opset: int = 19, **given: Any
) -> onnx.ModelProto:
    weights = {"roi": ROI}
    if scales is not None:
        weights["scales"] = np.array(scales, np.float32)
    else:
        weights["sizes"] = np.array(sizes, np.int64)
    inputs = ["x", "roi", *(["scales"] if scales is not None else ["", "sizes"])]
    return model_of([node("Resize", inputs, ["y"], "r", **given)], {"x": x}, ["y"], weights, opset)


MODES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "half_pixel_symmetric")
CROP = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 3.0}


@pytest.mark.once
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize(
    "given",
    [
        *({"coordinate_transformation_mode": each} for each in MODES),
        {"coordinate_transformation_mode": "align_corners", "sizes": [1, 2, 8, 3]},
        {"sizes": [1, 2, 8, 8], **CROP},
        {"sizes": [1, 2, 1, 1], "coordinate_transformation_mode": "align_corners"},
        {"sizes": [3, 4], "axes": [2, 3], "antialias": 1},
        {"scales": [0.1, 1], "axes": [2, 3], "antialias": 1, "x": LONG},
        {"sizes": [10, 10], "axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"},
        {"scales": [2, 1.5], "x": IMAGE[0, 0]},
        {"scales": [1, 2, 2, 1]},
    ],
    ids=str,
)
def test_a_resize_takes_the_scales_that_are_given(
    mode: str, given: dict[str, Any], tmp_path: Path
) -> None:
    """Not the ratio of the extents: 5 · 1.6 is 8, but 7 · 0.7 is 4 and not 4.9."""
    given = {"scales": None if "sizes" in given else [1, 1, 1.6, 0.7], "x": IMAGE, **given}
    x = given["x"]
    check(resized(mode=mode, **given), {"x": x}, tmp_path)


@pytest.mark.once
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("scales", [[1, 1, 2, 0.5], [1, 1, 2.5, 1]], ids=str)
def test_the_nearest_is_that_of_the_rounding(
    rounding: str, scales: list[float], tmp_path: Path
) -> None:
    model = resized(scales=scales, mode="nearest", nearest_mode=rounding)
    check(model, {"x": IMAGE}, tmp_path)


@pytest.mark.once
def test_a_cubic_may_leave_out_what_lies_outside(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "exclude_outside": 1,
        "cubic_coeff_a": -0.5,
        "scales": [1, 1, 0.8, 1.7],
    }
    check(resized(mode="cubic", **given), {"x": IMAGE}, tmp_path)


@pytest.mark.once
@pytest.mark.parametrize("opset", [7, 9, 10])
def test_old_resizes_are_asymmetric(opset: int, tmp_path: Path) -> None:
    """As onnxruntime has them; their nearest is the one below, where they grow."""
    x, scales = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3), [1, 1, 2, 2]
    if opset == 7:
        made = node("Upsample", ["x"], ["y"], mode="nearest", scales=[float(s) for s in scales])
    else:
        made = node("Upsample" if opset == 9 else "Resize", ["x", "s"], ["y"], mode="nearest")
    weights = {"s": np.array(scales, np.float32)}
    found = computed(model_of([made], {"x": x}, ["y"], weights, opset), {"x": x}, tmp_path)
    assert_agree(found, {"y": x.repeat(2, 2).repeat(2, 3)})


@pytest.mark.once
def test_a_resize_by_values_or_of_integers_is_refused_by_name(tmp_path: Path) -> None:
    inputs = {"x": IMAGE, "s": np.ones(4, np.float32)}
    model = model_of([node("Resize", ["x", "", "s"], ["y"], "wider")], inputs, ["y"])
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match=r"wider \(Resize\) has a size that depends on values"):
        import_model(tmp_path / "m.onnx")
    whole = resized(IMAGE.astype(np.int32), scales=[1, 1, 2, 2], mode="linear")
    onnx.save(whole, tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match=r"r \(Resize\) interpolates integers; put a Cast"):
        import_model(tmp_path / "m.onnx")


@pytest.mark.once
@pytest.mark.parametrize(
    "scales", [[1, 1, 0, 1], [1, 1, 1e30, 1], [1, 1, -2, 1], [1, 1, np.nan, 1]]
)
def test_a_size_that_no_image_has_is_refused_by_name(scales: list[float], tmp_path: Path) -> None:
    onnx.save(resized(scales=scales, mode="nearest"), tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match=r"r \(Resize\) asks for the size 1x2x(0|-1)x7; export"):
        import_model(tmp_path / "m.onnx")


def windows(x: np.ndarray, starts: list[range], reach: list[int]) -> np.ndarray:
    """The parts of an image that windows see, as far as they lie in it."""
    return np.array(
        [
            [
                [
                    np.max(
                        plane[
                            max(top, 0) : max(top + reach[0], 0),
                            max(left, 0) : max(left + reach[1], 0),
                        ]
                    )
                    for left in starts[1]
                ]
                for top in starts[0]
            ]
            for plane in x[0]
        ]
    )[None]


@pytest.mark.once
@pytest.mark.parametrize(
    ("automatic", "top", "left"), [("SAME_UPPER", 0, -1), ("SAME_LOWER", -1, -2), ("VALID", 0, 0)]
)
def test_a_pool_is_padded_to_the_side_that_it_names(
    automatic: str, top: int, left: int, tmp_path: Path
) -> None:
    """SAME leaves ⌈extent / stride⌉ windows; here it lacks a row and three columns."""
    given: dict[str, Any] = {"kernel_shape": [2, 4], "strides": [2, 3], "auto_pad": automatic}
    model = model_of([node("MaxPool", ["x"], ["y"], **given)], {"x": TALL}, ["y"])
    counts = (4, 3) if automatic == "VALID" else (5, 4)
    starts = [range(top, top + 2 * counts[0], 2), range(left, left + 3 * counts[1], 3)]
    found = computed(model, {"x": TALL}, tmp_path)
    assert_agree(found, {"y": windows(TALL, starts, [2, 4])})


@pytest.mark.once
def test_a_norm_of_a_window_that_leaves_the_image_is_of_what_it_sees(tmp_path: Path) -> None:
    given: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 3], "ceil_mode": 1}
    model = model_of([node("LpPool", ["x"], ["y"], **given)], {"x": TALL}, ["y"], opset=18)
    wanted = [
        [[np.linalg.norm(p[a : a + 3, b : b + 3]) for b in (0, 3, 6, 9)] for a in (0, 2, 4, 6)]
        for p in TALL[0]
    ]
    assert_agree(computed(model, {"x": TALL}, tmp_path), {"y": np.array([wanted], np.float32)})


@pytest.mark.once
def test_the_places_of_a_maximum_are_refused_only_where_they_are_read(tmp_path: Path) -> None:
    pool = node("MaxPool", ["x"], ["y", "places"], "pool", kernel_shape=[2, 2])
    check(model_of([pool], {"x": TALL}, ["y"]), {"x": TALL}, tmp_path)
    onnx.save(model_of([pool], {"x": TALL}, ["y", "places"]), tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match=r"not supported: MaxPool with Indices \(pool\)"):
        import_model(tmp_path / "m.onnx")


@pytest.mark.once
@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("kind", ["INT8", "UINT8", "INT16"])
def test_a_quantisation_by_a_type_or_in_blocks(kind: str, block: int, tmp_path: Path) -> None:
    """The type is that of the attribute where there is no zero point; at first it was uint8."""
    x = 20 * IMAGE[0, 0, :, :4]
    scale = np.full((5, 4 // block), 0.1, np.float32) if block else np.float32(0.1)
    blocks: dict[str, Any] = {"axis": 1, "block_size": block} if block else {}
    number = getattr(onnx.TensorProto, kind)
    nodes = [
        node("QuantizeLinear", ["x", "s"], ["q"], output_dtype=number, **blocks),
        node("DequantizeLinear", ["q", "s"], ["y"], **blocks),
    ]
    model = model_of(nodes, {"x": x}, ["y"], {"s": scale}, 21)
    model.ir_version = 10
    least, most = (-(2**15), 2**15 - 1) if kind == "INT16" else (-128, 127)
    ends = (0, 255) if kind == "UINT8" else (least, most)
    wanted = np.clip(np.round(x / np.float32(0.1)), *ends) * np.float32(0.1)
    assert_agree(computed(model, {"x": x}, tmp_path), {"y": wanted.astype(np.float32)})


@pytest.mark.once
@pytest.mark.parametrize("kind", ["bool", "float", "causal"])
def test_a_query_that_sees_no_key_gives_zeros(kind: str, tmp_path: Path) -> None:
    """As ONNX's specification has it: not NaN."""
    random = np.random.default_rng(2)
    shapes = {"q": (1, 2, 3, 4), "k": (1, 2, 3, 4), "v": (1, 2, 3, 4)}
    inputs = {name: random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    seen = np.array([[True, True, False], [False] * 3, [True, False, True]])
    inputs["m"] = np.where(seen, 0, -math.inf).astype(np.float32) if kind == "float" else seen
    given: dict[str, Any] = {"is_causal": 1} if kind == "causal" else {}
    model = model_of(
        [node("Attention", ["q", "k", "v", "m"], ["y"], **given)], inputs, ["y"], {}, 23
    )
    found = computed(model, inputs, tmp_path)
    assert np.all(found["y"][0, :, 1] == 0)
    check(model, inputs, tmp_path)


GRID = np.random.default_rng(3).standard_normal((1, 4, 3, 2)).astype(np.float32)


@pytest.mark.once
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(
    ("mode", "aligned"), [("linear", 0), ("linear", 1), ("nearest", 0), ("cubic", 1)]
)
def test_samples_of_a_grid(mode: str, aligned: int, padding: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"mode": mode, "padding_mode": padding, "align_corners": aligned}
    nodes = [node("GridSample", ["x", "g"], ["y"], "sample", **given)]
    inputs = {"x": IMAGE, "g": GRID if padding != "border" else GRID / 4}
    check(model_of(nodes, inputs, ["y"], opset=20), inputs, tmp_path)


@pytest.mark.once
@pytest.mark.parametrize("shape", [(2, 2, 5, 6), (1, 2, 4, 5, 6)], ids=str)
def test_samples_of_a_grid_of_a_batch_and_of_a_volume(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    random = np.random.default_rng(4)
    rank = len(shape) - 2
    inputs = {
        "x": random.standard_normal(shape, np.float32),
        "g": random.standard_normal((shape[0], *[3] * rank, rank), np.float32),
    }
    nodes = [node("GridSample", ["x", "g"], ["y"], mode="linear")]
    check(model_of(nodes, inputs, ["y"], opset=20), inputs, tmp_path)


@pytest.mark.once
def test_an_operator_that_onnx_has_withdrawn_is_taken(tmp_path: Path) -> None:
    """GroupNormalization of opset 18, which has a scale for each group, as onnxruntime takes it."""
    x = np.random.default_rng(5).standard_normal((1, 4, 3, 3)).astype(np.float32)
    scale, bias = np.array([2, 3], np.float32), np.array([-1, 5], np.float32)
    made = node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)
    model = model_of([made], {"x": x}, ["y"], {"s": scale, "b": bias}, 18)
    groups = x.reshape(2, -1)
    normal = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + 1e-5)
    wanted = (normal * scale[:, None] + bias[:, None]).reshape(x.shape)
    assert_agree(computed(model, {"x": x}, tmp_path), {"y": wanted}, 1e-5)
    model.graph.node.append(node("Relu", ["nowhere"], ["y2"]))  # which the checker no longer sees
    model.graph.output.append(onnx.helper.make_tensor_value_info("y2", 1, [1]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(JitwebError, match="y2"):
        import_model(tmp_path / "m.onnx")
