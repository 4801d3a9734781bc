"""A page that answers as a test wants it to, by the protocol of message.py."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

Bytes = bytes | str
Answers = Callable[[dict[str, Any]], Sequence[Bytes] | None]
"""The WebSocket messages that answer a request; None closes the connection instead."""

WELL = {
    "identify": {
        "browser": "Liar 1", "system": "Linux", "cores": 2, "adapter": None, "unknown": "ignored",
    },
    "load": {},
    "release": {},
}  # fmt: skip


def packed(text: bytes, *arrays: bytes) -> bytes:
    """A message of this JSON and these arrays."""
    return len(text).to_bytes(4, "little") + text + b"".join(arrays)


def answered(number: int, answer: dict[str, Any], *arrays: bytes) -> bytes:
    """A message as it should be, but for what `answer` says otherwise."""
    whole = {"id": number, "sizes": [len(array) for array in arrays], **answer}
    return packed(json.dumps(whole).encode(), *arrays)


class LyingPage:
    """Opens the page at an address, and answers by `answers` what WELL has no answer to."""

    def __init__(self, address: str, answers: Answers, *, first: Sequence[Bytes] = ()) -> None:
        parts = urlsplit(address)
        opening = connect(
            f"ws://{parts.netloc}{parts.path}devices/socket",
            origin=Origin(f"http://{parts.netloc}"),
            compression=None,
            max_size=None,
        )
        self._connection = ExitStack().enter_context(opening)
        for message in first:
            self._connection.send(message)
        self._answers = answers
        threading.Thread(target=self._serve, args=(self._connection,), daemon=True).start()

    def _serve(self, connection: ClientConnection) -> None:
        try:
            for message in connection:
                assert isinstance(message, bytes)
                length = int.from_bytes(message[:4], "little")
                request = json.loads(message[4 : 4 + length])
                well = WELL.get(request["do"])
                lies = self._answers(request)
                if lies is None:
                    connection.socket.close()
                    return
                for part in lies or ([answered(request["id"], well)] if well is not None else []):
                    connection.send(part)
        except (ConnectionClosed, OSError):
            pass

    def close(self) -> None:
        self._connection.socket.close()
