"""Weights of 16, 8 and 4 bits stay so in the bundle, and kernels compute the same with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import te

from harness.devices.base import Device
from harness.devices.remote import RemoteDevice
from jitweb.compare import errors
from jitweb.kernel_reference import evaluate, run_function
from jitweb.packed_kernels import _axes_of, _unpacking, packed_function, with_packed_weights
from jitweb.relax_graph import GraphValue, KernelCall, KernelGraph
from jitweb.small_weights import Packed, Quantized, pack
from jitweb.space.matmul_equations import read_matmul
from jitweb.targets import WasmTarget, WebgpuTarget, WebTarget
from jitweb.task_input import TaskInput, make_arguments
from jitweb.tune import PLAIN
from tests.harness.gpu import open_device
from tests.jitweb import kernels
from tests.jitweb.kernels import output_of
from tests.jitweb.test_space import spread
from tests.missing import skip_without


@pytest.fixture(scope="module")
def gpu() -> Iterator[RemoteDevice]:
    with open_device("wgpu") as device:
        yield device


KINDS = ("float16", "bfloat16", "int8", "int8-zero", "4-bit", "4-bit-zero", "8-bit-row")


def drawn(kind: str, shape: tuple[int, int], block: int = 32, seed: int = 0) -> Any:
    """A weight as an importer has it: in float32 where that shows what it is, else quantised."""
    random = np.random.default_rng(seed)
    values = random.standard_normal(shape, np.float32)
    if kind == "float16":
        values[0, :] *= np.float32(2.0**-18)  # denormal in float16
        return values.astype(np.float16).astype(np.float32)
    if kind == "bfloat16":
        return (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    bits = 4 if kind.startswith("4") else 8
    most = 1 << (bits - 1)
    numbers = random.integers(-most, most, shape, np.int8)
    blocks = (-(-shape[0] // block), shape[1])
    scale = random.random(blocks, np.float32) + np.float32(0.1)
    zero = random.integers(-most, most, blocks).astype(np.float32)
    if kind == "int8":
        return numbers.astype(np.float32)
    if kind == "int8-zero":
        return Quantized(numbers, 8, None, zero[:1])
    if kind == "8-bit-row":  # as of an embedding table
        return Quantized(numbers, 8, scale[:1, :1])
    return Quantized(numbers, bits, scale, zero if kind.endswith("zero") else None, 0, block)


def floats(weight: Any) -> np.ndarray:
    return weight.floats() if isinstance(weight, Quantized) else weight


def unpacked(packed: Packed) -> np.ndarray:
    """What a kernel makes of the packed arrays."""
    return run_function(_unpacking(packed.form, packed.form.shape), packed.arrays)[0]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.tuples(st.integers(17, 70), st.integers(30, 50)),
    st.sampled_from([16, 32, 64, 128, 256]),
    st.integers(0, 1),
)
def test_packed_weights_have_the_values_of_the_weights(
    kind: str, shape: tuple[int, int], block: int, axis: int
) -> None:
    weight = drawn(kind, shape, block)
    packed = pack(weight, axis)
    assert packed is not None
    np.testing.assert_array_equal(unpacked(packed), floats(weight))


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e5, 1 / 3, 2.0**-25])
def test_what_16_bits_do_not_hold_stays_in_float32(value: float) -> None:
    weight = np.ones((40, 40), np.float32)
    weight[39, 39] = value
    weight[39, 38] = 1 + 2.0**-10  # which bfloat16 does not hold either
    assert pack(weight, 0) is None


@pytest.mark.parametrize(("least", "is_packed"), [(2.0**-24, False), (2.0**-20, True)])
def test_large_floats_of_16_bits_are_packed_with_small_ones_down_to_a_limit(
    least: float, is_packed: bool
) -> None:
    weight = np.full((40, 40), -1.5, np.float32)
    weight[0, :4] = 1023.5, least, 0, -0.0
    packed = pack(weight, 0)
    assert (packed is not None) == is_packed
    if packed is not None:
        np.testing.assert_array_equal(unpacked(packed), weight)


@pytest.mark.parametrize(("kind", "bytes_"), [("float16", 2), ("int8", 1), ("4-bit", 0.5)])
def test_a_weight_takes_the_bytes_of_its_kind(kind: str, bytes_: float) -> None:
    packed = pack(drawn(kind, (64, 48)), 0)
    assert packed is not None
    words, *factors = packed.arrays
    assert words.nbytes == bytes_ * 64 * 48
    assert sum(each.nbytes for each in factors) == (4 * 2 * 48 if kind == "4-bit" else 0)


def _task(function: Any, weight: Any, place: int, axis: int, column: int | None) -> TaskInput:
    """A kernel that takes its parameter at this place packed."""
    packed = pack(weight, axis, column)
    assert packed is not None
    made = packed_function(function, {place: packed.form})
    places = range(place, place + len(packed.arrays))
    weights = dict(zip(places, packed.arrays, strict=True))
    constants = frozenset(places)
    return TaskInput(
        "packed", "packed", "matmul", made, 1, 0.0, 0.0, constants, (len(made.params) - 1,), weights
    )


def matmul_task(kind: str, rows: int, columns: int, depth: int, block: int) -> TaskInput:
    function = kernels.plain_matmul(rows, columns, depth)
    return _task(function, drawn(kind, (depth, columns), block), 1, 0, 1)


def matmul_of_rows(kind: str, rows: int, columns: int, depth: int) -> TaskInput:
    """A matmul whose left side is the packed weight."""
    weight = drawn(kind, (depth, rows))
    if isinstance(weight, Quantized):
        scale, zero = (None if part is None else part.T for part in (weight.scale, weight.zero))
        turned: Any = Quantized(weight.numbers.T, weight.bits, scale, zero, 1, weight.block)
    else:
        turned = np.ascontiguousarray(weight.T)
    return _task(kernels.plain_matmul(rows, columns, depth), turned, 0, 1, 0)


def convolution_task(form: str, kind: str) -> TaskInput:
    """A convolution whose weight of this kind is packed as the importer packs it."""
    function = kernels.CONVOLUTIONS[form]()
    shape = tuple(map(int, function.params[1].ty.shape))
    random = np.random.default_rng(1)
    numbers, ones = random.integers(-128, 128, shape, np.int8), [1] * (len(shape) - 1)
    scale = random.random((shape[0], *ones), np.float32) + np.float32(0.1)
    zero = random.integers(-9, 9, (shape[0], *ones)).astype(np.float32)
    axes = _axes_of(function)[1]
    weights: dict[str, np.ndarray | Quantized] = {
        "float16": numbers.astype(np.float32) * np.float32(2.0**-9),
        "int8": numbers.astype(np.float32),
        "8-bit-channel": Quantized(numbers, 8, scale, zero),
    }
    packed = pack(axes.view(weights[kind]), axes.packed, axes.kept)
    assert packed is not None and packed.arrays[0].size * packed.form.per_word < numbers.size + (
        4 * shape[0]
    )
    made = packed_function(function, {1: replace(packed.form, order=axes.order)})
    arrays = dict(enumerate(packed.arrays, 1))
    constants = frozenset((*arrays, len(arrays) + 1))  # and the bias
    return TaskInput(
        "packed", form, "convolution", made, 1, 0.0, 0.0, constants, (len(made.params) - 1,), arrays
    )


def gather_task(kind: str) -> TaskInput:
    weight = drawn(kind, (70, 36), 16)
    if isinstance(weight, Quantized) and weight.block > 1:  # in blocks along the rows
        scale, zero = (part if part is None else part.T for part in (weight.scale, weight.zero))
        weight = Quantized(weight.numbers.T, 4, scale, zero, 1, 16)
    return _task(kernels.gather(weight.shape[0], 5, weight.shape[1]), weight, 0, 0, None)


TASKS: dict[str, Callable[[], TaskInput]] = {
    **{f"matmul {kind}": partial(matmul_task, kind, 13, 21, 77, 32) for kind in KINDS},
    **{f"one row {kind}": partial(matmul_task, kind, 1, 37, 48, 16) for kind in KINDS},
    "wide blocks": partial(matmul_task, "4-bit-zero", 9, 20, 300, 256),
    "one block": partial(matmul_task, "4-bit", 3, 20, 60, 64),
    **{f"gather {kind}": partial(gather_task, kind) for kind in KINDS},
    **{
        f"{form} {kind}": partial(convolution_task, form, kind)
        for number, form in enumerate(kernels.CONVOLUTIONS)
        for kind in [("float16", "int8", "8-bit-channel")[number % 3]]
    },
    "rows": lambda: matmul_of_rows("float16", 24, 21, 40),
    "rows in blocks": lambda: matmul_of_rows("4-bit-zero", 24, 21, 64),
}


@pytest.mark.parametrize("name", TASKS)
def test_every_value_of_a_space_computes_the_same_with_packed_weights(
    place: tuple[WebTarget, Device], name: str
) -> None:
    task, target = TASKS[name](), place[0]
    arguments = make_arguments(task)
    (wanted,) = evaluate(task.function, arguments).values()
    candidates = [
        each for each in target.candidates(task.function, task.constants) if each.family != PLAIN
    ]
    assert candidates
    for candidate in spread(candidates, 0)[: None if target.name == "wasm" else 3]:
        output = output_of(candidate, place, arguments, task.writes)
        scale = np.max(np.abs(wanted))
        np.testing.assert_allclose(
            output / scale, wanted / scale, rtol=1e-4, atol=candidate.tolerance or 1e-5,
            err_msg=candidate.text,
        )  # fmt: skip


@pytest.mark.parametrize("name", ["matmul float16", "one row float16", "conv1d float16", "rows"])
def test_adapters_with_shader_f16_get_kernels_that_read_halves_and_others_the_same_without(
    name: str,
) -> None:
    task = TASKS[name]()
    wide, (target, other) = set(), (WebgpuTarget({}, features) for features in (["shader-f16"], []))
    for candidate in other.candidates(task.function, task.constants):
        assert candidate.fallback is None and "halves" not in candidate.point
        wide.add(candidate.text)
    candidates = target.candidates(task.function, task.constants)
    assert len(candidates) <= 64 and candidates[0].point["halves"] == "load"
    for candidate in candidates:
        is_short = "halves" in candidate.point
        assert (candidate.fallback is not None) == is_short
        if candidate.fallback is not None:
            assert candidate.fallback.text in wide
    chosen = [candidates[0], next(c for c in candidates if c.point.get("halves") == "multiply")]
    for candidate in chosen:
        assert candidate.fallback is not None
        (shader,) = target.build(candidate.build()).code
        (fallback,) = target.build(candidate.fallback.build()).code
        assert "enable f16;" in shader.code and "f16" not in fallback.code
        assert (shader.arguments, shader.writes) == (fallback.arguments, fallback.writes)


@pytest.mark.parametrize("name", ["matmul float16", "one row float16", "conv1d float16", "rows"])
def test_kernels_in_float16_are_right_where_an_adapter_has_it(gpu: RemoteDevice, name: str) -> None:
    if "shader-f16" not in gpu.features():
        skip_without("shader-f16, which the adapter lacks; lavapipe has it")
    task, target = TASKS[name](), WebgpuTarget(gpu.limits(), gpu.features())
    arguments = make_arguments(task)
    (wanted,) = evaluate(task.function, arguments).values()
    seen: set[Any] = set()
    for candidate in target.candidates(task.function, task.constants):
        use = candidate.point.get("halves")
        if use is None or use in seen:
            continue
        seen.add(use)
        built = target.build(candidate.build())
        launch = built.launch(gpu.load(built.code), arguments, task.writes)
        most = 1e-2 if use == "multiply" else 1e-5
        assert np.max(errors(gpu.run(launch)[0], wanted)) <= most
    assert seen == {"load", "multiply"}


def test_no_kernel_of_a_family_makes_the_whole_weight_floats() -> None:
    task = matmul_task("4-bit", 64, 512, 128, 32)
    for candidate in WasmTarget().candidates(task.function, task.constants):
        if candidate.family != PLAIN:
            assert sum(WasmTarget().build(candidate.build()).scratch) <= 4 * 128 * 32


def turned_matmul(rows: int, columns: int, depth: int) -> Any:
    """A' B."""
    a = te.placeholder((depth, rows), "float32", name="A")
    b = te.placeholder((depth, columns), "float32", name="B")
    k = te.reduce_axis((0, depth), name="k")
    product = te.compute((rows, columns), lambda i, j: te.sum(a[k, i] * b[k, j], axis=k))
    return te.create_prim_func([a, b, product])


def _graph(function: Any, weight: np.ndarray | Quantized, left: bool = False) -> KernelGraph:
    shapes = [tuple(map(int, parameter.ty.shape)) for parameter in function.params]
    constant = GraphValue("float32", weight.shape, weight)
    inputs = [GraphValue("float32", shape) for shape in shapes[:-1]]
    inputs[0 if left else 1] = constant
    output = GraphValue("float32", shapes[-1])
    call = KernelCall("matmul", function, tuple(inputs), (output,))
    taken = tuple(value for value in inputs if value is not constant)
    return KernelGraph(taken, (output,), (call,))


@pytest.mark.parametrize("kind", KINDS)
def test_what_kernels_can_not_take_packed_they_get_in_float32(kind: str) -> None:
    weight = drawn(kind, (40, 40))
    (call,) = with_packed_weights(_graph(turned_matmul(40, 8, 40), weight, True)).calls
    (array,) = [value.array for value in call.inputs if value.array is not None]
    np.testing.assert_array_equal(array, floats(weight))


def test_a_packed_weight_is_the_right_side_of_a_matmul() -> None:
    graph = with_packed_weights(_graph(kernels.plain_matmul(8, 40, 40), drawn("4-bit", (40, 40))))
    (call,) = graph.calls
    assert [value.dtype for value in call.inputs] == ["float32", "int32", "float32"]
    matmul = read_matmul(call.function)
    assert matmul.weights(frozenset({1, 2})) == {1: False, 2: False}
    assert matmul.steps == (32, 8)
    assert not replace(matmul, right=matmul.left).weights(frozenset({1, 2}))
