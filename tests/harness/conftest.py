"""Devices that a file's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.devices.browser import BrowserDevice
from harness.devices.remote import RemoteDevice
from tests.harness.gpu import KINDS, open_device


@pytest.fixture(scope="module", params=KINDS)
def device(request: pytest.FixtureRequest) -> Iterator[RemoteDevice]:
    with open_device(request.param) as opened:
        yield opened


@pytest.fixture
def browser() -> Iterator[BrowserDevice]:
    with open_device("browser") as opened:
        assert isinstance(opened, BrowserDevice)
        yield opened
