from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from facerec_cli.recognition.cuts import Cuts
from tests.recognition.scenes import Pixels, background, cutout, scene, still, walk
from tests.videos import pan, zoom


def cuts(pictures: Iterable[Pixels]) -> list[int]:
    """The numbers of the frames at which a scene begins."""
    watched = Cuts()
    return [number for number, picture in enumerate(pictures) if watched.is_cut(picture)]


def test_another_scene_is_a_cut(samples: Path) -> None:
    person, other = cutout(samples / "barack_obama.jpg", 260), cutout(samples / "rishi_sunak.jpg", 300)
    scenes = [
        *scene([(person, still(300, 180))], 1.0, background(1)),
        *scene([(other, still(200, 180))], 1.0, background(2)),
        *scene([(person, still(300, 180))], 1.0, background(1)),
    ]
    assert cuts(scenes) == [10, 20]


def test_people_who_move_a_camera_that_does_and_light_are_none(samples: Path) -> None:
    photo = samples / "barack_obama.jpg"
    assert cuts(scene([(cutout(photo, 260), walk((0, 180), (640, 180), 2.0))], 2.0)) == []
    assert cuts(pan(photo, 1.0)) == []
    assert cuts(zoom(photo, 1.0)) == []
    wall = background()
    assert cuts([wall, wall, np.minimum(wall, 215) + np.uint8(40), wall // 2]) == []
