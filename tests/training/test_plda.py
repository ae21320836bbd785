from __future__ import annotations

import numpy as np

from facerec_cli.training.plda import plda

COUNT, EACH, SIZE = 300, 5, 6
BETWEEN = np.diag([4.0, 2.0, 1.0, 0.0, 0.0, 0.0])


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of people who differ in three of six directions, all seen through a matrix: vectors, people, matrix."""
    generator = np.random.default_rng(seed)
    own = generator.normal(size=(COUNT, SIZE)) @ np.sqrt(BETWEEN)
    vectors = np.repeat(own, EACH, axis=0) + generator.normal(size=(COUNT * EACH, SIZE))
    seen = generator.normal(size=(SIZE, SIZE))
    return vectors @ seen + 7, np.repeat(np.arange(COUNT), EACH), seen


def test_what_differs_between_people_is_kept_by_how_much_it_tells_them_apart() -> None:
    vectors, people, seen = drawn()
    kernel, offset = plda(vectors, people, SIZE)
    # In the space that the vectors were drawn in the answer is known: ψ / (1 + 2ψ), whatever the axes.
    inner = seen @ kernel @ kernel.T @ seen.T
    ratio = np.diag(BETWEEN)
    np.testing.assert_allclose(inner, np.diag(ratio / (1 + 2 * ratio)), atol=0.05)
    np.testing.assert_allclose((vectors @ kernel + offset).mean(axis=0), 0, atol=1e-9)


def test_the_likelihood_ratio_orders_pairs_as_its_inner_product_does_where_lengths_agree() -> None:
    vectors, people, seen = drawn()
    kernel, _ = plda(vectors, people, SIZE)
    same, other = np.eye(SIZE) + BETWEEN, BETWEEN
    joint = np.linalg.inv(np.block([[same, other], [other, same]]))
    alone = np.linalg.inv(np.block([[same, 0 * other], [0 * other, same]]))
    ratio = (alone - joint)[:SIZE, SIZE:] / 2  # half of the cross terms of the two Gaussians' exponents
    np.testing.assert_allclose(seen @ kernel @ kernel.T @ seen.T, 2 * ratio, atol=0.05)


def test_what_is_wanted_beyond_what_is_there_is_zero() -> None:
    vectors, people, _ = drawn()
    kernel, _ = plda(vectors, people, 9)
    assert kernel.shape == (SIZE, 9) and not kernel[:, SIZE:].any() and kernel[:, 0].any()


def test_a_person_of_many_photos_does_not_decide_how_people_vary() -> None:
    vectors, people, seen = drawn()
    crowd = (np.random.default_rng(1).normal(size=(500, SIZE)) * [3, 1, 1, 1, 1, 1]) @ seen + 7

    def inner(vectors: np.ndarray, people: np.ndarray) -> np.ndarray:
        kernel, _ = plda(vectors, people, SIZE)
        return np.asarray(seen @ kernel @ kernel.T @ seen.T)

    alone = inner(vectors, people)
    among = inner(np.concatenate([vectors, crowd]), np.concatenate([people, np.full(500, COUNT)]))
    # By their plain count they would take half of what that direction tells.
    assert 0.75 * alone[0, 0] < among[0, 0] < alone[0, 0]


def test_copies_of_one_photo_end_in_numbers() -> None:
    kernel, offset = plda(np.repeat(np.random.default_rng(0).normal(size=(9, 4)), 2, axis=0), np.arange(18) // 2, 4)
    assert np.isfinite(kernel).all() and np.isfinite(offset).all()
