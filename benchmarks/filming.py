"""Makes videos of which it is known who is seen when: photos of people, moving before a background, through ffmpeg.

A person is a head cut from a photo with a soft edge, above a plain body, and never quite still: it sways, nods and
comes nearer. A face that turns away is squeezed, moves to the side of the head and leaves hair in its place. Heads in
front hide those behind. Beside each video lies its truth: in which frames each face can be seen, and where.
"""

from __future__ import annotations

import json
import math
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from facerec_cli.faces.extraction import Extractor

Picture = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]

WIDTH, HEIGHT, RATE = 1280, 720, 30
HEAD = (60.0, 84.0)
"""Half-axes of a head, and so of what is cut from a photo, in pixels of LFW's photos of 250 x 250."""
FACE = (72.0, 95.0)
"""Width and height of the face in there, whose centre is ``BELOW`` that of the head."""
BELOW, CENTRE, SHARPER = 8.0, (125.0, 110.0), 2
"""A head's centre in the photo. A sprite has ``SHARPER`` times LFW's pixels, for photos that have more."""
SEEN, HIDDEN, TURNED = 0.75, 0.35, 55.0
"""A face can be seen while so much of it is in the picture, less than that behind other heads, and turned by less."""


@dataclass(frozen=True)
class Key:
    """Where something is at a moment: seconds, pixels, scale (1: a face of 72 pixels, as in LFW), degrees turned."""

    seconds: float
    x: float
    y: float
    scale: float = 1.0
    turn: float = 0.0


Take = tuple[Key, ...]
"""Straight from key to key; nobody is there before the first and after the last."""


@dataclass(frozen=True)
class Actor:
    """Somebody in a video.

    Attributes:
        person: who it is.
        is_known: whether they are enrolled.
        photos: what is shown of them, one after another.
        takes: where they are, and when.
        change: seconds a photo is shown, where there are several.
        fade: seconds of them in which it changes to the next; 0 is a jump.
    """

    person: str
    is_known: bool
    photos: tuple[Path, ...]
    takes: tuple[Take, ...]
    change: float = 1e9
    fade: float = 0.0


@dataclass(frozen=True)
class Film:
    """A video to make.

    Attributes:
        name: of the file.
        seconds: how long one round of it is.
        actors: who is in it, those in front last.
        is_held_out: whether it is looked at only once all is tuned.
        camera: which place of the scene is at the picture's centre, and how near it is.
        cuts: seconds at which the background is another.
        light: how bright it is at a second, 1 as the photos are.
        exposures: pictures of which a frame is the mean, over its time: motion blur.
        noise: standard deviation, grey levels.
        encoding: of ffmpeg's libx264.
        is_portrait: whether a telephone was held upright: 720 x 1280, stored lying, to be turned by whoever plays it.
        rounds: how often all of it comes.
    """

    name: str
    seconds: float
    actors: tuple[Actor, ...]
    is_held_out: bool = False
    camera: Take = (Key(0, WIDTH / 2, HEIGHT / 2),)
    cuts: tuple[float, ...] = ()
    light: Callable[[float], float] = lambda _: 1.0
    exposures: int = 1
    noise: float = 0.0
    encoding: tuple[str, ...] = ("-crf", "23")
    is_portrait: bool = False
    rounds: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as it is to be seen."""
        return (HEIGHT, WIDTH) if self.is_portrait else (WIDTH, HEIGHT)


def at(take: Take, seconds: float) -> Key:
    """Where something is at a moment; at the ends, it stays."""
    times = [key.seconds for key in take]
    values = [[key.x for key in take], [key.y for key in take], [key.scale for key in take], [key.turn for key in take]]
    return Key(seconds, *(float(np.interp(seconds, times, value)) for value in values))


@dataclass(frozen=True)
class Head:
    """A head at a moment, in the picture's pixels; ``tilt`` in degrees, ``squeeze`` 1 from the front, 0 in profile."""

    x: float
    y: float
    scale: float
    turn: float
    tilt: float
    squeeze: float

    @property
    def face(self) -> Box:
        """x, y, width and height of the face."""
        width, height = FACE[0] * self.scale * self.squeeze, FACE[1] * self.scale
        return self.face_x - width / 2, self.y + BELOW * self.scale - height / 2, width, height

    @property
    def face_x(self) -> float:
        """The face's middle: who turns has it at the side of the head."""
        return self.x + math.sin(math.radians(self.turn)) * 0.6 * HEAD[0] * self.scale

    @property
    def outline(self) -> Box:
        """x, y, width and height of the head."""
        return (
            *(self.x - HEAD[0] * self.scale, self.y - HEAD[1] * self.scale),
            *(2 * HEAD[0] * self.scale, 2 * HEAD[1] * self.scale),
        )


def head_of(film: Film, number: int, seconds: float) -> Head | None:
    """Where an actor's head is at a moment; None where they are not in the scene."""
    actor = film.actors[number]
    for take in actor.takes:
        if take[0].seconds <= seconds <= take[-1].seconds:
            key, camera, phase = at(take, seconds), at(film.camera, seconds), 2.4 * number
            sway = [math.sin(seconds * speed + phase * speed) for speed in (1.1, 1.7, 0.9, 1.3, 2.1)]
            return Head(
                (key.x + 8 * sway[0] * key.scale - camera.x) * camera.scale + film.size[0] / 2,
                (key.y + 4 * sway[1] * key.scale - camera.y) * camera.scale + film.size[1] / 2,
                key.scale * camera.scale * (1 + 0.04 * sway[2]),
                key.turn,
                5 * sway[3],
                max(0.2, abs(math.cos(math.radians(key.turn))) * (1 - 0.04 * abs(sway[4]))),
            )
    return None


def share(inner: Box, outer: Box) -> float:
    """How much of one box is in another."""
    width = min(inner[0] + inner[2], outer[0] + outer[2]) - max(inner[0], outer[0])
    height = min(inner[1] + inner[3], outer[1] + outer[3]) - max(inner[1], outer[1])
    return max(0.0, width) * max(0.0, height) / (inner[2] * inner[3])


def can_be_seen(head: Head, in_front: list[Head], size: tuple[int, int]) -> bool:
    """Whether the face is in the picture, towards it, and not behind another head."""
    return (
        head.turn < TURNED
        and share(head.face, (0, 0, *size)) >= SEEN
        and all(share(head.face, other.outline) < HIDDEN for other in in_front)
    )


def truth(film: Film) -> list[dict[str, object]]:
    """Of each actor: who it is, and the frames in which the face can be seen, with its box."""
    boxes: list[list[list[float]]] = [[] for _ in film.actors]
    frames = round(film.seconds * RATE)
    for frame in range(frames):
        heads = [head_of(film, number, frame / RATE) for number in range(len(film.actors))]
        for number, head in enumerate(heads):
            in_front = [other for other in heads[number + 1 :] if other is not None]
            if head is not None and can_be_seen(head, in_front, film.size):
                boxes[number].append([round(side, 1) for side in head.face])
                boxes[number][-1].insert(0, frame)
    return [
        {
            "person": actor.person,
            "known": actor.is_known,
            "boxes": [[row[0] + turn * frames, *row[1:]] for turn in range(film.rounds) for row in own],
        }
        for actor, own in zip(film.actors, boxes, strict=True)
    ]


@cache
def sprite(photo: Path) -> tuple[Picture, Picture]:
    """A head's pixels and its soft mask, cut from a photo of LFW, or from any photo of one person."""
    picture = cv2.imread(str(photo))
    if picture is None:
        raise SystemExit(f"{photo}: not a photo.")
    enlarged = np.array([[SHARPER, 0, 0], [0, SHARPER, 0]], np.float64)
    if picture.shape[:2] != (250, 250):
        x, y, width, height = Extractor().extract(photo).faces[0].box
        scale = SHARPER * FACE[1] / height
        middle = SHARPER * CENTRE[0], SHARPER * (CENTRE[1] + BELOW)
        enlarged[:] = [
            [scale, 0, middle[0] - scale * (x + width / 2)],
            [0, scale, middle[1] - scale * (y + height / 2)],
        ]
    large = cv2.warpAffine(
        picture, enlarged, (250 * SHARPER,) * 2, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    half = [round(SHARPER * (axis + 10)) for axis in HEAD]
    left, top = round(SHARPER * CENTRE[0]) - half[0], round(SHARPER * CENTRE[1]) - half[1]
    cut = large[top : top + 2 * half[1], left : left + 2 * half[0]]
    mask = np.zeros(cut.shape[:2], np.uint8)
    axes = [round(SHARPER * axis) for axis in HEAD]
    cv2.ellipse(mask, (half[0], half[1]), (axes[0], axes[1]), 0, 0, 360, 255, -1)
    return np.asarray(cut, np.uint8), np.asarray(cv2.GaussianBlur(mask, (0, 0), 4 * SHARPER), np.uint8)


def photo_at(actor: Actor, seconds: float) -> Picture:
    """The head's pixels at a moment: a photo's, or two photos' on the way from one to the next."""
    turn, part = divmod(seconds, actor.change)
    now, then = (sprite(actor.photos[(int(turn) + more) % len(actor.photos)])[0] for more in (0, 1))
    weight = max(0.0, 1 - (actor.change - part) / actor.fade) if actor.fade else 0.0
    return np.asarray(cv2.addWeighted(now, 1 - weight, then, weight, 0), np.uint8)


def paste(frame: Picture, pixels: Picture, mask: Picture, head: Head) -> None:
    """Draw the head's face onto a frame, in place."""
    shrink = head.scale / SHARPER
    while shrink < 0.5:
        pixels, mask = np.asarray(cv2.pyrDown(pixels), np.uint8), np.asarray(cv2.pyrDown(mask), np.uint8)
        shrink *= 2
    height, width = mask.shape
    matrix = cv2.getRotationMatrix2D((0, 0), head.tilt, shrink) @ np.diag([head.squeeze, 1, 1])
    matrix[:, 2] = (head.face_x, head.y) - matrix[:, :2] @ (width / 2, height / 2)
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ matrix.T
    left, top = (max(0, math.floor(side)) for side in corners.min(axis=0))
    right = min(frame.shape[1], math.ceil(corners[:, 0].max()))
    bottom = min(frame.shape[0], math.ceil(corners[:, 1].max()))
    if left >= right or top >= bottom:
        return
    matrix[:, 2] -= (left, top)
    size = right - left, bottom - top
    weight = cv2.warpAffine(mask, matrix, size)[..., None].astype(np.uint16)
    new = cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.uint16)
    place = frame[top:bottom, left:right]
    place[:] = (place * (255 - weight) + new * weight + 127) // 255


def draw(frame: Picture, head: Head, pixels: Picture, mask: Picture, shirt: tuple[int, ...]) -> None:
    """A body, the back of a head where somebody turns away, and a face."""

    def ellipse(below: float, axes: tuple[float, float], colour: tuple[int, ...]) -> None:
        middle = round(head.x), round(head.y + below * head.scale)
        half = round(axes[0] * head.scale), round(axes[1] * head.scale)
        cv2.ellipse(frame, middle, half, 0, 0, 360, colour, -1, cv2.LINE_AA)

    ellipse(210, (115, 150), shirt)
    if head.turn > 5:
        rows, middle = slice(12 * SHARPER, 25 * SHARPER), pixels.shape[1] // 2
        hair = pixels[rows, middle - 20 : middle + 20].reshape(-1, 3).mean(axis=0)
        ellipse(0, HEAD, tuple(int(part) for part in hair))
    visible = min(1.0, max(0.0, (80 - head.turn) / 20))
    paste(frame, pixels, np.asarray(mask * visible, np.uint8), head)


def background(generator: np.random.Generator) -> Picture:
    """Twice the picture's size and width: a gradient, stains of all sizes, and furniture."""
    height, width = 2 * WIDTH, 2 * WIDTH
    ends = generator.integers(40, 200, (2, 2, 3)).astype(np.float32)
    scene = np.asarray(cv2.resize(ends, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    for cells in (8, 40, 200):
        stains = generator.normal(0, 8, (cells, cells)).astype(np.float32)
        scene += np.asarray(cv2.resize(stains, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)[..., None]
    for _ in range(14):
        x, y = generator.integers(0, width), generator.integers(0, height)
        wide, high = generator.integers(60, 500, 2)
        scene[y : y + high, x : x + wide] *= np.float32(generator.uniform(0.6, 1.3))
    return np.asarray(np.clip(cv2.GaussianBlur(scene, (0, 0), 1.5), 0, 255), np.uint8)


def frames(film: Film) -> Iterator[Picture]:
    """One round of it, picture by picture, BGR and upright."""
    generator = np.random.default_rng(zlib.crc32(film.name.encode()))
    scenes = [background(generator) for _ in range(len(film.cuts) + 1)]
    shirts = [tuple(int(part) for part in generator.integers(20, 220, 3)) for _ in film.actors]
    grain = (
        generator.normal(0, film.noise, (5, film.size[1], film.size[0], 3)).astype(np.float32) if film.noise else None
    )

    def exposed(seconds: float) -> Picture:
        camera = at(film.camera, seconds)
        scene = scenes[sum(cut <= seconds for cut in film.cuts)]
        shift = [film.size[side] / 2 - camera.scale * (scene.shape[1] / 2 - film.size[side] / 2) for side in (0, 1)]
        matrix = np.array(
            [
                [camera.scale, 0, shift[0] - camera.scale * camera.x],
                [0, camera.scale, shift[1] - camera.scale * camera.y],
            ]
        )
        frame = np.asarray(cv2.warpAffine(scene, matrix, film.size, borderMode=cv2.BORDER_REFLECT), np.uint8)
        for number, actor in enumerate(film.actors):
            head = head_of(film, number, seconds)
            if head is not None:
                draw(frame, head, photo_at(actor, seconds), sprite(actor.photos[0])[1], shirts[number])
        return frame

    for number in range(round(film.seconds * RATE)):
        seconds = number / RATE
        moments = [exposed(seconds + part / RATE / film.exposures) for part in range(film.exposures)]
        mean = np.mean(moments, axis=0, dtype=np.float32) * film.light(seconds)
        if grain is not None:
            mean += np.roll(grain[number % len(grain)], number * 37, axis=1)
        yield np.asarray(np.clip(mean, 0, 255), np.uint8)


def make(film: Film, folder: Path) -> Path:
    """The video, made where it is not there yet; its truth is the JSON file beside it."""
    video = folder / f"{film.name}.mp4"
    if video.exists():
        return video
    folder.mkdir(parents=True, exist_ok=True)
    ffmpeg = ["ffmpeg", "-y", "-loglevel", "error"]
    once, partial = folder / f".{film.name}-once.mp4", folder / f".{film.name}.mp4"
    raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"]
    coded = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", *film.encoding]
    with subprocess.Popen([*ffmpeg, *raw, *coded, str(once)], stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for frame in frames(film):
            encoder.stdin.write(np.ascontiguousarray(np.rot90(frame, -1) if film.is_portrait else frame).data)
        encoder.stdin.close()
    turned = ["-metadata:s:v:0", "rotate=90"] if film.is_portrait else []
    again = ["-stream_loop", str(film.rounds - 1)]
    subprocess.run([*ffmpeg, *again, "-i", str(once), "-c", "copy", *turned, str(partial)], check=True)
    once.unlink()
    video.with_suffix(".json").write_text(json.dumps(truth(film)))
    partial.rename(video)
    return video
