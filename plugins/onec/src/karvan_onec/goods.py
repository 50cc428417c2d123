"""What one `Товар` of a catalogue says, in our words. What it does not mention is not known, not empty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from karvan_onec.commerceml import Node
from karvan_onec.numbers import as_text, read_flag, read_tax, tidy, tidy_line

DETAILS_MAX = 90_000
FULL_NAME = "Полное наименование"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit as written and by code; either may be empty."""

    text: str = ""
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Good:
    """One product. `values` hold what is stated of name, sku, description, barcode, tax_rate (JSON form)."""

    guid: str
    removed: bool = False
    values: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    unit: Unit | None = None
    groups: tuple[str, ...] | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    line: int = 0

    @property
    def title(self) -> str:
        """How a report calls it."""
        return self.values.get("name") or self.guid or "?"

    @property
    def sku(self) -> str:
        """Its article number, or empty."""
        return self.values.get("sku") or ""


def read_good(node: Node, line: int) -> Good:
    """The product that a `Товар` describes."""
    requisites = _requisites(node)
    groups = node.child("Группы")
    return Good(
        guid=tidy_line(node.value("Ид") or ""),
        removed=is_removed(node),
        values=MappingProxyType(_values(node, requisites)),
        unit=read_unit(node),
        groups=None
        if groups is None
        else tuple(tidy_line(g.text) for g in groups.all("Ид") if g.text.strip()),
        details=MappingProxyType(_details(node, requisites)),
        line=line,
    )


def is_removed(node: Node) -> bool:
    """Whether 1C has marked it as deleted, in any of the ways of its versions."""
    status = node.attributes.get("Статус") or node.value("Статус") or ""
    return status.strip().casefold() in ("удален", "удалён") or read_flag(node.value("ПометкаУдаления"))


def read_unit(node: Node) -> Unit | None:
    """The base unit, or None where it is not mentioned."""
    unit = node.child("БазоваяЕдиница")
    if unit is None:
        return None
    text = tidy_line(unit.text)
    code = unit.attributes.get("Код", "").strip()
    if text.isdecimal():
        text, code = "", text
    short = unit.attributes.get("НаименованиеКраткое") or unit.value("НаименованиеКраткое") or ""
    full = unit.attributes.get("НаименованиеПолное") or unit.value("НаименованиеПолное") or ""
    return Unit(text=text or tidy_line(short) or ("" if code else tidy_line(full)), code=code)


def _values(node: Node, requisites: Mapping[str, Any]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    name = tidy_line(node.value("Наименование") or "") or tidy_line(str(requisites.get(FULL_NAME, "")))
    if name:  # a name is never taken away
        found["name"] = name
    for source, target in (("Артикул", "sku"), ("Штрихкод", "barcode")):
        text = node.value(source)
        if text is not None:
            found[target] = tidy_line(text) or None
    description = node.value("Описание")
    if description is not None:
        found["description"] = tidy(description) or None
    tax = _tax(node)
    if tax is not None:
        found["tax_rate"] = as_text(read_tax(tax), 2)
    return found


def _tax(node: Node) -> str | None:
    for rate in node.all("СтавкиНалогов", "СтавкаНалога"):
        if (rate.value("Наименование") or "НДС").casefold() == "ндс":
            return rate.value("Ставка")
    return None


def _requisites(node: Node) -> dict[str, Any]:
    """Requisites by name; one that stands several times gives a list."""
    found: dict[str, Any] = {}
    for one in node.all("ЗначенияРеквизитов", "ЗначениеРеквизита"):
        name, value = one.value("Наименование"), one.value("Значение")
        if not name or not value:
            continue
        value = tidy(value)
        if name in found:
            held = found[name]
            found[name] = [*held, value] if isinstance(held, list) else [held, value]
        else:
            found[name] = value
    return found


def _details(node: Node, requisites: Mapping[str, Any]) -> dict[str, Any]:
    """What has no field of its own, kept as it is; the largest parts go first where it is too much."""
    properties = {
        tidy_line(one.value("Ид") or ""): [tidy(v.text) for v in one.all("Значение") if v.text.strip()]
        for one in node.all("ЗначенияСвойств", "ЗначенияСвойства")
    }
    maker = node.child("Изготовитель")
    parts: dict[str, Any] = {
        "groups": [tidy_line(g.text) for g in node.all("Группы", "Ид") if g.text.strip()],
        "pictures": [tidy_line(p.text) for p in node.all("Картинка") if p.text.strip()],
        "manufacturer": tidy_line(maker.value("Наименование") or "") if maker else "",
        "country": tidy_line(node.value("Страна") or ""),
        "weight": tidy_line(node.value("Вес") or ""),
        "variant": read_variant(node),
        "requisites": dict(requisites),
        "properties": {k: v for k, v in properties.items() if k and v},
    }
    kept = {name: part for name, part in parts.items() if part}
    while kept and len(json.dumps(kept, ensure_ascii=False)) > DETAILS_MAX:
        largest = max(kept, key=lambda name: len(json.dumps(kept[name], ensure_ascii=False)))
        del kept[largest]
    return kept


def read_variant(node: Node) -> str:
    """The variant in words: `Красный, 44`."""
    values = (
        tidy_line(one.value("Значение") or "")
        for one in node.all("ХарактеристикиТовара", "ХарактеристикаТовара")
    )
    return ", ".join(v for v in values if v)
