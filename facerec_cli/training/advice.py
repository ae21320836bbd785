"""What a person should know of a trained model: how good it is beside the bundled one, and what to do next."""

from __future__ import annotations

from facerec_cli.evaluation.measuring import title
from facerec_cli.evaluation.results import Evaluation, written
from facerec_cli.training.wording import counted

_FEW = 500
"""People; with fewer a network learns little that holds for others."""
_MEASURE = "equal error rate"


def advice(evaluation: Evaluation, people: int, best_epoch: int, *, from_scratch: bool) -> list[str]:
    """Sentences, the most important first.

    Args:
        evaluation: of the model and the bundled one, in this order; its last protocol is what is told.
        people: how many were trained on; 0 where nobody knows.
        best_epoch: the one that was kept; 0 is the network as it came.
        from_scratch: whether it began with an untrained network.
    """
    protocol = evaluation.protocols[-1]
    own, bundled = evaluation.estimates(protocol)[_MEASURE]
    name, other = evaluation.models
    whom = "people it has not seen" if people else "photos it has not seen"
    told = [
        f"Of pairs of {whom} ({title(protocol)}) {name} is wrong on {written(_MEASURE, own)}, and "
        f"{other} on {written(_MEASURE, bundled)}, each where it takes as many strangers for one person as it misses "
        "people."
    ]
    low, high = own.minus(bundled).interval
    if best_epoch == 0:
        told.append(f"No epoch was better than {other}, so that {name} is {other}: these photos do not teach it more.")
    elif low > 0:
        told.append(f"{other} is better: identify with {other}, unless training is the point.")
    elif high < 0:
        told.append(f"{name} is better on people like these: identify with {name}.")
    else:
        told.append(
            f"These pairs do not tell which is better: take {other}, which has seen more kinds of people, or measure "
            "on more of them."
        )
    if from_scratch and not high < 0:
        told.append(
            f"Where photos are unlike the web's, the recipe finetune goes on from {other} and needs fewer people."
        )
    if people and people < _FEW:
        told.append(
            f"It learned from {counted(people, 'person', 'people')}, which are few: what helps most is more people "
            "with two photos or more."
        )
    return told
