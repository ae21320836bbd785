"""People enrolled who look like each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from facerec_cli.gallery.base import Snapshot
from facerec_cli.recognition.threshold import Rule

_MOST = 20
"""Most people that one is compared with in what is told, themselves among them."""


@dataclass(frozen=True)
class Lookalikes:
    """Two people enrolled, and the distance of their templates."""

    name: str
    other: str
    distance: float

    def to_json(self) -> dict[str, Any]:
        """The pair as every door writes it."""
        return {"name": self.name, "other": self.other, "distance": self.distance}


def lookalikes(snapshot: Snapshot, rule: Rule) -> Iterator[Lookalikes]:
    """Pairs of people within the threshold, each once, in the order of enrolment.

    Every template is compared with every other: a minute for 100,000 people. Of somebody who is near to very many,
    the nearest are told.

    Args:
        snapshot: the gallery, which the model has embedded.
        rule: what is near.
    """
    told: set[frozenset[str]] = set()
    for names, templates in snapshot.templates(rule.comparison.digest):
        for name, matches in zip(names, snapshot.search(rule.comparison, templates, _MOST), strict=True):
            for match in matches:
                pair = frozenset((name, match.name))
                if match.name != name and rule.threshold.is_match(match.distance) and pair not in told:
                    told.add(pair)
                    yield Lookalikes(name, match.name, match.distance)
