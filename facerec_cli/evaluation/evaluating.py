"""Evaluate models on a data set: choose protocols, embed the photos they need, measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.defaults import CPU, DEFAULT_FMR
from facerec_cli.encoders.bundle import CALIBRATION_PEOPLE, TRAINING_PEOPLE, VALIDATION_PEOPLE, Bundle
from facerec_cli.encoders.encoder import encode_all, mirror_image
from facerec_cli.errors import DataError, UnsuitableProtocolError
from facerec_cli.evaluation.breakdown import Breakdown
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.measuring import Protocol
from facerec_cli.evaluation.mislabelled import find_mislabelled
from facerec_cli.evaluation.protocols import LFW_PROTOCOLS, PROTOCOLS, Exclusions, identifications
from facerec_cli.evaluation.results import Evaluation
from facerec_cli.parallel import OrderedMap, ordered_map


@dataclass(frozen=True)
class Choice:
    """The protocols that a data set serves for some models, why the others are not among them, and who is unseen.

    Attributes:
        protocols: ready to be measured.
        refused: why others are not.
        unseen: the people whom no model was trained or calibrated on.
    """

    protocols: list[Protocol]
    refused: list[DataError]
    unseen: list[str]


def choose_protocols(
    chips: ChipSet, bundles: Iterable[Bundle], name: str | None = None, photos: Sequence[int] = (1,)
) -> Choice:
    """Set up protocols for models, so that none meets people whom it has seen.

    Args:
        chips: the data set's.
        bundles: the models.
        name: the one protocol wanted, a key of ``PROTOCOLS``; by default all that there are for the data.
        photos: photos a person to identify from; each is a protocol of its own, on the same people.

    Raises:
        DamagedModelError: a model's list of people is damaged.
        DataError: the data serve no protocol, or not the one wanted.
    """
    if name is not None and name not in PROTOCOLS:
        raise UnsuitableProtocolError(
            f"There is no protocol named {name!r}", f"choose one of those there are ({', '.join(PROTOCOLS)})"
        )
    seen = Exclusions()
    for bundle in bundles:
        seen = Exclusions(
            seen.trained | bundle.people(TRAINING_PEOPLE), seen.calibrated | bundle.people(CALIBRATION_PEOPLE)
        )
    choice = Choice([], [], [name for name in chips.rows_of if name not in seen.trained | seen.calibrated])
    for known in [name] if name else [one for one in PROTOCOLS if chips.is_lfw or one not in LFW_PROTOCOLS]:
        makers: Sequence[Callable[[], Protocol]] = [partial(PROTOCOLS[known], chips, seen)]
        if known == "identification":
            makers = identifications(chips, seen, photos)
        for make in makers:
            try:
                choice.protocols.append(make())
            except DataError as error:
                choice.refused.append(error)
    if not choice.protocols:
        raise choice.refused[0]
    return choice


def judges_of_training(chips: ChipSet, bundle: Bundle) -> frozenset[str]:
    """The people of a data set who chose a model's best epoch: where they take part, its numbers are a little too good.

    Raises:
        DamagedModelError: the model's list of people is damaged.
    """
    return frozenset(bundle.people(VALIDATION_PEOPLE) & chips.rows_of.keys())


def embed_rows(
    bundle: Bundle,
    chips: ChipSet,
    probes: Sequence[int],
    enrolled: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
    spread: OrderedMap = ordered_map,
    device: str = CPU,
) -> Looks:
    """Embed some photos of a data set.

    Args:
        bundle: the model.
        chips: the data set's.
        probes: which photos as they are asked about.
        enrolled: which of those also as they are enrolled.
        progress: told how many are done, of how many.
        spread: where the work is done.
        device: what embeds, as ``load_encoder`` takes it.

    Returns:
        The rows of the others are NaN.

    Raises:
        DamagedModelError: the model cannot be loaded.
        DependencyError: the device is not installed.
    """
    from facerec_cli.encoders.onnx_encoder import load_encoder  # noqa: PLC0415 - ONNX Runtime takes long to import

    encoder = load_encoder(bundle, device, len(probes) + len(enrolled))
    looks = Looks(*(np.full((len(chips.photos), encoder.size), np.nan, np.float32) for _ in range(2)))
    total = len(probes) + len(enrolled)

    def embedded(done: int, _: int) -> None:
        if progress:
            progress(before + done, total)

    before = 0
    looks.probes[probes] = encode_all(encoder, (chips.chips[row] for row in probes), len(probes), embedded, spread)
    looks.enrolled[enrolled] = looks.probes[enrolled]
    before, metric = len(probes), bundle.load_metric()
    if not metric.adds_views:
        embedded(len(enrolled), len(enrolled))
    else:  # what ``encoders.encoder.enrolling`` gives, without embedding the face itself again
        images = (mirror_image(chips.chips[row]) for row in enrolled)
        mirrored = encode_all(encoder, images, len(enrolled), embedded, spread)
        looks.enrolled[enrolled] = metric.scaled(looks.probes[enrolled] + mirrored)
    return looks


def evaluate(
    models: Mapping[str, Bundle],
    chips: ChipSet,
    protocols: Sequence[Protocol],
    progress: Callable[[int, int], None] | None = None,
    measured: Callable[[Evaluation, Protocol], None] | None = None,
    breakdowns: Sequence[Breakdown] = (),
    spread: OrderedMap = ordered_map,
    device: str = CPU,
) -> Evaluation:
    """Measure models in protocols, and look for wrong names among the photos that these need.

    Those are looked for by the first model whose distance is one of inner products: others take too long.

    Args:
        models: by what to call them; differences are to the first.
        chips: the data set's.
        protocols: from ``choose_protocols`` for these models.
        progress: told how many photos are embedded, of how many, each once for each model.
        measured: told of each protocol in which all models are measured, with the results so far.
        breakdowns: people's groups, by which results are told too.
        spread: where photos are embedded.
        device: what embeds them, as ``load_encoder`` takes it.

    Raises:
        DependencyError: the device is not installed.
        ModelError: a model, or its calibration, is damaged.
        UnsuitableModelError: a model gives embeddings that are not numbers.
    """
    enrolled = np.unique(np.concatenate([protocol.enrolled() for protocol in protocols]))
    used = [protocol.rows() for protocol in protocols]
    used += [breakdown.rows(protocol) for breakdown in breakdowns for protocol in protocols]
    # All of them as they are asked about too: wrong names are looked for among all.
    rows = np.unique(np.concatenate([enrolled, *used]))
    photos = len(rows) + len(enrolled)
    ready = []
    for place, bundle in enumerate(models.values()):
        before = place * photos

        def embedded(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, len(models) * photos)

        looks = embed_rows(bundle, chips, rows.tolist(), enrolled.tolist(), embedded, spread, device)
        ready.append((looks, bundle.load_metric(), bundle.calibration))
    evaluation = Evaluation(chips, list(models))
    for protocol in protocols:
        for looks, metric, calibration in ready:
            result = protocol.measure(looks, metric, calibration)
            for breakdown in breakdowns:
                result = breakdown.added(result, protocol, looks.probes, metric, calibration)
            evaluation.add(protocol, result)
        if measured:
            measured(evaluation, protocol)
    for model, (looks, metric, calibration) in zip(models, ready, strict=True):
        if metric.server_order:
            threshold = calibration.photos.threshold(DEFAULT_FMR) if calibration else float("inf")
            evaluation.mislabelled = find_mislabelled(model, looks.probes, chips.people, rows, metric, threshold)
            break
    return evaluation
