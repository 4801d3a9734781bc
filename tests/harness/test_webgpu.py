"""The webgpu target and its devices: right results, refusals in words, bad shaders survived."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tvm
from tvm import te, tirx, topi
from tvm.s_tir import dlight

from harness.devices.base import DeviceError, KernelFailed, KernelRefused, Launch
from harness.devices.browser import BrowserDevice, find_browser, may_have_gpu, open_page
from harness.devices.remote import RemoteDevice
from harness.devices.shader import Shader
from harness.devices.wgpu import WgpuDevice
from harness.targets.webgpu import build_shader

KINDS = ("browser", "wgpu")


def open_device(kind: str) -> RemoteDevice:
    """The device, or a skip that says what to install."""
    try:
        if kind == "browser":
            return BrowserDevice("software")
        device = WgpuDevice()
        device.limits()
        return device
    except DeviceError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=KINDS)
def device(request: pytest.FixtureRequest) -> Iterator[RemoteDevice]:
    with open_device(request.param) as opened:
        yield opened


@pytest.fixture
def browser() -> Iterator[BrowserDevice]:
    with open_device("browser") as opened:
        assert isinstance(opened, BrowserDevice)
        yield opened


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
    assert "var<uniform>" not in shader.code and not shader.pod
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
    with pytest.raises(ValueError, match="memory of its own"):
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


def test_a_uniform_holds_the_blocks_less_one_where_it_is_asked_for(device: RemoteDevice) -> None:
    code = """
        struct Pod { last: u32 }
        @group(0) @binding(0) var<storage, read_write> out : array<u32>;
        @group(0) @binding(1) var<uniform> pod : Pod;
        @compute @workgroup_size(1) fn main() { out[0] = pod.last; }
    """
    shader = Shader(code, "main", (5, 1, 1), (1, 1, 1), 1, (0,), (0,), pod=True)
    launch = Launch(device.load(shader), "main", (np.zeros(1, np.uint32),), (0,))
    assert device.run(launch)[0].tolist() == [4]


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
    assert first["device"] in KINDS and first["vendor"]
    limits = device.limits()
    assert limits["maxComputeWorkgroupStorageSize"] == 16384
    assert limits["maxComputeInvocationsPerWorkgroup"] == 256
    device.close()
    assert device.fingerprint() == first  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------ bad shaders


def shader_of(body: str, before: str = "") -> Shader:
    """A shader whose main has this body, on one array of floats, x."""
    code = f"""@group(0) @binding(0) var<storage, read_write> x : array<f32>;
        {before} @compute @workgroup_size(1) fn main() {{ {body} }}"""
    return Shader(code, "main", (1, 1, 1), (1, 1, 1), 1, (0,), (0,))


def launch_of(handle: int, count: int = 4) -> Launch:
    return Launch(handle, "main", (np.zeros(count, np.float32),), (0,))


FINE = shader_of("x[0] = 1.0;")
# Mesa's software driver ends what loops for 65535 rounds: so, as many workgroups as there can be.
ENDLESS = replace(shader_of("while (x[0] < 1.0) { x[1] += 1.0; }"), grid=(65535, 65535, 1))


def assert_works(device: RemoteDevice) -> None:
    assert device.run(launch_of(device.load(FINE)))[0][0] == 1


@pytest.mark.parametrize(
    "shader",
    [
        shader_of("x[0] = y;"),
        Shader("", "main", (1, 1, 1), (1, 1, 1), 0, (), ()),
        Shader(FINE.code, "other", (1, 1, 1), (1, 1, 1), 1, (0,), (0,)),
        Shader(FINE.code, "main", (1, 1, 1), (1, 1, 1), 1, (), (0,)),
    ],
    ids=["invalid", "empty", "no such entry", "written but declared read"],
)
def test_a_bad_shader_is_refused(device: RemoteDevice, shader: Shader) -> None:
    with pytest.raises(KernelRefused):
        device.load(shader)
    assert_works(device)


def test_what_is_beyond_the_limits_is_refused_in_the_browser(browser: BrowserDevice) -> None:
    with pytest.raises(KernelRefused, match="workgroup|16384"):
        browser.load(shader_of("x[0] = s[0];", "var<workgroup> s : array<f32, 5000>;"))
    assert_works(browser)


def test_a_refusal_says_where_and_why(device: RemoteDevice) -> None:
    with pytest.raises(KernelRefused, match=r"1:\d+.*y") as refusal:
        device.load(Shader("fn f() { let x : f32 = y; }", "f", (1, 1, 1), (1, 1, 1), 0, (), ()))
    assert "\n" not in str(refusal.value)


def test_too_few_arrays_and_a_grid_too_large_are_failures(device: RemoteDevice) -> None:
    handle = device.load(FINE)
    with pytest.raises(KernelFailed):
        device.run(Launch(handle, "main", (), ()))
    huge = Shader(FINE.code, "main", (70_000, 1, 1), (1, 1, 1), 1, (0,), (0,))
    with pytest.raises(KernelFailed):
        device.run(launch_of(device.load(huge)))
    assert_works(device)


def test_the_device_survives_a_shader_that_does_not_end(device: RemoteDevice) -> None:
    fine, endless = device.load(FINE), device.load(ENDLESS)
    with pytest.raises(KernelFailed, match="was not done"):
        device.run(launch_of(endless), timeout_s=1)
    assert device.run(launch_of(fine))[0][0] == 1  # by the handle from before


def test_large_and_empty_arrays_come_through(device: RemoteDevice) -> None:
    handle = device.load(FINE)
    large = np.arange(8 << 20, dtype=np.float32)
    (out,) = device.run(Launch(handle, "main", (large,), (0,)))
    assert out[0] == 1 and np.array_equal(out[1:], large[1:])
    (out,) = device.run(Launch(handle, "main", (np.zeros((0, 3), np.float32),), (0,)))
    assert out.shape == (0, 3)
    (out,) = device.run(Launch(handle, "main", (large.reshape(2, -1)[:, ::2],), (0,)))
    assert np.array_equal(out[1], large[(4 << 20) :: 2])


def test_out_of_memory_is_a_failure(device: RemoteDevice) -> None:
    small = replace(FINE, bindings=2, arguments=(0, 1), writes=(0,))
    handle = device.load(small)
    limit = device.limits()["maxBufferSize"]
    too_large = np.broadcast_to(np.float32(0), (min(limit, 1 << 30) // 4 + 1,))
    with pytest.raises((KernelFailed, DeviceError)):
        for _ in range(2):
            device.run(Launch(handle, "main", (np.zeros(1, np.float32), too_large), (0,)), 60)
    assert_works(device)


def test_writing_out_of_bounds_harms_nobody(device: RemoteDevice) -> None:
    wild = shader_of("for (var i = 0; i < 100000; i++) { x[i * 16 - 50000] = 1.0; }")
    assert len(device.run(launch_of(device.load(wild)))[0]) == 4
    assert_works(device)


def test_a_handle_that_was_released_is_unknown(device: RemoteDevice) -> None:
    handle = device.load(FINE)
    device.release(handle)
    device.release(handle)
    with pytest.raises(KeyError):
        device.run(launch_of(handle))


# ----------------------------------------------------------------------------- the browser's life


def processes_below(process: psutil.Process) -> list[psutil.Process]:
    return [each for each in process.children(recursive=True) if each.status() != "zombie"]


def processes_of(browser: BrowserDevice) -> list[psutil.Process]:
    """The process that keeps the browser, and all of the browser's."""
    started = browser._program._browser  # type: ignore[attr-defined]
    keeper = psutil.Process(started._process.pid)
    return [keeper, *processes_below(keeper)]


def test_a_browser_that_was_ended_from_outside_is_started_again(browser: BrowserDevice) -> None:
    before = browser.load(FINE)
    assert browser.run(launch_of(before))[0][0] == 1
    _, main, *_ = processes_of(browser)
    main.kill()
    psutil.wait_procs([main], 10)
    deadline = time.monotonic() + 20
    while True:  # what is under way when the browser ends may fail, what comes later may not
        try:
            assert browser.run(launch_of(before))[0][0] == 1
            return
        except KernelFailed:
            assert time.monotonic() < deadline


def test_a_gpu_process_that_dies_is_a_failure_and_the_next_call_works(
    browser: BrowserDevice,
) -> None:
    handle = browser.load(FINE)
    gpu = [each for each in processes_of(browser) if "--type=gpu-process" in each.cmdline()]
    assert gpu
    for process in gpu:
        process.kill()
    psutil.wait_procs(gpu, 10)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert browser.run(launch_of(handle))[0][0] == 1
            return
        except KernelFailed as failure:
            assert "lost" in str(failure) and time.monotonic() < deadline


def test_two_kernels_are_not_mixed_up_after_a_new_start(device: RemoteDevice) -> None:
    first, second = device.load(FINE), device.load(shader_of("x[0] = 2.0;"))
    device.close()
    assert device.run(launch_of(second))[0][0] == 2
    device._program.close()  # as if it had ended by itself
    third = device.load(shader_of("x[0] = 3.0;"))
    assert [device.run(launch_of(each))[0][0] for each in (first, second, third)] == [1, 2, 3]
    device._program.close()
    assert len(device.time([launch_of(each) for each in (first, third)], 0.01)) == 2


def test_nothing_is_left_of_a_closed_browser(browser: BrowserDevice) -> None:
    browser.fingerprint()
    found = processes_of(browser)
    profiles = {part for process in found for part in process.cmdline() if "user-data-dir" in part}
    assert found and profiles
    browser.close()
    gone, alive = psutil.wait_procs(found, 10)
    assert all(process.status() == "zombie" for process in alive)
    assert not any(Path(part.partition("=")[2]).exists() for part in profiles)


def test_the_browser_ends_with_the_program_that_started_it() -> None:
    find_or_skip()
    script = (
        "import time\n"
        "from harness.devices.browser import BrowserDevice\n"
        "device = BrowserDevice('software')\n"
        "device.fingerprint()\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    path = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment
    ) as program:
        assert program.stdout is not None and program.stdout.readline() == b"ready\n"
        found = processes_below(psutil.Process(program.pid))
        assert len(found) > 1
        program.send_signal(signal.SIGKILL)
        program.wait()
        _, alive = psutil.wait_procs(found, 20)
        assert all(process.status() == "zombie" for process in alive)


def find_or_skip() -> None:
    try:
        find_browser()
    except DeviceError as error:
        pytest.skip(str(error))


def test_a_browser_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "browser"
    broken.write_text("#!/bin/sh\necho 'no display, no luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    with BrowserDevice("software", str(broken)) as device:
        with pytest.raises(DeviceError, match="ended at once; its last words: no display, no luck"):
            device.fingerprint()


@pytest.mark.parametrize("flags", [("--disable-gpu",), ("--disable-features=WebGPUService",), ()])
def test_where_a_gpu_does_not_work_the_software_adapter_is_taken(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    find_or_skip()
    if may_have_gpu():
        pytest.skip("there is a GPU, which would be taken")
    monkeypatch.setattr("harness.devices.browser.may_have_gpu", lambda: True)
    monkeypatch.setattr("harness.devices.browser.LINUX_GPU_FLAGS", flags)
    with BrowserDevice() as device:
        assert_works(device)
        assert device.fingerprint()["architecture"] == "swiftshader"


def test_a_page_answers_by_a_module_of_ones_own(tmp_path: Path) -> None:
    find_or_skip()
    (tmp_path / "own.mjs").write_text(
        "export const handle = ({ text }, [bytes]) =>\n"
        "  text ? [{ text: text + '!', isolated: crossOriginIsolated }, [bytes.reverse()]]\n"
        "       : Promise.reject(new Error('no text'));\n"
    )
    with open_page("own/own.mjs", {"own": tmp_path}, adapter="software") as page:
        array = np.arange(3, dtype=np.uint8)
        answer, parts = page.ask({"text": "hä"}, [array], 20)
        assert (answer["text"], answer["isolated"], parts) == ("hä!", True, [b"\2\1\0"])
        assert page.ask({}, [array], 20)[0] == {
            "error": "failed",
            "message": "no text",
            "sizes": [],
        }


def test_without_a_browser_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JITWEB_BROWSER", raising=False)
    with pytest.raises(DeviceError, match="apt-get install chromium"):
        find_browser()
    monkeypatch.setenv("JITWEB_BROWSER", "/nowhere/browser")
    with pytest.raises(DeviceError, match="JITWEB_BROWSER=/nowhere/browser"):
        find_browser()


def test_the_page_is_for_whoever_knows_the_token(browser: BrowserDevice) -> None:
    browser.fingerprint()
    command = [part for each in processes_of(browser) for part in each.cmdline()]
    address = next(part for part in command if part.startswith("http://127.0.0.1:"))
    origin, token = address.split("/devices/")[0].rsplit("/", 1)
    good = f"{origin}/{token}"
    with urllib.request.urlopen(f"{good}/devices/page.html") as answer:
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    for bad in (
        f"{origin}/devices/page.html",
        f"{origin}/guess/devices/page.html",
        f"{good}/devices/../base.py",
        f"{good}/devices/..%2f..%2fcompat.py",
        f"{good}/devices//etc/passwd",
        f"{good}/devices/socket",
    ):
        with pytest.raises(urllib.error.HTTPError, match="40[034]|426"):
            urllib.request.urlopen(bad)


# ----------------------------------------------------------------------- WebAssembly in a browser


ENDLESS_LOOP = bytes([0]) + bytes.fromhex("03400c000b0b")


def wasm_module(body: bytes = b"") -> bytes:
    """add(x, y, begin, end): y[i] = x[i] + y[i], 32-bit integers, for i from begin to end.

    Or another body of that signature.
    """
    signature = bytes([0x60, 4, 0x7F, 0x7F, 0x7F, 0x7F, 0])
    memory = b"\x03env\x06memory" + bytes([0x02, 0x01, 1, 0x80, 0x80, 0x04])
    body = body or bytes([0]) + bytes.fromhex(
        "0240" "0340"  # block loop
        "2002" "2003" "4e" "0d01"  # begin >= end: out
        "2001" "2002" "4102" "74" "6a"  # y + (begin << 2)
        "2000" "2002" "4102" "74" "6a" "280200"  # x[begin]
        "2001" "2002" "4102" "74" "6a" "280200"  # y[begin]
        "6a" "360200"
        "2002" "4101" "6a" "2102" "0c00"  # begin += 1, again
        "0b" "0b" "0b"
    )  # fmt: skip
    sections = [
        (1, bytes([1]) + signature),
        (2, bytes([1]) + memory),
        (3, bytes([1, 0])),
        (7, bytes([1, 3]) + b"add" + bytes([0, 0])),
        (10, bytes([1, len(body)]) + body),
    ]
    parts = [bytes([number, len(content)]) + content for number, content in sections]
    return b"\0asm\1\0\0\0" + b"".join(parts)


def test_webassembly_runs_and_is_timed_in_the_browser(browser: BrowserDevice) -> None:
    handle = browser.load(wasm_module())
    x, y = np.arange(9, dtype=np.int32), np.full(9, 100, np.int32)
    launch = Launch(handle, "add", (x, y), (1,), (0, 5))
    assert browser.run(launch)[0].tolist() == [100, 101, 102, 103, 104, 100, 100, 100, 100]
    short, long = browser.time([launch, Launch(handle, "add", (x, y), (1,), (0, 9))], 0.05)
    assert 0 < short.min_ms and 0 < long.min_ms
    shader = browser.load(FINE)  # both kinds at once
    assert browser.run(launch_of(shader))[0][0] == 1
    assert browser.run(launch)[0][1] == 101


def test_bad_webassembly_is_refused_traps_fail_and_loops_end(browser: BrowserDevice) -> None:
    with pytest.raises(KernelRefused):
        browser.load(wasm_module()[:-3])
    handle = browser.load(wasm_module())
    x = np.zeros(4, np.int32)
    with pytest.raises(KernelFailed, match="out of bounds"):
        browser.run(Launch(handle, "add", (x, x), (1,), (0, 1 << 30)))
    with pytest.raises(KernelFailed):
        browser.run(Launch(handle, "nothing", (x, x), (1,), (0, 1)))
    endless = browser.load(wasm_module(ENDLESS_LOOP))
    with pytest.raises(KernelFailed, match="was not done"):
        browser.run(Launch(endless, "add", (x, x), (1,), (0, 1)), timeout_s=1)
    assert browser.run(Launch(handle, "add", (x, x), (1,), (0, 4)))[0].tolist() == [0] * 4


def test_wgpu_refuses_webassembly() -> None:
    with open_device("wgpu") as device, pytest.raises(KernelRefused, match="WGSL"):
        device.load(wasm_module())
