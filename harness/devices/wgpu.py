"""The wgpu device: WebGPU without a browser, by the package wgpu (Firefox's implementation).

It compiles WGSL by naga, where Chromium has tint: what one takes, the other may refuse. Mesa's
lavapipe serves where there is no GPU. It quietly ends all loops once an invocation has gone round
65535 times: a kernel that does is wrong there, and right elsewhere. Kernels are run by
`wgpu_program.py`, in a process of their own.
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
    """WebGPU by the package wgpu. Not to be used by two threads at a time."""

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
