"""Groups of commands."""

from __future__ import annotations

import click


class HelpfulGroup(click.Group):
    """A group that, where no command is named, shows what there is: that is what was asked for, and no fault."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)
