"""The devices: one line each, by the name that `--device` takes.

To add one, write a module like `node.py` and add a line to `DEVICES`. Nothing else names a device:
the command lines, the doctor, the tuner and the fuzzer's targets go by this table. Modules are
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
    from harness.devices.remote import Asked

LANGUAGES = {"wasm": "WebAssembly", "webgpu": "WebGPU"}
"""What a device runs, by the name of the target."""


@dataclass(frozen=True)
class OpenOptions:
    """How a device is opened; each takes what concerns it.

    `software`: a GPU in software, even where there is a real one. `address`: where to serve the
    page. `announce` is called with what somebody has to do, such as to open that page.
    """

    software: bool = False
    address: str = ""
    announce: Callable[[str], None] = lambda line: None


class DeviceModule(Protocol):
    """What the module of a device defines. `REMEDY` says how to install what it needs."""

    REMEDY: str

    def find(self) -> str:
        """What was found on this machine, in words.

        Raises:
            DeviceError: the device can't be opened here.
        """

    def open_device(self, options: OpenOptions) -> Device:
        """The device, not yet started.

        Raises:
            DeviceError: it can't be opened here.
        """

    def open_module(self, module: str, folders: Mapping[str, Path]) -> Asked:
        """A program that answers requests by a JavaScript module; see DeviceKind.open_module."""


@dataclass(frozen=True)
class DeviceKind:
    """A line of the table. `targets` are those whose code it runs, `program` what the doctor looks
    for (if anything), `hosts_modules` whether it also runs JavaScript, and with it whole bundles;
    where `takes_address`, it is named by an address instead of `name`.
    """

    name: str
    module: str
    targets: tuple[str, ...]
    summary: str
    program: str | None = None
    hosts_modules: bool = False
    takes_address: bool = False

    def find(self) -> str:
        """What was found; raises DeviceError where the device can't be opened."""
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
        """The device; raises DeviceError where it can't be opened."""
        return self._load().open_device(options or OpenOptions())

    def open_module(self, module: str, folders: Mapping[str, Path]) -> Asked:
        """A program that answers requests by `module`: a name of `folders`, then a path in it.

        The module exports `handle(request, arrays, addressOf)`, where `addressOf` gives the address
        of a folder, by its name. Raises DeviceError where it can't be opened.
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
    """The line of the table for what `--device` names.

    Raises:
        DeviceError: there is none.
    """
    for kind in DEVICES:
        if "://" in name if kind.takes_address else name == kind.name:
            return kind
    known = ", ".join(kind.name for kind in DEVICES)
    raise DeviceError(f"there is no device {name!r}; the devices are {known}")


def usual_device(target: str) -> DeviceKind:
    """Where a target's code runs if no device is named: the first that runs it."""
    return next(kind for kind in DEVICES if target in kind.targets)
