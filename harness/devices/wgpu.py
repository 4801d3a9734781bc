"""The wgpu device: WebGPU without a browser, with the package wgpu (Firefox's implementation).

It compiles WGSL with naga, Chromium with tint: one may reject what the other accepts. Without a GPU
it uses Mesa's lavapipe, which silently ends all loops of an invocation after 65535 iterations:
kernels with more have wrong results only there. `wgpu_program.py` runs the kernels, in a process of
its own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from harness.devices.base import DeviceError
from harness.devices.channel import DeviceProcess
from harness.devices.message import object_in, text_in
from harness.devices.node import processor_name
from harness.devices.remote import RemoteDevice
from harness.devices.table import OpenOptions
from harness.system.processes import python_command, python_environment

SCRIPT = Path(__file__).with_name("wgpu_program.py")
REMEDY = (
    'pip install "tzer[web]"; where there is no adapter, apt-get install mesa-vulkan-drivers, or a '
    "driver of your GPU"
)


def find() -> str:
    with WgpuDevice() as device:
        found = device.fingerprint()
    return f"{found['adapter']}, {found['backend']}"


def open_device(options: OpenOptions) -> WgpuDevice:
    return WgpuDevice()


class WgpuDevice(RemoteDevice):
    """WebGPU with the package wgpu. Not thread-safe."""

    kind = "wgpu"

    def __init__(self) -> None:
        if importlib.util.find_spec("wgpu") is None:
            raise DeviceError("the package wgpu is not installed: pip install wgpu")
        super().__init__(DeviceProcess(python_command(str(SCRIPT)), python_environment()))

    def fingerprint(self) -> dict[str, str]:
        found = self._identify()
        adapter = object_in(found, "adapter")
        return {
            "device": "wgpu",
            "wgpu": text_in(found, "wgpu"),
            "vendor": text_in(adapter, "vendor"),
            "adapter": text_in(adapter, "device"),
            "driver": text_in(adapter, "description"),
            "backend": text_in(adapter, "backend"),
            "processor": processor_name(),
        }
