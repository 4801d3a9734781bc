"""Opening a device by the name that the command line gives it."""

from __future__ import annotations

from harness.devices.base import Device


def open_device(kind: str) -> Device:
    """The device of this kind.

    Raises:
        DeviceError: it can't be had here; the message says what to install.
    """
    if kind == "node":
        from harness.devices.node import NodeDevice

        return NodeDevice()
    if kind == "browser":
        from harness.devices.browser import BrowserDevice

        return BrowserDevice()
    from harness.devices.wgpu import WgpuDevice

    return WgpuDevice()
