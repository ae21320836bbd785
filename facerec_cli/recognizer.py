"""The one way through: photo, face, chip, embedding, nearest person, name or unknown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from facerec_cli.encoders.bundle import DEFAULT_MODEL, resolve_bundle
from facerec_cli.errors import DatabaseError, PhotoError
from facerec_cli.evaluation.calibration import (
    DEFAULT_FMR,
    DEFAULT_FPIR,
    Calibration,
    comparisons,
    fmr_for,
)
from facerec_cli.faces import WORKING_SIZE
from facerec_cli.gallery.base import UNKNOWN, Gallery, Match, NewFace, clean_name
from facerec_cli.parallel import ordered_map
from facerec_cli.results import Candidate, Detection, Enrolment, Extraction, Identification, PhotoResult, Verification
from facerec_cli.threshold import Threshold, calibration_for, calibration_of, threshold_for, threshold_in

if TYPE_CHECKING:
    from facerec_cli.encoders.onnx_encoder import Embeddings
    from facerec_cli.faces.alignment import Chip
    from facerec_cli.faces.detector import Face
    from facerec_cli.faces.images import Image

Photo: TypeAlias = "str | Path | Image"
"""A photo's file, or its pixels: uint8 [height, width, 3], RGB, upright."""
Item = TypeVar("Item")

_SEARCH_PHOTOS = 16
"""Photos whose faces are searched for in one matrix product."""
_COMMIT_SECONDS = 1.0
"""Longest wait of an enrolled photo for its batch."""
_AHEAD = 32
"""Photos a thread that are worked on while a batch is written; each waits as a few kilobytes."""
_COMMIT_SHARE = 10
"""A batch is not written before this many times the duration of the last writing has passed."""


class Recognizer:
    """Enrols, identifies and verifies with one model; may be shared by threads."""

    def __init__(self, model: str | Path = DEFAULT_MODEL, *, detection_size: int = WORKING_SIZE) -> None:
        """Choose a model; it loads in the background until it is first needed.

        Args:
            model: a bundle's folder, or a name found in ./models or among the bundled models.
            detection_size: bound on a photo's longer side at detection, pixels; raise it for crowds.

        Raises:
            ModelError: there is no such model, or it cannot be read.
        """
        self.bundle = resolve_bundle(model)
        self.digest = self.bundle.digest
        self.space = self.bundle.space()
        self.metric = self.space.metric
        # ONNX Runtime and OpenCV are imported below, not above: beside each import the model's loading goes on.
        loader = ThreadPoolExecutor(1, thread_name_prefix="facerec-load")
        reading = loader.submit(self.bundle.encoder_bytes)
        from facerec_cli.encoders.onnx_encoder import OnnxEncoder

        begun = threading.Event()

        def load() -> OnnxEncoder:
            try:
                encoder = reading.result()
            finally:
                begun.set()
            return OnnxEncoder(self.bundle, encoder)

        self._encoder = loader.submit(load)
        loader.shutdown(wait=False)
        # The import below holds the interpreter for 25 ms: not before the loading is under way.
        begun.wait()
        from facerec_cli.faces.detector import Detector

        self._detector = Detector(detection_size)

    # ------------------------------------------------------------------ photo to embedding

    def detect(self, photo: Photo) -> list[Detection]:
        """The faces of a photo and their chips, largest first.

        Raises:
            PhotoError: the photo cannot be read.
        """
        from facerec_cli.faces.images import decode_photo, read_photo

        image = decode_photo(read_photo(Path(photo))) if isinstance(photo, str | Path) else photo
        return self._detect_in(image)

    def detect_one(self, photo: Photo, *, largest: bool = False) -> Detection:
        """The one face of a photo.

        Args:
            photo: the photo.
            largest: take the largest face where there are several.

        Raises:
            PhotoError: the photo cannot be read, has no face, or has several and ``largest`` is false.
        """
        return _one(self.detect(photo), photo, largest)

    def embed(self, chips: Sequence[Chip]) -> Embeddings:
        """Embed chips, each uint8 [112, 112, 3] RGB; returns float32 [n, d].

        Raises:
            ModelError: the model cannot be loaded.
        """
        return self._encoder.result().encode(chips)

    def embed_all(
        self, chips: Iterable[Chip], count: int, progress: Callable[[int, int], None] | None = None
    ) -> Embeddings:
        """Embed many chips on all cores.

        Args:
            chips: each uint8 [112, 112, 3] RGB, read as they are needed.
            count: how many they are.
            progress: told how many are done, of how many.

        Returns:
            float32 [count, d].

        Raises:
            ModelError: the model cannot be loaded.
        """
        embeddings = np.empty((count, self.bundle.embedding_size), np.float32)
        for row, embedded in enumerate(ordered_map(lambda chip: self.embed([chip])[0], chips)):
            embeddings[row] = embedded
            if progress:
                progress(row + 1, count)
        return embeddings

    # ------------------------------------------------------------------ enrolment

    def enroll(
        self, gallery: Gallery, name: str, photos: Iterable[str | Path], *, largest: bool = False
    ) -> list[Enrolment]:
        """Enrol a person from one photo or several; see ``enroll_all``."""
        return list(self.enroll_all(gallery, ((name, Path(photo)) for photo in photos), largest=largest))

    def enroll_all(
        self, gallery: Gallery, photos: Iterable[tuple[str, Path]], *, largest: bool = False
    ) -> Iterator[Enrolment]:
        """Enrol many photos, each with its person's name, in constant memory.

        A photo's outcome is yielded once the gallery holds it for good; a photo that cannot be used is an outcome too.

        Args:
            gallery: where to.
            photos: name and file, read as they are needed.
            largest: take the largest face of a photo with several, which is refused otherwise.

        Raises:
            PersonError: a name is not usable.
            DatabaseError: the gallery cannot be changed.
            ModelError: the model cannot be loaded.
        """
        self.prepare(gallery)

        def extract(item: tuple[str, Path]) -> tuple[Enrolment, NewFace | None]:
            return self._extract(gallery, item[0], item[1], largest)

        named = ((clean_name(name), photo) for name, photo in photos)
        batch: list[tuple[Enrolment, NewFace | None]] = []
        started, duration = time.monotonic(), 0.0
        extracted = ordered_map(extract, named, ahead=_AHEAD)
        try:
            for outcome in extracted:
                batch.append(outcome)
                waited = time.monotonic() - started
                if waited >= max(_COMMIT_SECONDS, _COMMIT_SHARE * duration):
                    ready, batch = batch, []
                    before = time.monotonic()
                    yield from self._commit(gallery, ready)
                    started = time.monotonic()
                    duration = started - before
        finally:
            # Also after Ctrl-C: what was worked out is kept, whether or not anybody is there to hear of it.
            rest = self._commit(gallery, batch)
        yield from rest

    def prepare(self, gallery: Gallery, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Embed the enrolled chips that have no embedding of this model yet.

        Args:
            gallery: which.
            progress: told how many chips are done, of how many.

        Returns:
            A sentence for each chip that could not be used; its person is known by their other photos.
        """
        pending = gallery.pending(self.digest)
        if not pending:
            return []
        problems: list[str] = []
        embeddings: dict[int, npt.NDArray[np.float32]] = {}

        def embed(face_index: int) -> npt.NDArray[np.float32] | DatabaseError:
            try:
                return np.asarray(self.embed([gallery.read_chip(pending[face_index])])[0])
            except DatabaseError as error:
                return error

        for done, result in enumerate(ordered_map(embed, range(len(pending)))):
            if isinstance(result, DatabaseError):
                problems.append(str(result))
            else:
                embeddings[pending[done].id] = result
            if progress:
                progress(done + 1, len(pending))
        gallery.store(self.space, embeddings)
        return problems

    # ------------------------------------------------------------------ identification

    def threshold(self, gallery: Gallery, *, fpir: float = DEFAULT_FPIR, distance: float | None = None) -> Threshold:
        """The threshold for identifying in a gallery.

        Args:
            gallery: whose people and photos are counted.
            fpir: the share of strangers that may be named.
            distance: an explicit threshold, in place of the one that follows from ``fpir``.

        Raises:
            DatabaseError: nobody is enrolled.
            ModelError: the model is not calibrated, and no distance was given.
        """
        return threshold_in(gallery, self.bundle, fpir=fpir, distance=distance)

    def identify(
        self,
        gallery: Gallery,
        photo: Photo,
        *,
        fpir: float = DEFAULT_FPIR,
        threshold: float | None = None,
        top: int = 1,
    ) -> list[Identification]:
        """Name the faces of one photo, largest first.

        Args:
            gallery: who may be named.
            photo: file or pixels.
            fpir: the share of strangers that may be named.
            threshold: an explicit distance in place of ``fpir``.
            top: how many candidates a face.

        Raises:
            PhotoError, DatabaseError, ModelError: as ``detect``, ``threshold`` and ``embed``.
        """
        detections = self.detect(photo)
        self.prepare(gallery)
        limit = self.threshold(gallery, fpir=fpir, distance=threshold)
        embeddings = self.embed([detection.chip for detection in detections])
        return self._decide(gallery, [item.face for item in detections], embeddings, limit, top)

    def extract_all(self, photos: Iterable[Path]) -> Iterator[Extraction]:
        """Find and embed the faces of many photos, several photos at a time, in their order and in constant memory.

        Work starts at once, so that what the caller does next goes on beside it.

        Args:
            photos: files, read as they are needed; one that cannot be used is an extraction too.

        Raises:
            ModelError: the model cannot be loaded.
        """

        def extract(photo: Path) -> Extraction:
            try:
                detections = self.detect(photo)
            except PhotoError as error:
                return Extraction(photo, (), self.embed([]), error)
            embeddings = self.embed([detection.chip for detection in detections])
            return Extraction(photo, tuple(item.face for item in detections), embeddings)

        return ordered_map(extract, photos)

    def name_all(
        self, gallery: Gallery, extractions: Iterable[Extraction], limit: Threshold, *, top: int = 1
    ) -> Iterator[PhotoResult]:
        """Name the faces of many photos.

        Args:
            gallery: who may be named; ``prepare`` it first.
            extractions: from ``extract_all``.
            limit: from ``threshold``.
            top: how many candidates a face.
        """
        for group in _grouped(extractions, _SEARCH_PHOTOS):
            faces = [face for extraction in group for face in extraction.faces]
            embeddings = np.concatenate([extraction.embeddings for extraction in group])
            named = iter(self._decide(gallery, faces, embeddings, limit, top))
            for extraction in group:
                own = tuple(islice(named, len(extraction.faces)))
                yield PhotoResult(extraction.photo, own, extraction.error)

    # ------------------------------------------------------------------ verification

    def verify(
        self,
        first: Photo,
        second: Photo,
        *,
        fmr: float = DEFAULT_FMR,
        threshold: float | None = None,
        largest: bool = False,
    ) -> Verification:
        """Whether two photos show the same person.

        Args:
            first: a photo with one face.
            second: another.
            fmr: the share of pairs of different people that may be called the same.
            threshold: an explicit distance in place of ``fmr``.
            largest: take the largest face of a photo with several.

        Raises:
            PhotoError: a photo cannot be read, has no face or several.
            ModelError: the model cannot be loaded, or is not calibrated and no threshold was given.
        """
        chips = [self.detect_one(photo, largest=largest).chip for photo in (first, second)]
        one, other = self.embed(chips)
        return self._judge(self.calibration, one, other, fmr, 1.0, threshold)

    def verify_person(
        self,
        gallery: Gallery,
        name: str,
        photo: Photo,
        *,
        fmr: float = DEFAULT_FMR,
        threshold: float | None = None,
        largest: bool = False,
    ) -> Verification:
        """Whether a photo shows an enrolled person; arguments and errors as ``verify``.

        A template of k photos counts as 1 + log2 k comparisons.

        Raises:
            PersonError: nobody of this name is enrolled.
        """
        photos = len(gallery.faces(clean_name(name)))
        self.prepare(gallery)
        template = gallery.template(self.digest, clean_name(name))
        probe = self.embed([self.detect_one(photo, largest=largest).chip])[0]
        return self._judge(self.calibration_for(gallery), template, probe, fmr, comparisons([photos]), threshold)

    @cached_property
    def calibration(self) -> Calibration | None:
        """The model's calibration, if it has one.

        Raises:
            ModelError: it is damaged.
        """
        return calibration_of(self.bundle)

    def calibration_for(self, gallery: Gallery) -> Calibration | None:
        """The calibration to the people enrolled in a gallery, if they were asked for one; otherwise the model's own.

        Raises:
            ModelError: it is damaged.
        """
        return calibration_for(gallery, self.bundle)

    def calibrate(self, gallery: Gallery) -> Calibration:
        """Calibrate to the people enrolled: their faces are the impostors, never as their own. The gallery keeps it.

        Raises:
            DatabaseError: there are too few people.
            ModelError: the model cannot be loaded.
        """
        from facerec_cli.evaluation.strangers import calibrate_people

        self.prepare(gallery)
        embeddings = gallery.embeddings(self.digest)
        rows: dict[str, list[int]] = {}
        for row, face in enumerate(gallery.faces()):
            if np.isfinite(embeddings[row, 0]):
                rows.setdefault(face.name, []).append(row)
        about = {"data": "the people enrolled", "when": time.strftime("%Y-%m-%d")}
        slope = self.calibration.slope if self.calibration else None
        try:
            calibration = calibrate_people(embeddings, list(rows.values()), self.metric, about, slope=slope)
        except ValueError as error:
            raise DatabaseError(
                f"{gallery.location} has {len(rows):,} people, and {error}: what was in force stays in force, "
                "calibrate again when 200 people are enrolled."
            ) from error
        gallery.set_calibration(self.digest, calibration.to_json())
        return calibration

    # ------------------------------------------------------------------ steps

    def _detect_in(self, image: Image) -> list[Detection]:
        from facerec_cli.faces.alignment import align

        return [Detection(face, align(image, face.landmarks)) for face in self._detector.detect(image)]

    def _extract(self, gallery: Gallery, name: str, photo: Path, largest: bool) -> tuple[Enrolment, NewFace | None]:
        """Everything about enrolling a photo but the writing."""
        from facerec_cli.faces.images import decode_photo, read_photo
        from facerec_cli.faces.quality import complaint, measure
        from facerec_cli.gallery.chipfile import decode_chip, encode_chip

        try:
            file = read_photo(photo)
            sha256 = file.sha256
            if gallery.has_photo(name, sha256):
                return Enrolment(photo, name), None
            detection = _one(self._detect_in(decode_photo(file)), photo, largest)
        except PhotoError as error:
            return Enrolment(photo, name, error=error), None
        jpeg = encode_chip(detection.chip)
        embedding = self.embed([decode_chip(jpeg)])[0]
        face = NewFace(name, jpeg, embedding, sha256, photo.name, detection.face.score)
        poor = complaint(measure(detection.chip, detection.face.landmarks))
        return Enrolment(photo, name, complaint=poor), face

    def _commit(self, gallery: Gallery, batch: Sequence[tuple[Enrolment, NewFace | None]]) -> list[Enrolment]:
        """Write a batch's faces, and say what became of each photo."""
        faces = [face for _, face in batch if face is not None]
        if not faces:
            return [enrolment for enrolment, _ in batch]
        lookalikes = self._lookalikes(gallery, faces)
        added = iter(zip(gallery.add(self.space, faces), lookalikes, strict=True))
        outcomes = []
        for enrolment, face in batch:
            if face is None:
                outcomes.append(enrolment)
            else:
                is_new, lookalike = next(added)
                seen = replace(enrolment, lookalike=lookalike) if is_new else Enrolment(enrolment.photo, face.name)
                outcomes.append(replace(seen, is_new=is_new))
        return outcomes

    def _lookalikes(self, gallery: Gallery, faces: Sequence[NewFace]) -> list[Match | None]:
        """For each new face the nearest person of another name within the threshold, enrolled or in the same batch.

        A model that is not calibrated has no threshold and sees none.
        """
        calibration = self.calibration_for(gallery)
        if calibration is None:
            return [None] * len(faces)
        embeddings = np.stack([face.embedding for face in faces])
        counts = gallery.photo_counts()
        searched = comparisons(np.concatenate([counts, np.ones(len(faces), np.int64)]))
        limit = calibration.threshold(fmr_for(DEFAULT_FPIR, searched))
        enrolled = gallery.search(self.space, embeddings, top=2)
        names = np.array([face.name for face in faces])
        # Each face against those before it in the batch, but for the same person's.
        others_before = np.tri(len(faces), k=-1) * (names[:, None] != names)
        within = np.where(others_before, self.metric.matrix(embeddings, embeddings), np.inf)
        found: list[Match | None] = []
        for row, face in enumerate(faces):
            earlier = int(within[row].argmin())
            others = [match for match in enrolled[row] if match.name != face.name]
            others.append(Match(faces[earlier].name, float(within[row, earlier])))
            nearest = min(others, key=lambda match: match.distance)
            found.append(nearest if nearest.distance <= limit else None)
        return found

    def _decide(
        self,
        gallery: Gallery,
        faces: Sequence[Face],
        embeddings: Embeddings,
        limit: Threshold,
        top: int,
    ) -> list[Identification]:
        """Nearest people, threshold, name."""
        if len(faces) == 0:
            return []
        found = []
        for face, matches in zip(faces, gallery.search(self.space, embeddings, top), strict=True):
            candidates = tuple(
                Candidate(match.name, match.distance, limit.probability(match.distance)) for match in matches
            )
            is_known = bool(matches) and matches[0].distance <= limit.distance
            found.append(Identification(face, matches[0].name if is_known else UNKNOWN, candidates, limit.distance))
        return found

    def _judge(
        self,
        calibration: Calibration | None,
        one: npt.NDArray[np.float32],
        other: npt.NDArray[np.float32],
        fmr: float,
        searched: float,
        threshold: float | None,
    ) -> Verification:
        (distance,) = self.metric.pairs(one[None], other[None]).tolist()
        limit = threshold_for(self.bundle, calibration, searched, rate=fmr, distance=threshold)
        is_same = distance <= limit.distance
        return Verification(is_same, distance, limit.distance, limit.probability(distance), limit.rate)


def _one(detections: Sequence[Detection], photo: Photo, largest: bool) -> Detection:
    """The one detection of a photo, or the largest of several if that is wanted."""
    label = "The photo" if isinstance(photo, np.ndarray) else str(photo)
    if not detections:
        raise PhotoError(f"{label} shows no face: give a photo in which the face is clear and upright.")
    if len(detections) > 1 and not largest:
        raise PhotoError(
            f"{label} shows {len(detections)} faces: crop it to the person, or take the biggest face with --largest."
        )
    return detections[0]


def _grouped(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of up to ``size`` items."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
