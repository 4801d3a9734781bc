"""Kernels as the importer leaves them, at odd sizes, for the tests of spaces and tuner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import te, tirx, topi

from harness.devices.base import Device
from harness.devices.remote import RemoteDevice
from jitweb.kernel_cost import cost_of
from jitweb.kernel_reference import run_plainly
from jitweb.space import emit
from jitweb.space.candidate import Candidate
from jitweb.targets import WebTarget
from jitweb.task_input import TaskInput

Shape = Sequence[int]


def output_of(
    candidate: Candidate,
    place: tuple[WebTarget, Device | RemoteDevice],
    arguments: Sequence[np.ndarray],
    writes: tuple[int, ...],
) -> np.ndarray:
    """The one output of a candidate, which is built for a target, and run and released there."""
    target, device = place
    built = target.build(candidate.build())
    handle = device.load(built.code)
    (output,) = device.run(built.launch(handle, arguments, writes))
    device.release(handle)
    return output


def _placeholder(name: str, shape: Shape, dtype: str = "float32") -> Any:
    return te.placeholder(tuple(shape), dtype, name=name)


def _function(*tensors: Any) -> Any:
    made = te.create_prim_func(list(tensors))
    return made.with_attr("tirx.noalias", True)


def _matmul(a: Any, b: Any) -> Any:
    """A B over the last two axes; B may lack the leading ones."""
    shape = (*a.shape[:-1], b.shape[-1])
    k = te.reduce_axis((0, a.shape[-1]), name="k")

    def element(*at: Any) -> Any:
        right = b(*at[:-2], k, at[-1]) if len(b.shape) == len(shape) else b(k, at[-1])
        return te.sum(a(*at[:-1], k) * right, axis=k)

    return te.compute(shape, element, name="matmul")


def dense(rows: int, columns: int, depth: int) -> Any:
    """gelu(A B + bias), B a weight at position 1."""
    a, b = _placeholder("A", (1, rows, depth)), _placeholder("B", (depth, columns))
    bias = _placeholder("bias", (columns,))
    biased = topi.add(_matmul(a, b), bias)
    half = topi.multiply(biased, tirx.const(0.5, "float32"))
    shifted = topi.add(topi.erf(topi.multiply(biased, tirx.const(0.70710678, "float32"))), 1.0)
    return _function(a, b, bias, topi.multiply(half, shifted))


def plain_matmul(rows: int, columns: int, depth: int) -> Any:
    a, b = _placeholder("A", (rows, depth)), _placeholder("B", (depth, columns))
    return _function(a, b, _matmul(a, b))


def batched(batch: Shape, rows: int, columns: int, depth: int) -> Any:
    """A B / 4 + mask, both factors computed."""
    a, b = _placeholder("A", (*batch, rows, depth)), _placeholder("B", (*batch, depth, columns))
    mask = _placeholder("mask", (1, 1, 1, columns))
    scaled = topi.divide(_matmul(a, b), tirx.const(4.0, "float32"))
    return _function(a, b, mask, topi.add(scaled, mask))


def softmax(*shape: int) -> Any:
    a = _placeholder("A", shape)
    return _function(a, topi.nn.softmax(a, axis=-1))


def layer_norm(rows: int, columns: int) -> Any:
    a = _placeholder("A", (1, rows, columns))
    gamma, beta = _placeholder("gamma", (columns,)), _placeholder("beta", (columns,))
    return _function(a, gamma, beta, topi.nn.layer_norm(a, gamma, beta, [2], 1e-5))


def mean(rows: int, columns: int) -> Any:
    a = _placeholder("A", (rows, columns))
    return _function(a, topi.divide(topi.sum(a, axis=1), tirx.const(float(columns), "float32")))


def tanh_add(*shape: int) -> Any:
    a, b = _placeholder("A", shape), _placeholder("B", shape)
    return _function(a, b, topi.tanh(topi.add(a, b)))


def transpose(rows: int, heads: int, size: int) -> Any:
    a = _placeholder("A", (1, rows, heads * size))
    split = topi.reshape(a, (1, rows, heads, size))
    return _function(a, topi.transpose(split, (0, 2, 3, 1)))


def gather(table: int, rows: int, columns: int) -> Any:
    a, ids = _placeholder("A", (table, columns)), _placeholder("ids", (1, rows), "int32")
    return _function(a, ids, topi.take(a, ids, axis=0, mode="fast"))


def quantized(rows: int, columns: int) -> Any:
    """A's nearest steps of a scale, from a zero point; both are computed from scalars."""
    a, low, high = (_placeholder(name, shape) for name, shape in (
        ("A", (rows, columns)), ("low", ()), ("high", ()),
    ))  # fmt: skip
    scale = topi.add(topi.maximum(low, high), tirx.const(3.0, "float32"))
    zero = topi.round(topi.divide(low, scale))
    return _function(a, low, high, topi.add(topi.round(topi.divide(a, scale)), zero))


def scalar() -> Any:
    low, high = _placeholder("low", ()), _placeholder("high", ())
    return _function(low, high, topi.divide(topi.subtract(high, low), 255.0))


def whole_matmul(rows: int, columns: int, depth: int) -> Any:
    """A B of whole numbers in float32, as int32."""
    a, b = _placeholder("A", (rows, depth)), _placeholder("B", (depth, columns))
    return _function(a, b, topi.cast(_matmul(a, b), "int32"))


def convolution(
    x: Shape, w: Shape, stride: Shape, pads: Shape, dilation: Shape | None = None, groups: int = 1
) -> Any:
    """relu(conv(A, B) + bias), B a weight at position 1."""
    a, b = _placeholder("A", x), _placeholder("B", w)
    bias = _placeholder("bias", (1, w[0], *[1] * len(stride)))
    layout = "NC" + "DHW"[3 - len(stride) :]
    dilations = list(dilation or [1] * len(stride))
    made = topi.nn.conv(
        a, b, list(stride), list(pads), dilations, groups, layout, layout.replace("NC", "OI")
    )
    return _function(a, b, bias, topi.nn.relu(topi.add(made, bias)))


def rescaled_matmul(rows: int, columns: int, depth: int) -> Any:
    """A B, cut off to int32, times a scale: the end of a quantised matmul."""
    a, b = _placeholder("A", (rows, depth)), _placeholder("B", (depth, columns))
    whole = topi.cast(topi.cast(_matmul(a, b), "int32"), "float32")
    return _function(a, b, topi.multiply(whole, tirx.const(0.125, "float32")))


KERNELS: dict[str, Any] = {
    "dense": lambda: dense(13, 21, 7),
    "dense-wide": lambda: dense(16, 64, 32),
    "dense-one-row": lambda: dense(1, 40, 9),
    "matmul-narrow": lambda: plain_matmul(9, 3, 5),
    "matmul-one-column": lambda: plain_matmul(6, 1, 5),
    "batched": lambda: batched((1, 3), 11, 13, 6),
    "softmax": lambda: softmax(2, 3, 5, 13),
    "softmax-wide": lambda: softmax(1, 4, 64),
    "layer-norm": lambda: layer_norm(5, 19),
    "mean": lambda: mean(7, 33),
    "tanh-add": lambda: tanh_add(3, 5, 7),
    "transpose": lambda: transpose(6, 2, 5),
    "quantized": lambda: quantized(9, 37),
    "scalar": scalar,
    "rescaled-matmul": lambda: rescaled_matmul(9, 12, 77),
    "whole-matmul": lambda: whole_matmul(9, 12, 77),
    "gather": lambda: gather(9, 5, 12),
}

CONVOLUTIONS: dict[str, Any] = {
    "conv1d": lambda: convolution((1, 5, 43), (7, 5, 3), [1], [1, 1]),
    "conv1d-stride": lambda: convolution((2, 4, 50), (8, 4, 5), [3], [2, 4], [2]),
    "conv2d": lambda: convolution((1, 5, 11, 13), (13, 5, 3, 3), [1, 1], [1, 1, 1, 1]),
    "conv2d-stride": lambda: convolution((1, 3, 17, 19), (6, 3, 5, 3), [2, 2], [2, 0, 1, 1]),
    "conv2d-dilated": lambda: convolution(
        (1, 3, 9, 30), (5, 3, 3, 3), [1, 2], [2, 4, 2, 4], [2, 3]
    ),
    "conv2d-pointwise": lambda: convolution((2, 9, 6, 7), (10, 9, 1, 1), [1, 1], [0] * 4),
    "conv2d-patches": lambda: convolution((1, 3, 32, 40), (12, 3, 8, 8), [8, 8], [0] * 4),
    "conv2d-grouped": lambda: convolution((1, 6, 8, 9), (15, 2, 3, 3), [1, 1], [1] * 4, groups=3),
    "conv2d-depthwise": lambda: convolution((1, 6, 9, 21), (6, 1, 3, 3), [1, 1], [1] * 4, groups=6),
    "conv2d-larger-than-input": lambda: convolution((1, 2, 2, 3), (4, 2, 5, 5), [1, 1], [2] * 4),
    "conv2d-narrow": lambda: convolution((1, 4, 12, 1), (6, 4, 3, 1), [1, 1], [1, 0, 1, 0]),
    "conv3d": lambda: convolution((1, 2, 5, 6, 7), (3, 2, 3, 2, 3), [1, 2, 1], [1, 0, 1, 1, 1, 1]),
}


def task(name: str, *, key: str | None = None, sites: int = 1) -> TaskInput:
    """A kernel as the tuner takes it; parameters named B, bias, gamma, beta are weights."""
    function = (KERNELS | CONVOLUTIONS)[name]()
    names = [parameter.name for parameter in function.params]
    constants = [i for i, each in enumerate(names) if each in ("B", "bias", "gamma", "beta")]
    if name in ("batched", "tanh-add"):
        constants = []
    return task_of(function, name, key or name, sites, frozenset(constants))


def task_of(
    function: Any,
    name: str = "kernel",
    key: str = "kernel",
    sites: int = 1,
    constants: frozenset[int] = frozenset(),
) -> TaskInput:
    """A kernel as the tuner takes it; its last parameter is its output."""
    sizes = [4 * emit.product(emit.shape_of(parameter)) for parameter in function.params]
    work = cost_of(function, sizes)
    writes = (len(function.params) - 1,)
    return TaskInput(
        key, name, work.kind, function, sites, work.flops, work.bytes, constants, writes
    )


def plain_run(function: Any, arguments: Sequence[np.ndarray]) -> np.ndarray:
    """The last parameter after TVM's own plain build ran; LLVM's passes would take most of it."""
    return run_plainly(function, arguments, "llvm-O0")[-1]
