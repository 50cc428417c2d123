"""Runs: a rescore of all records of an object, piece by piece, from where it stopped.

A run is a record. Each piece moves the run's place in the transaction of its scores, so a worker that dies
loses nothing and repeats nothing, and two that work on one run share it. A newer run stops an older one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from karvan_lead_scoring.rescoring import Outcome, Row, score_after, score_ids, until_not_outrun
from karvan_lead_scoring.rules import OBJECTS
from karvan_sdk import (
    Change,
    Event,
    HookContext,
    RecordNotFound,
    RecordWriter,
    TryLater,
    VersionMismatch,
    literal,
)

STATEMENTS_PER_CALL = 600
"""How many questions one call may ask of the database before it lets others have their turn."""
STATEMENTS_BESIDE_RULES = 12

FULL = "record_id is empty"


def prepare_runs(ctx: HookContext, changes: Sequence[Change]) -> Sequence[Change]:
    """Name new runs, and let them start now."""
    return [_prepared(ctx, change) for change in changes]


def _prepared(ctx: HookContext, change: Change) -> Change:
    object = str(change.get("on_object"))
    label = ctx.describe(object).label_plural(ctx.language) if object in OBJECTS else object
    one = change.get("record_id")
    name = ctx.t("%(objects)s: number %(id)s", objects=label, id=one) if one else label
    return change.with_values(name=name, started_at=ctx.now)


def start_runs(writer: RecordWriter, objects: Sequence[str], reason: str) -> list[int]:
    """Start a run for each of these objects in place of the one under way; gives their ids.

    Whoever hears of the new records (`records_changed`) carries them out. Raises VersionMismatch.
    """
    started = []
    for object in objects:
        for run in writer.records.each("scoring_run", filter=_under_way(object), fields=("id", "version")):
            values = {"state": "stopped", "done_at": _now()}
            writer.update("scoring_run", run["id"], values, version=run["version"])
        made = writer.create("scoring_run", {"on_object": object, "reason": reason})
        started.append(int(made["id"]))
    return started


def run_all(ctx: HookContext, objects: Sequence[str], reason: str) -> list[int]:
    """Start runs in a transaction of their own; gives their ids."""

    def start() -> list[int]:
        with ctx.records.write() as writer:
            return start_runs(writer, objects, reason)

    try:
        return start()
    except VersionMismatch:  # the old run ended at this very moment: it needs no stopping any more
        return start()


def objects_of(ctx: HookContext, events: Sequence[Event]) -> list[str]:
    """The objects whose scores changes of rules may move: those they score, and those they scored before."""
    ids = sorted({event.record_id for event in events})
    there = {
        row["id"]: row["on_object"]
        for row in ctx.records.each(
            "score_rule", filter=f"id in ({', '.join(map(str, ids))})", fields=("id", "on_object")
        )
    }
    found: set[Any] = set()
    for event in events:
        found.update(event.changes.get("on_object", ()))
        # of a rule that is gone nobody knows any more what it scored
        found.update([there[event.record_id]] if event.record_id in there else OBJECTS)
    return [object for object in OBJECTS if object in found]


def carry_out_some(ctx: HookContext, runs: Sequence[int]) -> None:
    """Go on with these runs; raises TryLater when it is time to let others work, until all are done."""
    spent = 0
    for id in runs:
        while _is_under_way(read_run(ctx, id)):
            if spent >= STATEMENTS_PER_CALL:
                raise TryLater(f"scoring run {id} goes on.")
            outcome = until_not_outrun(partial(next_piece, ctx, id))
            spent += outcome.rules + STATEMENTS_BESIDE_RULES
        _log_end(ctx, read_run(ctx, id))


def carry_out(ctx: HookContext, id: int) -> Row | None:
    """Go on with a run to its end and give it as it then stands; None when it is gone."""
    while _is_under_way(run := read_run(ctx, id)):
        until_not_outrun(partial(next_piece, ctx, id))
    return run


def next_piece(ctx: HookContext, id: int) -> Outcome:
    """Score the next piece of a run and move its place along, in one transaction. Raises Outrun."""
    run = read_run(ctx, id)
    if run is None or not _is_under_way(run):
        return Outcome(broken={})

    def note(writer: RecordWriter, outcome: Outcome) -> None:
        writer.update("scoring_run", id, _moved(run, outcome), version=run["version"])

    object = run["on_object"]
    if run["record_id"] is not None:
        return score_ids(ctx, object, [run["record_id"]], note)
    return score_after(ctx, object, run["cursor"] or 0, note)


def read_run(ctx: HookContext, id: int) -> Row | None:
    """A run as it stands now; None when it is gone."""
    try:
        return ctx.records.get("scoring_run", id)
    except RecordNotFound:
        return None


def successor(ctx: HookContext, object: str) -> Row | None:
    """The run of an object that is under way."""
    rows = ctx.records.list("scoring_run", filter=_under_way(object), sort=("-id",), limit=1).rows
    return rows[0] if rows else None


def _moved(run: Row, outcome: Outcome) -> Row:
    """The values of a run behind one more piece."""
    values = {
        "scored": (run["scored"] or 0) + outcome.scored,
        "changed": (run["changed"] or 0) + outcome.changed,
        "refused": (run["refused"] or 0) + outcome.refused,
        "broken": max(run["broken"] or 0, len(outcome.broken)),
    }
    if outcome.last is not None:
        values["cursor"] = outcome.last
    return values if outcome.more else {**values, "state": "done", "done_at": _now()}


def _is_under_way(run: Row | None) -> bool:
    return run is not None and run["state"] == "running"


def _under_way(object: str) -> str:
    return f'on_object = {literal(object)} and state = "running" and {FULL}'


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _log_end(ctx: HookContext, run: Row | None) -> None:
    if run is not None and run["state"] == "done":
        ctx.log.info(
            "Scoring run %d over %s: %d scored, %d changed, %d refused, %d rules left out.",
            run["id"], run["on_object"], run["scored"], run["changed"], run["refused"], run["broken"],
        )  # fmt: skip
