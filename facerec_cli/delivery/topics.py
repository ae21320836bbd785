"""Where an MQTT broker is, and under which topics it has what."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from facerec_cli.errors import DeliveryError

_PREFIX = "facerec"
_LONGEST = 40
"""Of a part of a topic that is made of a name, characters."""


@dataclass(frozen=True, repr=False)
class BrokerAddress:
    """Where a broker is, and who asks it.

    Attributes:
        name: what people know it by, without what is secret.
        is_safe: over TLS.
        prefix: what all topics begin with.
    """

    name: str
    host: str
    port: int
    is_safe: bool
    user: str | None
    password: str | None
    prefix: str


def parse_broker(url: str) -> BrokerAddress:
    """Read ``mqtt[s]://[user[:password]@]host[:port][/prefix]``; what is between the signs may be percent-encoded.

    Raises:
        DeliveryError: it is no such URL; nothing of it is shown.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        host, port = "", None
    if not host or port == 0:
        raise DeliveryError("The address of the MQTT broker is no URL with a host", "write mqtt://host")
    prefix = unquote(parts.path).strip("/") or _PREFIX
    if parts.query or parts.fragment or re.search(r"[+#\0]|^\$|//", prefix) or len(prefix) > 200:
        raise DeliveryError("MQTT topics cannot begin with that path", "write mqtt://host/prefix, without ? + # $")
    is_safe = parts.scheme == "mqtts"
    return BrokerAddress(
        name=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        host=host,
        port=port or (8883 if is_safe else 1883),
        is_safe=is_safe,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        prefix=prefix,
    )


@dataclass(frozen=True)
class Topics:
    """The topics of a source's events."""

    prefix: str
    source: str

    @property
    def base(self) -> str:
        """What they all begin with."""
        return f"{self.prefix}/{part(self.source)}"

    @property
    def event(self) -> str:
        """Has each event, as every door writes it."""
        return f"{self.base}/event"

    @property
    def last(self) -> str:
        """Keeps the last event, without pictures."""
        return f"{self.base}/last"

    @property
    def availability(self) -> str:
        """Keeps whether the source is watched."""
        return f"{self.base}/availability"

    def presence(self, name: str) -> str:
        """Keeps whether a person is there."""
        return f"{self.base}/person/{part(name)}"

    @property
    def every_presence(self) -> str:
        """Finds what is kept of everybody."""
        return f"{self.base}/person/+"


def part(text: str) -> str:
    """A part of a topic for any text: legible, of the characters that Home Assistant takes, another for other texts."""
    plain = re.sub("[^A-Za-z0-9-]+", "_", text)[:_LONGEST]
    if plain and plain.replace("_", " ") == text:
        return plain
    return f"{plain.strip('_-') or 'x'}_{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"
