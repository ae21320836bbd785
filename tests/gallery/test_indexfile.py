"""The index on disk: segments, what is written, and files that are not what they should be."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facerec_cli.errors import DamagedDatabaseError, DatabaseError, DatabaseRefusedError
from facerec_cli.gallery.hdf5 import Hdf5Gallery
from facerec_cli.gallery.index import Index
from facerec_cli.gallery.segment import Segment
from facerec_cli.gallery.snapshot import IndexSnapshot
from tests.gallery.faces import COMPARISON, DIGEST, OTHER_COMPARISON, face, unit


def many(folder: Path, people: int = 30) -> Hdf5Gallery:
    """A database whose segments hold hardly anybody."""
    gallery = Hdf5Gallery(folder, create=True)
    gallery.index_file.sealed_bytes = gallery.index_file.tail_bytes = 1_000
    for first in range(0, people, 5):
        gallery.add(COMPARISON, [face(f"person {n}", unit(n, 1), n) for n in range(first, first + 5)])
    return gallery


def written(folder: Path, change: Callable[[], object]) -> set[str]:
    """The files of the index that a change wrote."""

    def files() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in [folder / "gallery.h5", *(folder / "segments").iterdir()]}

    before = files()
    change()
    return {name for name, inode in files().items() if before.get(name) != inode}


def test_a_change_writes_the_segments_that_it_concerns_and_no_other(tmp_path: Path) -> None:
    gallery = many(tmp_path / "database")
    folder = gallery.folder
    assert len(list((folder / "segments").iterdir())) > 3
    gallery.add(COMPARISON, [face("the first of a segment", unit(1, 1), 98)])
    assert written(folder, lambda: gallery.add(COMPARISON, [face("new", unit(1, 1), 99)])) == {"gallery.h5"}
    for change in (
        lambda: gallery.add(COMPARISON, [face("person 3", unit(1, 1), 99)]),
        lambda: gallery.rename("person 3", "renamed"),
        lambda: gallery.remove("renamed"),
    ):
        assert len(written(folder, change)) <= 3
    enrolled = [f"person {n}" for n in range(30) if n != 3] + ["the first of a segment", "new"]
    assert [person.name for person in gallery.snapshot().people()] == enrolled
    assert [person.name for person in Hdf5Gallery(folder).snapshot().people()] == enrolled


def test_nobody_is_searched_twice_or_missed_among_segments(tmp_path: Path) -> None:
    gallery = many(tmp_path / "database")
    for n in range(30):
        matches = gallery.snapshot().search(COMPARISON, unit(n, 1)[None], top=30)[0]
        assert matches[0].name == f"person {n}"
        assert len({match.name for match in matches}) == 30
        assert [match.distance for match in matches] == sorted(match.distance for match in matches)


def test_photos_that_came_later_stay_in_order_when_segments_join(tmp_path: Path) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.index_file.sealed_bytes, gallery.index_file.tail_bytes = 5_000, 600
    for n in range(20):
        gallery.add(COMPARISON, [face(f"person {n}", unit(n, 1), n)])
        gallery.add(OTHER_COMPARISON, [face(f"person {n // 2}", unit(1, n, 2), 100 + n)])
        counts = [len(segment.owner) for segment in gallery.snapshot().index.segments]
        assert sum(counts) == 2 * (n + 1)
    assert 1 < len(counts) < 20
    for n in range(20):
        photos = [enrolled.source for enrolled in gallery.snapshot().faces(f"person {n}")]
        later = [f"{100 + number}.jpg" for number in (2 * n, 2 * n + 1) if n < 10]
        assert sorted(photos) == sorted([f"{n}.jpg", *later])
        assert gallery.snapshot().search(COMPARISON, unit(n, 1)[None])[0][0].name == f"person {n}"
    assert gallery.snapshot().pending_count(DIGEST) == gallery.snapshot().pending_count(OTHER_COMPARISON.digest) == 20


def test_a_model_may_have_embedded_some_segments_and_not_others(tmp_path: Path) -> None:
    gallery = many(tmp_path / "database")
    pending = list(gallery.snapshot().pending(OTHER_COMPARISON.digest))
    gallery.store(OTHER_COMPARISON, [(enrolled, unit(1, 2, enrolled.id)) for enrolled in pending[:7]])
    now = gallery.snapshot()
    assert now.pending_count(OTHER_COMPARISON.digest) == 23
    assert len(now.search(OTHER_COMPARISON, unit(1, 2, 3)[None], top=30)[0]) == 7
    assert len(list(now.without_template(OTHER_COMPARISON.digest))) == 23


def test_a_long_name_takes_room_while_it_is_there(tmp_path: Path) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.add(COMPARISON, [face(f"person {n}", unit(n, 1), n) for n in range(200)])
    size = gallery.index_file.path.stat().st_size
    gallery.add(COMPARISON, [face("\N{GRINNING FACE}" * 200, unit(1, 1), 999)])
    assert gallery.index_file.path.stat().st_size > size + 100_000
    gallery.remove("\N{GRINNING FACE}" * 200)
    assert gallery.index_file.path.stat().st_size <= size


def test_a_segment_that_is_gone_is_damage(tmp_path: Path) -> None:
    gallery = many(tmp_path / "database")
    next((gallery.folder / "segments").iterdir()).unlink()
    with pytest.raises(DamagedDatabaseError, match=r"gallery\.h5 is damaged"):
        Hdf5Gallery(gallery.folder).snapshot()


def test_strays_of_killed_writers_go_with_the_next(tmp_path: Path) -> None:
    gallery = many(tmp_path / "database")
    strays = [gallery.folder / ".gallery.h5.1234.abcd", gallery.folder / "segments" / "99999.h5"]
    strays.append(gallery.folder / "segments" / ".99999.h5.1234.abcd")
    for stray in strays:
        stray.write_bytes(b"somebody's name")
    gallery.add(COMPARISON, [face("new", unit(1, 1), 99)])
    assert not any(stray.exists() for stray in strays)


def changed(gallery: Hdf5Gallery, column: str, values: Any, **how: Any) -> None:
    with h5py.File(gallery.index_file.path, "r+") as file:
        del file[column]
        file.create_dataset(column, data=values, **how)


@pytest.mark.parametrize(
    ("column", "values", "how"),
    [
        ("people/name", ["Ada", "Bob", "Eve"], {"dtype": h5py.string_dtype()}),
        ("people/name", np.arange(3), {}),
        ("people/name", np.array([b"x" * 5000] * 3), {}),
        ("people/id", np.array([1.0, 2.0, 3.0]), {}),
        ("people/id", np.array([3, 2, 1]), {}),
        ("people/id", np.array([[1], [2], [3]]), {}),
        ("people/id", np.array([1, 2, 3], ">i8"), {}),
        ("people/created", np.array([(1, 2)] * 3, [("a", "i4"), ("b", "i4")]), {}),
        ("faces/person", np.array([1, 3, 99]), {}),
        ("faces/id", np.array([2, 4, 2**62]), {}),
        ("faces/person", np.array([1, 1, 3]), {}),
        (f"templates/{DIGEST}", np.zeros((3, 5), np.float32), {}),
        (f"templates/{DIGEST}", np.zeros(3, np.float32), {}),
        (f"templates/{DIGEST}", np.zeros((3, 2), np.float64), {}),
        (f"embeddings/{DIGEST}", np.zeros((2, 2), np.float32), {}),
        (f"embeddings/{DIGEST}", np.zeros((3, 2), np.float32), {"chunks": (1, 2)}),
        (f"embedded/{DIGEST}", np.zeros((3, 2), np.uint8), {}),
        (f"totals/{DIGEST}", np.zeros(2), {}),
        (f"totals/{DIGEST}", np.zeros((3, 3)), {}),
        (f"totals/{DIGEST}", np.zeros(3, np.float32), {}),
        (f"totals/{DIGEST}", np.array([1, np.nan, 3]), {}),
        (f"totals/{DIGEST}", np.array([1, np.inf, 3]), {}),
        (f"totals/{DIGEST}", np.array([1.0, 1, 4]), {}),
        (f"totals/{DIGEST}", np.array([1.0, 1, -1]), {}),
    ],
)
def test_a_column_of_another_kind_or_shape_is_damage(
    tmp_path: Path, column: str, values: Any, how: dict[str, Any]
) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.add(COMPARISON, [face(name, unit(1, n), n) for n, name in enumerate(("Ada", "Bob", "Eve"))])
    changed(gallery, column, values, **how)
    with pytest.raises(DatabaseError):
        Hdf5Gallery(gallery.folder).snapshot()


def test_a_column_of_pointers_is_never_followed(tmp_path: Path) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.add(COMPARISON, [face(name, unit(1, n), n) for n, name in enumerate(("Ada", "Bob", "Eve"))])
    changed(gallery, "people/name", ["Ada", "Bob", "Eve"], dtype=h5py.string_dtype())
    with h5py.File(gallery.index_file.path) as file:
        offset = file["people/name"].id.get_offset()
    content = bytearray(gallery.index_file.path.read_bytes())
    content[offset : offset + 48] = (0x4141414141414140).to_bytes(8, "little") * 6
    gallery.index_file.path.write_bytes(content)
    with pytest.raises(DamagedDatabaseError):
        list(Hdf5Gallery(gallery.folder).snapshot().people())


def test_templates_of_another_size_than_probes_are_damage(tmp_path: Path) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.add(COMPARISON, [face("Ada", unit(1, 0, 0), 1)])
    with pytest.raises(DamagedDatabaseError):
        gallery.snapshot().search(COMPARISON, unit(1, 0)[None])


def test_templates_of_another_size_than_others_are_damage(tmp_path: Path) -> None:
    segments: list[Segment] = []
    for size in (2, 3):
        gallery = Hdf5Gallery(tmp_path / str(size), create=True)
        gallery.add(COMPARISON, [face("Ada", unit(*range(1, size + 1)), 1)])
        segments += gallery.snapshot().index.segments
    with pytest.raises(DamagedDatabaseError):
        IndexSnapshot("here", Index(segments, 9)).cohort(DIGEST)


@pytest.mark.parametrize(
    "told", [[0.0, 0.0, 0.0], [1.5, 1.5, 2.0], [0.5, 0.5, 0.5], [1e30, 0.0, 3.0], [1e200, 1e200, 3.0]]
)
def test_totals_that_cannot_be_those_of_the_templates_are_damage(tmp_path: Path, told: list[float]) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.add(COMPARISON, [face(name, unit(1, n), n) for n, name in enumerate(("Ada", "Bob", "Eve"))])
    changed(gallery, f"totals/{DIGEST}", np.array(told))
    with pytest.raises(DatabaseError):
        Hdf5Gallery(gallery.folder).snapshot().cohort(DIGEST)


def test_templates_of_no_unit_length_are_damage(tmp_path: Path) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.add(COMPARISON, [face(name, unit(1, n), n) for n, name in enumerate(("Ada", "Bob", "Eve"))])
    changed(gallery, f"embeddings/{DIGEST}", np.full((3, 2), 3e38, np.float32))
    with pytest.raises(DatabaseError):
        Hdf5Gallery(gallery.folder).snapshot().cohort(DIGEST)


def totals(folder: Path) -> list[dict[str, list[float]]]:
    """What each segment's file says of its templates, held against them."""
    told = []
    for segment in Hdf5Gallery(folder).snapshot().index.segments:
        assert segment.totals.keys() == segment.templates.keys()
        for digest, rows in segment.templates.items():
            known = rows[np.isfinite(rows).all(axis=1)]
            expected = [*known.sum(axis=0, dtype=np.float64), len(known)]
            assert segment.totals[digest].tolist() == pytest.approx(expected, abs=1e-9)
        told.append({digest: total.tolist() for digest, total in segment.totals.items()})
    return told


def test_what_segments_say_of_their_templates_holds_after_every_change(tmp_path: Path) -> None:
    gallery = many(tmp_path / "database")
    pending = list(gallery.snapshot().pending(OTHER_COMPARISON.digest))
    before = totals(gallery.folder)
    assert len(before) > 3
    for change in (
        lambda: gallery.add(COMPARISON, [face("person 3", unit(-1, 7), 99)]),
        lambda: gallery.store(OTHER_COMPARISON, [(enrolled, unit(1, 2, enrolled.id)) for enrolled in pending[4:9]]),
        lambda: gallery.remove("person 3", [gallery.snapshot().faces("person 3")[0].id]),
        lambda: gallery.store(COMPARISON, [(enrolled, unit(5, 2)) for enrolled in gallery.snapshot().pending(DIGEST)]),
        lambda: gallery.merge("person 5", "person 20"),
        lambda: gallery.remove("person 11"),
        lambda: gallery.rebuild(COMPARISON, {key: unit(1, 9) for key, _ in gallery.survey().chips}),
    ):
        change()
        after = totals(gallery.folder)
        assert after != before
        before = after
    gallery.rename("person 7", "renamed")
    assert sum(part[DIGEST][-1] for part in totals(gallery.folder) if DIGEST in part) == 28


LAYOUTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats()
    | st.text(max_size=5)
    | st.just("<f4")
    | st.just("|O"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layout=LAYOUTS)
def test_a_layout_that_is_none_is_damage(tmp_path: Path, layout: Any) -> None:
    folder = tmp_path / "good"
    if not folder.exists():
        many(folder)
    shutil.copytree(folder, tmp_path / "bad", dirs_exist_ok=True)
    bad = Hdf5Gallery(tmp_path / "bad")
    with h5py.File(bad.index_file.path, "r+") as file:
        good = json.loads(file["segments/layout"][:].tobytes())
    for forged in (layout, [layout], [[good[0][0], layout]], [[good[0][0], [layout]]], [[layout, good[0][1]]]):
        changed(bad, "segments/layout", np.frombuffer(json.dumps(forged).encode(), np.uint8))
        try:
            list(Hdf5Gallery(bad.folder).snapshot().people())
        except DatabaseError:
            continue
        assert forged == []


def test_places_beyond_a_segments_end_are_damage(tmp_path: Path) -> None:
    gallery = many(tmp_path / "database")
    with h5py.File(gallery.index_file.path, "r+") as file:
        layout = json.loads(file["segments/layout"][:].tobytes())
    layout[0][1][0][3] = 10**9
    changed(gallery, "segments/layout", np.frombuffer(json.dumps(layout).encode(), np.uint8))
    with pytest.raises(DamagedDatabaseError):
        Hdf5Gallery(gallery.folder).snapshot()


@pytest.fixture
def limit() -> Any:
    before: dict[int, tuple[int, int]] = {}

    def set_limit(kind: int, most: int) -> None:
        before.setdefault(kind, resource.getrlimit(kind))
        resource.setrlimit(kind, (most, before[kind][1]))

    yield set_limit
    for kind, limits in before.items():
        resource.setrlimit(kind, limits)


FEW_FILES = """
import resource, sys
from pathlib import Path
from facerec_cli.gallery.hdf5 import Hdf5Gallery

may_be_raised = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if sys.argv[2] == "soft" else 10
resource.setrlimit(resource.RLIMIT_NOFILE, (10, may_be_raised))
print(len(list(Hdf5Gallery(Path(sys.argv[1])).snapshot().people())))
"""


def test_more_segments_than_files_may_be_open_are_mapped(tmp_path: Path) -> None:
    folder = many(tmp_path / "database", 60).folder
    assert len(list((folder / "segments").iterdir())) > 7
    # Each in a process of its own: what this one has open is other tests' affair.
    soft, hard = (
        subprocess.run(
            [sys.executable, "-c", FEW_FILES, str(folder), limit], capture_output=True, text=True, check=False
        )
        for limit in ("soft", "hard")
    )
    assert (soft.stdout, soft.stderr) == ("60\n", "")
    assert hard.returncode == 1
    assert "cannot be read, too many files are open" in hard.stderr


def test_a_file_that_may_not_grow_is_refused_and_nothing_is_lost(
    tmp_path: Path, limit: Callable[[int, int], None]
) -> None:
    gallery = Hdf5Gallery(tmp_path / "database", create=True)
    gallery.add(COMPARISON, [face("Ada", unit(1, 0), 1)])
    for most in (100, 2_000, 5_000, 12_000):
        limit(resource.RLIMIT_FSIZE, most)
        with pytest.raises(DatabaseRefusedError, match="the disk is full"):
            gallery.add(COMPARISON, [face(f"person {n}", unit(1, n), n) for n in range(100)])
    limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
    assert [person.name for person in Hdf5Gallery(gallery.folder).snapshot().people()] == ["Ada"]
    assert len(list((gallery.folder / "faces").glob("*/*"))) == 1
    assert {path.name for path in gallery.folder.iterdir()} == {".gitignore", ".lock", "faces", "gallery.h5"}
