"""Sees each request and its answer: a line in the log, and the metrics. Neither holds what a client sent."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facerec_cli.service.metrics import Metrics
from facerec_cli.service.settings import API

LOG = logging.getLogger("facerec.requests")
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"})
_PICTURE = f"{API}/live/{{source:id}}/picture"
"""Asked for several times a second: the metrics count it, and the log does not."""


class Observer:
    """Stands outside all else."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Observe an application."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and tell."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, came, went = time.monotonic(), 0, 0, 0

        async def receive_seen() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            return message

        async def send_seen(message: Message) -> None:
            nonlocal status, went
            if message["type"] == "http.response.start":
                status = message["status"]
            went += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive_seen, send_seen)
        finally:
            seconds = time.monotonic() - begun
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "other" if scope["path"].startswith(API) else "page")
            self._metrics.answered(method, route, status, seconds)
            client = (scope.get("client") or ("-",))[0]
            told = "%s %s %s %d, %d B in, %d B out, %.0f ms"
            level = logging.DEBUG if route == _PICTURE and status < 400 else logging.INFO
            LOG.log(level, told, client, method, route, status, came, went, seconds * 1e3)
