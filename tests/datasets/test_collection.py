from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from facerec_cli.datasets import collection as module
from facerec_cli.datasets.clusters import Groups
from facerec_cli.datasets.collection import Collection, KeptFace, KeptPhoto, version_of
from facerec_cli.errors import CollectionError, DamagedCollectionError
from facerec_cli.faces.quality import Quality

DIGEST = "d" * 64


def photo_at(path: Path, faces: int = 2, content: bytes | None = None) -> KeptPhoto:
    """A photo as the index keeps it, whose file is there."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if content is not None else path.name.encode())
    numbers = np.random.default_rng(len(path.name))
    kept = [
        KeptFace(
            (0.1 + place, 1 / 3, 2e5, 7.0),
            numbers.normal(0, 9, (5, 2)).astype(np.float32),
            1 / 7,
            place > 0,
            Quality(*numbers.random(8).tolist()),
            b"jpeg %d" % place,
        )
        for place in range(faces)
    ]
    embeddings = numbers.normal(0, 1, (faces, 128)).astype(np.float32)
    sha256 = (content if content is not None else path.name.encode()).hex().ljust(64, "0")
    return KeptPhoto(version_of(path), sha256, 640, 480, kept, embeddings, "a note")


@pytest.fixture
def kept(tmp_path: Path) -> Collection:
    return Collection(tmp_path / "index.sqlite3")


def test_a_photo_comes_back_to_the_bit(kept: Collection, tmp_path: Path) -> None:
    path = tmp_path / "a" / "photo.jpg"
    photo = photo_at(path)
    kept.add({path: photo}, DIGEST)
    found = kept.look([path], DIGEST)[path]
    assert (found.version, found.sha256, found.width, found.height, found.note) == (
        *(photo.version, photo.sha256),
        *(640, 480, "a note"),
    )
    np.testing.assert_array_equal(found.embeddings, photo.embeddings)
    for one, other in zip(found.faces, photo.faces, strict=True):
        assert (one.box, one.score, one.doubtful, one.jpeg) == (other.box, other.score, other.doubtful, other.jpeg)
        assert astuple(one.quality) == astuple(other.quality)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)


def test_what_changed_is_missing_and_another_model_is_too(
    kept: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / "a" / f"{number}.jpg" for number in range(3)]
    kept.add({path: photo_at(path) for path in paths}, DIGEST)
    assert kept.survey(paths, DIGEST).missing == []
    os.utime(paths[0], (1, 1))
    paths[1].write_bytes(b"longer than it was")
    assert kept.survey(paths, DIGEST).missing == paths[:2]
    assert kept.survey(paths, "e" * 64).missing == paths
    monkeypatch.setattr(module, "extraction_version", lambda: 1)
    assert kept.survey(paths, DIGEST).missing == paths


def test_a_photo_that_moved_keeps_its_faces_and_their_group(kept: Collection, tmp_path: Path) -> None:
    old, new, copy = (tmp_path / "a" / name for name in ("old.jpg", "new.jpg", "copy.jpg"))
    kept.add({old: photo_at(old)}, DIGEST)
    groups = Groups(kept)
    before = groups.faces([old])
    groups.join([(None, [before[0].id])])
    kept.add({copy: photo_at(copy, content=old.read_bytes())}, DIGEST)
    assert {face.id for face in groups.faces([copy])}.isdisjoint(face.id for face in before)
    moved = kept.look([old], DIGEST)[old]
    old.rename(new)
    kept.add({new: moved}, DIGEST)
    after = groups.faces([new])
    assert [face.id for face in after] == [face.id for face in before]
    assert [face.group for face in after] == [1, None]
    assert groups.faces([old]) == []


def test_what_is_gone_is_forgotten_and_what_is_beside_stays(kept: Collection, tmp_path: Path) -> None:
    paths = [tmp_path / folder / "x.jpg" for folder in ("a", "a b", "a0", "b")]
    kept.add({path: photo_at(path) for path in paths}, DIGEST)
    assert kept.drop_gone(tmp_path / "a", []) == 1
    assert kept.survey(paths, DIGEST).missing == paths[:1]
    assert kept.drop_gone(tmp_path, paths[2:]) == 1
    with closing(sqlite3.connect(kept.tables.path)) as db:
        for table, rows in {"photos": 2, "faces": 4, "chips": 4, "embedded": 2}.items():
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)


def test_a_newer_file_and_a_damaged_one_are_told(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite3"
    Collection(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(CollectionError, match="newer facerec"):
        Collection(path)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(DamagedCollectionError, match="damaged"):
        Collection(path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CollectionError, match="is a link"):
        Collection(path)
    (tmp_path / "file").touch()
    with pytest.raises(CollectionError, match="cannot be made"):
        Collection(tmp_path / "file" / "below" / "x")
