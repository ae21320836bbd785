"""Events for an MQTT broker, and who is there for Home Assistant."""

from __future__ import annotations

import ssl
import sys
from threading import Condition, Event, Lock
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from facerec_cli.delivery import homeassistant
from facerec_cli.delivery.presence import Presence
from facerec_cli.delivery.receiver import AwayError, Message, Receiver
from facerec_cli.delivery.telling import Telling
from facerec_cli.delivery.topics import BrokerAddress, Topics
from facerec_cli.json_text import json_text

_ONCE_AT_LEAST = 1
"""The quality of service: a message is sent until the broker says that it has it."""
_KEEP_ALIVE = 30
"""Seconds without a word after which either side takes the other for gone."""
_LONGEST_PAUSE = 60
"""Seconds between two attempts to connect."""
_TICK = 0.2
"""Seconds between two looks at whether anybody still waits."""


class Broker(Receiver):
    """A broker, by a connection of its own for one source: the broker's last will is that the source is offline."""

    wants_departures = True

    def __init__(self, address: BrokerAddress, source: str, telling: Telling) -> None:
        """Begin to connect.

        Args:
            address: where it is.
            source: what the events' records call their source.
            telling: to tell people whether there is a connection.
        """
        self._topics = Topics(address.prefix, source)
        self._telling = telling
        self._presence = Presence()
        self._kept = Lock()
        """Held by who changes what the broker keeps of people."""
        self._told: dict[str, bool] = {}
        self._change = Condition()
        self._is_connected = False
        self._acknowledged: set[int] = set()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(address.user, address.password)
        if address.is_safe:
            self._client.tls_set_context(ssl.create_default_context())
        self._client.will_set(self._topics.availability, homeassistant.OFFLINE, _ONCE_AT_LEAST, retain=True)
        self._client.reconnect_delay_set(1, _LONGEST_PAUSE)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._unconnected
        self._client.on_disconnect = self._disconnected
        self._client.on_publish = self._published
        self._client.on_message = self._found
        self._client.connect_async(address.host, address.port, _KEEP_ALIVE)
        self._client.loop_start()

    def deliver(self, message: Message, abandoned: Event) -> None:
        with self._change:
            while not self._is_connected:
                if abandoned.is_set():
                    raise AwayError("no connection")
                self._change.wait(_TICK)
        self._presence.take(message.record)
        with self._kept:
            news = self._presence.people().items() - self._told.items()
            for name, is_there in news:
                if name not in self._told:
                    self._configure(*homeassistant.person_sensor(self._topics, name))
                self._tell_presence(name, is_there)
            self._told.update(news)
        self._keep(self._topics.last, json_text(homeassistant.last_event(message.record)))
        number = self._publish(self._topics.event, json_text(message.record))
        # From here on the library sends it again after each new connection, until it is acknowledged.
        with self._change:
            while number not in self._acknowledged:
                if abandoned.is_set():
                    raise AwayError("no acknowledgement")
                self._change.wait(_TICK)
            self._acknowledged.clear()

    def miss(self, message: Message) -> None:
        # What it changes is told with the next message: there is one, since too many wait.
        self._presence.take(message.record)

    def close(self) -> None:
        if self._is_connected:
            self._keep(self._topics.availability, homeassistant.OFFLINE)
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self, client: Client, userdata: Any, flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._telling.away(f"it refuses the connection: {str(code).lower()}")
            return
        # A broker that was started anew may have kept nothing. What has been told, not what is true by now: what
        # the library sends again comes after this.
        self._configure(*homeassistant.source_sensor(self._topics))
        with self._kept:
            for name, is_there in self._told.items():
                self._configure(*homeassistant.person_sensor(self._topics, name))
                self._tell_presence(name, is_there)
        self._keep(self._topics.availability, homeassistant.ONLINE)
        client.subscribe(self._topics.every_presence, _ONCE_AT_LEAST)
        with self._change:
            self._is_connected = True
            self._change.notify()
        self._telling.back()

    def _unconnected(self, client: Client, userdata: Any) -> None:
        # The library calls this while it handles the error, and tells it in no other way.
        error = sys.exc_info()[1]
        self._telling.away(f"no safe connection, {error}" if isinstance(error, ssl.SSLError) else "no connection")

    def _disconnected(
        self, client: Client, userdata: Any, flags: DisconnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        with self._change:
            self._is_connected = False
        if code.is_failure:
            self._telling.away("the connection is lost")

    def _published(
        self, client: Client, userdata: Any, number: int, code: ReasonCode, properties: Properties | None
    ) -> None:
        with self._change:
            self._acknowledged.add(number)
            self._change.notify()

    def _found(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        """Correct what the broker still has from a watch that was killed: nobody else will say that they are gone."""
        if message.retain and message.payload == homeassistant.ON.encode():
            with self._kept:
                there = {self._topics.presence(name) for name, is_there in self._told.items() if is_there}
                if message.topic not in there:
                    self._keep(message.topic, homeassistant.OFF)

    def _configure(self, topic: str, configuration: dict[str, Any]) -> None:
        self._keep(topic, json_text(configuration))

    def _tell_presence(self, name: str, is_there: bool) -> None:
        self._keep(self._topics.presence(name), homeassistant.ON if is_there else homeassistant.OFF)

    def _keep(self, topic: str, payload: str) -> None:
        """Publish what the broker is to tell whoever asks later, too."""
        self._publish(topic, payload, retain=True)

    def _publish(self, topic: str, payload: str, *, retain: bool = False) -> int:
        return self._client.publish(topic, payload, _ONCE_AT_LEAST, retain=retain).mid
