"""What people see of calls on pages that are not their own: a person's last calls, and the call card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from karvan_sdk import BadInput, RecordNotFound, Widget, WidgetContext, literal
from karvan_telephony.directory import country_of
from karvan_telephony.numbers import in_digits_of, readable, to_e164

SHOWN = 5
CARDS = 3
KEPT = 20
"""How many dismissals of a person are remembered."""
ID_DIGITS = 18
RINGS_FOR = timedelta(minutes=2)
TALKS_FOR = timedelta(hours=1)

ICONS = {
    ("in", "missed"): "phone-x",
    ("out", "missed"): "phone-x",
    ("in", "ringing"): "phone-ringing",
    ("out", "ringing"): "phone-ringing",
    ("in", "answered"): "phone-call",
    ("out", "answered"): "phone-call",
    ("in", "ended"): "phone-incoming",
    ("out", "ended"): "phone-outgoing",
}


def render_calls(ctx: WidgetContext) -> str | None:
    """The last calls with the contact or lead of the page."""
    if ctx.record is None:
        return None
    condition = f"{ctx.object} = {literal(ctx.record['id'])}"
    rows = ctx.records.list("call", filter=condition, sort=("-started_at",), limit=SHOWN + 1).rows
    return ctx.render(
        "calls.html",
        calls=[_shown(ctx, row) for row in rows[:SHOWN]],
        filter=condition,
        more=len(rows) > SHOWN,
    )


def render_call_card(ctx: WidgetContext) -> str | None:
    """A card for each call that rings or is talked on now; nothing while there is none."""
    ringing = f'state = "ringing" and started_at >= {literal(ctx.now - RINGS_FOR)}'
    talking = f'state = "answered" and ended_at is empty and answered_at >= {literal(ctx.now - TALKS_FOR)}'
    rows = ctx.records.list(
        "call", filter=f"({ringing}) or ({talking})", sort=("-started_at",), limit=CARDS + KEPT
    ).rows
    hidden = dismissed(ctx) if rows else ()
    calls = [row for row in rows if row["id"] not in hidden][:CARDS]
    if not calls:
        return None
    shown = [{**_shown(ctx, row), "person": _person(ctx, row)} for row in calls]
    return ctx.render("call_card.html", calls=shown)


def dismiss(ctx: WidgetContext, form: Mapping[str, str]) -> str | None:
    """Hide the card of one call from the person who asks, and from nobody else."""
    call = form.get("call", "")
    if not (call.isascii() and call.isdigit() and len(call) <= ID_DIGITS):
        raise BadInput(ctx.t("The call to hide is missing."), field="call")
    kept = [i for i in dismissed(ctx) if i != int(call)][1 - KEPT :]
    ctx.files.write(_dismissals(ctx), json.dumps([*kept, int(call)]).encode())
    return None


def dismissed(ctx: WidgetContext) -> tuple[int, ...]:
    """The calls whose cards this person has hidden, the last ones only: cards go by themselves."""
    name = _dismissals(ctx)
    return tuple(json.loads(ctx.files.read(name))) if name in ctx.files.names(name) else ()


def _dismissals(ctx: WidgetContext) -> str:
    return f"dismissed/{ctx.actor_id or 0}"


def _shown(ctx: WidgetContext, row: Mapping[str, Any]) -> dict[str, Any]:
    """A call for the eye: labels, icon, readable number, minutes and seconds."""
    call = ctx.describe("call")
    state, direction = call.field("state"), call.field("direction")
    chosen = state.option(row["state"]) if state else None
    way = direction.option(row["direction"]) if direction else None
    return {
        "id": row["id"],
        "name": row["name"],
        "title": _title(ctx, row),
        "number": _number(ctx, row["phone"], row["e164"]),
        "plain_number": readable(row["e164"]) if row["e164"] else row["phone"],
        "state": row["state"],
        "state_label": chosen.label(ctx.language) if chosen else row["state"],
        "tone": chosen.color if chosen else "mute",
        "direction": row["direction"],
        "direction_label": way.label(ctx.language) if way else row["direction"],
        "icon": ICONS.get((row["direction"], row["state"]), "phone"),
        "at": row["started_at"],
        "answered_at": row["answered_at"],
        "length": divmod(row["duration"], 60) if row["duration"] else None,
        "recording": row["recording_url"],
    }


def _title(ctx: WidgetContext, row: Mapping[str, Any]) -> str:
    """What is going on, in a few words."""
    if row["state"] == "answered":
        return ctx.t("On the phone")
    if row["direction"] == "out":
        return ctx.t("Outgoing call")
    if not row["line"]:
        return ctx.t("Incoming call")
    line = _number(ctx, row["line"], to_e164(row["line"], country_of(ctx.settings)))
    # isolated, so that a plus sign stays in front of its number between right-to-left words
    return ctx.t("Incoming call to %(line)s", line=f"\u2066{line}\u2069")


def _number(ctx: WidgetContext, given: str | None, e164: str | None) -> str:
    return in_digits_of(ctx.language, readable(e164) if e164 else given or "")


def _person(ctx: WidgetContext, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Who it is, as far as the reader of the page may see the person."""
    try:
        if row["contact"] is not None:
            found = ctx.records.get("contact", row["contact"], expand=("account",))
            company = (found.get("account") or {}).get("name")
            return _named("contact", found, company)
        if row["lead"] is not None:
            found = ctx.records.get("lead", row["lead"])
            return _named("lead", found, found.get("company"))
    except RecordNotFound:
        return None
    return None


def _named(object: str, found: Mapping[str, Any], company: str | None) -> dict[str, Any]:
    facts = [text for text in (found.get("title"), company) if text]
    return {"object": object, "id": found["id"], "name": found["name"], "facts": facts}


widgets = (
    Widget(id="calls", render=render_calls),
    Widget(id="call_card", render=render_call_card, actions={"dismiss": dismiss}),
)
