"""facerec train, through the installed command; what takes minutes is marked slow."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

pytest.importorskip("keras", reason="training needs the extra `train`")

from facerec_cli.encoders.bundle import read_bundle
from facerec_cli.encoders.metric import LearnedL1
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.faces.extraction import Extractor
from tests.conftest import LFW, Run, needs_lfw
from tests.training.support import people

FAST = ("--batch", "8", "--epochs", "1", "--split", "0.6")


@pytest.fixture(scope="module")
def folder(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve people of four photos; their chips are made by whoever comes first."""
    return people(samples, tmp_path_factory.mktemp("data") / "people")


def test_what_exists_is_kept_and_odd_names_are_refused(facerec: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / ".begun.training").mkdir(parents=True)
    (tmp_path / "models" / "other").mkdir()
    (tmp_path / "models" / "mine").mkdir()
    (tmp_path / "models" / "mine" / "model.json").touch()
    for name, sentence in (
        (
            "begun",
            "A training of begun is unfinished in models/.begun.training: go on with --resume, or --overwrite it.",
        ),
        ("mine", "models/mine exists: choose another name with -m, or replace it with --overwrite."),
        ("other", "models/other exists and is no model: move it away"),
        *((name, f"{name!r} is no name for a model of yours") for name in ("a/b", "", "..", ".hidden", "pretrained")),
    ):
        done = facerec("train", "--data", folder, "-m", name)
        assert done.returncode == 1
        assert sentence in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [".begun.training", "mine", "other"]


def test_where_nothing_can_be_written_nothing_is_begun(facerec: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    done = facerec("train", "--data", folder)
    assert done.returncode == 1
    assert "Nothing can be written to models" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        ("abacus", "KERAS_BACKEND names 'abacus', which Keras does not know"),
        ("torch", "needs torch: install it, or unset"),
    ],
)
def test_a_backend_that_is_not_there_is_one_sentence(
    backend: str, sentence: str, facerec: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is installed here")
    monkeypatch.setenv("KERAS_BACKEND", backend)
    done = facerec("train", "--data", folder)
    assert done.returncode == 1
    assert sentence in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--recipe", "resnet"], "There is no recipe 'resnet': choose one of siamese, koch,"),
        (["--recipe", "none.toml"], "none.toml cannot be read (No such file or directory)"),
        (["--recipe", "finetune", "--grey"], "leave out --grey"),
        (["--freeze"], "--freeze is for finetune"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_no_recipe_serves_is_refused_before_keras_is_imported(
    options: list[str], sentence: str, facerec: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keras.py").write_text("raise SystemExit('Keras is imported')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = facerec("train", "--data", "nowhere", *options)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ") and sentence in done.stderr
    assert not (tmp_path / "models").exists()


def test_without_the_extra_the_sentence_says_how_to_get_it(
    facerec: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for missing in ("keras", "pydantic"):
        (tmp_path / f"{missing}.py").write_text(f"raise ModuleNotFoundError('No module', name={missing!r})")
        done = facerec("train", "--data", folder)
        assert done.returncode == 1
        assert f"Error: Training needs {missing.capitalize()} (" in done.stderr
        assert done.stderr.endswith("`pip install 'facerec[train]'` brings it.\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--view2"], "is not LFW, whose folds View 2 is about"),
        (["--split", "0.6", "--batch", "1000"], "A batch takes 250 people and the photos to train on show 7"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
@pytest.mark.slow
def test_what_cannot_be_trained_is_one_sentence(
    options: list[str], sentence: str, facerec: Run, folder: Path, tmp_path: Path
) -> None:
    done = facerec("train", "--data", folder, *options)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert last.startswith("Error: ") and sentence in last
    assert not [path for path in (tmp_path / "models").iterdir() if path.is_dir()]


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_model(
    facerec: Run, facerec_path: str, folder: Path, tmp_path: Path
) -> None:
    short = "steps_per_epoch = 20\n[options]\nsize = 32\nwidth = 4\n"
    (tmp_path / "short.toml").write_text(short, encoding="utf-8")
    options = ["--recipe", "short.toml", "--data", str(folder), "--batch", "8", "--epochs", "3", "--split", "0.6"]
    command = [facerec_path, "train", "-m", "killed", *options]
    said: list[str] = []
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if line.startswith("epoch 1/3"):
                process.send_signal(signal.SIGKILL)
                break
        process.stderr.read()
    assert not (tmp_path / "models" / "killed").exists()
    assert "There is nothing to go on with" not in "".join(said)
    refused = facerec("train", "-m", "killed", *options)
    assert refused.returncode == 1 and "go on with --resume" in refused.stderr
    other = facerec("train", "-m", "killed", "--resume", "--seed", "1", *options)
    assert other.returncode == 1 and "is another: repeat its options and data, or --overwrite it." in other.stderr

    resumed = facerec("train", "-m", "killed", "--resume", *options)
    assert resumed.returncode == 0, resumed.stderr
    whole = facerec("train", "-m", "whole", *options)
    assert whole.returncode == 0, whole.stderr
    one, other_bundle = (read_bundle(tmp_path / "models" / name) for name in ("killed", "whole"))
    assert one.digest == other_bundle.digest

    # Begun to replace a model, it goes on without a word of --overwrite, and nothing is lost to time that is over.
    replacing = facerec("train", "-m", "whole", "--overwrite", "--minutes", "0.0001", *options)
    assert replacing.returncode == 0 and "ended the training at epoch 1 of 3" in replacing.stderr
    finished = facerec("train", "-m", "whole", "--resume", *options)
    assert finished.returncode == 0, finished.stderr
    assert read_bundle(tmp_path / "models" / "whole").digest == one.digest
    assert not list((tmp_path / "models").glob(".*.training"))


@pytest.mark.slow
def test_koch_is_searched_with_its_learned_distance(facerec: Run, folder: Path, samples: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text('base = "koch"\nsteps_per_epoch = 2\n', encoding="utf-8")
    done = facerec("train", "--recipe", recipe, "--data", folder, "-m", "koch", "--grey", *FAST, timeout=600)
    assert done.returncode == 0, done.stderr
    bundle = read_bundle(tmp_path / "models" / "koch")
    assert bundle.embedding_size == 4096
    assert isinstance(bundle.load_metric(), LearnedL1)
    names, photo = ("rishi_sunak", "barack_obama"), "rishi_sunak.jpg"
    for name in names:
        assert facerec("enroll", "-m", "koch", "--name", name, samples / f"{name}.jpg").returncode == 0
    encoder, metric, extractor = load_encoder(bundle), bundle.load_metric(), Extractor()
    sunak, obama = (encoder.encode([extractor.extract(samples / f"{name}.jpg").one_face().chip]) for name in names)
    found = facerec("identify", "-m", "koch", "--threshold", "5", "--top", "2", "--format", "json", samples / photo)
    (face,) = json.loads(found.stdout)["faces"]
    distances = {candidate["name"]: candidate["distance"] for candidate in face["candidates"]}
    # Those enrolled went through a JPEG, which moves an embedding a little.
    assert distances["rishi_sunak"] == pytest.approx(metric.pairs(sunak, sunak)[0], abs=0.01)
    assert distances["barack_obama"] == pytest.approx(metric.pairs(sunak, obama)[0], abs=0.01)
    assert facerec("evaluate", "-m", "koch", "--data", folder, "--protocol", "pairs").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ['base = "triplet"', 'base = "contrastive"', 'base = "triplet"\nobjective = "l1-batch-all"']
)
def test_triplet_folders_train(recipe: str, facerec: Run, folder: Path, tmp_path: Path) -> None:
    for number in range(12):
        for name, source in (
            ("anchor", f"person {number}/0.jpg"),
            ("positive", f"person {number}/1.jpg"),
            ("negative", f"person {(number + 1) % 12}/2.jpg"),
        ):
            (tmp_path / "triplets" / name).mkdir(parents=True, exist_ok=True)
            os.link(folder / source, tmp_path / "triplets" / name / f"{number}.jpg")
    short = tmp_path / "short.toml"
    short.write_text(f"{recipe}\nsteps_per_epoch = 2\n[options]\nsize = 32\nunit = true\n", encoding="utf-8")
    done = facerec("train", "--recipe", short, "--data", "triplets", "-m", "three", *FAST)
    assert done.returncode == 0, done.stderr
    assert "pairs of the triplets held out" in done.stderr
    about = read_bundle(tmp_path / "models" / "three").about
    assert about["training_data"] == "7 triplets of triplets, and nothing else"
    refused = facerec("train", "--data", "triplets", "-m", "people")
    assert refused.returncode == 1 and "a folder of triplets does not say who is who" in refused.stderr


@pytest.mark.slow
def test_finetuning_never_leaves_a_worse_model(facerec: Run, folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "harmful.toml"
    recipe.write_text('base = "finetune"\nsteps_per_epoch = 2\nlearning_rate = 10.0\nwarm_up = 0\n', encoding="utf-8")
    done = facerec("train", "--recipe", recipe, "--data", folder, "-m", "tuned", *FAST)
    assert done.returncode == 0, done.stderr
    validation = read_bundle(tmp_path / "models" / "tuned").about["validation"]
    assert validation["epoch"] == 0 and validation["accuracy"] > 0.95


@pytest.mark.slow
@needs_lfw
def test_the_folds_of_view_2_are_shared_among_processes(facerec: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "short.toml"
    recipe.write_text('base = "euclidean"\nsteps_per_epoch = 1\nepochs = 1\n', encoding="utf-8")
    command = ("train", "--view2", "--recipe", recipe, "--data", LFW.resolve(), "-m", "short")
    (tmp_path / "models").mkdir()
    with FileLock(tmp_path / "models" / ".short-fold-3.lock"):
        done = facerec(*command, timeout=3600)
    assert done.returncode == 0, done.stderr
    assert "Another process is training short-fold-3: it is left to it." in done.stderr
    assert "Folds left to other processes: 1 of ten." in done.stderr and "View 2:" not in done.stderr
    assert not (tmp_path / "models" / "short-fold-3").exists()
    digests = {path.name: read_bundle(path).digest for path in (tmp_path / "models").glob("short-fold-*")}
    assert len(digests) == 9
    finished = facerec(*command, "--resume", timeout=3600)
    assert finished.returncode == 0, finished.stderr
    assert "View 2: " in finished.stderr and "ten trainings (short)" in finished.stderr
    again = {path.name: read_bundle(path).digest for path in (tmp_path / "models").glob("short-fold-*")}
    assert len(again) == 10 and digests.items() <= again.items()
