"""Asking before something is lost."""

from __future__ import annotations

import sys

import click

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def agreed(question: str) -> bool:
    """Whether somebody at a terminal says yes; where nobody is there to be asked, no."""
    return sys.stdin is not None and sys.stdin.isatty() and click.confirm(question, err=True)
