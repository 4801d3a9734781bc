"""A page in a headless browser that answers requests: what channel.py's Program is for Node.

The browser is started when it is first asked, and ended when it doesn't answer in time; the next
request starts another. A server on 127.0.0.1 gives the page its files and talks to it over a
WebSocket; whoever doesn't know the token in its address gets nothing from it. page_worker.mjs is
the other end.
"""

from __future__ import annotations

import http
import json
import mimetypes
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import numpy as np
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from harness.devices.base import Closing, DeviceError
from harness.devices.channel import ProgramEnded, without_our_limits

HERE = Path(__file__).parent
KEEPER = HERE / "keeper.py"
START_SECONDS = 60.0
END_SECONDS = 10.0
ISOLATION = {  # what shared memory and precise clocks need
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


class Page(Closing):
    """A module in a browser's worker. Not to be used by two threads at a time.

    `module` is the address of the module that answers, such as "devices/browser_device.mjs": a name
    of `folders`, then the path in that folder. `command` gives the browser's command line for a
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
        self._folders = {"devices": HERE, **(folders or {})}
        self._browser: _Browser | None = None
        self.starts = 0

    def ask(
        self, request: dict[str, Any], arrays: Sequence[np.ndarray], timeout_s: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        """The answer and the arrays that came with it, as bytes.

        Raises:
            ProgramEnded: there is none.
            DeviceError: the browser doesn't start.
        """
        browser = self._started()
        try:
            browser.connection.send(_format(request, arrays))
            frame = browser.connection.recv(timeout_s)
            assert isinstance(frame, bytes)
            return _parse(frame)
        except TimeoutError:
            self.close()
            raise ProgramEnded(f"it was not done after {timeout_s:g} s") from None
        except (ConnectionClosed, OSError):
            self.close()
            raise ProgramEnded("the browser ended while it ran (out of memory?)") from None
        except BaseException:  # an answer that comes late would be taken for that of the next
            self.close()
            raise

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
    """One start of the browser, with the server that it talks to."""

    def __init__(
        self,
        command: Callable[[Path], Sequence[str]],
        module: str,
        folders: Mapping[str, Path],
    ) -> None:
        self._connected: queue.Queue[ServerConnection] = queue.Queue()
        self._closing = threading.Event()
        self._token = secrets.token_urlsafe(16)
        self._folders = {name: folder.resolve() for name, folder in folders.items()}
        self._server: Server = serve(
            self._connect,
            "127.0.0.1",
            0,
            process_request=self._respond,
            compression=None,
            max_size=None,
            ping_interval=None,  # a kernel may take its time
        )
        self._origin = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._messages: IO[bytes] = tempfile.TemporaryFile()
        self._profile = Path(tempfile.mkdtemp(prefix="jitweb-browser-"))
        address = f"{self._origin}/{self._token}/devices/page.html?module=../{module}"
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(KEEPER), str(self._profile)]
            + [*command(self._profile), address],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._messages,
            start_new_session=True,  # Ctrl-C is for us alone: we end it
            preexec_fn=without_our_limits,
        )
        try:
            self.connection = self._wait()
        except BaseException:
            self.close()
            raise

    def is_alive(self) -> bool:
        return self._process.poll() is None and self.connection.close_code is None

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._messages.close()

    def _wait(self) -> ServerConnection:
        waited = 0.0
        while waited < START_SECONDS:
            try:
                return self._connected.get(timeout=0.2)
            except queue.Empty:
                waited += 0.2
            if self._process.poll() is not None:
                break
        self._messages.seek(0)
        said = self._messages.read().decode(errors="replace").strip().splitlines() or ["nothing"]
        how = "ended at once" if self._process.poll() is not None else "does not open its page"
        raise DeviceError(f"the browser {how}; its last words: {said[-1].strip()}")

    # ------------------------------------------------------------------------------ the server

    def _connect(self, connection: ServerConnection) -> None:
        self._connected.put(connection)
        self._closing.wait()  # the connection lasts until this returns

    def _respond(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = unquote(urlsplit(request.path).path).split("/")
        if len(parts) < 3 or not secrets.compare_digest(parts[1].encode(), self._token.encode()):
            return _response(http.HTTPStatus.NOT_FOUND, b"", ".txt")
        if parts[2:] == ["devices", "socket"]:
            is_own = request.headers.get("Origin") == self._origin
            return None if is_own else _response(http.HTTPStatus.FORBIDDEN, b"", ".txt")
        folder = self._folders.get(parts[2])
        path = folder.joinpath(*parts[3:]).resolve() if folder else None
        if path is None or not path.is_relative_to(folder or "") or not path.is_file():
            return _response(http.HTTPStatus.NOT_FOUND, b"", ".txt")
        return _response(http.HTTPStatus.OK, path.read_bytes(), path.suffix)


def _response(status: http.HTTPStatus, body: bytes, suffix: str) -> Response:
    kind = TYPES.get(suffix) or mimetypes.types_map.get(suffix) or "application/octet-stream"
    headers = Headers(ISOLATION)
    headers["Content-Type"] = kind
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)


def _format(message: dict[str, Any], arrays: Sequence[np.ndarray]) -> bytes:
    contiguous = [np.ascontiguousarray(array) for array in arrays]
    text = json.dumps(message | {"sizes": [array.nbytes for array in contiguous]}).encode()
    parts = [array.tobytes() for array in contiguous]
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def _parse(frame: bytes) -> tuple[dict[str, Any], list[bytes]]:
    length = int.from_bytes(frame[:4], "little")
    message = json.loads(frame[4 : 4 + length])
    at, parts = 4 + length, []
    for size in message["sizes"]:
        parts.append(frame[at : at + size])
        at += size
    return message, parts
