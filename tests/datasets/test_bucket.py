"""Folders of people in object storage: a server of S3 on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from facerec_cli.datasets.bucket import search_bucket
from facerec_cli.datasets.folder import LeftOut
from facerec_cli.errors import NoPhotosError, UnreadablePhotoError
from facerec_cli.faces.images import opened
from facerec_cli.storage import Url


@pytest.fixture(scope="module")
def bucket(samples: Path) -> Iterator[Url]:
    """A bucket of people, and of what is no photo."""
    server_of = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    server = server_of.ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("NO_PROXY", "127.0.0.1")
        storage = s3fs.S3FileSystem()
        storage.mkdir("people")
        photo = (samples / "barack_obama.jpg").read_bytes()
        names = ["Ada/b.jpg", "Ada/1999/a.JPG", "Ada/.hidden.jpg", "@eaDir/x.jpg", "Zoe.png", "raw.NEF", "notes.txt"]
        for name in names:
            storage.pipe_file(f"people/all/{name}", photo)
        storage.pipe_file("people/none/notes.txt", b"none")
        yield Url("s3://people")
    server.stop()


def test_people_are_found_as_on_a_disk(bucket: Url) -> None:
    found = search_bucket(bucket / "all")
    assert [(name, str(photo)) for name, photo in found.people] == [
        ("Zoe", "s3://people/all/Zoe.png"),
        ("Ada", "s3://people/all/Ada/b.jpg"),
        ("Ada", "s3://people/all/Ada/1999/a.JPG"),
    ]
    assert {reason: list(map(str, paths)) for reason, paths in found.left_out.items()} == {
        LeftOut.RAW: ["s3://people/all/raw.NEF"],
        LeftOut.OTHER: ["s3://people/all/notes.txt"],
    }
    assert not found.refused


def test_a_photo_is_read_from_there(bucket: Url, samples: Path) -> None:
    with opened(bucket / "all" / "Ada" / "b.jpg") as photo:
        assert photo.source == "s3://people/all/Ada/b.jpg"
        assert photo.content == (samples / "barack_obama.jpg").read_bytes()
    with (
        pytest.raises(UnreadablePhotoError, match=r"s3://people/all/gone\.jpg does not exist"),
        opened(bucket / "all" / "gone.jpg"),
    ):
        pass


def test_what_holds_no_photo_or_is_not_there_is_told(bucket: Url) -> None:
    (error,) = search_bucket(bucket / "none").refused
    assert isinstance(error, NoPhotosError)
    (error,) = search_bucket(bucket / "nothing").refused
    assert str(error) == "s3://people/nothing does not exist"
    (error,) = search_bucket(Url("s3://no-such-bucket")).refused
    assert str(error) == "s3://no-such-bucket does not exist"


def test_missing_credentials_are_told(bucket: Url, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    s3fs = pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    (error,) = search_bucket(bucket / "all").refused
    s3fs.S3FileSystem.clear_instance_cache()
    assert str(error) == "s3://people/all cannot be read (Unable to locate credentials)"
    assert error.remedy == "check the URL, and your access"
