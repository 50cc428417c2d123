"""One file becomes records, piece by piece: checked whole, then applied, then compared with what was there.

Every piece is one transaction that also moves the position kept in the exchange's record, so that a crash
repeats at most what was never committed, and two requests at once can't apply the same piece twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, BinaryIO

from karvan_onec.commerceml import START, BrokenFile, Element, Position, read_elements
from karvan_onec.directory import Directory, pricing_of, read_entries, read_price_types
from karvan_onec.goods import read_good
from karvan_onec.merging import Tally
from karvan_onec.numbers import NoNumber, tidy_line
from karvan_onec.offers import Offer, read_offer
from karvan_onec.products import PRODUCT, Piece, apply_goods, apply_offers
from karvan_onec.report import add_lines, describe_refusal
from karvan_onec.seen import Seen
from karvan_sdk import HookContext, RecordWriter, VersionMismatch, literal

OBJECT = "exchange"
BATCH = 500
SECONDS = 2.0
PAGE = 200
COUNTS = ("created", "updated", "unchanged", "deactivated", "missing", "pending", "failed")

Row = dict[str, Any]


@dataclass(kw_only=True)
class Budget:
    """How much one request may do: elements that are applied, and seconds."""

    records: int
    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return self.clock() - self._began >= self.seconds

    @property
    def spent(self) -> bool:
        """Whether nothing more should be begun."""
        return self.records <= 0 or self.late


@dataclass(frozen=True, kw_only=True)
class Job:
    """One file to import: how it opens, what its catalogue has held so far, whether it is the last part."""

    open: Callable[[], AbstractContextManager[BinaryIO]]
    seen: Seen
    is_last: Callable[[], bool]


# -- the record ----------------------------------------------------------------------------------------


def start_exchange(ctx: HookContext, *, name: str, upload: str, session: str, mode: str) -> Row:
    """A new exchange. Whichever still runs is over: 1C sends one file after another, so it began anew."""
    stopped = ctx.t("A newer exchange has begun before this one was finished.")
    with ctx.records.write() as writer:
        for row in writer.records.list(OBJECT, filter='state = "running"').rows:
            _stop(writer, dict(row), stopped)
        return writer.create(
            OBJECT,
            {
                "name": name[-255:],
                "kind": "unread",
                "state": "running",
                "mode": mode,
                "started_at": _moment(),
                "upload": upload,
                "session": session,
                "progress": {"phase": "check", "position": START.as_json(), "total": 0, "done": 0},
                **dict.fromkeys(COUNTS, 0),
            },
        )


def find_exchange(ctx: HookContext, upload: str) -> Row | None:
    """The last exchange of an upload, or None."""
    rows = ctx.records.list(OBJECT, filter=f"upload = {literal(upload)}", sort=("-started_at",), limit=1).rows
    return dict(rows[0]) if rows else None


def advance(ctx: HookContext, exchange: Row, job: Job, budget: Budget) -> Row:
    """Do a piece of an exchange, at least one step of it; gives its record as it stands then."""
    row = exchange
    directory = Directory()
    try:
        while row["state"] == "running":
            row = _PHASES[row["progress"]["phase"]](ctx, row, job, budget, directory)
            if budget.spent:
                break
    except BrokenFile as exc:
        with ctx.records.write() as writer:
            row = _stop(writer, row, ctx.t(exc.text, **exc.params))
    except VersionMismatch:  # another request has done this piece meanwhile
        row = ctx.records.get(OBJECT, row["id"])
    return row


def _stop(writer: RecordWriter, row: Row, why: str) -> Row:
    message = add_lines(row["message"], [why])
    values = {"state": "failed", "finished_at": _moment(), "message": message}
    return writer.update(OBJECT, row["id"], values, version=row["version"])


def _moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# -- first the whole file is read, so that a damaged one changes nothing -------------------------------


def _check(ctx: HookContext, row: Row, job: Job, budget: Budget, directory: Directory) -> Row:
    progress = dict(row["progress"])
    held = dict(progress.get("held", {}))
    finished = True
    with job.open() as stream:
        for element in read_elements(stream, Position.of(progress["position"])):
            name = element.node.name
            held[name] = held.get(name, 0) + 1
            progress["position"] = element.after.as_json()
            if budget.late:
                finished = False
                break
    progress |= {"held": held, "total": held.get("Товар", 0) + held.get("Предложение", 0)}
    values: Row = {"progress": progress}
    if finished:
        progress |= {"phase": "apply", "position": START.as_json()}
        values["kind"] = _kind_of(held)
    with ctx.records.write() as writer:
        return writer.update(OBJECT, row["id"], values, version=row["version"])


def _kind_of(held: dict[str, int]) -> str:
    if "Товар" in held:
        return "catalog"
    if "Предложение" in held:
        return "offers"
    return "directory" if {"Группа", "ТипЦены", "ЕдиницаИзмерения"} & held.keys() else "other"


# -- then it is applied --------------------------------------------------------------------------------


def _apply(ctx: HookContext, row: Row, job: Job, budget: Budget, directory: Directory) -> Row:
    size = max(1, min(BATCH, budget.records))
    progress = dict(row["progress"])
    with job.open() as stream:
        elements = list(islice(read_elements(stream, Position.of(progress["position"])), size))
    budget.records -= size
    with ctx.records.write() as writer:
        tally = _apply_elements(ctx, writer, row, elements, directory, job)
        if elements:
            progress["position"] = elements[-1].after.as_json()
        progress["done"] += sum(e.node.name in ("Товар", "Предложение") for e in elements)
        progress["full"] = progress.get("full", False) or any(map(_is_full, elements))
        if len(elements) < size:
            compare = progress["full"] and "Товар" in progress["held"] and job.is_last()
            progress |= {"phase": "compare" if compare else "end", "after": 0}
        return _keep(ctx, writer, row, progress, tally)


def _is_full(element: Element) -> bool:
    """Whether this opens a catalogue that holds everything. One that does not say so may not."""
    only_changes = element.node.attributes.get("СодержитТолькоИзменения", "")
    return element.node.name == "Каталог" and only_changes.strip().casefold() == "false"


def _apply_elements(
    ctx: HookContext, writer: RecordWriter, row: Row, elements: list[Element], directory: Directory, job: Job
) -> Tally:
    tally = Tally()
    entries, goods, offers = [], [], []
    for element in elements:
        name = element.node.name
        if name == "Товар":
            goods.append(read_good(element.node, element.line))
        elif name == "Предложение":
            offer = _read_offer(ctx, element, tally)
            if offer is not None:
                offers.append(offer)
        elif not element.is_section:
            entries += read_entries(element.node)
    if entries:
        directory.keep(writer, entries)
    if goods or offers:
        types = read_price_types(writer.records)
        pricing = pricing_of(ctx, types)
        if pricing.chosen is None and offers and row["progress"]["done"] == 0:
            known = ", ".join(t.name for t in types) or "–"
            tally.notes.append(
                ctx.t("1C has no price type “%(name)s” (it has: %(known)s), so list prices stay as they are.",
                      name=tidy_line(ctx.settings["price_type"]), known=known)
            )  # fmt: skip
        piece = Piece(
            ctx=ctx, writer=writer, exchange=row["id"], directory=directory, pricing=pricing, tally=tally
        )
        job.seen.add(good.guid for good in goods)
        if goods:
            apply_goods(piece, goods)
        if offers:
            apply_offers(piece, offers)
    return tally


def _read_offer(ctx: HookContext, element: Element, tally: Tally) -> Offer | None:
    try:
        return read_offer(element.node, element.line)
    except NoNumber as exc:
        node = element.node
        title = tidy_line(node.value("Наименование") or node.value("Ид") or "?")
        reason = ctx.t("“%(text)s” is no number.", text=exc.text)
        tally.refuse(title, reason, sku=tidy_line(node.value("Артикул") or ""), line=element.line)
        return None


def _keep(ctx: HookContext, writer: RecordWriter, row: Row, progress: Row, tally: Tally) -> Row:
    """Keep position, figures and report in the same transaction."""
    lines = [*tally.notes, *(describe_refusal(ctx, refusal) for refusal in tally.refusals)]
    values: Row = {
        "progress": progress,
        "message": add_lines(row["message"], lines),
        **{name: (row[name] or 0) + count for name, count in tally.counts().items()},
    }
    if progress["phase"] == "end":
        values |= {"state": "done", "finished_at": _moment()}
        if row["kind"] == "other":
            values["message"] = add_lines(
                values["message"],
                [ctx.t("The file holds neither products nor prices; nothing was imported.")],
            )
    return writer.update(OBJECT, row["id"], values, version=row["version"])


# -- at last, after a full catalogue, what is missing in it --------------------------------------------


def _compare(ctx: HookContext, row: Row, job: Job, budget: Budget, directory: Directory) -> Row:
    progress = dict(row["progress"])
    seen = job.seen.read()
    condition = f"onec__guid is not empty and onec__removed != true and id > {int(progress['after'])}"
    fields = ("id", "name", "sku", "onec__guid", "active")
    tally = Tally()
    with ctx.records.write() as writer:
        rows = writer.records.list(PRODUCT, filter=condition, sort=("id",), limit=PAGE, fields=fields).rows
        missing = [product for product in rows if product["onec__guid"] not in seen]
        tally.missing = len(missing)
        for product in missing:
            name = f"{product['name']} ({product['sku']})" if product["sku"] else product["name"]
            tally.notes.append(ctx.t("Not in the catalogue: %(name)s", name=name))
        if missing and ctx.settings["deactivate_missing"]:
            tally.deactivated = sum(bool(product["active"]) for product in missing)
            marks = {"active": False, "onec__removed": True, "onec__exchange": row["id"]}
            writer.update_many(PRODUCT, [{"id": product["id"], **marks} for product in missing])
        progress["after"] = rows[-1]["id"] if rows else progress["after"]
        if len(rows) < PAGE:
            progress["phase"] = "end"
        return _keep(ctx, writer, row, progress, tally)


_PHASES = {"check": _check, "apply": _apply, "compare": _compare}
