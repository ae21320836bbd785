"""A real HTTP server on loopback whose faults the tests choose, and which notes every byte that it sends."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Fault:
    """What goes wrong with one request.

    Attributes:
        cut: end the connection after so many bytes of the body.
        reset: with a TCP reset in place of an orderly end.
        status: answer with this status and no body.
        headers: sent too.
        stall: sleep so many seconds in the middle of the body.
        wait: sleep so many seconds before the answer.
        drip: sleep so many seconds after each byte of the body.
        unsized: answer with the whole body and tell no size.
    """

    cut: int | None = None
    reset: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    stall: float = 0
    wait: float = 0
    drip: float = 0
    unsized: bool = False


@dataclass
class Request:
    """A request, and the bytes of the file that went out in answer: from ``start``, ``sent`` of them."""

    path: str
    range: str | None
    status: int
    start: int = 0
    sent: int = 0


class Server:
    """Files by path, faults to come by path, and the log."""

    def __init__(self, *, ranges: bool = True, etags: bool = True, rate: float | None = None) -> None:
        """Prepare.

        Args:
            ranges: honour Range.
            etags: send ETag.
            rate: bytes a second a connection; None for as fast as it goes.
        """
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.log: list[Request] = []
        self.ranges, self.etags, self.rate = ranges, etags, rate
        self.lock = threading.Lock()
        self.connections = 0
        self.url = ""

    def etag(self, path: str) -> str:
        """The tag of a file's present bytes."""
        return f'"{hashlib.md5(self.files[path]).hexdigest()}"'

    def settle(self) -> None:
        """Wait until every connection has ended, also those that their client gave up, and the log is complete."""
        deadline = time.monotonic() + 30
        while self.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.connections == 0

    def sent(self, path: str) -> int:
        """How many bytes of a file went out, in all answers together, but for probes of one byte."""
        return sum(request.sent for request in self.log if request.path == path and request.range != "bytes=0-0")


@contextlib.contextmanager
def serving(**options: Any) -> Iterator[Server]:
    """Run a server; as an HTTP proxy too, for files whose paths are whole URLs."""
    server = Server(**options)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with server.lock:
                server.connections += 1
            try:
                super().handle()
            finally:
                with server.lock:
                    server.connections -= 1

        def do_GET(self) -> None:
            try:
                _answer(server, self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()


def _answer(server: Server, handler: BaseHTTPRequestHandler) -> None:
    path, wanted = handler.path, handler.headers.get("Range")
    with server.lock:
        waiting = server.faults.get(path, [])
        fault = waiting.pop(0) if waiting else Fault()
    time.sleep(fault.wait)
    if path in server.redirects or fault.status is not None or path not in server.files:
        status = 302 if path in server.redirects else fault.status or 404
        server.log.append(Request(path, wanted, status))
        handler.send_response(status)
        if path in server.redirects:
            handler.send_header("Location", server.redirects[path])
        for name, value in fault.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    body = server.files[path]
    start, stop, status = 0, len(body), 200
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
    if_range = handler.headers.get("If-Range")
    if asked and server.ranges and not fault.unsized and if_range in (None, server.etag(path)):
        start, stop = int(asked[1]), min(len(body), int(asked[2] or len(body) - 1) + 1)
        status = 206
    request = Request(path, wanted if status == 206 else None, status, start)
    server.log.append(request)
    handler.send_response(status)
    if fault.unsized:
        handler.close_connection = True
    else:
        handler.send_header("Content-Length", str(stop - start))
    if status == 206:
        handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
    if server.etags:
        handler.send_header("ETag", server.etag(path))
    handler.end_headers()
    _send(server, handler, body[start:stop], fault, request)


def _send(server: Server, handler: BaseHTTPRequestHandler, body: bytes, fault: Fault, request: Request) -> None:
    end = len(body) if fault.cut is None else min(fault.cut, len(body))
    block, began = 1 if fault.drip else 1 << 16, time.monotonic()
    for position in range(0, end, block):
        if fault.stall and position >= end // 2:
            time.sleep(fault.stall)
            fault.stall = 0
        part = body[position : min(position + block, end)]
        handler.wfile.write(part)
        request.sent += len(part)
        time.sleep(fault.drip)
        if server.rate:
            time.sleep(max(0, began + request.sent / server.rate - time.monotonic()))
    if end < len(body):
        handler.close_connection = True
        if fault.reset:
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.wfile.flush()
        with contextlib.suppress(OSError):
            if fault.reset:
                # Let what was sent be read before the reset throws it away.
                time.sleep(0.1)
            handler.connection.close()
