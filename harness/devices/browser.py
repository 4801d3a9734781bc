"""The browser device: WebGPU and WebAssembly in a headless Chromium of its own.

What runs here runs where users are: the same WGSL compiler, the same limits, the same V8. Where
there is no GPU, Chromium's own software adapter (SwiftShader) shows whether a kernel is right; its
times say nothing about a GPU. Kernels are run by `browser_device.mjs`, in a worker of a page.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.devices.base import DeviceError
from harness.devices.node import processor_name
from harness.devices.remote import START_SECONDS, RemoteDevice

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
    "--enable-webgpu-developer-features",  # timestamps as they are, not in steps of 0.1 ms
    "--disable-gpu-watchdog",  # how long a kernel may take is ours to say
    "--disable-dev-shm-usage",  # small in containers
    # The optimising compiler from the first call on, which a warm kernel is compiled by anyway.
    "--js-flags=--no-liftoff --no-wasm-lazy-compilation",
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
LINUX_GPU_FLAGS = ("--enable-features=Vulkan", "--use-angle=vulkan", "--disable-vulkan-surface")
MODULE = "devices/browser_device.mjs"

Adapter = Literal["auto", "software"]


def find_browser() -> str:
    """The path of a browser with WebGPU: what $JITWEB_BROWSER names, else a Chromium.

    Raises:
        DeviceError: there is none.
    """
    wanted = os.environ.get("JITWEB_BROWSER")
    if wanted:
        path = shutil.which(wanted)
        if path is None:
            raise DeviceError(f"JITWEB_BROWSER={wanted} is no program that can be run")
        return path
    for name in (*NAMES, *(MAC_APPLICATIONS if sys.platform == "darwin" else ())):
        path = shutil.which(name)
        if path is not None:
            return path
    raise DeviceError(
        "there is no browser: apt-get install chromium (Debian), or set JITWEB_BROWSER to a "
        "Chromium, Chrome, Brave or Edge"
    )


def browser_command(browser: str, profile: Path, *, software: bool) -> list[str]:
    """The command line of a headless browser with WebGPU; the address is to follow."""
    command = [browser, *FLAGS, f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # which Chromium refuses to set up for root
    if software:
        command += SOFTWARE_FLAGS
    elif sys.platform == "linux":
        command += LINUX_GPU_FLAGS
    return command


def may_have_gpu() -> bool:
    """Whether it is worth asking for a GPU: False only where there certainly is none."""
    if sys.platform != "linux":
        return True
    return any(Path("/dev").glob("dri/renderD*")) or Path("/dev/nvidiactl").exists()


class BrowserDevice(RemoteDevice):
    """WebGPU and WebAssembly in a headless browser. Not to be used by two threads at a time.

    `adapter` "auto" takes a GPU if there is one and else the software adapter, "software" always
    the latter.
    """

    kind = "browser"

    def __init__(self, adapter: Adapter = "auto", browser: str | None = None) -> None:
        self._browser = browser or find_browser()
        self._software = adapter == "software" or not may_have_gpu()
        self._is_settled = self._software
        try:
            from harness.devices.page import Page
        except ImportError:
            raise DeviceError("the package websockets is missing: pip install websockets") from None
        super().__init__(Page(self._command, MODULE))

    def fingerprint(self) -> dict[str, str]:
        found = self._identify()
        adapter = found["adapter"] or {}
        return {
            "device": "browser",
            "browser": str(found["browser"]),
            "vendor": str(adapter.get("vendor", "")),
            "architecture": str(adapter.get("architecture", "")),
            "adapter": str(adapter.get("description", "")),
            "system": platform.system(),
            "processor": processor_name(),
        }

    def _command(self, profile: Path) -> Sequence[str]:
        return browser_command(self._browser, profile, software=self._software)

    def _ask(
        self,
        request: dict[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        failure: type[Exception],
    ) -> tuple[dict[str, Any], list[bytes]]:
        if not self._is_settled:
            self._settle_adapter()
        return super()._ask(request, arrays, timeout_s, failure)

    def _settle_adapter(self) -> None:
        """Go over to the software adapter if the browser finds no GPU."""
        found, _ = super()._ask({"do": "identify"}, (), START_SECONDS, DeviceError)
        if found["adapter"] is None:
            self._software = True
            self._program.close()
        self._is_settled = True
