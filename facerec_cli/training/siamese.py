"""A network and what it learns by, as one Keras model."""

from __future__ import annotations

import keras
from keras import ops

from facerec_cli.training.distances import Tensor
from facerec_cli.training.heads import Head


class Siamese(keras.Model):  # type: ignore[misc]
    """A network and its head, as Keras trains them."""

    def __init__(self, network: keras.Model, head: Head) -> None:
        """Join them.

        Args:
            network: chips, uint8 [n, 112, 112, 3] RGB, to embeddings, float [n, d].
            head: embeddings and people to the loss.
        """
        super().__init__()
        self.network, self.head = network, head

    def call(self, chips: Tensor, training: bool | None = None) -> Tensor:
        return self.network(chips, training=training)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        return self.head(ops.cast(y_pred, "float32"), y) + sum(self.network.losses)
