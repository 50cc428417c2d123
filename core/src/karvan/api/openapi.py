"""The OpenAPI 3.1 description of the API as one catalog version offers it; pure, and kept per version.

What is said here is what the record service does: schemathesis compares the two on both engines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apispec import APISpec

from karvan.api.bodies import BULK_MAX, GROUPS_MAX, MEASURES_MAX, PARTS_MAX
from karvan.api.declared import declaration_schemas
from karvan.api.idempotency import KEY_MAX
from karvan.api.problems import ANSWERS, MEDIA_TYPE
from karvan.metadata.catalog import Catalog, FieldType, ObjectType
from karvan.metadata.kinds import ID_MAX, INTEGER_MAX, LONG_TEXT_MAX, TEXT_MAX
from karvan.records.shapes import BUCKETS, LIMIT_MAX

Json = dict[str, Any]
PREFIX = "/api/v1"
_TITLES = {a.status: a.title for a in reversed(tuple(ANSWERS.values()))}
_ALWAYS = (400, 401, 403, 503)
_EMPTY: Json = {"enum": [None, ""]}
_NUMBER = r"^\s*-?[0-9]{1,26}(\.[0-9]{1,26})?\s*$"


def build_spec(catalog: Catalog, *, title: str = "Karvan", version: str = "1") -> Json:
    """The whole description as JSON."""
    spec = APISpec(
        title=title,
        version=version,
        openapi_version="3.1.0",
        info={"description": "Records, their schema and plugins. See /docs/api for the same as a page."},
        servers=[{"url": "/"}],
        security=[{"bearer": []}],
    )
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "description": "`karvan user token EMAIL` makes one."}
    )
    for name, schema in {**_SHARED, **declaration_schemas()}.items():
        spec.components.schema(name, schema)
    for status in sorted(_TITLES):
        if status >= 400:
            spec.components.response(f"problem_{status}", _problem(status))
    for object_type in catalog.objects.values():
        _add_object(spec, catalog, object_type)
    for path, operations in _FIXED.items():
        spec.path(path=path, operations=operations)
    made: Json = spec.to_dict()
    return made


# -- values ------------------------------------------------------------------------------------------------


def shown_schema(field: FieldType) -> Json:
    """What a field looks like in an answer."""
    kind, declared = field.kind.name, field.declaration
    if kind == "json":
        return {}
    schema: Json = dict(field.kind.json_type)
    if kind == "select":
        # an option that was taken away since may still stand in old records
        schema = {"type": "string"}
    elif kind == "email":
        schema = {"type": "string"}
    elif kind == "currency_code":
        schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
    if schema.get("format") == "decimal":
        schema["pattern"] = r"^-?[0-9]+(\.[0-9]+)?$"
    if kind in ("lookup", "user"):
        return {
            **_words(field),
            "anyOf": [schema, {"$ref": "#/components/schemas/reference"}, {"type": "null"}],
        }
    if field.name not in ("id", "version", "created_at", "updated_at"):
        schema["type"] = [schema["type"], "null"]
    if declared.read_only:
        schema["readOnly"] = True
    return {**_words(field), **schema}


def sent_schema(field: FieldType, *, needed: bool) -> Json:
    """What may be sent for a field. Empty text and null both mean "empty", unless a value is needed."""
    schema = _sent(field)
    if not schema:
        return _words(field)
    if needed:
        if schema.get("type") == "string":
            schema.setdefault("minLength", 1)
        return {**_words(field), **schema}
    return {**_words(field), "anyOf": [schema, _EMPTY]}


def _sent(field: FieldType) -> Json:
    kind, declared = field.kind.name, field.declaration
    if kind == "json":
        return {}
    if kind in ("lookup", "user"):
        return {"type": "integer", "minimum": 1, "maximum": ID_MAX}
    if kind == "integer":
        return {
            "type": "integer",
            "minimum": _bound(declared.minimum, -INTEGER_MAX),
            "maximum": _bound(declared.maximum, INTEGER_MAX),
        }
    if field.kind.json_type.get("format") == "decimal":
        number: Json = {"type": "number"}
        if declared.minimum is not None:
            number["minimum"] = float(declared.minimum)
        if declared.maximum is not None:
            number["maximum"] = float(declared.maximum)
        return {"anyOf": [{"type": "string", "pattern": _NUMBER}, number]}
    if kind == "select":
        return {"enum": [o.value for o in declared.options]} if declared.options else {"enum": [None]}
    if kind == "currency_code":
        return {"type": "string", "pattern": r"^\s*[A-Za-z]{3}\s*$"}
    schema = dict(field.kind.json_type)
    if (schema.get("type") == "string" and "format" not in schema) or kind == "email":
        schema["maxLength"] = declared.max_length or (LONG_TEXT_MAX if kind == "long_text" else TEXT_MAX)
        if isinstance(declared.minimum, int):
            schema["minLength"] = max(declared.minimum, 1)
    return schema


def _bound(value: int | str | None, default: int) -> int | float:
    if value is None:
        return default
    number = float(value)
    return int(number) if number.is_integer() else number


def _words(field: FieldType) -> Json:
    found: Json = {}
    label, help_ = str(field.declaration.label), str(field.declaration.help)
    if label:
        found["title"] = label
    if help_:
        found["description"] = help_
    return found


def is_needed(object_type: ObjectType, field: FieldType) -> bool:
    """Whether a body that creates a record must hold the field."""
    declared = field.declaration
    composed = field.name == object_type.name_field and bool(object_type.declaration.name_template)
    filled = declared.default not in (None, "") or composed or declared.read_only
    return declared.required != "never" and not field.system and not filled


def _writable(object_type: ObjectType, *, created: bool) -> Iterable[FieldType]:
    for field in object_type.fields.values():
        declared = field.declaration
        if not declared.read_only and (created or not declared.read_only_after_create):
            yield field


def record_schemas(object_type: ObjectType) -> dict[str, Json]:
    """The schemas of one object by their names: as it is shown, as it is created, as it is changed."""
    name, fields = object_type.name, object_type.fields
    needed = {f.name for f in fields.values() if is_needed(object_type, f)}
    create: Json = {
        "type": "object",
        "properties": {
            f.name: sent_schema(f, needed=f.name in needed) for f in _writable(object_type, created=True)
        },
        "additionalProperties": False,
    }
    if needed:
        create["required"] = sorted(needed)
    always = {f.name for f in object_type.own_fields.values() if f.declaration.required == "always"}
    return {
        name: {
            "type": "object",
            "title": str(object_type.declaration.label) or name,
            "properties": {
                **{f.name: shown_schema(f) for f in fields.values()},
                "deleted_at": {"type": "string", "format": "date-time", "readOnly": True},
                "deleted_by": {"type": ["integer", "null"], "readOnly": True},
            },
            "required": ["id"],
            "additionalProperties": False,
        },
        f"{name}.create": create,
        f"{name}.update": {
            "type": "object",
            "properties": {
                f.name: sent_schema(f, needed=f.name in always) for f in _writable(object_type, created=False)
            },
            "additionalProperties": False,
        },
    }


# -- shared parts ------------------------------------------------------------------------------------------


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Any], *, optional: Iterable[str] = ()) -> Json:
    left_out = set(optional)
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [p for p in properties if p not in left_out],
        "additionalProperties": False,
    }


def _list_of(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def _maybe(type_: str, **more: Any) -> Json:
    return {"type": [type_, "null"], **more}


_TEXT: Json = {"type": "string"}
_WHOLE: Json = {"type": "integer"}
_ID: Json = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
_FINDING = _object({"field": _TEXT, "code": _TEXT, "message": _TEXT, "index": _WHOLE}, optional=["index"])
_SHARED: dict[str, Json] = {
    "problem": _object(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": _WHOLE,
            "code": {"type": "string", "description": "Stable; listed at /docs/errors."},
            "detail": _TEXT,
            "errors": _list_of(_ref("finding")),
            "current_version": {"type": "integer", "description": "With 412: the version that stands there."},
            "plugin": {"type": "string", "description": "With plugin_failed: which plugin."},
        },
        optional=["current_version", "plugin"],
    ),
    "finding": _FINDING,
    "reference": _object({"id": _ID, "name": _maybe("string")}),
    "history_entry": _object(
        {
            "id": _WHOLE,
            "event": {"enum": ["created", "updated", "deleted", "restored"]},
            "at": {"type": "string", "format": "date-time"},
            "actor": {"anyOf": [_ref("reference"), {"type": "null"}]},
            "source": _TEXT,
            "version": _WHOLE,
            "changes": {
                "type": "object",
                "additionalProperties": _object({"old": {}, "new": {}}),
            },
        }
    ),
    "bulk_result": _object(
        {
            "data": _object(
                {
                    "ids": _list_of(_maybe("integer")),
                    "changed": _list_of({"type": "boolean"}),
                    "succeeded": _WHOLE,
                    "failed": _WHOLE,
                }
            ),
            "errors": _list_of(_ref("finding")),
        }
    ),
    "aggregate": _object(
        {
            "group": _list_of(_TEXT, maxItems=GROUPS_MAX),
            "measures": _list_of(
                _object(
                    {"fn": {"enum": ["count", "sum", "min", "max", "avg"]}, "field": _maybe("string")},
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


def _problem(status: int) -> Json:
    found: Json = {
        "description": _TITLES[status],
        "content": {MEDIA_TYPE: {"schema": _ref("problem")}},
    }
    if status == 401:
        found["headers"] = {"WWW-Authenticate": {"schema": _TEXT, "required": True}}
    if status == 503:
        found["headers"] = {"Retry-After": {"schema": _TEXT, "required": True}}
    return found


def _answers(good: Mapping[str, Any], *bad: int) -> Json:
    answers: Json = dict(good)
    for status in sorted({*_ALWAYS, *bad}):
        answers[str(status)] = {"$ref": f"#/components/responses/problem_{status}"}
    return answers


def _json_answer(description: str, schema: Json, headers: Json | None = None) -> Json:
    found: Json = {"description": description, "content": {"application/json": {"schema": schema}}}
    if headers:
        found["headers"] = headers
    return found


_ETAG: Json = {"ETag": {"schema": _TEXT, "required": True, "description": "Send it back in If-Match."}}
_REPLAYED: Json = {
    "Idempotency-Replayed": {"schema": _TEXT, "description": "The answer is that of the first call."}
}


def _page(items: Json) -> Json:
    return _object(
        {
            "data": _list_of(items),
            "next": _ref("page_end"),
            "count": _maybe("integer"),
            "count_kind": {"enum": ["exact", "at_least", None]},
        }
    )


def _in_query(name: str, schema: Json, description: str, **more: Any) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": description, **more}


def _in_header(name: str, description: str, *, required: bool = False, **schema: Any) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "schema": {"type": "string", **schema},
        "description": description,
    }


_IF_MATCH = _in_header(
    "If-Match",
    'The ETag of the record as you read it, or its version in quotes (`"7"`), or `*`.',
    required=True,
    pattern=r'^(\*|"[0-9]{1,9}(-[0-9]+-[0-9a-f]+)?")$',
)
_IF_NONE_MATCH = _in_header("If-None-Match", "The ETag you hold; 304 when it still stands.")
_KEY = _in_header(
    "Idempotency-Key",
    "Any text of your choice; the same call with the same key takes effect once and is kept for 24 hours.",
    pattern=f"^[!-~]{{1,{KEY_MAX}}}$",
)
_AFTER = _in_query("after", _TEXT, "The cursor `next` of the page before.")
_LIMIT = _in_query(
    "limit", {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 50}, "Records on a page."
)
_DRY_RUN = _in_query("dry_run", {"type": "boolean"}, "Only give the plan of what would be done.")


def _names_in_query(name: str, names: list[str], description: str, **schema: Any) -> Json:
    return _in_query(name, _list_of({"enum": names}, **schema), description, style="form", explode=False)


def _selection(object_type: ObjectType) -> list[Json]:
    names = list(object_type.fields)
    lookups = [n for n, f in object_type.fields.items() if f.kind.name in ("lookup", "user")]
    return [
        _names_in_query("fields", names, "Only these fields (and the id).", minItems=1),
        _names_in_query("expand", lookups, "Show these lookups as `{id, name}`."),
    ]


def _listing(object_type: ObjectType) -> list[Json]:
    sortable = [n for n, f in object_type.fields.items() if f.kind.sortable]
    return [
        _in_query("filter", _TEXT, "An expression, see /docs/expressions."),
        _names_in_query(
            "sort",
            [*sortable, *(f"-{n}" for n in sortable)],
            "Fields to sort by, `-` in front for descending.",
        ),
        *_selection(object_type),
        _LIMIT,
        _AFTER,
        _in_query("count", {"enum": ["none", "estimate", "exact"], "default": "none"}, "Whether to count."),
    ]


def _body(schema: Json) -> Json:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _operation(
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


# -- the paths of one object -------------------------------------------------------------------------------

_IN_BODY = (404, 413, 415, 422)
_ID_IN_PATH: Json = {"name": "id", "in": "path", "required": True, "schema": _ID}


def _add_object(spec: APISpec, catalog: Catalog, object_type: ObjectType) -> None:
    name = object_type.name
    label = str(object_type.declaration.label_plural) or str(object_type.declaration.label) or name
    for schema_name, schema in record_schemas(object_type).items():
        spec.components.schema(schema_name, schema)
    one = _object({"data": _ref(name)})
    listed = _json_answer("One page.", _page(_ref(name)))
    record_answer = _json_answer("The record.", one, _ETAG)
    changed_answer = _json_answer("The record as it stands now.", one, {**_ETAG, **_REPLAYED})
    base = f"{PREFIX}/records/{name}"

    def op(
        verb: str, summary: str, responses: Json, parameters: Iterable[Json] = (), body: Json | None = None
    ) -> Json:
        return _operation(name, f"{verb}.{name}", summary, responses, parameters, body)

    spec.path(
        path=base,
        operations={
            "get": op("list", f"List: {label}", _answers({"200": listed}, 404), _listing(object_type)),
            "post": op(
                "create",
                f"Create: {label}",
                _answers(
                    {
                        "201": _json_answer(
                            "The new record.",
                            one,
                            {
                                **_ETAG,
                                **_REPLAYED,
                                "Location": {"schema": _TEXT, "required": True},
                            },
                        )
                    },
                    409,
                    *_IN_BODY,
                ),
                [_KEY],
                _ref(f"{name}.create"),
            ),
        },
    )
    spec.path(
        path=f"{base}/{{id}}",
        parameters=[_ID_IN_PATH],
        operations={
            "get": op(
                "get",
                f"Read: {label}",
                _answers(
                    {"200": record_answer, "304": {"description": "You hold it already.", "headers": _ETAG}},
                    404,
                ),
                [*_selection(object_type), _IF_NONE_MATCH],
            ),
            "patch": op(
                "update",
                f"Change: {label}",
                _answers({"200": changed_answer}, 409, 412, 428, *_IN_BODY),
                [_IF_MATCH, _KEY],
                _ref(f"{name}.update"),
            ),
            "delete": op(
                "delete",
                f"Put into the trash: {label}",
                _answers(
                    {"204": {"description": "It is in the trash.", "headers": _REPLAYED}},
                    404,
                    409,
                    412,
                    422,
                    428,
                ),
                [_IF_MATCH, _KEY],
            ),
        },
    )
    spec.path(
        path=f"{base}/{{id}}/restore",
        parameters=[_ID_IN_PATH],
        operations={
            "post": op(
                "restore",
                f"Take out of the trash: {label}",
                _answers({"200": changed_answer}, 404, 409, 412, 422, 428),
                [_IF_MATCH, _KEY],
            )
        },
    )
    spec.path(
        path=f"{base}/{{id}}/history",
        parameters=[_ID_IN_PATH],
        operations={
            "get": op(
                "history",
                f"History: {label}",
                _answers({"200": _json_answer("Newest first.", _page(_ref("history_entry")))}, 404),
                [_LIMIT, _AFTER],
            )
        },
    )
    for relation in object_type.relations.values():
        source = catalog.objects[relation.source]
        spec.path(
            path=f"{base}/{{id}}/related/{relation.name}",
            parameters=[_ID_IN_PATH],
            operations={
                "get": op(
                    f"related.{relation.name}",
                    f"Related: {relation.label or relation.name}",
                    _answers({"200": _json_answer("One page.", _page(_ref(source.name)))}, 404),
                    _listing(source),
                )
            },
        )
    spec.path(
        path=f"{base}/bulk",
        operations={
            "post": op(
                "bulk",
                f"Change many: {label}",
                _answers(
                    {"200": _json_answer("What was done.", _ref("bulk_result"), _REPLAYED)}, 409, *_IN_BODY
                ),
                [_KEY],
                _bulk_schema(name),
            )
        },
    )
    spec.path(
        path=f"{base}/aggregate",
        operations={
            "post": op(
                "aggregate",
                f"Figures: {label}",
                _answers(
                    {
                        "200": _json_answer(
                            "One row per group.", _object({"data": _list_of({"type": "object"})})
                        )
                    },
                    *_IN_BODY,
                ),
                (),
                {
                    **_ref("aggregate"),
                    "description": f"Groups are fields or `field:bucket` ({', '.join(BUCKETS)}).",
                },
            )
        },
    )
    spec.path(
        path=f"{PREFIX}/trash/{name}",
        operations={
            "get": op("trash", f"Trash: {label}", _answers({"200": listed}, 404), _listing(object_type))
        },
    )


def _bulk_schema(name: str) -> Json:
    row: Json = {"type": "object"}
    changed: Json = {
        "type": "object",
        "properties": {"id": _ID, "version": _WHOLE},
        "description": f"As in {name}.update, with its id and, to be sure, its version.",
    }
    partial: Json = {
        "type": "boolean",
        "default": True,
        "description": "Leave out and report what is refused; false: all or nothing.",
    }

    def act(action: str, key: str, items: Json) -> Json:
        return _object(
            {
                "action": {"const": action},
                key: _list_of(items, minItems=1, maxItems=BULK_MAX),
                "partial": partial,
            },
            optional=["partial"],
        )

    return {
        "oneOf": [
            act("create", "records", {**row, "description": f"As in {name}.create."}),
            act("update", "records", changed),
            act("delete", "ids", _ID),
        ]
    }


# -- the paths that are always there ------------------------------------------------------------------------

_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 80}
_OBJECT: Json = {"name": "object", "in": "path", "required": True, "schema": _NAME}
_FIELD: Json = {"name": "field", "in": "path", "required": True, "schema": _NAME}
_PLUGIN: Json = {"name": "plugin", "in": "path", "required": True, "schema": _NAME}
_MANY_FIELDS = _object({"fields": _list_of(_ref("meta.field"), minItems=1, maxItems=PARTS_MAX)})
_SHOWN_FIELD: Json = {
    "type": "object",
    "properties": {
        "uid": _TEXT,
        "name": _TEXT,
        "type": _TEXT,
        "owner": {"type": "string", "description": "core, plugin:<id> or custom."},
        "system": {"type": "boolean"},
    },
    "required": ["uid", "name", "type", "owner", "system"],
    "description": "The declaration; keys with their default value are left out.",
}
_SHOWN_OBJECT: Json = {
    "type": "object",
    "properties": {
        "uid": _TEXT,
        "name": _TEXT,
        "owner": _TEXT,
        "name_field": _TEXT,
        "fields": _list_of(_ref("shown_field")),
        "relations": _list_of(
            _object(
                {
                    "name": _TEXT,
                    "label": {"type": "object", "additionalProperties": _TEXT},
                    "object": _TEXT,
                    "field": _TEXT,
                }
            )
        ),
    },
    "required": ["uid", "name", "owner", "name_field", "fields", "relations"],
}
_SHARED["shown_field"] = _SHOWN_FIELD
_SHARED["shown_object"] = _SHOWN_OBJECT
_SHARED["plan"] = _object(
    {
        "steps": _list_of(
            {
                "type": "object",
                "properties": {"action": _TEXT, "physical": _TEXT},
                "required": ["action", "physical"],
            }
        )
    }
)
_SHARED["plugin"] = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "name": _TEXT,
        "summary": _TEXT,
        "state": {"enum": ["off", "on", "degraded", "failed", "missing", "broken"]},
        "enabled": {"type": "boolean"},
        "installed": {"type": "boolean"},
        "version": _TEXT,
        "problems": _list_of(_TEXT),
    },
    "required": ["id", "name", "state", "enabled", "installed"],
}
_SHARED["plugin_switched"] = _object(
    {
        "plugin": _TEXT,
        "enabled": {"type": "boolean"},
        "changed": {"type": "boolean"},
        "problems": _list_of(_TEXT),
    }
)
_SHARED["me"] = _object(
    {
        "id": _ID,
        "email": _TEXT,
        "name": _TEXT,
        "is_admin": {"type": "boolean"},
        "language": _TEXT,
        "timezone": _TEXT,
    }
)


def _data(*schemas: Json) -> Json:
    return _object({"data": schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}})


def _fixed(tag: str, id_: str, summary: str, good: Json, bad: Iterable[int] = (), **more: Any) -> Json:
    return _operation(tag, id_, summary, _answers(good, *bad), more.get("parameters", ()), more.get("body"))


def _changed(status: str, schema: Json, **more: Any) -> Json:
    """The answer of a change of the schema, or its plan when only that was asked for."""
    plan = _json_answer("Only the plan.", _data(_ref("plan")))
    if status == "200":
        return {"200": _json_answer("As it stands now, or the plan.", _data(schema, _ref("plan")))}
    return {status: _json_answer("It was made.", _data(schema), more.get("headers")), "200": plan}


_DETACHED: Json = {
    "204": {"description": "It is out of use; nothing was dropped."},
    "200": _json_answer("Only the plan.", _data(_ref("plan"))),
}
_META_BODY = (404, 409, 413, 415, 422)

_FIXED: dict[str, Json] = {
    f"{PREFIX}/meta/objects": {
        "get": _fixed(
            "schema",
            "objects",
            "All objects",
            {"200": _json_answer("All.", _data(_list_of(_ref("shown_object"))))},
        ),
        "post": _fixed(
            "schema",
            "create_object",
            "Make an object",
            _changed("201", _ref("shown_object"), headers={"Location": {"schema": _TEXT, "required": True}}),
            _META_BODY,
            parameters=[_DRY_RUN],
            body=_ref("meta.object"),
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}": {
        "get": _fixed(
            "schema",
            "object",
            "One object",
            {"200": _json_answer("The object.", _data(_ref("shown_object")))},
            (404,),
            parameters=[_OBJECT],
        ),
        "patch": _fixed(
            "schema",
            "update_object",
            "Change an object",
            _changed("200", _ref("shown_object")),
            _META_BODY,
            parameters=[_OBJECT, _DRY_RUN],
            body=_ref("meta.object.patch"),
        ),
        "delete": _fixed(
            "schema",
            "detach_object",
            "Take an object out of use",
            _DETACHED,
            (404, 409),
            parameters=[_OBJECT, _DRY_RUN],
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}/fields": {
        "get": _fixed(
            "schema",
            "fields",
            "The fields of an object",
            {"200": _json_answer("All.", _data(_list_of(_ref("shown_field"))))},
            (404,),
            parameters=[_OBJECT],
        ),
        "post": _fixed(
            "schema",
            "create_fields",
            "Add one field, or several at once",
            _changed("201", {"anyOf": [_ref("shown_field"), _list_of(_ref("shown_field"))]}),
            _META_BODY,
            parameters=[_OBJECT, _DRY_RUN],
            body={"anyOf": [_ref("meta.field"), _MANY_FIELDS]},
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}/fields/{{field}}": {
        "get": _fixed(
            "schema",
            "field",
            "One field",
            {"200": _json_answer("The field.", _data(_ref("shown_field")))},
            (404,),
            parameters=[_OBJECT, _FIELD],
        ),
        "patch": _fixed(
            "schema",
            "update_field",
            "Change a field",
            _changed("200", _ref("shown_field")),
            _META_BODY,
            parameters=[_OBJECT, _FIELD, _DRY_RUN],
            body=_ref("meta.field.patch"),
        ),
        "delete": _fixed(
            "schema",
            "detach_field",
            "Take a field out of use",
            _DETACHED,
            (404, 409),
            parameters=[_OBJECT, _FIELD, _DRY_RUN],
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}/fields/{{field}}/options": {
        "post": _fixed(
            "schema",
            "add_options",
            "Add options to a select field",
            _changed("201", _ref("shown_field")),
            _META_BODY,
            parameters=[_OBJECT, _FIELD, _DRY_RUN],
            body=_object(
                {"options": _list_of({"anyOf": [_TEXT, _ref("meta.option")]}, minItems=1, maxItems=PARTS_MAX)}
            ),
        )
    },
    f"{PREFIX}/plugins": {
        "get": _fixed(
            "plugins",
            "plugins",
            "Installed plugins",
            {"200": _json_answer("All.", _data(_list_of(_ref("plugin"))))},
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/enable": {
        "post": _fixed(
            "plugins",
            "enable_plugin",
            "Switch a plugin on",
            {"200": _json_answer("What was done.", _data(_ref("plugin_switched")))},
            (404, 409, 422),
            parameters=[_PLUGIN],
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/disable": {
        "post": _fixed(
            "plugins",
            "disable_plugin",
            "Switch a plugin off",
            {"200": _json_answer("What was done.", _data(_ref("plugin_switched")))},
            (404, 409),
            parameters=[_PLUGIN],
        )
    },
    f"{PREFIX}/me": {
        "get": _fixed("me", "me", "Who am I", {"200": _json_answer("The person.", _data(_ref("me")))})
    },
}
