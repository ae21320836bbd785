"""Photos to people enrolled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from facerec_cli.errors import DoubtfulFaceError, NotEmbeddedError, PhotoError, SeveralFacesError, UnknownPersonError
from facerec_cli.faces.extraction import Face
from facerec_cli.faces.images import PhotoLike, opened, source_of
from facerec_cli.faces.quality import complaint, measure_chip
from facerec_cli.gallery.base import Gallery, Match, NewFace, Snapshot, clean_name
from facerec_cli.gallery.chipstore import decode_chip, encode_chip, kept_source
from facerec_cli.parallel import OrderedMap, ordered_map
from facerec_cli.recognition.belonging import Belonging, Shown
from facerec_cli.recognition.embedding import embed_pending
from facerec_cli.recognition.marked import Marked
from facerec_cli.recognition.pacing import Pace
from facerec_cli.recognition.recognizer import Recognizer
from facerec_cli.recognition.results import Enrolment, noted
from facerec_cli.recognition.threshold import enrolled_rule

_AHEAD = 32
"""Photos a thread that are worked on while a batch is written; each waits as a few kilobytes."""
_TOGETHER = 100
"""Most photos of one person that wait for each other; of more, the first are settled before the rest."""
_MOST_FACES = 20
"""Most faces of a photo, the largest, among which the person is looked for."""


def enroll(
    recognizer: Recognizer,
    gallery: Gallery,
    name: str,
    photos: Iterable[PhotoLike],
    *,
    largest: bool = False,
    at: tuple[float, float] | None = None,
) -> list[Enrolment]:
    """Enrol a person from one photo or several; see ``enroll_all``."""
    return list(enroll_all(recognizer, gallery, ((name, photo) for photo in photos), largest=largest, at=at))


def enroll_all(
    recognizer: Recognizer,
    gallery: Gallery,
    photos: Iterable[tuple[str, PhotoLike | Marked]],
    *,
    largest: bool = False,
    at: tuple[float, float] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    spread: OrderedMap = ordered_map,
) -> Iterator[Enrolment]:
    """Enrol many photos, each with its person's name, in constant memory.

    A photo's outcome is yielded once the gallery holds it for good; a photo that cannot be used is an outcome too. Of a
    photo with several faces of much the same size the one is taken that recurs in the person's other photos: those
    enrolled, and those that come right before and after it; so its outcome may come after theirs.

    Args:
        recognizer: the model.
        gallery: where to.
        photos: name and photo, read as they are needed; of one in which the person is marked their face is taken.
        largest: take the largest face of a photo with several, whatever the others are.
        at: take the face at this point, x and y in pixels of the upright photo.
        is_stopped: asked before a photo is looked at, on any thread; once it says so, photos have no outcome any more.
        spread: where photos are looked at.

    Raises:
        UnusableNameError: a name cannot be a person's.
        DatabaseError: the gallery cannot be changed.
        ModelError: the model cannot be loaded.
    """
    embed_pending(recognizer, gallery)

    def extract(item: tuple[str, PhotoLike | Marked, frozenset[str]]) -> _Ready | None:
        return None if is_stopped() else _extract(recognizer, *item, largest, at)

    batch: list[_Ready] = []
    together: list[_Ready] = []
    pace = Pace()
    try:
        for outcome in spread(extract, _asked(gallery, photos), ahead=_AHEAD):
            if outcome is None:
                continue
            if together and (outcome.enrolment.name != together[0].enrolment.name or len(together) == _TOGETHER):
                batch.extend(_settled(recognizer, gallery, together, batch))
                together = []
            together.append(outcome)
            if pace.is_due(len(batch) + len(together)):
                # What is clear need not wait; the others may yet be told by what comes.
                clear = [ready for ready in together if not ready.is_open]
                batch.extend(_settled(recognizer, gallery, clear, batch))
                together = [ready for ready in together if ready.is_open]
                ready, batch = batch, []
                with pace.writing():
                    written = _commit(recognizer, gallery, ready)
                yield from written
    finally:
        # Also after Ctrl-C: what was worked out is kept, whether or not anybody is there to hear of it.
        rest = _commit(recognizer, gallery, [*batch, *_settled(recognizer, gallery, together, batch)])
    yield from rest


@dataclass(frozen=True, eq=False)
class KeptFace:
    """A face of a photo that is no longer there: its chip as JPEG, and what is known of the photo, as ``NewFace``."""

    jpeg: bytes
    sha256: str
    source: str
    score: float


def enroll_faces(recognizer: Recognizer, gallery: Gallery, name: str, faces: Sequence[KeptFace]) -> list[Enrolment]:
    """Enrol a person from faces that were kept, all at once; see ``enroll_all``.

    Raises:
        UnusableNameError: the name cannot be a person's.
        DatabaseError: the gallery cannot be changed.
        ModelError: the model cannot be loaded.
    """
    person = clean_name(name)
    snapshot = embed_pending(recognizer, gallery).snapshot

    def ready(face: KeptFace) -> _Ready:
        enrolment = Enrolment(face.source, person)
        if snapshot.has_photo(person, face.sha256):
            return _Ready(enrolment)
        poor = complaint(measure_chip(decode_chip(face.jpeg)))
        return _Ready(enrolment, [_candidate(recognizer, person, face, poor)])

    return _commit(recognizer, gallery, _settled(recognizer, gallery, [ready(face) for face in faces], []))


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A face that may be enrolled, and what is poor about it."""

    face: NewFace
    complaint: str | None


@dataclass(frozen=True, eq=False)
class _Ready:
    """A photo with all done about it but the writing.

    Attributes:
        enrolment: what becomes of it.
        candidates: none where there is nothing to write; those of which the person's other photos must say which,
            while the enrolment is an error.
    """

    enrolment: Enrolment
    candidates: Sequence[_Candidate] = ()

    @property
    def is_open(self) -> bool:
        """Whether the person's other photos must say which face it is."""
        return bool(self.candidates and self.enrolment.error)

    @property
    def face(self) -> NewFace | None:
        """The face to write, once it is settled."""
        return self.candidates[0].face if self.candidates and not self.is_open else None


def _asked(
    gallery: Gallery, photos: Iterable[tuple[str, PhotoLike | Marked]]
) -> Iterator[tuple[str, PhotoLike | Marked, frozenset[str]]]:
    """Names, cleaned, and photos, with the SHA-256 of the photos that the person has already."""
    before, known = "", frozenset[str]()
    for name, photo in photos:
        person = clean_name(name)
        if person != before:
            before, known = person, _photos_of(gallery.snapshot(), person)
        yield person, photo, known


def _photos_of(snapshot: Snapshot, name: str) -> frozenset[str]:
    """The SHA-256 of all photos of a person, of which there may be none."""
    try:
        return frozenset(face.sha256 for face in snapshot.faces(name))
    except UnknownPersonError:
        return frozenset()


def _extract(
    recognizer: Recognizer,
    name: str,
    asked: PhotoLike | Marked,
    known: frozenset[str],
    largest: bool,
    at: tuple[float, float] | None,
) -> _Ready:
    marked = asked if isinstance(asked, Marked) else None
    photo = asked.photo if isinstance(asked, Marked) else asked
    source = source_of(photo)
    try:
        with opened(photo) as at_hand:
            sha256 = at_hand.sha256
            if sha256 in known:
                return _Ready(Enrolment(source, name))
            seen = recognizer.extract(at_hand)
        try:
            face = marked.face(seen) if marked else seen.one_face(largest=largest, at=at)
            faces: Sequence[Face] = [_sure(source, face)]
            bystanders = None if marked or largest or at else seen.bystanders
            enrolment = Enrolment(source, name, note=noted(seen.note, bystanders))
        except SeveralFacesError as error:
            faces = [face for face in seen.faces if not face.doubtful][:_MOST_FACES]
            enrolment = Enrolment(source, name, error=error, note=seen.note)
    except PhotoError as error:
        return _Ready(Enrolment(source, name, error=error))

    def candidate(face: Face) -> _Candidate:
        kept = KeptFace(encode_chip(face.chip), sha256, kept_source(source), face.score)
        return _candidate(recognizer, name, kept, complaint(face.quality))

    return _Ready(enrolment, [candidate(face) for face in faces])


def _candidate(recognizer: Recognizer, name: str, face: KeptFace, poor: str | None) -> _Candidate:
    """A face with its embedding, which is of the kept JPEG's pixels."""
    embedding = recognizer.embed_enrolled([decode_chip(face.jpeg)])[0]
    return _Candidate(NewFace(name, face.jpeg, embedding, face.sha256, face.source, face.score), poor)


def _sure(source: str, face: Face) -> Face:
    """The face itself, where its alignment can be trusted: so it could in 500 of 500 photos of LFW.

    Raises:
        DoubtfulFaceError: it cannot.
    """
    if face.doubtful:
        problem, remedy = "a face that cannot be aligned with confidence", "give an upright photo in natural colours"
        raise DoubtfulFaceError(f"{source} shows {problem}", remedy)
    return face


def _settled(
    recognizer: Recognizer, gallery: Gallery, together: Sequence[_Ready], before: Sequence[_Ready]
) -> list[_Ready]:
    """Photos of one person, once each has one face or none: by what they show, and the person's photos before them.

    A model that is not calibrated has no limits: what several faces leave open stays refused.
    """
    usable = [ready for ready in together if ready.candidates]
    if not usable:
        return list(together)
    name = usable[0].enrolment.name
    snapshot = gallery.snapshot()
    calibration = recognizer.bundle.calibration
    known = _enrolled(recognizer, snapshot, name)
    known += [Shown(ready.face.embedding[None]) for ready in before if ready.face and ready.face.name == name]
    belonging = Belonging(recognizer.comparison.metric, calibration.people) if calibration else None
    chosen: dict[int, _Ready] = {}
    if any(ready.is_open for ready in usable):
        shown = [Shown(np.stack([one.face.embedding for one in ready.candidates])) for ready in usable]
        recurring = belonging.recurring([*shown, *known]) if belonging else [None] * len(shown)
        for ready, face in zip(usable, recurring, strict=False):
            if ready.is_open:
                chosen[id(ready)] = _chosen(ready, face)
    settled = [chosen.get(id(ready), ready) for ready in together]
    faces = [ready.face.embedding for ready in settled if ready.face]
    if not belonging or len(faces) + len(known) < 2 or not faces:
        return settled
    unlike = iter(belonging.unlike(np.stack(faces), known))
    return [
        _Ready(replace(ready.enrolment, unlike=next(unlike)), ready.candidates) if ready.face else ready
        for ready in settled
    ]


def _chosen(ready: _Ready, face: int | None) -> _Ready:
    """A photo with the one of its faces that recurs; refused where none does."""
    before = ready.enrolment
    if face is None:
        return _Ready(before)
    note = f"{before.source} shows several faces; the one that recurs in the photos of {before.name} was taken"
    return _Ready(replace(before, error=None, note=noted(before.note, note)), [ready.candidates[face]])


def _enrolled(recognizer: Recognizer, snapshot: Snapshot, name: str) -> list[Shown]:
    """What is enrolled of a person: all of it as one, or nothing."""
    try:
        template = snapshot.template(recognizer.comparison.digest, name)
        return [Shown(template[None], snapshot.person(name).photos)]
    except (UnknownPersonError, NotEmbeddedError):
        return []


def _commit(recognizer: Recognizer, gallery: Gallery, batch: Sequence[_Ready]) -> list[Enrolment]:
    """Write a batch's faces, and say what became of each photo."""
    faces = [ready.face for ready in batch if ready.face is not None]
    if not faces:
        return [ready.enrolment for ready in batch]
    lookalikes = _lookalikes(recognizer, gallery, faces)
    added = iter(zip(gallery.add(recognizer.comparison, faces), lookalikes, strict=True))
    outcomes = []
    for ready in batch:
        if ready.face is None:
            outcomes.append(ready.enrolment)
            continue
        is_new, lookalike = next(added)
        if is_new:
            complained = ready.candidates[0].complaint
            outcomes.append(replace(ready.enrolment, is_new=True, lookalike=lookalike, complaint=complained))
        else:
            outcomes.append(Enrolment(ready.enrolment.source, ready.face.name))
    return outcomes


def _lookalikes(recognizer: Recognizer, gallery: Gallery, faces: Sequence[NewFace]) -> list[Match | None]:
    """For each new face the nearest person of another name within the threshold, enrolled or in the same batch.

    A model that is not calibrated has no threshold and sees none.
    """
    snapshot = gallery.snapshot()
    if recognizer.bundle.calibration is None:
        return [None] * len(faces)
    counts = dict(snapshot.photo_counts())
    counts[1] = counts.get(1, 0) + len(faces)
    rule = enrolled_rule(recognizer.bundle, counts)
    embeddings = np.stack([face.embedding for face in faces])
    try:
        enrolled = snapshot.search(rule.comparison, embeddings, top=2)
    except NotEmbeddedError:  # all chips enrolled are lost: there is nobody to look like
        enrolled = [[] for _ in faces]
    names = np.array([face.name for face in faces])
    # Each face against those before it in the batch, but for the same person's.
    others_before = np.tri(len(faces), k=-1) * (names[:, None] != names)
    within = np.where(others_before, rule.comparison.metric.matrix(embeddings, embeddings), np.inf)
    lookalikes: list[Match | None] = []
    for row, face in enumerate(faces):
        earlier = int(within[row].argmin())
        others = [match for match in enrolled[row] if match.name != face.name]
        others.append(Match(faces[earlier].name, float(within[row, earlier])))
        nearest = min(others, key=lambda match: match.distance)
        lookalikes.append(nearest if rule.threshold.is_match(nearest.distance) else None)
    return lookalikes
