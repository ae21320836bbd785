"""Several devices train one model: the GPUs of one machine, or of several, by TensorFlow's ``tf.distribute``.

Training calls TensorFlow nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from facerec_cli.errors import LostMachineError, MachinesError
from facerec_cli.training.batches import Batches
from facerec_cli.training.distances import Tensor
from facerec_cli.training.loop import Loop
from facerec_cli.training.machines import Machines
from facerec_cli.training.siamese import Siamese


class DistributedLoop(Loop):
    """Learns on several devices, each from its own share of a batch: all follow the mean of their gradients.

    So their weights stay equal. The moving means of batch norm do not: those of the first device are what is kept.
    """

    def __init__(self, machines: Machines | None = None) -> None:
        """Take all GPUs, or all CPUs where there are none; waits until all machines have come so far.

        Args:
            machines: those of TF_CONFIG; by default this one alone.

        Raises:
            MachinesError: the others cannot be joined.
        """
        if machines:
            # Nothing may run on TensorFlow before: it takes in the others' devices when it starts.
            try:
                self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
            except (tf.errors.OpError, RuntimeError) as error:
                raise MachinesError(
                    f"This machine cannot join those that TF_CONFIG names ({str(error).splitlines()[0]})",
                    "give it a HOST:PORT of its own that is free and that the others reach",
                ) from error
        else:
            # Named, since by itself TensorFlow takes other machines' too where there is a TF_CONFIG.
            self._strategy = tf.distribute.MirroredStrategy(
                tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            )
        machines = machines or Machines()
        self.worker = machines.index
        self.replicas = self._strategy.num_replicas_in_sync
        self.here = self.replicas // machines.count

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    @contextmanager
    def learning(self) -> Iterator[None]:
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
            raise LostMachineError(
                "Another machine's training has ended, and this one's with it",
                "see what it says there, and start all of them again",
            ) from error

    def _agree(self, model: Siamese, begun: int) -> int:
        # What the chief has read from its checkpoint: the others may not have its disk.
        variables = [*model.variables, *model.optimizer.variables]
        done, *values = self._from_chief([begun, *(variable.numpy() for variable in variables)])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return int(done)

    def _losses(self, model: Siamese, batches: Batches, begun: int) -> Iterator[float]:
        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def step(data: Any) -> Tensor:
            return self._strategy.reduce("MEAN", self._strategy.run(learn, next(data)), axis=None)

        def learn(chips: Tensor, people: Tensor) -> Tensor:
            with tf.GradientTape() as tape:
                loss = model.compute_loss(y=people, y_pred=model(chips, training=True))
                # The optimiser adds up what the devices bring.
                share = loss / self.replicas
            model.optimizer.apply(tape.gradient(share, model.trainable_variables), model.trainable_variables)
            return loss

        data = iter(self._dataset(batches, begun * self.here))
        while True:
            yield float(step(data))

    def _is_over(self, model: Siamese) -> bool:
        (is_over,) = self._from_chief([int(model.stop_training)])
        return bool(is_over)

    def _dataset(self, batches: Batches, begun: int) -> tf.distribute.DistributedDataset:
        """A batch for each device in turn, without end: its end would have to be agreed on at every step."""
        signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in batches[begun])

        def here(context: tf.distribute.InputContext) -> tf.data.Dataset:
            dataset = tf.data.Dataset.from_generator(
                lambda: map(batches.__getitem__, count(begun)), output_signature=signature
            )
            endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
            return dataset.apply(endless).prefetch(self.here)

        return self._strategy.distribute_datasets_from_function(here)

    def _from_chief(self, values: Sequence[Any]) -> list[npt.NDArray[Any]]:
        """The chief's numbers, in every process."""
        arrays = [np.asarray(value) for value in values]
        if self.here == self.replicas:
            return arrays
        # As one vector, since devices do not send integers and floats together; a double holds either exactly.
        sent = self._send(tf.constant(np.concatenate([array.ravel() for array in arrays]).astype(np.float64)))
        received = self._strategy.experimental_local_results(sent)[0].numpy()
        parts = np.split(received, np.cumsum([array.size for array in arrays])[:-1])
        return [part.reshape(array.shape).astype(array.dtype) for part, array in zip(parts, arrays, strict=True)]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def _send(self, own: Tensor) -> Tensor:
        """The first device's vector, on every device."""

        def send() -> Tensor:
            context = tf.distribute.get_replica_context()
            is_first = tf.equal(context.replica_id_in_sync_group, 0)
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(is_first, own, tf.zeros_like(own)))

        return self._strategy.run(send)
