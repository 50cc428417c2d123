"""Rules as they stand in the workspace: read, asked of records through filters, checked before a save."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from karvan_lead_scoring.scoring import Rule
from karvan_sdk import BadInput, Change, FieldError, HookContext, Records, Rejected, UnknownField, literal

OBJECTS = ("lead", "contact")
PIECE = 200
"""How many records are scored together: as many as one page of a list holds."""
IDS_MAX = 100
"""How many ids may be written out in a filter, so that a condition still fits beside them."""
LAST = 2**31

_TEXTS = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|“[^”]*”|«[^»]*»""", re.DOTALL)
_ME = re.compile(r"\bme\s*\(", re.IGNORECASE)
_OWN = "lead_scoring__"


@dataclass(frozen=True, kw_only=True)
class Among:
    """Some records, as a filter: those whose ids lie between two, or are listed."""

    filter: str

    @classmethod
    def span(cls, first: int, last: int) -> Among:
        """All records from one id to another."""
        return cls(filter=f"id >= {first} and id <= {last}")

    @classmethod
    def ids(cls, ids: Sequence[int]) -> Among:
        """These records, at most `IDS_MAX`."""
        return cls(filter=f"id in ({', '.join(map(str, ids))})")

    def and_meeting(self, condition: str) -> str:
        """The filter for those of them that meet a condition as well."""
        # on lines of its own: nothing that a condition ends with can reach the bracket
        return f"{self.filter} and (\n{condition}\n)"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Which records meet which rule (ids by rule), and what is wrong with rules that can't be asked."""

    met: Mapping[int, frozenset[int]]
    broken: Mapping[int, str]

    def rules_met_by(self, record: int, rules: Sequence[Rule]) -> list[Rule]:
        """The rules that a record meets, in their order."""
        return [rule for rule in rules if record in self.met.get(rule.id, ())]


def read_rules(records: Records, object: str) -> list[Rule]:
    """The active rules for an object, in the order in which reasons are shown."""
    rows = records.each(
        "score_rule",
        filter=f"on_object = {literal(object)} and active",
        fields=("id", "name", "condition", "points", "position", "problem"),
    )
    rules = [
        Rule(
            id=row["id"],
            name=row["name"],
            condition=row["condition"],
            points=row["points"],
            position=LAST if row["position"] is None else row["position"],
            problem=row["problem"] or "",
        )
        for row in rows
    ]
    return sorted(rules, key=lambda rule: (rule.position, rule.id))


def score_alike(some: Sequence[Rule], others: Sequence[Rule]) -> bool:
    """Whether two readings of the rules give every record the same score and reasons."""
    return len(some) == len(others) and all(
        a.scores_like(b) for a, b in zip(some, others, strict=True)
    )  # fmt: skip


def ask_rules(records: Records, object: str, rules: Sequence[Rule], among: Among) -> Findings:
    """Ask each rule which of some records meet it: one filter per rule, so a rule means what a filter means.

    A rule whose condition is no longer understood is left out and reported.
    """
    met: dict[int, frozenset[int]] = {}
    broken: dict[int, str] = {}
    for rule in rules:
        try:
            rows = records.each(object, filter=among.and_meeting(rule.condition), fields=("id",))
            met[rule.id] = frozenset(row["id"] for row in rows)
        except (BadInput, UnknownField) as exc:
            broken[rule.id] = exc.message
    return Findings(met=met, broken=broken)


# -- the gate ----------------------------------------------------------------------------------------------


def check_rules(ctx: HookContext, changes: Sequence[Change]) -> None:
    """Refuse rules whose condition can't be asked of their object; raises Rejected with all findings.

    A rule that broke later can still be switched off or renamed: only what is new is checked.
    """
    found = [
        refusal
        for index, change in enumerate(changes)
        if _newly_asked(change)
        for refusal in _refusals(ctx, change, index)
    ]
    if found:
        raise Rejected.many(found)


def _newly_asked(change: Change) -> bool:
    switched_on = change.changed("active") and bool(change.get("active"))
    return change.changed("condition") or change.changed("on_object") or switched_on


def _refusals(ctx: HookContext, change: Change, index: int) -> Iterator[Rejected]:
    condition, object = str(change.get("condition") or ""), str(change.get("on_object") or "")
    words = _TEXTS.sub('""', condition)
    if _ME.search(words):
        reason = ctx.t("me() can't be used in a score rule: a score is the same for everybody.")
        yield Rejected(reason, field="condition", index=index)
        return
    if _OWN in words:
        reason = ctx.t("A score rule can't ask for the score itself: its result would depend on the moment.")
        yield Rejected(reason, field="condition", index=index)
        return
    try:
        ctx.records.list(object, filter=condition, limit=1, fields=("id",))
        longest = Among.ids(range(10**9, 10**9 + IDS_MAX))
    except (BadInput, UnknownField) as exc:
        yield _as_refusal(exc, index)
        return
    try:
        ctx.records.list(object, filter=longest.and_meeting(condition), limit=1, fields=("id",))
    except BadInput:
        reason = ctx.t("The condition is too long for a score rule. Split it into two rules.")
        yield Rejected(reason, field="condition", index=index)


def _as_refusal(exc: BadInput | UnknownField, index: int) -> Rejected:
    """The refusal in the words of the expression language, which the host can say in any language."""
    refusal = Rejected(exc.message, field="condition", index=index)
    refusal.errors = (
        FieldError(
            field="condition", code=exc.code, template=exc.template, params=exc.params, index=index
        ),
    )  # fmt: skip
    return refusal
