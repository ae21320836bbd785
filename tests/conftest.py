from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from facerec_cli import Recognizer
from tests.servers import Server, postgres_server

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

Run = Callable[..., subprocess.CompletedProcess[str]]

LFW = Path(os.environ.get("FACEREC_LFW", ""))
needs_lfw = pytest.mark.skipif(
    "FACEREC_LFW" not in os.environ or not LFW.is_dir() or not (LFW.parent / "pairsDevTest.txt").is_file(),
    reason="FACEREC_LFW names no folder of LFW's photos with the pairs files beside it",
)


@pytest.fixture(scope="session")
def unprivileged() -> list[str]:
    """What to run a command under so that permissions hold: root may read everything."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may read everything, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own: nothing of theirs gets into the user's index of photos."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def device() -> Iterator[None]:
    """Other devices than the CPU where a test asks for them: what else is installed starts slowly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEREC_DEVICE", "cpu")
        yield


@pytest.fixture(scope="session")
def samples() -> Path:
    """The licensed sample photos."""
    return Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer("pretrained")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server with pgvector; each test makes databases of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def facerec_path() -> str:
    """The installed entry point, beside the Python that runs the tests."""
    return str(Path(sys.executable).with_name("facerec"))


@pytest.fixture
def facerec(facerec_path: str, tmp_path: Path) -> Run:
    """Run the installed command in an empty folder."""

    def run(
        *arguments: str | Path,
        cwd: Path = tmp_path,
        timeout: float = 120,
        under: Sequence[str] = (),
        **options: object,
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
        settings: dict[str, object] = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [*under, facerec_path, *map(str, arguments)],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **(settings | options),
        )

    return run


@pytest.fixture(scope="session")
def nodes() -> Iterator[Cluster]:
    """A Ray of two nodes on the loopback with a core each, which notices the death of one within seconds."""
    from facerec_cli import spreading  # noqa: F401 - which silences Ray before it is imported

    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 2**27}
        noticing = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500}
        settings = {"include_dashboard": False, "_system_config": noticing | {"health_check_failure_threshold": 4}}
        cluster = Cluster(initialize_head=True, head_node_args=node | settings)
        cluster.add_node(**node)
        yield cluster
        cluster.shutdown()
