"""The commands of the plugin below `karvan x price_book`."""

from __future__ import annotations

import click

from karvan_price_book.totals import recalculate_all
from karvan_sdk import HookContext


@click.command("recalculate")
@click.pass_obj
def recalculate(ctx: HookContext) -> None:
    """Sum the lines of all deals anew and say how many totals were wrong."""
    changed = recalculate_all(ctx)
    click.echo(ctx.t("Totals changed: %(count)s", count=changed))
