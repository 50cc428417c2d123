"""Units by their number in the classifier of units (ОКЕИ), as short as people write them."""

from __future__ import annotations

from collections.abc import Mapping

SHORT: Mapping[str, str] = {
    "003": "мм", "004": "см", "005": "дм", "006": "м", "008": "км",
    "051": "см²", "055": "м²", "059": "га",
    "111": "мл", "112": "л", "113": "м³",
    "161": "мг", "163": "г", "166": "кг", "168": "т",
    "245": "кВт·ч", "354": "с", "355": "мин", "356": "ч", "359": "сут", "360": "нед", "362": "мес",
    "616": "боб", "625": "лист", "704": "набор", "715": "пара", "728": "пач", "736": "рул", "778": "упак",
    "796": "шт", "798": "тыс. шт", "812": "ящ", "839": "компл", "868": "бут", "872": "флак", "876": "усл. ед",
}  # fmt: skip


def short_unit(code: str) -> str | None:
    """The short name of a numeric code (`796`, `6` for `006`), or None."""
    bare = code.strip()
    return SHORT.get(bare.zfill(3)) if bare.isdecimal() else None
