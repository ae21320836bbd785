"""Which remembered faces are taken for one person's, and how many of them are kept.

Whoever is near enough to a group is taken for the same person, by the distance at which at most 1 % of strangers would
be named among so many people enrolled, compared as they are. A group is of one model: another never compares with it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import templates
from facerec_cli.recognition.likeness import nearest
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.threshold import enrolled_rule

MOST_GROUPS = 2_000
MOST_FACES = 100
"""Of a group. With ``MOST_GROUPS``: 1.4 GB of chips and embeddings."""
_APART = 60.0
"""Seconds within which faces of one source in the same group count as one look: a camera's frames."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A face as it is remembered; the chip is a JPEG."""

    sha256: str
    source: str
    time: float
    quality: float
    score: float
    chip: bytes
    embedding: Embedding

    @property
    def columns(self) -> tuple[str, str, float, float, float, bytes, bytes]:
        """The columns ``sha256`` to ``embedding`` of the file."""
        return self.sha256, self.source, self.time, self.quality, self.score, self.chip, _bytes(self.embedding)


class Grouping:
    """Deals faces into groups."""

    def __init__(self, recognizer: Recognizer) -> None:
        """Group by a model.

        Raises:
            UncalibratedModelError: it does not say who is near.
        """
        self._recognizer = recognizer
        enrolled_rule(recognizer.bundle, {1: 1})

    def add(self, db: sqlite3.Connection, seen: Seen, known: int | None = None) -> int:
        """Put a face where it belongs, if it adds anything; returns the group, which may be known."""
        same = 'SELECT "group" FROM faces WHERE sha256 = ? AND embedding = ?'
        if (twin := db.execute(same, [seen.sha256, _bytes(seen.embedding)]).fetchone()) is not None:
            return int(twin[0])
        group = self._nearest(db, seen.embedding) if known is None else known
        if group is None:
            values = self._recognizer.comparison.digest, _bytes(seen.embedding), 0, seen.time, seen.time
            added = db.execute("INSERT INTO groups (digest, mean, seen, first, last) VALUES (?, ?, ?, ?, ?)", values)
            group = int(added.lastrowid or 0)
        if db.execute('SELECT 1 FROM faces WHERE "group" = ? AND sha256 = ?', [group, seen.sha256]).fetchone():
            return group
        moment = db.execute(
            'SELECT id, quality, seen FROM faces WHERE "group" = ? AND source = ? AND seen > ?'
            " ORDER BY seen DESC LIMIT 1",
            [group, seen.source, seen.time - _APART],
        ).fetchone()
        if moment is not None:
            face, quality, since = moment
            if quality >= seen.quality:
                return group
            db.execute("DELETE FROM faces WHERE id = ?", [face])
            seen = replace(seen, time=since)
        db.execute(
            'INSERT INTO faces ("group", sha256, source, seen, quality, score, chip, embedding)'
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [group, *seen.columns],
        )
        db.execute(
            "DELETE FROM faces WHERE id IN"
            ' (SELECT id FROM faces WHERE "group" = ? ORDER BY seen DESC, id DESC LIMIT -1 OFFSET ?)',
            [group, MOST_FACES],
        )
        self.refresh(db, group)
        return group

    def _nearest(self, db: sqlite3.Connection, embedding: Embedding) -> int | None:
        """The group that a face belongs to, or none."""
        digest = self._recognizer.comparison.digest
        rows = db.execute("SELECT id, seen, mean FROM groups WHERE digest = ?", [digest]).fetchall()
        if not rows:
            return None
        means = _embeddings(mean for _, _, mean in rows)
        number = nearest(self._recognizer.bundle, embedding, means, Counter(seen for _, seen, _ in rows))
        return None if number is None else int(rows[number][0])

    def refresh(self, db: sqlite3.Connection, group: int) -> None:
        """Have a group say what its faces are; with the last of them it goes."""
        rows = db.execute('SELECT embedding, seen FROM faces WHERE "group" = ?', [group]).fetchall()
        if not rows:
            forget(db, group)
            return
        embeddings = _embeddings(embedding for embedding, _ in rows)
        metric = self._recognizer.comparison.metric
        (mean,) = templates(embeddings, np.zeros(len(rows), np.int64), 1, metric)
        times = [seen for _, seen in rows]
        db.execute(
            "UPDATE groups SET mean = ?, seen = ?, first = ?, last = ? WHERE id = ?",
            [_bytes(mean), len(rows), min(times), max(times), group],
        )


def forget(db: sqlite3.Connection, group: int) -> bool:
    """Forget a group; returns whether it was there."""
    db.execute('DELETE FROM faces WHERE "group" = ?', [group])
    return db.execute("DELETE FROM groups WHERE id = ?", [group]).rowcount > 0


def drop_oldest(db: sqlite3.Connection) -> None:
    """Forget the groups that were not seen for longest, of more than ``MOST_GROUPS``."""
    surplus = db.execute("SELECT id FROM groups ORDER BY last DESC, id DESC LIMIT -1 OFFSET ?", [MOST_GROUPS])
    for (group,) in surplus.fetchall():
        forget(db, group)


def _bytes(embedding: Embedding) -> bytes:
    return embedding.astype("<f4").tobytes()


def _embeddings(stored: Iterable[bytes]) -> Embeddings:
    """Embeddings of one model, at least one."""
    rows = list(stored)
    return np.frombuffer(b"".join(rows), "<f4").astype(np.float32).reshape(len(rows), -1)
