"""Measuring and fitting a model's calibration on people that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.datasets.lfw import everybody
from facerec_cli.defaults import CPU, MODELS
from facerec_cli.encoders.bundle import BUNDLED, CALIBRATION_PEOPLE, TRAINING_PEOPLE, Bundle, write_bundle
from facerec_cli.encoders.calibration import EXPONENTIAL, Calibration, Curve, Evidence, Source, Tail
from facerec_cli.encoders.cohort import Cohort, Prior, similarities
from facerec_cli.encoders.metric import Metric, templates
from facerec_cli.errors import DataError
from facerec_cli.evaluation.evaluating import embed_rows
from facerec_cli.evaluation.impostors import Draw, Reader, impostor_draws, rank
from facerec_cli.evaluation.looks import Looks
from facerec_cli.evaluation.pairs import MOST_PHOTOS, pair_distances
from facerec_cli.evaluation.strangers import check_promise
from facerec_cli.parallel import OrderedMap, ordered_map

MIN_PAIRS = 50
"""Fewest impostor pairs that a rate is read off from."""
MIN_PEOPLE = 200
"""Fewest people to calibrate on: of LFW, 200 let 0 to 2.4 % of strangers through where 1 % is asked."""
PROTOCOL = f"people drawn with repetition, one photo each, all pairs; genuine: at most {MOST_PHOTOS} photos a person"
_TAIL_PAIRS = 20
"""Fewest impostor pairs behind a quantile that the tail is fitted to."""
_RAREST_FITTED = 1e-5
"""The tail is fitted no deeper: of LFW's millionth closest pairs half are one person under two names."""
_ALIKE_PEOPLE = 1_000
"""Most people whose similarities make the prior: 500,000 pairs."""
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
    bundle: Bundle,
    chips: ChipSet,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    spread: OrderedMap = ordered_map,
    device: str = CPU,
) -> Bundle:
    """Calibrate a model on the people of a data set that it was not trained on, and write it.

    Of LFW they are those of View 1's peopleDevTrain, so that View 1 and the others can be reported.

    Args:
        bundle: the model.
        chips: the data set's.
        folder: where the calibrated model goes; by default where the model lies, and for a bundled one ``models``.
        progress: told how many photos are embedded, of how many.
        spread: where they are embedded.
        device: what embeds them, as ``load_encoder`` takes it.

    Returns:
        The calibrated model.

    Raises:
        DataError: the model cannot be calibrated on the people.
        DependencyError: the device is not installed.
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
    every = sorted(row for own in rows for row in own)
    looks = embed_rows(bundle, chips, every, every, progress, spread, device)
    data = f"{chips.folder.name}, the people of View 1's peopleDevTrain" if chips.is_lfw else chips.folder.name
    data += " whom it was not trained on" if trained else ""
    metric = bundle.load_metric()
    try:
        calibration = calibrate_people(looks, rows, metric, Source(data, len(people)))
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


def calibrate_people(looks: Looks, rows: Sequence[Sequence[int]], metric: Metric, source: Source) -> Calibration:
    """Calibrate on people, and check on them what is promised.

    Whether a model's embeddings are centred is decided by what finds more of the people.

    Args:
        looks: of the data set.
        rows: the rows of each person's photos.
        metric: the model's.
        source: who they are.

    Raises:
        UncalibratableError: people or photos are too few, or the model tells nobody apart.
    """
    if len(rows) < MIN_PEOPLE:
        raise UncalibratableError(f"it takes {MIN_PEOPLE} people", "add people")
    used = [row for own in rows for row in own]
    if not np.isfinite(looks.probes[used]).all() or not np.isfinite(looks.enrolled[used]).all():
        raise UncalibratableError("the model gives embeddings that are not numbers", "choose another model")
    photos = _curve(Looks(looks.probes, looks.probes), rows, metric)
    if not metric.has_centre:
        return _checked(Calibration(photos, photos, None, None, source), looks, rows, metric)
    people = _curve(looks, rows, metric)
    similarity, deviation = _alike(looks, rows)
    centred_looks = _centred(looks, rows, metric)
    centred = _curve(centred_looks, rows, metric)
    either = [
        Calibration(photos, people, centred, Prior(similarity, deviation, _alike(centred_looks, rows)[1]), source),
        Calibration(photos, people, None, Prior(similarity, deviation, None), source),
    ]
    return max((_checked(one, looks, rows, metric) for one in either), key=_people_found)


def _checked(calibration: Calibration, looks: Looks, rows: Sequence[Sequence[int]], metric: Metric) -> Calibration:
    return replace(calibration, check=check_promise(calibration, looks, rows, metric))


def _people_found(calibration: Calibration) -> float:
    """The mean over the numbers of photos enrolled; 0 where too few people have two."""
    found = [outcome.people_found for outcome in calibration.check.by_photos.values()] if calibration.check else []
    return float(np.mean(found)) if found else 0.0


def _curve(looks: Looks, rows: Sequence[Sequence[int]], metric: Metric) -> Curve:
    generator = np.random.default_rng(0)
    draws = impostor_draws(looks, rows, metric, generator)
    return calibrate(draws, genuine_distances(looks.probes, rows, metric, generator))


def _centred(looks: Looks, rows: Sequence[Sequence[int]], metric: Metric) -> Looks:
    """Embeddings without what everybody shares: the mean of people's templates."""
    owner = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    known = templates(looks.enrolled[[row for own in rows for row in own]], owner, len(rows), metric)
    centre = known.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Looks(metric.scaled(looks.probes - centre), metric.scaled(looks.enrolled - centre))


def _alike(looks: Looks, rows: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Mean and standard deviation of the similarities between enrolled photos of two people, of a photo of each."""
    drawn = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _ALIKE_PEOPLE)).astype(np.int64))
    photos = looks.enrolled[[rows[person][0] for person in drawn]]
    total = photos.sum(axis=0, dtype=np.float64)
    found = similarities(Cohort(len(drawn), total, photos, photos, np.arange(len(drawn))), is_centred=False)
    if found is None:
        raise _indifferent()
    return found


def calibrate(
    draws: Iterable[Draw],
    genuine: npt.NDArray[np.float32],
) -> Curve:
    """Measure a curve at FMR 1e-1 … 1e-6.

    A rate is read off the distances, the median over the draws, where at least ``MIN_PAIRS`` pairs reach it. Rarer ones
    come from a generalised Pareto distribution of how far a pair is below the distance where the tail begins (Pickands,
    Annals of Statistics 1975), fitted by least squares to the quantiles of each draw: the very closest pairs of a data
    set are largely its wrong labels, and have no say. A rare rate's distance is the one that the draws' tails reach
    with it on average. The single best tail would let through more than asked for, averaged over who might have been
    calibrated on, since a threshold too high by chance lets through more than one too low holds back.

    Args:
        draws: distances between different people, of at least 500 pairs each.
        genuine: distances between photos of one person, float32 [pairs].

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
    if len(genuine) < MIN_PAIRS:
        raise UncalibratableError(
            f"{len(genuine):,} genuine pairs are too few, {MIN_PAIRS:,} are needed", "add photos of the same people"
        )
    slope = _logistic_slope(np.concatenate([reading.sample for reading in readings]), genuine)
    if not slope > 0:
        raise _indifferent()
    pairs = min(reading.pairs for reading in readings)
    measured = [rate for rate in rates if rate * pairs >= MIN_PAIRS]
    distances = [float(np.median([reading.distance(rate) for reading in readings])) for rate in measured]
    distances += [_distance_on_average(tails, rate) for rate in rates[len(measured) :]]
    middle = {part.name: float(np.median([getattr(tail, part.name) for tail in tails])) for part in fields(Tail)}
    return Curve(
        tuple(rates),
        tuple(float(distance) for distance in np.minimum.accumulate(distances)),
        slope,
        Evidence(
            protocol=PROTOCOL,
            draws=len(readings),
            impostor_pairs_per_draw=pairs,
            genuine_pairs=len(genuine),
            measured_down_to_fmr=measured[-1],
            tail=Tail(**middle),
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
