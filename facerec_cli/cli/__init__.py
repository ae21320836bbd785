"""The command line: each command is a file that parses, calls and renders.

Commands are imported when they are called, and import what is heavy when they run, so ``facerec --help`` is quick.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any

import click

from facerec_cli.cli.groups import HelpfulGroup
from facerec_cli.cli.remedies import refused_by_system, sentence
from facerec_cli.cli.streams import prepare_streams, say, say_warnings, silence_native_libraries
from facerec_cli.defaults import VERSION
from facerec_cli.errors import FacerecError

COMMANDS = (
    *("fetch", "train", "evaluate", "enroll", "identify", "verify"),
    *("index", "find", "cluster", "tag", "blur", "watch", "people", "models", "serve", "doctor"),
)


class LazyGroup(HelpfulGroup):
    """A group whose commands live in modules of their own, as ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"facerec_cli.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:  # click would print an empty line
            raise click.Abort from stop


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
        silence_native_libraries()


def main() -> None:
    """Run the command line, and end the process with its exit status."""
    # Threads that BLAS would start and spin for nothing: one product of a small matrix is all that a run needs.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports make a hundred thousand objects and no garbage: collect when there may be some.
    gc.set_threshold(100_000)
    prepare_streams()
    say_warnings()
    # Handing 200 MB of networks back piece by piece takes 50 ms; the system does it at once.
    os._exit(_run(_heed_signals()))


def _heed_signals() -> list[int]:
    """Let what ends the process, or its terminal, end it as Ctrl-C does; returns the list of what came."""
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no terminals that hang up
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup's is to be let alone
            signal.signal(number, stop)
    return received


def _run(received: list[int]) -> int:
    """Run the command line; errors become one sentence each, and the exit status.

    Args:
        received: the signals that came to end it.
    """
    debug = "--debug" in sys.argv[1:2]
    try:
        status = int(facerec.main(prog_name="facerec", standalone_mode=False) or 0)
        sys.stdout.flush()
        return status
    except (BrokenPipeError, SystemExit):  # whoever reads the results has enough; click ends the process then
        return 1
    except click.ClickException as error:
        return _misused(error)
    except (click.Abort, KeyboardInterrupt) as stop:
        if isinstance(stop.__context__, EOFError):
            sys.stderr.write("\n")  # behind the question
            return _failed("The question has no answer on standard input: answer it there, or give --yes.")
        return _stopped(received)
    except Exception as error:
        if any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error)):  # while a library was loaded
            return _stopped(received)
        if debug:
            raise
        if isinstance(error, FacerecError):
            return _failed(sentence(error))
        if isinstance(error, OSError):
            return _failed(refused_by_system(error))
        if isinstance(error, MemoryError):
            return _failed("There is not enough memory: end other programs, or give less at a time.")
        return _failed(
            f"facerec met something it did not expect ({type(error).__name__}: {error}): "
            "run `facerec --debug …` and report what it prints."
        )


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error, what it comes from, what that comes from, and so on."""
    causes: list[BaseException] = []
    while error and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _stopped(received: list[int]) -> int:
    say("Stopped; what was finished is kept.", "red")
    return 128 + (received or [signal.SIGINT])[0]


def _misused(error: click.ClickException) -> int:
    """Say what is wrong with how the program was called, below how it is called."""
    whole = io.StringIO()
    error.show(whole)
    problem = f"Error: {error.format_message()}"
    sys.stderr.write(whole.getvalue().removesuffix(f"{problem}\n"))
    say(problem)
    return error.exit_code


def _failed(what: str) -> int:
    say(f"Error: {what}", "red")
    return 1
