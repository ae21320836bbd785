"""facerec: face recognition from the command line, and from Python.

>>> from facerec_cli import Identifier, Recognizer, enroll, open_gallery
>>> recognizer = Recognizer("pretrained")
>>> gallery = open_gallery("database", create=True)
>>> enroll(recognizer, gallery, "Ada Lovelace", ["ada.jpg"])
>>> [face.name for face in Identifier(recognizer, gallery).identify("party.jpg").faces]

The names below are imported when first used, so that ``import facerec_cli`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from facerec_cli.defaults import VERSION as __version__

if TYPE_CHECKING:
    from facerec_cli.errors import FacerecError as FacerecError
    from facerec_cli.faces.extraction import Extractor as Extractor
    from facerec_cli.faces.images import Photo as Photo
    from facerec_cli.gallery.base import Gallery as Gallery
    from facerec_cli.gallery.opening import open_gallery as open_gallery
    from facerec_cli.recognition.enrolment import enroll as enroll
    from facerec_cli.recognition.enrolment import enroll_all as enroll_all
    from facerec_cli.recognition.identification import Identifier as Identifier
    from facerec_cli.recognition.recognizer import Recognizer as Recognizer
    from facerec_cli.recognition.verification import verify as verify
    from facerec_cli.recognition.verification import verify_person as verify_person

_HOMES = {
    "FacerecError": "facerec_cli.errors",
    "Extractor": "facerec_cli.faces.extraction",
    "Photo": "facerec_cli.faces.images",
    "Gallery": "facerec_cli.gallery.base",
    "open_gallery": "facerec_cli.gallery.opening",
    "enroll": "facerec_cli.recognition.enrolment",
    "enroll_all": "facerec_cli.recognition.enrolment",
    "Identifier": "facerec_cli.recognition.identification",
    "Recognizer": "facerec_cli.recognition.recognizer",
    "verify": "facerec_cli.recognition.verification",
    "verify_person": "facerec_cli.recognition.verification",
}
__all__ = [
    "Extractor",
    "FacerecError",
    "Gallery",
    "Identifier",
    "Photo",
    "Recognizer",
    "__version__",
    "enroll",
    "enroll_all",
    "open_gallery",
    "verify",
    "verify_person",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
