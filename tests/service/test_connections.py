"""Clients that are slow, odd, or do not speak HTTP at all: nobody waits for them."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import Serve, Service, photos

SECONDS = 2
IMPATIENT = f"""
import sys
from facerec_cli.service.server import serve
from facerec_cli.service.settings import Limits, Settings

limits = Limits(seconds={SECONDS}, connections=40)
serve(Settings(database=sys.argv[1], port=0, limits=limits), lambda address: print(address, flush=True))
"""
FORM = "Content-Type: multipart/form-data; boundary=a\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Of a service that waits for a client for 2 s, and for 40 at once."""
    command = [sys.executable, "-c", IMPATIENT, str(tmp_path_factory.mktemp("impatient") / "database")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        url = httpx.URL(process.stdout.readline().strip())
        assert url.port
        yield url.host, url.port
        process.terminate()


class Slow(threading.Thread):
    """A client that sends the beginning, and then a byte every tenth of a second for as long as it is let."""

    def __init__(self, address: tuple[str, int], begins: str, goes_on: bytes = b"x") -> None:
        super().__init__(daemon=True)
        self.answer = b""
        self._connection = socket.create_connection(address)
        self._begins, self._goes_on = begins.encode(), goes_on

    def run(self) -> None:
        with self._connection as connection:
            connection.sendall(self._begins)
            connection.settimeout(0.1)
            while True:
                try:
                    came = connection.recv(65536)
                    if not came:
                        return
                    self.answer += came
                except TimeoutError:
                    pass
                except OSError:
                    return
                try:
                    connection.sendall(self._goes_on)
                except OSError:
                    return


def head(path: str = "/api/v1/detect", method: str = "POST", more: str = "") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}"


SLOW = {
    "nothing": ("", b""),
    "a request line": ("G", b"E"),
    "headers": (head(), b"X"),
    "a body": (head(more=f"{FORM}Content-Length: 100000\r\n\r\n--a\r\nX: "), b"x"),
    "a body in chunks": (
        head(more=f"{FORM}Transfer-Encoding: chunked\r\n\r\n8\r\n--a\r\nX: \r\n"),
        b"1\r\nx\r\n",
    ),
    "a body that nobody reads": (head("/api/v1/service", "GET", "Content-Length: 100000\r\n\r\n"), b"x"),
    "json": (head("/api/v1/people/1", "PATCH", "Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n"), b" "),
}


def test_who_sends_a_byte_at_a_time_holds_nobody_up_and_is_cut(address: tuple[str, int], samples: Path) -> None:
    slow = {kind: [Slow(address, *client) for _ in range(4)] for kind, client in SLOW.items()}
    for clients in slow.values():
        for client in clients:
            client.start()
    url = "http://{}:{}/api/v1/detect".format(*address)
    answer = httpx.post(url, files=photos(samples / "rishi_sunak.jpg"), trust_env=False, timeout=60)
    assert answer.status_code == 200
    for kind, clients in slow.items():
        for client in clients:
            client.join(60)
            assert not client.is_alive(), kind
    for kind in ("a body", "a body in chunks"):
        assert all(b"408 Request Timeout" in client.answer for client in slow[kind]), slow[kind][0].answer
        assert b"urn:facerec:problem:too-slow" in slow[kind][0].answer


def test_who_takes_no_answer_is_cut(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = head("/api/v1/openapi.json", "GET", "\r\n").encode() * 500
        connection.settimeout(60)
        with pytest.raises(OSError):
            while True:  # until the service reads no more, and then hangs up
                connection.sendall(asked)
                assert len(asked) < 2**30
    assert_alive(address)


def assert_alive(address: tuple[str, int]) -> None:
    url = "http://{}:{}/api/v1/health/ready".format(*address)
    for _ in range(100):
        try:
            assert httpx.get(url, trust_env=False).json() == {"status": "ready"}
            return
        except httpx.TransportError:  # until those who were hung up on are gone
            time.sleep(0.1)
    raise AssertionError("the service answers nobody")


def test_more_connections_than_there_may_be_are_hung_up_on(address: tuple[str, int]) -> None:
    held = [socket.create_connection(address) for _ in range(60)]
    for connection in held[45:]:
        connection.settimeout(30)
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    for connection in held:
        connection.close()
    assert_alive(address)


def said(address: tuple[str, int], data: bytes, *, ends: bool = False) -> bytes:
    """What a service answers to raw bytes before it hangs up."""
    with socket.create_connection(address) as connection:
        connection.settimeout(60)
        answer = b""
        with suppress(ConnectionError):
            connection.sendall(data)
            if ends:
                with suppress(OSError):  # the service has hung up already
                    connection.shutdown(socket.SHUT_WR)
            while came := connection.recv(65536):
                answer += came
    return answer


LIVE = head("/api/v1/health/live", "GET", "\r\n").encode()


def test_pipelined_requests_are_answered_in_order(address: tuple[str, int]) -> None:
    gone = head("/api/v1/nothing", "GET", "Connection: close\r\n\r\n").encode()
    answer = said(address, LIVE * 20 + gone)
    assert answer.count(b"200 OK") == 20 and answer.rindex(b"200 OK") < answer.index(b"404 Not Found")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"GET /api/v1/health/live\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        head("/", "GET", "X: " + "y" * 200_000 + "\r\n\r\n").encode(),
        head("/", "GET", "X: y\r\n" * 50_000 + "\r\n").encode(),
        head("/" + "a" * 200_000, "GET", "\r\n").encode(),
        head(more="Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").encode(),
        head(more="Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello").encode(),
        head(more="Content-Length: -5\r\n\r\n").encode(),
        head(more="Content-Length: 1e3\r\n\r\n").encode(),
        head(more="Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n").encode(),
        head(more="Transfer-Encoding: chunked\r\n\r\nzz\r\n").encode(),
        head("/", "GET", "X\0: y\r\n\r\n").encode(),
        head("/ /", "GET", "\r\n").encode(),
    ],
    ids=repr,
)
def test_what_is_no_http_is_refused(address: tuple[str, int], data: bytes) -> None:
    answer = said(address, data, ends=True)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 415 ")), answer[:200]
    assert_alive(address)


def test_a_body_that_goes_on_and_on_is_ended(address: tuple[str, int]) -> None:
    begun = head(more=f"{FORM}Transfer-Encoding: chunked\r\n\r\n").encode()
    part = b'--a\r\nContent-Disposition: form-data; name="photos"; filename="x"\r\n\r\n'
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    answer = said(address, begun + b"%x\r\n" % len(part) + part + b"\r\n" + chunk * 300)
    assert not answer or b"urn:facerec:problem:too-" in answer
    assert_alive(address)


def test_a_client_that_goes_away_in_the_middle_is_forgotten(address: tuple[str, int], samples: Path) -> None:
    url = "http://{}:{}/api/v1/detect".format(*address)
    request = httpx.Request("POST", url, files=photos(samples / "rishi_sunak.jpg"))
    body = request.read()
    sent = head(more=f"Content-Type: {request.headers['content-type']}\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    for length in (0, 1, 1000, len(body) // 2, len(body) - 1, len(body)):
        with socket.create_connection(address) as connection:
            connection.sendall(sent + body[:length])
    with socket.create_connection(address) as connection:
        connection.sendall((sent + body) * 3)
    assert_alive(address)
    in_work = "facerec_requests_in_work 0.0"
    for _ in range(100):
        if in_work in httpx.get(url.replace("detect", "metrics"), trust_env=False).text:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("a request is in work for ever")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of localhost, signed by itself, and its key."""
    place = tmp_path_factory.mktemp("certificate")
    certificate, key = place / "certificate.pem", place / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run([*command, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    return certificate, key


def test_a_certificate_is_shown(serve: Serve, certificate: tuple[Path, Path], samples: Path) -> None:
    service: Service = serve("--certfile", certificate[0], "--keyfile", certificate[1], token="t")
    assert service.url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    headers = {"Authorization": "Bearer t", "Origin": service.url.rstrip("/")}
    with httpx.Client(verify=trusting, trust_env=False, headers=headers) as client:
        found = client.post(f"{service.url}api/v1/detect", files=photos(samples / "rishi_sunak.jpg"))
        assert len(found.json()["photos"][0]["faces"]) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(service.url, trust_env=False)
    with pytest.raises(httpx.TransportError):
        httpx.get(service.url.replace("https:", "http:"), trust_env=False)
    assert service.client.get("/health/live").status_code == 200
