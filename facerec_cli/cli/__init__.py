"""The command line: each command is a file that parses, calls and renders.

Commands are imported when they are called, and import what is heavy when they run, so ``facerec --help`` is quick.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

from facerec_cli.cli.remedies import sentence
from facerec_cli.defaults import VERSION
from facerec_cli.errors import FacerecError

COMMANDS = ("fetch", "train", "evaluate", "enroll", "identify", "verify", "people", "models")


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, as ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"facerec_cli.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: facerec enroll --name 'Ada Lovelace' ada.jpg && facerec identify -i party.jpg",
)
@click.version_option(VERSION, prog_name="facerec")
@click.option("--debug", is_flag=True, help="Show tracebacks, and what native libraries print.")
def facerec(debug: bool) -> None:
    """Recognise people in photos, offline: enrol them from one photo each, then identify."""
    if not debug:
        _silence_native_libraries()


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    # Threads that BLAS would start and spin for nothing: one product of a small matrix is all that a run needs.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports make a hundred thousand objects and no garbage: collect when there may be some.
    gc.set_threshold(100_000)
    status = _run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Handing 200 MB of networks back piece by piece takes 50 ms; the system does it at once.
        os._exit(status)


def _run() -> int:
    """Run the command line; errors become one sentence each, and the exit status."""
    debug = "--debug" in sys.argv[1:2]
    try:
        return int(facerec.main(prog_name="facerec", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("Stopped; what was finished is kept.")
        return 130
    except FacerecError as error:
        if debug:
            raise
        _say(f"Error: {sentence(error)}")
        return 1
    except Exception as error:
        if debug:
            raise
        _say(
            f"Error: facerec met something it did not expect ({type(error).__name__}: {error}): "
            "run `facerec --debug …` and report what it prints."
        )
        return 1


def _say(line: str) -> None:
    click.secho(line, err=True, fg="red")


def _silence_native_libraries() -> None:
    """Keep what decoders and runtimes write straight to file descriptor 2 away from people.

    ``sys.stderr`` keeps writing where it did.
    """
    if not hasattr(sys.stderr, "fileno"):
        return
    try:
        descriptor = sys.stderr.fileno()
        kept = os.dup(descriptor)
    except OSError:  # no real stderr, as under a test's capture
        return
    sys.stderr.flush()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, descriptor)
    os.close(silent)
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
