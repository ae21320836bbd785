"""Whose templates are nearest, asked of the server: each table of templates gives its own nearest, and few rows travel.

Templates are in one table, or in partitions of it, of which some may be on other servers: what is asked here of each is
what postgres_fdw lets those do themselves, all at a time (``docs/scale.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from psycopg import sql

from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.encoders.metric import Centre, Comparison, Cosine, Metric
from facerec_cli.errors import UnsuitableModelError
from facerec_cli.gallery.base import Match
from facerec_cli.gallery.index import nearest_rows
from facerec_cli.gallery.postgres.connecting import Cursor, Server, one_row
from facerec_cli.gallery.postgres.location import MOST_EF_SEARCH, Location
from facerec_cli.gallery.postgres.packing import vectors

_MOST_INDEXED = 2000
"""Most numbers of a vector that pgvector's HNSW index takes."""
_EF_SEARCH = 400
"""People whom the index finds likely; pgvector's own 40 overlooks one person of forty among 100,000."""

Rows = list[tuple[Any, ...]]
Fetch = Callable[[str, Mapping[str, Any]], Rows]

_PAGE = 4096
"""Rows brought at once."""
_TEMPLATES = """
select template.person, person.name, vector_send(template.template)
from template join person on person.id = template.person
where digest = %(digest)s and template.template is not null and template.person > %(person)s
order by template.person limit %(most)s
"""
_TABLES = """
select nspname, relname from pg_partition_tree('template')
join pg_class on pg_class.oid = relid join pg_namespace on pg_namespace.oid = relnamespace
where isleaf order by relname
"""
_NEAREST = """
select near.person, person.name, vector_send(near.template)
from ({tables}) as near join person on person.id = near.person
"""
# The distance is an output of each part: only then does PostgreSQL ask other servers all at a time.
_OF_TABLE = """
(select person, template, {distance} as distance from {table}
where digest = {digest} and template is not null order by {order} limit %(most)s)
"""
_COSINE = "template <#> %(toward)s::vector"
# Cosine._see, with everything but three products worked out beforehand. abs and the number keep rounding from taking
# the root of less than nothing; greatest() would do, but postgres_fdw leaves that to this side.
_SEEN_COSINE = """
((template <#> %(product)s::vector) - %(product_add)s::float8) / sqrt(abs(
(%(length_add)s::float8 - %(length_factor)s::float8 * (template <#> %(toward)s::vector))
* (%(other_add)s::float8 + %(other_factor)s::float8 * (template <#> %(centre)s::vector))) + 1e-12)
"""


# Twice pgvector's own numbers: it takes three times as long to make, and overlooks a sixth as many people.
_INDEX = """
create index if not exists {name} on template using hnsw ({vector} vector_ip_ops) with (m = 32, ef_construction = 128)
where digest = {digest} and template is not null
"""


class Candidates(NamedTuple):
    """People and their templates, in the order of enrolment.

    Attributes:
        people: their ids.
        names: theirs.
        templates: float32 [n, d].
    """

    people: list[int]
    names: list[str]
    templates: Embeddings

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]]) -> Candidates:
        """Those of rows of id, name, and template as it is sent."""
        people, names, templates = zip(*rows, strict=True) if rows else ((), (), ())
        return cls(list(people), list(names), vectors(b"".join(templates)))


def pages(fetch: Fetch, query: str, values: Mapping[str, Any], **after: int) -> Iterator[Rows]:
    """Rows, a page at a time, each from behind the last row of the page before.

    Args:
        fetch: asks the server.
        query: with ``%(most)s`` for the size of a page.
        values: of its parameters.
        after: where to begin, by the first columns of the rows, in their order.
    """
    while rows := fetch(query, {**values, **after, "most": _PAGE}):
        yield rows
        after = dict(zip(after, rows[-1], strict=False))


def template_pages(fetch: Fetch, digest: str) -> Iterator[Candidates]:
    """Everybody who has a template of a model, a page at a time, in the order of enrolment."""
    return map(Candidates.of, pages(fetch, _TEMPLATES, {"digest": digest}, person=0))


def tables(cursor: Cursor) -> list[sql.Identifier]:
    """The tables that templates are in: one, or the partitions."""
    return [sql.Identifier(*row) for row in cursor.execute(_TABLES)] or [sql.Identifier("template")]


def nearest_people(
    cursor: Cursor, comparison: Comparison, probes: Embeddings, top: int, location: Location
) -> list[list[Match]]:
    """See ``Snapshot.search``; of nobody where none has a template.

    Args:
        cursor: in a transaction.
        comparison: what to compare by.
        probes: float32 [n, d].
        top: how many people a probe.
        location: says whether to go by the index, and how many people that looks for.
    """
    metric, found = comparison.metric, [list[Match]() for _ in probes]
    rows = np.flatnonzero(np.isfinite(probes).all(axis=1)).tolist()
    if metric.server_order is None and rows:

        def fetch(query: str, values: Mapping[str, Any]) -> Rows:
            return cursor.execute(query, values, binary=True).fetchall()

        matches = _ranked(metric, probes[rows], template_pages(fetch, comparison.digest), top)
    else:
        ask = _likely if location.search == "hnsw" else _nearest
        matches = [
            _ranked(metric, probes[[row]], [ask(cursor, comparison, probes[row], top, location)], top)[0]
            for row in rows
        ]
    for row, own in zip(rows, matches, strict=True):
        found[row] = own
    return found


def _ranked(metric: Metric, probes: Embeddings, candidates: Iterable[Candidates], top: int) -> list[list[Match]]:
    near: list[list[tuple[float, int, str]]] = [[] for _ in probes]
    for people, names, templates in candidates:
        if not people:
            continue
        for number, distances in enumerate(metric.matrix(probes, templates)):
            found = [(float(distances[row]), people[row], names[row]) for row in nearest_rows(distances, top)]
            near[number] = sorted([*near[number], *found])[:top]
    return [[Match(name, distance) for distance, _, name in found] for found in near]


def _nearest(cursor: Cursor, comparison: Comparison, probe: Embedding, top: int, location: Location) -> Candidates:
    """The people nearest to a probe by the server's own arithmetic: so many of each table."""
    centre = comparison.metric.centre if isinstance(comparison.metric, Cosine) else None
    distance, given = (_COSINE, {"toward": probe}) if centre is None else (_SEEN_COSINE, _seen(probe, centre))
    order = sql.SQL("distance, person")
    return _asked(cursor, comparison.digest, sql.SQL(distance), order, {**given, "most": top})


def _likely(cursor: Cursor, comparison: Comparison, probe: Embedding, top: int, location: Location) -> Candidates:
    """People who are likely to be the nearest, by the index that ``build_hnsw`` made; without it, all are looked at.

    The index knows no centre: it goes by the direction in which that sees the probe.
    """
    centre = comparison.metric.centre if isinstance(comparison.metric, Cosine) else None
    most = max(top, location.ef_search or _EF_SEARCH)
    ef_search = min(most, MOST_EF_SEARCH)
    cursor.execute(sql.SQL("set local hnsw.ef_search = {}").format(sql.Literal(ef_search)))
    given = {"toward": probe if centre is None else probe - centre.total, "most": most}
    distance = sql.SQL("{} <#> %(toward)s::vector").format(_indexed(len(probe)))
    return _asked(cursor, comparison.digest, distance, distance, given)


def build_hnsw(location: Location, digest: str, size: int) -> bool:
    """Make the index that ``search=hnsw`` goes by, for a model; nobody can be enrolled meanwhile.

    It takes memory, ``maintenance_work_mem``: about 2.5 KB a person for 128 numbers; with less, much more time.

    Args:
        location: of the gallery.
        digest: of the model.
        size: of its embeddings.

    Returns:
        Whether it was not there.

    Raises:
        UnsuitableModelError: its embeddings are larger than the index takes.
        DatabaseError: the server refuses.
    """
    if size > _MOST_INDEXED:
        raise UnsuitableModelError(
            f"The model's embeddings have {size:,} numbers, and pgvector's HNSW index takes {_MOST_INDEXED:,}",
            "search without it: search=server",
        )
    name = f"template_hnsw_{digest[:32]}"
    statement = sql.SQL(_INDEX).format(name=sql.Identifier(name), vector=_indexed(size), digest=sql.Literal(digest))

    def made(cursor: Cursor) -> bool:
        (before,) = one_row(cursor.execute("select to_regclass(quote_ident(%s))::text", [name]))
        cursor.execute(statement)
        return before is None

    return Server(location).write(made)


def _indexed(size: int) -> sql.Composed:
    """What is in the index: vectors of a model all have one size, which the column does not tell."""
    return sql.SQL("(template::vector({}))").format(sql.Literal(size))


def _seen(probe: Embedding, centre: Centre) -> Mapping[str, Any]:
    """The numbers of ``_SEEN_COSINE``: with x the probe, c the centre and g its share, as in ``Cosine._see``."""
    x, c, g = probe.astype(np.float64), centre.total.astype(np.float64), centre.share
    return {
        "product": np.asarray((1 + g) * (x - c) - g * c, np.float32),
        "product_add": float((1 + g) * g + c @ c - c @ x),
        "toward": np.asarray(x - c, np.float32),
        "length_add": float(1 - 2 * (c @ x) + c @ c + g * g),
        "length_factor": 2 * g,
        "centre": centre.total,
        "other_add": float((1 + g) ** 2 + c @ c),
        "other_factor": 2 * (1 + g),
    }


def _asked(
    cursor: Cursor, digest: str, distance: sql.Composable, order: sql.Composable, given: Mapping[str, Any]
) -> Candidates:
    parts = [
        sql.SQL(_OF_TABLE).format(distance=distance, table=table, digest=sql.Literal(digest), order=order)
        for table in tables(cursor)
    ]
    query = sql.SQL(_NEAREST).format(tables=sql.SQL(" union all ").join(parts))
    # A plan made once for all digests could use no index that is of one.
    rows = cursor.execute(query, given, prepare=False, binary=True).fetchall()
    return Candidates.of(sorted(rows, key=itemgetter(0)))
