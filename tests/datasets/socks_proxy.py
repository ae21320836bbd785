"""A real SOCKS 5 proxy on loopback (RFC 1928), which resolves names by a table of the test's own."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping
from typing import cast


@contextlib.contextmanager
def socks(hosts: Mapping[str, tuple[str, int]]) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy that knows these hosts alone; gives its ``host:port`` and the names that it is asked for."""
    asked: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            client = cast(socket.socket, self.request)
            _, methods = client.recv(2)
            client.recv(methods)
            client.sendall(b"\x05\x00")
            _, _, _, kind = client.recv(4)
            assert kind == 3  # a name, which the proxy resolves
            name = client.recv(client.recv(1)[0]).decode()
            struct.unpack("!H", client.recv(2))
            asked.append(name)
            if name not in hosts:
                client.sendall(b"\x05\x04\x00\x01" + bytes(6))
                return
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            with socket.create_connection(hosts[name]) as server:
                while ready := select.select([client, server], [], [])[0]:
                    for one in ready:
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        (server if one is client else client).sendall(data)

    class Proxy(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"127.0.0.1:{proxy.server_address[1]}", asked
        proxy.shutdown()
