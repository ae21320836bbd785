"""Write the manual pages and the shells' completions, from the commands themselves: `python -m tools.manual FOLDER`.

setup.py runs it while the package is built, so they cannot be older than the commands. click-man makes pages too, but
knows no commands that are imported when they are called, and neither escapes their texts nor shows their examples.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from facerec_cli.cli import facerec
from facerec_cli.defaults import VERSION

PAGES = "share/man/man1"
COMPLETIONS = {
    "bash": "share/bash-completion/completions/facerec",
    "zsh": "share/zsh/site-functions/_facerec",
    "fish": "share/fish/vendor_completions.d/facerec.fish",
}
"""Where each shell's are kept, below /usr, ~/.local or a virtual environment."""
# What troff would take for its own, or set as typographers do: examples are copied from pages to terminals.
_LETTERS = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"})


def main(folder: Path) -> None:
    """Write all of them below a folder."""
    for context in contexts(click.Context(facerec, info_name="facerec", **facerec.context_settings)):
        write(folder / PAGES / f"{file_name(context)}.1", page(context))
    for shell, path in COMPLETIONS.items():
        completion = get_completion_class(shell)
        assert completion, shell
        source = completion(facerec, {}, "facerec", "_FACEREC_COMPLETE").source()
        # By click's name zsh would find the function at the first Tab, and nothing at the second.
        write(folder / path, source.replace("_facerec_completion", "_facerec") if shell == "zsh" else source)


def write(path: Path, text: str) -> None:
    """Write a file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def contexts(context: click.Context) -> Iterator[click.Context]:
    """A command's context, and those of the commands below it."""
    yield context
    for below in commands(context):
        yield from contexts(below)


def commands(context: click.Context) -> list[click.Context]:
    """Those of the commands right below a command."""
    group = context.command
    if not isinstance(group, click.Group):
        return []
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return [click.Context(command, info_name=name, parent=context) for name, command in found if command]


def page(context: click.Context) -> str:
    """A command's page, for ``man``."""
    command, name = context.command, escaped(file_name(context))
    paragraphs = [escaped(" ".join(part.split())) for part in (command.help or "").split("\n\n")]
    options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context))]
    below = [(f"{file_name(one)}(1)", one.command.get_short_help_str(limit=200)) for one in commands(context)]
    sections = {
        "NAME": f"{name} \\- {paragraphs[0].rstrip('.')}",
        "SYNOPSIS": f"{bold(context.command_path)} {escaped(' '.join(command.collect_usage_pieces(context)))}",
        "DESCRIPTION": "\n.PP\n".join(paragraphs),
        "OPTIONS": "\n".join(f".TP\n{term(flags)}\n{escaped(text)}" for flags, text in records),
        "COMMANDS": "\n".join(f".TP\n{bold(one)}\n{escaped(text)}" for one, text in below),
        "EXAMPLE": escaped((command.epilog or "").removeprefix("Example: ")),
        "SEE ALSO": bold(f"{file_name(context.parent)}(1)") if context.parent else "",
    }
    # Without a date: the same commands have the same pages.
    head = f'.TH {name.upper()} 1 "" "facerec {VERSION}"\n'
    return head + "".join(f".SH {title}\n{text}\n" for title, text in sections.items() if text)


def file_name(context: click.Context) -> str:
    """A command's page; ``man facerec identify`` finds it too."""
    return context.command_path.replace(" ", "-")


def term(flags: str) -> str:
    """An option's flags, bold, and what they take: ``-db, --database LOCATION``."""
    return "".join(bold(part) if part.startswith("-") else escaped(part) for part in re.split(r"(-[^\s,]+)", flags))


def bold(text: str) -> str:
    """Text in bold letters."""
    return rf"\fB{escaped(text)}\fR"


def escaped(text: str) -> str:
    """Text that troff sets as it is: no letter of it is a command, at the start of a line or elsewhere."""
    return re.sub(r"(?m)^\.", r"\\&.", text.translate(_LETTERS))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
