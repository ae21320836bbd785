"""Real MQTT brokers on loopback, which the tests start, stop and listen to."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.delivery.records import until


class Running:
    """A broker: Eclipse Mosquitto where the system has it, or amqtt of PyPI. Ada may in, by her password."""

    def __init__(self, kind: str, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self._command = self._mosquitto(folder, tls) if kind == "mosquitto" else self._amqtt(folder)
        self._log = folder / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until(self._listens)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def _mosquitto(self, folder: Path, tls: tuple[Path, Path] | None) -> list[str]:
        program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
        if not program:
            pytest.skip("there is no mosquitto")
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous false", f"password_file {folder / 'passwords'}"]
        if tls:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        (folder / "passwords").write_text("")
        subprocess.run(
            ["mosquitto_passwd", "-b", "passwords", "ada", "p@ss"], cwd=folder, check=True, capture_output=True
        )
        # It gives up being root, and must still read them.
        (folder / "mosquitto.conf").write_text("\n".join([*lines, "user root", ""]))
        return [program, "-c", str(folder / "mosquitto.conf")]

    def _amqtt(self, folder: Path) -> list[str]:
        pytest.importorskip("amqtt")
        pwdlib = pytest.importorskip("pwdlib")
        (folder / "passwords").write_text(f"ada:{pwdlib.PasswordHash.recommended().hash('p@ss')}\n")
        configuration = {
            "listeners": {"default": {"type": "tcp", "bind": self.address}},
            "plugins": {
                "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(folder / "passwords")},
            },
        }
        # JSON is YAML.
        (folder / "amqtt.yaml").write_text(json.dumps(configuration))
        return [str(Path(sys.executable).with_name("amqtt")), "-c", str(folder / "amqtt.yaml")]


class Listener:
    """What a broker sends to who asks for everything: in order, and the last of each topic."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []

    @property
    def last(self) -> dict[str, str]:
        return dict(self.came)

    @property
    def topics(self) -> set[str]:
        return {topic for topic, _ in self.came}

    def of(self, topic: str) -> list[str]:
        """All that came for a topic."""
        return [payload for other, payload in list(self.came) if other == topic]


@contextlib.contextmanager
def listening(broker: Running) -> Iterator[Listener]:
    """Ask a broker for everything, first for what it keeps."""
    heard, subscribed = Listener(), []
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("ada", "p@ss")
    client.on_connect = lambda client, *_: client.subscribe("#", 1)
    client.on_subscribe = lambda *_: subscribed.append(True)

    def took(client: Client, userdata: Any, message: Any) -> None:
        heard.came.append((message.topic, message.payload.decode()))

    client.on_message = took
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        until(lambda: subscribed)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def running(kind: str, folder: Path, tls: tuple[Path, Path] | None = None) -> Iterator[Running]:
    """Run a broker."""
    broker = Running(kind, folder, tls)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
