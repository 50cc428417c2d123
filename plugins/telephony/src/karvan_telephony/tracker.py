"""Makes calls of events: one record per call and one lead per unknown number, however many arrive at once.

All reads come first and every write is guarded: a new record by a unique value, a change by the version it
was read at. Who loses a race starts over and then sees what the winner made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from karvan_sdk import (
    Conflict,
    HookContext,
    RecordNotFound,
    RecordRef,
    Records,
    RecordWriter,
    ValidationFailed,
    VersionMismatch,
    literal,
)
from karvan_telephony.directory import PEOPLE, country_of
from karvan_telephony.events import CallEvent
from karvan_telephony.numbers import readable, to_e164
from karvan_telephony.progress import fold, progress_of

NAME_MAX = 200
"""Characters of a name that another plugin gives."""
TRIES = 40
"""In each round at least one of the rivals gets through, so this many may tell of one call at once."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What came of an event: the call, its state, whom it was with, and what was made for it."""

    call: int
    state: str
    created: bool
    changed: bool
    person: RecordRef | None
    lead_made: bool

    def as_json(self) -> dict[str, Any]:
        """The answer to the provider."""
        person = self.person
        return {
            "call": self.call,
            "state": self.state,
            "created": self.created,
            "changed": self.changed,
            "contact": person.id if person and person.object == "contact" else None,
            "lead": person.id if person and person.object == "lead" else None,
            "lead_made": self.lead_made,
        }


def record_event(ctx: HookContext, event: CallEvent) -> Recorded:
    """Record what happened to a call; telling it again, late or at the same time changes nothing.

    Raises Conflict when others were quicker time after time.
    """
    for _ in range(TRIES):
        try:
            return _attempt(ctx, event)
        except (VersionMismatch, RecordNotFound):
            continue
        except ValidationFailed as exc:
            if any(error.code != "unique_taken" for error in exc.errors):
                raise
    raise Conflict(f"Call '{event.call_id}' is being changed by too many at once. Send the event again.")


def _attempt(ctx: HookContext, event: CallEvent) -> Recorded:
    row = _stored(ctx, event.call_id)
    after: Mapping[str, Any]
    e164 = to_e164(event.phone, country_of(ctx.settings))
    person = _linked(row)
    person_is_new = person is None
    if person is None and e164 is not None:
        person = ctx.ask("find_by_phone", phone=e164)
    makes_lead = person is None and e164 is not None and _wants_lead(ctx, event)
    before = progress_of(row, otherwise=event.at) if row else None
    progress = fold(before, event)
    values = progress.values()
    name = name_of(ctx, e164) if makes_lead and e164 is not None else ""
    with ctx.records.write() as writer:
        made = None
        if makes_lead and e164 is not None:
            person, made = _claim_lead(ctx, writer, e164, name)
        if person is not None and person_is_new:
            values |= _with_person(writer.records, person)
        if row is None:
            number = readable(e164) if e164 else event.phone
            values = {"name": number, **values, **_identity(event)}
            after = writer.create("call", values)
        elif _differs(row, values):
            after = writer.update("call", row["id"], values, version=row["version"])
        else:
            after = row
    return Recorded(
        call=after["id"],
        state=progress.state,
        created=row is None,
        changed=after is not row,
        person=person,
        lead_made=made is not None,
    )


def _stored(ctx: HookContext, call_id: str) -> Mapping[str, Any] | None:
    rows = ctx.records.list("call", filter=f"external_id = {literal(call_id)}", limit=1).rows
    return rows[0] if rows else None


def _linked(row: Mapping[str, Any] | None) -> RecordRef | None:
    for object in PEOPLE:
        if row and row[object] is not None:
            return RecordRef(object=object, id=row[object])
    return None


def _wants_lead(ctx: HookContext, event: CallEvent) -> bool:
    return event.direction == "in" and bool(ctx.settings["create_leads"])


def name_of(ctx: HookContext, e164: str) -> str:
    """What other plugins call an unknown number; the number itself where they know nothing of use.

    Asked before the transaction: who answers may have to ask elsewhere.
    """
    name = ctx.ask("telephony.name_caller", number=e164)
    fitting = isinstance(name, str) and bool(name.strip())
    return name.strip()[:NAME_MAX] if fitting else readable(e164)


def _claim_lead(ctx: HookContext, writer: RecordWriter, e164: str, name: str) -> tuple[RecordRef, int | None]:
    """(the one lead of this number, its id if it was made now; `name` is what a new one is called).

    Rivals meet at the number: its value is unique, and it is read once, so that its version guards what was
    concluded from it.
    """
    held = _held(writer.records, e164)
    if held is not None and _is_there(writer.records, held["lead"]):
        return RecordRef(object="lead", id=held["lead"]), None
    lead = writer.create("lead", _lead_values(ctx, e164, name))["id"]
    if held is None:
        writer.create("phone_number", {"e164": e164, "lead": lead})
    else:
        writer.update("phone_number", held["id"], {"lead": lead}, version=held["version"])
    return RecordRef(object="lead", id=lead), lead


def _held(records: Records, e164: str) -> Mapping[str, Any] | None:
    rows = records.list("phone_number", filter=f"e164 = {literal(e164)}", limit=1).rows
    return rows[0] if rows else None


def _is_there(records: Records, lead: int | None) -> bool:
    if lead is None:
        return False
    try:
        records.get("lead", lead, fields=("id",))
    except RecordNotFound:
        return False
    return True


def _lead_values(ctx: HookContext, e164: str, name: str) -> dict[str, Any]:
    values: dict[str, Any] = {"name": name, "phone": e164}
    source = ctx.describe("lead").field("source")
    if source is not None and source.option("call") is not None:
        values["source"] = "call"
    return values


def _with_person(records: Records, person: RecordRef) -> dict[str, Any]:
    """The values that link a call to a person; it is named after the person and belongs to the owner."""
    if person.object not in PEOPLE:
        return {}  # some other plugin's record: known, so no lead, but a call has no field for it
    found = records.get(person.object, person.id, fields=("name", "owner"))
    owner = {} if found["owner"] is None else {"owner": found["owner"]}
    return {person.object: person.id, "name": found["name"], **owner}


def _identity(event: CallEvent) -> dict[str, Any]:
    return {
        "external_id": event.call_id,
        "direction": event.direction,
        "phone": event.phone,
        "line": event.line,
    }


def _differs(row: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return any(row[name] != value for name, value in values.items())
