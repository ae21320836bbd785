"""What is answered about faces and photos, as the API documents it; the fields are the command line's."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0, le=1)]
Distance = Annotated[float, Field(ge=0, description="smaller is more alike")]
Name = Annotated[str, Field(min_length=1, description="an enrolled person's, or unknown")]
Box = Annotated[
    list[float], Field(min_length=4, max_length=4, description="x, y, width, height, pixels of the upright photo")
]
Point = Annotated[list[float], Field(min_length=2, max_length=2)]
Landmarks = Annotated[
    list[Point],
    Field(
        min_length=5,
        max_length=5,
        description="the subject's right and left eye, nose tip, right and left mouth corner",
    ),
]


class Record(BaseModel):
    """What all answers have in common."""

    model_config = ConfigDict(extra="forbid")


class Candidate(Record):
    """Somebody a face may be."""

    name: Name
    distance: Distance
    probability: Rate | None = Field(description="that it is them; null where the model is not calibrated")


class Face(Record):
    """A face, and who it is."""

    name: Name
    distance: Distance | None = Field(
        description="to the nearest person, also where the name is unknown; null if nobody is enrolled"
    )
    threshold: Distance | None = Field(description="the largest distance that is a match; null if nobody is enrolled")
    probability: Rate | None = Field(description="that it is the nearest person; 0.5 at the threshold")
    box: Box
    landmarks: Landmarks
    score: Rate = Field(description="detection confidence")
    quality: Rate = Field(
        description="share of such faces that match a good photo of the same person at a false match rate of 1e-5"
    )
    candidates: list[Candidate] = Field(description="the nearest people, nearest first")
    stranger: int | None = Field(description="the group of a stranger who is remembered")


class SeenPhoto(Record):
    """What every answer about a photo has."""

    photo: str = Field(description="its file's name")
    width: int = Field(description="of the upright photo, pixels; 0 where it could not be used")
    height: int
    note: str | None = Field(description="what of the photo was not looked at")
    error: str | None = Field(description="why the photo could not be used")


class IdentifiedPhoto(SeenPhoto):
    """Who is in a photo."""

    faces: list[Face] = Field(description="largest first")


class ThresholdInForce(Record):
    """What is a match, and why."""

    distance: Distance
    fpir: Rate | None = Field(description="the share of strangers that may be named; null where a threshold was given")
    people: int = Field(description="how many a face is compared with")
    comparisons: float = Field(description="how many comparisons that counts as")
    explanation: str


class Identified(Record):
    """Who is in photos."""

    photos: list[IdentifiedPhoto] = Field(description="in the order of the form")
    threshold: ThresholdInForce | None = Field(description="null if nobody is enrolled: then every face is unknown")

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "photos": [
                    {
                        "photo": "party.jpg",
                        "width": 800,
                        "height": 1000,
                        "note": None,
                        "error": None,
                        "faces": [
                            {
                                "name": "Ada Lovelace",
                                "distance": 0.1982,
                                "threshold": 0.6726,
                                "probability": 0.9999,
                                "box": [207.3, 135.4, 284.1, 393.8],
                                "landmarks": [
                                    [287.1, 291.8],
                                    [414.9, 287.0],
                                    [357.2, 366.1],
                                    [306.4, 437.0],
                                    [405.7, 433.0],
                                ],
                                "score": 0.9297,
                                "quality": 0.9721,
                                "candidates": [{"name": "Ada Lovelace", "distance": 0.1982, "probability": 0.9999}],
                                "stranger": None,
                            }
                        ],
                    }
                ],
                "threshold": {
                    "distance": 0.6726,
                    "fpir": 0.01,
                    "people": 2,
                    "comparisons": 2.0,
                    "explanation": "A match is a distance of at most 0.6726, so that about 1 % of strangers are named: "
                    "it follows the 2 people enrolled, 2 comparisons.",
                },
            }
        }
    )


class DetectedFace(Record):
    """A face, whoever it is."""

    box: Box
    landmarks: Landmarks
    score: Rate = Field(description="detection confidence")
    quality: Rate
    doubtful: bool = Field(description="its alignment cannot be trusted: it may be upside down, or no face")


class DetectedPhoto(SeenPhoto):
    """The faces of a photo."""

    faces: list[DetectedFace] = Field(description="largest first")


class Detected(Record):
    """The faces of photos."""

    photos: list[DetectedPhoto] = Field(description="in the order of the form")


class EmbeddedFace(DetectedFace):
    """A face with its embedding."""

    embedding: list[float] = Field(description="as photos that are asked about are embedded")


class EmbeddedPhoto(SeenPhoto):
    """The faces of a photo with their embeddings."""

    faces: list[EmbeddedFace] = Field(description="largest first")


class Embedded(Record):
    """The faces of photos with their embeddings."""

    model: str
    digest: str = Field(description="of the model: embeddings of two digests are never compared")
    photos: list[EmbeddedPhoto] = Field(description="in the order of the form")


class Verified(Record):
    """Whether two photos, or a photo and somebody enrolled, are the same person."""

    first: str
    second: str = Field(description="a photo, or the enrolled person's name")
    same: bool
    distance: Distance
    threshold: Distance
    fmr: Rate | None = Field(description="null where a threshold was given")
    probability: Rate | None
    note: str | None = Field(description="which of several faces was taken, and whether its alignment is in doubt")
