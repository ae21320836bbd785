"""What the people of a gallery on a server have in common, without bringing all of them here."""

from __future__ import annotations

import numpy as np
from psycopg import sql

from facerec_cli.encoders.cohort import MOST_PEOPLE, Cohort, photos_each
from facerec_cli.gallery.postgres.connecting import Cursor
from facerec_cli.gallery.postgres.nearest import tables
from facerec_cli.gallery.postgres.packing import vectors

# The mean, which pgvector adds up in double precision; its sum is in single. Asked of each table, so that other
# servers add up their own.
_TOTAL = "select count(*), vector_send(avg(template)) from {table} where digest = %(digest)s and template is not null"
_TEMPLATES = """
select person, vector_send(template) from template
where digest = %(digest)s and template is not null and (%(people)s::bigint[] is null or person = any(%(people)s))
"""
_LOWEST = """
select sha256, person from face
where (sha256, person) > (%(sha256)s, %(person)s)
and not exists (select from face as earlier where earlier.person = face.person and earlier.id < face.id)
order by sha256, person limit %(most)s
"""
_EMBEDDINGS = """
select person, vector_send(embedding) from (
    select face.person, face.id, embedding.embedding,
           row_number() over (partition by face.person order by face.id) as number
    from face join embedding on embedding.face = face.id and embedding.digest = %(digest)s
    where face.person = any(%(people)s)
) as known where number <= %(most)s order by person, id
"""


def cohort_of(cursor: Cursor, digest: str) -> Cohort:
    """See ``Snapshot.cohort``; the server reads all templates of the model, and few travel.

    Args:
        cursor: in a transaction.
        digest: of the model.
    """
    count, total = 0, np.zeros(0)
    for table in tables(cursor):
        (own, mean), *_ = cursor.execute(sql.SQL(_TOTAL).format(table=table), {"digest": digest}, binary=True)
        if own:
            total = own * vectors(mean)[0].astype(np.float64) + (total if count else 0)
            count += own
    if not count:
        nobody = np.empty((0, 0), np.float32)
        return Cohort(0, total, nobody, nobody, np.empty(0, np.int64))
    templates = _chosen(cursor, digest, count)
    people = sorted(templates)
    values = {"digest": digest, "people": people, "most": photos_each(len(people))}
    known = cursor.execute(_EMBEDDINGS, values, binary=True).fetchall()
    owner = np.searchsorted(people, [person for person, _ in known]).astype(np.int64)
    embeddings = vectors(b"".join(embedding for _, embedding in known))
    return Cohort(count, total, vectors(b"".join(templates[person] for person in people)), embeddings, owner)


def _chosen(cursor: Cursor, digest: str, count: int) -> dict[int, bytes]:
    """The templates of those whose similarities are looked at, by their ids."""
    if count <= MOST_PEOPLE:
        return dict(cursor.execute(_TEMPLATES, {"digest": digest, "people": None}, binary=True).fetchall())
    chosen: dict[int, bytes] = {}
    last = ("", 0)
    while len(chosen) < MOST_PEOPLE:
        lowest = cursor.execute(_LOWEST, {"sha256": last[0], "person": last[1], "most": 2 * MOST_PEOPLE}).fetchall()
        if not lowest:
            break
        values = {"digest": digest, "people": [person for _, person in lowest]}
        known: dict[int, bytes] = dict(cursor.execute(_TEMPLATES, values, binary=True).fetchall())
        able = [person for _, person in lowest if person in known]
        chosen |= {person: known[person] for person in able[: MOST_PEOPLE - len(chosen)]}
        last = lowest[-1]
    return chosen
