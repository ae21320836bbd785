"""Searches that a server does itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facerec_cli import Identifier, Recognizer, enroll
from facerec_cli.encoders.cohort import Prior
from facerec_cli.encoders.metric import Comparison, Cosine, Vectors
from facerec_cli.errors import UnsuitableModelError
from facerec_cli.gallery.base import Gallery, Match
from facerec_cli.gallery.opening import open_gallery
from facerec_cli.gallery.postgres.location import Location
from facerec_cli.gallery.postgres.nearest import build_hnsw
from tests.gallery.faces import COMPARISON, DIGEST, face, unit
from tests.servers import Server

SIZE = 8


def people(count: int) -> Vectors:
    """Templates that share something, as people's do."""
    vectors = np.random.default_rng(5).standard_normal((count, SIZE)) + 0.6
    return np.stack([unit(*vector) for vector in vectors])


def enrol(gallery: Gallery, templates: Vectors, first: int = 0) -> None:
    gallery.add(COMPARISON, [face(f"person {row}", template, row) for row, template in enumerate(templates, first)])


def alike(found: list[list[Match]], expected: list[list[Match]]) -> bool:
    return [[match.name for match in row] for row in found] == [[match.name for match in row] for row in expected] and (
        np.allclose(distances(found), distances(expected), atol=1e-5)
    )


def distances(matches: list[list[Match]]) -> list[list[float]]:
    return [[match.distance for match in row] for row in matches]


def test_people_seen_from_their_centre_are_found_as_in_a_folder(postgres: Server, tmp_path: Path) -> None:
    folder = open_gallery(tmp_path / "database", create=True)
    server = open_gallery(f"{postgres.create_database()}?search=server", create=True)
    probes = people(60)[40:]
    for gallery in (folder, server):
        enrol(gallery, people(40))
    centre = Prior(0.3, 0.2, 0.2).centre(server.snapshot().cohort(DIGEST))
    assert centre is not None and np.linalg.norm(centre.total) > 0.3
    comparison = Comparison(DIGEST, Cosine(centre))
    expected = folder.snapshot().search(comparison, probes, top=5)
    assert alike(server.snapshot().search(comparison, probes, top=5), expected)
    # Not by chance: from elsewhere others are near.
    assert not alike(server.snapshot().search(COMPARISON, probes, top=5), expected)


def test_an_index_names_nobody_whom_an_exact_search_would_not(postgres: Server) -> None:
    url = postgres.create_database()
    enrol(open_gallery(url, create=True), people(3000))
    location = Location.parse(url)
    assert build_hnsw(location, DIGEST, SIZE)
    assert not build_hnsw(location, DIGEST, SIZE)
    with postgres.superuser(url.rpartition("/")[2]) as connection:
        connection.execute("analyze")
        # Nothing but the index: a table as small as this is read as soon.
        connection.execute(f"alter role {url.partition('//')[2].partition('@')[0]} set enable_seqscan = off")
        connection.execute(f"alter role {url.partition('//')[2].partition('@')[0]} set enable_sort = off")
    probes = people(3100)[3000:]
    exact = open_gallery(f"{url}?search=server").snapshot().search(COMPARISON, probes)
    for ef_search, least in ((1, 0.1), (400, 0.99)):
        found = open_gallery(f"{url}?search=hnsw&ef_search={ef_search}").snapshot().search(COMPARISON, probes)
        assert all(one.distance >= best.distance - 1e-6 for (one,), (best,) in zip(found, exact, strict=True))
        same = np.mean([one.name == best.name for (one,), (best,) in zip(found, exact, strict=True)])
        assert same >= least
        assert (same < 1) == (ef_search == 1)


def test_embeddings_too_large_for_the_index_are_refused(postgres: Server) -> None:
    with pytest.raises(UnsuitableModelError, match="4,096 numbers"):
        build_hnsw(Location.parse(postgres.create_database()), DIGEST, 4096)


def test_photos_get_the_names_that_a_folder_gives(
    postgres: Server, recognizer: Recognizer, samples: Path, tmp_path: Path
) -> None:
    url = postgres.create_database()
    folder, server = open_gallery(tmp_path / "database", create=True), open_gallery(url, create=True)
    for name, photo in {"Macron": "emmanuel_macron_2014.jpg", "Ardern": "jacinda_ardern_2018.jpg"}.items():
        for gallery in (folder, server):
            enroll(recognizer, gallery, name, [samples / photo])
    photos = sorted(samples.glob("*.jpg"))
    expected = [result.to_json() for result in Identifier(recognizer, folder).identify_all(photos, top=2)]
    assert [face["name"] for result in expected for face in result["faces"]].count("Ardern") == 2
    for search in ("server", "hnsw"):
        gallery = open_gallery(f"{url}?search={search}")
        assert [result.to_json() for result in Identifier(recognizer, gallery).identify_all(photos, top=2)] == expected
