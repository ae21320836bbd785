"""Makes docs/watch.jpg, a frame of an annotated video, from the sample photos: `python tools/annotated_frame.py`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "tests/data"
PEOPLE = {"Jacinda Ardern": "jacinda_ardern_2018.jpg", "Emmanuel Macron": "emmanuel_macron_2014.jpg"}
PASSING = ("jacinda_ardern_2022.jpg", "barack_obama.jpg", "emmanuel_macron_2025.jpg")
SIZE = (960, 540)
SECONDS = 4


def main() -> None:
    """Film three people side by side, watch that, and take the frame in the middle."""
    sys.path.insert(0, str(ROOT))
    from facerec_cli.faces.images import pixels  # noqa: PLC0415 - found once the root is on the path
    from facerec_cli.faces.sources import parse_source  # noqa: PLC0415
    from facerec_cli.faces.video import Stream  # noqa: PLC0415
    from tests.composed import side_by_side  # noqa: PLC0415
    from tests.videos import moving, whole, write_video  # noqa: PLC0415

    facerec = [sys.executable, "-m", "facerec_cli"]
    with tempfile.TemporaryDirectory() as place:
        database = ["-db", f"{place}/database"]
        for name, photo in PEOPLE.items():
            subprocess.run([*facerec, "enroll", *database, "--name", name, SAMPLES / photo], check=True)
        picture = pixels(side_by_side(Path(place) / "three.jpg", *((SAMPLES / photo, 800) for photo in PASSING)))
        x, y, width = whole(picture, SIZE)
        frames = moving(picture, (x, y, 1.2 * width), (x, y, width), SECONDS, SIZE)
        film, annotated = write_video(Path(place) / "film.mp4", frames), f"{place}/annotated.mp4"
        subprocess.run([*facerec, "watch", film, *database, "--annotate", annotated], check=True)
        with Stream(parse_source(annotated)) as stream:
            middle = next(frame for frame in stream if frame.position > 0.75 * SECONDS)
    Image.fromarray(middle.image).save(ROOT / "docs/watch.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
