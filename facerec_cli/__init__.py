"""facerec: face recognition from the command line, and from Python.

>>> from facerec_cli import Gallery, Recognizer
>>> recognizer = Recognizer("pretrained")
>>> gallery = Gallery.open("database")
>>> recognizer.enroll(gallery, "Ada Lovelace", ["ada.jpg"])
>>> [found.name for found in recognizer.identify(gallery, "party.jpg")]

The names below are imported when first used, so that ``import facerec_cli`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from facerec_cli.errors import FacerecError as FacerecError
    from facerec_cli.faces.detector import Face as Face
    from facerec_cli.gallery.base import Gallery as Gallery
    from facerec_cli.recognizer import Recognizer as Recognizer

_HOMES = {
    "FacerecError": "facerec_cli.errors",
    "Face": "facerec_cli.faces.detector",
    "Gallery": "facerec_cli.gallery.base",
    "Recognizer": "facerec_cli.recognizer",
}
__all__ = ["Face", "FacerecError", "Gallery", "Recognizer", "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
