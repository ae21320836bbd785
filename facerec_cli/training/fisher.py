"""Fitting a dictionary of visual words, and what of its Fisher vectors tells people apart, to the photos trained on."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from facerec_cli.errors import DataError
from facerec_cli.training.descriptors import COMPRESSED, fisher_network
from facerec_cli.training.dictionary import Dictionary
from facerec_cli.training.plda import plda
from facerec_cli.training.wording import counted

Floats = npt.NDArray[np.float32]
Chips = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]

_PHOTOS = 2_000
"""Most photos whose descriptors the words are fitted to."""
_VECTORS = 10_000
"""Most photos whose Fisher vectors are held at once, to find their components: 680 MB of 256 words."""
_DESCRIPTORS = 100_000
"""How many of these, about."""
_ROUNDS = 30
"""Of expectation maximisation: further ones move the words and not the accuracy."""
_LEAST_VARIANCE = 1e-5
_COMPONENTS = 300
"""Of a Fisher vector, at most; more fit the people trained on, and the others less."""
_TO_A_COMPONENT = 4
"""Photos beyond each person's first that a component takes."""
_BATCH = 64


def fit(
    dictionary: Dictionary,
    chips: Chips,
    rows: Rows,
    people: npt.NDArray[np.integer],
    seed: int,
    name: str = "fisher",
) -> keras.Model:
    """Fit a dictionary.

    Args:
        dictionary: which.
        chips: uint8 [photos, 112, 112, 3] RGB.
        rows: int64 [n], the photos to fit to.
        people: int [n], who each of them shows; somebody has two.
        seed: of everything random.
        name: of the network; those side by side in one have names of their own.

    Returns:
        Chips to embeddings of unit length, float32 [n, size].

    Raises:
        DataError: the photos are too few.
    """
    network = fisher_network(dictionary, name)
    _fit_words(network, chips, rows, seed)
    gathered = keras.Model(network.input, network.get_layer("fisher_vector").output)
    order = np.random.default_rng(seed).permutation(len(rows))
    vectors = _outputs(gathered, chips, rows[order[:_VECTORS]]).reshape(min(len(rows), _VECTORS), -1)
    spare = len(rows) - len(np.unique(people))
    kept = max(1, min(_COMPONENTS, spare // _TO_A_COMPONENT, *vectors.shape))
    analysis = PCA(kept, svd_solver="randomized", random_state=seed).fit(vectors)
    components = [analysis.transform(vectors)]
    for at in range(_VECTORS, len(rows), _BATCH):
        further = _outputs(gathered, chips, rows[order[at : at + _BATCH]])
        components.append(analysis.transform(further.reshape(len(further), -1)))
    kernel, offset = plda(np.concatenate(components), people[order], dictionary.size)
    kernel = analysis.components_.T @ kernel
    network.get_layer("projection").set(kernel, offset - analysis.mean_ @ kernel)
    return network


def _fit_words(network: keras.Model, chips: Chips, rows: Rows, seed: int) -> None:
    """Fit what compresses descriptors, and the words, to some of the photos' descriptors."""
    generator = np.random.default_rng(seed)
    compressed, words = network.get_layer("compressed"), network.get_layer("fisher_vector")
    chosen = np.sort(generator.permutation(rows)[:_PHOTOS])
    count = compressed.input.shape[1]
    if len(chosen) * count < max(COMPRESSED, words.words):
        raise DataError(
            f"{counted(len(chosen), 'photo')} give {len(chosen) * count:,} descriptors, and a dictionary of "
            f"{counted(words.words, 'word')} takes {max(COMPRESSED, words.words):,}",
            "add photos, or choose fewer words",
        )
    each = -(-_DESCRIPTORS // len(chosen))
    taken = np.stack([generator.permutation(count)[:each] for _ in chosen])
    describe = keras.Model(network.input, compressed.input)
    found = np.concatenate(
        [
            np.take_along_axis(
                _outputs(describe, chips, chosen[at : at + _BATCH]), taken[at : at + _BATCH, :, None], axis=1
            )
            for at in range(0, len(chosen), _BATCH)
        ]
    ).reshape(taken.size, -1)
    analysis = PCA(COMPRESSED, svd_solver="covariance_eigh").fit(found)
    compressed.mean.assign(analysis.mean_)
    compressed.basis.assign(analysis.components_.T)
    places = ops.convert_to_numpy(compressed.places)[taken.ravel()]
    mixture = GaussianMixture(
        words.words,
        covariance_type="diag",
        max_iter=_ROUNDS,
        init_params="k-means++",
        reg_covar=_LEAST_VARIANCE,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(np.concatenate([analysis.transform(found), places], axis=1))
    words.set(mixture.weights_, mixture.means_, mixture.covariances_)


def _outputs(network: keras.Model, chips: Chips, rows: Rows) -> Floats:
    """What a network makes of the chips in some rows."""
    outputs = np.empty((len(rows), *network.output_shape[1:]), np.float32)
    for at in range(0, len(rows), _BATCH):
        outputs[at : at + _BATCH] = network.predict_on_batch(np.asarray(chips[rows[at : at + _BATCH]]))
    return outputs
