"""Records over HTTP: lists, one record, bulk, figures, history, related lists, trash and restore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from karvan.api.bodies import AGGREGATE, BULK
from karvan.api.call import Call
from karvan.api.etags import NO_VERSION, is_known, make_etag, versions_allowed
from karvan.api.idempotency import change
from karvan.api.parameters import (
    HISTORY,
    LIST,
    ONE,
    diagnose,
    read_or_diagnose,
    read_parameters,
    refuse_parameters,
)
from karvan.api.problems import BadQuery, RelationNotFound, at_input
from karvan.api.reply import Reply, empty_reply, json_reply
from karvan.metadata.kinds import ID_MAX
from karvan.metadata.schemas import load_body, load_record
from karvan.records.shapes import AggregateQuery, BulkResult, ListQuery, Measure, Page
from karvan.records.writer import Writer
from karvan_sdk.errors import BadInput, RecordNotFound, UnknownField, ValidationFailed, VersionMismatch

ALL = ListQuery()


# -- reading ---------------------------------------------------------------------------------------------


def list_records(call: Call, object: str) -> Reply:
    """One page of records."""
    asked = read_parameters(call.query, LIST)
    reader = call.workspace.records.read(call.actor)
    return _page_reply(read_or_diagnose(asked, lambda query: reader.list(object, query)))


def list_trash(call: Call, object: str) -> Reply:
    """One page of the trash."""
    asked = read_parameters(call.query, LIST)
    reader = call.workspace.records.read(call.actor)
    return _page_reply(read_or_diagnose(asked, lambda query: reader.trash(object, query)))


def list_related(call: Call, object: str, id: int, relation: str) -> Reply:
    """One page of the records that point to this one."""
    _check_id(object, id)
    asked = read_parameters(call.query, LIST)
    reader = call.workspace.records.read(call.actor)
    reader.prove()
    if relation not in reader.catalog.object(object).relations:
        raise RelationNotFound(object=object, relation=relation[:60])
    return _page_reply(read_or_diagnose(asked, lambda query: reader.related(object, id, relation, query)))


def list_history(call: Call, object: str, id: int) -> Reply:
    """One page of what happened to a record."""
    _check_id(object, id)
    query = refuse_parameters(call.query, HISTORY).query
    reader = call.workspace.records.read(call.actor)
    try:
        return _page_reply(reader.history(object, id, query.limit, query.after))
    except BadInput as exc:
        raise BadQuery(at_input(exc, exc.field)) from exc


def get_record(call: Call, object: str, id: int) -> Reply:
    """One record with its ETag."""
    _check_id(object, id)
    asked = read_parameters(call.query, ONE)
    query = asked.query
    reader = call.workspace.records.read(call.actor)
    wanted = query.fields
    if wanted is not None and "version" not in wanted:
        wanted = (*wanted, "version")
    try:
        record = {} if asked.errors else reader.get(object, id, wanted, query.expand)
    except (BadInput, UnknownField) as exc:
        errors = diagnose(query, lambda part: reader.get(object, id, part.fields, part.expand))
        raise BadQuery(errors or at_input(exc, getattr(exc, "field", ""))) from exc
    if asked.errors:
        errors = diagnose(query, lambda part: reader.get(object, id, part.fields, part.expand))
        raise BadQuery((*asked.errors, *errors))
    version = record["version"]
    if wanted is not query.fields:
        del record["version"]
    body = orjson.dumps({"data": record})
    etag = make_etag(version, reader.catalog.version, query, body)
    if is_known(call.header("HTTP_IF_NONE_MATCH"), etag):
        return empty_reply(304, [("ETag", etag)])
    return Reply(body, 200, [("ETag", etag)])


def aggregate_records(call: Call, object: str) -> Reply:
    """Figures per group."""
    refuse_parameters(call.query)
    _, value = call.read_object()
    loaded = load_body(AGGREGATE, value)
    query = AggregateQuery(
        group=tuple(loaded["group"]),
        measures=tuple(Measure(fn=m["fn"], field=m["field"]) for m in loaded["measures"]),
        filter=loaded["filter"],
        tz=loaded["tz"],
    )
    reader = call.workspace.records.read(call.actor)
    try:
        rows = reader.aggregate(object, query)
    except (BadInput, UnknownField) as exc:
        raise ValidationFailed(_diagnose_aggregate(call, object, query) or at_input(exc, "")) from exc
    return json_reply({"data": rows})


def _diagnose_aggregate(call: Call, object: str, query: AggregateQuery) -> list[Any]:
    """Everything wrong with an aggregate, each finding naming the key it stands at."""
    parts: list[tuple[str, AggregateQuery]] = []
    nothing = "1 = 0"  # names and types are checked, no record is read
    parts += [(f"group[{i}]", AggregateQuery(group=(g,), filter=nothing)) for i, g in enumerate(query.group)]
    parts += [
        (f"measures[{i}]", AggregateQuery(measures=(m,), filter=nothing))
        for i, m in enumerate(query.measures)
    ]
    parts.append(("filter", AggregateQuery(filter=query.filter)))
    parts.append(("tz", AggregateQuery(tz=query.tz, filter=nothing)))
    parts.append(("group", AggregateQuery(group=query.group, filter=nothing)))
    reader = call.workspace.records.read(call.actor)
    errors: dict[tuple[str, str], Any] = {}
    for name, part in parts:
        try:
            reader.aggregate(object, part)
        except (BadInput, UnknownField) as exc:
            for e in at_input(exc, name):
                if name != "group" or not any(k[1] == e.message for k in errors):
                    errors[(name, e.message)] = e
    return list(errors.values())


# -- changing ----------------------------------------------------------------------------------------------


def create_record(call: Call, object: str) -> Reply:
    """Create a record."""
    refuse_parameters(call.query)
    body, values = call.read_object()

    def act(writer: Writer) -> Reply:
        record = writer.create(object, values)
        location = f"/api/v1/records/{object}/{record['id']}"
        return _record_reply(record, writer, 201, [("Location", location)])

    return _in_body(call, body, act)


def update_record(call: Call, object: str, id: int) -> Reply:
    """Change a record that nobody else changed since it was read."""
    _check_id(object, id)
    refuse_parameters(call.query)
    allowed = versions_allowed(call.header("HTTP_IF_MATCH"))
    body, values = call.read_object()

    def act(writer: Writer) -> Reply:
        try:
            version = _version_of(writer, object, id, allowed)
            return _record_reply(writer.update(object, id, values, version), writer, 200)
        except VersionMismatch as exc:
            # values that no version would take are worth saying first: reading again would not help
            _, errors = load_record(call.schemas.of(writer.catalog, object, "update"), object, values)
            if errors:
                raise ValidationFailed(errors) from exc
            raise

    return _in_body(call, body, act)


def delete_record(call: Call, object: str, id: int) -> Reply:
    """Put a record into the trash."""
    _check_id(object, id)
    refuse_parameters(call.query)
    allowed = versions_allowed(call.header("HTTP_IF_MATCH"))

    def act(writer: Writer) -> Reply:
        writer.delete(object, id, _version_of(writer, object, id, allowed))
        return empty_reply()

    return change(call, b"", act)


def restore_record(call: Call, object: str, id: int) -> Reply:
    """Take a record out of the trash."""
    _check_id(object, id)
    refuse_parameters(call.query)
    allowed = versions_allowed(call.header("HTTP_IF_MATCH"))

    def act(writer: Writer) -> Reply:
        version = None if allowed is None else allowed[0]
        return _record_reply(writer.restore(object, id, version), writer, 200)

    return change(call, b"", act)


def change_many(call: Call, object: str) -> Reply:
    """Create, update or delete many records; those that are refused are left out and reported."""
    refuse_parameters(call.query)
    body, value = call.read_object()
    asked = load_body(BULK, value)

    def act(writer: Writer) -> Reply:
        if asked["action"] == "create":
            result = writer.create_many(object, asked["records"], asked["any_part"])
        elif asked["action"] == "update":
            result = writer.update_many(object, asked["records"], asked["any_part"])
        else:
            result = writer.delete_many(object, asked["ids"], asked["any_part"])
        return json_reply(_bulk_body(result))

    return _in_body(call, body, act)


# -- parts -------------------------------------------------------------------------------------------------


def _check_id(object: str, id: int) -> None:
    if not 0 < id <= ID_MAX:
        raise RecordNotFound(object=object, id=id)


def _page_reply(page: Page) -> Reply:
    return json_reply(
        {"data": page.rows, "next": page.next, "count": page.count, "count_kind": page.count_kind}
    )


def _record_reply(
    record: Mapping[str, Any], writer: Writer, status: int, headers: list[tuple[str, str]] | None = None
) -> Reply:
    body = orjson.dumps({"data": record})
    etag = make_etag(record["version"], writer.catalog.version, ALL, body)
    return Reply(body, status, [("ETag", etag), *(headers or ())])


def _version_of(writer: Writer, object: str, id: int, allowed: tuple[int, ...] | None) -> int | None:
    """The version that must stand there, None for any. Of several the one that does, if it is among them."""
    if allowed is None or len(allowed) == 1:
        return None if allowed is None else allowed[0]
    current: int = writer.reader.get(object, id, ("version",))["version"]
    return current if current in allowed else NO_VERSION


def _in_body(call: Call, body: bytes, act: Any) -> Reply:
    """A change whose values stand in the body: what is wrong with them is answered as such."""
    try:
        return change(call, body, act)
    except (BadQuery, ValidationFailed):
        raise
    except (BadInput, UnknownField) as exc:
        raise ValidationFailed(at_input(exc, getattr(exc, "field", ""))) from exc


def _bulk_body(result: BulkResult) -> dict[str, Any]:
    failed = sum(1 for id_ in result.ids if id_ is None)
    return {
        "data": {
            "ids": list(result.ids),
            "changed": list(result.changed),
            "succeeded": len(result.ids) - failed,
            "failed": failed,
        },
        "errors": [e.as_dict() for e in result.errors],
    }
