"""A saving killed at any of its steps: the model is there, old or new, and the next saving leaves nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from facerec_cli.encoders.bundle import find_bundles, resolve_bundle, write_bundle
from facerec_cli.encoders.metric import Cosine

SAVING = '''
"""Save a model, and be killed before or after the nth step of a kind."""
import os, shutil, signal, sys
from pathlib import Path
from facerec_cli import files
from facerec_cli.encoders.bundle import write_bundle
from facerec_cli.encoders.metric import Cosine

folder, exchanges, when, kind, number = sys.argv[1:]
seen = 0

def watched(step, name):
    def call(*arguments, **options):
        global seen
        here = name == kind
        seen += here
        if here and seen == int(number) and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = step(*arguments, **options)
        if here and seen == int(number) and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

if exchanges == "no":
    files._exchanged = lambda one, other: False
for module, name in ((os, "mkdir"), (os, "fsync"), (os, "replace"), (os, "rename"), (os, "unlink"), (os, "rmdir"),
                     (shutil, "rmtree"), (files, "_exchanged"), (files, "_put_in")):
    setattr(module, name, watched(getattr(module, name), name))
write_bundle(Path(folder), b"the new encoder", embedding_size=4, metric=Cosine(), calibration=None, about={},
             others={"LICENSE": b"free", "report/roc.png": b"a curve"})
print(seen)
'''


def save(folder: Path, encoder: bytes) -> None:
    others = {"LICENSE": b"free", "report/old.png": b"a curve"}
    write_bundle(folder, encoder, embedding_size=4, metric=Cosine(), calibration=None, about={}, others=others)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saving") / "saving.py"
    path.write_text(SAVING)
    return path


STEPS = [
    *(("yes", "after", "mkdir", number) for number in (2, 4)),
    *(("yes", "after", "fsync", number) for number in (1, 4, 6, 7)),
    ("yes", "before", "_exchanged", 1),
    ("yes", "after", "_exchanged", 1),
    ("yes", "before", "rmtree", 1),
    ("yes", "after", "unlink", 2),
    ("yes", "after", "rmdir", 1),
    ("yes", "after", "rmtree", 1),
    *(("no", when, "replace", number) for when in ("before", "after") for number in (1, 2)),
    ("no", "before", "rmtree", 1),
    ("no", "after", "unlink", 2),
    ("no", "after", "rmdir", 1),
]


@pytest.mark.parametrize(("exchanges", "when", "kind", "number"), STEPS)
def test_killed_at_any_step_the_model_is_there_and_the_next_saving_clears_up(
    exchanges: str, when: str, kind: str, number: int, script: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    save(folder, b"the old encoder")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), exchanges, when, kind, str(number)], capture_output=True, check=False
    )
    assert done.returncode == -9, (done.stdout, done.stderr)  # there was such a step
    assert "mine" in find_bundles(tmp_path)
    bundle = resolve_bundle(folder)
    assert bundle.encoder_bytes() in (b"the old encoder", b"the new encoder")
    assert (folder / "LICENSE").read_bytes() == b"free"
    assert {path.name for path in (folder / "report").iterdir()} in ({"old.png"}, {"roc.png"})
    save(folder, b"the next encoder")
    assert resolve_bundle(folder).encoder_bytes() == b"the next encoder"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_first_saving_that_is_killed_leaves_no_model_and_the_next_clears_up(script: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    arguments = [str(folder), "yes", "before", "_put_in", "1"]
    assert subprocess.run([sys.executable, str(script), *arguments], check=False).returncode == -9
    assert "mine" not in find_bundles(tmp_path)
    assert list(tmp_path.iterdir()) != []
    save(folder, b"the next encoder")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
