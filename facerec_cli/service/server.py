"""Runs the application until it is told to end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from facerec_cli.errors import AddressError, ServiceError
from facerec_cli.service.connections import bounded
from facerec_cli.service.engine import Engine
from facerec_cli.service.settings import Settings

_GRACE = 30
"""Seconds for what is under way when the service is to end."""


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; what is under way then is finished.

    Args:
        settings: how.
        ready: called with the page's address once requests can be answered.

    Raises:
        ServiceError: the address or the certificate cannot be used.
        DatabaseError, ModelError: the gallery or the model cannot be used.
    """
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    # Each download of another program's would be a line.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    engine = Engine(settings)
    listening = _listen(settings)
    # FastAPI takes half a second to import: the model loads meanwhile.
    from facerec_cli.service.app import make_app

    host, port = settings.host, listening.getsockname()[1]
    scheme = "https" if settings.certificate else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
    config = uvicorn.Config(
        make_app(engine, lambda: ready(address)),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=bounded(settings.limits),
        ws="none",
        lifespan="on",
        backlog=1024,
        timeout_graceful_shutdown=_GRACE,
    )
    if settings.certificate:
        config.ssl_certfile, config.ssl_keyfile = settings.certificate
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        problem = f"The certificate {settings.certificate} cannot be used ({error.strerror or error})"
        raise ServiceError(problem, "give PEM files that belong together") from error
    with suppress(KeyboardInterrupt):  # uvicorn has ended in good order, and passes the signal on
        _Server(config, engine).run(sockets=[listening])


class _Server(uvicorn.Server):
    """One that tells listeners to go before it waits for them."""

    def __init__(self, config: uvicorn.Config, engine: Engine) -> None:
        super().__init__(config)
        self._engine = engine

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._engine.stopping.set()
        await super().shutdown(sockets)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(place[:2], family=family, backlog=1024)
        # Head and body of an answer are two writes: the second would wait for the client's word of the first, 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise AddressError(f"Nothing can listen at {host}, port {port} ({error.strerror})", "choose another") from error
