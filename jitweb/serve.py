"""Serving a bundle's page on this machine, with the headers that threads need.

Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy make a page cross-origin isolated, which
is what browsers ask for before they share memory between threads. Whoever hosts a bundle elsewhere
has to send the same two.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from harness.console.terminal import print_line
from jitweb.errors import JitwebError

LOCAL = ("localhost", "127.0.0.1", "[::1]")
ANYWHERE = ("0.0.0.0", "::", "")
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
TYPES = {
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".json": "application/json",
    ".ts": "text/plain; charset=utf-8",
    ".safetensors": "application/octet-stream",
}


class BundleHandler(SimpleHTTPRequestHandler):
    """Files of one folder, for pages of this machine alone."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | TYPES

    def do_GET(self) -> None:
        if self._is_allowed():
            super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_allowed():
            super().do_HEAD()

    def _is_allowed(self) -> bool:
        """Refuse another name than ours: a foreign page whose name leads here (DNS rebinding)."""
        host = self.headers.get("Host", "")
        served = str(self.server.server_address[0])  # type: ignore[index]
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if served in ANYWHERE or name in (*LOCAL, served):
            return self._is_inside()
        self.send_error(403, "not for this name")
        return False

    def _is_inside(self) -> bool:
        """Refuse what a link leads to outside of the folder."""
        root, path = Path(self.directory).resolve(), self.translate_path(self.path)
        if "\0" not in path and Path(path).resolve().is_relative_to(root):
            return True
        self.send_error(404)
        return False

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class SixServer(ThreadingHTTPServer):
    """For addresses such as ::1."""

    address_family = socket.AF_INET6


def _server(folder: Path, port: int, host: str) -> ThreadingHTTPServer:
    kind = SixServer if ":" in host else ThreadingHTTPServer
    try:
        server = kind((host, port), partial(BundleHandler, directory=str(folder)))
    except OSError as error:
        raise JitwebError(
            f"can't listen on {host}:{port} ({error.strerror}); choose another --port"
        ) from None
    server.daemon_threads = True
    return server


def _address(host: str, server: ThreadingHTTPServer) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{server.server_address[1]}/"


@contextmanager
def serve(folder: Path, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve a folder for as long as the block runs; gives the page's address.

    Raises:
        JitwebError: the port is taken.
    """
    with _server(folder, port, host) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
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
        if host not in (*LOCAL, "::1"):
            print_line(f"every machine that can reach {host} can load this model", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
