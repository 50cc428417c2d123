"""The rules that a workspace begins with: who the lead is, whether they decide, need something, and when.

They follow BANT as far as the fields of a lead go, and are meant to be changed: the plugin makes them once.
"""

from __future__ import annotations

from dataclasses import dataclass

from karvan_lead_scoring.rules import OBJECTS
from karvan_lead_scoring.runs import start_runs
from karvan_sdk import BadInput, HookContext, UnknownField, VersionMismatch

DECIDERS = ("director", "chief", "head of", "founder", "owner", "CEO", "директор", "руководитель", "владелец",
            "مدیرعامل", "رئیس", "مدیرکل", "总", "负责人")  # fmt: skip
FREE_MAIL = ("@gmail.com", "@yahoo.com", "@outlook.com", "@hotmail.com", "@mail.ru", "@yandex.ru", "@qq.com",
             "@163.com")  # fmt: skip


def any_of(field: str, operator: str, texts: tuple[str, ...]) -> str:
    """A condition that one of these texts fits."""
    return " or ".join(f'{field} {operator} "{text}"' for text in texts)


@dataclass(frozen=True, kw_only=True)
class Starter:
    """A rule to begin with; its name is the English text that is translated."""

    name: str
    condition: str
    points: int


def starters(ctx: HookContext) -> tuple[Starter, ...]:
    """The rules to begin with, named in the language of the workspace."""
    t = ctx.t
    return (
        Starter(name=t("Company is known"), condition="company is not empty", points=10),
        Starter(name=t("Has a website"), condition="website is not empty", points=5),
        Starter(name=t("Decides (job title)"), condition=any_of("title", "contains", DECIDERS), points=20),
        Starter(name=t("Described the need"), condition="description is not empty", points=5),
        Starter(name=t("High interest"), condition='rating = "hot"', points=25),
        Starter(name=t("Some interest"), condition='rating = "warm"', points=10),
        Starter(name=t("Being worked on"), condition='status = "working"', points=10),
        Starter(name=t("Qualified"), condition='status = "qualified"', points=20),
        Starter(name=t("Came by recommendation"), condition='source in ("referral", "partner")', points=15),
        Starter(name=t("Met at an event"), condition='source = "event"', points=10),
        Starter(
            name=t("Can be reached by mail and phone"),
            condition="email is not empty and phone is not empty",
            points=10,
        ),
        Starter(
            name=t("Private mail address"), condition=any_of("email", "ends_with", FREE_MAIL), points=-10
        ),
        Starter(name=t("Cannot be reached"), condition="email is empty and phone is empty", points=-30),
        Starter(name=t("Turned out unfit"), condition='status = "unqualified"', points=-100),
    )


def begin(ctx: HookContext) -> None:
    """Give a fresh workspace its first rules, and start runs over everything.

    Fresh is one without rules and without runs: who threw all rules away does not get them back.
    """
    wanted = [
        {
            "name": s.name,
            "on_object": "lead",
            "condition": s.condition,
            "points": s.points,
            "position": n * 10,
        }
        for n, s in enumerate(starters(ctx), 1)
        if _works(ctx, s)
    ]

    def write() -> None:
        with ctx.records.write() as writer:
            fresh = not any(writer.records.list(o, limit=1).rows for o in ("score_rule", "scoring_run"))
            if fresh and wanted:
                writer.create_many("score_rule", wanted)
            start_runs(writer, OBJECTS, "enabled")

    try:
        write()
    except VersionMismatch:  # an old run ended at this very moment: it needs no stopping any more
        write()


def _works(ctx: HookContext, starter: Starter) -> bool:
    """Whether this workspace's leads can be asked: its administrators may have changed the choices."""
    try:
        ctx.records.list("lead", filter=starter.condition, fields=("id",), limit=1)
    except (BadInput, UnknownField) as exc:
        ctx.log.info("The starter rule '%s' is left out: %s", starter.name, exc.message)
        return False
    return True
