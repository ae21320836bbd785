"""Where a gallery on a server is, and that no password is ever shown."""

from __future__ import annotations

import subprocess
import sys

import pytest

from facerec_cli.errors import FacerecError, UnusableLocationError
from facerec_cli.gallery.opening import open_gallery, shown_location
from facerec_cli.gallery.postgres.location import Location

SECRET = "gEh31m"


def test_a_url_names_a_server_a_schema_and_who_searches() -> None:
    location = Location.parse(
        "postgresql://ada@db.example:5433/people?schema=Staff&sslmode=require&search=hnsw&ef_search=80"
    )
    assert location.conninfo == "postgresql://ada@db.example:5433/people?sslmode=require"
    assert (location.schema, location.search, location.ef_search) == ("Staff", "hnsw", 80)
    plain = Location.parse("postgres://db.example/people")
    assert (plain.conninfo, plain.schema, plain.search, plain.ef_search) == (
        *("postgres://db.example/people", "facerec", "memory"),
        None,
    )


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada:{SECRET}@db.example/people",
        f"postgresql://ada:{SECRET}@one:1,two:2/people?target_session_attrs=primary",
        f"postgresql://ada@db.example/people?password={SECRET}",
        f"postgresql://ada@db.example/people?sslpassword={SECRET}&schema=a",
        f"postgresql://ada@db.example/people?pasword={SECRET}",
        f"postgresql://ada:{SECRET}@db.example/people?serach=hnsw",
        f"postgresql://ada:1/{SECRET}@db.example/people",
        f"postgresql://ada:1?{SECRET}@db.example/people",
        f"postgresql://ada:1@{SECRET}@db.example/people",
        f"postgresql://:{SECRET}@db.example/people?search=nowhere",
        f"postgresql:/ada:{SECRET}@db.example/people",
        f"mysql://ada:{SECRET}@db.example/people",
    ],
)
def test_a_password_is_in_no_text_of_ours(url: str) -> None:
    assert SECRET not in shown_location(url)
    try:
        location = Location.parse(url)
    except UnusableLocationError as error:
        assert SECRET not in str(error) + error.remedy + error.subject + repr(error)
    else:
        assert SECRET not in f"{location} {location!r}"
    with pytest.raises(FacerecError) as refused:
        open_gallery(url.replace("db.example", "127.0.0.1:1").replace("one:1,two:2", "127.0.0.1:1,127.0.0.1:2"))
    said: BaseException | None = refused.value
    while said is not None:
        assert SECRET not in str(said) + repr(said)
        said = said.__cause__


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("schema=", "schema"),
        ("schema=pg_catalog", "schema"),
        (f"schema={'x' * 64}", "schema"),
        ("schema=a%25s", "schema"),
        ("schema=$user", "schema"),
        ("schema=\udcff", "is no URL"),
        ("sslmode=\udcff", "is no URL"),
        ("search=everywhere", "choose memory, server or hnsw"),
        ("ef_search=0", "from 1 to 1000"),
        ("ef_search=many", "from 1 to 1000"),
        (f"ef_search={'9' * 5000}", "from 1 to 1000"),
    ],
)
def test_what_a_parameter_cannot_be_is_said(query: str, problem: str) -> None:
    with pytest.raises(UnusableLocationError) as refused:
        Location.parse(f"postgresql://db.example/people?{query}")
    assert problem in f"{refused.value}: {refused.value.remedy}"


def test_a_folder_needs_no_psycopg() -> None:
    script = "import sys; from facerec_cli.gallery.opening import open_gallery, shown_location; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "facerec_cli.gallery.opening" in loaded
    assert not {"psycopg", "pgvector"} & set(loaded)
