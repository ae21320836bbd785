"""docs/python.md does what it says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs import program
from tests.videos import pan, write_video

PHOTOS = {
    "ada.jpg": "jacinda_ardern_2018.jpg",
    "charles.jpg": "emmanuel_macron_2014.jpg",
    "party.jpg": "jacinda_ardern_2022.jpg",
    "street.jpg": "barack_obama.jpg",
}


def test_the_page_runs_from_its_top_to_its_end(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, sample in PHOTOS.items():
        shutil.copy(samples / sample, name)
    write_video(tmp_path / "film.mp4", pan(Path("party.jpg"), 3))
    printed = {}
    later = ("Look into a gallery", "Copy a gallery", "Collections")
    headings = ("Enrol and identify", "Uploads, frames and embeddings", "Verify")
    for heading in (*headings, "Names beside photos, and faces hidden", "Watch a video", *later):
        exec(program("docs/python.md", heading), {})
        printed[heading] = capsys.readouterr().out.splitlines()
    assert printed == {
        "Enrol and identify": ["party.jpg ['Ada Lovelace'] ", "street.jpg ['unknown'] "],
        "Uploads, frames and embeddings": ["['Ada Lovelace'] camera 0, 12:03:01", "['Ada Lovelace']"],
        "Verify": ["True", "True"],
        "Names beside photos, and faces hidden": ["[('Ada Lovelace', 'tagged')]", "['enrolled']", "hidden/party.jpg"],
        "Watch a video": ["arrived Ada Lovelace", "left Ada Lovelace"],
        "Look into a gallery": [
            "[('Ada Lovelace', 1), ('Charles Babbage', 1)] {1: 2}",
            "{'ada.jpg': (128,), 'charles.jpg': (128,)}",
        ],
        "Copy a gallery": ["2 True []"],
        "Collections": [
            "3",
            "['ada.jpg', 'party.jpg']",
            "1 Ada Lovelace ['ada.jpg', 'party.jpg']",
            "None None ['street.jpg']",
        ],
    }
