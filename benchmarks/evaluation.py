"""How long evaluating takes: LFW's chips, and View 2 from ready chips against the encoder alone on those chips.

    python benchmarks/evaluation.py LFW_FOLDER [--runs 3]

The folder's chips are made anew, beside it. View 2's command and a process that only encodes the same chips on as many
threads run in turn.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

FACEREC = Path(sys.executable).with_name("facerec")
CHIPS = """
import sys
from pathlib import Path
from facerec_cli.datasets.chips import load_chips
chips = load_chips(Path(sys.argv[1]))
print(int(chips.has_face.sum()), 'chips,', len(chips.faceless), 'faceless, sum', int(chips.chips.sum(dtype='int64')))
"""
ENCODER = """
import sys
from pathlib import Path
from facerec_cli.datasets.chips import load_chips
from facerec_cli.datasets.lfw import read_pairs
from facerec_cli.encoders.bundle import resolve_bundle
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.parallel import ordered_map
folder = Path(sys.argv[1])
chips, bundle = load_chips(folder), resolve_bundle('pretrained')
encoder = load_encoder(bundle)
folds = read_pairs(folder.parent / 'pairs.txt')
rows = sorted({chips.row[photo] for fold in folds for pair in fold for photo in (pair.first, pair.second)})
for _ in ordered_map(lambda row: encoder.encode([chips.chips[row]]), rows):
    pass
print(len(rows), 'chips')
"""


def timed(*command: str | Path) -> float:
    """Run a command; its wall time in seconds."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lfw", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    lfw = arguments.lfw.resolve()
    lfw.with_name(f"{lfw.name}.chips.h5").unlink(missing_ok=True)
    print(f"chips computed            {timed(sys.executable, '-c', CHIPS, lfw):8.1f} s")
    print(f"chips loaded and summed   {timed(sys.executable, '-c', CHIPS, lfw):8.1f} s   imports included")
    encoder, evaluation = [], []
    for _ in range(arguments.runs):
        encoder.append(timed(sys.executable, "-c", ENCODER, lfw))
        evaluation.append(timed(FACEREC, "evaluate", "--protocol", "view2", "--data", lfw))
    print(f"encoder alone, View 2     {median(encoder):8.1f} s")
    ratio = median(one / other for one, other in zip(evaluation, encoder, strict=True))
    print(f"facerec evaluate, View 2  {median(evaluation):8.1f} s   {ratio:.2f} x, median of {arguments.runs} pairs")


if __name__ == "__main__":
    main()
