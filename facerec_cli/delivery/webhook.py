"""Events as POST requests."""

from __future__ import annotations

from threading import Event

import httpx
from socksio.exceptions import SOCKSError

from facerec_cli.defaults import VERSION
from facerec_cli.delivery.receiver import AwayError, Message, Receiver, RefusedError
from facerec_cli.environment import heeding_environment
from facerec_cli.errors import DeliveryError
from facerec_cli.http import reason, retry_after
from facerec_cli.json_text import json_text

_BUSY = {408, 425, 429, 502, 503, 504}
"""What says that the receiver, and not this event, is the reason."""
_ATTEMPTS = 6
"""Of an event at which the receiver itself fails: more would hold up those behind it."""
_TIMEOUT = 10.0
"""Seconds to connect, and between two bytes."""


class Webhook(Receiver):
    """A URL that events are posted to.

    A redirect is not followed: a picture of somebody goes where the user said, or nowhere.
    """

    def __init__(self, url: str) -> None:
        """Prepare; nothing is sent.

        Raises:
            DeliveryError: it is no URL.
            NetworkSettingsError: the environment's proxies or certificates cannot be used.
        """
        try:
            self._url = httpx.URL(url)
            self._url.host.encode("idna")
            if not self._url.host or not 0 < (self._url.port or 80) < 1 << 16:
                raise ValueError
        except (httpx.InvalidURL, ValueError):
            # Nothing of it is shown, and no cause: the URL may hold a password.
            raise DeliveryError("The address for events is no URL with a host", "correct it") from None
        self.name = origin(self._url)
        with heeding_environment():
            self._client = httpx.Client(
                timeout=_TIMEOUT,
                follow_redirects=False,
                headers={"Content-Type": "application/json", "User-Agent": f"facerec/{VERSION}"},
            )

    def deliver(self, message: Message, abandoned: Event) -> None:
        # Quoted, as the header's draft standard has it (draft-ietf-httpapi-idempotency-key-header).
        headers = {"Idempotency-Key": f'"{message.id}"'}
        content = json_text(message.record)
        try:
            # The body of the answer is not read: it may be endless.
            with self._client.stream("POST", self._url, content=content, headers=headers) as response:
                _check(response)
        except httpx.TransportError as error:
            raise AwayError(reason(error, self.name)) from error
        except SOCKSError as error:
            raise AwayError("what the environment names as a SOCKS proxy is none") from error

    def close(self) -> None:
        self._client.close()


def origin(url: httpx.URL) -> str:
    """What of a URL people may see: path and query are often as secret as the password (`/api/webhook/<token>`)."""
    return str(url.copy_with(userinfo=b"", raw_path=b"/", fragment=None)).rstrip("/")


def _check(response: httpx.Response) -> None:
    """Raise for a status that is no success."""
    status = response.status_code
    if response.is_success:
        return
    if status in _BUSY:
        raise AwayError(f"HTTP {status}", retry_after(response))
    if status >= 500:
        raise AwayError(f"HTTP {status}", retry_after(response), _ATTEMPTS)
    if response.next_request is not None:
        where = origin(response.next_request.url)
        raise RefusedError(f"HTTP {status}, it leads to {where}, and events are sent nowhere else than where you say")
    raise RefusedError(f"HTTP {status}")
