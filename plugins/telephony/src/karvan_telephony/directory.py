"""Whose number it is: keeps the international numbers of contacts and leads, and finds people by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from karvan_sdk import Change, HookContext, Object, RecordRef, Records, literal
from karvan_telephony.numbers import to_e164

PEOPLE = ("contact", "lead")
"""Whom a number may belong to, in the order of preference."""
NUMBER = "telephony__e164"
OTHER_NUMBER = "telephony__e164_other"
KEPT = (NUMBER, OTHER_NUMBER)


def phone_fields(described: Object) -> tuple[str, ...]:
    """The phone fields of an object, custom ones included, in their order."""
    return tuple(f.name for f in described.fields if f.type == "phone")


def numbers_in(value_of: Callable[[str], Any], fields: Sequence[str], country: str) -> dict[str, str | None]:
    """The kept numbers of a record: the first two different ones that its phone fields hold."""
    found: list[str] = []
    for name in fields:
        number = to_e164(value_of(name), country)
        if number is not None and number not in found:
            found.append(number)
    first, second, *_ = (*found, None, None)
    return {NUMBER: first, OTHER_NUMBER: second}


def keep_numbers(described: Object, change: Change, event: str, country: str) -> Change:
    """The change of a contact or lead with its international numbers, when its phone fields change."""
    fields = phone_fields(described)
    if event == "update" and not any(change.changed(name) for name in fields):
        return change
    return change.with_values(**numbers_in(change.get, fields, country))


def country_of(settings: Mapping[str, Any]) -> str:
    """The country of local numbers, as the settings have it."""
    return str(settings["country"] or "").strip().upper()


def find_person(records: Records, e164: str) -> RecordRef | None:
    """The newest contact with this number, else the newest lead, else the lead once made for it."""
    wanted = literal(e164)
    for object in PEOPLE:
        condition = f"{NUMBER} = {wanted} or {OTHER_NUMBER} = {wanted}"
        rows = records.list(object, filter=condition, sort=("-created_at",), fields=("id",), limit=1).rows
        if rows:
            return RecordRef(object=object, id=rows[0]["id"])
    return remembered_lead(records, e164)


def remembered_lead(records: Records, e164: str) -> RecordRef | None:
    """The lead that was made when this number called, if it is still there."""
    condition = f"e164 = {literal(e164)} and lead.id is not empty"
    rows = records.list("phone_number", filter=condition, fields=("lead",), limit=1).rows
    return RecordRef(object="lead", id=rows[0]["lead"]) if rows else None


def prepare_calls(ctx: HookContext, changes: Sequence[Change], event: str) -> Sequence[Change]:
    """Calls with their international number; one made by hand takes the person's number, and begins now."""
    country = country_of(ctx.settings)
    if event == "create":
        changes = _with_numbers_of_people(ctx, changes)
        changes = [c if c.get("started_at") else c.with_values(started_at=ctx.now) for c in changes]
    return [
        c.with_values(e164=to_e164(c.get("phone"), country)) if event == "create" or c.changed("phone") else c
        for c in changes
    ]


def _with_numbers_of_people(ctx: HookContext, changes: Sequence[Change]) -> list[Change]:
    lacking = [c for c in changes if not c.get("phone")]
    known = {
        (object, row["id"]): _first_phone(row)
        for object in PEOPLE
        for row in _rows_by_id(ctx, object, {c.get(object) for c in lacking} - {None})
    }

    def completed(change: Change) -> Change:
        if change.get("phone"):
            return change
        phones = (known.get((object, change.get(object))) for object in PEOPLE)
        phone = next((p for p in phones if p), None)
        return change.with_values(phone=phone) if phone else change

    return [completed(c) for c in changes]


def _rows_by_id(ctx: HookContext, object: str, ids: set[Any]) -> list[Mapping[str, Any]]:
    fields = ("id", *phone_fields(ctx.describe(object)))
    rows: list[Mapping[str, Any]] = []
    wanted = sorted(ids)
    for start in range(0, len(wanted), 100):
        part = wanted[start : start + 100]
        condition = f"id in ({', '.join(map(literal, part))})"
        rows += ctx.records.list(object, filter=condition, fields=fields, limit=len(part)).rows
    return rows


def _first_phone(row: Mapping[str, Any]) -> str | None:
    return next((v for name, v in row.items() if name != "id" and v), None)
