"""A server of a page's files and its WebSocket.

It rejects requests without the token in the page's address, and those of pages of another origin.
page_worker.mjs is the other end.
"""

from __future__ import annotations

import http
import json
import logging
import queue
import secrets
import socket
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from harness.devices.base import DeviceError
from harness.devices.page_connection import CHUNK_BYTES, PageConnection
from harness.devices.web_files import HEADERS, content_type, is_foreign, open_file, parts_of

HERE = Path(__file__).parent
CLOSED_SECONDS = 5.0  # until the thread of a connection that was closed ends
KEEPALIVE = [  # seconds until a peer that does not answer is given up
    (getattr(socket, name), value)
    for name, value in (
        ("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 60_000),
    )
    if hasattr(socket, name)
]  # fmt: skip
# The library would print a traceback for every invalid request.
LOGGER = logging.getLogger(__name__)
LOGGER.addHandler(logging.NullHandler())
LOGGER.propagate = False


class PageServer:
    """Serves folders by name (this one as "devices"), and accepts the connections of pages.

    `first_page` is the file at the address itself. `state` is the JSON that the page can fetch.
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
        self._silent: weakref.WeakSet[socket.socket] = weakref.WeakSet()  # that have not asked yet
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
                create_connection=cast(type[ServerConnection], self._accepted),
                compression=None,
                max_size=CHUNK_BYTES,
                ping_interval=None,  # a kernel may take its time
                logger=LOGGER,
            )
        except (OSError, ValueError) as error:  # ValueError: no name of a machine is written so
            reason = getattr(error, "strerror", None) or error
            raise DeviceError(f"can't listen on {host}:{port}: {reason}") from None
        self._served = (host, str(self._server.socket.getsockname()[0]))
        port = self._server.socket.getsockname()[1]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}/{self._token}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def connection(self, timeout_s: float) -> PageConnection | None:
        """The latest connection of a page that was not returned before, None if none comes."""
        try:
            latest = self._connected.get(timeout=timeout_s)
            while not self._connected.empty():
                latest = self._connected.get_nowait()
            return latest
        except queue.Empty:
            return None

    def close(self) -> None:
        self._closing.set()
        for each in list(self._silent):  # else the server would wait for ten seconds
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()

    def _accepted(self, accepted: socket.socket, *args: Any, **options: Any) -> ServerConnection:
        self._silent.add(accepted)
        return ServerConnection(accepted, *args, **options)

    def _connect(self, connection: ServerConnection) -> None:
        # A phone that falls asleep must not block its sender for ever.
        for option, seconds in KEEPALIVE:
            connection.socket.setsockopt(socket.IPPROTO_TCP, option, seconds)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._connected.put(PageConnection(connection))
        while not self._closing.wait(CLOSED_SECONDS) and connection.close_code is None:
            pass  # the connection lasts until this returns

    def _respond(self, connection: ServerConnection, request: Request) -> Response | None:
        self._silent.discard(connection.socket)
        if is_foreign(request.headers.get_all, self._served):
            return _response(http.HTTPStatus.FORBIDDEN)
        parts = parts_of(request.path) or [""]
        if len(parts) < 2 or not _is_same(parts[0], self._token):
            return _response(http.HTTPStatus.NOT_FOUND)
        if getattr(request, "method", "GET") != "GET":  # older releases accept only GET
            return _response(http.HTTPStatus.METHOD_NOT_ALLOWED)
        match parts[1:]:
            case ["devices", "socket"]:  # which a page alone opens, and every page says whose it is
                has_origin = bool(request.headers.get_all("Origin"))
                return None if has_origin else _response(http.HTTPStatus.FORBIDDEN)
            case ["state"]:
                return _response(http.HTTPStatus.OK, json.dumps(self.state).encode(), "state.json")
            case [""] if self._first_page is not None:
                return _response(http.HTTPStatus.OK, self._first_page.read_bytes(), "first.html")
            case [name, *rest] if name in self._folders and rest:
                file = open_file(self._folders[name], rest)
                if file is not None:
                    with file:
                        return _response(http.HTTPStatus.OK, file.read(), rest[-1])
        return _response(http.HTTPStatus.NOT_FOUND)


def _response(status: http.HTTPStatus, body: bytes = b"", name: str = "none.txt") -> Response:
    headers = Headers(HEADERS)
    headers["Content-Type"] = content_type(name)
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status.value, status.phrase, headers, body)


def _is_same(one: str, other: str) -> bool:
    """Whether two texts are equal, in constant time."""
    return secrets.compare_digest(one.encode(errors="replace"), other.encode())
