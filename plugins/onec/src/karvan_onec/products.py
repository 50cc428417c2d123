"""Goods and offers of 1C become products: by identifier, and only what differs is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from karvan_onec.directory import Directory, Entry
from karvan_onec.goods import Good
from karvan_onec.merging import Row, Tally, Write, differences, explain, find_by, write_each
from karvan_onec.offers import Figures, Offer, Pricing, UnknownCurrency, base_of, work_out
from karvan_sdk import HookContext, Records, RecordWriter

PRODUCT = "product"
OFFER = "onec_offer"
OWN_FIELDS = ("onec__guid", "onec__removed", "onec__stock")
PRODUCT_FIELDS = (
    "name", "sku", "unit", "category", "description", "price", "price_currency", "active", "barcode",
    "tax_rate", *OWN_FIELDS,
)  # fmt: skip
OFFER_FIELDS = (
    "name", "guid", "base_guid", "product", "variant", "sku", "barcode", "price", "price_currency",
    "quantity", "prices", "removed",
)  # fmt: skip
GUID_MAX = 80
OFFER_GUID_MAX = 160


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One transaction of an import: where to write, for which exchange, and where results are counted."""

    ctx: HookContext
    writer: RecordWriter
    exchange: int
    directory: Directory = field(default_factory=Directory)
    pricing: Pricing = field(default_factory=Pricing)
    tally: Tally = field(default_factory=Tally)

    @property
    def records(self) -> Records:
        """What this transaction sees."""
        return self.writer.records


# -- goods ---------------------------------------------------------------------------------------------


def apply_goods(piece: Piece, goods: Sequence[Good]) -> None:
    """Create and update the products of these goods. Of several with one identifier the last one counts."""
    known = _accept_goods(piece, goods)
    stored = {
        row["onec__guid"]: row for row in find_by(piece.records, PRODUCT, "onec__guid", known, PRODUCT_FIELDS)
    }
    stored |= _adopt(piece, [good for guid, good in known.items() if guid not in stored])
    piece.directory.load_groups(piece.records, (g.groups[0] for g in known.values() if g.groups))
    piece.directory.load_units(piece.records, (g.unit.code for g in known.values() if g.unit))
    figures, _ = read_figures(piece.records, known)
    fresh: list[tuple[Good, Row]] = []
    changed: list[tuple[Good, Row]] = []
    for guid, good in known.items():
        row = stored.get(guid)
        wanted = _wanted(piece.directory, good, row, figures.get(guid, Figures()))
        if row is None:
            if "name" in wanted:
                fresh.append((good, {**wanted, "onec__exchange": piece.exchange}))
            else:
                piece.tally.refuse(good.title, piece.ctx.t("It has no name."), sku=good.sku, line=good.line)
        elif different := differences(row, wanted):
            changed.append((good, {"id": row["id"], **different, "onec__exchange": piece.exchange}))
        else:
            piece.tally.unchanged += 1
    # changes first: an article number that one product gives up may be another's in the same file
    altered = _write_goods(piece, lambda few: piece.writer.update_many(PRODUCT, few), changed)
    made = _write_goods(piece, lambda few: piece.writer.create_many(PRODUCT, few), fresh)
    piece.tally.updated += len(altered)
    piece.tally.created += len(made)
    piece.tally.deactivated += sum(row.get("active") is False for _, row in (*altered, *made))
    _keep_details(
        piece, [good for guid, good in known.items() if guid in stored] + [good for good, _ in made]
    )
    _link_offers(piece, {good.guid for good, _ in made})


def _accept_goods(piece: Piece, goods: Sequence[Good]) -> dict[str, Good]:
    known: dict[str, Good] = {}
    for good in goods:
        if not good.guid:
            reason = piece.ctx.t("It has no identifier (Ид).")
            piece.tally.refuse(good.title, reason, sku=good.sku, line=good.line)
        elif len(good.guid) > GUID_MAX:
            reason = piece.ctx.t("Its identifier is longer than %(limit)s characters.", limit=GUID_MAX)
            piece.tally.refuse(good.title, reason, sku=good.sku, line=good.line)
        else:
            piece.tally.unchanged += good.guid in known
            known[good.guid] = good
    return known


def _adopt(piece: Piece, goods: Sequence[Good]) -> dict[str, Row]:
    """Products entered by hand before, known by their article number: from now on they are 1C's."""
    by_sku: dict[str, str] = {}
    for good in goods:
        if good.sku:
            by_sku.setdefault(good.sku, good.guid)
    rows = find_by(piece.records, PRODUCT, "sku", by_sku, PRODUCT_FIELDS, extra="onec__guid is empty")
    return {by_sku[row["sku"]]: row for row in rows}


def _wanted(directory: Directory, good: Good, stored: Row | None, figures: Figures) -> dict[str, Any]:
    """The values that a product should have, as far as 1C speaks of them."""
    wanted: dict[str, Any] = {"onec__guid": good.guid, "onec__removed": good.removed, **good.values}
    if good.unit is not None:
        wanted["unit"] = directory.unit_name(good.unit)
    category = directory.path_of(good.groups[0]) if good.groups else None
    if category is not None:
        wanted["category"] = category
    wanted |= _of_figures(figures)
    was_removed = bool(stored and stored["onec__removed"])
    if stored is None or was_removed != good.removed:
        # between the two marks it is people who say whether a product is on sale
        wanted["active"] = not good.removed
    return wanted


def _of_figures(figures: Figures) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if figures.price is not None:
        wanted |= {"price": figures.price, "price_currency": figures.currency}
    if figures.stock is not None:
        wanted["onec__stock"] = figures.stock
    return wanted


def _keep_details(piece: Piece, goods: Sequence[Good]) -> None:
    """Keep what has no field of its own, beside the products and not in them."""
    entries = [
        Entry(kind="good", guid=good.guid, name=good.title, details=good.details)
        for good in goods
        if good.details
    ]
    if entries:
        piece.directory.keep(piece.writer, entries)


def _write_goods(piece: Piece, write: Write, entries: Sequence[tuple[Good, Row]]) -> list[tuple[Good, Row]]:
    """Write the rows of goods; gives what was written, the others are refused."""
    rows = [row for _, row in entries]
    done, wrong = write_each(write, rows)
    for index, why in sorted(wrong.items()):
        good = entries[index][0]
        reason = explain(piece.ctx, PRODUCT, why, rows[index])
        piece.tally.refuse(good.title, reason, sku=good.sku, line=good.line)
    return [entries[index] for index in done]


# -- offers --------------------------------------------------------------------------------------------


def apply_offers(piece: Piece, offers: Sequence[Offer]) -> None:
    """Keep these offers and let the list price and stock of their products follow."""
    known = _accept_offers(piece, offers)
    stored = {row["guid"]: row for row in find_by(piece.records, OFFER, "guid", known, OFFER_FIELDS)}
    products = _products_of(piece.records, known)
    fresh: list[tuple[Offer, Row]] = []
    changed: list[tuple[Offer, Row]] = []
    for guid, offer in known.items():
        row = stored.get(guid)
        owner = products.get(guid) or products.get(offer.base)
        try:
            wanted = _wanted_offer(piece.pricing, offer, row, owner)
        except UnknownCurrency as exc:
            reason = piece.ctx.t("The currency “%(text)s” is unknown; add it to the settings.", text=exc.text)
            piece.tally.refuse(offer.title, reason, sku=offer.sku, line=offer.line)
            continue
        piece.tally.pending += owner is None
        if row is None:
            fresh.append((offer, wanted))
        elif different := differences(row, wanted):
            changed.append((offer, {"id": row["id"], **different}))
        else:
            piece.tally.unchanged += 1
    piece.tally.updated += _write_offers(piece, lambda few: piece.writer.update_many(OFFER, few), changed)
    piece.tally.created += _write_offers(piece, lambda few: piece.writer.create_many(OFFER, few), fresh)
    _follow(piece, products)


def _accept_offers(piece: Piece, offers: Sequence[Offer]) -> dict[str, Offer]:
    known: dict[str, Offer] = {}
    for offer in offers:
        if not offer.base:
            reason = piece.ctx.t("It has no identifier (Ид).")
            piece.tally.refuse(offer.title, reason, sku=offer.sku, line=offer.line)
        elif len(offer.guid) > OFFER_GUID_MAX or len(offer.base) > GUID_MAX:
            reason = piece.ctx.t("Its identifier is longer than %(limit)s characters.", limit=OFFER_GUID_MAX)
            piece.tally.refuse(offer.title, reason, sku=offer.sku, line=offer.line)
        else:
            piece.tally.unchanged += offer.guid in known
            known[offer.guid] = offer
    return known


def _products_of(records: Records, offers: Iterable[str]) -> dict[str, Row]:
    """The products of offers by identifier: their own, and those they are variants of."""
    guids = {guid for offer in offers for guid in (offer, base_of(offer)) if len(guid) <= GUID_MAX}
    return {row["onec__guid"]: row for row in find_by(records, PRODUCT, "onec__guid", guids, PRODUCT_FIELDS)}


def _wanted_offer(pricing: Pricing, offer: Offer, stored: Row | None, owner: Row | None) -> dict[str, Any]:
    before: Row = stored or dict.fromkeys(OFFER_FIELDS)
    wanted: dict[str, Any] = {
        "name": before["name"] or (owner["name"] if owner else offer.guid),
        "guid": offer.guid,
        "base_guid": offer.base,
        "product": owner["id"] if owner else None,
        "prices": before["prices"],
        "removed": bool(before["removed"]),
        **offer.values,
    }
    price = pricing.price_of(wanted["prices"] or ())
    wanted |= {"price": price[0] if price else None, "price_currency": price[1] if price else None}
    return wanted


def _write_offers(piece: Piece, write: Write, entries: Sequence[tuple[Offer, Row]]) -> int:
    rows = [row for _, row in entries]
    done, wrong = write_each(write, rows)
    for index, why in sorted(wrong.items()):
        offer = entries[index][0]
        reason = explain(piece.ctx, OFFER, why, rows[index])
        piece.tally.refuse(offer.title, reason, sku=offer.sku, line=offer.line)
    return len(done)


def _follow(piece: Piece, products: Mapping[str, Row]) -> None:
    """Bring price and stock of these products up to date with their offers."""
    figures, _ = read_figures(piece.records, products)
    rows = [
        {"id": products[guid]["id"], **different, "onec__exchange": piece.exchange}
        for guid, found in figures.items()
        if (different := differences(products[guid], _of_figures(found)))
    ]
    _, wrong = write_each(lambda few: piece.writer.update_many(PRODUCT, few), rows)
    by_id = {row["id"]: row for row in products.values()}
    for index, why in sorted(wrong.items()):
        product = by_id[rows[index]["id"]]
        reason = explain(piece.ctx, PRODUCT, why, rows[index])
        piece.tally.refuse(product["name"], reason, sku=product["sku"] or "")


def read_figures(records: Records, guids: Iterable[str]) -> tuple[dict[str, Figures], list[Row]]:
    """(price and stock by product, the offers they come from); products without offers are left out."""
    wanted = set(guids)
    offers = list(find_by(records, OFFER, "base_guid", {base_of(g) for g in wanted}, OFFER_FIELDS))
    variants = {o["guid"] for o in offers if "#" in o["guid"] and len(o["guid"]) <= GUID_MAX} - wanted
    others = {row["onec__guid"] for row in find_by(records, PRODUCT, "onec__guid", variants, ("onec__guid",))}
    by_owner: dict[str, list[Row]] = {}
    for offer in offers:
        own = offer["guid"] in wanted or offer["guid"] in others
        owner = offer["guid"] if own else offer["base_guid"]
        if owner in wanted:
            by_owner.setdefault(owner, []).append(offer)
    return {guid: work_out(guid, held) for guid, held in by_owner.items()}, offers


def _link_offers(piece: Piece, guids: set[str]) -> None:
    """Let offers that waited for these new products point to them."""
    _, offers = read_figures(piece.records, guids)
    products = _products_of(piece.records, (o["guid"] for o in offers))
    rows = []
    for offer in offers:
        owner = products.get(offer["guid"]) or products.get(offer["base_guid"])
        if owner is not None and owner["id"] != offer["product"]:
            rows.append({"id": offer["id"], "product": owner["id"]})
    if rows:
        piece.writer.update_many(OFFER, rows)
