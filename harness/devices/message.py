"""Messages to and from the programs of devices, and the validation of answers.

A message is a 4-byte little-endian length, that many bytes of JSON, and the arrays whose sizes are
in the JSON's `sizes`, one after another. A request has a number, `id`, which its answer repeats.

Answers are untrusted: a page may be opened in any browser. So sizes are checked before anything is
read, texts have a maximum length, and the type and range of every value are checked. Unknown fields
are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from harness.devices.base import DeviceError, is_time

TEXT_BYTES = 1 << 16
MOST_TEXT = 1000  # characters of a name
MOST_MESSAGE = 4000  # characters of an error message; programs truncate theirs to this


class BadAnswer(DeviceError):
    """An answer is invalid; its sender gets no more requests."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the device's answer can't be used: {what}; choose another --device")


@dataclass(frozen=True)
class Expected:
    """The expected answer to a request: sizes of its arrays, and the maximum size of its JSON."""

    sizes: tuple[int, ...] = ()
    text_bytes: int = TEXT_BYTES


NO_ARRAYS = Expected()


def message_parts(
    request: Mapping[str, Any], number: int, arrays: Sequence[np.ndarray]
) -> Iterator[memoryview]:
    """A request as bytes, in parts."""
    contiguous = [np.ascontiguousarray(array) for array in arrays]
    sizes = [array.nbytes for array in contiguous]
    text = json.dumps({**request, "id": number, "sizes": sizes}).encode()
    yield memoryview(len(text).to_bytes(4, "little") + text)
    for array in contiguous:
        if array.size:
            yield array.data.cast("B")


def receive(
    read: Callable[[int], bytes], number: int, expected: Expected
) -> tuple[dict[str, Any], list[bytes]]:
    """The answer to request `number`, and its arrays; an error has none.

    `read` returns the next bytes of the stream.

    Raises:
        BadAnswer: the answer is invalid.
    """
    length = int.from_bytes(read(4), "little")
    if length > expected.text_bytes:
        raise BadAnswer(f"it has {length} bytes of JSON, and may have {expected.text_bytes}")
    answer = _parsed(read(length))
    if answer.get("id") != number:
        raise BadAnswer(f"it is to another request than number {number}")
    sizes = [] if "error" in answer else list(expected.sizes)
    if answer.get("sizes") != sizes:
        raise BadAnswer(f"its arrays must be of {sizes} bytes")
    return answer, [read(size) for size in sizes]


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        answer = DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not a JSON object")
    return answer


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_refuse)


# --------------------------------------------------------------------- values in an answer


def object_in(answer: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = answer.get(name)
    if not isinstance(value, dict):
        raise BadAnswer(f"its {name} is not an object")
    return value


def text_in(answer: Mapping[str, Any], name: str, most: int = MOST_TEXT) -> str:
    return _text(answer.get(name), name, most)


def texts_in(answer: Mapping[str, Any], name: str) -> list[str]:
    value = answer.get(name)
    if not isinstance(value, list):
        raise BadAnswer(f"its {name} is not a list")
    return [_text(each, name, MOST_MESSAGE) for each in value]


def _text(value: Any, name: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or not _is_unicode(value):
        raise BadAnswer(f"its {name} is not a text of at most {most} characters")
    return value


def _is_unicode(text: str) -> bool:
    """Whether the text has no surrogates, which JSON allows and UTF-8 doesn't."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def count_in(answer: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = answer.get(name)
    if type(value) is not int or not least <= value <= most:
        raise BadAnswer(f"its {name} is not a number from {least} to {most}")
    return value


def time_in(answer: Mapping[str, Any], name: str) -> float:
    (time,) = _times([answer.get(name)], name, float("inf"))
    return time


def times_in(answer: Mapping[str, Any], name: str, most_ms: float) -> tuple[float, ...]:
    """A list of milliseconds, each at most `most_ms`."""
    return _times(answer.get(name), name, most_ms)


def _times(value: Any, name: str, most_ms: float) -> tuple[float, ...]:
    if not isinstance(value, list) or not value:
        raise BadAnswer(f"its {name} is not a list of times")
    if not all(is_time(time) and time <= most_ms for time in value):
        raise BadAnswer(f"its {name} holds what is not the time of a call")
    return tuple(map(float, value))


def samples_in(answer: Mapping[str, Any], count: int, elapsed_ms: float) -> list[tuple[float, ...]]:
    """The samples of each of `count` launches, timed within `elapsed_ms`."""
    value = answer.get("samples")
    if not isinstance(value, list) or len(value) != count:
        raise BadAnswer(f"its samples are not those of {count} kernels")
    return [_times(each, "samples", elapsed_ms) for each in value]
