"""A browser that somebody opens is a device like others, and its page outlives what hangs in it."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from harness.devices.base import DeviceError, KernelFailed, Launch
from harness.devices.opened import OpenedBrowser, split_address
from tests.harness.gpu import (
    ENDLESS_LOOP,
    FINE,
    assert_works,
    launch_of,
    needs_browser,
    wasm_module,
)
from tests.tab import Tab

SERVED = "http://127.0.0.1:0"


@pytest.fixture
def served() -> Iterator[OpenedBrowser]:
    said: list[str] = []
    with OpenedBrowser(SERVED, said.append) as device:
        assert said == [f"open {device.address} in the browser that is to be tuned for"]
        yield device


@pytest.fixture
def tab(served: OpenedBrowser) -> Iterator[Tab]:
    needs_browser()
    with Tab(served.address) as opened:
        yield opened


def text_of(tab: Tab) -> str:
    return str(tab.evaluate("document.body.dataset.state"))


def test_whoever_opens_the_page_is_measured(served: OpenedBrowser, tab: Tab) -> None:
    found = served.fingerprint()
    assert "Chrom" in found["browser"] and found["system"] == "Linux"
    assert_works(served)
    handle = served.load(wasm_module())
    x, y = np.arange(4, dtype=np.int32), np.ones(4, np.int32)
    launch = Launch(handle, "add", (x, y), (1,), (0, 4))
    assert served.run(launch)[0].tolist() == [1, 2, 3, 4]
    (timing,) = served.time([launch], 0.05)
    assert timing.min_ms > 0
    assert "worker 1" in text_of(tab)
    served.close()
    deadline = time.monotonic() + 20
    while "close this page" not in text_of(tab):
        assert time.monotonic() < deadline, text_of(tab)
        time.sleep(0.05)


def test_what_hangs_is_given_up_and_the_next_call_works(served: OpenedBrowser, tab: Tab) -> None:
    fine, endless = served.load(FINE), served.load(wasm_module(ENDLESS_LOOP))
    x = np.zeros(4, np.int32)
    with pytest.raises(KernelFailed, match="was not done"):
        served.run(Launch(endless, "add", (x, x), (1,), (0, 1)), timeout_s=1)
    assert served.run(launch_of(fine))[0][0] == 1
    assert "worker 2" in text_of(tab)


def test_a_gpu_that_is_lost_leaves_the_page_in_use(served: OpenedBrowser, tab: Tab) -> None:
    fine = served.load(FINE)
    served._program.restart()  # what a lost device leads to
    assert served.run(launch_of(fine))[0][0] == 1
    assert "worker 2" in text_of(tab)


def test_a_page_may_be_loaded_again(served: OpenedBrowser, tab: Tab) -> None:
    fine = served.load(FINE)
    tab.evaluate("window.isOld = true")
    tab.send("Page.reload")
    deadline = time.monotonic() + 30
    while tab.evaluate("window.isOld ?? false"):
        time.sleep(0.02)
    while True:  # what is under way at that moment may fail
        try:
            assert served.run(launch_of(fine))[0][0] == 1
            break
        except KernelFailed:
            assert time.monotonic() < deadline
    for _ in range(3):
        assert served.run(launch_of(fine))[0][0] == 1


def test_a_page_that_nobody_opens_is_not_waited_for_without_end(
    served: OpenedBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served._page, "_patience", 0.1)
    with pytest.raises(DeviceError, match="no browser has opened http://127.0.0.1:"):
        served.fingerprint()


def test_foreign_pages_get_nothing(served: OpenedBrowser) -> None:
    parts = urlsplit(served.address)
    for path in ("/", "/state", "/devices/opened.html", "/guess/", "/guess/devices/socket"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{parts.netloc}{path}")
    for origin in ("http://elsewhere.example", "null", None):
        with pytest.raises(InvalidStatus, match="403"):
            connect(f"ws://{parts.netloc}{parts.path}devices/socket", origin=origin)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://127.0.0.1:8123", ("127.0.0.1", 8123)),
        ("http://localhost/", ("localhost", 8100)),
        ("http://[::1]:80", ("::1", 80)),
    ],
)
def test_addresses_to_serve_at(address: str, expected: tuple[str, int]) -> None:
    assert split_address(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "https://a:1",
        "http://",
        "http://a:b",
        "http://a:99999",
        "http://a/b",
        "://",
        "a",
        "http://[::1",
        "http://[",
        "http://a\0b",
        "http://a\x1b",
        "http://]:1",
        "http://[nothing]:1",
        "http://a:-1",
        "http://a:\u0663x",
    ],
)
def test_what_is_no_such_address_is_refused(address: str) -> None:
    with pytest.raises(DeviceError, match="use http://127.0.0.1:8100"):
        split_address(address)


def test_an_address_that_is_taken_is_one_line(served: OpenedBrowser) -> None:
    port = urlsplit(served.address).port
    with pytest.raises(DeviceError, match=f"can't listen on 127.0.0.1:{port}: "):
        OpenedBrowser(f"http://127.0.0.1:{port}", print)
    for host in ("no.such.host.invalid", "a..b", "x" * 300):
        with pytest.raises(DeviceError, match=f"can't listen on {host}"):
            OpenedBrowser(f"http://{host}", print)
