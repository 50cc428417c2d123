"""The command for administrators: `karvan x sample expected`."""

from __future__ import annotations

import click

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


commands = (expected,)
