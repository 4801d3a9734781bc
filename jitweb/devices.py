"""Selects a device by the argument of `--device`, and opens it."""

from __future__ import annotations

from collections.abc import Callable

from harness.devices.base import Device
from harness.devices.table import DEVICES, LANGUAGES, OpenOptions, device_kind, usual_device
from jitweb.errors import JitwebError

AUTO, NONE = "auto", "none"
MEASURING = (AUTO, *(kind.name for kind in DEVICES if not kind.takes_address), NONE)
HOSTING = (AUTO, *(kind.name for kind in DEVICES if kind.hosts_modules))


def device_of(target: str, wanted: str) -> str:
    """The name of the device that runs a target; `wanted` may be "auto" or "none".

    Raises:
        JitwebError: the wanted device can't run it.
        DeviceError: there is no device of this name.
    """
    if wanted == NONE:
        return wanted
    kind = usual_device(target) if wanted == AUTO else device_kind(wanted)
    if target not in kind.targets:
        raise JitwebError(f"{kind.name} runs no {LANGUAGES[target]}; name another --device")
    return wanted if kind.takes_address else kind.name


def open_device(name: str, announce: Callable[[str], None] = lambda line: None) -> Device:
    """The device of this name, or of this address, at which it serves a page.

    `announce` is called with a line that asks the user for something, such as to open the page.

    Raises:
        DeviceError: it can't be opened here; the message says what to install.
    """
    return device_kind(name).open(OpenOptions(address=name, announce=announce))
