"""Whether batches keep up with the network, and what a plain loop reaches; images a second, by turns in one process.

    python benchmarks/training.py LFW_FOLDER [--rounds 5] [--steps 20] [--bfloat16]

The default recipe's network trains on its own batches (composited and augmented), on one batch over and over, and as
tutorials do it: pairs of photos decoded and resized one by one, sixteen pairs a batch.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable, Iterator
from itertools import count, islice, repeat
from pathlib import Path
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np

from facerec_cli.datasets.chips import ChipSet, load_chips
from facerec_cli.training.batches import Batch, Batches
from facerec_cli.training.build import build_head, build_network, build_sampler
from facerec_cli.training.data import divide
from facerec_cli.training.recipe import load_recipe
from facerec_cli.training.siamese import Siamese

PAIRS = 16


def tutorial(chips: ChipSet, rows: list[int]) -> Iterator[Batch]:
    """Random pairs of photos, decoded and resized one by one."""
    generator = np.random.default_rng(0)
    while True:
        chosen = generator.choice(rows, 2 * PAIRS)
        photos = []
        for row in chosen:
            image = cv2.imread(str(chips.folder / chips.photos[row]), cv2.IMREAD_COLOR_RGB)
            assert image is not None
            photos.append(cv2.resize(image, (112, 112)))
        yield np.stack(photos), np.repeat(np.arange(PAIRS, dtype=np.int32), 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--bfloat16", action="store_true")
    arguments = parser.parse_args()
    chips = load_chips(arguments.lfw.resolve())
    recipe = load_recipe("siamese")
    recipe = recipe.in_bfloat16() if arguments.bfloat16 else recipe
    data = divide(chips, 0.9, seed=0)
    model = Siamese(build_network(recipe), build_head(recipe, people=0))
    model.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9), jit_compile=False)

    def ours() -> Iterator[Batch]:
        batches = Batches(chips.chips, build_sampler(recipe, data.source), recipe.augmentation, seed=0)
        return map(batches.__getitem__, count())

    sources: dict[str, Callable[[], Iterator[Batch]]] = {
        "facerec's batches": ours,
        "one batch, in memory": lambda: repeat(next(ours())),
        "plain loop, 16 pairs": lambda: tutorial(chips, data.source.rows.ravel().tolist()),
    }
    rates: dict[str, list[float]] = {name: [] for name in sources}
    for turn in range(arguments.rounds + 1):
        for name, source in sources.items():
            batches = source()
            time.sleep(1)  # until nothing is made ahead any more by the source before
            images, start = 0, time.perf_counter()
            for batch in islice(batches, arguments.steps):
                model.train_on_batch(*batch)
                images += len(batch[0])
            if turn:  # the first is for warming up
                rates[name].append(images / (time.perf_counter() - start))
    for name, own in rates.items():
        ratios = [ours / other for ours, other in zip(rates["facerec's batches"], own, strict=True)]
        print(f"{name:22} {median(own):7.0f} images/s   facerec's are {median(ratios):.2f} x")
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:7.2f} GB")


if __name__ == "__main__":
    main()
