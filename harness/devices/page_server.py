"""A server that gives a page its files and talks to it over a WebSocket.

Whoever doesn't know the token in the page's address gets nothing from it, nor does a page of
another origin. page_worker.mjs is the other end.
"""

from __future__ import annotations

import http
import json
import mimetypes
import queue
import secrets
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from harness.devices.base import DeviceError
from harness.devices.page_connection import CHUNK_BYTES, PageConnection

HERE = Path(__file__).parent
ISOLATION = {  # what shared memory and precise clocks need
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
KEEPALIVE = [  # seconds until an end that does not answer is given up
    (getattr(socket, name), value)
    for name, value in (
        ("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 60_000),
    )
    if hasattr(socket, name)
]  # fmt: skip
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


class PageServer:
    """Serves folders by name (this one as "devices"), and takes the connections of pages.

    `first_page` is the file that the address itself gives. `state` is what the page may ask for.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        first_page: Path | None = None,
    ) -> None:
        self.state: dict[str, Any] = {}
        self._connected: queue.Queue[PageConnection] = queue.Queue()
        self._closing = threading.Event()
        self._token = secrets.token_urlsafe(16)
        self._folders = {
            name: folder.resolve() for name, folder in {"devices": HERE, **folders}.items()
        }
        self._first_page = first_page
        try:
            self._server: Server = serve(
                self._connect,
                host,
                port,
                process_request=self._respond,
                compression=None,
                max_size=CHUNK_BYTES,
                ping_interval=None,  # a kernel may take its time
            )
        except OSError as error:
            raise DeviceError(f"can't listen on {host}:{port}: {error.strerror or error}") from None
        port = self._server.socket.getsockname()[1]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}/{self._token}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def connection(self, timeout_s: float) -> PageConnection | None:
        """The latest connection of a page that has not been given yet, None if none comes."""
        try:
            latest = self._connected.get(timeout=timeout_s)
            while not self._connected.empty():
                latest = self._connected.get_nowait()
            return latest
        except queue.Empty:
            return None

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()

    def _connect(self, connection: ServerConnection) -> None:
        # A phone that falls asleep must not hold up whoever sends to it for good.
        for option, seconds in KEEPALIVE:
            connection.socket.setsockopt(socket.IPPROTO_TCP, option, seconds)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connected.put(PageConnection(connection))
        self._closing.wait()  # the connection lasts until this returns

    def _respond(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = unquote(urlsplit(request.path).path).split("/")
        if len(parts) < 3 or not secrets.compare_digest(parts[1].encode(), self._token.encode()):
            return _response(http.HTTPStatus.NOT_FOUND, b"", ".txt")
        if parts[2:] == ["devices", "socket"]:
            origin = urlsplit(request.headers.get("Origin") or "").netloc
            is_own = origin and origin == request.headers.get("Host")
            return None if is_own else _response(http.HTTPStatus.FORBIDDEN, b"", ".txt")
        if parts[2:] == ["state"]:
            return _response(http.HTTPStatus.OK, json.dumps(self.state).encode(), ".json")
        if parts[2:] == [""] and self._first_page is not None:
            return _response(http.HTTPStatus.OK, self._first_page.read_bytes(), ".html")
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
