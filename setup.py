"""What setup.cfg cannot say: the manual pages and the shells' completions are made while the package is built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class BuildWithManual(build_py):
    """Takes the modules, then makes what is generated from them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # of what is generated nothing follows a change
            return
        made = Path(self.build_lib).absolute().with_name("manual")
        shutil.rmtree(made, ignore_errors=True)  # pages of commands that are no more
        subprocess.run([sys.executable, "-m", "tools.manual", str(made)], cwd=ROOT, check=True)
        files = [path for path in made.rglob("*") if path.is_file()]
        self.distribution.data_files = [(str(path.parent.relative_to(made)), [str(path)]) for path in files]


setup(cmdclass={"build_py": BuildWithManual})
