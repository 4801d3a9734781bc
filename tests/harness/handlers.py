"""Handlers that misbehave, for the sandbox's tests. Imported by name in the worker."""

from __future__ import annotations

import ctypes
import os
import stat
import time
from typing import Any

from harness.worker import wire


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Do what the request's "do" names."""
    return dict(globals()["_" + request["do"]]() or {})


def _nothing() -> dict[str, Any]:
    return {"pid": os.getpid()}


def _segfault() -> None:
    ctypes.string_at(0)


def _abort() -> None:
    os.abort()


def _loop() -> None:
    while True:
        time.sleep(0.01)


def _eat_memory() -> dict[str, Any]:
    try:
        # Zeros that nobody writes: address space is what is limited, and no page is touched.
        kept = [bytes(64 << 20) for _ in range(10_000)]
    except MemoryError:
        return {"refused": True}
    return {"kept": len(kept)}


def _send_a_frame_without_end() -> None:
    _send(wire.HEADER.pack(wire.REPLY, 0xFFFFFFFF))


def _send_a_broken_reply() -> None:
    _send(wire.HEADER.pack(wire.REPLY, 3) + b"[[[")


def _send(content: bytes) -> None:
    """Write to every socket that the process has, as a process with damaged memory might."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.write(int(name), content)
        except OSError:  # the listing's own, closed by now
            pass
    time.sleep(600)


def _raise() -> None:
    raise RuntimeError("the handler is broken")
