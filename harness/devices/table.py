"""The devices: one line each, by the name that `--device` takes.

To add one, write a module like `node.py` and add a line to `DEVICES`. Nothing else names a device:
the command lines, the doctor, the tuner and the fuzzer's targets use this table. Modules are
imported when a device is used, so that `--help` needs none of what they import.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from harness.devices.base import DeviceError

if TYPE_CHECKING:
    from harness.devices.base import Device
    from harness.devices.remote import Responder

LANGUAGES = {"wasm": "WebAssembly", "webgpu": "WebGPU"}
"""The languages of devices, by the name of the target."""


@dataclass(frozen=True)
class OpenOptions:
    """Options for opening a device; each device uses those that apply to it.

    `software`: use a software GPU, even if there is a real one. `address`: where to serve the page.
    `announce` is called with a line that asks the user for something, such as to open that page.
    """

    software: bool = False
    address: str = ""
    announce: Callable[[str], None] = lambda line: None


class DeviceModule(Protocol):
    """The interface of a device's module. `REMEDY` says how to install what it needs."""

    REMEDY: str

    def find(self) -> str:
        """What was found on this machine, as text.

        Raises:
            DeviceError: the device can't be opened here.
        """

    def open_device(self, options: OpenOptions) -> Device:
        """The device, not yet started.

        Raises:
            DeviceError: it can't be opened here.
        """

    def open_module(self, module: str, folders: Mapping[str, Path]) -> Responder:
        """A program that answers requests with a JavaScript module; see DeviceKind.open_module."""


@dataclass(frozen=True)
class DeviceKind:
    """A line of the table. `targets` are those whose code it runs, `program` is what the doctor
    checks for (if anything), `hosts_modules` says whether it also runs JavaScript, and with it
    whole bundles; if `takes_address`, it is selected by an address instead of `name`.
    """

    name: str
    module: str
    targets: tuple[str, ...]
    summary: str
    program: str | None = None
    hosts_modules: bool = False
    takes_address: bool = False

    def find(self) -> str:
        """What was found; raises DeviceError if the device can't be opened."""
        return self._load().find()

    def unavailable(self) -> str | None:
        """None if the device can be opened here, else why not and what to install."""
        try:
            self.find()
        except DeviceError as error:
            return str(error)
        return None

    @property
    def remedy(self) -> str:
        return self._load().REMEDY

    def open(self, options: OpenOptions | None = None) -> Device:
        """The device; raises DeviceError if it can't be opened."""
        return self._load().open_device(options or OpenOptions())

    def open_module(self, module: str, folders: Mapping[str, Path]) -> Responder:
        """A program that answers requests with `module`: a name of `folders`, then a path in it.

        The module exports `handle(request, arrays, addressOf)`, where `addressOf` returns the
        address of a folder, by its name. Raises DeviceError if it can't be opened.
        """
        assert self.hosts_modules
        return self._load().open_module(module, folders)

    def _load(self) -> DeviceModule:
        return cast(DeviceModule, importlib.import_module(self.module))


DEVICES: tuple[DeviceKind, ...] = (
    DeviceKind(
        "node", "harness.devices.node", ("wasm",), "Node", program="node", hosts_modules=True
    ),
    DeviceKind(
        "browser", "harness.devices.browser", ("wasm", "webgpu"), "a headless Chromium",
        program="chromium", hosts_modules=True,
    ),
    DeviceKind("wgpu", "harness.devices.wgpu", ("webgpu",), "the package wgpu", program="wgpu"),
    DeviceKind(
        "URL", "harness.devices.opened", ("wasm", "webgpu"),
        "whichever browser opens the page that is served at the URL", takes_address=True,
    ),
)  # fmt: skip


def device_kind(name: str) -> DeviceKind:
    """The line of the table for the argument of `--device`.

    Raises:
        DeviceError: there is no such device.
    """
    for kind in DEVICES:
        if "://" in name if kind.takes_address else name == kind.name:
            return kind
    known = ", ".join(kind.name for kind in DEVICES)
    raise DeviceError(f"there is no device {name!r}; the devices are {known}")


def usual_device(target: str) -> DeviceKind:
    """The default device of a target: the first in the table that runs its code."""
    return next(kind for kind in DEVICES if target in kind.targets)
