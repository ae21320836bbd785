from __future__ import annotations

from facerec_cli.delivery.presence import Presence
from tests.delivery.records import record


def test_people_are_there_while_a_visit_of_theirs_lasts() -> None:
    presence = Presence()
    presence.take(record("Ada Lovelace", visit=1))
    presence.take(record("Ada Lovelace", visit=2))
    presence.take(record("Ada Lovelace", "left", visit=1))
    assert presence.people() == {"Ada Lovelace": True}
    presence.take(record("Ada Lovelace", "left", visit=2))
    assert presence.people() == {"Ada Lovelace": False}


def test_a_stranger_may_turn_out_to_be_somebody_and_somebody_another() -> None:
    presence = Presence()
    presence.take(record("unknown", visit=1, stranger=3))
    assert presence.people() == {}
    presence.take(record("Ada Lovelace", visit=1))
    presence.take(record("Grace Hopper", visit=1))
    assert presence.people() == {"Ada Lovelace": False, "Grace Hopper": True}
    presence.take(record("unknown", "left", visit=1))
    assert presence.people() == {"Ada Lovelace": False, "Grace Hopper": False}


def test_who_is_only_known_to_have_left_is_not_there() -> None:
    presence = Presence()
    presence.take(record("Ada Lovelace", "left", visit=1))
    assert presence.people() == {"Ada Lovelace": False}
