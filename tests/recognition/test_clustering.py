from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_cli import Recognizer
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.errors import UnsuitableModelError
from facerec_cli.recognition.clustering import cluster
from facerec_cli.recognition.linkage import Labels, average_linkage, in_order


def unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def people(generator: np.random.Generator, count: int, photos: int, noise: float) -> npt.NDArray[np.float32]:
    """Embeddings of people, so many of each, that have much in common."""
    own = generator.normal(0, 1, (count, 128)) + generator.normal(0, 0.5, 128)
    return unit(np.repeat(own, photos, axis=0) + generator.normal(0, noise, (count * photos, 128)))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 60), st.floats(-0.3, 0.9))
def test_it_is_what_scipy_finds(seed: int, faces: int, least: float) -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    vectors = unit(np.random.default_rng(seed).normal(0.2, 1, (faces, 6)))
    distances = np.maximum(1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0)
    tree = hierarchy.linkage(distances[np.triu_indices(faces, 1)], "average")
    if np.abs(tree[:, 2] - (1 - least)).min() < 1e-5:  # rounding decides
        return
    expected = in_order(hierarchy.fcluster(tree, 1 - least, "distance").astype(np.int64))
    np.testing.assert_array_equal(average_linkage(vectors, least), expected)


def test_very_many_of_the_same_are_one() -> None:
    generator = np.random.default_rng(0)
    vectors = people(generator, 5, 1, 0)
    labels = average_linkage(vectors[generator.integers(0, 5, 3000)], 0.5)
    assert labels.max() == 4


def test_groups_that_are_there_take_in_and_are_never_joined() -> None:
    vectors = people(np.random.default_rng(0), 3, 6, 0.1)
    begun = np.full(18, -1)
    begun[[0, 1]], begun[[2, 3]] = 0, 1  # one person, taken apart
    begun[[6, 12]] = 2  # two people, joined
    labels = average_linkage(vectors, 0.5, begun)
    assert labels[0] == labels[1] != labels[2] == labels[3]
    assert labels[4] in (labels[0], labels[2])
    assert labels[6] == labels[12]
    assert len(set(labels[6:].tolist()) - {labels[6]}) <= 2


def purity(labels: Labels, photos: int) -> int:
    """How many groups hold two people, or part of one alone."""
    return sum(len(set(row.tolist())) != 1 for row in labels.reshape(-1, photos)) + abs(
        len(labels) // photos - int(labels.max()) - 1
    )


@pytest.mark.parametrize(("count", "photos"), [(1, 40), (2, 3), (5, 20), (60, 4), (300, 2)])
def test_people_are_told_apart_however_many_they_are(count: int, photos: int) -> None:
    vectors = people(np.random.default_rng(count), count, photos, 0.5)
    assert purity(cluster(resolve_bundle("pretrained"), vectors), photos) == 0


def test_the_sample_people(recognizer: Recognizer, samples: Path) -> None:
    photos = sorted([*samples.glob("*.jpg"), *samples.glob("*.png")])
    found = [recognizer.embed_photo(photo).embeddings[0] for photo in photos]
    labels = cluster(recognizer.bundle, np.stack(found))
    assert labels.tolist() == in_order(np.unique([p.name[:8] for p in photos], return_inverse=True)[1]).tolist()


def test_nobody_is_no_group() -> None:
    assert len(cluster(resolve_bundle("pretrained"), np.zeros((0, 128), np.float32))) == 0


def test_a_metric_without_means_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from facerec_cli.encoders.metric import Cosine

    monkeypatch.setattr(Cosine, "has_centre", False)
    with pytest.raises(UnsuitableModelError, match="cannot be averaged"):
        cluster(resolve_bundle("pretrained"), np.zeros((1, 128), np.float32))


def test_poor_faces_join_groups_and_begin_none() -> None:
    vectors = people(np.random.default_rng(0), 4, 6, 0.3)
    poor = np.zeros(24, np.bool_)
    poor[[4, 5]] = True  # of a group
    poor[7:12] = True  # all but one of a person
    poor[12:18] = True  # all of a person
    begun = np.full(24, -1)
    begun[[14, 15]] = 0  # somebody grouped two of these
    labels = cluster(resolve_bundle("pretrained"), vectors, begun, poor)
    assert len(set(labels[:6].tolist())) == 1
    assert len(set(labels[6:12].tolist())) == 6
    assert len(set(labels[12:18].tolist())) == 1
    assert labels[18:].tolist() == [labels[18]] * 6
    alone = cluster(resolve_bundle("pretrained"), vectors, None, np.ones(24, np.bool_))
    assert alone.tolist() == list(range(24))
