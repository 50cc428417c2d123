"""Finds records by what 1C calls them and writes many at once, where a bad one never stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from karvan_sdk import FieldError, HookContext, PluginFailed, Records, Rejected, ValidationFailed, literal

FILTER_CHARACTERS = 3500
FILTER_VALUES = 150
MEANINGS = {
    "unique_taken": "%(label)s “%(value)s” belongs to another record already.",
    "required": "%(label)s is missing.",
    "too_long": "%(label)s has more than %(limit)s characters.",
}

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One thing that was not taken over, and why, in the workspace's language."""

    title: str
    reason: str
    sku: str = ""
    line: int = 0


@dataclass(kw_only=True)
class Tally:
    """What became of a piece of a file."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deactivated: int = 0
    missing: int = 0
    pending: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, title: str, reason: str, *, sku: str = "", line: int = 0) -> None:
        """Note a refusal."""
        self.refusals.append(Refusal(title=title, reason=reason, sku=sku, line=line))

    def counts(self) -> dict[str, int]:
        """The figures by the names of the fields of an exchange."""
        return {
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "deactivated": self.deactivated,
            "missing": self.missing,
            "pending": self.pending,
            "failed": len(self.refusals),
        }


def find_by(
    records: Records, object: str, name: str, values: Iterable[str], fields: Sequence[str], extra: str = ""
) -> Iterator[Row]:
    """All records whose text field `name` is one of `values`; `extra` is a further condition."""
    for few in _portions(sorted({v for v in values if v})):
        condition = f"{name} in ({', '.join(few)})"
        yield from records.each(
            object, filter=f"{condition} and {extra}" if extra else condition, fields=("id", *fields)
        )


def differences(stored: Row, wanted: Row) -> dict[str, Any]:
    """What of `wanted` is not stored yet. Both are in JSON form."""
    return {name: value for name, value in wanted.items() if stored.get(name) != value}


Write = Callable[[Sequence[Row]], Sequence[int] | None]


def write_each(write: Write, rows: Sequence[Row]) -> tuple[list[int], dict[int, Exception | FieldError]]:
    """Write as many of `rows` at once as are good: (indexes written, what is wrong with the others).

    `write` writes all or none and changes nothing when it raises, so that what is named can be left out.
    """
    done: list[int] = []
    wrong: dict[int, Exception | FieldError] = {}
    waiting = [list(range(len(rows)))]
    while waiting:
        indexes = waiting.pop()
        if not indexes:
            continue
        try:
            write([rows[i] for i in indexes])
        except (ValidationFailed, Rejected, PluginFailed) as exc:
            named = {e.index: e for e in exc.errors if e.index is not None and e.index < len(indexes)}
            if len(indexes) == 1:
                wrong[indexes[0]] = exc.errors[0] if exc.errors else exc
            elif named and len(named) == len({e.index for e in exc.errors}):
                wrong |= {indexes[place]: error for place, error in named.items()}
                waiting.append([i for place, i in enumerate(indexes) if place not in named])
            else:  # nobody was named: halves, until it is a single one
                middle = len(indexes) // 2
                waiting += [indexes[middle:], indexes[:middle]]
        else:
            done += indexes
    return sorted(done), wrong


def explain(ctx: HookContext, object: str, wrong: Exception | FieldError, row: Row) -> str:
    """Why a row was refused, in the language of the moment."""
    if not isinstance(wrong, FieldError):
        return str(wrong)
    declared = ctx.describe(object).field(wrong.field) if wrong.field else None
    label = (declared.label(ctx.language) if declared else "") or wrong.field
    meaning = MEANINGS.get(wrong.code)
    if meaning and label:
        value = str(row.get(wrong.field) or "")[:80]
        return ctx.t(meaning, label=label, value=value, limit=wrong.params.get("limit", ""))
    return f"{label}: {wrong.message}" if label and wrong.code != "rejected" else wrong.message


def _portions(values: Sequence[str]) -> Iterator[list[str]]:
    few: list[str] = []
    size = 0
    for value in values:
        text = literal(value)
        if few and (size + len(text) + 2 > FILTER_CHARACTERS or len(few) >= FILTER_VALUES):
            yield few
            few, size = [], 0
        few.append(text)
        size += len(text) + 2
    if few:
        yield few
