"""The contract of what takes events, and the two ways in which it does not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Message:
    """An event on its way.

    Attributes:
        record: the event as every door writes it.
        id: of this event for this receiver, the same however often it is sent.
    """

    record: Mapping[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))


class RefusedError(Exception):
    """A message was not taken, and would not be if it were sent again.

    ``kind`` is what failures have in common that people need not be told twice.
    """

    def __init__(self, why: str, kind: str | None = None) -> None:
        super().__init__(why)
        self.kind = kind or why


class AwayError(Exception):
    """A message was not taken this time.

    ``wait`` is how long the receiver asked to be left alone, seconds; ``attempts`` how often at most the message is to
    be sent, None for as long as it takes.
    """

    def __init__(self, why: str, wait: float | None = None, attempts: int | None = None) -> None:
        super().__init__(why)
        self.wait, self.attempts = wait, attempts


class Receiver(ABC):
    """What takes messages, one at a time, on a thread of its own."""

    wants_departures = False
    """Whether it makes no sense of arrivals alone."""

    @abstractmethod
    def deliver(self, message: Message, abandoned: Event) -> None:
        """Hand a message over.

        Args:
            message: the event.
            abandoned: set when nobody waits any longer; what is at work then ends soon.

        Raises:
            RefusedError, AwayError: it was not taken.
        """

    def miss(self, message: Message) -> None:  # noqa: B027 - most have nothing to do
        """Learn of a message that is dropped, since too many wait; called from any thread."""

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Say goodbye; called last, once, on the same thread as ``deliver``."""
