"""Connections: how many there are, and how long a client may keep the service waiting."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from facerec_cli.service.settings import Limits


def bounded(limits: Limits) -> type[asyncio.Protocol]:
    """The protocol that has uvicorn keep to limits."""
    return type("Connection", (_Connection,), {"limits": limits})


class _Connection(H11Protocol):
    """One that ends where its client is slow to ask, or to take its answer: uvicorn would wait without end."""

    limits: ClassVar[Limits]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._clock:
            self._clock.cancel()

    def _watch(self) -> None:
        """Have a clock run for as long as it is the client's turn; a body that is awaited has its own."""
        is_its_turn = self.flow.write_paused or self.conn.our_state in (h11.IDLE, h11.DONE)
        if is_its_turn and self._clock is None:
            self._clock = self.loop.call_later(self.limits.seconds, self.transport.abort)
        elif not is_its_turn and self._clock is not None:
            self._clock.cancel()
            self._clock = None
