"""Serving a bundle's page, with the headers that threads need.

Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy make a page cross-origin isolated, which
is what browsers ask for before they share memory between threads. Whoever hosts a bundle elsewhere
has to send the same two.
"""

from __future__ import annotations

import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import fstat
from pathlib import Path
from typing import Any

from harness.console.terminal import print_line
from harness.devices.web_files import (
    HEADERS,
    LOCAL,
    content_type,
    is_foreign,
    open_file,
    parts_of,
)
from jitweb.errors import JitwebError

ASK_SECONDS = 10.0  # until the whole request has come
SEND_SECONDS = 30.0  # for a part of the answer
MOST_WAITING = 100  # connections that have not asked yet: beyond these the oldest are closed


class BundleServer(ThreadingHTTPServer):
    """A folder's server. Connections that ask nothing hold up nobody."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.folder = folder
        self._waiting: dict[socket.socket, float] = {}  # since when, the oldest first
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), BundleHandler)
        self.served = (host, str(self.server_address[0]))

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._waiting[request] = time.monotonic()
            late = list(self._waiting)[:-MOST_WAITING]
        self._end(late)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        before = time.monotonic() - ASK_SECONDS
        with self._lock:
            late = [request for request, since in self._waiting.items() if since < before]
        self._end(late)

    def stop_waiting(self, request: socket.socket) -> None:
        with self._lock:
            self._waiting.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        self.stop_waiting(request)
        super().shutdown_request(request)

    def _end(self, requests: list[socket.socket]) -> None:
        for request in requests:
            self.stop_waiting(request)
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:  # it ended itself
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # that is a client who has gone, or is silent
            super().handle_error(request, client_address)


class BundleHandler(BaseHTTPRequestHandler):
    """One request for a file."""

    server: BundleServer
    timeout = SEND_SECONDS

    def parse_request(self) -> bool:
        """Whether there is a request to answer, whatever its method."""
        if not super().parse_request():
            return False
        self.server.stop_waiting(self.connection)
        if is_foreign(self.headers.get_all, self.server.served):
            self.send_error(403, "Not for this name or page")
            return False
        return True

    def do_GET(self) -> None:
        parts = parts_of(self.path)
        if parts == [""]:
            parts = ["index.html"]
        file = open_file(self.server.folder, parts) if parts else None
        if not parts or file is None:
            self.send_error(404)
            return
        with file:
            self.send_response(200)
            self.send_header("Content-Type", content_type(parts[-1]))
            self.send_header("Content-Length", str(fstat(file.fileno()).st_size))
            self.end_headers()
            if self.command != "HEAD":
                shutil.copyfileobj(file, self.wfile)

    do_HEAD = do_GET

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _server(folder: Path, port: int, host: str) -> BundleServer:
    try:
        if not host.isprintable() or not host.strip():  # sockets take an empty name as all of them
            raise ValueError("that is not the name or address of a machine")
        return BundleServer(folder, host, port)
    except (OSError, ValueError) as error:  # ValueError: no name of a machine is written so
        reason = getattr(error, "strerror", None) or error
        raise JitwebError(
            f"can't listen on {host}:{port} ({reason}); choose another --host or --port"
        ) from None


def _address(host: str, server: BundleServer) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{server.server_address[1]}/"


@contextmanager
def serve(folder: Path, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve a folder for as long as the block runs; yields the page's address.

    Raises:
        JitwebError: the port is taken.
    """
    with _server(folder, port, host) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        thread.start()
        try:
            yield _address(host, server)
        finally:
            server.shutdown()


def serve_forever(folder: Path, port: int, host: str) -> None:
    """Serve a folder until Ctrl-C.

    Raises:
        JitwebError: the port is taken.
    """
    with _server(folder, port, host) as server:
        print_line(f"{_address(host, server)}  (Ctrl-C ends it)", err=True)
        if host not in LOCAL:
            print_line(f"every machine that can reach {host} can load this model", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
