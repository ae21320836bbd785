"""The dictionaries of a training: fitted once, and kept beside its checkpoint."""

from __future__ import annotations

from pathlib import Path

import keras

from facerec_cli.errors import CheckpointError
from facerec_cli.files import refusal
from facerec_cli.training.checkpoint import damaged, save_weights
from facerec_cli.training.data import TrainingData
from facerec_cli.training.descriptors import fisher_network
from facerec_cli.training.fisher import fit
from facerec_cli.training.history import TrainingWatcher
from facerec_cli.training.recipe import Recipe
from facerec_cli.training.wording import counted


def fitted_dictionaries(
    recipe: Recipe, data: TrainingData, work: Path, watcher: TrainingWatcher, seed: int
) -> list[keras.Model]:
    """A recipe's dictionaries, from the folder of its checkpoint where they are there, otherwise fitted.

    Returns:
        Chips, uint8 [n, 112, 112, 3] RGB, to embeddings of unit length, float32 [n, d], each.

    Raises:
        DataError: the photos are too few.
        CheckpointError, DamagedCheckpointError: one cannot be written or read.
    """
    networks = []
    for number, dictionary in enumerate(recipe.dictionaries, start=1):
        path, name = work / f"dictionary-{number}.weights.h5", f"dictionary_{number}"
        if path.exists():
            network = fisher_network(dictionary, name)
            try:
                network.load_weights(path)
            except (OSError, ValueError, KeyError) as error:
                raise damaged(work, error) from error
        else:
            photos, people = data.source.labelled
            watcher.noted(
                f"Fitting dictionary {number} of {len(recipe.dictionaries)} to {counted(len(photos), 'photo')}: "
                f"{counted(dictionary.words, 'visual word')}, and what of them tells people apart."
            )
            network = fit(dictionary, data.chips.chips, photos, people, seed, name)
            try:
                work.mkdir(parents=True, exist_ok=True)
                save_weights(network, path)
            except OSError as error:
                reason, remedy = refusal(error)
                raise CheckpointError(f"The dictionary in {work} cannot be written, {reason}", remedy) from error
        networks.append(network)
    return networks
