"""What people see of visits: one guest with buttons, a contact's visits, today's guests, the bell."""

from __future__ import annotations

from collections.abc import Mapping

from karvan_sample import bell
from karvan_sample.visits import expected_today
from karvan_sdk import BadInput, Widget, WidgetContext, literal

SHOWN = 10
ID_DIGITS = 18


def render_guest(ctx: WidgetContext) -> str | None:
    """Where the guest of the page is, and the next step."""
    if ctx.record is None:
        return None
    return ctx.render("guest.html", visit=ctx.record, badge=ctx.form.get("badge", ctx.record["badge"] or ""))


def arrive(ctx: WidgetContext, form: Mapping[str, str]) -> str:
    """The guest is here, with a badge or without."""
    assert ctx.record is not None
    ctx.check("sample.may_arrive", guest=ctx.record["name"])
    values = {"arrived_at": ctx.now.isoformat(), "badge": form.get("badge", "").strip() or None}
    with ctx.records.write() as writer:
        row = writer.update("visit", ctx.record["id"], values)
    return ctx.t("%(guest)s is in the house.", guest=row["name"])


def leave(ctx: WidgetContext, form: Mapping[str, str]) -> str:
    """The guest goes and gives the badge back."""
    assert ctx.record is not None
    with ctx.records.write() as writer:
        row = writer.update("visit", ctx.record["id"], {"left_at": ctx.now.isoformat()})
    return ctx.t("%(guest)s has left.", guest=row["name"])


def render_visits(ctx: WidgetContext) -> str | None:
    """The visits of the contact of the page, the newest first."""
    if ctx.record is None or ctx.object != "contact":
        return None
    condition = f"contact = {literal(ctx.record['id'])}"
    rows = ctx.records.list("visit", filter=condition, sort=("-expected_at",), limit=SHOWN + 1).rows
    return ctx.render("visits.html", visits=rows[:SHOWN], more=len(rows) > SHOWN, filter=condition)


def render_today(ctx: WidgetContext) -> str:
    """The guests of today; on the page of a visit the other ones."""
    own = ctx.record["id"] if ctx.slot == "record.main" and ctx.record else None
    return ctx.render("today.html", visits=[v for v in expected_today(ctx) if v["id"] != own])


def render_door(ctx: WidgetContext) -> str | None:
    """Who rings at the door; nothing while it is quiet."""
    found = bell.ringing(ctx)
    return None if found is None else ctx.render("door.html", found=found, place=ctx.settings["place"])


def answer(ctx: WidgetContext, form: Mapping[str, str]) -> str | None:
    """Make it quiet for everybody; with the id of a visit or a name, this guest has arrived."""
    visit = form.get("visit", "")
    if visit and not (visit.isascii() and visit.isdigit() and len(visit) <= ID_DIGITS):
        raise BadInput(ctx.t("This is no visit."), field="visit")
    if visit:
        with ctx.records.write() as writer:
            if writer.records.get("visit", int(visit), fields=("arrived_at",))["arrived_at"] is None:
                writer.update("visit", int(visit), {"arrived_at": ctx.now.isoformat()})
    elif guest := form.get("guest", "").strip():
        now = ctx.now.isoformat()
        with ctx.records.write() as writer:
            writer.create("visit", {"name": guest, "expected_at": now, "arrived_at": now})
    bell.answer(ctx)
    return bell.open_door(ctx)


widgets = (
    Widget(id="guest", render=render_guest, actions={"arrive": arrive, "leave": leave}),
    Widget(id="visits", render=render_visits),
    Widget(id="today", render=render_today),
    Widget(id="door", render=render_door, actions={"answer": answer}),
)
