from __future__ import annotations

from pathlib import Path

from facerec_cli.datasets.collection import Refused, Survey
from facerec_cli.errors import PhotoError, UnsupportedPhotoError
from facerec_cli.recognition.indexing import refusals


def test_why_a_photo_cannot_be_used_is_told_whatever_version_found_it() -> None:
    kinds = ("UnsupportedPhotoError", "AnErrorOfAnotherVersion")
    refused = {Path(f"{kind}.jpg"): Refused(kind, "\0 is no photo", "convert it") for kind in kinds}
    errors = refusals(Survey({}, refused, []))
    assert [type(error) for error in errors] == [UnsupportedPhotoError, PhotoError]
    assert [str(error) for error in errors] == [f"{kind}.jpg is no photo" for kind in kinds]
    assert errors[1].remedy == "convert it"
