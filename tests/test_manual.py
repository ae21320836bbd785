"""The manual pages and completions that a build makes: sound, and understood by the shells that they are for."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TYPED = {
    "facerec ide": "identify",
    "facerec people mer": "merge",
    "facerec identify --tho": "--thorough",
    "facerec identify -i a.jpg b.jpg -m pre": "pretrained",
    "facerec identify -m min": "mine_of_this_test",
    "facerec identify --format js": "json",
    "facerec identify -i par": "party.jpg",
}
"""What somebody writes before pressing Tab, and the word that the shell then makes of its end."""
SHELLS = {
    "bash": (["bash", "--norc", "-i"], "source {}/bash-completion/completions/facerec"),
    "zsh": (["zsh", "-f", "-i"], "fpath+={}/zsh/site-functions; autoload -Uz compinit; compinit -u -D"),
}
"""How each is started without anybody's settings, and learns where completions are."""
CLEAR_LINE = b"\x15"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``share`` of an installation."""
    made = tmp_path_factory.mktemp("manual")
    subprocess.run([sys.executable, "-m", "tools.manual", made], cwd=ROOT, check=True)
    return made / "share"


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a photo and a model."""
    (tmp_path / "party.jpg").touch()
    shutil.copytree(ROOT / "facerec_cli/encoders/weights/pretrained", tmp_path / "models/mine_of_this_test")
    return tmp_path


@pytest.fixture
def environment(facerec_path: str, shared: Path, workplace: Path) -> dict[str, str]:
    """In which the shells find facerec, and fish its completions and nobody's settings."""
    path = os.pathsep.join([str(Path(facerec_path).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "TERM": "dumb", "XDG_DATA_DIRS": str(shared), "XDG_CONFIG_HOME": str(workplace)}


def needs(program: str) -> str:
    return shutil.which(program) or pytest.skip(f"there is no {program}")


def test_mandoc_and_man_find_no_fault_in_a_page(shared: Path) -> None:
    pages = sorted((shared / "man/man1").iterdir())
    assert {"facerec.1", "facerec-identify.1", "facerec-people-rename.1"} < {page.name for page in pages}
    lint: list[str | Path] = [needs("mandoc"), "-T", "lint", "-W", "warning", *pages]
    linted = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert [line for line in linted.stdout.splitlines() if "missing date" not in line] == []
    show: list[str | Path] = [needs("man"), "--warnings", "--local-file", *pages]
    settings = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    shown = subprocess.run(show, env=settings, capture_output=True, text=True, check=True)
    assert shown.stderr == "" and shown.stdout.count("SYNOPSIS") == len(pages)


def test_a_page_says_what_the_help_says(shared: Path) -> None:
    page = (shared / "man/man1/facerec-identify.1").read_text(encoding="utf-8")
    assert "\n\\fBfacerec identify\\fR [OPTIONS] [PHOTO]...\n" in page
    assert "\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nShow this message and exit.\n" in page
    assert "\n.SH EXAMPLE\nfacerec identify \\-db database \\-m saved_best \\-i img1.jpg img2.jpg\n" in page
    assert page.endswith("\n.SH SEE ALSO\n\\fBfacerec(1)\\fR\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_what_is_typed(shell: str, shared: Path, workplace: Path, environment: dict[str, str]) -> None:
    needs(shell)
    command, learning = SHELLS[shell]
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(workplace)
        os.execvpe(command[0], command, environment)
    try:
        # What is typed is shown too: only what is printed is one word.
        os.write(terminal, f"{learning.format(shared)}; echo rea''dy\n".encode())
        assert "ready" in shown_until("ready", terminal)
        for typed, word in TYPED.items():
            completed = f"{typed.rpartition(' ')[0]} {word} "
            os.write(terminal, f"{typed}\t".encode())
            assert completed in shown_until(completed, terminal)
            os.write(terminal, CLEAR_LINE)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def shown_until(expected: str, terminal: int, seconds: float = 30) -> str:
    """What a terminal shows until something is in it, or time is over."""
    shown, end = "", time.monotonic() + seconds
    while expected not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


def test_fish_completes_what_is_typed(workplace: Path, environment: dict[str, str]) -> None:
    for typed, word in TYPED.items():
        asked = [needs("fish"), "--command", f"complete --do-complete '{typed}'"]
        told = subprocess.run(asked, cwd=workplace, env=environment, capture_output=True, text=True, check=True).stdout
        assert [line.partition("\t")[0] for line in told.splitlines()] == [word]
