"""The photos of a collection that show somebody, by embeddings that are there already."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facerec_cli.defaults import DEFAULT_FPIR
from facerec_cli.encoders.encoder import Embedding, Embeddings
from facerec_cli.recognition.identification import Identifier
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Candidate, Decision
from facerec_cli.recognition.threshold import Threshold, threshold_for

_AT_ONCE = 10_000
"""Faces that are searched for at once."""
Decide = Callable[[Embeddings], Sequence[Decision | None]]


@dataclass(frozen=True)
class FoundPhoto:
    """A photo that shows whoever is looked for: by the place in the photo of each such face, who it is."""

    photo: Path
    faces: Mapping[int, Decision]


def find_people(
    identifier: Identifier, photos: Mapping[Path, Embeddings], names: Collection[str]
) -> Iterator[FoundPhoto]:
    """The photos that show all of some people: those to whom a face is nearest, within the threshold.

    Args:
        identifier: of the gallery in which they are enrolled.
        photos: the embeddings of each photo's faces, float32 [faces, d].
        names: whom to look for.

    Raises:
        NotEmbeddedError: nobody enrolled can be searched for.
    """

    def decide(embeddings: Embeddings) -> list[Decision | None]:
        likely = identifier.may_be(embeddings, names)
        decided = iter(identifier.decide(embeddings[likely]))
        return [next(decided) if is_likely else None for is_likely in likely.tolist()]

    return _find(decide, photos, names)


def find_like(
    recognizer: Recognizer,
    face: Embedding,
    name: str,
    photos: Mapping[Path, Embeddings],
    *,
    fpir: float = DEFAULT_FPIR,
    threshold: float | None = None,
) -> tuple[Threshold, Iterator[FoundPhoto]]:
    """The photos that show the same person as a face, which is compared with every face of them.

    Args:
        recognizer: the model.
        face: float32 [d].
        name: what to call it.
        photos: the embeddings of each photo's faces, float32 [faces, d].
        fpir: the probability that a stranger's face is taken for it anywhere, in (0, 1).
        threshold: an explicit distance, in place of ``fpir``.

    Returns:
        The threshold in force, and the photos.

    Raises:
        UncalibratedModelError: there is neither a calibration nor a threshold.
    """
    bundle, metric = recognizer.bundle, recognizer.comparison.metric
    curve = bundle.calibration.photos if bundle.calibration else None
    faces = max(1, sum(map(len, photos.values())))
    limit = threshold_for(bundle, curve, {1: faces}, rate=fpir, distance=threshold)

    def decision(distance: float) -> Decision | None:
        candidate = Candidate(name, distance, limit.probability(distance))
        return Decision(name, (candidate,), limit.distance) if limit.is_match(distance) else None

    def decide(embeddings: Embeddings) -> list[Decision | None]:
        return list(map(decision, metric.matrix(embeddings, face[None])[:, 0].tolist()))

    return limit, _find(decide, photos, [name])


def _find(decide: Decide, photos: Mapping[Path, Embeddings], names: Collection[str]) -> Iterator[FoundPhoto]:
    together: list[Path] = []
    faces = 0
    for path, embeddings in photos.items():
        if len(embeddings):
            together.append(path)
            faces += len(embeddings)
        if faces >= _AT_ONCE:
            yield from _found(decide, photos, together, names)
            together, faces = [], 0
    if together:
        yield from _found(decide, photos, together, names)


def _found(
    decide: Decide, photos: Mapping[Path, Embeddings], together: Sequence[Path], names: Collection[str]
) -> Iterator[FoundPhoto]:
    decisions = iter(decide(np.concatenate([photos[path] for path in together])))
    for path in together:
        own = [next(decisions) for _ in photos[path]]
        faces = {place: decision for place, decision in enumerate(own) if decision and decision.name in names}
        if {decision.name for decision in faces.values()} == set(names):
            yield FoundPhoto(path, faces)
