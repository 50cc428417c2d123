"""What people see of scores on pages that are not the plugin's: why a record scores, and the best leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from karvan_lead_scoring.scoring import GRADE, REASONS, SCORE, Scale
from karvan_sdk import HookContext, NotAllowed, UnknownObject, Widget, WidgetContext, literal

BEST = 10
ASKED_MAX = 200


def render_score(ctx: WidgetContext) -> str | None:
    """The score of the page's record with its reasons."""
    if ctx.record is None:
        return None
    rules = _rules(ctx, ctx.object)
    score = ctx.record.get(SCORE)
    reasons = _reasons(ctx.record.get(REASONS) or [], rules)
    scale = Scale.of(ctx.settings)
    return ctx.render(
        "score.html",
        score=score,
        share=None if score is None else scale.share(score),
        scale=scale,
        marks=_marks(scale),
        grade=_grade(ctx, ctx.object, ctx.record.get(GRADE)),
        reasons=reasons,
        total=sum(reason["points"] for reason in reasons),
        broken=[rule for rule in rules or () if rule["active"] and rule["problem"]],
        may_see_rules=rules is not None,
        has_rules=bool(rules),
        rules_filter=f"on_object = {literal(ctx.object)} and active",
    )


def recompute(ctx: WidgetContext, form: Mapping[str, str]) -> str:
    """Ask for a new score of the page's record.

    The worker makes it: it sees all rules and records, which the person at the page need not.
    """
    assert ctx.record is not None
    with ctx.records.write() as writer:
        writer.create("scoring_run", {"on_object": ctx.object, "record_id": ctx.record["id"]})
    return ctx.t("The score will be up to date in a moment.")


def render_top_leads(ctx: WidgetContext) -> str | None:
    """The best leads that are still open."""
    open_ = [o.value for o in _options(ctx, "lead", "status") if o.attributes.get("type") == "open"]
    condition = f"{SCORE} is not empty"
    if open_:
        condition += f" and status in ({', '.join(map(literal, open_))})"
    fields = ("id", "name", "company", SCORE, GRADE)
    rows = ctx.records.list("lead", filter=condition, sort=(f"-{SCORE}",), fields=fields, limit=BEST).rows
    scale = Scale.of(ctx.settings)
    leads = [
        {
            "id": row["id"],
            "name": row["name"],
            "company": row["company"],
            "score": row[SCORE],
            "share": scale.share(row[SCORE]),
            "grade": _grade(ctx, "lead", row[GRADE]),
        }
        for row in rows
    ]
    return ctx.render("top_leads.html", leads=leads, filter=condition)


# -- parts -------------------------------------------------------------------------------------------------


def _rules(ctx: WidgetContext, object: str) -> Sequence[Mapping[str, Any]] | None:
    """The rules for an object that the reader may see; None for who may see no rules at all."""
    try:
        return ctx.records.list(
            "score_rule",
            filter=f"on_object = {literal(object)}",
            fields=("id", "name", "active", "problem"),
            sort=("id",),
            limit=ASKED_MAX,
        ).rows
    except (NotAllowed, UnknownObject):
        return None


def _reasons(
    stored: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]] | None
) -> list[dict[str, Any]]:
    """The reasons as they are shown: under the names their rules have now, linked where those may be read."""
    names = {rule["id"]: rule["name"] for rule in rules or ()}
    return [
        {
            "rule": reason["rule"] if reason["rule"] in names else None,
            "name": names.get(reason["rule"], reason["name"]),
            "points": reason["points"],
        }
        for reason in stored
    ]


def _grade(ctx: HookContext, object: str, value: str | None) -> dict[str, str] | None:
    """A grade with its label and colour."""
    if value is None:
        return None
    found = next((o for o in _options(ctx, object, GRADE) if o.value == value), None)
    label = found.label(ctx.language) if found else ""
    return {"label": label or value, "tone": found.color if found else "mute"}


def _options(ctx: HookContext, object: str, field: str) -> Sequence[Any]:
    declared = ctx.describe(object).field(field)
    return declared.options if declared else ()


def _marks(scale: Scale) -> list[int]:
    """Where the grades begin, in percent, as far as that is within the bounds."""
    steps = sorted({scale.grade_c, scale.grade_b, scale.grade_a})
    return [scale.share(step) for step in steps if scale.minimum < step < scale.maximum]


widgets = (
    Widget(id="score", render=render_score, actions={"recompute": recompute}),
    Widget(id="top_leads", render=render_top_leads),
)
