"""The browser device: WebGPU and WebAssembly in a headless Chromium.

It has the same WGSL compiler, limits and V8 as the browsers of users. Without a GPU, Chromium's own
software adapter (SwiftShader) can check whether a kernel is correct; its times say nothing about a
GPU. `browser_device.mjs` runs the kernels, in a worker of a page.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.devices.base import DeviceError
from harness.devices.channel import ProgramEnded
from harness.devices.message import object_in, text_in
from harness.devices.node import V8_FLAGS, processor_name
from harness.devices.remote import RemoteDevice
from harness.devices.table import OpenOptions
from harness.system.processes import run_program

if TYPE_CHECKING:
    from harness.devices.page import Page

NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "brave-browser", "brave", "microsoft-edge", "msedge",
)  # fmt: skip
MAC_APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
FLAGS = (
    "--headless=new",
    "--enable-unsafe-webgpu",  # on systems where WebGPU is not released yet
    "--enable-webgpu-developer-features",  # exact timestamps, not in steps of 0.1 ms
    "--disable-gpu-watchdog",  # kernels have a time limit of their own
    "--disable-dev-shm-usage",  # small in containers
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-quic",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
    "--use-mock-keychain",
)
SOFTWARE_FLAGS = ("--use-webgpu-adapter=swiftshader",)
LINUX_GPU_FLAGS = ("--enable-features=Vulkan",)
REMEDY = "apt-get install chromium, or set JITWEB_BROWSER to the executable"
NO_WEBSOCKETS = "the package websockets is missing: pip install websockets"
ADAPTER_SECONDS = 20.0  # a broken driver may keep the browser from ever finding a GPU
MODULE = "devices/browser_device.mjs"

Adapter = Literal["auto", "software"]


def find_browser() -> str:
    """The path of a browser with WebGPU: $JITWEB_BROWSER, else an installed Chromium.

    Raises:
        DeviceError: no browser is found.
    """
    wanted = os.environ.get("JITWEB_BROWSER")
    if wanted:
        path = shutil.which(wanted)
        if path is None:
            raise DeviceError(f"JITWEB_BROWSER={wanted} is not an executable program")
        return path
    for name in (*NAMES, *(MAC_APPLICATIONS if sys.platform == "darwin" else ())):
        path = shutil.which(name)
        if path is not None:
            return path
    raise DeviceError(
        "there is no browser: apt-get install chromium (Debian), or set JITWEB_BROWSER to a "
        "Chromium, Chrome, Brave or Edge"
    )


def find() -> str:
    path = find_browser()
    if importlib.util.find_spec("websockets") is None:
        raise DeviceError(NO_WEBSOCKETS)
    try:
        asked = run_program([path, "--version"], 60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{path} does not run ({error})") from None
    if asked.returncode:
        raise DeviceError(f"{path} does not run (exit status {asked.returncode})")
    return f"{path}: {asked.stdout.strip()}"


def open_device(options: OpenOptions) -> BrowserDevice:
    return BrowserDevice("software" if options.software else "auto")


def open_module(module: str, folders: Mapping[str, Path]) -> Page:
    """A module that answers requests in a page's worker; see table.DeviceKind.open_module."""
    return open_page(module, folders)


def browser_command(
    browser: str, profile: Path, *, software: bool, v8_flags: Sequence[str] = ()
) -> list[str]:
    """The command line of a headless browser with WebGPU, without the address."""
    command = [browser, *FLAGS, f"--user-data-dir={profile}"]
    if v8_flags:
        command.append(f"--js-flags={' '.join(v8_flags)}")
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # Chromium's sandbox doesn't work for root
    if software:
        command += SOFTWARE_FLAGS
    elif sys.platform == "linux":
        command += LINUX_GPU_FLAGS
    return command


def may_have_gpu() -> bool:
    """Whether there may be a GPU; False only if there certainly is none."""
    if sys.platform != "linux":
        return True
    return any(Path("/dev").glob("dri/renderD*")) or Path("/dev/nvidiactl").exists()


def open_page(
    module: str,
    folders: Mapping[str, Path] | None = None,
    *,
    adapter: Adapter = "auto",
    browser: str | None = None,
    v8_flags: Sequence[str] = (),
) -> Page:
    """A module in a worker of a headless browser's page, which answers requests; see page.Page.

    Raises:
        DeviceError: no browser is found, or the package websockets is missing.
    """
    try:
        from harness.devices.page import Page
    except ImportError:
        raise DeviceError(NO_WEBSOCKETS) from None
    path = browser or find_browser()
    software = adapter == "software" or not has_working_gpu(path)

    def command(profile: Path) -> list[str]:
        return browser_command(path, profile, software=software, v8_flags=v8_flags)

    return Page(command, module, folders)


@cache
def has_working_gpu(browser: str) -> bool:
    """Whether a browser has a GPU that works; checked once per process."""
    if not may_have_gpu():
        return False
    from harness.devices.page import Page

    with Page(lambda profile: browser_command(browser, profile, software=False), MODULE) as page:
        try:
            answer, _ = page.ask({"do": "identify"}, (), ADAPTER_SECONDS)
        except ProgramEnded:
            return False
        return answer.get("adapter") is not None


def fingerprint_of(found: Mapping[str, Any], system: str, processor: str) -> dict[str, str]:
    """The fingerprint of a browser from its answer to `identify`."""
    adapter = object_in(found, "adapter") if found.get("adapter") is not None else {}
    described = {name: adapter.get(name, "") for name in ("vendor", "architecture", "description")}
    return {
        "device": "browser",
        "browser": text_in(found, "browser"),
        "vendor": text_in(described, "vendor"),
        "architecture": text_in(described, "architecture"),
        "adapter": text_in(described, "description"),
        "system": system,
        "processor": processor,
    }


class BrowserDevice(RemoteDevice):
    """WebGPU and WebAssembly in a headless browser. Not thread-safe.

    `adapter` "auto" uses a GPU if there is one, otherwise the software adapter; "software" always
    uses the latter. `browser` is the path of the browser, by default that of `find_browser`.
    """

    kind = "browser"

    def __init__(self, adapter: Adapter = "auto", browser: str | None = None) -> None:
        super().__init__(open_page(MODULE, adapter=adapter, browser=browser, v8_flags=V8_FLAGS))

    def fingerprint(self) -> dict[str, str]:
        return fingerprint_of(self._identify(), platform.system(), processor_name())
