"""Devices that speak WebGPU: they survive bad code, and the browser's life is theirs to manage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.devices.base import DeviceError, KernelFailed, KernelRefused, Launch
from harness.devices.browser import (
    BrowserDevice,
    find_browser,
    has_working_gpu,
    may_have_gpu,
    open_page,
)
from harness.devices.channel import DeviceProcess, ProgramEnded
from harness.devices.message import Expected
from harness.devices.node import NodeDevice
from harness.devices.remote import RemoteDevice
from harness.devices.shader import Shader
from tests.harness.gpu import (
    ENDLESS,
    ENDLESS_LOOP,
    FINE,
    assert_works,
    launch_of,
    needs_browser,
    open_device,
    shader_of,
    wasm_module,
)


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


def test_an_array_beyond_the_device_s_limit_is_a_failure(device: RemoteDevice) -> None:
    small = replace(FINE, bindings=2, arguments=(0, 1), writes=(0,))
    handle = device.load(small)
    limit = device.limits()["maxBufferSize"]
    too_large = np.broadcast_to(np.float32(0), (limit // 4 + 1,))  # of no memory of its own
    launch = Launch(handle, "main", (np.zeros(1, np.float32), too_large), (0,))
    for call in (lambda: device.run(launch), lambda: device.time([launch], 0.1)):
        with pytest.raises(KernelFailed, match=f"a buffer of this GPU holds {limit}"):
            call()
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


def processes_below(process: psutil.Process) -> list[psutil.Process]:
    return [each for each in process.children(recursive=True) if each.status() != "zombie"]


def processes_of(browser: BrowserDevice) -> list[psutil.Process]:
    """The process that keeps the browser, and all of the browser's."""
    started = browser._program._browser  # type: ignore[attr-defined]
    supervisor = psutil.Process(started._process.pid)
    return [supervisor, *processes_below(supervisor)]


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the supervisor alone ends it")
def test_the_browser_ends_with_its_supervisor(browser: BrowserDevice) -> None:
    browser.fingerprint()
    supervisor, main, *_ = processes_of(browser)
    supervisor.kill()
    _, alive = psutil.wait_procs([main], 20)
    assert all(process.status() == "zombie" for process in alive)


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
    needs_browser()
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


def test_a_browser_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    broken = tmp_path / "browser"
    broken.write_text("#!/bin/sh\necho 'no display, no luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    with BrowserDevice("software", str(broken)) as device:
        with pytest.raises(DeviceError, match="ended at once; its last words: no display, no luck"):
            device.fingerprint()


@pytest.mark.parametrize("flags", [("--disable-gpu",), ("--disable-features=WebGPUService",), ()])
def test_where_a_gpu_does_not_work_the_software_adapter_is_taken(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, flags: tuple[str, ...]
) -> None:
    needs_browser()
    if may_have_gpu():
        pytest.skip("there is a GPU, which would be taken")
    monkeypatch.setattr("harness.devices.browser.may_have_gpu", lambda: True)
    monkeypatch.setattr("harness.devices.browser.LINUX_GPU_FLAGS", flags)
    has_working_gpu.cache_clear()
    request.addfinalizer(has_working_gpu.cache_clear)
    with BrowserDevice() as device:
        assert_works(device)
        assert device.fingerprint()["architecture"] == "swiftshader"


def test_a_page_answers_by_a_module_of_ones_own(tmp_path: Path) -> None:
    needs_browser()
    (tmp_path / "own.mjs").write_text(
        "export const handle = ({ text }, [bytes]) =>\n"
        "  text ? [{ text: text + '!', isolated: crossOriginIsolated }, [bytes.reverse()]]\n"
        "       : Promise.reject(new Error('no text'));\n"
    )
    with open_page("own/own.mjs", {"own": tmp_path}, adapter="software") as page:
        array = np.arange(3, dtype=np.uint8)
        answer, parts = page.ask({"text": "hä"}, [array], 20, Expected((3,)))
        assert (answer["text"], answer["isolated"], parts) == ("hä!", True, [b"\2\1\0"])
        answer, _ = page.ask({}, [array], 20)
        assert (answer["error"], answer["message"]) == ("failed", "no text")


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


def test_what_ended_with_nothing_to_do_harms_no_kernel(device: RemoteDevice) -> None:
    first, second = device.load(FINE), device.load(FINE)
    program = device._program
    if isinstance(program, DeviceProcess):
        assert program._process is not None
        program._process.kill()
        program._process.wait()
    else:
        program.close()
    device.release(second)  # which is no more
    assert device.run(launch_of(first))[0][0] == 1


def test_node_may_be_chosen_and_must_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old, broken = tmp_path / "old", tmp_path / "broken"
    old.write_text("#!/bin/sh\necho v20.1.0\n")
    broken.write_text("#!/nowhere/sh\n")
    for path in (old, broken):
        path.chmod(0o755)
    for named, words in (
        (old, "is Node v20.1.0; relaxed SIMD needs 22"),
        (broken, "does not run"),
        (tmp_path / "missing", "does not run"),
    ):
        monkeypatch.setenv("JITWEB_NODE", str(named))
        with pytest.raises(DeviceError, match=f"{named} {words}"):
            NodeDevice()


def test_a_program_that_reads_nothing_is_given_up_in_time() -> None:
    with DeviceProcess([sys.executable, "-c", "import time; time.sleep(600)"]) as program:
        with pytest.raises(ProgramEnded, match="not done after 0.5 s"):
            program.ask({}, [np.zeros(1 << 22, np.uint8)], 0.5)
