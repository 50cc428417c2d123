"""Commands for administrators: `karvan x sample expected` and `karvan x sample pair`."""

from __future__ import annotations

import click

from karvan_sample import bell
from karvan_sample.visits import expected_today
from karvan_sdk import HookContext


@click.command("expected")
@click.pass_obj
def expected(ctx: HookContext) -> None:
    """Print the guests of today and where they are."""
    rows = expected_today(ctx)
    states = ctx.describe("visit").field("state")
    assert states is not None
    for row in rows:
        option = states.option(row["state"])
        label = option.label(ctx.language) if option else row["state"]
        late = f" ({ctx.t('late')})" if row["late"] else ""
        click.echo(f"{row['expected_at']}  {row['name']}  {label}{late}")
    click.echo(ctx.t("%(number)s guests today.", number=len(rows)))


@click.command("pair")
@click.argument("code", required=False)
@click.pass_obj
def pair(ctx: HookContext, code: str | None) -> None:
    """Pair with the opener of the door by the CODE it shows; without one, forget it."""
    if code is None:
        click.echo(ctx.t("The opener is forgotten.") if bell.part(ctx) else ctx.t("No opener was paired."))
        return
    if not ctx.settings["opener"]:
        raise click.ClickException(ctx.t("The setting “Opener of the door” is empty."))
    bell.pair(ctx, code)
    click.echo(ctx.t("Paired. The token is kept sealed."))


commands = (expected, pair)
