"""The common part of the two HTTP servers: accepted requests, files and headers.

They serve only their own pages. Requests of pages of another origin are rejected, also of one whose
name resolves to this machine (DNS rebinding), and no path leads out of the served folders.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

LOCAL = ("localhost", "127.0.0.1", "::1")
ANYWHERE = ("0.0.0.0", "::", "")
HEADERS = {
    # Browsers require these for memory shared between threads and precise clocks.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".mts": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
OTHER_TYPE = "application/octet-stream"
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]\s]+))(?::\d{1,5})?", re.IGNORECASE)


def is_foreign(get_all: Callable[[str], Sequence[str] | None], served: Sequence[str]) -> bool:
    """Whether a request is neither a user's nor from one of our own pages.

    `get_all` returns the values of a header; `served` are the names and addresses listened on.
    """
    hosts = get_all("Host") or ()
    if len(hosts) != 1 or not _is_ours(hosts[0], served):
        return True
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in get_all("Origin") or ()):
        return True
    # Browsers also send what initiated a request. A link on another page may be followed.
    if set(get_all("Sec-Fetch-Site") or ()) <= {"same-origin", "none"}:
        return False
    is_followed = (get_all("Sec-Fetch-Mode"), get_all("Sec-Fetch-Dest"))
    return tuple(map(list, filter(None, is_followed))) != (["navigate"], ["document"])


def _is_ours(host: str, served: Sequence[str]) -> bool:
    found = HOST.fullmatch(host)
    if found is None:
        return False
    name = (found[1] or found[2]).lower()
    if name in LOCAL or name in (each.lower() for each in served):
        return True
    # Listening on all addresses: a name may have been rebound to this machine, an address can't.
    is_everywhere = any(each in ANYWHERE for each in served)
    return is_everywhere and (_is_address(name) or name in _names_of_this_machine())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names_of_this_machine() -> tuple[str, str]:
    name = socket.gethostname().lower()
    return name, f"{name}.local"


def parts_of(target: str) -> list[str] | None:
    """The parts of a request's path, decoded; None if it is not a valid path."""
    path = target.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):
        return None
    return [unquote(part) for part in path[1:].split("/")]


def open_file(folder: Path, parts: Sequence[str]) -> BinaryIO | None:
    """The file at a path in a folder; None if it doesn't exist or is outside of the folder."""
    if any(part in ("", ".", "..") or re.search(r"[/\\\0]", part) for part in parts):
        return None
    try:
        root = folder.resolve()
        path = root.joinpath(*parts).resolve()
        if not path.is_relative_to(root):
            return None
        # Don't follow a link that was created meanwhile, and don't wait for a pipe's other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")


def content_type(name: str) -> str:
    return TYPES.get(os.path.splitext(name)[1].lower(), OTHER_TYPE)
