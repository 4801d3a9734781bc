"""A worker's handler for cases that go wrong in the way that their origin names."""

from __future__ import annotations

from typing import Any

from harness.case import Case
from harness.verdict import Kind, Stage, Verdict
from harness.worker.progress_page import STAGES


def handle(request: dict[str, Any]) -> dict[str, Any]:
    STAGES.enter(Stage("legal", "build"))
    origin = Case.from_json(request["case"]).origin
    if origin in _DEEDS:
        _DEEDS[origin]()
    return {"verdict": Verdict(Kind.OK).to_json()}


def _loop() -> None:
    while True:
        pass


def _eat_memory() -> None:
    kept = []
    while True:
        kept.append(bytearray(32 << 20))


def _overflow_the_stack() -> None:
    import ctypes

    # A comparison function that sorts again calls itself without end, below Python's own limit.
    libc = ctypes.CDLL(None)
    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    numbers = (ctypes.c_int * 2)(2, 1)

    @compare_type
    def compare(left: int, right: int) -> int:
        libc.qsort(numbers, 2, ctypes.sizeof(ctypes.c_int), compare)
        return 0

    import sys

    sys.setrecursionlimit(10**9)
    compare(None, None)


def _abort() -> None:
    import os

    os.abort()


_DEEDS = {
    "loop": _loop,
    "memory": _eat_memory,
    "stack": _overflow_the_stack,
    "abort": _abort,
}
