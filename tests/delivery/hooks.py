"""A real HTTP server on loopback that takes POST requests, and does to each what the test says."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What a request gets: a status and headers; or a closed connection, or nothing until the test lets go."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False


@dataclass
class Post:
    """A request that came, and when."""

    path: str
    headers: dict[str, str]
    record: Any
    time: float


class Hook:
    """The requests that came, and the answers to come; after the last of those all is well."""

    def __init__(self, port: int, answers: Sequence[Answer]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.posts: list[Post] = []
        self.answers = list(answers)
        self.let_go = threading.Event()

    @property
    def visits(self) -> list[int]:
        """Of the events that came, in order."""
        return [post.record["visit"] for post in self.posts]

    @property
    def ids(self) -> list[str]:
        """Of the events that came, in order."""
        return [post.headers["idempotency-key"] for post in self.posts]


@contextlib.contextmanager
def hook(*answers: Answer, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """Run a server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            taken.posts.append(Post(self.path, headers, json.loads(body), time.monotonic()))
            answer = taken.answers.pop(0) if taken.answers else Answer()
            if answer.hang:
                taken.let_go.wait()
            if answer.cut or answer.hang:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that hangs up is part of the tests

    with Quiet(("127.0.0.1", port), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        taken = Hook(server.server_address[1], answers)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield taken
        finally:
            taken.let_go.set()
            server.shutdown()
