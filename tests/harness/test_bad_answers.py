"""What a device answers is checked: a bad answer is one error in one line, and never believed."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from harness.devices.base import DeviceError, KernelFailed, Launch
from harness.devices.channel import DeviceProcess
from harness.devices.message import BadAnswer
from harness.devices.opened import OpenedBrowser
from harness.devices.page_connection import CHUNK_BYTES
from harness.devices.remote import RemoteDevice
from tests.harness.liar import Answers, Bytes, LyingPage, answered, packed

ARRAY = np.arange(4, dtype=np.int32)
BYTES = ARRAY.tobytes()
LAUNCH = Launch(1, "kernel", (ARRAY, ARRAY), (1,))
LOAD, ASKED = 1, 2  # the numbers of the requests: the kernel is loaded, then run or timed


def said(text: str) -> bytes:
    return packed(text.encode(), BYTES)


# Instead of the answer to request 2, which is an array of 16 bytes.
RESULTS = {
    "junk": b"\xff" * 64,
    "more JSON than memory": b"\xf0\xff\xff\xff{",
    "no JSON": said("{]"),
    "empty": said(""),
    "not UTF-8": packed(b'{"id":2,"sizes":[16],"x":"\xff"}', BYTES),
    "UTF-16": packed('{"id":2,"sizes":[16]}'.encode("utf-16"), BYTES),
    "no object": said("[2]"),
    "deep nesting": said("[" * 60_000),
    "a number of many digits": said('{"id":2,"sizes":[16],"x":' + "9" * 5000 + "}"),
    "NaN, which is not JSON": said('{"id":2,"sizes":[16],"x":NaN}'),
    "no number": said('{"sizes":[16]}'),
    "another's number": answered(1, {}, BYTES),
    "a number that was not given yet": answered(3, {}, BYTES),
    "no sizes": said('{"id":2}'),
    "sizes of another type": said('{"id":2,"sizes":"16"}'),
    "no array": answered(2, {}),
    "an array too many": answered(2, {}, BYTES, BYTES),
    "too short an array": answered(2, {}, BYTES[:-4]),
    "too long an array": answered(2, {}, BYTES * 2),
    "a huge array": said('{"id":2,"sizes":[1e18]}'),
    "a negative size": said('{"id":2,"sizes":[-16]}'),
    "more than was asked for": answered(2, {}, BYTES) + b"more",
    "an error without a message": answered(2, {"error": "failed"}),
    "an error that is a list": answered(2, {"error": ["failed"], "message": ["x"]}),
    "half a character": answered(2, {"error": "failed", "message": "\ud800"}),
    "an endless message": answered(2, {"error": "failed", "message": "x" * 50_000}),
    "an error with an array": answered(2, {"error": "failed", "message": "x"}, BYTES),
}

FINE = [1.0, 2.0]
SAMPLES: dict[str, Any] = {
    "missing": None,
    "no list": 1.0,
    "no lists": FINE,
    "empty": [[], FINE],
    "too few": [FINE],
    "too many": [FINE, FINE, FINE],
    "negative": [FINE, [1.0, -2.0]],
    "zero": [FINE, [1.0, 0.0]],
    "denormal": [FINE, [5e-324]],
    "greatest": [FINE, [1e308]],
    "longer than it took": [FINE, [1e6]],
    "infinite": [FINE, [float("inf")]],
    "not a number": [FINE, [float("nan")]],
    "an integer of many digits": [FINE, [10**400]],
    "text": [FINE, ["1.0"]],
    "null": [FINE, [None]],
    "true": [FINE, [True]],
    "nested": [FINE, [FINE]],
}

IDENTITIES: dict[str, Any] = {
    "no browser": {"browser": None},
    "a browser that is a number": {"browser": 7},
    "a name too long": {"browser": "x" * 5000},
    "half a character": {"system": "\udfff"},
    "an adapter that is a list": {"adapter": ["GPU"]},
    "a vendor that is a number": {"adapter": {"vendor": 1}},
    "no cores": {"cores": 0},
    "too many cores": {"cores": 1 << 40},
    "cores in words": {"cores": "many"},
}

LIMITS: dict[str, Any] = {
    "no object": 5,
    "in words": {"maxBufferSize": "large"},
    "less than every device has": {"maxComputeInvocationsPerWorkgroup": 1},
    "negative": {"maxBufferSize": -1},
    "infinite": {"maxBufferSize": float("inf")},
    "a fraction": {"maxBufferSize": 2.0**28 + 0.5},
    "huge": {"maxBufferSize": 1 << 60},
}


@pytest.fixture
def served() -> Iterator[OpenedBrowser]:
    with OpenedBrowser("http://127.0.0.1:0", lambda line: None) as device:
        yield device


def instead(what: str, *messages: Bytes) -> Answers:
    """These messages for requests of this kind, and for others what is right."""
    return lambda request: messages if request["do"] == what else ()


def error_of(device: RemoteDevice, launches: int = 0) -> str:
    """The error of running the launch, or of timing it so many times over; always one line."""
    device.load(b"code")
    with pytest.raises(DeviceError) as raised:
        device.time([LAUNCH] * launches, 0.01) if launches else device.run(LAUNCH, 5)
    message = str(raised.value)
    assert "\n" not in message and len(message) < 300
    assert "choose another --device" in message
    return message


@pytest.mark.parametrize("answer", RESULTS.values(), ids=RESULTS)
def test_a_result_that_is_none_ends_the_page_in_one_line(
    served: OpenedBrowser, answer: bytes
) -> None:
    LyingPage(served.address, instead("run", answer))
    error_of(served)


@pytest.mark.parametrize("answer", RESULTS.values(), ids=RESULTS)
def test_a_result_that_is_none_ends_the_program_in_one_line(answer: bytes) -> None:
    code = (
        "import sys\n"
        "for answer in sys.argv[1:]:\n"
        "    size = int.from_bytes(sys.stdin.buffer.read(4), 'little')\n"
        "    request = eval(sys.stdin.buffer.read(size))\n"
        "    [sys.stdin.buffer.read(each) for each in request['sizes']]\n"
        "    sys.stdout.buffer.write(bytes.fromhex(answer))\n"
        "    sys.stdout.buffer.flush()\n"
        "sys.stdin.buffer.read()\n"
    )
    answers = [answered(LOAD, {}).hex(), answer[: 1 << 16].hex()]
    with RemoteDevice(DeviceProcess([sys.executable, "-c", code, *answers])) as device:
        if answer == RESULTS["more than was asked for"]:  # which shows when it is asked again
            device.load(b"code")
            device.run(LAUNCH, 5)
            with pytest.raises(BadAnswer):
                device.run(LAUNCH, 5)
        else:
            error_of(device)


@pytest.mark.parametrize("samples", SAMPLES.values(), ids=SAMPLES)
def test_times_that_can_not_be_are_refused(served: OpenedBrowser, samples: Any) -> None:
    text = json.dumps({"id": ASKED, "sizes": [], "samples": samples})
    for word, other in (("Infinity", "1e999"), ("NaN", "NaN")):
        text = text.replace(word, other)
    LyingPage(served.address, instead("time", packed(text.encode())))
    error_of(served, launches=2)


@pytest.mark.parametrize("said", IDENTITIES.values(), ids=IDENTITIES)
def test_a_page_that_can_not_be_recorded_by_its_name_is_refused(
    served: OpenedBrowser, said: dict[str, Any]
) -> None:
    whole = {"browser": "b", "system": "s", "cores": 1, "adapter": None, **said}
    LyingPage(served.address, instead("identify", answered(1, whole)))
    with pytest.raises(BadAnswer):
        served.fingerprint()


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_limits_that_no_gpu_has_are_refused(served: OpenedBrowser, limits: Any) -> None:
    text = json.dumps({"id": 1, "sizes": [], "limits": limits}).replace("Infinity", "1e999")
    LyingPage(served.address, instead("identify", packed(text.encode())))
    with pytest.raises(BadAnswer):
        served.limits()


def test_what_else_an_answer_says_is_ignored(served: OpenedBrowser) -> None:
    LyingPage(served.address, instead("run", answered(ASKED, {"more": [{}]}, BYTES)))
    served.load(b"code")
    assert served.run(LAUNCH)[0].tolist() == [0, 1, 2, 3]
    assert served.fingerprint()["browser"] == "Liar 1"


def test_text_in_place_of_bytes_is_refused(served: OpenedBrowser) -> None:
    LyingPage(served.address, instead("run", answered(ASKED, {}, BYTES).decode("latin-1")))
    error_of(served)


def test_an_answer_may_come_in_parts_but_not_in_large_ones(served: OpenedBrowser) -> None:
    whole = answered(ASKED, {}, BYTES)
    page = LyingPage(served.address, instead("run", *(bytes([byte]) for byte in whole)))
    served.load(b"code")
    assert served.run(LAUNCH)[0].tolist() == [0, 1, 2, 3]
    page.close()
    LyingPage(served.address, instead("run", bytes(CHUNK_BYTES + 1)))
    with pytest.raises(KernelFailed, match="closed"):
        served.run(LAUNCH)


def test_an_answer_that_nobody_asked_for_is_refused(served: OpenedBrowser) -> None:
    LyingPage(served.address, instead("none"), first=[answered(LOAD + 8, {})])
    with pytest.raises(BadAnswer):
        served.load(b"code")


def test_a_page_that_closes_while_it_answers_has_failed(served: OpenedBrowser) -> None:
    LyingPage(served.address, lambda request: None if request["do"] == "run" else ())
    served.load(b"code")
    with pytest.raises(KernelFailed, match="closed or loaded again"):
        served.run(LAUNCH)


def test_a_silent_page_is_given_up_in_time(served: OpenedBrowser) -> None:
    part = answered(ASKED, {}, BYTES)[:-1]  # all but the last byte
    LyingPage(served.address, instead("run", part))
    served.load(b"code")
    with pytest.raises(KernelFailed, match="not done after 0.3 s"):
        served.run(LAUNCH, timeout_s=0.3)


def test_a_page_that_reads_nothing_is_given_up_in_time(served: OpenedBrowser) -> None:
    address = served.address.removeprefix("http://").rstrip("/")
    host, _, token = address.partition("/")
    request = (
        f"GET /{token}/devices/socket HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.create_connection((host.partition(":")[0], int(host.rpartition(":")[2]))) as page:
        page.sendall(request.encode())
        assert page.recv(4096).startswith(b"HTTP/1.1 101")
        page.sendall(_masked(answered(LOAD, {})))
        served.load(b"code")
        large = Launch(1, "kernel", (np.zeros(8 << 20, np.int64),), (0,))
        with pytest.raises(KernelFailed, match="not done after 0.3 s"):
            served.run(large, timeout_s=0.3)


def _masked(content: bytes) -> bytes:
    """A WebSocket frame as clients send it, with a mask of zeros."""
    assert len(content) < 126
    return bytes([0x82, 0x80 | len(content), 0, 0, 0, 0]) + content
