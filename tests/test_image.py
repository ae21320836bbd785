"""deploy/Dockerfile, as far as it can be held without Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")


def test_what_is_copied_is_all_that_the_build_needs(tmp_path: Path) -> None:
    pytest.importorskip("build")
    for names, place in re.findall(r"^COPY (?!--)(.*) (\S+)$", DOCKERFILE, re.MULTILINE):
        for name in names.split():
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (tmp_path / place).mkdir(exist_ok=True)
                shutil.copy(source, tmp_path / place)
    (exchange,) = re.findall(r"RUN (sed .*) setup\.cfg", DOCKERFILE)
    subprocess.run(f"{exchange} setup.cfg", shell=True, cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    needed = re.findall(r"^Requires-Dist: (opencv[\w-]*)", metadata, re.MULTILINE)
    assert needed == ["opencv-python-headless"]


def test_its_extras_are_facerecs() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    named = {extra for extras in re.findall(r"'\.\[(.*)\]'", DOCKERFILE) for extra in extras.split(",")}
    assert "serve" in named
    assert named <= set(setup["options.extras_require"])


def test_nobody_in_particular_runs_it() -> None:
    (base,) = re.findall(r"^FROM python\S+ AS base$.*?(?=^FROM)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert re.findall(r"^(USER .*|ENTRYPOINT .*)", base, re.MULTILINE) == [
        "USER 10001",
        'ENTRYPOINT ["/opt/facerec/bin/facerec"]',
    ]
    after = DOCKERFILE.partition(base)[2]
    assert re.findall(r"^FROM .*", after, re.MULTILINE) == ["FROM base AS cli", "FROM base AS serve"]
    assert not re.search(r"^(USER|RUN) ", after, re.MULTILINE)


@pytest.mark.parametrize("page", ["deploy/Dockerfile", "docs/serve.md", "README.md"])
def test_the_targets_that_pages_name_are_there(page: str) -> None:
    named = re.findall(r"--target (\w+)", (ROOT / page).read_text(encoding="utf-8"))
    assert named and all(re.search(rf"^FROM \w+ AS {target}$", DOCKERFILE, re.MULTILINE) for target in named)
