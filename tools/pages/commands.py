"""The reference of commands, from Click: what `--help` says of each, in its order."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from html import escape

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

from facerec_cli.cli import facerec

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the commands where a page wants them."""
    return markdown.replace(MARK, "\n".join(_sections(facerec, "facerec"))) if MARK in markdown else markdown


def _sections(command: click.Command, name: str, above: click.Context | None = None) -> Iterator[str]:
    """The lines about a command, and about those below it."""
    context = click.Context(command, parent=above, info_name=name, **command.context_settings)
    level = max(2, len(context.command_path.split()))
    yield f"{'#' * level} {context.command_path}\n"
    yield f"```\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield escape(inspect.cleandoc(command.help or ""), quote=False) + "\n"
    if command.epilog:
        yield f"Example: `{command.epilog.removeprefix('Example: ')}`\n"
    options = [option.get_help_record(context) for option in command.params if isinstance(option, click.Option)]
    if options:
        yield "| option | |\n|---|---|"
        yield from (f"| `{names}` | {escape(told, quote=False)} |" for names, told in filter(None, options))
        yield ""
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found
            yield from _sections(found, below, context)
