"""What is answered about people, jobs and strangers, as the API documents it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from facerec_cli.service.records import Distance, Rate, Record

MOST_ID = 2**53 - 1
"""The largest number that every reader of JSON takes for what it is."""
Id = Annotated[int, Field(ge=1, le=MOST_ID)]
GivenName = Annotated[
    str,
    Field(
        description="of any script, up to 200 characters, none of them invisible",
        examples=["Ada Lovelace"],
        # Which are no names is said by the problem `name`.
        json_schema_extra={"minLength": 1, "maxLength": 200},
    ),
]


class PersonRecord(Record):
    """Somebody enrolled."""

    id: Id = Field(description="stays, whatever they are called, until they are removed or merged into another")
    name: str
    photos: int = Field(ge=1)
    enrolled: datetime

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"id": 1, "name": "Ada Lovelace", "photos": 2, "enrolled": "2026-11-27T10:00:00Z"}
        }
    )


class PeoplePage(Record):
    """A page of people, in the order of their enrolment."""

    people: list[PersonRecord]
    next: Id | None = Field(description="give it as `after` for the next page; null on the last")
    total: int = Field(description="people on all pages")


class EnrolledPhoto(Record):
    """A photo of somebody enrolled."""

    id: Id
    source: str = Field(description="the file's name")
    score: Rate = Field(description="detection confidence")
    enrolled: datetime
    sha256: str = Field(description="of the photo")


class PersonShown(PersonRecord):
    """Somebody enrolled, and their photos."""

    faces: list[EnrolledPhoto]


class Outcome(Record):
    """What became of a photo that was to be enrolled."""

    photo: str = Field(description="the file's name")
    name: str
    status: Literal["enrolled", "already enrolled", "refused"]
    lookalike: str | None = Field(description="somebody else whom the face looks like: are they two people?")
    lookalike_distance: Distance | None
    unlike_distance: Distance | None = Field(
        description="to the person's other photos, where it does not look like them"
    )
    complaint: str | None = Field(description="what makes it a poor photo")
    note: str | None = Field(description="what was not looked at, and which of several faces was taken")
    error: str | None = Field(description="why it was refused, and what to do")


class Enrolled(Record):
    """Somebody, and what became of their photos."""

    person: PersonRecord
    outcomes: list[Outcome] = Field(
        description="a photo each; one that waits for others to tell whose it is, after them"
    )


class NewName(Record):
    """A name."""

    name: GivenName


class Merge(Record):
    """Who somebody really is."""

    into: Id = Field(description="the person who gets the photos, and whose name stays")


class FindingRecord(Record):
    """Something to look at."""

    finding: Literal["unlike", "poor", "lost", "alike"] = Field(
        description="a photo unlike the others of its name, poor, or without a chip; two names for one person?"
    )
    name: str
    person: Id
    photo: str | None
    face: Id | None
    other: str | None
    other_person: Id | None
    distance: Distance | None
    complaint: str | None


class Findings(Record):
    """What to look at, person by person in the order of enrolment, then pairs of people."""

    findings: list[FindingRecord]


class LookalikesRecord(Record):
    """Two people who look alike: one under two names, or two who are mistaken for each other."""

    name: str
    person: Id
    other: str
    other_person: Id
    distance: Distance
    threshold: Distance


class Pairs(Record):
    """People who look alike."""

    pairs: list[LookalikesRecord]


class SightingRecord(Record):
    """Where and when somebody was seen before they had a name."""

    source: str = Field(description="the photo's file name")
    seen: datetime
    quality: Rate


class Sightings(Record):
    """Where somebody was seen, the last first."""

    sightings: list[SightingRecord]


class JobRecord(Record):
    """Photos that are enrolled in the background."""

    id: str
    state: Literal["receiving", "finishing", "done", "stopped"]
    received: int
    done: int
    enrolled: int
    already: int = Field(description="enrolled before")
    refused: int
    created: datetime
    finished: datetime | None

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "9f86d081884c7d65",
                "state": "receiving",
                "received": 40,
                "done": 12,
                "enrolled": 11,
                "already": 0,
                "refused": 1,
                "created": "2026-11-27T10:00:00Z",
                "finished": None,
            }
        }
    )


class JobList(Record):
    """Jobs, in the order of their creation."""

    jobs: list[JobRecord]


class StrangerRecord(SightingRecord):
    """A face of somebody who has no name yet."""

    id: Id


class GroupRecord(Record):
    """Faces that are taken for one person's."""

    id: Id
    seen: int = Field(description="how often")
    first: datetime
    last: datetime
    faces: list[StrangerRecord] = Field(description="the best")


class GroupPage(Record):
    """A page of groups, most often seen first."""

    groups: list[GroupRecord]
    next: str | None = Field(description="give it as `after` for the next page; null on the last")
    total: int = Field(description="groups on all pages")
    kept: int = Field(description="seconds for which a face is remembered")


class NamedStranger(Enrolled):
    """Somebody who has a name now, and where they were seen before."""

    sightings: list[SightingRecord]
