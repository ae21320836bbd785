"""Batches, made ahead on several threads, and the same whatever the number of threads."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from facerec_cli.parallel import usable_cores
from facerec_cli.training.augmentation import Augmentation, augment
from facerec_cli.training.compositing import composite
from facerec_cli.training.sampling import Sampler

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]
"""Chips, uint8 [n, 112, 112, 3] RGB, and who they show, int32 [n]."""


class Batches:
    """The batches of a training by step. Seed, worker and step decide a batch, and nothing else does."""

    def __init__(
        self,
        chips: npt.NDArray[np.uint8],
        sampler: Sampler,
        augmentation: Augmentation,
        seed: int,
        threads: int | None = None,
        worker: int = 0,
    ) -> None:
        """Batches of these chips.

        Args:
            chips: uint8 [photos, 112, 112, 3], RGB; may be a memory map, of which only a batch's photos are read.
            sampler: draws rows of ``chips``.
            augmentation: how much chips are changed.
            seed: at least 0.
            threads: how many make batches; by default the cores that this process may use.
            worker: which of several processes that train together; each makes other batches.
        """
        self._chips, self._sampler, self._augmentation = chips, sampler, augmentation
        self._seed, self._worker = seed, worker
        threads = threads or usable_cores()
        self._ahead = 2 * threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="batches")
        self._made: dict[int, Future[Batch]] = {}

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step, counted from 0 since training began; those of the next steps are made meanwhile."""
        wanted = range(step, step + self._ahead)
        self._made = {number: self._made.get(number) or self._executor.submit(self.batch, number) for number in wanted}
        return self._made[step].result()

    def batch(self, step: int) -> Batch:
        """The batch of a step, made now."""
        generator = np.random.default_rng([self._seed, step, self._worker])
        rows, people, composites = self._sampler.draw(generator)
        chips = self._chips[rows]
        for position, row, parts in composites:
            chips[position] = composite(chips[position], np.asarray(self._chips[row]), parts)
        for position, chip in enumerate(chips):
            chips[position] = augment(chip, self._augmentation, generator)
        return chips, people
