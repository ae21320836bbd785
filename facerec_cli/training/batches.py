"""Batches for Keras, made ahead on several threads, and the same whatever the number of threads."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import keras
import numpy as np
import numpy.typing as npt

from facerec_cli.parallel import usable_cores
from facerec_cli.training.augmentation import Augmentation, augment
from facerec_cli.training.compositing import composite
from facerec_cli.training.sampling import Sampler

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]
"""Chips, uint8 [n, 112, 112, 3] RGB, and who they show, int32 [n]."""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch. A batch is decided by seed, worker and steps since training began, and nothing else.

    ``fit`` needs ``shuffle=False``, or it asks for the steps in an order of its own, and ``callback``, which sets the
    epoch, so that ``fit(initial_epoch=…)`` goes on where it stopped.

    Threads are our own, since Keras's lose the order: where ``fit`` looks at a batch before the first epoch, as it does
    on JAX and Torch, what it had made ahead comes first in that epoch (``OrderedEnqueuer``, Keras 3.15).
    """

    def __init__(
        self,
        chips: npt.NDArray[np.uint8],
        sampler: Sampler,
        augmentation: Augmentation,
        steps: int,
        seed: int,
        threads: int | None = None,
        worker: int = 0,
    ) -> None:
        """Batches of these chips.

        Args:
            chips: uint8 [photos, 112, 112, 3], RGB; may be a memory map, of which only a batch's photos are read.
            sampler: draws rows of ``chips``.
            augmentation: how much chips are changed.
            steps: batches in an epoch.
            seed: at least 0.
            threads: how many make batches; by default the cores that this process may use.
            worker: which of several processes that train together; each makes other batches.
        """
        super().__init__(workers=1, use_multiprocessing=False)
        self.epoch = 0
        self.callback = keras.callbacks.LambdaCallback(on_epoch_begin=self._begin)
        self._chips, self._sampler, self._augmentation = chips, sampler, augmentation
        self._steps, self._seed, self._worker = steps, seed, worker
        threads = threads or usable_cores()
        self._ahead = 2 * threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="batches")
        self._made: dict[int, Future[Batch]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> Batch:
        step = self.epoch * self._steps + index
        wanted = range(step, step + self._ahead)
        with self._lock:
            # Whatever is not wanted next belongs to an epoch that was left.
            self._made = {
                number: self._made.get(number) or self._executor.submit(self.batch, number) for number in wanted
            }
            asked = self._made[step]
        return asked.result()

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0 since training began."""
        generator = np.random.default_rng([self._seed, step, self._worker])
        rows, people, composites = self._sampler.draw(generator)
        chips = self._chips[rows]
        for position, row, parts in composites:
            chips[position] = composite(chips[position], np.asarray(self._chips[row]), parts)
        for position, chip in enumerate(chips):
            chips[position] = augment(chip, self._augmentation, generator)
        return chips, people

    def _begin(self, epoch: int, logs: object = None) -> None:
        self.epoch = epoch
