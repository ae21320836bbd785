"""Who may ask: host, origin and token of each request, and what browsers are told of the answers."""

from __future__ import annotations

import hmac
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facerec_cli.service.problems import Problem
from facerec_cli.service.settings import API, Settings, as_address

_OPEN = frozenset({f"{API}/health/live", f"{API}/health/ready"})
"""What needs no token: it says nothing of anybody."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Lets through what this service's own page, or a program that knows the token, may ask."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Stand before an application."""
        self._app = app
        self._token = settings.token
        self._hosts = {"localhost", settings.host.lower(), *map(str.lower, settings.allowed_hosts)}
        if not settings.is_local:
            self._hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                # The page's files are checked with each load: they change with the version.
                headers["Cache-Control"] = "no-store" if scope["path"].startswith("/api/") else "no-cache"
            await send(message)

        problem = self._problem(scope)
        await (problem.response() if problem else self._app)(scope, receive, send_guarded)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return Problem("host", "This service has another name: ask it by that.")
        is_api = scope["path"].startswith("/api/")
        origins = headers.getlist("origin")
        site = headers.get("sec-fetch-site", "same-origin")
        if any(_host_of(origin) != hosts[0].lower() for origin in origins) or (
            is_api and site not in ("same-origin", "none")
        ):
            return Problem("origin", "Another site's page asked for this: ask from the service's own page.")
        if is_api and self._token and scope["path"] not in _OPEN and not self._is_shown(headers, self._token):
            detail = "The token is missing or wrong: send it as `Authorization: Bearer TOKEN`."
            return Problem("token", detail, headers={"WWW-Authenticate": "Bearer"})
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether a Host header names this service: against DNS rebinding, which needs a name of its own."""
        name = _name_of(host)
        return name is not None and (name in self._hosts or as_address(name) is not None)

    def _is_shown(self, headers: Headers, token: str) -> bool:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())


def _name_of(host: str) -> str | None:
    """The name or address in a Host header, in lower case; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _host_of(origin: str) -> str | None:
    """Name and port of an origin, as a Host header has them; None of one that is opaque."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
