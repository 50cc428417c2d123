"""The API as a page: drawn on the server from the OpenAPI description, without any script.

Who is not signed in gets NotSignedIn, which the pages answer with the way to the login.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from flask import Flask, render_template, request

from karvan.api.call import Workspace, identify
from karvan.api.openapi import build_spec
from karvan.api.problems import ANSWERS
from karvan.api.reply import Reply
from karvan.metadata.catalog import Catalog


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter as a row of a table."""

    name: str
    place: str
    type: str
    needed: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation as a block of the page."""

    id: str
    method: str
    path: str
    summary: str
    parameters: tuple[Parameter, ...]
    body: tuple[Parameter, ...]
    body_name: str
    answers: tuple[tuple[str, str, str], ...]
    curl: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The operations of one object or topic."""

    name: str
    title: str
    operations: tuple[Operation, ...]


def read_groups(spec: Mapping[str, Any], address: str) -> list[Group]:
    """The blocks of the page, by tag, in the order of the description."""
    groups: dict[str, list[Operation]] = {}
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            made = _operation(spec, path, method, operation, item.get("parameters", []), address)
            groups.setdefault(operation["tags"][0], []).append(made)
    schemas = spec["components"]["schemas"]
    return [
        Group(name=tag, title=schemas.get(tag, {}).get("title") or tag.capitalize(), operations=tuple(found))
        for tag, found in groups.items()
    ]


def _operation(
    spec: Mapping[str, Any],
    path: str,
    method: str,
    operation: Mapping[str, Any],
    shared: list[Any],
    address: str,
) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    parameters = [*shared, *operation.get("parameters", [])]
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        parameters=tuple(_parameter(p) for p in parameters),
        body=tuple(_body_rows(spec, body)),
        body_name=describe(body),
        answers=tuple(_answer(spec, status, a) for status, a in operation["responses"].items()),
        curl=_curl(spec, path, method, parameters, body, address),
    )


def _parameter(given: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=given["name"],
        place=given["in"],
        type=describe(given["schema"]),
        needed=bool(given.get("required")),
        text=given.get("description", ""),
    )


def _resolve(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = spec
    for key in reference.removeprefix("#/").split("/"):
        found = found[key]
    return {**found, **{k: v for k, v in schema.items() if k != "$ref"}}


def _body_rows(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Parameter]:
    whole = _resolve(spec, schema)
    choices = [c for key in ("anyOf", "oneOf") for c in whole.get(key, ())]
    rows: dict[str, Parameter] = {}
    for one in [whole, *(_resolve(spec, c) for c in choices)]:
        needed = one.get("required", ())
        for name, inner in one.get("properties", {}).items():
            text = ". ".join(t for t in (inner.get("title"), inner.get("description")) if t)
            row = Parameter(name=name, place="body", type=describe(inner), needed=name in needed, text=text)
            rows.setdefault(name, row)
    return list(rows.values())


def describe(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: `text (date)`, `number or null`, `one of: a, b`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        shown = [json.dumps(v, ensure_ascii=False) for v in schema["enum"] if v not in (None, "")]
        if not shown:
            return "empty"
        return ", ".join(shown[:12]) + (" …" if len(shown) > 12 else "")
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(describe(s) for s in schema[key]))
    type_ = schema.get("type", "any JSON")
    if isinstance(type_, list):
        return " or ".join(type_)
    if type_ == "array":
        return f"list of {describe(schema.get('items', {}))}"
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    more = ", ".join([*([schema["format"]] if "format" in schema else []), *limits])
    return f"{type_} ({more})" if more else str(type_)


_LIMITS = {"minimum": "from", "maximum": "to", "maxLength": "at most"}


def _answer(spec: Mapping[str, Any], status: str, answer: Mapping[str, Any]) -> tuple[str, str, str]:
    whole = _resolve(spec, answer)
    schemas = [content["schema"] for content in whole.get("content", {}).values()]
    shown = describe(schemas[0]) if schemas and "$ref" in schemas[0] else ""
    return status, str(whole["description"]), shown


_FORMATS = {"date": "2026-03-31", "date-time": "2026-03-31T10:00:00Z", "email": "ann@example.com"}
_EXAMPLES: Mapping[str, Any] = {"string": "text", "integer": 1, "number": "10.00", "boolean": True}


def _example(spec: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    whole = _resolve(spec, schema)
    if "const" in whole:
        return whole["const"]
    if "enum" in whole:
        return next((v for v in whole["enum"] if v not in (None, "")), None)
    for key in ("anyOf", "oneOf"):
        if key in whole:
            return _example(spec, whole[key][0], depth)
    type_ = str(whole.get("type"))
    if type_ == "object" and depth < 3:
        names = list(whole.get("required", ())) or list(whole.get("properties", {}))[:2]
        return {n: _example(spec, whole["properties"][n], depth + 1) for n in names}
    if type_ == "array" and depth < 3:
        return [_example(spec, whole["items"], depth + 1)]
    if "pattern" in whole:
        return "10.00"
    return _FORMATS.get(whole.get("format", ""), _EXAMPLES.get(type_))


def _curl(
    spec: Mapping[str, Any],
    path: str,
    method: str,
    parameters: list[Any],
    body: Mapping[str, Any],
    address: str,
) -> str:
    shown = path.replace("{id}", "1").replace("{", "").replace("}", "")
    lines = [f"curl -X {method.upper()} '{address}{shown}'", "-H 'Authorization: Bearer '$TOKEN"]
    if any(p["name"] == "If-Match" for p in parameters):
        lines.append("-H 'If-Match: \"1\"'")
    if body:
        text = json.dumps(_example(spec, body), ensure_ascii=False).replace("'", "'\\''")
        lines += ["-H 'Content-Type: application/json'", f"-d '{text}'"]
    return " \\\n  ".join(lines)


class _Pages:
    """The blocks of the newest catalog version."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[int, str] = (-1, "")
        self._groups: list[Group] = []

    def of(self, catalog: Catalog, address: str) -> list[Group]:
        with self._lock:
            if self._key != (catalog.version, address):
                self._groups = read_groups(build_spec(catalog), address)
                self._key = (catalog.version, address)
            return self._groups


def add_docs(app: Flask, workspace: Workspace) -> None:
    """Add `/docs/api` for whoever is signed in, and `/docs/errors` for all."""
    pages = _Pages()

    def show_api() -> str:
        reader = workspace.records.read(identify(workspace, request.environ))
        reader.prove()
        groups = pages.of(reader.catalog, request.host_url.rstrip("/"))
        return render_template("api/docs.html", groups=groups)

    def show_errors() -> str:
        rows = sorted(
            {(a.status, cls.code, a.title, cls.__doc__ or "") for cls, a in ANSWERS.items()},
        )
        return render_template("api/errors.html", rows=rows)

    app.add_url_rule("/docs/api", endpoint="api.docs", view_func=show_api)
    app.add_url_rule("/docs/errors", endpoint="api.errors", view_func=show_errors)
    app.add_url_rule("/docs/api.css", endpoint="api.style", view_func=show_style)


@cache
def _style() -> bytes:
    return files("karvan.api").joinpath("static/docs.css").read_bytes()


def show_style() -> Reply:
    """The style of the two pages."""
    return Reply(_style(), 200, [("Cache-Control", "max-age=3600")], media_type="text/css; charset=utf-8")
