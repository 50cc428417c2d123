"""What the descriptions of operations are put together from: schemas, answers, parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from karvan.api.bodies import GROUPS_MAX, MEASURES_MAX
from karvan.api.idempotency import KEY_MAX
from karvan.api.problems import ANSWERS, MEDIA_TYPE
from karvan.metadata.catalog import ObjectType
from karvan.metadata.kinds import ID_MAX
from karvan.records.shapes import LIMIT_MAX

Json = dict[str, Any]
PREFIX = "/api/v1"
TITLES = {a.status: a.title for a in reversed(tuple(ANSWERS.values()))}
_ALWAYS = (400, 401, 403, 503)


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(properties: Mapping[str, Any], *, optional: Iterable[str] = ()) -> Json:
    left_out = set(optional)
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [p for p in properties if p not in left_out],
        "additionalProperties": False,
    }


def list_of(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def maybe(type_: str, **more: Any) -> Json:
    return {"type": [type_, "null"], **more}


TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
ID: Json = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
_FINDING = an_object({"field": TEXT, "code": TEXT, "message": TEXT, "index": WHOLE}, optional=["index"])
SHARED: dict[str, Json] = {
    "problem": an_object(
        {
            "type": TEXT,
            "title": TEXT,
            "status": WHOLE,
            "code": {"type": "string", "description": "Stable; listed at /docs/errors."},
            "detail": TEXT,
            "errors": list_of(ref("finding")),
            "current_version": {"type": "integer", "description": "With 412: the version that stands there."},
            "plugin": {"type": "string", "description": "With plugin_failed: which plugin."},
        },
        optional=["current_version", "plugin"],
    ),
    "finding": _FINDING,
    "reference": an_object({"id": ID, "name": maybe("string")}),
    "history_entry": an_object(
        {
            "id": WHOLE,
            "event": {"enum": ["created", "updated", "deleted", "restored"]},
            "at": {"type": "string", "format": "date-time"},
            "actor": {"anyOf": [ref("reference"), {"type": "null"}]},
            "source": TEXT,
            "version": WHOLE,
            "changes": {
                "type": "object",
                "additionalProperties": an_object({"old": {}, "new": {}}),
            },
        }
    ),
    "bulk_result": an_object(
        {
            "data": an_object(
                {
                    "ids": list_of(maybe("integer")),
                    "changed": list_of({"type": "boolean"}),
                    "succeeded": WHOLE,
                    "failed": WHOLE,
                }
            ),
            "errors": list_of(ref("finding")),
        }
    ),
    "aggregate": an_object(
        {
            "group": list_of(TEXT, maxItems=GROUPS_MAX),
            "measures": list_of(
                an_object(
                    {"fn": {"enum": ["count", "sum", "min", "max", "avg"]}, "field": maybe("string")},
                    optional=["field"],
                ),
                minItems=1,
                maxItems=MEASURES_MAX,
            ),
            "filter": {"type": "string", "description": "An expression, as in lists."},
            "tz": {"type": ["string", "null"], "description": "The IANA zone of the buckets."},
        },
        optional=["group", "measures", "filter", "tz"],
    ),
    "page_end": {"type": ["string", "null"], "description": "The cursor for `after`; null: no more."},
}


def problem(status: int) -> Json:
    found: Json = {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"schema": ref("problem")}},
    }
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"schema": TEXT, "required": True}}
    if status == 503:
        found["headers"] = {"Retry-After": {"schema": TEXT, "required": True}}
    return found


def answers(good: Mapping[str, Any], *bad: int) -> Json:
    answers: Json = dict(good)
    for status in sorted({*_ALWAYS, *bad}):
        answers[str(status)] = {"$ref": f"#/components/responses/problem_{status}"}
    return answers


def json_answer(description: str, schema: Json, headers: Json | None = None) -> Json:
    found: Json = {"description": description, "content": {"application/json": {"schema": schema}}}
    if headers:
        found["headers"] = headers
    return found


ETAG: Json = {"ETag": {"schema": TEXT, "required": True, "description": "Send it back in If-Match."}}
REPLAYED: Json = {
    "Idempotency-Replayed": {"schema": TEXT, "description": "The answer is that of the first call."}
}


def page(items: Json) -> Json:
    return an_object(
        {
            "data": list_of(items),
            "next": ref("page_end"),
            "count": maybe("integer"),
            "count_kind": {"enum": ["exact", "at_least", None]},
        }
    )


def in_query(name: str, schema: Json, description: str, **more: Any) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description, **more}


def _in_header(name: str, description: str, *, required: bool = False, **schema: Any) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "schema": {"type": "string", **schema},
        "description": description,
    }


IF_MATCH = _in_header(
    "If-Match",
    'The ETag of the record as you read it, or its version in quotes (`"7"`), or `*`.',
    required=True,
    pattern=r'^\s*(\*|"[0-9]{1,9}(-[0-9]+-[0-9a-f]+)?")\s*$',
)
IF_NONE_MATCH = _in_header("If-None-Match", "The ETag you hold; 304 when it still stands.")
KEY = _in_header(
    "Idempotency-Key",
    "Any text of your choice; the same call with the same key takes effect once and is kept for 24 hours.",
    pattern=f"^[ -~]{{1,{KEY_MAX}}}$",
)
AFTER = in_query("after", TEXT, "The cursor `next` of the page before.")
LIMIT = in_query(
    "limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 50}, "Records on a page."
)
DRY_RUN = in_query("dry_run", {"type": "boolean"}, "Only give the plan of what would be done.")


def _names_in_query(name: str, names: list[str], description: str, **schema: Any) -> Json:
    return in_query(name, list_of({"enum": names}, **schema), description, style="form", explode=False)


def selection(object_type: ObjectType) -> list[Json]:
    names = list(object_type.fields)
    lookups = [n for n, f in object_type.fields.items() if f.kind.name in ("lookup", "user")]
    return [
        _names_in_query("fields", names, "Only these fields (and the id).", minItems=1),
        _names_in_query("expand", lookups, "Show these lookups as `{id, name}`."),
    ]


def listing(object_type: ObjectType) -> list[Json]:
    sortable = [n for n, f in object_type.fields.items() if f.kind.sortable]
    return [
        in_query("filter", TEXT, "An expression, see /docs/expressions."),
        _names_in_query(
            "sort",
            [*sortable, *(f"-{n}" for n in sortable)],
            "Fields to sort by, `-` in front for descending.",
        ),
        *selection(object_type),
        LIMIT,
        AFTER,
        in_query("count", {"enum": ["none", "estimate", "exact"], "default": "none"}, "Whether to count."),
    ]


def _body(schema: Json) -> Json:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def operation(
    tag: str,
    id_: str,
    summary: str,
    responses: Json,
    parameters: Iterable[Json] = (),
    body: Json | None = None,
) -> Json:
    found: Json = {"tags": [tag], "operationId": id_, "summary": summary, "responses": responses}
    if parameters:
        found["parameters"] = list(parameters)
    if body:
        found["requestBody"] = _body(body)
    return found


IN_BODY = (404, 413, 415, 422)
ID_IN_PATH: Json = {"name": "id", "in": "path", "required": True, "schema": ID}
