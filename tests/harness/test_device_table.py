"""One table says which devices there are; nothing else asks for a device by its name."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.devices.base import DeviceError
from harness.devices.table import DEVICES, LANGUAGES, DeviceKind, device_kind, usual_device

ROOT = Path(__file__).resolve().parents[2]
NAMES = {kind.name for kind in DEVICES}


@pytest.mark.parametrize("kind", DEVICES, ids=lambda kind: str(kind.name))
def test_every_line_has_a_module_that_opens_the_device(kind: DeviceKind) -> None:
    module = importlib.import_module(kind.module)
    wanted = {"REMEDY", "find", "open_device"} | ({"open_module"} if kind.hosts_modules else set())
    assert wanted <= vars(module).keys()
    assert kind.targets and set(kind.targets) <= LANGUAGES.keys()
    assert kind.unavailable() is None or kind.remedy


def test_a_device_is_found_by_its_name_or_by_an_address() -> None:
    for kind in DEVICES:
        name = "http://127.0.0.1:0" if kind.takes_address else kind.name
        assert device_kind(name) is kind
    assert len(NAMES) == len(DEVICES)
    assert (usual_device("wasm").name, usual_device("webgpu").name) == ("node", "browser")
    with pytest.raises(DeviceError, match="no device 'toaster'; the devices are node, browser"):
        device_kind("toaster")


def comparisons(path: Path) -> Iterator[str]:
    """The names of devices that a file compares something with."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Compare(left=left, comparators=[*others]):
                sides = [left, *others]
            case ast.MatchValue(value=value):
                sides = [value]
            case _:
                continue
        for side in sides:
            parts = side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
            yield from (
                str(part.value)
                for part in parts
                if isinstance(part, ast.Constant) and part.value in NAMES
            )


def test_no_code_asks_whether_a_device_is_a_certain_one() -> None:
    folders = ("harness", "jitweb", "tzer", "corpus")
    found = {
        (str(path.relative_to(ROOT)), name)
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for name in comparisons(path)
    }
    assert found == set()
