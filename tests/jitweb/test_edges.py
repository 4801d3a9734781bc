"""NaN, infinities and huge numbers pass through kernels as IEEE 754 and ONNX have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tvm import te, tirx, topi

from harness.devices.base import Device
from harness.devices.node import NodeDevice
from jitweb.kernel_reference import evaluate
from jitweb.targets import WasmTarget, WebgpuTarget, WebTarget
from tests.harness.gpu import KINDS, open_device
from tests.jitweb.kernels import output_of

NAN, INF = np.nan, np.inf
MOST = np.finfo(np.float32).max
EDGES = np.array(
    [NAN, INF, -INF, 0, -0.0, -1, 1, 88.5, 88.7, 88.73, 89, 1e30, MOST, -87, -104, -1e30, -MOST, 2,
     0.5, -3, 1e-30, -2, 1e-40, 7],
    np.float32,
).reshape(2, 12)  # fmt: skip
NEGATIVE_NAN = np.array([0xFFC00000], np.uint32).view(np.float32)[0]
EDGES[1, 9] = NEGATIVE_NAN
# Its partners, so that every edge meets NaN and both infinities.
OTHERS = np.roll(EDGES.reshape(-1), 5).reshape(2, 12)
ROWS = np.array(
    [
        [1, 2, -INF, 0, 1, 3, -1], [-INF] * 7, [NAN, 1, 2, 3, 1, 1, 1], [INF, 1, 2, 3, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, NAN], [-MOST] * 7, [1, -MOST, 2, -MOST, -INF, 0, 1e30], [-1e30] * 7,
    ],
    np.float32,
)  # fmt: skip
OUTLIERS = np.random.default_rng(0).standard_normal((6, 21)).astype(np.float32)
OUTLIERS[0, 3], OUTLIERS[1, 0], OUTLIERS[2, 20], OUTLIERS[3, 5] = 1e4, -1e6, 1e15, NAN
OUTLIERS[4], OUTLIERS[5] = 3, 1e-12

# What a shader computes is the same in each; that it is right of every TVM's, one device shows.
PLACES = ("node", "wgpu", *(pytest.param(k, marks=pytest.mark.once) for k in KINDS if k != "wgpu"))


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[WebTarget, Device]]:
    """A target with a device for it: Node for WebAssembly, and each device of WebGPU."""
    if request.param == "node":
        with NodeDevice() as node:
            yield WasmTarget(), node
        return
    with open_device(request.param) as gpu:
        yield WebgpuTarget(gpu.limits()), gpu  # type: ignore[misc]


def _input(name: str, like: np.ndarray) -> Any:
    return te.placeholder(like.shape, "float32", name=name)


def _constant(value: float) -> Any:
    return tirx.const(value, "float32")


def gelu(x: Any) -> Any:
    return topi.multiply(topi.multiply(x, _constant(0.5)), topi.add(topi.erf(x), _constant(1)))


def _steps(x: Any, scale: float) -> Any:
    """What a pair of QuantizeLinear and DequantizeLinear does."""
    steps = topi.round(topi.divide(x, _constant(scale)))
    return topi.multiply(topi.clip(steps, -128.0, 127.0), _constant(scale))


def _limited(x: Any, scale: float) -> Any:
    """The same as the importer makes it, where NaN is the least."""
    least, most, step = _constant(-128), _constant(127), _constant(scale)

    def element(value: Any) -> Any:
        return tirx.Select(least < value, tirx.Select(value < most, value, most), least)

    return topi.multiply(_each(topi.round(topi.divide(x, step)), element), step)


def _turned(x: Any) -> Any:
    """Its second half, negated, before its first: as rotary embeddings do."""
    middle = x.shape[1] // 2

    def element(row: Any, place: Any) -> Any:
        return tirx.if_then_else(place >= middle, x(row, place - middle), -x(row, place + middle))

    return te.compute(x.shape, element)


def _reduced(x: Any, choose: Callable[[Any, Any], Any], start: float) -> Any:
    """The extreme element of each row, as the importer's kernels begin: from an infinity."""
    reducer = te.comm_reducer(lambda a, b: choose(a, b), lambda dtype: tirx.const(start, dtype))
    place = te.reduce_axis((0, x.shape[1]), "place")
    return te.compute(x.shape[:1], lambda row: reducer(x(row, place), axis=place))


def _each(x: Any, element: Callable[[Any], Any]) -> Any:
    return te.compute(x.shape, lambda *place: element(x(*place)))


ELEMENTWISE: dict[str, Callable[[Any], Any]] = {
    "exp": topi.exp, "log": topi.log, "tanh": topi.tanh, "sigmoid": topi.sigmoid, "erf": topi.erf,
    "relu": topi.nn.relu, "gelu": gelu,
    "isnan": lambda x: topi.cast(topi.isnan(x), "float32"),
    "isinf": lambda x: topi.cast(topi.isinf(x), "float32"),
    "clip": lambda x: topi.minimum(topi.maximum(x, _constant(-1.5)), _constant(2)),
    "round": topi.round,
    "quantised twice": lambda x: _steps(topi.erf(_steps(x, 0.25)), 0.125),
    "quantised, halves turned": lambda x: _steps(_turned(_steps(_steps(x, 0.25), 0.125)), 0.5),
    "quantised, NaN the least": lambda x: _limited(_limited(x, 0.25), 0.125),
    "relu6": lambda x: topi.minimum(topi.maximum(x, _constant(0)), _constant(6)),
    "relu of a relu": lambda x: topi.nn.relu(topi.subtract(topi.nn.relu(x), _constant(1))),
    "where": lambda x: _each(x, lambda e: tirx.if_then_else(e > 0.25, e, _constant(-INF))),
    "where, of NaN": lambda x: _each(x, lambda e: tirx.Select(te.isnan(e), _constant(0), e)),
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {"max": topi.maximum, "min": topi.minimum}
BY_ROW: dict[str, Callable[[Any], Any]] = {
    "softmax without NaN": lambda x: _each(
        topi.nn.softmax(x, axis=-1),
        lambda e: tirx.Select(0 < te.isnan(e).astype("int32"), _constant(0), e),
    ),
    "softmax": lambda x: topi.nn.softmax(x, axis=-1),
    "max": lambda x: _reduced(x, tirx.max, -INF),
    "min": lambda x: _reduced(x, tirx.min, INF),
    "log softmax": lambda x: topi.nn.log_softmax(x),
}


def _assert_right(
    place: tuple[WebTarget, Device],
    function: Any,
    *inputs: np.ndarray,
    tolerance: float = 1e-5,
) -> None:
    """A kernel of each family, and the plain one, against NumPy in float64."""
    target, device = place
    shape = [int(extent) for extent in function.params[-1].ty.shape]
    arguments = [*inputs, np.zeros(shape, np.float32)]
    (wanted,) = evaluate(function, arguments).values()
    with np.errstate(over="ignore"):
        wanted = wanted.astype(np.float32)
    by_family = {each.family: each for each in target.candidates(function, frozenset())}
    for family, candidate in by_family.items():
        output = output_of(candidate, place, arguments, (len(inputs),))
        np.testing.assert_allclose(output, wanted, tolerance, tolerance, err_msg=family)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_edges_of_a_function(place: tuple[WebTarget, Device], name: str) -> None:
    x = _input("x", EDGES)
    _assert_right(place, te.create_prim_func([x, ELEMENTWISE[name](x)]), EDGES)


@pytest.mark.parametrize("name", BINARY)
def test_edges_of_two_operands(place: tuple[WebTarget, Device], name: str) -> None:
    x, y = _input("x", EDGES), _input("y", OTHERS)
    _assert_right(place, te.create_prim_func([x, y, BINARY[name](x, y)]), EDGES, OTHERS)


@pytest.mark.parametrize("name", BY_ROW)
def test_edges_of_rows(place: tuple[WebTarget, Device], name: str) -> None:
    x = _input("x", ROWS)
    _assert_right(place, te.create_prim_func([x, BY_ROW[name](x)]), ROWS)


def test_masked_rows_with_padding(place: tuple[WebTarget, Device]) -> None:
    scores = np.random.default_rng(1).standard_normal((3, 4, 7)).astype(np.float32)
    for masked in (-INF, -MOST, -1e4):
        mask = np.where(np.arange(7) < np.array([7, 4, 0])[:, None, None], 0, masked)
        mask = mask.astype(np.float32)
        x, y = _input("x", scores), _input("y", mask)
        result = topi.nn.softmax(topi.add(x, y), axis=-1)
        # What is left of a score beside -1e4 has fewer digits.
        tolerance = 2e-3 if masked == -1e4 else 1e-5
        _assert_right(place, te.create_prim_func([x, y, result]), scores, mask, tolerance=tolerance)


def test_layer_norm_with_huge_outliers(place: tuple[WebTarget, Device]) -> None:
    ones, zeros = np.ones(21, np.float32), np.zeros(21, np.float32)
    x, gamma, beta = _input("x", OUTLIERS), _input("gamma", ones), _input("beta", zeros)
    result = topi.nn.layer_norm(x, gamma, beta, [1], 1e-5)
    function = te.create_prim_func([x, gamma, beta, result])
    _assert_right(place, function, OUTLIERS, ones, zeros, tolerance=1e-4)
