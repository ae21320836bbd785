"""The distributions as users get them: what the sdist and the wheel carry, and that what they install works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from facerec_cli.defaults import VERSION

ROOT = Path(__file__).parents[1]
PRIVATE = ("data", "database", "models")
"""Folders of a checkout in which users keep what is theirs."""
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
"""Without what could make facerec be found elsewhere than where it is installed."""


def _left_out(folder: str, names: list[str]) -> set[str]:
    """What no distribution is made from, and may be large."""
    here = {".git", "build", "dist", *PRIVATE} if Path(folder) == ROOT else set()
    return here | shutil.ignore_patterns(".*cache", ".venv*", "venv*", "*.egg-info", "__pycache__")(folder, names)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of a checkout that somebody works in, and the wheel that was built from it."""
    pytest.importorskip("build")
    place = tmp_path_factory.mktemp("distributions")
    source = place / "source"
    shutil.copytree(ROOT, source, ignore=_left_out)
    shutil.copytree(ROOT / "models/saved_best", source / "models/saved_best")
    for folder in PRIVATE:
        (source / folder / "mine").mkdir(parents=True)
        (source / folder / "mine" / "private.jpg").write_text("mine")
    command: list[str | Path] = [sys.executable, "-m", "build", "--no-isolation", "--outdir", place, source]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def test_the_sdist_carries_its_tests_and_nothing_of_its_users(built: Path) -> None:
    with tarfile.open(built / f"facerec-{VERSION}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "tools/manual.py", "CONTRIBUTING.md", "deploy/Dockerfile", "docs/serve.md"} <= names
    assert {"tests/conftest.py", "tests/data/CREDITS.md", "tests/cli/test_house.py", "benchmarks/README.md"} <= names
    assert {"models/saved_best/encoder.onnx", ".ci/run"} <= names
    assert not {name for name in names if name.startswith(("data", "database", "build")) or "mine/" in name}
    assert not {name for name in names if name.endswith(".pyc")}


def test_the_wheel_carries_weights_licences_pages_and_nothing_else_of_ours(built: Path) -> None:
    names = zipfile.ZipFile(built / f"facerec-{VERSION}-py3-none-any.whl").namelist()
    for part in [
        "facerec_cli/faces/weights/yunet.onnx",
        "facerec_cli/faces/weights/LICENSE-yunet",
        "facerec_cli/encoders/weights/pretrained/encoder.onnx",
        "facerec_cli/encoders/weights/pretrained/model.json",
        "facerec_cli/encoders/weights/pretrained/LICENSE-sface",
        "facerec_cli/datasets/lfw_pairs.tsv.gz",
        "facerec_cli/datasets/lfw_people.csv",
        "facerec_cli/training/recipes/siamese.toml",
        "facerec_cli/py.typed",
    ]:
        assert part in names
    assert any(name.endswith("/NOTICE") for name in names)
    ours = ("facerec_cli/", f"facerec-{VERSION}.dist-info/", f"facerec-{VERSION}.data/data/share/")
    assert all(name.startswith(ours) for name in names)


@pytest.mark.parametrize("distribution", ["*.whl", "*.tar.gz"])
def test_what_is_installed_works_from_any_folder(distribution: str, built: Path, tmp_path: Path, samples: Path) -> None:
    (file,) = built.glob(distribution)
    home = tmp_path / "installed"
    venv.create(home)
    inside = {"base": str(home), "platbase": str(home)}
    # What facerec needs is the tests' own, and not downloaded again; facerec is found where it is installed first.
    (Path(sysconfig.get_path("purelib", vars=inside)) / "needed.pth").write_text(sysconfig.get_path("purelib"))
    scripts = Path(sysconfig.get_path("scripts", vars=inside))
    python, pip = str(scripts / "python"), [sys.executable, "-m", "pip", "--python", str(home)]
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed"]

    def run(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(*pip, "install", *options, file)
    assert str(home) in run(python, "-c", "import facerec_cli; print(facerec_cli.__file__)")
    ardern, macron = samples / "jacinda_ardern_2022.jpg", samples / "emmanuel_macron_2025.jpg"
    run(scripts / "facerec", "enroll", "--name", "Jacinda Ardern", samples / "jacinda_ardern_2018.jpg")
    rows = run(scripts / "facerec", "identify", "--format", "csv", "-i", ardern, macron).splitlines()
    assert [row.split(",")[:3] for row in rows[1:]] == [
        [str(ardern), "1", "Jacinda Ardern"],
        [str(macron), "1", "unknown"],
    ]
    shared = {path.relative_to(home / "share").as_posix() for path in (home / "share").rglob("*") if path.is_file()}
    assert {"man/man1/facerec.1", "man/man1/facerec-people-rename.1", "zsh/site-functions/_facerec"} < shared
    assert {"bash-completion/completions/facerec", "fish/vendor_completions.d/facerec.fish"} < shared
