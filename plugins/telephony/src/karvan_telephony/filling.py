"""Fills the international numbers of people who were there before, in pieces, from where it stopped."""

from __future__ import annotations

from dataclasses import dataclass

from karvan_sdk import HookContext, TryLater
from karvan_telephony.directory import KEPT, PEOPLE, country_of, numbers_in, phone_fields

PIECE = 500
PIECES_PER_CALL = 6
PLACE = "normalise/{object}"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What was done with a piece of the records: the last id (None: there are no more) and two counts."""

    last: int | None
    read: int = 0
    changed: int = 0


def fill_piece(ctx: HookContext, object: str, after: int) -> Piece:
    """Bring the numbers of the next records behind the id `after` up to date."""
    fields = phone_fields(ctx.describe(object))
    rows = ctx.records.list(
        object, filter=f"id > {after}", sort=("id",), fields=("id", *fields, *KEPT), limit=PIECE
    ).rows
    if not rows:
        return Piece(last=None)
    country = country_of(ctx.settings)
    wanted = [(row, numbers_in(row.get, fields, country)) for row in rows]
    changes = [
        {"id": row["id"], **numbers}
        for row, numbers in wanted
        if any(row[name] != number for name, number in numbers.items())
    ]
    if changes:
        with ctx.records.write() as writer:
            writer.update_many(object, changes)
    return Piece(last=rows[-1]["id"], read=len(rows), changed=len(changes))


def fill_everything(ctx: HookContext, object: str) -> Piece:
    """Bring all records of an object up to date at once; gives the counts."""
    read = changed = 0
    after: int | None = 0
    while after is not None:
        piece = fill_piece(ctx, object, after)
        after, read, changed = piece.last, read + piece.read, changed + piece.changed
    return Piece(last=None, read=read, changed=changed)


def go_on_filling(ctx: HookContext) -> None:
    """Do some pieces and keep the place; raises TryLater until all people are done."""
    pieces = 0
    for object in PEOPLE:
        place = PLACE.format(object=object)
        after: int | None = _kept_place(ctx, place)
        while after is not None:
            if pieces == PIECES_PER_CALL:
                raise TryLater(f"filling the numbers of existing records ({object} after {after}).")
            piece = fill_piece(ctx, object, after)
            pieces += 1
            if piece.last is not None:
                ctx.files.write(place, str(piece.last).encode())
            after = piece.last
    for object in PEOPLE:
        ctx.files.delete(PLACE.format(object=object))


def _kept_place(ctx: HookContext, place: str) -> int:
    return int(ctx.files.read(place)) if place in ctx.files.names(place) else 0
