from __future__ import annotations

import pytest

from facerec_cli.errors import UnusableSourceError
from facerec_cli.faces.opencv import cv2
from facerec_cli.faces.sources import Source, parse_source
from facerec_cli.faces.video import Stream


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "rtsp://me:secret@cam.local:554/live?channel=1&subtype=0&pwd=secret",
            "rtsp://cam.local:554/live?channel=1&subtype=0",
        ),
        (
            "rtsp://10.0.0.1/user=me_password=secret_channel=1_stream=0.sdp",
            "rtsp://10.0.0.1/user=…_password=…_channel=1_stream=0.sdp",
        ),
        ("http://me:sec@ret@cam.local/video.mjpg#secret", "http://cam.local/video.mjpg"),
        ("RTSP://[::1]:8554/x", "rtsp://[::1]:8554/x"),
    ],
)
def test_a_url_is_called_by_what_is_no_secret(text: str, name: str) -> None:
    source = parse_source(text)
    assert source.name == name
    assert source.is_live
    assert "secret" not in repr(source)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://me:sec/ret@cam.local/x",
        "rtsp://",
        "http://cam.local:99999/pwd=secret",
        "ftp://me:secret@cam.local/x",
        "rtsp://me:secret@cam..local/x",
        f"rtsp://me:secret@{'cam' * 30}/x",
    ],
)
def test_urls_that_are_none_are_told_without_the_password(text: str) -> None:
    with pytest.raises(UnusableSourceError) as told:
        parse_source(text)
    assert "sec" not in str(told.value)


@pytest.mark.parametrize("text", ["100", "3000000000", "9" * 5000, "/dev/video2000"])
def test_a_number_that_no_camera_has_is_refused(text: str) -> None:
    with pytest.raises(UnusableSourceError, match="no camera"):
        parse_source(text)


def test_numbers_are_cameras_and_paths_files() -> None:
    assert parse_source("0").address == 0
    assert parse_source("007").address == 7
    assert parse_source("1").name == "camera 1"
    assert parse_source("/dev/video2").address == 2
    assert parse_source("/dev/video2").name == "/dev/video2"
    assert not parse_source("./0").is_live
    assert not parse_source("C:/clip.mp4").is_live


def test_what_nobody_expects_is_no_end_of_the_video() -> None:
    """Such as a number that OpenCV cannot take: ``parse_source`` lets none pass."""
    with pytest.raises(cv2.error), Stream(Source(1 << 40, True, "a camera")):
        pass
