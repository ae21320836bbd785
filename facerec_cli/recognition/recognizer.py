"""A model at work: photo to faces, faces to embeddings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_cli.defaults import AUTO, CPU, DEFAULT_MODEL, WORKING_SIZE
from facerec_cli.encoders.bundle import Bundle, resolve_bundle
from facerec_cli.encoders.encoder import enrolling
from facerec_cli.encoders.graph import read_graph
from facerec_cli.errors import PhotoError
from facerec_cli.parallel import ordered_map
from facerec_cli.recognition.results import EmbeddedPhoto

if TYPE_CHECKING:
    from facerec_cli.encoders.encoder import Embeddings, Encoder
    from facerec_cli.faces.alignment import Chip
    from facerec_cli.faces.extraction import Extraction, Extractor
    from facerec_cli.faces.images import PhotoLike


class Recognizer:
    """Finds and embeds faces with one model; may be shared by threads.

    Attributes:
        bundle: the model.
        comparison: what its embeddings are compared by.
    """

    _loaded: tuple[Future[Encoder], Extractor] | None = None

    def __init__(
        self,
        model: str | Path | Bundle = DEFAULT_MODEL,
        *,
        device: str = CPU,
        faces: int | None = None,
        detection_size: int | None = WORKING_SIZE,
        thorough: bool = False,
        quick: bool = False,
        at_once: bool = True,
    ) -> None:
        """Choose a model; it loads in the background until it is first needed.

        Args:
            model: a bundle, its folder, or a name found in ./models or among the bundled models.
            device: what embeds: ``cpu``, one of ``defaults.DEVICE_NAMES``, or ``auto``; faces are found on the CPU.
            faces: about how many are to be embedded, which ``auto`` goes by; None for nobody knows how many. See
                ``expect``.
            detection_size: bound on a photo's longer side at detection, pixels; None to have it chosen by the photo.
            thorough: embed photos that are asked about as those enrolled are, with the mirror image, in twice the time;
                and look twice at more of their faces.
            quick: for the frames of a video: faces that are about upright, in a third of the time where there are none.
            at_once: begin to load; otherwise that begins when something is first looked at, which may be never.

        Raises:
            ModelError: there is no such model, or it cannot be read.
        """
        self.bundle = model if isinstance(model, Bundle) else resolve_bundle(model)
        self.comparison = self.bundle.comparison()
        self._device, self._faces = device, faces
        self._detection_size, self._thorough, self._quick = detection_size, thorough, quick
        self._lock = threading.Lock()
        if at_once:
            self._load()

    def __reduce__(self) -> tuple[Callable[[Bundle], Recognizer], tuple[Bundle]]:
        """Pickled for another machine, it loads anew there; all have the CPU, so that is what ``auto`` chooses."""
        device = CPU if self._device == AUTO else self._device
        made = partial(Recognizer, detection_size=self._detection_size, thorough=self._thorough, quick=self._quick)
        return partial(made, device=device), (self.bundle,)

    def expect(self, faces: int) -> None:
        """Say about how many faces are to be embedded, before it loads: ``auto`` goes by that."""
        self._faces = faces

    def _load(self) -> tuple[Future[Encoder], Extractor]:
        """What embeds and what finds faces, loading from the first call on."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._begin_to_load()
            return self._loaded

    def _begin_to_load(self) -> tuple[Future[Encoder], Extractor]:
        # ONNX Runtime and OpenCV are imported below, not above: beside each import the model's loading goes on.
        loader = ThreadPoolExecutor(1, thread_name_prefix="facerec-load")
        reading = loader.submit(read_graph, self.bundle)
        from facerec_cli.encoders.onnx_encoder import OnnxEncoder

        begun = threading.Event()

        def load() -> Encoder:
            try:
                graph = reading.result()
            finally:
                begun.set()
            return OnnxEncoder(self.bundle, graph, self._device, self._faces)

        encoder = loader.submit(load)
        loader.shutdown(wait=False)
        # The import below holds the interpreter for 25 ms: not before the loading is under way.
        begun.wait()
        from facerec_cli.faces.extraction import Extractor

        return encoder, Extractor(self._detection_size, thorough=self._thorough, quick=self._quick)

    def extract(self, photo: PhotoLike) -> Extraction:
        """The faces of a photo and their chips, largest first.

        Raises:
            PhotoError: the photo cannot be read.
        """
        return self._load()[1].extract(photo)

    def embed(self, chips: Sequence[Chip]) -> Embeddings:
        """Embed chips that are asked about, each uint8 [112, 112, 3] RGB; returns float32 [n, d].

        Raises:
            ModelError: the model cannot be loaded.
        """
        return self.embed_enrolled(chips) if self._thorough else self._load()[0].result().encode(chips)

    def embed_enrolled(self, chips: Sequence[Chip]) -> Embeddings:
        """Embed chips to enrol: with the mirror image, where the model's metric allows it; otherwise as ``embed``."""
        return enrolling(self._load()[0].result(), self.comparison.metric).encode(chips)

    def embed_photo(self, photo: PhotoLike) -> EmbeddedPhoto:
        """Find and embed the faces of a photo.

        Raises:
            PhotoError: the photo cannot be read.
            ModelError: the model cannot be loaded.
        """
        extraction = self.extract(photo)
        return EmbeddedPhoto(extraction.source, extraction, self.embed([face.chip for face in extraction.faces]))

    def embed_photos(self, photos: Iterable[PhotoLike]) -> Iterator[EmbeddedPhoto]:
        """Find and embed the faces of many photos, several photos at a time, in their order and in constant memory.

        Work starts at once, so that what the caller does next goes on beside it.

        Args:
            photos: read as they are needed; one that cannot be used is told in its place.

        Raises:
            ModelError: the model cannot be loaded.
        """

        def embed(photo: PhotoLike) -> EmbeddedPhoto:
            from facerec_cli.faces.images import source_of

            try:
                return self.embed_photo(photo)
            except PhotoError as error:
                return EmbeddedPhoto(source_of(photo), None, self.embed([]), error)

        return ordered_map(embed, photos)
