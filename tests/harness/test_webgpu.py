"""The webgpu target: right results on devices, refusals in words."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import te, tirx, topi
from tvm.s_tir import dlight

from harness.devices.base import Launch
from harness.devices.remote import RemoteDevice
from harness.devices.shader import LEAST_LIMITS, Shader
from harness.targets import webgpu
from harness.targets.webgpu import build_shader

# ------------------------------------------------------------------------------- kernels to build


def schedule(*tensors: Any) -> Any:
    """A function of these tensors under dlight's rules for GPUs."""
    module = tvm.IRModule({"main": te.create_prim_func(list(tensors))})
    with tvm.target.Target({"kind": "webgpu"}):
        rules = (
            dlight.gpu.Matmul(),
            dlight.gpu.GEMV(),
            dlight.gpu.Reduction(),
            dlight.gpu.GeneralReduction(),
            dlight.gpu.Fallback(),
        )
        return dlight.ApplyDefaultSchedule(*rules)(module)["main"]


def matmul(rows: int, columns: int, depth: int) -> Any:
    # Names against the order of the parameters, by which TVM sorts what it generates.
    a = te.placeholder((rows, depth), "float32", name="Z")
    b = te.placeholder((depth, columns), "float32", name="B")
    k = te.reduce_axis((0, depth), name="k")
    c = te.compute((rows, columns), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="A")
    return schedule(a, b, c)


def elementwise(shape: tuple[int, ...], expression: Any, dtype: str = "float32") -> Any:
    a = te.placeholder(shape, dtype, name="Z")
    return schedule(a, te.compute(shape, lambda *at: expression(a(*at)), name="A"))


def only(built: Any) -> Shader:
    assert isinstance(built, Shader)
    return built


def run(device: RemoteDevice, function: Any, *inputs: np.ndarray) -> np.ndarray:
    """The function's output, its last parameter, for these inputs."""
    shape = [int(extent) for extent in function.params[-1].ty.shape]
    output = np.full(shape, 7, str(function.params[-1].ty.dtype))
    handle = device.load(build_shader(function))
    arrays = (*inputs, output)
    (written,) = device.run(Launch(handle, "", arrays, (len(inputs),)))
    device.release(handle)
    return written


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape, np.float32)


# -------------------------------------------------------------------------------- building shaders


def test_bindings_are_in_the_order_of_the_parameters() -> None:
    shader = only(build_shader(matmul(17, 29, 33)))
    assert (shader.bindings, shader.arguments, shader.writes) == (3, (0, 1, 2), (2,))
    declared = [line for line in shader.code.splitlines() if line.startswith("@group(0)")]
    assert [line.split("> ")[1][0] for line in declared] == ["Z", "B", "A"]
    assert ["read_write" in line for line in declared] == [False, False, True]


def test_a_shader_needs_no_uniform() -> None:
    shader = only(build_shader(matmul(300, 70, 33)))
    assert "var<uniform>" not in shader.code
    assert np.prod(shader.workgroup) <= 256 and shader.grid[2] == 1


def test_a_parameter_that_is_not_used_has_no_binding() -> None:
    a = te.placeholder((8,), "float32", name="a")
    unused = te.placeholder((8,), "float32", name="unused")
    shader = only(build_shader(schedule(unused, a, te.compute((8,), lambda i: a[i] + 1.0))))
    assert (shader.bindings, shader.arguments, shader.writes) == (2, (1, 2), (1,))


def test_several_grids_become_several_shaders() -> None:
    a = te.placeholder((33, 7), "float32", name="a")
    b = te.compute((33, 7), lambda i, j: a[i, j] + 1.0, name="b")
    c = te.compute((7, 33), lambda i, j: b[j, i] * b[j, 0], name="c")
    built = build_shader(schedule(a, c, b))
    assert isinstance(built, tuple)
    assert [shader.arguments for shader in built] == [(0, 2), (1, 2)]
    assert [shader.writes for shader in built] == [(1,), (0,)]


def test_memory_between_grids_is_refused_in_words() -> None:
    a = te.placeholder((33,), "float32", name="a")
    b = te.compute((33,), lambda i: a[i] + 1.0, name="b")
    c = te.compute((33,), lambda i: b[32 - i], name="c")
    at = tvm.s_tir.Schedule(te.create_prim_func([a, c]))
    for name in ("b", "c"):
        at.bind(at.get_loops(name)[0], "threadIdx.x")
    with pytest.raises(ValueError, match="allocates memory"):
        build_shader(at.mod["main"])


@pytest.mark.parametrize("dtype", ["bool", "int64", "int8", "float64"])
def test_what_wgsl_lacks_is_refused_in_words(dtype: str) -> None:
    a = te.placeholder((8,), dtype, name="a")
    with pytest.raises(ValueError, match=f"parameter a is {dtype}"):
        build_shader(schedule(a, te.compute((8,), lambda i: a[i])))


def test_a_function_without_thread_bindings_is_refused() -> None:
    a = te.placeholder((8,), "float32", name="a")
    function = te.create_prim_func([a, te.compute((8,), lambda i: a[i] + 1.0)])
    with pytest.raises(Exception, match="thread bindings|outside thread environment"):
        build_shader(function)


def test_too_much_workgroup_storage_is_refused() -> None:
    with pytest.raises(Exception, match="workgroup (storage|allocations)"):
        build_shader(matmul(128, 128, 128), max_workgroup_storage=256)


# --------------------------------------------------------------------------------- running shaders


@pytest.mark.parametrize("rows, columns, depth", [(17, 29, 33), (1, 40, 65), (64, 64, 64)])
def test_matmul(device: RemoteDevice, rows: int, columns: int, depth: int) -> None:
    a, b = normal(rows, depth), normal(depth, columns)
    assert np.allclose(run(device, matmul(rows, columns, depth), a, b), a @ b, atol=1e-4)


@pytest.mark.parametrize("shape", [(5, 7), (3, 300), (2, 3, 65)])
def test_softmax(device: RemoteDevice, shape: tuple[int, ...]) -> None:
    a = te.placeholder(shape, "float32", name="a")
    x = normal(*shape) * 10
    shares = np.exp(x - x.max(-1, keepdims=True))
    expected = shares / shares.sum(-1, keepdims=True)
    assert np.allclose(run(device, schedule(a, topi.nn.softmax(a)), x), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 7), (33, 129)])
def test_reduction(device: RemoteDevice, shape: tuple[int, ...]) -> None:
    a = te.placeholder(shape, "float32", name="a")
    x = normal(*shape)
    assert np.allclose(run(device, schedule(a, topi.sum(a, axis=1)), x), x.sum(1), atol=1e-4)
    assert np.array_equal(run(device, schedule(a, topi.max(a, axis=1)), x), x.max(1))


def test_integers(device: RemoteDevice) -> None:
    x = np.arange(-500, 501, dtype=np.int32)
    function = elementwise(x.shape, lambda value: tirx.floormod(value * 3, 7), "int32")
    assert np.array_equal(run(device, function, x), x * 3 % 7)


def test_every_bit_of_a_constant_arrives(device: RemoteDevice) -> None:
    numbers = [16777215.0, 0.1, 1 / 3, -3.4028234663852886e38, 1e-40, 1.0]
    for number in numbers:
        function = elementwise((1,), lambda value, number=number: value * tirx.const(number))
        output = run(device, function, np.ones(1, np.float32))
        # A device may flush what is subnormal to zero.
        assert output[0] == np.float32(number) or (abs(number) < 1e-38 and output[0] == 0)


def test_infinity(device: RemoteDevice) -> None:
    function = elementwise(
        (3,), lambda value: tirx.if_then_else(value > 0, value, tirx.const(-np.inf, "float32"))
    )
    x = np.array([1, -1, 2], np.float32)
    assert run(device, function, x).tolist() == [1, -np.inf, 2]


def test_nan_is_taken(device: RemoteDevice) -> None:
    function = elementwise(
        (3,), lambda value: tirx.if_then_else(value > 0, value, tirx.const(np.nan, "float32"))
    )
    # What comes of it is for the device to say.
    assert run(device, function, np.array([1, -1, 2], np.float32))[::2].tolist() == [1, 2]


def test_a_grid_beyond_the_limit_of_x_goes_on_in_z(device: RemoteDevice) -> None:
    count = 66_000 * 2 + 1
    a = te.placeholder((count,), "float32", name="a")
    made = te.create_prim_func([a, te.compute((count,), lambda i: a[i] + 1.0, name="b")])
    at = tvm.s_tir.Schedule(made)
    (loop,) = at.get_loops("b")
    blocks, threads = at.split(loop, [None, 2])
    at.bind(blocks, "blockIdx.x")
    at.bind(threads, "threadIdx.x")
    shader = only(build_shader(at.mod["main"]))
    assert shader.grid == (33_001, 1, 2)
    x = np.arange(count, dtype=np.float32)
    assert np.array_equal(run(device, at.mod["main"], x), x + 1)


def test_shaders_of_one_function_run_in_order(device: RemoteDevice) -> None:
    a = te.placeholder((33, 7), "float32", name="a")
    b = te.compute((33, 7), lambda i, j: a[i, j] + 1.0, name="b")
    c = te.compute((7, 33), lambda i, j: b[j, i] * b[j, 0], name="c")
    handle = device.load(build_shader(schedule(a, c, b)))
    x = normal(33, 7)
    arrays = (x, np.zeros((7, 33), np.float32), np.zeros((33, 7), np.float32))
    written = device.run(Launch(handle, "", arrays, (1, 2)))
    assert np.allclose(written[0], ((x + 1) * (x[:, :1] + 1)).T)
    assert np.array_equal(written[1], x + 1)


def test_timings_are_of_each_launch_in_order(device: RemoteDevice) -> None:
    launches = []
    for size in (4, 192):
        handle = device.load(build_shader(matmul(size, size, size)))
        arrays = (normal(size, size), normal(size, size), np.zeros((size, size), np.float32))
        launches.append(Launch(handle, "", arrays, (2,)))
    small, large = device.time(launches, 0.2)
    assert 0 < small.min_ms <= small.median_ms and len(small.samples_ms) >= 3
    assert small.min_ms < large.min_ms
    assert device.time([], 0.1) == []


def test_a_device_says_what_it_is_and_what_it_allows(device: RemoteDevice) -> None:
    first = device.fingerprint()  # type: ignore[attr-defined]
    assert first["device"] in ("browser", "wgpu") and first["vendor"]
    limits = device.limits()
    assert limits["maxComputeWorkgroupStorageSize"] == 16384
    assert limits["maxComputeInvocationsPerWorkgroup"] == 256
    device.close()
    assert device.fingerprint() == first  # type: ignore[attr-defined]


def test_the_program_of_wgpu_asks_for_the_limits_that_every_device_has() -> None:
    # It stands alone, so that it has a table of its own.
    tree = ast.parse((Path(webgpu.__file__).parents[1] / "devices" / "wgpu_program.py").read_text())
    (table,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LIMITS"
    )
    for name, limit in table.items():
        words = name.split("-")
        assert limit == LEAST_LIMITS["".join([words[0], *map(str.capitalize, words[1:])])]
