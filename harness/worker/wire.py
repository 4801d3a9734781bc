"""Wire: framed messages between the sandbox's parent and its children, over a Unix socket.

A frame is a one-byte tag, a length, and that many bytes. Payloads are JSON or raw arrays and are
never executed.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

HEADER = struct.Struct("<cI")
MOST_BYTES = 256 << 20  # of a frame
REQUEST, REPLY, BLOCKS = b"Q", b"R", b"B"


def send_frame(channel: socket.socket, tag: bytes, payload: bytes) -> None:
    if len(payload) > MOST_BYTES:
        raise ValueError(f"a frame of {len(payload)} bytes")
    channel.sendall(HEADER.pack(tag, len(payload)) + payload)


def send_json(channel: socket.socket, tag: bytes, value: Any) -> None:
    send_frame(channel, tag, json.dumps(value).encode())


def receive_frame(channel: socket.socket) -> tuple[bytes, bytes] | None:
    """The next frame, blocking; None at the end of the stream."""
    header = _receive(channel, HEADER.size)
    if header is None:
        return None
    tag, length = HEADER.unpack(header)
    payload = _receive(channel, length)
    return None if payload is None else (tag, payload)


def _receive(channel: socket.socket, length: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < length:
        part = channel.recv(min(1 << 20, length - len(parts)))
        if not part:
            return None
        parts += part
    return bytes(parts)


class FrameReader:
    """Reads frames from a non-blocking socket; an incomplete frame at the end is dropped."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, channel: socket.socket) -> bool:
        """Read the available bytes; False at the end of the stream."""
        try:
            part = channel.recv(1 << 20)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self._bytes += part
        return bool(part)

    def frames(self) -> list[tuple[bytes, bytes]]:
        """Remove and return the complete frames read so far.

        Raises:
            ValueError: one is larger than any that is written.
        """
        found = []
        while len(self._bytes) >= HEADER.size:
            tag, length = HEADER.unpack_from(self._bytes)
            if length > MOST_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            end = HEADER.size + length
            if len(self._bytes) < end:
                break
            found.append((tag, bytes(self._bytes[HEADER.size : end])))
            del self._bytes[:end]
        return found
