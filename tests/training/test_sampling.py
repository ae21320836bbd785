from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from facerec_cli.errors import DataError
from facerec_cli.training.augmentation import Augmentation
from facerec_cli.training.compositing import PART_SETS, composite
from facerec_cli.training.sampling import (
    PairSampler,
    PeopleSampler,
    PhotosByPerson,
    Sampler,
    TripletPairSampler,
    Triplets,
    TripletSampler,
    split_people,
)
from tests.training.support import UNCHANGED

People = npt.NDArray[np.int64]
COUNTS = st.lists(st.integers(1, 9), min_size=2, max_size=20)


def people_with(counts: list[int], seed: int = 0) -> People:
    """Who each photo shows, in no order."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def photos_with(counts: list[int]) -> tuple[People, PhotosByPerson]:
    people = people_with(counts)
    return people, PhotosByPerson.of(people, np.arange(len(people)))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ------------------------------------------------------------------ splitting


@given(COUNTS, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_nobody_is_on_both_sides_of_a_split(counts: list[int], share: float, seed: int) -> None:
    people = people_with(counts)
    ours, theirs = split_people(people, share, seed)
    assert not set(people[ours]) & set(people[theirs])
    np.testing.assert_array_equal(np.sort(np.concatenate([ours, theirs])), np.arange(len(people)))
    assert len(set(people[ours])) == np.clip(round(share * len(counts)), 1, len(counts) - 1)
    np.testing.assert_array_equal(ours, split_people(people, share, seed)[0])


def test_another_seed_splits_otherwise() -> None:
    people = people_with([3] * 50)
    assert set(people[split_people(people, 0.7, 0)[0]]) != set(people[split_people(people, 0.7, 1)[0]])


@pytest.mark.parametrize("people", [[], [4, 4, 4]])
def test_fewer_than_two_people_are_not_split(people: list[int]) -> None:
    with pytest.raises(DataError, match=r"(no people|1 person) cannot be split") as caught:
        split_people(np.array(people, np.int64), 0.7, 0)
    assert "add photos" in caught.value.remedy


# ------------------------------------------------------------------ photos


def test_only_the_rows_to_train_on_are_drawn() -> None:
    people = people_with([4] * 30)
    rows, _ = split_people(people, 0.5, 0)
    photos = PhotosByPerson.of(people, rows)
    samplers: list[Sampler] = [PairSampler(photos, 8), PeopleSampler(photos, 8, 4)]
    for sampler in samplers:
        for seed in range(20):
            draw = sampler.draw(rng(seed))
            assert set(draw.rows) | {item.row for item in draw.composites} <= set(rows)


@given(COUNTS, st.integers(1, 20), st.integers(0, 2**32))
def test_photos_repeat_only_when_all_were_drawn(counts: list[int], wanted: int, seed: int) -> None:
    assume(max(counts) > 1)
    people, photos = photos_with(counts)
    for person, count in enumerate(counts):
        drawn = photos.draw(person, wanted, rng(seed))
        assert (people[drawn] == person).all()
        times = np.unique(drawn, return_counts=True)[1]
        assert len(drawn) == wanted and len(times) == min(count, wanted) and np.ptp(times) <= 1


@pytest.mark.parametrize(
    ("people", "problem", "remedy"),
    [
        ([], "show no people, ", "add photos"),
        ([7, 7, 7], "show 1 person, ", "add photos"),
        ([0, 1, 2, 3], "Nobody has two photos, ", "add further photos"),
    ],
)
def test_people_that_nothing_can_be_learnt_from(people: list[int], problem: str, remedy: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        PhotosByPerson.of(np.array(people, np.int64), np.arange(len(people)))
    assert remedy in caught.value.remedy


# ------------------------------------------------------------------ pairs


@given(COUNTS, st.integers(1, 16), st.integers(0, 2**32))
def test_half_of_the_pairs_are_genuine_and_never_of_one_photo(counts: list[int], half: int, seed: int) -> None:
    assume(max(counts) > 1)
    people, photos = photos_with(counts)
    draw = PairSampler(photos, 2 * half).draw(rng(seed))
    assert draw.people.dtype == np.int32 and len(draw.rows) == 4 * half
    np.testing.assert_array_equal(draw.people, people[draw.rows])
    same = draw.people[0::2] == draw.people[1::2]
    assert same.sum() == half
    assert (draw.rows[0::2] != draw.rows[1::2]).all()
    again = PairSampler(photos, 2 * half).draw(rng(seed))
    np.testing.assert_array_equal(draw.rows, again.rows)


@given(st.lists(st.integers(1, 5), min_size=3, max_size=20).filter(lambda counts: sum(c > 1 for c in counts) > 1))
def test_pairs_of_composites_are_of_one_mixture_or_of_two(counts: list[int]) -> None:
    people, photos = photos_with(counts)
    draw = PairSampler(photos, 8, composites=0.5).draw(rng())
    labels = draw.people.reshape(-1, 2)
    same = np.arange(8) % 2 == 0
    np.testing.assert_array_equal(labels[:, 0] == labels[:, 1], same)
    taken = {composite.position: composite for composite in draw.composites}
    # The first two genuine pairs and the first two others; nobody is called what a composite is.
    assert sorted(taken) == list(range(8)) and labels[:4].min() > people.max() >= labels[4:].max()
    for position in (0, 4):
        one, other = taken[position], taken[position + 1]
        assert one.parts == other.parts and one.row != other.row and people[one.row] == people[other.row]
        assert people[one.row] != people[draw.rows[position]]
    assert len(set(labels[:4].ravel().tolist())) == 6


def test_genuine_people_are_drawn_by_the_root_of_their_count_and_impostors_alike() -> None:
    counts = [1, 4, 9, 16, 100]
    _, photos = photos_with(counts)
    draw = PairSampler(photos, 40_000).draw(rng())
    pairs = draw.people.reshape(-1, 2)
    genuine = pairs[pairs[:, 0] == pairs[:, 1], 0]
    shares = np.bincount(genuine, minlength=5) / len(genuine)
    np.testing.assert_allclose(shares, np.array([0, 2, 3, 4, 10]) / 19, atol=0.01)
    impostors = pairs[pairs[:, 0] != pairs[:, 1]]
    table = np.zeros((5, 5))
    np.add.at(table, tuple(impostors.T), 1 / len(impostors))
    np.testing.assert_allclose(table, (1 - np.eye(5)) / 20, atol=0.01)


def test_every_photo_of_a_person_is_drawn_alike() -> None:
    people, photos = photos_with([4, 4])
    draw = PairSampler(photos, 8_000).draw(rng())
    np.testing.assert_allclose(np.bincount(draw.rows) / len(draw.rows), 1 / len(people), atol=0.01)


def test_pairs_that_cannot_be_halved_are_refused() -> None:
    for pairs in (0, 7):
        with pytest.raises(ValueError, match="half"):
            PairSampler(photos_with([2, 2])[1], pairs)


# ------------------------------------------------------------------ people


@settings(deadline=None)
@given(COUNTS, st.integers(1, 12), st.integers(1, 5), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**32))
def test_a_batch_has_as_many_photos_of_as_many_people_as_asked(
    counts: list[int], wanted: int, each: int, composites: float, singles: float, seed: int
) -> None:
    assume(sum(count > 1 for count in counts) > 1 and len(counts) >= wanted)
    people, photos = photos_with(counts)
    draw = PeopleSampler(photos, wanted, each, composites, singles).draw(rng(seed))
    labels = draw.people.reshape(wanted, each)
    rows = draw.rows.reshape(wanted, each)
    assert (labels == labels[:, :1]).all() and len(set(labels[:, 0])) == wanted

    made_up = round(wanted * composites)
    is_made_up = labels[:, 0] > people.max()
    assert is_made_up.sum() == made_up
    np.testing.assert_array_equal(people[rows[~is_made_up]], labels[~is_made_up])

    # Each photo of a composite has its second photo, of one other person, for one set of parts.
    others = {item.position: item for item in draw.composites}
    assert sorted(others) == np.flatnonzero(np.repeat(is_made_up, each)).tolist()
    for place in np.flatnonzero(is_made_up).tolist():
        items = [others[place * each + photo] for photo in range(each)]
        parents = set(people[rows[place]]), set(people[[item.row for item in items]])
        assert [len(parent) for parent in parents] == [1, 1] and parents[0] != parents[1]
        assert len({item.parts for item in items}) == 1 and items[0].parts in PART_SETS


def test_the_shares_of_a_batch_are_those_asked() -> None:
    counts = [1] * 200 + [5] * 200
    people, photos = photos_with(counts)
    for seed in range(20):
        draw = PeopleSampler(photos, 40, 4).draw(rng(seed))
        labels = draw.people[::4]
        assert (labels > people.max()).sum() == 20
        assert (labels < 200).sum() == 4
        parents = people[draw.rows[labels.repeat(4) > people.max()]].tolist()
        parents += people[[item.row for item in draw.composites]].tolist()
        assert min(parents) >= 200 and len(set(parents)) == 40
        assert not set(parents) & set(labels.tolist())


def test_people_are_drawn_by_the_root_of_their_count() -> None:
    _, photos = photos_with([1, 4, 9, 16, 100])
    sampler = PeopleSampler(photos, 1, 1, composites=0, singles=0)
    generator = rng()
    drawn = [sampler.draw(generator).people[0] for _ in range(8_000)]
    np.testing.assert_allclose(np.bincount(drawn, minlength=5) / len(drawn), np.array([0, 2, 3, 4, 10]) / 19, atol=0.02)


def test_where_people_with_several_photos_are_few_single_photos_fill_the_batch() -> None:
    _, photos = photos_with([1] * 10 + [3] * 3)
    draw = PeopleSampler(photos, 8, 2, composites=0, singles=0.1).draw(rng())
    assert sorted(draw.people[::2] >= 10) == [False] * 5 + [True] * 3


def test_where_nobody_has_a_single_photo_the_others_fill_the_batch() -> None:
    _, photos = photos_with([3] * 10)
    assert len(set(PeopleSampler(photos, 10, 2, composites=0, singles=0.5).draw(rng()).people)) == 10


def test_too_few_people_for_a_batch() -> None:
    with pytest.raises(DataError, match=r"takes 5 people and the photos to train on show 4$") as caught:
        PeopleSampler(photos_with([3] * 4)[1], 5, 2)
    assert "smaller batches" in caught.value.remedy
    with pytest.raises(DataError, match="Only one person has two or more photos") as caught:
        PeopleSampler(photos_with([3, 1, 1, 1])[1], 4, 2)
    assert "add further photos" in caught.value.remedy


# ------------------------------------------------------------------ triplets


@given(st.integers(1, 20), st.integers(0, 2**32))
def test_anchor_and_positive_share_a_label_and_the_negative_has_another(count: int, seed: int) -> None:
    triplets = Triplets(np.arange(60).reshape(20, 3))
    draw = TripletSampler(triplets, count).draw(rng(seed))
    rows, labels = draw.rows.reshape(-1, 3), draw.people.reshape(-1, 3)
    assert len(set(rows[:, 0])) == count == len(rows)
    assert {tuple(row) for row in rows} <= {tuple(row) for row in triplets.rows}
    assert (labels[:, 0] == labels[:, 1]).all() and len(set(labels.ravel())) == 2 * count


@given(st.integers(1, 20), st.integers(0, 2**32))
def test_triplets_are_also_pairs_a_genuine_one_and_an_impostor(count: int, seed: int) -> None:
    triplets = Triplets(np.arange(60).reshape(20, 3))
    draw = TripletPairSampler(triplets, count).draw(rng(seed))
    rows, labels = draw.rows.reshape(-1, 2, 2), draw.people.reshape(-1, 2, 2)
    assert len(rows) == count
    for (genuine, impostor), (same, different) in zip(rows, labels, strict=True):
        assert (genuine[0], genuine[1], impostor[1]) in {tuple(row) for row in triplets.rows}
        assert genuine[0] == impostor[0] and same[0] == same[1] and different[0] != different[1]
    assert len(set(labels.ravel())) == 2 * count


def test_too_few_triplets_for_a_batch() -> None:
    with pytest.raises(DataError, match=r"takes 3 triplets and there are 2 to train on$") as caught:
        TripletSampler(Triplets(np.zeros((2, 3), np.int64)), 3)
    assert "smaller batches" in caught.value.remedy
    with pytest.raises(DataError, match=r"takes 3 triplets and there are 2"):
        TripletPairSampler(Triplets(np.zeros((2, 3), np.int64)), 3)


# ------------------------------------------------------------------ batches


@pytest.fixture(scope="module")
def chips() -> npt.NDArray[np.uint8]:
    return rng().integers(0, 256, (40, 112, 112, 3), np.uint8)


@pytest.fixture(scope="module")
def sampler() -> PeopleSampler:
    return PeopleSampler(photos_with([1] * 4 + [4] * 9)[1], 8, 2)


@pytest.fixture
def keras() -> object:
    return pytest.importorskip("keras")


@pytest.mark.usefixtures("keras")
class TestBatches:
    def test_a_batch_is_the_same_whatever_the_threads_and_the_order(
        self, chips: npt.NDArray[np.uint8], sampler: PeopleSampler
    ) -> None:
        from facerec_cli.training.batches import Batches

        one, many = (Batches(chips, sampler, Augmentation(), seed=3, threads=threads) for threads in (1, 4))
        in_order = [one[index] for index in range(6)]
        for index in (5, 0, 3, 4, 1, 2):
            for expected, found in zip(in_order[index], many[index], strict=True):
                np.testing.assert_array_equal(expected, found)
        assert len({batch[0].tobytes() for batch in in_order}) == 6
        found_chips, people = in_order[0]
        assert found_chips.dtype == np.uint8 and found_chips.shape == (16, 112, 112, 3)
        assert people.dtype == np.int32 and people.shape == (16,)
        assert (Batches(chips, sampler, Augmentation(), seed=4)[0][0] != in_order[0][0]).any()

    def test_composites_are_blended_and_the_chips_stay_as_they_are(
        self, chips: npt.NDArray[np.uint8], sampler: PeopleSampler
    ) -> None:
        from facerec_cli.training.batches import Batches

        before = chips.copy()
        found, people = Batches(chips, sampler, UNCHANGED, seed=5)[0]
        draw = sampler.draw(np.random.default_rng([5, 0]))
        expected = chips[draw.rows]
        for position, row, parts in draw.composites:
            expected[position] = composite(expected[position], chips[row], parts)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(people, draw.people)
        np.testing.assert_array_equal(chips, before)

    def test_a_memory_map_serves(self, chips: npt.NDArray[np.uint8], sampler: PeopleSampler, tmp_path: Path) -> None:
        from facerec_cli.training.batches import Batches

        np.save(tmp_path / "chips.npy", chips)
        mapped = np.load(tmp_path / "chips.npy", mmap_mode="r")
        batch = Batches(mapped, sampler, Augmentation(), seed=0)[0][0]
        assert type(batch) is np.ndarray
        np.testing.assert_array_equal(batch, Batches(chips, sampler, Augmentation(), seed=0)[0][0])

    @pytest.mark.parametrize("begun", [0, 1, 3])
    def test_a_training_sees_every_step_once_and_goes_on_where_it_stopped(
        self, begun: int, chips: npt.NDArray[np.uint8], sampler: PeopleSampler
    ) -> None:
        import keras

        from facerec_cli.training.batches import Batches
        from facerec_cli.training.heads import LossHead
        from facerec_cli.training.loop import Loop
        from facerec_cli.training.siamese import Siamese

        found, ends = [], []

        def loss(embeddings: object, people: object) -> object:
            found.append(np.asarray(keras.ops.convert_to_numpy(people)).ravel().astype(np.int32).tobytes())
            return keras.ops.mean(embeddings) * 0 + len(found)

        inputs = keras.Input((112, 112, 3))
        network = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(inputs)))
        model = Siamese(network, LossHead(loss))
        model.compile("sgd", run_eagerly=True)
        told = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append((epoch, logs["loss"])))
        batches = Batches(chips, sampler, UNCHANGED, seed=0, threads=2)
        Loop().fit(model, batches, steps=3, epochs=3, begun=begun, callbacks=[told])
        assert found == [batches.batch(step)[1].tobytes() for step in range(3 * begun, 9)]
        # The loss of a step is its number, and an epoch's the mean of three.
        assert ends == [(epoch, pytest.approx(2 + 3 * (epoch - begun))) for epoch in range(begun, 3)]
