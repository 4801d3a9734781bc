"""A page's WebSocket as a stream of bytes for requests and answers.

A page splits its answers into WebSocket messages of at most CHUNK_BYTES, so that memory is bounded
by these and the expected answer. page_worker.mjs is the other end.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from websockets.sync.server import ServerConnection

from harness.devices.message import BadAnswer, Expected, message_parts, receive

CHUNK_BYTES = 1 << 20
BUFFER_BYTES = 1 << 15


class PageConnection:
    """The connection of one page."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._number = 0
        self._rest = bytearray()  # received, but not read yet

    @property
    def is_open(self) -> bool:
        return self._connection.close_code is None

    def exchange(
        self,
        request: Mapping[str, Any],
        arrays: Sequence[np.ndarray],
        timeout_s: float,
        expected: Expected,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Send a request to the page; returns its answer and the answer's arrays.

        Raises:
            TimeoutError: the page did not answer in time.
            BadAnswer: the answer is invalid.
            ConnectionClosed, OSError: the page was closed.
        """
        deadline = time.monotonic() + timeout_s
        self._number += 1
        content = b"".join(message_parts(request, self._number, arrays))
        # What is larger than a socket's buffer waits for the page, which may read nothing.
        is_large = len(content) > BUFFER_BYTES
        with self._closed_after(timeout_s) if is_large else nullcontext():
            self._connection.send(content)
        answer = receive(lambda count: self._read(count, deadline), self._number, expected)
        if self._rest:
            raise BadAnswer("more came than was asked for")
        return answer

    @contextmanager
    def _closed_after(self, seconds: float) -> Iterator[None]:
        """Close the connection if the block takes longer; raises TimeoutError then."""
        is_late = threading.Event()

        def close() -> None:
            is_late.set()
            self._connection.socket.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, close)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception:
            if is_late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    def _read(self, count: int, deadline: float) -> bytes:
        while len(self._rest) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            part = self._connection.recv(left)
            if not isinstance(part, bytes):
                raise BadAnswer("it is text")
            self._rest += part
        content = bytes(memoryview(self._rest)[:count])
        del self._rest[:count]
        return content
