"""Devices for tests, and small code to try them with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.devices.base import DeviceError, Launch
from harness.devices.browser import find_browser
from harness.devices.remote import RemoteDevice
from harness.devices.shader import Shader
from harness.devices.table import DEVICES, OpenOptions, device_kind
from tests.missing import skip_without

KINDS = [kind.name for kind in DEVICES if "webgpu" in kind.targets and kind.program]


def open_device(kind: str) -> RemoteDevice:
    """The device; where it may be missing, a skip that says what to install."""
    try:
        device = device_kind(kind).open(OpenOptions(software=True))
        assert isinstance(device, RemoteDevice)
        device.limits()
        return device
    except DeviceError as error:
        skip_without(error)


def needs_browser() -> None:
    """Skip the test where there is no browser, if that may be so."""
    try:
        find_browser()
    except DeviceError as error:
        skip_without(error)


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
