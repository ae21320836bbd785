from __future__ import annotations

import pytest

from facerec_cli.gallery.base import Snapshot
from facerec_cli.gallery.opening import open_gallery
from facerec_cli.gallery.postgres.store import PostgresGallery
from tests.gallery.faces import DIGEST
from tests.servers import Server


@pytest.fixture
def url(postgres: Server) -> str:
    """A new database's, without tables."""
    return postgres.create_database()


@pytest.fixture
def gallery(url: str) -> PostgresGallery:
    return opened(url, create=True)


def opened(url: str, *, create: bool = False) -> PostgresGallery:
    gallery = open_gallery(url, create=create)
    assert isinstance(gallery, PostgresGallery)
    return gallery


def templates(now: Snapshot) -> list[tuple[str, bytes]]:
    """Names and templates of everybody who has one."""
    return [
        (name, row.tobytes()) for names, rows in now.templates(DIGEST) for name, row in zip(names, rows, strict=True)
    ]
