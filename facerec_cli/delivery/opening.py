"""From what users write to who takes the events."""

from __future__ import annotations

import re
from collections.abc import Callable

from facerec_cli.delivery.command import Command
from facerec_cli.delivery.outbox import Delivery
from facerec_cli.delivery.telling import Telling
from facerec_cli.delivery.topics import parse_broker
from facerec_cli.errors import DeliveryError, DependencyError


def open_delivery(target: str, source: str, on_problem: Callable[[str], None]) -> Delivery:
    """Begin to deliver a source's events.

    Args:
        target: a URL (``http``, ``https``, ``mqtt``, ``mqtts``), or a program with its arguments.
        source: what the events' records call their source.
        on_problem: gets sentences for people, without a full stop, from any thread; none holds a secret of the target.

    Raises:
        DeliveryError: nothing can be sent there.
        NetworkSettingsError: the environment's proxies or certificates cannot be used.
        DependencyError: the library for it is not installed.
    """
    found = re.match(r"\s*([A-Za-z][A-Za-z0-9+.-]*)://", target)
    scheme = found[1].lower() if found else None
    if scheme is None:
        command = Command(target)
        return Delivery(command, Telling(command.name, on_problem))
    if scheme in ("http", "https"):
        from facerec_cli.delivery.webhook import Webhook

        webhook = Webhook(target.strip())
        return Delivery(webhook, Telling(webhook.name, on_problem))
    if scheme in ("mqtt", "mqtts"):
        address = parse_broker(target.strip())
        try:
            from facerec_cli.delivery.mqtt import Broker
        except ImportError as error:
            raise DependencyError(
                f"Sending events by MQTT needs paho-mqtt ({error})", "`pip install 'facerec[mqtt]'` brings it"
            ) from error
        telling = Telling(address.name, on_problem)
        return Delivery(Broker(address, source, telling), telling)
    raise DeliveryError(
        f"Events cannot be sent to {scheme}://", "name an http, https, mqtt or mqtts URL, or a program that sends them"
    )
