"""The device at a URL: any browser, on any machine, in which a user opens the page served here.

It may be a phone, a browser other than Chromium, or one with its own GPU settings. It can't be
ended from here like a headless browser, so the page itself replaces its worker when the server
reports that the worker was given up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from websockets.exceptions import ConnectionClosed

from harness.devices.base import Closing, DeviceError
from harness.devices.browser import fingerprint_of
from harness.devices.channel import ProgramEnded
from harness.devices.message import NO_ARRAYS, Expected, count_in, text_in
from harness.devices.page_connection import PageConnection
from harness.devices.page_server import HERE, PageServer
from harness.devices.remote import RemoteDevice
from harness.devices.table import OpenOptions

FIRST_SECONDS = 600.0  # a user may have to walk to the other machine
AGAIN_SECONDS = 60.0
USUAL_PORT = 8100
MOST_CORES = 100_000
REMEDY = "pip install websockets"


def find() -> str:
    return "any browser that opens the page"


def open_device(options: OpenOptions) -> OpenedBrowser:
    return OpenedBrowser(options.address, options.announce)


class OpenedPage(Closing):
    """The page, in the browser that loaded it last.

    `announce` is called with the address when it is served, and with a line while no page is open.

    Raises:
        DeviceError: the page can't be served at this host and port.
    """

    def __init__(self, host: str, port: int, announce: Callable[[str], None]) -> None:
        try:
            self._server = PageServer({}, host=host, port=port, first_page=HERE / "opened.html")
        except DeviceError as error:
            usual = f"http://127.0.0.1:{USUAL_PORT}"
            raise DeviceError(f"{error}; use an address of this machine, such as {usual}") from None
        self._server.state["worker"] = 1
        self._announce = announce
        self._connection: PageConnection | None = None
        self._patience = FIRST_SECONDS
        announce(f"open {self._server.address} in the browser that is to be tuned for")

    @property
    def address(self) -> str:
        return self._server.address

    def ask(
        self,
        request: Mapping[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        expected: Expected = NO_ARRAYS,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to a request and its arrays, as bytes.

        Raises:
            ProgramEnded: the page was closed, or did not answer in time.
            DeviceError: nobody opens the page, or its answer is invalid.
        """
        connection = self._opened()
        try:
            return connection.exchange(request, arrays, timeout_s, expected)
        except TimeoutError:
            self.restart()
            raise ProgramEnded(f"it was not done after {timeout_s:g} s") from None
        except (ConnectionClosed, OSError):
            self._connection = None
            raise ProgramEnded("the page was closed or loaded again while it ran") from None
        except BaseException:  # a late answer would be read as that of the next request
            self.restart()
            raise

    def restart(self) -> None:
        """Give up the page's worker: the page starts another when it reads a new number."""
        self._connection = None
        self._server.state["worker"] += 1

    def close(self) -> None:
        self._connection = None
        self._server.close()

    def _opened(self) -> PageConnection:
        latest = self._server.connection(0.0)  # loaded again, or in another browser
        if latest is not None:
            self._connection = latest
        if self._connection is None or not self._connection.is_open:
            if self._patience == AGAIN_SECONDS:
                self._announce(f"waiting for {self._server.address}")
            self._connection = self._server.connection(self._patience)
        if self._connection is None:
            raise DeviceError(
                f"no browser has opened {self._server.address} for {self._patience:.0f} s"
            )
        self._patience = AGAIN_SECONDS
        return self._connection


class OpenedBrowser(RemoteDevice):
    """WebGPU and WebAssembly in a browser that opens the page at an address such as
    http://127.0.0.1:8100. Not thread-safe.

    Raises:
        DeviceError: the address can't be listened on.
    """

    kind = "browser"

    def __init__(self, address: str, announce: Callable[[str], None]) -> None:
        host, port = split_address(address)
        self._page = OpenedPage(host, port, announce)
        super().__init__(self._page)

    @property
    def address(self) -> str:
        """The page's address, which contains a secret."""
        return self._page.address

    def fingerprint(self) -> dict[str, str]:
        found = self._identify()
        cores = count_in(found, "cores", 1, MOST_CORES) if "cores" in found else "unknown"
        return fingerprint_of(found, text_in(found, "system"), f"{cores} cores")


def split_address(address: str) -> tuple[str, int]:
    """The host and port of http://HOST[:PORT].

    Raises:
        DeviceError: the address has another form.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        is_address = parts.scheme == "http" and address.isprintable()
    except ValueError:
        is_address = False
    if not is_address or not host or parts.path.strip("/"):
        raise DeviceError(
            f"{address} is not an address to serve at; use http://127.0.0.1:{USUAL_PORT}"
        )
    return host, USUAL_PORT if port is None else port
