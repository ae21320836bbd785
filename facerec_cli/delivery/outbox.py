"""The queue between who sees people and who is told: bounded, in order, and never waited for."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from threading import Condition, Event, Thread
from typing import Any

from facerec_cli.delivery.receiver import AwayError, Message, Receiver, RefusedError
from facerec_cli.delivery.telling import Telling

_ROOM = 1000
"""Messages that wait for a receiver at most; about 10 MB, since each has a picture."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
"""Seconds between two attempts; doubled at each."""
_LONGEST_WISH = 3600.0
"""No receiver is left alone for longer, whatever it asks, seconds."""
_GRACE = 3.0
"""Seconds that a receiver has to end what it does once nobody waits any longer."""


class Delivery:
    """A receiver's messages, which wait for it in order on a thread of their own.

    Where more wait than there is room for, the oldest go: the newest say who is there now.
    """

    def __init__(self, receiver: Receiver, telling: Telling) -> None:
        """Begin.

        Args:
            receiver: who takes the messages.
            telling: to tell people what goes wrong.
        """
        self._receiver, self._telling = receiver, telling
        self._waiting: deque[Message] = deque()
        self._change = Condition()
        self._closing = Event()
        self._abandoned = Event()
        self._in_hand = 0
        self._undelivered = 0
        self._thread = Thread(target=self._work, name="facerec-delivery", daemon=True)
        self._thread.start()

    @property
    def wants_departures(self) -> bool:
        """Whether the receiver is to be told of everybody who leaves too, whatever else is asked for."""
        return self._receiver.wants_departures

    def send(self, record: Mapping[str, Any]) -> None:
        """Have a record delivered as soon as may be; returns at once.

        Args:
            record: an event as every door writes it, not to be changed any more.
        """
        missed = None
        with self._change:
            self._waiting.append(Message(record))
            if len(self._waiting) > _ROOM:
                missed = self._waiting.popleft()
                self._undelivered += 1
            self._change.notify()
        if missed:
            self._receiver.miss(missed)
            self._telling.full(_ROOM)

    def close(self, seconds: float) -> int:
        """Wait for what is queued, and give up the rest; afterwards nothing can be sent.

        Args:
            seconds: how long to wait.

        Returns:
            How many messages were never delivered, from the beginning.
        """
        with self._change:
            self._closing.set()
            self._change.notify()
        self._thread.join(seconds)
        self._abandoned.set()
        self._thread.join(_GRACE)
        with self._change:
            # A request that never ends is left to its daemon thread, and counts as not delivered.
            lost = self._undelivered + len(self._waiting) + self._in_hand
        if lost:
            self._telling.lost(lost)
        return lost

    def _work(self) -> None:
        while (message := self._next()) is not None:
            is_taken = self._hand_over(message)
            with self._change:
                self._in_hand = 0
                self._undelivered += not is_taken
        self._receiver.close()

    def _next(self) -> Message | None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closing.is_set())
            if not self._waiting or self._abandoned.is_set():
                return None
            self._in_hand = 1
            return self._waiting.popleft()

    def _hand_over(self, message: Message) -> bool:
        pause, attempts = _FIRST_PAUSE, 0
        while not self._abandoned.is_set():
            attempts += 1
            try:
                self._receiver.deliver(message, self._abandoned)
            except RefusedError as error:
                self._telling.refused(str(error), error.kind)
                return False
            except AwayError as error:
                if self._abandoned.is_set():
                    return False
                if attempts == error.attempts:
                    self._telling.refused(str(error), str(error))
                    return False
                self._telling.away(str(error))
                # So that receivers which all were away are not asked by all at the same moment.
                jittered = pause * random.uniform(0.5, 1)
                # Whoever begins to close has one more attempt made at once: the pause may be longer than they wait.
                waiting_for = self._abandoned if self._closing.is_set() else self._closing
                waiting_for.wait(max(jittered, min(error.wait or 0, _LONGEST_WISH)))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._telling.back()
                return True
        return False
