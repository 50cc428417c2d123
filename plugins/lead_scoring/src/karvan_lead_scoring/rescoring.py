"""Gives records their scores: read, ask the rules, write what differs; safe against changes meanwhile.

The order is the design. Versions are read first, then the rules, then who meets them. The write holds the
records at those versions, and only then looks whether the rules are still the same. So a score made of an
old record or of an old rule is never written over one made of newer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from karvan_lead_scoring.rules import IDS_MAX, PIECE, Among, ask_rules, read_rules, score_alike
from karvan_lead_scoring.scoring import GRADE, NO_SCORE, REASONS, SCORE, Rule, Scale, differs, judge
from karvan_sdk import (
    HookContext,
    RecordNotFound,
    RecordWriter,
    Rejected,
    TryLater,
    ValidationFailed,
    VersionMismatch,
)

ATTEMPTS = 5
READ = ("id", "version", SCORE, GRADE, REASONS)
OUTRUN = frozenset(("version_mismatch", "not_found"))
PROBLEM_MAX = 500

Row = Mapping[str, Any]


class Outrun(Exception):
    """Somebody changed the records or the rules while they were scored: read again, nothing was written."""


class _Undo(Exception):
    """Ends a transaction that was only a trial."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What scoring some records did.

    `last` is the highest id among them (None: there were none), `more` whether others may stand behind it.
    `rules` is how many were asked, `broken` what is wrong with those that could not be, by their ids.
    `refused` counts records that something else in the workspace does not let be saved.
    """

    last: int | None = None
    more: bool = False
    scored: int = 0
    changed: int = 0
    refused: int = 0
    rules: int = 0
    broken: Mapping[int, str]


Note = Callable[[RecordWriter, Outcome], None]
"""Called inside the transaction that writes scores: what it writes is kept exactly if they are."""


def note_nothing(writer: RecordWriter, outcome: Outcome) -> None:
    """The note of whoever keeps none."""


def rescore_ids(ctx: HookContext, object: str, ids: Sequence[int]) -> None:
    """Score these records; those that are gone are left out. Raises TryLater when outrun too often."""
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), IDS_MAX):
        chunk = wanted[start : start + IDS_MAX]
        until_not_outrun(partial(score_ids, ctx, object, chunk, note_nothing))


def until_not_outrun(score: Callable[[], Outcome]) -> Outcome:
    """Do it until nobody was faster, a few times; then raises TryLater."""
    for _ in range(ATTEMPTS - 1):
        try:
            return score()
        except Outrun:
            continue  # it reads everything again
    try:
        return score()
    except Outrun as exc:
        raise TryLater("the records change faster than they can be scored.", seconds=1) from exc


def score_ids(ctx: HookContext, object: str, ids: Sequence[int], note: Note) -> Outcome:
    """Score up to `IDS_MAX` records in one transaction. Raises Outrun."""
    among = Among.ids(ids)
    rows = list(ctx.records.each(object, filter=among.filter, fields=READ))
    return _score(ctx, object, rows, among, note)


def score_after(ctx: HookContext, object: str, after: int, note: Note) -> Outcome:
    """Score the next `PIECE` records behind an id in one transaction. Raises Outrun."""
    condition = f"id > {after}"
    if not read_rules(ctx.records, object):  # nothing gives points: there are only old scores to clear
        condition += f" and {SCORE} is not empty"
    rows = ctx.records.list(object, filter=condition, sort=("id",), fields=READ, limit=PIECE).rows
    among = Among.span(rows[0]["id"], rows[-1]["id"]) if rows else Among.span(after, after)
    return _score(ctx, object, rows, among, note, more=len(rows) == PIECE)


def _score(
    ctx: HookContext, object: str, rows: Sequence[Row], among: Among, note: Note, *, more: bool = False
) -> Outcome:
    """Score rows that were just read. Asks one filter per rule, however many rows there are."""
    rules = read_rules(ctx.records, object)
    found = ask_rules(ctx.records, object, rules, among)
    scale = Scale.of(ctx.settings)
    values = {
        row["id"]: judge(found.rules_met_by(row["id"], rules), scale) if rules else NO_SCORE for row in rows
    }
    outcome = Outcome(
        last=rows[-1]["id"] if rows else None,
        more=more,
        scored=len(rows),
        changed=sum(differs(row, values[row["id"]]) for row in rows),
        rules=len(rules),
        broken=found.broken,
    )
    # unchanged records go along: the writer leaves them alone, but holds them at the version that was read
    changes = [{"id": row["id"], "version": row["version"], **values[row["id"]]} for row in rows]
    return _write(ctx, object, changes, rules, outcome, note)


# -- writing -----------------------------------------------------------------------------------------------


def _write(
    ctx: HookContext,
    object: str,
    changes: Sequence[Row],
    rules: Sequence[Rule],
    outcome: Outcome,
    note: Note,
) -> Outcome:
    """Write the scores; a record that something else in the workspace refuses is left out and counted."""
    while True:
        try:
            with ctx.records.write() as writer:
                if changes:
                    writer.update_many(object, changes)
                if not score_alike(read_rules(writer.records, object), rules):
                    raise Outrun("The rules changed.")
                _keep_problems(ctx, writer, rules, outcome.broken)
                note(writer, outcome)
            return outcome
        except (RecordNotFound, VersionMismatch) as exc:
            raise Outrun("A record changed.") from exc
        except (ValidationFailed, Rejected) as exc:
            if not changes:  # nothing of what is scored can be to blame
                raise
            culprits = _culprits(ctx, object, changes, exc)
            for number in sorted(culprits):
                ctx.log.warning(
                    "The score of %s %d is not saved: %s", object, changes[number]["id"], exc.message
                )
            changes = [change for number, change in enumerate(changes) if number not in culprits]
            outcome = replace(
                outcome,
                changed=outcome.changed - len(culprits),
                refused=outcome.refused + len(culprits),
            )


def _culprits(
    ctx: HookContext, object: str, changes: Sequence[Row], refusal: ValidationFailed | Rejected
) -> frozenset[int]:
    """The places of the changes that are refused; raises Outrun where a refusal only means "too late"."""
    if all(error.code in OUTRUN for error in refusal.errors):
        raise Outrun("Some records changed.") from refusal
    named = frozenset(error.index for error in refusal.errors if error.index is not None)
    if named and all(error.index is not None for error in refusal.errors):
        return named
    if len(changes) == 1:
        return frozenset((0,))
    alone = frozenset(n for n, change in enumerate(changes) if _refused_alone(ctx, object, change))
    return alone or frozenset(range(len(changes)))


def _refused_alone(ctx: HookContext, object: str, change: Row) -> bool:
    """Whether a change is refused by itself, tried and undone: that of a batch may not name its cause."""
    try:
        with ctx.records.write() as writer:
            writer.update_many(object, [change])
            raise _Undo
    except _Undo:
        return False
    except (RecordNotFound, VersionMismatch) as exc:
        raise Outrun("A record changed.") from exc
    except (ValidationFailed, Rejected) as exc:
        if all(error.code in OUTRUN for error in exc.errors):
            raise Outrun("A record changed.") from exc
        return True


def _keep_problems(
    ctx: HookContext, writer: RecordWriter, rules: Sequence[Rule], broken: Mapping[int, str]
) -> None:
    """Write on each rule what is wrong with it, where that is news."""
    for rule in rules:
        problem = broken.get(rule.id, "")[:PROBLEM_MAX]
        if problem == rule.problem:
            continue
        writer.update("score_rule", rule.id, {"problem": problem or None})
        if problem:
            ctx.log.warning("Score rule %d '%s' is left out: %s", rule.id, rule.name, problem)
        else:
            ctx.log.info("Score rule %d '%s' works again.", rule.id, rule.name)
