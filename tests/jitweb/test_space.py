"""Points of every family's space compute what TVM's plain build computes, at odd sizes too."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tvm import te, tirx, topi

from harness.devices.base import Device
from harness.devices.node import NodeDevice
from harness.ir.loop_kinds import PARALLEL, VECTORIZED
from harness.semantics import compile_program
from jitweb.errors import NotEquations
from jitweb.kernel_reference import evaluate
from jitweb.space import emit
from jitweb.space.approximate import approximate
from jitweb.space.candidate import Candidate, Kernel
from jitweb.space.convolution_equations import read_convolution, weight_position
from jitweb.space.equations import inlined
from jitweb.space.matmul_equations import read_matmul
from jitweb.space.wasm import REGISTERS, TILES, registers
from jitweb.targets import WasmTarget, WebTarget
from jitweb.task_input import make_arguments
from jitweb.tune import PLAIN
from tests.jitweb.kernels import CONVOLUTIONS, KERNELS, output_of, plain_run, tanh_add, task


@pytest.fixture(scope="module")
def node() -> Iterator[NodeDevice]:
    with NodeDevice() as device:
        yield device


def spread(candidates: list[Candidate], least: int = 12) -> list[Candidate]:
    """So many of them at random, and more until every value of every dimension is among them."""
    order = candidates.copy()
    random.Random(1).shuffle(order)
    chosen: list[Candidate] = []
    seen: set[tuple[str, str, object]] = set()
    for candidate in order:
        values = {(candidate.family, *value) for value in candidate.point.items()}
        if len(chosen) < least or not values <= seen:
            chosen.append(candidate)
            seen |= values
    return chosen


@pytest.mark.parametrize("name", KERNELS)
def test_every_candidate_is_right(place: tuple[WebTarget, Device], name: str) -> None:
    kernel, target = task(name), place[0]
    candidates = target.candidates(kernel.function, kernel.constants)
    assert 2 <= len(candidates) <= 64
    assert len({candidate.text for candidate in candidates}) == len(candidates)
    arguments = make_arguments(kernel)
    wanted = plain_run(kernel.function, arguments)
    of_family = [candidate for candidate in candidates if candidate.family != PLAIN]
    assert of_family
    for candidate in spread(of_family):
        output = output_of(candidate, place, arguments, kernel.writes)
        np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-5, err_msg=candidate.text)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_of_every_form_are_right(place: tuple[WebTarget, Device], name: str) -> None:
    kernel, target = task(name), place[0]
    candidates = target.candidates(kernel.function, kernel.constants)
    of_family = [candidate for candidate in candidates if candidate.family != PLAIN]
    assert len(candidates) <= 64 and of_family
    arguments = make_arguments(kernel)
    (wanted,) = evaluate(kernel.function, arguments).values()
    np.testing.assert_allclose(wanted, plain_run(kernel.function, arguments), rtol=1e-5, atol=1e-5)
    for candidate in random.Random(name).sample(of_family, min(4, len(of_family))):
        output = output_of(candidate, place, arguments, kernel.writes)
        np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-5, err_msg=candidate.text)


def test_convolutions_are_read_as_such() -> None:
    for name in CONVOLUTIONS:
        kernel = task(name)
        assert kernel.kind == "convolution"
        convolution = read_convolution(kernel.function)
        assert weight_position(convolution.matmul, kernel.constants) == 1
    with pytest.raises(NotEquations):
        read_convolution(KERNELS["dense"]())


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_what_no_family_covers_has_a_plain_kernel(
    place: tuple[WebTarget, Device], dtype: str
) -> None:
    target, device = place
    source = te.placeholder((5, 9), dtype, name="source")
    function = te.create_prim_func([source, topi.argmax(source, axis=1)])
    candidates = target.candidates(function, frozenset())
    assert {candidate.family for candidate in candidates} == {PLAIN}
    values = (100 * np.random.default_rng(1).standard_normal((5, 9))).astype(dtype)
    for candidate in candidates:
        built = target.build(candidate.build())
        launch = built.launch(device.load(built.code), [values, np.zeros(5, np.int32)], (1,))
        assert device.run(launch)[0].tolist() == values.argmax(1).tolist()


def test_a_plain_kernel_with_large_intermediates_is_right(node: NodeDevice) -> None:
    function, target = tanh_add(64, 1024), WasmTarget()
    plain = [each for each in target.candidates(function, frozenset()) if each.family == PLAIN]
    values = np.random.default_rng(1).standard_normal((2, 64, 1024), np.float32)
    arguments = [*values, np.zeros_like(values[0])]
    for candidate in plain:
        built = target.build(candidate.build())
        assert sum(built.scratch) >= values[0].nbytes
        (output,) = node.run(built.launch(node.load(built.code), arguments, (2,)))
        np.testing.assert_allclose(output, np.tanh(values[0] + values[1]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", KERNELS)
def test_rows_can_be_done_in_any_parts_and_order(node: NodeDevice, name: str) -> None:
    kernel, target = task(name), WasmTarget()
    arguments = make_arguments(kernel)
    wanted = plain_run(kernel.function, arguments)
    built = target.build(target.candidates(kernel.function, kernel.constants)[0].build())
    handle = node.load(built.code)
    rows = built.scalars[1]
    launch = built.launch(handle, arguments, kernel.writes)
    output = launch.arrays[-1]
    for begin, end in ((rows // 2, rows), (0, rows // 2)):
        arrays = (*launch.arrays[:-1], output)
        part = type(launch)(handle, launch.entry, arrays, launch.writes, (begin, end))
        (output,) = node.run(part)
    np.testing.assert_allclose(output, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", KERNELS)
def test_numpy_agrees_with_the_plain_build(name: str) -> None:
    kernel = task(name)
    arguments = make_arguments(kernel)
    (output,) = evaluate(kernel.function, arguments).values()
    np.testing.assert_allclose(output, plain_run(kernel.function, arguments), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["dense", "softmax", "layer-norm", "transpose", "gather"])
def test_numpy_agrees_with_the_reference_interpreter(name: str) -> None:
    from tvm import IRModule

    kernel = task(name)
    arguments = make_arguments(kernel)
    (output,) = evaluate(kernel.function, arguments).values()
    module = IRModule({"main": kernel.function.with_attr("global_symbol", "main")})
    interpreted: list[Any] = [argument.copy() for argument in arguments]
    compile_program(module).run(interpreted)
    np.testing.assert_allclose(output, interpreted[-1], rtol=1e-5, atol=1e-5)


def test_epilogues_are_fused_into_one_equation() -> None:
    matmul = read_matmul(KERNELS["dense"]())
    assert (matmul.rows, matmul.columns, matmul.depth) == (13, 21, 7)
    assert matmul.has_heavy_epilogue and matmul.weights(frozenset({1})) == {1: False}
    assert not matmul.weights(frozenset())
    assert len(inlined(KERNELS["tanh-add"]()).equations) == 1


@pytest.mark.parametrize("name", ["softmax", "mean", "gather"])
def test_what_is_no_matmul_is_not_taken_for_one(name: str) -> None:
    with pytest.raises(NotEquations):
        read_matmul(KERNELS[name]())


def test_tiles_fit_into_the_registers() -> None:
    assert all(registers(rows, columns) <= REGISTERS for rows, columns in TILES)


ERRORS: dict[str, tuple[Any, str, float]] = {
    "exp": (np.exp, "relative", 3e-7),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), "absolute", 3e-7),
    "tanh": (np.tanh, "absolute", 6e-7),
    "erf": (np.vectorize(math.erf), "absolute", 6e-7),
    "log": (np.log, "relative", 4e-7),
    "rsqrt": (lambda x: 1 / np.sqrt(x), "relative", 3e-7),
    "sin": (np.sin, "absolute", 3e-7),
    "cos": (np.cos, "absolute", 3e-7),
}


@pytest.mark.parametrize("name", ERRORS)
def test_functions_keep_the_error_that_is_stated(node: NodeDevice, name: str) -> None:
    exact, kind, bound = ERRORS[name]
    values = np.concatenate([np.linspace(-86.9, 88, 1 << 15), np.linspace(-3, 3, 1 << 15)]).astype(
        np.float32
    )
    if name in ("log", "rsqrt"):
        values = np.exp(values.astype(np.float64) / 1.1).astype(np.float32)
    if name in ("sin", "cos"):
        for end in (9999, 4e5):  # positions, as of rotary embeddings, are large
            values = np.concatenate([values, np.linspace(-end, end, 1 << 15, dtype=np.float32)])
    output = _apply(node, lambda x: approximate(getattr(tirx, name)(x)), values)
    wanted = exact(values.astype(np.float64))
    error = np.abs(output - wanted)
    if kind == "relative":
        error /= np.maximum(np.abs(wanted), 1e-3 if name == "log" else 1e-38)
    assert error.max() <= bound


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_a_wave_far_from_zero_is_no_infinity(node: NodeDevice, name: str) -> None:
    values = np.array([1e6, -5e8, 1e20, 3e38, np.inf, -np.inf, np.nan, 0], np.float32)
    output = _apply(node, lambda x: approximate(getattr(tirx, name)(x)), values)
    assert np.all(np.abs(output[:4]) <= 1.01) and np.all(np.isnan(output[4:7]))


def _apply(node: NodeDevice, function: Any, values: np.ndarray) -> np.ndarray:
    source = emit.buffer("source", values.shape, "float32")
    result = emit.buffer("result", values.shape, "float32")
    row, lane = emit.index("row"), emit.index("lane")
    place = row * 8 + lane
    body = emit.loop(
        lane, 8, emit.store(result, function(emit.load(source, place)), place), VECTORIZED
    )
    made = emit.function([source, result], emit.loop(row, values.size // 8, body, PARALLEL))
    built = WasmTarget().build(Kernel(made))
    handle = node.load(built.code)
    return node.run(built.launch(handle, [values, np.zeros_like(values)], (1,)))[0]
