"""Pictures of an evaluation, as PNG; the one module that imports matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from facerec_cli.datasets.chips import ChipSet
from facerec_cli.evaluation.identification import Searches
from facerec_cli.evaluation.pairs import ScoredPairs
from facerec_cli.evaluation.verification import Roc, roc

_HARDEST = 10
_ABREAST = 4
"""Measures of quality in a line."""
_LABELS = {
    "sharpness": "sharpness of the worse photo",
    "size": "pixels between the eyes, worse photo",
    "yaw": "yaw of the worse photo, degrees",
    "brightness": "brightness of the darker photo",
    "roll": "tilt of the worse photo, degrees",
    "blockiness": "compression of the worse photo",
    "coverage": "covered mouth of the worse photo",
    "warmth": "warm colours of the worse photo",
}


def roc_curves(scored: Mapping[str, ScoredPairs]) -> bytes:
    """1 - FNMR against FMR, logarithmic, a curve a model."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for model, curve, floor in _curves(scored):
        axes.step(np.maximum(curve.fmr, floor), curve.tmr, where="post", label=_plain(model))
    _log_rates(axes, "x")
    axes.set(xlabel="FMR: impostor pairs that match", ylabel="1 - FNMR: genuine pairs that match")
    axes.legend(loc="lower right")
    return _png(figure)


def det_curves(scored: Mapping[str, ScoredPairs]) -> bytes:
    """FNMR against FMR, both logarithmic (detection error trade-off, ISO/IEC 19795-1)."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for model, curve, floor in _curves(scored):
        seen = curve.tmr < 1
        axes.step(np.maximum(curve.fmr[seen], floor), 1 - curve.tmr[seen], where="post", label=_plain(model))
    _log_rates(axes, "x")
    _log_rates(axes, "y")
    axes.set(xlabel="FMR: impostor pairs that match", ylabel="FNMR: genuine pairs that do not")
    axes.legend(loc="upper right")
    return _png(figure)


def learning_curves(
    epochs: Sequence[int], losses: Sequence[float], accuracies: Sequence[float], errors: Sequence[float]
) -> bytes:
    """The loss, and the accuracy on pairs held out with its standard error, epoch by epoch."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, losses)
    loss.set(xlabel="epoch", ylabel="loss")
    low, high = np.subtract(accuracies, errors), np.add(accuracies, errors)
    accuracy.fill_between(epochs, low, high, alpha=0.3, label="standard error")
    accuracy.plot(epochs, accuracies)
    accuracy.set(xlabel="epoch", ylabel="accuracy on pairs held out")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    accuracy.legend(loc="lower right")
    return _png(figure)


def distances(scored: ScoredPairs) -> bytes:
    """The distances of genuine and of impostor pairs, and the threshold."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    edges = np.histogram_bin_edges(scored.distances, 60).tolist()
    same = scored.pairs.same
    for chosen, label in ((same, "genuine pairs"), (~same, "impostor pairs")):
        axes.hist(scored.distances[chosen], edges, density=True, alpha=0.6, label=label)
    if np.isfinite(scored.threshold):
        axes.axvline(scored.threshold, color="black", linestyle="--", label=f"threshold {scored.threshold:.3f}")
    axes.set(xlabel="distance", ylabel="density")
    axes.legend()
    return _png(figure)


def open_set(searches: Mapping[str, Searches]) -> bytes:
    """1 - FNIR against FPIR, logarithmic, a curve a model."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for model, found in searches.items():
        strangers = np.sort(found.stranger)
        near = np.sort(found.distance[found.right])
        share = np.searchsorted(near, strangers, side="left") / len(found.distance)
        axes.step(np.arange(1, len(strangers) + 1) / len(strangers), share, where="pre", label=_plain(model))
    _log_rates(axes, "x")
    axes.set(xlabel="FPIR: strangers who are named", ylabel="1 - FNIR: people who are found")
    axes.legend(loc="lower right")
    return _png(figure)


def quality(errors: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """FNMR at the threshold in force, in groups of equally many genuine pairs, by the worse photo's quality."""
    lines = -(-len(errors) // _ABREAST)
    figure = Figure(figsize=(10, 3.2 * lines), layout="constrained")
    grid = figure.subplots(lines, _ABREAST, sharey=True, squeeze=False)
    for axes in grid.flat[len(errors) :]:
        axes.axis("off")
    for axes, (name, groups) in zip(grid.flat, errors.items(), strict=False):
        labels = [f"{group['from']:.3g}–{group['to']:.3g}" for group in groups]
        axes.bar(range(len(groups)), [group["fnmr"] for group in groups])
        axes.set_xticks(range(len(groups)), labels, rotation=45, ha="right", fontsize=8)
        axes.set_xlabel(_LABELS[name], fontsize=9)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in grid[:, 0]:
        axes.set_ylabel("FNMR")
    return _png(figure)


def hardest(scored: ScoredPairs, chips: ChipSet, *, same: bool) -> bytes:
    """The ten genuine pairs farthest apart, or the ten impostor pairs closest together, as chips."""
    rows = np.flatnonzero(scored.pairs.same == same)
    # Pairs come in the order of their distance.
    rows = rows[::-1][:_HARDEST] if same else rows[:_HARDEST]
    figure = Figure(figsize=(10, 7), layout="constrained")
    grid = figure.subplots(4, 5, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for place, row in enumerate(rows):
        line, column = divmod(place, 5)
        pair = (int(scored.pairs.first[row]), int(scored.pairs.second[row]))
        for offset, chip in enumerate(pair):
            axes = grid[2 * line + offset, column]
            axes.imshow(chips.chips[chip])
            axes.set_title(_short(chips.photos[chip]), fontsize=7)
        grid[2 * line, column].set_title(
            f"distance {scored.distances[row]:.3f}\n{_short(chips.photos[pair[0]])}", fontsize=7
        )
    return _png(figure)


def _curves(scored: Mapping[str, ScoredPairs]) -> list[tuple[str, Roc, float]]:
    """Each model's ROC, and half the smallest FMR that its pairs can show: where zero is drawn."""
    return [
        (model, roc(pairs.distances, pairs.pairs.same), 0.5 / np.count_nonzero(~pairs.pairs.same))
        for model, pairs in scored.items()
    ]


def _log_rates(axes: Axes, axis: str) -> None:
    """A logarithmic axis of rates."""
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    (axes.xaxis if axis == "x" else axes.yaxis).set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:.6g}"))
    axes.grid(True, which="major", alpha=0.4)


def _short(photo: str) -> str:
    name = photo.rpartition("/")[2].rpartition(".")[0]
    return _plain(name if len(name) <= 24 else f"{name[:14]}…{name[-8:]}")


def _plain(name: str) -> str:
    """A name as matplotlib shows it literally: dollars begin no formula, a first underscore hides no label."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Of letters that matplotlib's one font lacks: the picture shows boxes, and people cannot help it.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
