"""The paths of one object."""

from __future__ import annotations

from collections.abc import Iterable

from apispec import APISpec

from karvan.api.bodies import BULK_MAX
from karvan.api.openapi.parts import (
    AFTER,
    ETAG,
    ID,
    ID_IN_PATH,
    IF_MATCH,
    IF_NONE_MATCH,
    IN_BODY,
    KEY,
    LIMIT,
    PREFIX,
    REPLAYED,
    TEXT,
    WHOLE,
    Json,
    an_object,
    answers,
    json_answer,
    list_of,
    listing,
    operation,
    page,
    ref,
    selection,
)
from karvan.api.openapi.values import record_schemas
from karvan.metadata.catalog import Catalog, ObjectType
from karvan.records.shapes import BUCKETS


def add_object(spec: APISpec, catalog: Catalog, object_type: ObjectType) -> None:
    name = object_type.name
    label = str(object_type.declaration.label_plural) or str(object_type.declaration.label) or name
    for schema_name, schema in record_schemas(object_type).items():
        spec.components.schema(schema_name, schema)
    one = an_object({"data": ref(name)})
    listed = json_answer("One page.", page(ref(name)))
    record_answer = json_answer("The record.", one, ETAG)
    changed_answer = json_answer("The record as it stands now.", one, {**ETAG, **REPLAYED})
    base = f"{PREFIX}/records/{name}"

    def op(
        verb: str, summary: str, responses: Json, parameters: Iterable[Json] = (), body: Json | None = None
    ) -> Json:
        return operation(name, f"{verb}.{name}", summary, responses, parameters, body)

    spec.path(
        path=base,
        operations={
            "get": op("list", f"List: {label}", answers({"200": listed}, 404), listing(object_type)),
            "post": op(
                "create",
                f"Create: {label}",
                answers(
                    {
                        "201": json_answer(
                            "The new record.",
                            one,
                            {
                                **ETAG,
                                **REPLAYED,
                                "Location": {"schema": TEXT, "required": True},
                            },
                        )
                    },
                    409,
                    *IN_BODY,
                ),
                [KEY],
                ref(f"{name}.create"),
            ),
        },
    )
    spec.path(
        path=f"{base}/{{id}}",
        parameters=[ID_IN_PATH],
        operations={
            "get": op(
                "get",
                f"Read: {label}",
                answers(
                    {"200": record_answer, "304": {"description": "You hold it already.", "headers": ETAG}},
                    404,
                ),
                [*selection(object_type), IF_NONE_MATCH],
            ),
            "patch": op(
                "update",
                f"Change: {label}",
                answers({"200": changed_answer}, 409, 412, 428, *IN_BODY),
                [IF_MATCH, KEY],
                ref(f"{name}.update"),
            ),
            "delete": op(
                "delete",
                f"Put into the trash: {label}",
                answers(
                    {"204": {"description": "It is in the trash.", "headers": REPLAYED}},
                    404,
                    409,
                    412,
                    422,
                    428,
                ),
                [IF_MATCH, KEY],
            ),
        },
    )
    spec.path(
        path=f"{base}/{{id}}/restore",
        parameters=[ID_IN_PATH],
        operations={
            "post": op(
                "restore",
                f"Take out of the trash: {label}",
                answers({"200": changed_answer}, 404, 409, 412, 422, 428),
                [IF_MATCH, KEY],
            )
        },
    )
    spec.path(
        path=f"{base}/{{id}}/history",
        parameters=[ID_IN_PATH],
        operations={
            "get": op(
                "history",
                f"History: {label}",
                answers({"200": json_answer("Newest first.", page(ref("history_entry")))}, 404),
                [LIMIT, AFTER],
            )
        },
    )
    for relation in object_type.relations.values():
        source = catalog.objects[relation.source]
        spec.path(
            path=f"{base}/{{id}}/related/{relation.name}",
            parameters=[ID_IN_PATH],
            operations={
                "get": op(
                    f"related.{relation.name}",
                    f"Related: {relation.label or relation.name}",
                    answers({"200": json_answer("One page.", page(ref(source.name)))}, 404),
                    listing(source),
                )
            },
        )
    spec.path(
        path=f"{base}/bulk",
        operations={
            "post": op(
                "bulk",
                f"Change many: {label}",
                answers({"200": json_answer("What was done.", ref("bulk_result"), REPLAYED)}, 409, *IN_BODY),
                [KEY],
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
                answers(
                    {
                        "200": json_answer(
                            "One row per group.", an_object({"data": list_of({"type": "object"})})
                        )
                    },
                    *IN_BODY,
                ),
                (),
                {
                    **ref("aggregate"),
                    "description": f"Groups are fields or `field:bucket` ({', '.join(BUCKETS)}).",
                },
            )
        },
    )
    spec.path(
        path=f"{PREFIX}/trash/{name}",
        operations={
            "get": op("trash", f"Trash: {label}", answers({"200": listed}, 404), listing(object_type))
        },
    )


def _bulk_schema(name: str) -> Json:
    row: Json = {"type": "object"}
    changed: Json = {
        "type": "object",
        "properties": {"id": ID, "version": WHOLE},
        "description": f"As in {name}.update, with its id and, to be sure, its version.",
    }
    partial: Json = {
        "type": "boolean",
        "default": True,
        "description": "Leave out and report what is refused; false: all or nothing.",
    }

    def act(action: str, key: str, items: Json) -> Json:
        return an_object(
            {
                "action": {"const": action},
                key: list_of(items, minItems=1, maxItems=BULK_MAX),
                "partial": partial,
            },
            optional=["partial"],
        )

    return {
        "oneOf": [
            act("create", "records", {**row, "description": f"As in {name}.create."}),
            act("update", "records", changed),
            act("delete", "ids", ID),
        ]
    }
