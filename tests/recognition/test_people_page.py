from __future__ import annotations

import re
from pathlib import Path

import pytest

from facerec_cli.datasets.clusters import Groups
from facerec_cli.datasets.collection import Collection
from facerec_cli.recognition import people_page as module
from facerec_cli.recognition.collecting import Group
from tests.datasets.test_collection import DIGEST, photo_at


def test_of_very_many_groups_the_first_are_shown_and_the_rest_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Collection(tmp_path / "index.sqlite3")
    photos = {path: photo_at(path) for path in (tmp_path / "a" / f"{number}.jpg" for number in range(6))}
    kept.add(photos, DIGEST)
    groups = Groups(kept)
    faces = groups.faces(list(photos))
    found = [Group(number, None, faces[number * 3 : number * 3 + 3]) for number in range(4)]
    assert len(re.findall("<section data-group", module.people_page(found, groups))) == 4
    monkeypatch.setattr(module, "_MOST_TOGETHER", 7)
    page = module.people_page(found, groups)
    assert re.findall(r'<section data-group="(\d)"', page) == ["0", "1"]
    assert "2 people beside these, in 2 photos at most" in page
