"""Groups, price types, units and details that 1C tells of: kept as records, read by their identifiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from karvan_onec.commerceml import Node, walk
from karvan_onec.goods import Unit, is_removed
from karvan_onec.merging import differences, find_by
from karvan_onec.numbers import tidy_line
from karvan_onec.offers import Pricing, read_currencies
from karvan_onec.units import short_unit
from karvan_sdk import HookContext, Records, RecordWriter

OBJECT = "onec_entry"
FIELDS = ("name", "kind", "guid", "entry_key", "parent_guid", "code", "details")
DEPTH = 12
NAME_MAX = 255


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry: `code` is a price type's currency or a unit's number, `details` are a product's."""

    kind: str
    guid: str
    name: str
    parent: str = ""
    code: str = ""
    details: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """What it is found by."""
        return f"{self.kind}:{self.guid}"

    def values(self) -> dict[str, Any]:
        """Its record, in JSON form."""
        return {
            "name": self.name[:NAME_MAX],
            "kind": self.kind,
            "guid": self.guid,
            "entry_key": self.key,
            "parent_guid": self.parent or None,
            "code": self.code[:40] or None,
            "details": dict(self.details) if self.details else None,
        }


def read_entries(node: Node) -> list[Entry]:
    """The entries of an element: a group with all below it, a price type, a unit."""
    if node.name == "Группа":
        return [
            Entry(kind="group", guid=_guid(group), name=_name(group), parent=_guid(above) if above else "")
            for group, above in walk([node])
            if _guid(group) and _name(group) and not is_removed(group)
        ]
    if not _guid(node):
        return []
    if node.name == "ТипЦены":
        return [
            Entry(kind="price_type", guid=_guid(node), name=_name(node) or _guid(node),
                  code=tidy_line(node.value("Валюта") or ""))
        ]  # fmt: skip
    short = tidy_line(node.value("НаименованиеКраткое") or "") or _name(node)
    return (
        [Entry(kind="unit", guid=_guid(node), name=short, code=tidy_line(node.value("Код") or ""))]
        if short
        else []
    )


def _guid(node: Node) -> str:
    return tidy_line(node.value("Ид") or "")[:80]


def _name(node: Node) -> str:
    return tidy_line(node.value("Наименование") or "")


class Directory:
    """The entries as one piece of an import needs them; what was read once is not read again."""

    def __init__(self) -> None:
        self._known: dict[str, Entry | None] = {}

    def keep(self, writer: RecordWriter, entries: Sequence[Entry]) -> int:
        """Store what is new or different; gives how many that were."""
        wanted = {entry.key: entry for entry in entries}
        stored = {
            row["entry_key"]: row for row in find_by(writer.records, OBJECT, "entry_key", wanted, FIELDS)
        }
        fresh = [entry.values() for key, entry in wanted.items() if key not in stored]
        changed = [
            {"id": stored[key]["id"], **different}
            for key, entry in wanted.items()
            if key in stored and (different := differences(stored[key], entry.values()))
        ]
        if fresh:
            writer.create_many(OBJECT, fresh)
        if changed:
            writer.update_many(OBJECT, changed)
        self._known |= wanted
        return len(fresh) + len(changed)

    def load_groups(self, records: Records, guids: Iterable[str]) -> None:
        """Read groups with all groups above them."""
        level = {f"group:{guid}" for guid in guids if guid}
        for _ in range(DEPTH):
            if not level:
                return
            self._load(records, level)
            found = (self._known.get(key) for key in level)
            level = {f"group:{entry.parent}" for entry in found if entry is not None and entry.parent}

    def path_of(self, guid: str) -> str | None:
        """`Clothes / Shoes` of a loaded group; None for one that is not known."""
        names: list[str] = []
        seen: set[str] = set()
        while guid and guid not in seen and len(names) < DEPTH:
            seen.add(guid)
            entry = self._known.get(f"group:{guid}")
            if entry is None:
                break
            names.append(entry.name)
            guid = entry.parent
        return " / ".join(reversed(names))[:NAME_MAX] or None

    def load_units(self, records: Records, codes: Iterable[str]) -> None:
        """Read units by what goods refer to them with."""
        self._load(records, {f"unit:{code}" for code in codes if code})

    def unit_name(self, unit: Unit) -> str | None:
        """How a unit is shown: as 1C writes it, else by its directory, else by the classifier of units."""
        entry = self._known.get(f"unit:{unit.code}")
        return (unit.text or (entry.name if entry else "") or short_unit(unit.code) or unit.code)[:40] or None

    def _load(self, records: Records, keys: Iterable[str]) -> None:
        wanted = {key for key in keys if key not in self._known}
        self._known |= dict.fromkeys(wanted)
        for row in find_by(records, OBJECT, "entry_key", wanted, FIELDS):
            self._known[row["entry_key"]] = _entry(row)


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        kind=row["kind"],
        guid=row["guid"],
        name=row["name"],
        parent=row["parent_guid"] or "",
        code=row["code"] or "",
    )


def read_price_types(records: Records) -> list[Entry]:
    """All price types, in the order in which 1C first told of them."""
    return [_entry(row) for row in records.each(OBJECT, filter='kind = "price_type"', fields=("id", *FIELDS))]


def pricing_of(ctx: HookContext, types: Sequence[Entry]) -> Pricing:
    """Which price counts, after the settings and the price types that are known."""
    name = tidy_line(ctx.settings["price_type"] or "").casefold()
    named = [t.guid for t in types if name in (t.name.casefold(), t.guid.casefold())]
    first = types[0].guid if types else ""
    chosen = (named[0] if named else None) if name else first
    return Pricing(
        chosen=chosen,
        currencies=read_currencies(ctx.settings["currencies"] or ""),
        type_currencies={t.guid: t.code for t in types},
        default=ctx.currency,
    )
