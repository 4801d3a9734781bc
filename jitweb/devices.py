"""Opening a device by the name that the command line gives it."""

from __future__ import annotations

from collections.abc import Callable

from harness.devices.base import Device
from jitweb.errors import JitwebError

# Where a target runs if no device is named.
USUAL_DEVICE = {"wasm": "node", "webgpu": "browser"}


def device_of(target: str, wanted: str) -> str:
    """The name of the device that runs a target, where `wanted` may be "auto".

    Raises:
        JitwebError: the wanted one can't run it.
    """
    kind = USUAL_DEVICE[target] if wanted == "auto" else wanted
    if target == "webgpu" and kind == "node":
        raise JitwebError("Node has no WebGPU; name another --device")
    if target == "wasm" and kind == "wgpu":
        raise JitwebError("wgpu runs no WebAssembly; name another --device")
    return kind


def open_device(kind: str, announce: Callable[[str], None] = lambda line: None) -> Device:
    """The device of this kind: "node", "browser", "wgpu", or an address to serve a page at.

    `announce` is told what somebody has to do, such as to open the page.

    Raises:
        DeviceError: it can't be had here; the message says what to install.
    """
    if kind == "node":
        from harness.devices.node import NodeDevice

        return NodeDevice()
    if kind == "browser":
        from harness.devices.browser import BrowserDevice

        return BrowserDevice()
    if "://" in kind:
        from harness.devices.opened import OpenedBrowser

        return OpenedBrowser(kind, announce)
    from harness.devices.wgpu import WgpuDevice

    return WgpuDevice()
