"""What facerec runs on, what it has, and whether that is whole: what a report of a fault should say."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facerec_cli.defaults import AUTO, CPU, VERSION
from facerec_cli.devices import DEVICES, WORTH, Run, worth_trying
from facerec_cli.encoders.admission import Trial, tried
from facerec_cli.encoders.bundle import find_bundles, read_bundle, resolve_bundle
from facerec_cli.encoders.onnx_encoder import load_encoder
from facerec_cli.encoders.synthetic import synthetic_chips
from facerec_cli.errors import FacerecError, ModelError, NoDatabaseError
from facerec_cli.faces.extraction import Extractor
from facerec_cli.gallery.health import examine
from facerec_cli.gallery.opening import open_gallery, shown_location
from facerec_cli.parallel import usable_cores
from facerec_cli.words import count

PACKAGES = (
    *("numpy", "opencv-python", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"),
    *("openvino", "h5py", "pillow", "pillow-heif", "click", "rich", "lxml", "fastapi", "psycopg", "ray", "tensorflow"),
    *("keras", "paho-mqtt"),
)
"""Those that what facerec does depends on most."""
_INSTRUCTIONS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "sve")
"""Which of a processor's decide how fast networks are, as Linux calls them."""
_SECONDS = 10.0
"""What the measurements take together, about."""
_ENLARGED, _ROWS = 4, 2
"""Of drawn heads in the photo that is looked at: so large are they found."""


@dataclass
class Diagnosis:
    """What was found.

    Attributes:
        parts: values by their field, by the part they belong to.
        problems: a sentence for each thing that is to be put right.
    """

    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All of it, as every door writes it."""
        return {**self.parts, "problems": self.problems}


def diagnose(model: str, database: str) -> Diagnosis:
    """Look at everything, and measure for about ten seconds.

    Args:
        model: the one to measure: its folder, or a name found in ./models or among the bundled models.
        database: the location of the gallery to look at; there may be none.
    """
    found = Diagnosis()
    found.parts["facerec"] = {"version": VERSION, "python": platform.python_version(), "system": platform.platform()}
    found.parts["machine"] = _machine()
    found.parts["packages"] = {name: version for name in PACKAGES if (version := _version(name))}
    found.parts["models"] = dict(_models(found.problems))
    runs: dict[str, Run] = {}
    trials: dict[str, Trial] = {}
    digest = None
    try:
        bundle = resolve_bundle(model)
        digest = bundle.comparison().digest
        graph = bundle.encoder_bytes()
        runs[CPU] = load_encoder(bundle).run
        trials = {name: tried(name, graph, runs[CPU]) for name in worth_trying(AUTO, None)}
        runs |= {name: trial.run for name, trial in trials.items() if trial.run and not trial.trouble}
    except ModelError as error:
        if (told := _told(error)) not in found.problems:
            found.problems.append(told)
    found.parts["database"] = _database(database, digest, found.problems)
    found.parts["devices"] = _devices(trials if runs else None)
    found.parts["speed"] = {"model": model, **_speed(runs)}
    return found


def _machine() -> dict[str, Any]:
    info = _text("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", info, re.MULTILINE)
    flags = set(re.findall(r"\S+", " ".join(re.findall(r"^(?:flags|Features)\s*:(.*)$", info, re.MULTILINE)[:1])))
    machine: dict[str, Any] = {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "instructions": " ".join(one for one in _INSTRUCTIONS if one in flags) or None,
    }
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):  # not on Windows
        machine["memory_gb"] = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    return machine


def _text(path: str) -> str:
    with contextlib.suppress(OSError):  # other systems than Linux have none
        return Path(path).read_text(encoding="utf-8", errors="replace")
    return ""


def _version(package: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _models(problems: list[str]) -> Iterator[tuple[str, str]]:
    for name, folder in find_bundles().items():
        try:
            bundle = read_bundle(folder)
            bundle.encoder_bytes()
            bundle.others()
        except FacerecError as error:
            problems.append(_told(error))
            yield name, "damaged"
            continue
        yield name, f"{bundle.digest[:16]}, whole, {'calibrated' if bundle.stored_calibration else 'not calibrated'}"


def _told(error: FacerecError) -> str:
    return f"{error}: {error.remedy}" if error.remedy else str(error)


def _database(location: str, digest: str | None, problems: list[str]) -> dict[str, Any]:
    about: dict[str, Any] = {"location": shown_location(location)}
    try:
        gallery = open_gallery(location)
        health = examine(gallery, digest)
    except NoDatabaseError:
        return {**about, "state": "there is none"}
    except FacerecError as error:
        problems.append(_told(error))
        return {**about, "state": "it cannot be used"}
    if health.lost:
        lost = count(health.lost, "chip")
        problems.append(
            f"{lost} of photos enrolled in {gallery.location} not there: restore them, or rebuild the index"
        )
    if health.strays:
        things = count(health.strays, "thing")
        problems.append(f"{things} among the chips of {gallery.location} nobody's: a rebuild of the index says which")
    about |= {"state": "whole" if not health.lost else "chips are missing", "people": health.people}
    about |= {"photos": health.photos, "not_embedded_yet": health.pending, "strays": health.strays}
    if gallery.beside.is_dir():
        about["free_disk_gb"] = round(shutil.disk_usage(gallery.beside).free / 1e9, 1)
    return about


def _devices(trials: dict[str, Trial] | None) -> dict[str, Any]:
    """What there is; without trials the model could be run nowhere."""
    chosen = [name for name, trial in (trials or {}).items() if not trial.trouble and trial.is_faster]
    auto = f"{chosen[0]}, from {WORTH} faces on; {CPU} for fewer" if chosen else CPU
    about: dict[str, Any] = {AUTO: "not measured" if trials is None else auto, CPU: "ONNX Runtime"}
    for name, device in DEVICES.items():
        trial = (trials or {}).get(name)
        if trial is None:
            about[name] = "installed, and not tried" if device.is_installed() else "not installed"
        elif trial.trouble:
            about[name] = trial.trouble
        else:
            about[name] = f"{device.what}: {trial.speed:.1f} x the CPU, least cosine {trial.agreement:.5f}"
    return about


def _speed(runs: dict[str, Run]) -> dict[str, float]:
    """Faces embedded, and photos looked at, a second, on all usable cores."""
    chips = synthetic_chips()
    image = _photo(chips)
    extractor = Extractor()
    each = _SECONDS / (len(runs) + 1)
    speed = {}
    for name, run in runs.items():
        speed[f"faces_embedded_per_second_{name}"] = _rate(partial(_embed, run, chips), each)
    speed["photos_searched_per_second"] = _rate(lambda _: extractor.extract(image), each)
    return speed


def _photo(chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A photo of drawn heads, uint8 [height, width, 3] RGB: one without any takes half the time of people's."""
    large = chips.repeat(_ENLARGED, axis=1).repeat(_ENLARGED, axis=2)
    rows = [np.concatenate(list(row), axis=1) for row in large.reshape(_ROWS, -1, *large.shape[1:])]
    return np.concatenate(rows)


def _embed(run: Run, chips: npt.NDArray[np.uint8], turn: int) -> None:
    run(chips[turn % len(chips)][np.newaxis])


def _rate(work: Callable[[int], object], seconds: float) -> float:
    """How often a second something is done on as many threads as there are cores."""
    end = time.perf_counter() + seconds

    def turns(_: int) -> int:
        done = 0
        while time.perf_counter() < end:
            work(done)
            done += 1
        return done

    cores = usable_cores()
    begun = time.perf_counter()
    with ThreadPoolExecutor(cores) as threads:
        done = sum(threads.map(turns, range(cores)))
    return round(done / (time.perf_counter() - begun), 1)
