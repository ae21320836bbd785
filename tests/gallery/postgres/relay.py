"""A relay between a client and its server, which loses connections at the worst moments."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

_BYTES = 1 << 16


@dataclass
class Relay:
    """Loses the next connections that commit.

    Attributes:
        port: where it listens.
        loses: the commit itself, which the server then never sees, or the server's answer; None: nothing.
        times: how many of them.
        is_last: whether nobody gets through from then on.
    """

    port: int
    loses: Literal["commit", "answer"] | None = None
    times: int = 1
    is_last: bool = False
    is_shut: bool = False

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        """Hand what a client sends to the server, in a thread, and the answers back."""
        threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
        with client, server, suppress(OSError):
            while sent := client.recv(_BYTES):
                if self.loses == "commit" and b"COMMIT\0" in sent:  # no "READ COMMITTED"
                    self._lose()
                    server.shutdown(socket.SHUT_RDWR)  # to close it is not enough while its answers are waited for
                    return
                server.sendall(sent)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(_BYTES):
                if self.loses == "answer" and b"COMMIT\0" in answer:  # the tag of a commit that is done
                    self._lose()
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

    def _lose(self) -> None:
        self.times -= 1
        if not self.times:
            self.loses, self.times, self.is_shut = None, 1, self.is_last


@contextmanager
def relay(port: int) -> Iterator[Relay]:
    """A relay to a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Relay(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    if way.is_shut:
                        client.close()
                        continue
                    server = socket.create_connection(("127.0.0.1", port))
                    threading.Thread(target=way.carry, args=(client, server), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield way
