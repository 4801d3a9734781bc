"""Convolutions give what ONNX says, for every form that their attributes allow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitweb.model import ImportedModel, plan_model
from jitweb.onnx.reference import evaluator
from jitweb.onnx.simplify import simplify
from jitweb.run_plan import run_plan
from tests.jitweb.onnx.models import assert_agree, check, model_of, node, referred

Case = tuple[str, dict[str, Any], tuple[int, ...], tuple[int, ...]]

SAME_UPPER, SAME_LOWER = {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}
CASES: list[Case] = [  # operator, attributes, shapes of x and w
    ("Conv", {"pads": [1, 2]}, (2, 3, 9), (4, 3, 3)),
    ("Conv", {"pads": [1, 0, 2, 1], "strides": [2, 1]}, (1, 3, 7, 9), (4, 3, 3, 2)),
    ("Conv", {"dilations": [2, 3], "group": 2}, (1, 4, 9, 9), (6, 2, 3, 2)),
    ("Conv", {"pads": [1, 1, 1, 1], "group": 4}, (1, 4, 5, 6), (8, 1, 3, 3)),
    ("Conv", {"strides": [4, 4]}, (1, 3, 12, 16), (5, 3, 4, 4)),
    ("Conv", {"pads": [3, 3, 3, 3]}, (1, 2, 2, 3), (2, 2, 5, 5)),
    ("Conv", {"pads": [1, 0, 1, 0, 1, 0]}, (1, 2, 4, 5, 3), (3, 2, 3, 2, 2)),
    ("Conv", {**SAME_UPPER, "strides": [2, 3]}, (1, 2, 7, 8), (3, 2, 4, 2)),
    ("Conv", {**SAME_LOWER, "strides": [2, 2]}, (1, 2, 8, 7), (3, 2, 3, 4)),
    ("Conv", {"auto_pad": "VALID", "strides": [2]}, (1, 2, 8), (3, 2, 3)),
    ("ConvTranspose", {"strides": [2, 2], "pads": [1, 1, 1, 1]}, (1, 3, 4, 5), (3, 2, 4, 4)),
    ("ConvTranspose", {"strides": [3]}, (2, 3, 4), (3, 2, 2)),
    (
        "ConvTranspose",
        {"strides": [2], "output_padding": [1], "pads": [1, 1]},
        (1, 2, 5),
        (2, 3, 3),
    ),
    ("ConvTranspose", {"strides": [3, 2], "output_shape": [10, 8]}, (1, 1, 3, 3), (1, 2, 3, 3)),
    ("ConvTranspose", {**SAME_UPPER, "strides": [2, 2]}, (1, 1, 3, 3), (1, 2, 3, 3)),
    ("ConvTranspose", {"dilations": [2, 2]}, (1, 1, 3, 3), (1, 2, 2, 2)),
    ("ConvTranspose", {"strides": [1, 2, 1]}, (1, 2, 2, 3, 2), (2, 2, 2, 2, 3)),
]


@pytest.mark.parametrize("is_constant", [True, False], ids=["weights", "inputs"])
@pytest.mark.parametrize(("kind", "attributes", "x", "w"), CASES)
def test_convolutions_give_what_onnx_gives(
    kind: str,
    attributes: dict[str, Any],
    x: tuple[int, ...],
    w: tuple[int, ...],
    is_constant: bool,
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(1)
    outputs = w[0] if kind == "Conv" else w[1] * attributes.get("group", 1)
    values = {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in {"x": x, "w": w, "b": (outputs,)}.items()
    }
    inputs = {"x": values.pop("x")} if is_constant else values
    model = model_of(
        [node(kind, ["x", "w", "b"], ["y"], **attributes)],
        inputs, ["y"], values if is_constant else {},
    )  # fmt: skip
    check(model, inputs, tmp_path)
    if kind == "ConvTranspose":
        (found,) = evaluator(model).run(None, inputs)
        assert_agree({"y": np.asarray(found)}, referred(model, inputs))


def imported(model: onnx.ModelProto) -> ImportedModel:
    return plan_model("test", simplify(model))


@st.composite
def transposed(draw: st.DrawFn) -> dict[str, Any]:
    """The shapes and attributes of a ConvTranspose."""
    axes = draw(st.integers(1, 2))

    def each(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes))

    made: dict[str, Any] = {
        "group": draw(st.integers(1, 2)), "strides": each(1, 4), "dilations": each(1, 2),
        "kernel": each(1, 5), "sizes": each(1, 4), "pads": [*each(0, 3), *each(0, 3)],
        "channels": draw(st.integers(1, 2)), "outputs": draw(st.integers(1, 2)),
        "has_bias": draw(st.booleans()),
    }  # fmt: skip
    made["output_padding"] = [draw(st.integers(0, stride - 1)) for stride in made["strides"]]
    return made


def _at(array: np.ndarray, place: Sequence[Any]) -> np.ndarray:
    """The part of an array at a place of its last axes: a view."""
    view: np.ndarray = array[(..., *place)]
    return view


@settings(max_examples=40, deadline=None)
@given(transposed())
def test_a_transposed_convolution_adds_the_kernel_at_every_place(form: dict[str, Any]) -> None:
    groups, count = form["group"], len(form["kernel"])
    lengths = [
        (size - 1) * stride + (k - 1) * dilation + 1 + extra
        for size, stride, k, dilation, extra in zip(
            form["sizes"], form["strides"], form["kernel"], form["dilations"],
            form["output_padding"], strict=True,
        )
    ]  # fmt: skip
    pads = form["pads"]
    wanted = [n - pads[axis] - pads[count + axis] for axis, n in enumerate(lengths)]
    if min(wanted) < 1:
        pads, wanted = [0] * 2 * count, lengths
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, groups * form["channels"], *form["sizes"])).astype(np.float32)
    w = rng.standard_normal((x.shape[1], form["outputs"], *form["kernel"])).astype(np.float32)
    bias = np.arange(1, 1 + groups * form["outputs"], dtype=np.float32)
    result = np.zeros((2, groups * form["outputs"], *lengths))
    for place in itertools.product(*map(range, form["sizes"])):
        for tap in itertools.product(*map(range, form["kernel"])):
            at = tuple(
                p * stride + t * dilation
                for p, t, stride, dilation in zip(
                    place, tap, form["strides"], form["dilations"], strict=True
                )
            )
            left = _at(x, place).reshape(2, groups, -1)
            right = _at(w, tap).reshape(groups, -1, form["outputs"])
            added = np.einsum("ngc,gco->ngo", left, right)
            _at(result, at)[...] += added.reshape(2, -1)
    if form["has_bias"]:
        result += bias.reshape(-1, *[1] * count)
    cut = [slice(pads[axis], pads[axis] + n) for axis, n in enumerate(wanted)]
    attributes = {name: form[name] for name in ("group", "strides", "dilations", "output_padding")}
    names, weights = ["x", "w"], {"w": w}
    if form["has_bias"]:
        names, weights = ["x", "w", "b"], {"w": w, "b": bias}
    made = node("ConvTranspose", names, ["y"], pads=pads, **attributes)
    found = run_plan(imported(model_of([made], {"x": x}, ["y"], weights)), {"x": x})
    assert_agree(found, {"y": _at(result, cut).astype(np.float32)})


def test_a_transposed_convolution_multiplies_by_no_zeros() -> None:
    x, w = np.zeros((1, 8, 16, 16), np.float32), np.ones((8, 4, 4, 4), np.float32)
    made = node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    plan = imported(model_of([made], {"x": x}, ["y"], {"w": w})).plan
    tasks = [each for each in plan.tasks.values() if each.kind == "convolution"]
    useful = 2 * math.prod(w.shape) * 16 * 16
    assert useful <= sum(task.flops * task.sites for task in tasks) <= 1.1 * useful


@pytest.mark.parametrize(
    ("channels", "kernel", "groups"), [(3, 5, 1), (40, 5, 1), (70, 5, 2), (2, 300, 1)]
)
def test_a_convolution_of_integers_is_exact(channels: int, kernel: int, groups: int) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (1, channels, 9, kernel + 3)).astype(np.int32)
    w = rng.integers(-128, 128, (4, channels // groups, 4, kernel)).astype(np.int8)
    same: dict[str, Any] = {"strides": [2, 1], "auto_pad": "SAME_LOWER", "group": groups}
    nodes = [
        node("Cast", ["x"], ["short"], to=onnx.TensorProto.UINT8),
        node("ConvInteger", ["short", "w", "zero"], ["y"], **same),
    ]
    model = model_of(nodes, {"x": x}, ["y"], {"w": w, "zero": np.uint8(131)})
    found = run_plan(imported(model), {"x": x})
    left = kernel - 1 - (kernel - 1) // 2
    padded = np.pad(x - 131, ((0, 0), (0, 0), (2, 1), (left, kernel - 1 - left)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (4, kernel), (2, 3))[:, :, ::2]
    parts = np.split(windows.astype(np.int64), groups, axis=1)
    wanted = [
        np.einsum("ncyxkl,fckl->nfyx", part, some.astype(np.int64))
        for part, some in zip(parts, np.split(w, groups), strict=True)
    ]
    assert_agree(found, {"y": np.concatenate(wanted, 1).astype(np.int32)})
