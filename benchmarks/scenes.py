"""Twenty videos, and who is in them: twelve to tune by, and eight with other people, looked at once all is tuned.

People of LFW are those with six photos or more that the bundled model was not calibrated on. Their first three photos
are enrolled, the others shown. Sample photos are shown too: of who has two, one is enrolled.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from filming import Actor, Film, Key, Take

from facerec_cli.encoders.bundle import resolve_bundle

SAMPLES = Path(__file__).parents[1] / "tests" / "data"
FIRST, SECOND = "jacinda_ardern_2018.jpg", "jacinda_ardern_2022.jpg"
"""The sample photos of one person: of which one is enrolled, and which is shown."""
ENROLLED, LEAST, OTHERS = 3, 6, 50
"""Photos of each that are enrolled; photos that somebody in a video has at least; people enrolled who are in none."""


def photos_of(lfw: Path, person: str) -> tuple[Path, ...]:
    """LFW's photos of somebody."""
    return tuple(sorted((lfw / person).glob("*.jpg")))


def calibrated() -> set[str]:
    """The people whom the bundled model was calibrated on."""
    listed = resolve_bundle("pretrained").folder / "calibration_people.txt"
    return set(listed.read_text().split("\n"))


@dataclass(frozen=True)
class Cast:
    """People to be in videos, each once."""

    lfw: Path
    people: Iterator[str]

    def one(self, *takes: Take, known: bool = True, change: float = 1e9, fade: float = 0.0) -> Actor:
        """The next person."""
        person = next(self.people)
        shown = photos_of(self.lfw, person)[ENROLLED:]
        return Actor(person, known, shown if change < 1e9 else shown[:1], takes, change, fade)


def stays(x: float, y: float, scale: float, begin: float, end: float) -> Take:
    """Somebody who hardly moves."""
    return Key(begin, x, y, scale), Key(end, x + 25, y - 8, scale * 1.05)


def walks(begin: float, end: float, y: float, scale: float, *, back: bool = False) -> Take:
    """Across the picture, in from one side and out at the other."""
    sides = (1500, -220) if back else (-220, 1500)
    return Key(begin, sides[0], y, scale), Key(end, sides[1], y, scale)


def sample(known: bool, photo: str, *takes: Take) -> Actor:
    """Somebody of the sample photos."""
    return Actor(photo.rsplit("_", 1)[0], known, (SAMPLES / photo,), takes)


def tuned(cast: Cast) -> Iterator[Film]:
    """The twelve to tune by."""
    one = cast.one
    across = (Key(0, 200, 360), Key(14, 1500, 360))
    places = [stays(x, 380, 1.5, 0, 14) for x in (60, 560, 1060, 1560)]
    yield Film("01-pan", 14, tuple(one(at, known=n != 2) for n, at in enumerate(places)), camera=across)
    nearer = (Key(0, 640, 360, 0.6), Key(6, 640, 330, 2.2), Key(8, 640, 330, 2.2), Key(13, 640, 360, 0.8))
    ardern = sample(True, SECOND, stays(540, 350, 1.1, 0, 13))
    sunak = sample(False, "rishi_sunak.jpg", stays(740, 340, 1.1, 0, 13))
    yield Film("02-zoom", 13, (ardern, sunak), camera=nearer)
    yield Film("03-crossing", 10, (one(walks(0, 10, 360, 1.7)), one(walks(0, 10, 390, 1.9, back=True))))
    there_and_back = (Key(0, 250, 380, 1.9), Key(5, 1050, 380, 1.9), Key(7, 1050, 380, 1.9), Key(13, 250, 380, 1.9))
    passing = (one((Key(0, 1050, 350, 1.6), Key(6, 300, 350, 1.6), Key(13, 1000, 350, 1.6)), known=False),)
    yield Film("04-passing-strangers", 13, (*passing, one(there_and_back)))
    turns = tuple(
        Key(s, 420, 380, 1.8, turn) for s, turn in ((0, 0), (3, 0), (4.5, 180), (7, 180), (8.5, 0), (11, 0), (12, 70))
    )
    half = tuple(Key(s, 900, 370, 1.7, turn) for s, turn in ((0, 0), (2, 40), (5, 40), (6, 85), (8, 85), (9, 10)))
    away = (*turns, Key(13, 420, 380, 1.8, 70), Key(14, 420, 380, 1.8, 0), Key(15, 420, 380, 1.8, 0))
    yield Film("05-turning-away", 15, (one(away), one((*half, Key(15, 900, 370, 1.7, 0)), known=False)))
    leaves = (stays(400, 370, 1.7, 0, 4), stays(420, 370, 1.7, 6.5, 10), stays(380, 370, 1.8, 26, 30))
    follows = stays(850, 370, 1.7, 3, 7), stays(850, 370, 1.6, 23, 28)
    yield Film("06-leaving", 30, (one(*leaves), one(*follows, known=False)))
    scenes = [stays(400 + 240 * (n % 3), 370, 1.5 + 0.2 * n, 2.5 * n, 2.5 * n + 2.5) for n in range(6)]
    cuts = tuple(take[0].seconds for take in scenes[1:])
    yield Film("07-cuts", 15, tuple(one(take, known=n not in (2, 5)) for n, take in enumerate(scenes)), cuts=cuts)
    weather = tuple(
        one(stays(x, 370, 1.6, 0, 14), known=known) for x, known in ((250, True), (640, False), (1030, True))
    )
    yield Film("08-light", 14, weather, light=lambda s: 0.75 + 0.5 * math.sin(s * 0.7) + 0.12 * math.sin(s * 57))
    crew = [stays(140 + 240 * n, 300 + 60 * (n % 2), 0.62, 0, 12) for n in range(5)]
    yield Film("09-small", 12, tuple(one(take, known=n != 3) for n, take in enumerate(crew)))
    row = [stays(110 + 165 * n, 250 + 230 * (n % 2), 1.05, 0, 14) for n in range(7)]
    yield Film("10-many", 14, tuple(one(take, known=n not in (1, 4)) for n, take in enumerate(row)))
    slides = one(stays(380, 370, 1.9, 0, 15), change=3, fade=0.7), one(stays(900, 370, 1.8, 0, 15), change=2.5)
    yield Film("11-several-photos", 15, slides)
    alone = one(stays(300, 370, 1.8, 0, 6), known=False), one(stays(900, 370, 1.6, 2, 14), known=False)
    obama = sample(False, "barack_obama.jpg", stays(350, 370, 1.7, 8, 14))
    yield Film("12-strangers", 14, (*alone, obama))


def held_out(cast: Cast) -> Iterator[Film]:
    """The eight to look at once all is tuned."""
    one = cast.one
    quick = one(walks(0, 4, 370, 1.9)), one(walks(5, 9, 350, 1.6, back=True), known=False), one(walks(9, 13, 370, 2))
    yield Film("13-motion-blur", 14, quick, exposures=5)
    dim = one(stays(400, 370, 1.6, 0, 12)), one(stays(850, 360, 1.6, 3, 12), known=False)
    yield Film("14-noise", 12, dim, light=lambda _: 0.5, noise=11, encoding=("-crf", "26"))
    poor = one(stays(300, 370, 1.4, 0, 13)), one(walks(2, 12, 350, 1.3), known=False), one(stays(950, 380, 1.5, 1, 13))
    yield Film("15-low-bit-rate", 13, poor, encoding=("-b:v", "150k", "-maxrate", "150k", "-bufsize", "150k"))
    upright = one(stays(230, 500, 1.5, 0, 12)), one(stays(500, 740, 1.7, 2, 12), known=False)
    yield Film("16-telephone", 12, upright, camera=(Key(0, 360, 640),), is_portrait=True)
    round_trip = one((Key(0, 300, 370, 1.5), Key(2.5, 500, 380, 1.8), Key(5, 300, 370, 1.5)))
    yield Film("17-loop", 5, (round_trip, one(stays(950, 360, 1.6, 1, 5), known=False)), rounds=3)
    behind = one((Key(0, 640, 330, 1.5), Key(12, 660, 330, 1.5)), known=False)
    files = one(walks(0, 7, 370, 1.8)), one(walks(2.5, 9.5, 360, 1.7, back=True)), one(walks(5, 12, 390, 2))
    yield Film("18-crossing-four", 12, (behind, *files))
    speakers = one(stays(500, 370, 2.1, 0, 4), stays(480, 370, 2, 7, 10), stays(520, 360, 2.2, 12, 15))
    listeners = one(stays(760, 370, 2, 4, 7), stays(760, 370, 2, 10, 12)), one(stays(400, 380, 1.6, 4, 7), known=False)
    yield Film("19-two-cameras", 15, (speakers, *listeners), cuts=(4, 7, 10, 12))
    places = [(90 + 200 * n, 260 + 200 * (n % 2)) for n in range(8)]
    turns = [tuple(Key(s, x, y, 1.1, turn(s - n)) for s in range(17)) for n, (x, y) in enumerate(places)]
    crowd = tuple(one(take, known=n not in (2, 5)) for n, take in enumerate(turns))
    yield Film("20-crowd", 16, crowd, camera=(Key(0, 560, 360, 0.9), Key(16, 1050, 360, 1.1)))


def turn(seconds: float) -> float:
    """To the front, half away and back, for ever."""
    return 25 + 35 * math.sin(seconds)


def films(lfw: Path) -> list[Film]:
    """All twenty."""
    cast = casting(lfw)
    half = len(cast) // 2
    shown = list(tuned(Cast(lfw, iter(cast[:half]))))
    return shown + [replace(film, is_held_out=True) for film in held_out(Cast(lfw, iter(cast[half:])))]


def procession(lfw: Path) -> Film:
    """Those of another video, one after another, each for four seconds; nobody for six seconds before."""
    many = next(film for film in films(lfw) if film.name == "10-many")
    takes = [stays(640, 370, 1.7, 6 + 4 * n, 10 + 4 * n) for n in range(len(many.actors))]
    actors = tuple(replace(actor, takes=(take,)) for actor, take in zip(many.actors, takes, strict=True))
    return Film("procession", takes[-1][-1].seconds, actors)


def casting(lfw: Path) -> list[str]:
    """Who may be in a video, shuffled."""
    seen = calibrated()
    people = sorted(place.name for place in lfw.iterdir() if place.is_dir() and place.name not in seen)
    people = [person for person in people if len(photos_of(lfw, person)) >= LEAST]
    random.Random(21).shuffle(people)
    return people


def enrolment(lfw: Path, made: list[Film]) -> dict[str, tuple[Path, ...]]:
    """Who is enrolled for them, from which photos: those known, and others who are in none."""
    actors = [actor for film in made for actor in film.actors]
    enrolled = {
        actor.person: photos_of(lfw, actor.person)[:ENROLLED]
        for actor in actors
        if actor.is_known and actor.photos[0].parent != SAMPLES
    }
    enrolled |= {actor.person: (SAMPLES / FIRST,) for actor in actors if actor.photos[0].name == SECOND}
    away = {actor.person for actor in actors}
    others = sorted(place.name for place in lfw.iterdir() if place.is_dir() and place.name not in away)
    chosen = random.Random(22).sample(others, OTHERS)
    return enrolled | {person: photos_of(lfw, person)[:ENROLLED] for person in chosen}
