"""Handlers that misbehave, for the sandbox's tests. Imported by name in the worker."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any


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
        kept = [bytearray(64 << 20) for _ in range(10_000)]
    except MemoryError:
        return {"refused": True}
    return {"kept": len(kept)}


def _raise() -> None:
    raise RuntimeError("the handler is broken")
