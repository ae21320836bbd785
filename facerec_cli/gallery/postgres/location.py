"""Where a gallery on a server is: a URL as libpq takes it, with a few parameters of our own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import unquote

from facerec_cli.errors import UnusableLocationError

Search = Literal["memory", "server", "hnsw"]
SCHEMES = ("postgresql", "postgres")
_SHOWN = {
    *("user", "host", "hostaddr", "port", "dbname", "service", "sslmode", "target_session_attrs"),
    *("schema", "search", "ef_search"),
}
"""The parameters that are no secret; of all others, not even the name is shown."""
_HEAD = re.compile(r"(?P<scheme>\w+)://(?:(?P<user>[^:@/]*)(?::[^@/]*)?@)?(?P<rest>[^@]*)")
_NUMBER = re.compile(r"[0-9]{1,4}")
MOST_EF_SEARCH = 1000
_MOST_SCHEMA = 63
"""Bytes that PostgreSQL keeps of a name."""


@dataclass(frozen=True)
class Location:
    """Where a gallery is; as text, without any password.

    Attributes:
        conninfo: what libpq connects by; it may hold a password, and is in no message.
        shown: the URL for people to read.
        schema: where in the database the tables are.
        search: who searches: this process's copy, or the server, exactly or by its HNSW index.
        ef_search: how many candidates an HNSW search keeps; None: 400.
    """

    conninfo: str = field(repr=False)
    shown: str
    schema: str = "facerec"
    search: Search = "memory"
    ef_search: int | None = None

    @classmethod
    def parse(cls, text: str) -> Location:
        """The location that a URL names: ``postgresql://user@host:port/dbname?schema=facerec&search=memory&sslmode=…``.

        Raises:
            UnusableLocationError: it is no such URL.
        """
        head, _, query = text.partition("?")
        parts = _HEAD.fullmatch(head)
        if parts is None or parts["scheme"] not in SCHEMES or "@" in query or not _is_text(text):
            raise UnusableLocationError(
                f"{shown_url(text)} is no URL of a PostgreSQL database",
                "write it as postgresql://user@host/dbname, and @ : / ? in a password as %40 %3A %2F %3F",
            )
        given = [(pair, pair.partition("=")[0]) for pair in query.split("&") if pair]
        own = {
            name: unquote(pair.partition("=")[2]) for pair, name in given if name in ("schema", "search", "ef_search")
        }
        rest = "&".join(pair for pair, name in given if name not in own)
        schema, search, ef_search = own.get("schema", cls.schema), own.get("search", cls.search), own.get("ef_search")
        # psycopg takes % in a name for a placeholder, and PostgreSQL $user for a name.
        is_odd = not schema or set("\0%") & set(schema) or schema == "$user" or schema.startswith("pg_")
        if is_odd or len(schema.encode()) > _MOST_SCHEMA:
            raise UnusableLocationError(f"{schema!r} cannot be a schema's name", "leave schema= out, or give another")
        if search not in get_args(Search):
            raise UnusableLocationError(f"search={search} is unknown", "choose memory, server or hnsw")
        if ef_search is not None and not (_NUMBER.fullmatch(ef_search) and 0 < int(ef_search) <= MOST_EF_SEARCH):
            raise UnusableLocationError(
                f"ef_search={ef_search} is no whole number from 1 to {MOST_EF_SEARCH}", "leave it out, or give one"
            )
        return cls(
            f"{head}?{rest}" if rest else head,
            shown_url(text),
            schema,
            cast("Search", search),
            None if ef_search is None else int(ef_search),
        )

    def __str__(self) -> str:
        return self.shown


def _is_text(text: str) -> bool:
    """Whether libpq can take it: an argument of a command line may be any bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def shown_url(text: str) -> str:
    """A URL without a password, or anything else that might be one, for people to read."""
    head, _, query = text.partition("?")
    parts = _HEAD.fullmatch(head)
    if parts is None or "@" in query:  # whoever wrote that meant some of it to be a password
        return f"{text.partition(':')[0]}://…"
    user = "" if parts["user"] is None else f"{parts['user']}@"
    harmless = [pair for pair in query.split("&") if pair.partition("=")[0] in _SHOWN]
    return f"{parts['scheme']}://{user}{parts['rest']}{'?' if harmless else ''}{'&'.join(harmless)}"
