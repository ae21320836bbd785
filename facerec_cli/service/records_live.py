"""What is answered about live sources, as the API documents it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from facerec_cli.service.records import Box, Candidate, Distance, Landmarks, Name, Rate, Record
from facerec_cli.service.records_people import Id

_SOURCE: JsonDict = {
    "id": 1,
    "name": "rtsp://camera.example/door",
    "state": "running",
    "why": None,
    "since": "2026-11-27T10:00:00Z",
    "width": 1280,
    "height": 720,
    "rate": 6.6,
    "looked": 5120,
    "skipped": 3,
    "interruptions": 0,
    "present": [{"visit": 12, "name": "Ada Lovelace", "stranger": None, "since": "2026-11-27T10:12:40Z"}],
}


class Present(Record):
    """Somebody who is before the source now."""

    visit: int
    name: Name
    stranger: int | None = Field(
        description="the number of somebody unknown; of their group where strangers are remembered"
    )
    since: datetime | None


class LiveSourceRecord(Record):
    """A camera or a stream that is watched."""

    id: Id
    name: str = Field(description="its address without what is secret of it")
    state: Literal["opening", "running", "lost", "ended", "failed"] = Field(
        description="lost: it is opened again as soon as it can be; failed: it could not be opened, and is tried again"
    )
    why: str | None = Field(description="what is wrong, where it is lost or failed")
    since: datetime = Field(description="of the state")
    width: int = Field(description="of its pictures, pixels; 0 until it is known")
    height: int
    rate: Annotated[float, Field(ge=0)] = Field(description="pictures a second that are looked at")
    looked: int = Field(description="pictures that were looked at")
    skipped: int = Field(description="pictures that were not, since the service was busy")
    interruptions: int = Field(description="how often it was lost and found again")
    present: list[Present] = Field(description="who is there")

    model_config = ConfigDict(json_schema_extra={"example": _SOURCE})


class LiveSources(Record):
    """All that is watched."""

    sources: list[LiveSourceRecord]
    most: int = Field(description="how many there may be")


class NewSource(Record):
    """Something to watch."""

    source: str = Field(
        min_length=1,
        max_length=1_000,
        description="the number of a camera of the service's machine, or an address of rtsp, rtsps, http or https",
        examples=["rtsp://camera.example/door"],
    )


class LiveEvent(Record):
    """Somebody came, or went."""

    id: Id
    event: Literal["arrived", "left"]
    source: str = Field(description="its name")
    visit: int = Field(description="the number of the stay: the same when they leave")
    name: Name
    stranger: int | None = Field(description="the number of somebody unknown, for as long as they are remembered")
    time: datetime | None = Field(description="of the first sight")
    position: float = Field(description="of the first sight: seconds since the first picture")
    seconds: float = Field(description="from the first sight to the last until now")
    frames: int = Field(description="pictures in which they were seen")
    distance: Distance | None
    threshold: Distance | None
    probability: Rate | None
    candidates: list[Candidate]
    box: Box
    landmarks: Landmarks
    score: Rate
    quality: Rate
    at: float = Field(description="of the best face, to which the fields above belong: seconds since the first picture")
    chip: str = Field(description="the best face, 112 by 112 pixels: a JPEG in base64")


class LiveEvents(Record):
    """Who came and went, the oldest first."""

    events: list[LiveEvent]
