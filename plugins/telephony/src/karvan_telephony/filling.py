"""Fills the international numbers of people who were there before, in pieces, from where it stopped."""

from __future__ import annotations

from dataclasses import dataclass

from karvan_sdk import HookContext, TryLater
from karvan_telephony.directory import KEPT, PEOPLE, country_of, numbers_in, phone_fields

PIECE = 200
PIECES_PER_CALL = 15
PLACE = "place"


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
    last = rows[-1]["id"] if len(rows) == PIECE else None
    return Piece(last=last, read=len(rows), changed=len(changes))


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
    place = _kept_place(ctx)
    for _ in range(PIECES_PER_CALL):
        object, after = place
        following = _place_after(object, fill_piece(ctx, object, after))
        if following is None:
            ctx.files.delete(PLACE)
            return
        place = following
        ctx.files.write(PLACE, f"{place[0]} {place[1]}".encode())
    raise TryLater(f"filling the numbers of existing records ({place[0]} after {place[1]}).")


def _place_after(object: str, piece: Piece) -> tuple[str, int] | None:
    if piece.last is not None:
        return object, piece.last
    following = PEOPLE[PEOPLE.index(object) + 1 :]
    return (following[0], 0) if following else None


def _kept_place(ctx: HookContext) -> tuple[str, int]:
    if PLACE not in ctx.files.names(PLACE):
        return PEOPLE[0], 0
    object, after = ctx.files.read(PLACE).decode().split()
    return object, int(after)
