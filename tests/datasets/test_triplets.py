"""Folders of triplets."""

from __future__ import annotations

from pathlib import Path

import pytest

from facerec_cli.datasets.triplets import has_triplet_folders, read_triplet_folders
from facerec_cli.errors import DataError


def triplet_folders(folder: Path, **names: list[str]) -> Path:
    for name, files in names.items():
        (folder / name).mkdir()
        for file in files:
            (folder / name / file).touch()
    return folder


def test_triplet_folders_are_read_by_name_and_number(tmp_path: Path) -> None:
    folder = triplet_folders(
        tmp_path,
        anchor=["10.jpg", "2.jpg", "1.jpg", "notes.txt"],
        positive=["01.png", "02.png", "10.png"],
        negative=["c.jpg", "a.jpg", "b.jpg"],
    )
    triplets = read_triplet_folders(folder)
    assert [tuple(path.relative_to(folder).as_posix() for path in triplet) for triplet in triplets] == [
        ("anchor/1.jpg", "positive/01.png", "negative/a.jpg"),
        ("anchor/2.jpg", "positive/02.png", "negative/b.jpg"),
        ("anchor/10.jpg", "positive/10.png", "negative/c.jpg"),
    ]


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (
            {"anchor": ["1.jpg"], "positive": ["1.jpg", "2.jpg"], "negative": ["1.jpg"]},
            r"same number of photos, .*\(anchor 1, positive 2, negative 1\)",
        ),
        ({"anchor": [], "positive": [], "negative": []}, r"\(anchor 0, positive 0, negative 0\)"),
    ],
)
def test_triplet_folders_that_do_not_fit(tmp_path: Path, folders: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_triplet_folders(triplet_folders(tmp_path, **folders))


@pytest.mark.parametrize(
    ("names", "is_triplets"),
    [
        (["anchor", "positive", "negative"], True),
        (["anchor", "positive"], False),
        (["anchor", "positive", "negative", "Ada"], False),
    ],
)
def test_triplet_folders_are_those_three_and_no_other(tmp_path: Path, names: list[str], is_triplets: bool) -> None:
    assert has_triplet_folders(triplet_folders(tmp_path, **{name: ["1.jpg"] for name in names})) == is_triplets
