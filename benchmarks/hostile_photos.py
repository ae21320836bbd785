"""Photos that are made to cost, and the largest that telephones make: seconds and memory to find their faces.

    python -m benchmarks.hostile_photos [--facerec FOLDER] [CASE ...]

Run from the repository's root; it needs 1 GB of temporary disk. ``--facerec`` names the root of another version to
measure. Each case is a process of its own; memory is its peak above what it took before its first photo, MB of 10^6.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.faces.pictures import (
    PEAK,
    deep_png,
    deep_tiff,
    many_scans,
    packed_rows,
    png,
    saved,
    tiff,
)

SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "jacinda_ardern_2018.jpg"
SIDE = 9_900
LOOK = f"""
import json, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from facerec_cli.errors import FacerecError
from facerec_cli.faces.extraction import Extractor
{PEAK}

def look(path):
    try:
        found = extractor.extract(path)
    except FacerecError as error:
        return str(error).replace(str(path), "it")
    return f"{{found.width}} x {{found.height}}, {{len(found.faces)}} faces"

extractor = Extractor()
before, begun = peak_mb(), time.monotonic()
with ThreadPoolExecutor(int(sys.argv[2])) as executor:
    outcomes = set(executor.map(look, [Path(sys.argv[1])] * int(sys.argv[2])))
seconds = time.monotonic() - begun
print(json.dumps({{"seconds": seconds, "mb": (peak_mb() - before) * 1.048576, "outcome": "; ".join(sorted(outcomes))}}))
"""


def people(width: int, height: int) -> Image.Image:
    """A photo of that size, of one face many times."""
    with Image.open(SAMPLE) as photo:
        one = np.asarray(photo.convert("RGB"))
    return Image.fromarray(np.tile(one, (-(-height // one.shape[0]), -(-width // one.shape[1]), 1))[:height, :width])


def full_scans(scans: int) -> bytes:
    """A grey picture in progressive scans that each end its blocks, the cheapest that libjpeg does not skip."""
    whole = saved(Image.new("RGB", (SIDE, SIDE), (90, 90, 90)), "JPEG", progressive=True)
    return many_scans(whole, scans)


def heic() -> bytes:
    """48 megapixels, as telephones have them."""
    import pillow_heif  # noqa: PLC0415 - of the extra `heic`

    pillow_heif.register_heif_opener()
    return saved(people(8_064, 6_048), "HEIF", quality=50)


CASES: dict[str, tuple[Callable[[], bytes], int]] = {
    "499 scans.jpg": (lambda: full_scans(499), 1),
    "16-bit.tiff": (lambda: deep_tiff(SIDE, SIDE), 1),
    "16-bit, two at once.tiff": (lambda: deep_tiff(SIDE, SIDE), 2),
    "one strip, four at once.tiff": (lambda: tiff(8_000, 8_000, data=packed_rows(b"\1" * 24_000, 8_000)), 4),
    "plain, eight at once.png": (lambda: png(SIDE, SIDE, 1, 0, packed_rows(bytes(1 + -(-SIDE // 8)), SIDE)), 8),
    "16-bit, eight at once.png": (lambda: deep_png(8_000, 8_000), 8),
    "12 megapixels, eight at once.jpg": (lambda: saved(people(4_000, 3_000), "JPEG", quality=90), 8),
    "108 megapixels.jpg": (lambda: saved(people(12_000, 9_000), "JPEG", quality=90), 1),
    "200 megapixels.jpg": (lambda: saved(people(16_320, 12_240), "JPEG", quality=90), 1),
    "200 megapixels, progressive.jpg": (
        lambda: saved(people(16_320, 12_240), "JPEG", quality=90, progressive=True),
        1,
    ),
    "200 megapixels, four at once.jpg": (lambda: saved(people(16_320, 12_240), "JPEG", quality=90), 4),
    "motion photo.jpg": (lambda: SAMPLE.read_bytes() + np.random.default_rng(1).bytes(40_000_000), 1),
    "without its last two bytes.jpg": (lambda: SAMPLE.read_bytes()[:-2], 1),
    "animation.gif": (lambda: saved(people(1_200, 900), "GIF", save_all=True, append_images=[people(900, 900)]), 1),
    "48 megapixels.heic": (heic, 1),
}


def main() -> None:
    """Make each file, look at it, print a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], metavar="CASE")
    parser.add_argument("--facerec", type=Path, default=Path(__file__).parents[1])
    chosen = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None
    environment = {**os.environ, "PYTHONPATH": str(chosen.facerec.resolve())}
    print(f"{'file':34}  {'kB':>7}  {'seconds':>7}  {'MB':>5}  outcome")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.cases or CASES:
            make, threads = CASES[name]
            path = Path(folder, name)
            path.write_bytes(make())
            command = [sys.executable, "-c", LOOK, str(path), str(threads)]
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
            size = f"{name:34}  {path.stat().st_size // 1000:7,}"
            path.unlink()
            if done.returncode:
                print(f"{size}  ended with status {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
                continue
            found = json.loads(done.stdout)
            print(f"{size}  {found['seconds']:7.2f}  {found['mb']:5.0f}  {found['outcome']}", flush=True)


if __name__ == "__main__":
    main()
