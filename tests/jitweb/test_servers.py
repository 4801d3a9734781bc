"""Both HTTP servers: pages of other origins get nothing, and hostile clients hold up nobody."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.devices.page_server import PageServer
from harness.devices.web_files import HEADERS, is_foreign
from jitweb.errors import JitwebError
from jitweb.serve import _server, serve

Open = Callable[[], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file, and with what leads out of it or can't be read."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("secret")
    made = tmp_path_factory.mktemp("served")
    (made / "plan.json").write_text("{}")
    (made / "index.html").write_text("<p>")
    (made / "sub").mkdir()
    (made / "sub" / "page.mjs").write_text("")
    (made / "link").symlink_to(outside / "secret")
    (made / "links").symlink_to(outside)
    (made / "circle").symlink_to("circle")
    (made / "zeros").symlink_to("/dev/zero")
    os.mkfifo(made / "pipe")
    (made / "large").write_bytes(bytes(8 << 20))
    return made


@pytest.fixture(scope="module", params=["bundle", "device"])
def address(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The address of the folder, at either server."""
    with ExitStack() as closing:
        if request.param == "bundle":
            yield closing.enter_context(serve(folder))
        else:
            server = PageServer({"bundle": folder})
            closing.callback(server.close)
            yield f"{server.address}bundle/"


def connected(address: str) -> socket.socket:
    parts = urlsplit(address)
    assert parts.hostname and parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def ask(address: str, path: str = "plan.json", method: str = "GET", *headers: str) -> bytes:
    """The whole answer. Without headers, the Host that a browser sends."""
    parts = urlsplit(address)
    lines = [f"{method} {parts.path}{path} HTTP/1.1", *(headers or [f"Host: {parts.netloc}"])]
    with connected(address) as client:
        client.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        answer = b""
        while part := client.recv(1 << 20):
            answer += part
    return answer


def status(answer: bytes) -> int:
    """400 also where the connection was closed for what is not a request at all."""
    return int(answer.split()[1]) if answer else 400


def test_a_file_comes_with_the_headers_that_isolate_its_page(address: str) -> None:
    answer = ask(address)
    assert status(answer) == 200 and answer.endswith(b"{}")
    for name, value in HEADERS.items():
        assert f"\r\n{name}: {value}\r\n".encode() in answer
    assert b"Content-Type: application/json\r\n" in answer
    assert b"Content-Type: text/javascript\r\n" in ask(address, "sub/page.mjs")
    assert status(ask(address, "plan.json?x=%00#y")) == 200


FOREIGN = {
    "another name": ["Host: evil.example"],
    "a name that begins as ours": ["Host: localhost.evil.example"],
    "a name that ends as ours": ["Host: evil.localhost"],
    "no name": ["Host: "],
    "none": ["X: y"],
    "two names": ["Host: {here}", "Host: evil.example"],
    "ours twice": ["Host: {here}", "Host: {here}"],
    "credentials": ["Host: user@{here}"],
    "another origin": ["Host: {here}", "Origin: http://evil.example"],
    "another port": ["Host: {here}", "Origin: http://127.0.0.1:1"],
    "another scheme": ["Host: {here}", "Origin: https://{here}"],
    "an opaque origin": ["Host: {here}", "Origin: null"],
    "two origins": ["Host: {here}", "Origin: http://{here}", "Origin: http://evil.example"],
    "a rebound name and its origin": ["Host: evil.example", "Origin: http://evil.example"],
    "an image on another page": ["Host: {here}", "Sec-Fetch-Site: cross-site"],
    "another server of this machine": ["Host: {here}", "Sec-Fetch-Site: same-site"],
    "a frame in another page": [
        "Host: {here}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: iframe",
    ],
}  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_a_page_of_another_origin_gets_nothing(address: str, headers: list[str]) -> None:
    here = urlsplit(address).netloc
    for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"):
        for path in ("plan.json", "missing"):
            answer = ask(address, path, method, *(line.format(here=here) for line in headers))
            assert status(answer) in (400, 403) and b"{}" not in answer
            assert b"Access-Control-Allow" not in answer


def test_a_user_and_our_own_pages_get_what_they_ask_for(address: str) -> None:
    here = urlsplit(address).netloc
    port = here.rpartition(":")[2]
    for headers in (
        [f"Host: localhost:{port}"],
        [f"Host: LOCALHOST:{port}", f"Origin: http://localhost:{port}"],
        [f"Host: {here}", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"],
        [f"Host: {here}", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"],
        [  # a link on another page that somebody follows
            f"Host: {here}", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: document",
        ],
    ):  # fmt: skip
        assert status(ask(address, "plan.json", "GET", *headers)) == 200, headers


@pytest.mark.parametrize(
    ("host", "served", "expected"),
    [
        ("192.168.1.5:8000", "0.0.0.0", False),
        ("[fe80::1]:8000", "::", False),
        (socket.gethostname(), "0.0.0.0", False),
        (f"{socket.gethostname()}.local:8000", "0.0.0.0", False),
        ("evil.example:8000", "0.0.0.0", True),
        ("1.2.3.4.evil.example", "0.0.0.0", True),
        ("192.168.1.5:8000", "127.0.0.1", True),
        ("my-box:8000", "my-box", False),
        ("[::1]:8000", "::1", False),
        ("[::1", "::1", True),
    ],
)
def test_names_that_lead_here(host: str, served: str, expected: bool) -> None:
    assert is_foreign({"Host": [host]}.get, [served]) is expected


@pytest.mark.parametrize(
    "path",
    [
        "link", "links/secret", "circle", "zeros", "pipe", "sub", "sub/", "sub/..", "missing",
        "../secret", "sub/../plan.json", "./plan.json", "%2e%2e/secret", "..%2fsecret",
        "sub%2fpage.mjs", "sub%5cpage.mjs", "/etc/hostname", "//etc/hostname", "plan.json%00",
        "%00", "plan.json/", "plan.json/x", "x" * 5000, "%ff%fe", "\xff", "[", "//[",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_folder(address: str, path: str) -> None:
    answer = ask(address, path)
    assert status(answer) in (400, 404) and b"secret" not in answer.partition(b"\r\n\r\n")[2]


def test_what_is_no_path_is_refused(address: str) -> None:
    netloc = urlsplit(address).netloc
    for line in ("GET http://evil.example/plan.json HTTP/1.1", "GET plan.json HTTP/1.1", "GET"):
        with connected(address) as client:
            client.sendall(f"{line}\r\nHost: {netloc}\r\n\r\n".encode())
            assert b" 200 " not in client.recv(1 << 16).partition(b"\r\n")[0]


def test_head_has_no_body(address: str) -> None:
    head, _, body = ask(address, "plan.json", "HEAD").partition(b"\r\n\r\n")
    assert status(head) in (200, 405) and body == b""


def test_clients_that_abort_or_say_nothing_hold_up_nobody(
    address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    reset = struct.pack("ii", 1, 0)
    host = f"Host: {urlsplit(address).netloc}\r\n"
    large = f"GET {urlsplit(address).path}large HTTP/1.1\r\n{host}\r\n"
    with ExitStack() as closing:
        for content in ("", "GET", "GET / HTTP/1.1\r\n", "\0" * 100, "\x16\x03\x01\x02", large):
            for _ in range(15):
                client = closing.enter_context(connected(address))
                client.sendall(content.encode("latin-1"))
        for content in ("GET / HTTP/1.1\r\n" + host, "\r\n" * 1000, "x" * 100_000, large):
            with connected(address) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                client.sendall(content.encode("latin-1"))
                if content is large:
                    client.recv(10)
        assert status(ask(address)) == 200
    assert capfd.readouterr().err == ""


def test_a_request_that_comes_by_drops_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jitweb.serve.ASK_SECONDS", 0.2)
    for first in (b"", b"GET /plan.json HTTP/1.1\r\nX: "):
        with serve(folder) as address, connected(address) as client:
            client.sendall(first)
            with pytest.raises(OSError):
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline:
                    client.sendall(b"x")
                    time.sleep(0.02)


def test_of_many_that_wait_the_oldest_are_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jitweb.serve.MOST_WAITING", 3)
    with serve(folder) as address, ExitStack() as closing:
        waiting = [closing.enter_context(connected(address)) for _ in range(6)]
        assert [client.recv(1) for client in waiting[:3]] == [b""] * 3
        for client in waiting[4:]:
            client.sendall(f"GET /plan.json HTTP/1.1\r\nHost: {address[7:-1]}\r\n\r\n".encode())
            assert client.recv(12).endswith(b"200")


def test_a_fault_of_our_own_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jitweb.serve.content_type", lambda name: 1 / 0)
    with serve(folder) as address:
        assert ask(address) == b""
    assert "ZeroDivisionError" in capfd.readouterr().err


@pytest.mark.parametrize("host", ["", " ", "\udc80", "a..b", "a\0b"])
def test_what_is_no_name_of_a_machine_is_not_listened_on(tmp_path: Path, host: str) -> None:
    with pytest.raises(JitwebError, match="can't listen on"):
        _server(tmp_path, 0, host)


def test_a_server_that_is_closed_waits_for_nobody() -> None:
    """A client that has sent half a request would hold up the end of the process."""
    before = set(threading.enumerate())
    server = PageServer({})
    with connected(server.address) as client, connected(server.address):
        client.sendall(b"GET /")
        while len(set(threading.enumerate()) - before) < 3:  # one that accepts, and one for each
            time.sleep(0.01)
        closing = threading.Thread(target=server.close)
        closing.start()
        closing.join(5)
        assert not closing.is_alive()
