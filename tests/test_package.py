"""The package as it is built: the README's Python, the layering of imports."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import blocks

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "facerec_cli"


def test_the_python_of_the_readme_runs(tmp_path: Path, samples: Path) -> None:
    (code,) = blocks("README.md", "python")
    shutil.copy(samples / "jacinda_ardern_2018.jpg", tmp_path / "ada.jpg")
    shutil.copy(samples / "jacinda_ardern_2022.jpg", tmp_path / "party.jpg")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['Ada Lovelace']\n", done.stderr


def test_what_contributors_are_pointed_at_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {*re.findall(r"\]\(([^)]+)\)", text), *re.findall(r"`((?:tests|docs|benchmarks|\.ci)/[^`]*)`", text)}
    named |= {f"facerec_cli/{name}" for name in re.findall(r"`((?:cli|gallery|training)/[^`]*)`", text)}
    assert len(named) > 15 and not {name for name in named if not (ROOT / name).exists()}
    assert len(text.splitlines()) <= 80


FLOORS: list[set[str]] = [
    {"defaults", "errors", "json_text", "locks", "words"},
    {"environment", "files", "parallel", "runtime", "storage", "untrusted"},
    {"columns", "devices", "http", "spreading", "tables"},
    {"faces"},
    {"encoders", "metadata"},
    {"datasets", "delivery", "drawing", "gallery"},
    {"evaluation"},
    {"recognition", "training"},
    {"service"},
    {"cli"},
    {"__init__", "__main__"},
]
"""From the lowest: a room imports from the floors below its own, and from no other room of its own floor."""
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(name: str) -> set[str]:
    """The modules of facerec that a module imports, anywhere in it, as the part after ``facerec_cli.``."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    dotted: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports by a relative path"
            # What is imported from a package may be a module of it, or something that it defines.
            dotted |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {
        module.removeprefix("facerec_cli").removeprefix(".") for module in dotted if module.startswith("facerec_cli")
    }
    return {next((known for known in (one, one.rpartition(".")[0]) if known in MODULES), "__init__") for one in ours}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_room_has_a_floor() -> None:
    assert {room(module) for module in MODULES} == FLOOR_OF.keys()


@pytest.mark.parametrize("module", MODULES)
def test_an_import_goes_down_or_stays_in_its_room(module: str) -> None:
    own = room(module)
    for other in map(room, imports(module)):
        assert other == own or FLOOR_OF[other] < FLOOR_OF[own], f"{module} imports {other}"


def test_the_imports_of_facerec_itself_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = """
from facerec_cli import Recognizer, errors
from facerec_cli.faces import images
from facerec_cli.faces.images import pixels
import facerec_cli.cli
def late():
    from facerec_cli.cli.render import count
"""
    (tmp_path / "spy.py").write_text(code)
    monkeypatch.setitem(MODULES, "spy", tmp_path / "spy.py")
    assert imports("spy") == {"__init__", "errors", "faces.images", "cli", "cli.render"}


def test_no_modules_import_in_a_circle() -> None:
    below = {module: imports(module) - {module} for module in MODULES}
    while leaves := {module for module, others in below.items() if not others & below.keys()}:
        below = {module: others for module, others in below.items() if module not in leaves}
    assert below == {}, "these import each other, or what imports each other"


def test_below_the_command_line_no_sentence_names_an_option_or_a_command() -> None:
    for module, path in MODULES.items():
        if room(module) == "cli":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                named = re.search(r"(?<![\w-])(--[a-z]|-(db|[a-z])(?![\w-])|`facerec )", node.value)
                assert not named, f"{module} says {node.value!r}"


def test_no_file_is_too_long_to_read() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > 400} == {}


def test_keras_is_imported_by_training_alone() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {name.name.split(".")[0] for name in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {node.module.split(".")[0]}
            if names & {"keras", "tensorflow"}:
                in_commands = path.parent.name == "cli" and path.name in ("train.py", "training_extra.py")
                assert path.parent.name == "training" or in_commands, path


def test_opencv_is_imported_in_one_place() -> None:
    importers = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and any(name.name == "cv2" for name in node.names)
    }
    assert importers == {"opencv.py"}


def test_json_is_written_in_one_place() -> None:
    """The one that refuses NaN and Infinity."""
    assert {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"dump", "dumps", "JSONEncoder"}
    } == {"json_text"}


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
