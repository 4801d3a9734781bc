"""A web server as users have, for tests of bundles in their pages: with the headers asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def __init__(self, *arguments: Any, site: Site, **options: Any) -> None:
        self.site = site
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        if self.site.is_closed:  # browsers connect before they ask
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        self.site.asked.append(path)
        if self.site.query is not None and query != self.site.query:
            self.send_error(403)
        else:
            super().do_GET()

    def end_headers(self) -> None:
        first = self.path.split("/")[1]
        for name, value in {**self.site.headers, **self.site.of_folder.get(first, {})}.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


class Site:
    """A folder's server; with a `query`, for those alone who send it.

    `asked` are the paths of requests.
    """

    def __init__(
        self,
        folder: Path,
        headers: Mapping[str, str] = ISOLATED,
        of_folder: Mapping[str, Mapping[str, str]] | None = None,
        query: str | None = None,
    ) -> None:
        self.headers, self.of_folder, self.query = headers, of_folder or {}, query
        self.asked: list[str] = []
        self.is_closed = False
        handler = partial(_Handler, site=self, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        wait = {"poll_interval": 0.05}
        Thread(target=self._server.serve_forever, kwargs=wait, daemon=True).start()

    def close(self) -> None:
        """Stop it; nobody is served after this."""
        self.is_closed = True
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
