"""Commands for administrators: `karvan x telephony normalise` and `karvan x telephony ring`."""

from __future__ import annotations

import secrets

import click

from karvan_sdk import HookContext
from karvan_telephony.directory import PEOPLE, country_of
from karvan_telephony.events import DIRECTIONS, KINDS, read_event
from karvan_telephony.filling import fill_everything
from karvan_telephony.numbers import is_country
from karvan_telephony.tracker import record_event


@click.command("normalise")
@click.pass_obj
def normalise(ctx: HookContext) -> None:
    """Bring the international numbers of all contacts and leads up to date."""
    country = country_of(ctx.settings)
    if not is_country(country):
        raise click.ClickException(
            ctx.t("The setting 'country' is '%(country)s': two letters like DE are needed.", country=country)
        )
    for object in PEOPLE:
        done = fill_everything(ctx, object)
        label = ctx.describe(object).label_plural(ctx.language)
        click.echo(
            ctx.t("%(objects)s: %(read)s read, %(changed)s changed.",
                  objects=label, read=done.read, changed=done.changed)
        )  # fmt: skip


@click.command("ring")
@click.option("--from", "caller", required=True, help="The number that calls.")
@click.option("--to", "called", default="100", show_default=True, help="The number that is called.")
@click.option("--event", default="ringing", show_default=True, type=click.Choice(KINDS))
@click.option("--direction", default="in", show_default=True, type=click.Choice(DIRECTIONS))
@click.option("--call-id", default="", help="Goes on with this call; a new one if left out.")
@click.option("--duration", type=int, default=None, help="Seconds of talk, as a provider would report.")
@click.pass_obj
def ring(
    ctx: HookContext, caller: str, called: str, event: str, direction: str, call_id: str, duration: int | None
) -> None:
    """Tell of a call as a provider would, and print what was made of it."""
    told = {
        "event": f"call.{event}",
        "call_id": call_id or f"ring-{secrets.token_hex(6)}",
        "from": caller,
        "to": called,
        "at": ctx.now.isoformat(),
        "direction": direction,
        "duration_s": duration,
    }
    recorded = record_event(ctx, read_event(told, now=ctx.now, t=ctx.t))
    call = ctx.records.get("call", recorded.call)
    click.echo(
        ctx.t("Call %(id)s (%(call_id)s): %(name)s, %(state)s.", id=recorded.call, call_id=told["call_id"],
              name=call["name"], state=_label(ctx, recorded.state))
    )  # fmt: skip
    if recorded.person is None:
        click.echo(ctx.t("Nobody is known by this number."))
    else:
        person = recorded.person
        label = ctx.describe(person.object).label(ctx.language)
        made = ctx.t("made now") if recorded.lead_made else ctx.t("known before")
        click.echo(f"{label} {person.id}, {made}: /{person.object}/{person.id}")


def _label(ctx: HookContext, state: str) -> str:
    field = ctx.describe("call").field("state")
    option = field.option(state) if field else None
    return option.label(ctx.language) if option else state


commands = (normalise, ring)
