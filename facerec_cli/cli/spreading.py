"""--ray: the work of a command on a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from facerec_cli.cli.extras import needing_extra
from facerec_cli.parallel import OrderedMap, ordered_map

_HERE = "local"
_ADDRESS = re.compile(r"local|auto|(ray://)?[^/]+:\d+")


class _Address(click.ParamType):  # type: ignore[type-arg]
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """An address; what follows --ray and is none was meant to be something else."""
        if not _ADDRESS.fullmatch(value):
            self.fail(
                f"{value!r} is no address of a cluster, which is auto, HOST:PORT or ray://HOST:PORT: "
                "put what is no address before --ray.",
                param,
                ctx,
            )
        return str(value)


ray_option = click.option(
    "--ray",
    is_flag=False,
    flag_value=_HERE,
    type=_Address(),
    metavar="[ADDRESS]",
    help="Spread the work by Ray, over the cluster at auto, HOST:PORT or ray://HOST:PORT; without an address over "
    "processes of this machine.",
)


@contextmanager
def spread_over(address: str | None) -> Iterator[OrderedMap]:
    """Where a command's work is done, for the block: on threads, or where an address says.

    Raises:
        ClusterError: there is no cluster.
        DependencyError: Ray is not installed.
    """
    if address is None:
        yield ordered_map
        return
    from facerec_cli.spreading import joined

    with ExitStack() as stack:
        with needing_extra("--ray", "ray"):
            spread = stack.enter_context(joined(address))
        yield spread
