"""The package as users get it: the wheel, the README's Python, the layering of imports."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "facerec_cli"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("wheel")
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    ignored = shutil.ignore_patterns(".*", "*.egg-info", "build", "data", "tests")
    shutil.copytree(ROOT, source, ignore=ignored)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "-w", str(place)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = place.glob("*.whl")
    return built


def test_the_wheel_carries_weights_licences_and_nothing_else_of_ours(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for part in [
        "facerec_cli/encoders/weights/yunet.onnx",
        "facerec_cli/encoders/weights/LICENSE-yunet",
        "facerec_cli/encoders/weights/pretrained/encoder.onnx",
        "facerec_cli/encoders/weights/pretrained/model.json",
        "facerec_cli/encoders/weights/pretrained/LICENSE-sface",
        "facerec_cli/datasets/lfw_people.csv",
        "facerec_cli/py.typed",
    ]:
        assert part in names
    assert any(name.endswith("/NOTICE") for name in names)
    assert all(name.startswith(("facerec_cli/", "facerec-")) for name in names)


def test_an_installed_wheel_works_from_any_directory(wheel: Path, tmp_path: Path, samples: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import facerec_cli.cli\n"
        f"assert facerec_cli.__file__.startswith({str(tmp_path)!r})\n"
        f"sys.argv = ['facerec', 'verify', {str(samples / 'jacinda_ardern_2018.jpg')!r}, "
        f"{str(samples / 'jacinda_ardern_2022.jpg')!r}]\n"
        "facerec_cli.cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert "same person" in done.stdout, done.stderr


def test_the_python_of_the_readme_runs(tmp_path: Path, samples: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copy(samples / "jacinda_ardern_2018.jpg", tmp_path / "ada.jpg")
    shutil.copy(samples / "jacinda_ardern_2022.jpg", tmp_path / "party.jpg")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['Ada Lovelace']\n", done.stderr


FLOORS = {
    **{"cli": 4, "recognizer": 3, "results": 3, "threshold": 3, "training": 3, "evaluation": 3},
    **{"gallery": 2, "encoders": 2, "datasets": 2, "faces": 1},
}
ANYWHERE = {"columns", "errors", "parallel", "runtime", "__init__"}
KERAS = {"keras", "tensorflow"}


def imports(path: Path) -> Iterator[str]:
    """The facerec modules that a file imports, anywhere in it, as the part after facerec_cli."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("facerec_cli."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_an_import_never_goes_up(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own == "__init__":
        return
    for other in imports(path):
        if other not in ANYWHERE:
            assert own not in ANYWHERE
            assert FLOORS[other] <= FLOORS[own], f"{path} imports {other}"


def test_keras_is_imported_by_training_alone() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {name.name.split(".")[0] for name in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {node.module.split(".")[0]}
            if names & KERAS:
                in_commands = path.parent.name == "cli" and path.name in (
                    "train.py",
                    "training_extra.py",
                    "training_run.py",
                )
                assert path.parent.name == "training" or in_commands, path


def test_opencv_is_imported_in_one_place() -> None:
    importers = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and any(name.name == "cv2" for name in node.names)
    }
    assert importers == {"opencv.py"}


def test_the_bundle_is_what_the_conversion_makes() -> None:
    """Holds where the original weights are: the checked-in encoder is the script's result, to the byte."""
    original = ROOT.parent / "shared" / "data" / "weights" / "face_recognition_sface_2021dec_int8bq.onnx"
    if not original.exists():
        pytest.skip(f"the published SFace file is not at {original}")
    pytest.importorskip("onnx")
    sys.path.insert(0, str(ROOT / "tools"))
    from convert_zoo import convert_sface

    from facerec_cli.encoders.bundle import resolve_bundle

    assert convert_sface(original) == resolve_bundle("pretrained").encoder_bytes()
