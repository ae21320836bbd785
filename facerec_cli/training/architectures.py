"""The networks that a recipe can name, and all that the rest of training asks about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSpec:
    """A network.

    Attributes:
        module: of this package; imported when it is built, since it needs Keras.
        function: that builds it.
        takes_grey: it has the option ``grey``.
        has_regions: it has the option ``regions``: a network for each region of the face.
        is_trained: it begins with weights that were trained on other data, and can keep all but its last layer.
    """

    module: str
    function: str
    takes_grey: bool = True
    has_regions: bool = False
    is_trained: bool = False


NETWORKS: Mapping[str, NetworkSpec] = {
    "koch": NetworkSpec("networks", "koch"),
    "plain": NetworkSpec("networks", "plain"),
    "residual": NetworkSpec("networks", "residual", has_regions=True),
    "pretrained": NetworkSpec("pretrained", "pretrained", takes_grey=False, is_trained=True),
}
"""By the name that recipes call them."""
