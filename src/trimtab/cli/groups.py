"""Commands with commands of their own."""

from __future__ import annotations

import click

from trimtab.cli.terminal import echo


class HelpfulGroup(click.Group):
    """A group that shows its help when no command is named, which is no mistake: the exit code is 0."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what was typed."""
        if not args and not ctx.resilient_parsing:
            echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)
