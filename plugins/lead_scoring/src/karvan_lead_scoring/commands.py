"""Commands for administrators: `karvan x lead_scoring rescore`."""

from __future__ import annotations

import time

import click

from karvan_lead_scoring.rescoring import Row
from karvan_lead_scoring.rules import OBJECTS
from karvan_lead_scoring.runs import carry_out, run_all, successor
from karvan_sdk import HookContext, TryLater, literal

PATIENCE = 60


@click.command("rescore")
@click.option(
    "--object",
    "chosen",
    type=click.Choice(OBJECTS),
    default=None,
    help="Only these records; all if left out.",
)
@click.pass_obj
def rescore(ctx: HookContext, chosen: str | None) -> None:
    """Score all leads and contacts anew, with the rules and settings as they are now."""
    for object in (chosen,) if chosen else OBJECTS:
        run = _to_the_end(ctx, object)
        label = ctx.describe(object).label_plural(ctx.language)
        if run is None:
            raise click.ClickException(ctx.t("%(objects)s: the run was deleted.", objects=label))
        click.echo(
            ctx.t("%(objects)s: %(scored)s scored, %(changed)s changed.",
                  objects=label, scored=run["scored"], changed=run["changed"])
        )  # fmt: skip
        _tell_troubles(ctx, object, run)


def _to_the_end(ctx: HookContext, object: str) -> Row | None:
    """Run over an object; where a newer run takes over, help that one to its end."""
    (id,) = run_all(ctx, [object], "asked")
    run = _patiently(ctx, id)
    while run is not None and run["state"] == "stopped":
        newer = successor(ctx, object)
        if newer is None:
            return run
        run = _patiently(ctx, newer["id"])
    return run


def _patiently(ctx: HookContext, id: int) -> Row | None:
    for _ in range(PATIENCE):
        try:
            return carry_out(ctx, id)
        except TryLater as exc:  # somebody changes much at this moment
            time.sleep(exc.seconds)
    return carry_out(ctx, id)


def _tell_troubles(ctx: HookContext, object: str, run: Row) -> None:
    if run["refused"]:
        click.echo(ctx.t("%(count)s could not be saved; the log says why.", count=run["refused"]), err=True)
    broken = ctx.records.each(
        "score_rule",
        filter=f"on_object = {literal(object)} and active and problem is not empty",
        fields=("id", "name", "problem"),
    )
    for rule in broken:
        click.echo(
            ctx.t("Rule %(id)s “%(name)s” was left out: %(problem)s",
                  id=rule["id"], name=rule["name"], problem=rule["problem"]),
            err=True,
        )  # fmt: skip


commands = (rescore,)
