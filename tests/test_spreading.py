"""Ray on this machine's loopback: the same results as on threads, bit by bit, whatever happens to a node."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from facerec_cli import Recognizer, enroll_all, open_gallery, spreading
from facerec_cli.datasets.chips import load_chips
from facerec_cli.datasets.collection import Collection
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.errors import ClusterError, ModelError
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.parallel import OrderedMap, ordered_map
from facerec_cli.recognition import pacing
from facerec_cli.recognition.indexing import embed_indexed
from facerec_cli.storage import Url

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster


@pytest.fixture(scope="module")
def spread(nodes: Cluster) -> Iterator[OrderedMap]:
    with spreading.joined(nodes.address) as spread:
        yield spread


@pytest.fixture(autouse=True)
def one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is compared with who is enrolled not depend on how long something took."""
    monkeypatch.setattr(pacing, "_SECONDS", 600.0)
    monkeypatch.setattr(pacing, "_MOST_SECONDS", 600.0)


@pytest.fixture
def people(samples: Path, tmp_path: Path) -> Path:
    """Three people of several photos, and what is none."""
    folder = tmp_path / "people"
    for number, photo in enumerate(sorted(samples.glob("*.jpg"))):
        person = folder / photo.stem.rpartition("_")[0]
        person.mkdir(parents=True, exist_ok=True)
        (person / photo.name).write_bytes(photo.read_bytes())
        if number == 0:
            (person / "again.jpg").write_bytes(photo.read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return folder


def test_results_come_in_order_and_items_are_read_as_they_are_needed(spread: OrderedMap) -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(100_000):
            read.append(number)
            yield number

    results = spread(lambda number: number * number, items())
    assert [next(results) for _ in range(50)] == [number * number for number in range(50)]
    assert isinstance(results, Generator)
    results.close()
    assert len(read) < 200
    assert not list(spread(str, []))


def test_an_error_comes_behind_the_results_before_it(spread: OrderedMap) -> None:
    def work(number: int) -> int:
        if number == 6:
            raise ModelError("Six cannot be used", "take another", "6")
        return number

    results = spread(work, range(100))
    assert [next(results) for _ in range(6)] == list(range(6))
    with pytest.raises(ModelError, match="Six cannot be used") as caught:
        next(results)
    assert (caught.value.remedy, caught.value.subject) == ("take another", "6")


def test_what_ends_every_process_that_has_it_is_told(spread: OrderedMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "_RETRIES", 1)
    with pytest.raises(ClusterError, match=r"Every process of the Ray cluster that was given a\.jpg, b\.jpg has ended"):
        list(spread(lambda _: os._exit(1), [("Ada", Path("a.jpg")), ("Ada", Path("b.jpg"))]))


def test_what_nobody_expected_is_told_in_a_sentence(spread: OrderedMap) -> None:
    with pytest.raises(ClusterError, match=r"A node of the Ray cluster failed \(ZeroDivisionError: division by zero\)"):
        list(spread(lambda number: 1 / number, range(4)))


def test_another_version_on_a_node_is_told(spread: OrderedMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "VERSION", "0.0.1")
    with pytest.raises(ClusterError, match=r"has facerec \d.*, and this is 0\.0\.1"):
        list(spread(str, range(4)))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no-such-host.invalid:6379"])
def test_a_cluster_that_is_not_there_is_told_at_once(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ClusterError, match=f"The Ray cluster {address} cannot be joined"), spreading.joined(address):
        pass


def test_enrolment_gives_the_same_outcomes_and_the_same_bits(spread: OrderedMap, people: Path, tmp_path: Path) -> None:
    photos = [(path.parent.name, path) for path in sorted(people.rglob("*.jpg"))]
    photos += [("Nobody", people / "missing.jpg"), *photos[:1]]
    found = []
    for number, mapping in enumerate((ordered_map, spread)):
        recognizer, gallery = Recognizer(), open_gallery(str(tmp_path / f"gallery{number}"), create=True)
        # Whom the gallery has already is not looked at.
        list(enroll_all(recognizer, gallery, photos[-3:-2]))
        outcomes = list(enroll_all(recognizer, gallery, photos, spread=mapping))
        records = [
            (record.face.name, record.face.sha256, record.embedding.tobytes(), gallery.read_chip(record.face).tobytes())
            for record in gallery.snapshot().records(recognizer.comparison.digest)
            if record.embedding is not None
        ]
        found.append(([(one.to_json(), str(one.error), type(one.error)) for one in outcomes], records))
    assert found[0] == found[1]
    assert len(found[0][1]) == 6


def test_photos_come_by_url(spread: OrderedMap, people: Path, tmp_path: Path) -> None:
    photo = sorted(people.rglob("*.jpg"))[0]
    gallery = open_gallery(str(tmp_path / "gallery"), create=True)
    urls = [Url(f"file://{photo}"), Url(f"file://{people}/missing.jpg")]
    enrolled, refused = enroll_all(Recognizer(), gallery, [("Ada", url) for url in urls], spread=spread)
    assert (enrolled.status, enrolled.source) == ("enrolled", f"file://{photo}")
    assert str(refused.error) == f"file://{people}/missing.jpg does not exist"


def test_the_index_gets_the_same(spread: OrderedMap, people: Path, tmp_path: Path) -> None:
    recognizer, photos = Recognizer(), sorted(people.rglob("*.jpg"))
    kept = []
    for number, mapping in enumerate((ordered_map, spread)):
        collection = Collection(tmp_path / f"{number}.sqlite3")
        seen = list(embed_indexed(recognizer, collection, photos, spread=mapping))
        assert [photo.source for photo in seen] == list(map(str, photos))
        survey = collection.survey(photos, recognizer.bundle.digest)
        known = collection.look(photos, recognizer.bundle.digest)
        faces = [[(face.jpeg, face.quality, face.box) for face in known[photo].faces] for photo in photos]
        kept.append((faces, {path: rows.tobytes() for path, rows in survey.embeddings.items()}, survey.refused))
    assert kept[0] == kept[1]


def test_a_data_set_gets_the_same_chips_and_embeddings(spread: OrderedMap, people: Path, tmp_path: Path) -> None:
    looks = []
    for mapping in (ordered_map, spread):
        chips = load_chips(people, spread=mapping)
        rows = np.flatnonzero(chips.has_face).tolist()
        found = embed_rows(resolve_bundle("pretrained"), chips, rows, rows[:2], spread=mapping)
        looks.append(
            (np.array(chips.chips), chips.scores, found.probes, found.enrolled, list(map(str, chips.unreadable)))
        )
        (tmp_path / "people.chips.h5").unlink()
    for plain, by_ray in zip(*looks, strict=True):
        np.testing.assert_array_equal(plain, by_ray)


def test_a_node_that_dies_loses_nothing_and_doubles_nothing(
    nodes: Cluster, spread: OrderedMap, samples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "copies").mkdir()
    photo = (samples / "barack_obama.jpg").read_bytes()
    photos = []
    for number in range(60):
        (folder / f"{number}.jpg").write_bytes(photo + bytes([number]))
        photos.append((f"Person {number}", folder / f"{number}.jpg"))
    another = nodes.add_node(num_cpus=1, node_ip_address="127.0.0.1", object_store_memory=2**27)
    nodes.wait_for_nodes()
    kill = iter([lambda: nodes.remove_node(another, allow_graceful=False)])

    def killing() -> Iterator[tuple[str, Path]]:
        for number, item in enumerate(photos):
            if number == 56:  # by now all nodes have work
                next(kill)()
            yield item

    gallery = open_gallery(str(tmp_path / "gallery"), create=True)
    outcomes = list(enroll_all(Recognizer(), gallery, killing(), spread=spread))
    assert [(one.name, one.status) for one in outcomes] == [(name, "enrolled") for name, _ in photos]
    assert sorted(person.name for person in gallery.snapshot().people()) == sorted(name for name, _ in photos)
    ray = pytest.importorskip("ray")
    deadline = time.monotonic() + 60
    while sum(node["Alive"] for node in ray.nodes()) != 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [node["Alive"] for node in ray.nodes()].count(False) == 1
    assert capfd.readouterr().out == ""
