"""Measuring and fitting a model's calibration on people that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.datasets.lfw import everybody
from facerec_cli.defaults import MODELS
from facerec_cli.encoders.bundle import BUNDLED, CALIBRATION_PEOPLE, TRAINING_PEOPLE, Bundle, write_bundle
from facerec_cli.encoders.calibration import EXPONENTIAL, Calibration, Evidence, Source, Tail
from facerec_cli.encoders.encoder import Embeddings
from facerec_cli.encoders.metric import Metric
from facerec_cli.errors import DataError
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.impostors import Draw, Reader, impostor_draws, rank
from facerec_cli.evaluation.pairs import MOST_PHOTOS, pair_distances
from facerec_cli.evaluation.strangers import check_promise

MIN_PAIRS = 50
"""Fewest impostor pairs that a rate is read off from."""
MIN_PEOPLE = 200
"""Fewest people to calibrate on: of LFW, 200 let 0 to 2.4 % of strangers through where 1 % is asked."""
PROTOCOL = f"people drawn with repetition, one photo each, all pairs; genuine: at most {MOST_PHOTOS} photos a person"
_TAIL_PAIRS = 20
"""Fewest impostor pairs behind a quantile that the tail is fitted to."""
_RAREST_FITTED = 1e-5
"""The tail is fitted no deeper: of LFW's millionth closest pairs half are one person under two names."""
_SLOPE_SAMPLE = 50_000
"""Impostor pairs of a draw that the logistic is fitted to."""
_SHAPES = np.linspace(-0.5, 0.5, 201)
"""Shapes of the tail that are tried; at -0.5 and beyond the fit would end at the closest pair seen."""
_PRECISION = 1e-6
"""Of distances."""


class UncalibratableError(ValueError):
    """A model cannot be calibrated on some people: why, as a clause, and what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        """Describe it; both are clauses."""
        super().__init__(problem)
        self.remedy = remedy


def calibrate_model(
    bundle: Bundle, chips: ChipSet, folder: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> Bundle:
    """Calibrate a model on the people of a data set that it was not trained on, and write it.

    Of LFW they are those of View 1's peopleDevTrain, so that View 1 and the others can be reported.

    Args:
        bundle: the model.
        chips: the data set's.
        folder: where the calibrated model goes; by default where the model lies, and for a bundled one ``models``.
        progress: told how many photos are embedded, of how many.

    Returns:
        The calibrated model.

    Raises:
        DataError: the model cannot be calibrated on the people.
        ModelError: the model cannot be loaded, or not written.
    """
    # Before anything is taken over, and before the long work.
    others = bundle.others()
    trained = bundle.people(TRAINING_PEOPLE)
    names = chips.rows_of.keys() - trained
    if chips.is_lfw:
        names &= {person.name for person in everybody() if person.view1 == "train"}
    people = sorted(names)
    rows = [chips.rows_of[name] for name in people]
    embeddings = embed_rows(bundle, chips, sorted(row for own in rows for row in own), progress)
    data = f"{chips.folder.name}, the people of View 1's peopleDevTrain" if chips.is_lfw else chips.folder.name
    data += " whom it was not trained on" if trained else ""
    metric = bundle.load_metric()
    try:
        calibration = calibrate_people(embeddings, rows, metric, Source("model", data, len(people)))
    except UncalibratableError as error:
        raise DataError(
            f"{chips.folder} has {len(people):,} people to calibrate on, and {error}", error.remedy
        ) from error
    others[CALIBRATION_PEOPLE] = "".join(f"{name}\n" for name in people).encode(errors="surrogateescape")
    home = Path(MODELS) / bundle.folder.name if bundle.folder.parent == BUNDLED else bundle.folder
    return write_bundle(
        folder or home,
        bundle.encoder_bytes(),
        embedding_size=bundle.embedding_size,
        metric=metric,
        calibration=calibration,
        about=bundle.about,
        others=others,
    )


def calibrate_people(
    embeddings: Embeddings, rows: Sequence[Sequence[int]], metric: Metric, source: Source, slope: float | None = None
) -> Calibration:
    """Calibrate on people, and check on them the rule for k photos a person.

    Args:
        embeddings: float32 [photos, d].
        rows: the rows of each person's photos.
        metric: the model's.
        source: who they are.
        slope: of the logistic, where the genuine pairs are too few to fit one.

    Raises:
        UncalibratableError: people or photos are too few, or the model tells nobody apart.
    """
    if len(rows) < MIN_PEOPLE:
        raise UncalibratableError(f"it takes {MIN_PEOPLE} people", "add people")
    if not np.isfinite(embeddings[[row for own in rows for row in own]]).all():
        raise UncalibratableError("the model gives embeddings that are not numbers", "choose another model")
    generator = np.random.default_rng(0)
    draws = impostor_draws(embeddings, rows, metric, generator)
    genuine = genuine_distances(embeddings, rows, metric, generator)
    calibration = calibrate(draws, genuine, source, slope)
    assert calibration.evidence is not None
    check = check_promise(calibration, embeddings, rows, metric)
    return replace(calibration, evidence=replace(calibration.evidence, check=check))


def calibrate(
    draws: Iterable[Draw],
    genuine: npt.NDArray[np.float32],
    source: Source,
    slope: float | None = None,
) -> Calibration:
    """Measure a calibration at FMR 1e-1 … 1e-6.

    A rate is read off the distances, the median over the draws, where at least ``MIN_PAIRS`` pairs reach it. Rarer ones
    come from a generalised Pareto distribution of how far a pair is below the distance where the tail begins (Pickands,
    Annals of Statistics 1975), fitted by least squares to the quantiles of each draw: the very closest pairs of a data
    set are largely its wrong labels, and have no say. A rare rate's distance is the one that the draws' tails reach
    with it on average. The single best tail would let through more than asked for, averaged over who might have been
    calibrated on, since a threshold too high by chance lets through more than one too low holds back.

    Args:
        draws: distances between different people, of at least 500 pairs each.
        genuine: distances between photos of one person, float32 [pairs].
        source: whose faces they are.
        slope: of the logistic, where the genuine pairs are too few to fit one.

    Raises:
        UncalibratableError: there are too few genuine pairs, or they are no nearer than the others.
    """
    rates = [10.0**-power for power in range(1, 7)]
    reader, readings, tails = Reader(), [], []
    for draw in draws:
        rarest = max(_TAIL_PAIRS / draw.pairs, _RAREST_FITTED)
        read_off = [rate for rate in rates if rate * draw.pairs >= MIN_PAIRS] + [_first(rarest), *_rates(rarest)]
        ranks = [rank(rate, draw.pairs) for rate in read_off]
        reading = reader.read(draw, ranks, max(1, draw.pairs // _SLOPE_SAMPLE))
        if not np.isfinite([*reading.nearest.values(), reading.sample.max()]).all():
            raise UncalibratableError("the model gives distances that are not numbers", "choose another model")
        readings.append(reading)
        tails.append(_fit_tail(reading.distance, rarest))
    if len(genuine) >= MIN_PAIRS:
        slope = _logistic_slope(np.concatenate([reading.sample for reading in readings]), genuine)
    if slope is None:
        raise UncalibratableError(
            f"{len(genuine):,} genuine pairs are too few, {MIN_PAIRS:,} are needed", "add photos of the same people"
        )
    if not slope > 0:
        raise _indifferent()
    pairs = min(reading.pairs for reading in readings)
    measured = [rate for rate in rates if rate * pairs >= MIN_PAIRS]
    distances = [float(np.median([reading.distance(rate) for reading in readings])) for rate in measured]
    distances += [_distance_on_average(tails, rate) for rate in rates[len(measured) :]]
    middle = {part.name: float(np.median([getattr(tail, part.name) for tail in tails])) for part in fields(Tail)}
    return Calibration(
        tuple(rates),
        tuple(float(distance) for distance in np.minimum.accumulate(distances)),
        slope,
        source,
        Evidence(
            protocol=PROTOCOL,
            draws=len(readings),
            impostor_pairs_per_draw=pairs,
            genuine_pairs=len(genuine),
            measured_down_to_fmr=measured[-1],
            tail=Tail(**middle),
            check=None,
        ),
    )


def _indifferent() -> UncalibratableError:
    return UncalibratableError(
        "the model finds photos of one person no more alike than photos of two", "choose another model"
    )


def _distance_on_average(tails: Sequence[Tail], rate: float) -> float:
    """The distance at which the mean of the tails' rates is this one; 0 where the rate is reached nowhere."""
    low, high = 0.0, max(tail.start for tail in tails)
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if np.mean([tail.rate(middle) for tail in tails]) > rate:
            high = middle
        else:
            low = middle
    return low


def _excess(share: npt.NDArray[np.float64], shape: float) -> npt.NDArray[np.float64]:
    """The quantile of the generalised Pareto distribution of scale one that this share exceeds."""
    return np.asarray(-np.log(share) if abs(shape) < EXPONENTIAL else (share**-shape - 1) / shape, np.float64)


def _first(rarest: float) -> float:
    """The rate where the tail begins that is fitted down to the rarest."""
    return min(0.03, max(0.001, 100 * rarest))


def _rates(rarest: float) -> npt.NDArray[np.float64]:
    """The rates below its beginning that it is fitted at."""
    return np.geomspace(_first(rarest), rarest, 17)[1:]


def _fit_tail(distance_at: Callable[[float], float], rarest: float) -> Tail:
    """Fit the measured distances from a rate down to the rarest.

    On 400 to 4,038 people of LFW a fit that begins two decades up, between 3 % and 0.1 %, foretells the distance at
    FMR 1e-5 within 0.02; one that begins at 10 % is too loose by 0.01 to 0.05, since a distribution's body is no tail.
    """
    first, rates = _first(rarest), _rates(rarest)
    start = distance_at(first)
    below = start - np.array([distance_at(rate) for rate in rates])
    best: Tail | None = None
    for shape in _SHAPES:
        unit = _excess(rates / first, shape)
        # For a given shape the scale is linear; where all pairs are equally far, it is next to nothing.
        scale = max(float(unit @ below / (unit @ unit)), _PRECISION)
        error = float(np.sqrt(np.mean((scale * unit - below) ** 2)))
        if best is None or error < best.error:
            best = Tail(first, start, float(shape), scale, error)
    assert best is not None
    return best


def genuine_distances(
    embeddings: npt.NDArray[np.float32],
    rows: Sequence[Sequence[int]],
    metric: Metric,
    generator: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Distances of all pairs of one person's photos, at most ten photos a person; float32 [pairs]."""
    drawn = [generator.permutation(np.asarray(own, np.int64))[:MOST_PHOTOS] for own in rows]
    pairs = [np.triu_indices(len(own), k=1) for own in drawn]
    one, other = (np.concatenate([own[pair[side]] for own, pair in zip(drawn, pairs, strict=True)]) for side in (0, 1))
    return pair_distances(one, other, embeddings, metric)


def _logistic_slope(impostor: npt.NDArray[np.float32], genuine: npt.NDArray[np.float32]) -> float:
    """The slope of the logistic regression of same/different on distance, both classes weighing the same.

    Newton's method on two parameters (Hastie et al., The Elements of Statistical Learning, 4.4.1), with Platt's targets
    ("Probabilistic outputs for support vector machines", 1999): just inside 0 and 1, so that there is a best slope also
    where the two classes do not overlap.
    """
    x = np.concatenate([genuine, impostor]).astype(np.float64)
    sizes = (len(genuine), len(impostor))
    y = np.repeat([(sizes[0] + 1) / (sizes[0] + 2), 1 / (sizes[1] + 2)], sizes)
    weight = np.repeat([0.5 / sizes[0], 0.5 / sizes[1]], sizes)
    design = np.column_stack([np.ones_like(x), x])
    beta = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta, -700, 700)))
        gradient = design.T @ (weight * (y - p))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design
        try:
            move = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError as error:  # all are equally far
            raise _indifferent() from error
        beta += move
        if np.abs(move).max() < 1e-9:
            break
    return float(-beta[1])
