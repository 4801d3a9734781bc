"""A page in a headless browser that answers requests, as channel.py's DeviceProcess does in Node.

The first request starts the browser; if it doesn't answer in time, it is ended, and the next
request starts another.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from websockets.exceptions import ConnectionClosed

from harness.devices.base import Closing, DeviceError
from harness.devices.channel import ProgramEnded
from harness.devices.message import NO_ARRAYS, Expected
from harness.devices.page_connection import PageConnection
from harness.devices.page_server import HERE, PageServer
from harness.system.processes import python_command, python_environment
from harness.system.text import last_line

BROWSER_SUPERVISOR = HERE / "browser_supervisor.py"
START_SECONDS = 60.0
END_SECONDS = 10.0


class Page(Closing):
    """A module in a browser's worker. Not thread-safe.

    `module` is the address of the module that answers, such as "devices/browser_device.mjs": a name
    of `folders`, then the path in that folder. `command` returns the browser's command line for a
    profile folder; the page's address is appended.
    """

    def __init__(
        self,
        command: Callable[[Path], Sequence[str]],
        module: str,
        folders: Mapping[str, Path] | None = None,
    ) -> None:
        self._command = command
        self._module = module
        self._folders = folders or {}
        self._browser: _Browser | None = None
        self.starts = 0

    def ask(
        self,
        request: Mapping[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        expected: Expected = NO_ARRAYS,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """The answer to a request and its arrays, as bytes.

        Raises:
            ProgramEnded: the browser ended, or did not answer in time.
            DeviceError: the browser doesn't start, or its answer is invalid.
        """
        browser = self._started()
        try:
            return browser.connection.exchange(request, arrays, timeout_s, expected)
        except TimeoutError:
            self.close()
            raise ProgramEnded(f"it was not done after {timeout_s:g} s") from None
        except (ConnectionClosed, OSError):
            self.close()
            raise ProgramEnded("the browser ended while it ran (out of memory?)") from None
        except BaseException:  # a late answer would be read as that of the next request
            self.close()
            raise

    def restart(self) -> None:
        """End the browser; the next request starts another."""
        self.close()

    def close(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            browser.close()

    def _started(self) -> _Browser:
        if self._browser is not None and not self._browser.is_alive():
            self.close()
        if self._browser is None:
            self._browser = _Browser(self._command, self._module, self._folders)
            self.starts += 1
        return self._browser


class _Browser:
    """One run of the browser, with its server."""

    def __init__(
        self,
        command: Callable[[Path], Sequence[str]],
        module: str,
        folders: Mapping[str, Path],
    ) -> None:
        self._server = PageServer(folders)
        self._messages: IO[bytes] = tempfile.TemporaryFile()
        self._profile = Path(tempfile.mkdtemp(prefix="jitweb-browser-"))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            address = f"{self._server.address}devices/page.html?module=../{module}"
            self._process = subprocess.Popen(
                python_command(
                    *(str(BROWSER_SUPERVISOR), str(self._profile)),
                    *(*command(self._profile), address),
                ),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._messages,
                env=python_environment(),
                start_new_session=True,  # Ctrl-C must not reach it: this process ends it
            )
            self.connection = self._wait(self._process)
        except BaseException:
            self.close()
            raise

    def is_alive(self) -> bool:
        assert self._process is not None
        return self._process.poll() is None and self.connection.is_open

    def close(self) -> None:
        self._server.close()
        self._messages.close()
        if self._process is None:
            self._profile.rmdir()
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> PageConnection:
        waited = 0.0
        while waited < START_SECONDS:
            connection = self._server.connection(0.2)
            if connection is not None:
                return connection
            waited += 0.2
            if process.poll() is not None:
                break
        self._messages.seek(0)
        said = last_line(self._messages.read().decode(errors="replace")) or "nothing"
        how = "ended at once" if process.poll() is not None else "does not open its page"
        raise DeviceError(f"the browser {how}; its last words: {said}")
