"""Query parameters: read once, by hand, all faults at once; a parameter nobody knows is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, get_args
from urllib.parse import parse_qsl

from karvan.api.problems import BadQuery, at_input
from karvan.records.shapes import LIMIT_MAX, CountWanted, ListQuery
from karvan_sdk.errors import BadInput, FieldError, UnknownField

LIST = ("filter", "sort", "fields", "expand", "limit", "after", "count")
ONE = ("fields", "expand")
HISTORY = ("limit", "after")
NONE: tuple[str, ...] = ()
PARAMETERS_MAX = 50
KEPT_LENGTH_MAX = 500


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the query string asks for, and what is wrong with it."""

    query: ListQuery
    flags: frozenset[str] = frozenset()
    errors: tuple[FieldError, ...] = ()


def read_parameters(text: str, allowed: tuple[str, ...]) -> Asked:
    """Read a query string. Faults are given back, so that the caller can add what only the catalog knows."""
    if not text:
        return NOTHING_ASKED
    if len(text) > KEPT_LENGTH_MAX:
        return _read(text, allowed)
    return _read_kept(text, allowed)


NOTHING_ASKED = Asked(query=ListQuery())


def refuse_parameters(text: str, allowed: tuple[str, ...] = NONE) -> Asked:
    """Read a query string whose faults need no catalog; raises BadQuery with all of them."""
    asked = read_parameters(text, allowed)
    if asked.errors:
        raise BadQuery(asked.errors)
    return asked


def _fault(name: str, code: str, template: str, **params: Any) -> FieldError:
    return FieldError(field=name, code=code, template=template, params=params)


def _read_limit(text: str) -> int | FieldError:
    if text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= LIMIT_MAX:
        return int(text)
    return _fault(
        "limit",
        "out_of_range",
        "The limit must be a whole number from 1 to {most}, not '{value}'.",
        most=LIMIT_MAX,
        value=text[:40],
    )


def _read_count(text: str) -> str | FieldError:
    if text in get_args(CountWanted):
        return text
    return _fault(
        "count",
        "unknown_value",
        "'{value}' is no way to count; use {allowed}.",
        value=text[:40],
        allowed=", ".join(get_args(CountWanted)),
    )


def _read_names(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _read_fields(text: str) -> tuple[str, ...] | FieldError:
    if text:
        return tuple(dict.fromkeys(text.split(",")))
    return _fault("fields", "required", "Name at least one field, or leave 'fields' out.")


def _read_flag(name: str) -> Callable[[str], bool | FieldError]:
    def read(text: str) -> bool | FieldError:
        if text in ("true", "false"):
            return text == "true"
        return _fault(name, "unknown_value", "'{value}' is neither true nor false.", value=text[:40])

    return read


_READERS: dict[str, Callable[[str], Any]] = {
    "filter": str,
    "sort": _read_names,
    "fields": _read_fields,
    "expand": _read_names,
    "limit": _read_limit,
    "after": str,
    "count": _read_count,
    "dry_run": _read_flag("dry_run"),
}


def _read(text: str, allowed: tuple[str, ...]) -> Asked:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:  # bytes that are no UTF-8, or too many parameters
        reason = "The query is not UTF-8 or has more than {most} parameters."
        return Asked(query=ListQuery(), errors=(_fault("", "bad_query", reason, most=PARAMETERS_MAX),))
    found: dict[str, Any] = {}
    errors: list[FieldError] = []
    seen: set[str] = set()
    for name, value in pairs:
        if name not in allowed:
            known = ", ".join(allowed) or "none"
            errors.append(
                _fault(
                    name[:60], "unknown_parameter", "There is no such parameter; known: {known}.", known=known
                )
            )
        elif name in seen:
            errors.append(_fault(name, "given_twice", "The parameter may be given once only."))
        else:
            seen.add(name)
            read = _READERS[name](value)
            if isinstance(read, FieldError):
                errors.append(read)
            else:
                found[name] = read
    flags = frozenset(name for name in ("dry_run",) if found.pop(name, False))
    return Asked(query=ListQuery(**found), flags=flags, errors=tuple(errors))


_read_kept = lru_cache(maxsize=1024)(_read)


# -- faults that only the catalog knows --------------------------------------------------------------------


def diagnose(query: ListQuery, read: Callable[[ListQuery], object]) -> list[FieldError]:
    """Everything wrong with a list, each finding naming its parameter.

    `read` does the reading; it is asked once per part. Only refused requests come here.
    """
    found: dict[str, FieldError] = {}
    bare = ListQuery(limit=1)
    for name, asked in _parts(query):
        try:
            read(replace(bare, **asked))
        except (BadInput, UnknownField) as exc:
            for error in at_input(exc, name):
                found.setdefault(error.message, error)  # a bad sort is no fault of the cursor too
    return list(found.values())


def _parts(query: ListQuery) -> list[tuple[str, dict[str, Any]]]:
    parts: list[tuple[str, dict[str, Any]]] = []
    if query.filter:
        parts.append(("filter", {"filter": query.filter}))
    parts += [("sort", {"sort": (term,)}) for term in query.sort]
    parts += [("fields", {"fields": (name,)}) for name in query.fields or ()]
    parts += [("expand", {"expand": (name,)}) for name in query.expand]
    if query.fields is not None and query.expand:
        parts.append(("expand", {"fields": query.fields, "expand": query.expand}))
    if len(query.sort) > 1:
        parts.append(("sort", {"sort": query.sort}))
    if query.after:
        parts.append(("after", {"after": query.after, "sort": query.sort}))
    return parts


def read_or_diagnose(asked: Asked, read: Callable[[ListQuery], Any]) -> Any:
    """Do the reading; where anything is wrong raise one BadQuery that names all of it."""
    if not asked.errors:
        try:
            return read(asked.query)
        except (BadInput, UnknownField) as exc:
            errors = diagnose(asked.query, read) or at_input(exc, getattr(exc, "field", ""))
            raise BadQuery(errors) from exc
    raise BadQuery((*asked.errors, *diagnose(asked.query, read)))
