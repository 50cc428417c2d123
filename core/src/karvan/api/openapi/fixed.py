"""The paths that are always there: schema, plugins, me."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from karvan.api.bodies import PARTS_MAX
from karvan.api.openapi.parts import (
    AFTER,
    DRY_RUN,
    ID,
    LIMIT,
    PREFIX,
    TEXT,
    Json,
    an_object,
    answers,
    json_answer,
    list_of,
    operation,
    ref,
)
from karvan_sdk.plugin_settings import SETTING_SCOPES

_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 80}
_OBJECT: Json = {"name": "object", "in": "path", "required": True, "schema": _NAME}
_FIELD: Json = {"name": "field", "in": "path", "required": True, "schema": _NAME}
_PLUGIN: Json = {"name": "plugin", "in": "path", "required": True, "schema": _NAME}
_SETTING: Json = {"name": "setting", "in": "path", "required": True, "schema": _NAME}
_MANY_FIELDS = an_object({"fields": list_of(ref("meta.field"), minItems=1, maxItems=PARTS_MAX)})
_SHOWN_FIELD: Json = {
    "type": "object",
    "properties": {
        "uid": TEXT,
        "name": TEXT,
        "type": TEXT,
        "owner": {"type": "string", "description": "core, plugin:<id> or custom."},
        "system": {"type": "boolean"},
    },
    "required": ["uid", "name", "type", "owner", "system"],
    "description": "The declaration; keys with their default value are left out.",
}
_SHOWN_OBJECT: Json = {
    "type": "object",
    "properties": {
        "uid": TEXT,
        "name": TEXT,
        "owner": TEXT,
        "name_field": TEXT,
        "fields": list_of(ref("shown_field")),
        "relations": list_of(
            an_object(
                {
                    "name": TEXT,
                    "label": {"type": "object", "additionalProperties": TEXT},
                    "object": TEXT,
                    "field": TEXT,
                }
            )
        ),
    },
    "required": ["uid", "name", "owner", "name_field", "fields", "relations"],
}
FIXED_SCHEMAS: dict[str, Json] = {"shown_field": _SHOWN_FIELD}
FIXED_SCHEMAS["shown_object"] = _SHOWN_OBJECT
FIXED_SCHEMAS["plan"] = an_object(
    {
        "steps": list_of(
            {
                "type": "object",
                "properties": {"action": TEXT, "physical": TEXT},
                "required": ["action", "physical"],
            }
        )
    }
)
FIXED_SCHEMAS["plugin"] = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "name": TEXT,
        "summary": TEXT,
        "state": {"enum": ["off", "on", "degraded", "failed", "missing", "suspended", "resting", "broken"]},
        "enabled": {"type": "boolean"},
        "installed": {"type": "boolean"},
        "version": TEXT,
        "problems": list_of(TEXT),
        "warnings": list_of(TEXT),
        "trace": TEXT,
    },
    "required": ["id", "name", "state", "enabled", "installed"],
}
FIXED_SCHEMAS["plugin_switched"] = an_object(
    {
        "plugin": TEXT,
        "enabled": {"type": "boolean"},
        "changed": {"type": "boolean"},
        "problems": list_of(TEXT),
    }
)
_STANDING = {
    "type": "object",
    "properties": {
        "plugin": TEXT,
        "reason": TEXT,
        "objects": list_of(TEXT),
        "events": list_of(TEXT),
        "widget": TEXT,
    },
    "required": ["plugin", "reason"],
}
_BY_NAME = {"type": "object", "additionalProperties": list_of(TEXT)}
FIXED_SCHEMAS["xray"] = an_object(
    {
        "order": list_of(an_object({"plugin": TEXT, "reason": TEXT})),
        "findings": list_of(
            an_object(
                {
                    "severity": {"enum": ["error", "warning", "note"]},
                    "code": TEXT,
                    "plugins": list_of(TEXT),
                    "message": TEXT,
                }
            )
        ),
        "hooks": {"type": "object", "additionalProperties": list_of(_STANDING)},
        "slots": {"type": "object", "additionalProperties": list_of(_STANDING)},
        "writers": _BY_NAME,
        "restrictions": _BY_NAME,
        "routes": list_of(an_object({"plugin": TEXT, "surface": TEXT, "path": TEXT})),
    }
)
FIXED_SCHEMAS["plugin_figure"] = an_object(
    {
        "hook": TEXT,
        **{name: {"type": "integer"} for name in ("calls", "errors", "over_budget", "queries")},
        **{name: {"type": "number"} for name in ("total_ms", "max_ms", "p95_ms")},
        "last_error": TEXT,
        "last_error_at": {"type": ["string", "null"]},
    },
)
FIXED_SCHEMAS["plugin_setting"] = an_object(
    {
        "name": TEXT,
        "type": TEXT,
        "label": TEXT,
        "help": TEXT,
        "required": {"type": "boolean"},
        "secret": {"type": "boolean"},
        "scopes": list_of({"enum": list(SETTING_SCOPES)}),
        "default": {},
        "value": {},
        "is_set": {"type": "boolean"},
        "source": {"enum": ["default", *SETTING_SCOPES]},
        "inherited": {},
        "lost": {"type": "boolean"},
        "lock": {"type": ["string", "null"]},
        "problems": list_of(TEXT),
    }
)
FIXED_SCHEMAS["own_setting"] = an_object({"plugin": TEXT, **FIXED_SCHEMAS["plugin_setting"]["properties"]})
FIXED_SCHEMAS["audit_page"] = an_object(
    {
        "data": list_of(
            an_object(
                {
                    "id": {"type": "integer"},
                    "at": TEXT,
                    "actor": {"type": ["integer", "null"]},
                    "action": TEXT,
                    "subject": TEXT,
                    "before": {},
                    "after": {},
                }
            )
        ),
        "next": {"type": ["string", "null"]},
    }
)
FIXED_SCHEMAS["widget"] = an_object(
    {
        "slot": TEXT,
        "widget": TEXT,
        "plugin": TEXT,
        "title": TEXT,
        "icon": TEXT,
        "objects": list_of(TEXT),
        "enabled": {"type": "boolean"},
    }
)
FIXED_SCHEMAS["me"] = an_object(
    {
        "id": ID,
        "email": TEXT,
        "name": TEXT,
        "is_admin": {"type": "boolean"},
        "language": TEXT,
        "timezone": TEXT,
    }
)


def _data(*schemas: Json) -> Json:
    return an_object({"data": schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}})


def _fixed(tag: str, id_: str, summary: str, good: Json, bad: Iterable[int] = (), **more: Any) -> Json:
    return operation(tag, id_, summary, answers(good, *bad), more.get("parameters", ()), more.get("body"))


def _changed(status: str, schema: Json, **more: Any) -> Json:
    """The answer of a change of the schema, or its plan when only that was asked for."""
    plan = json_answer("Only the plan.", _data(ref("plan")))
    if status == "200":
        return {"200": json_answer("As it stands now, or the plan.", _data(schema, ref("plan")))}
    return {status: json_answer("It was made.", _data(schema), more.get("headers")), "200": plan}


_DETACHED: Json = {
    "204": {"description": "It is out of use; nothing was dropped."},
    "200": json_answer("Only the plan.", _data(ref("plan"))),
}
_META_BODY = (404, 409, 413, 415, 422)

FIXED_PATHS: dict[str, Json] = {
    f"{PREFIX}/meta/objects": {
        "get": _fixed(
            "schema",
            "objects",
            "All objects",
            {"200": json_answer("All.", _data(list_of(ref("shown_object"))))},
        ),
        "post": _fixed(
            "schema",
            "create_object",
            "Make an object",
            _changed("201", ref("shown_object"), headers={"Location": {"schema": TEXT, "required": True}}),
            _META_BODY,
            parameters=[DRY_RUN],
            body=ref("meta.object"),
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}": {
        "get": _fixed(
            "schema",
            "object",
            "One object",
            {"200": json_answer("The object.", _data(ref("shown_object")))},
            (404,),
            parameters=[_OBJECT],
        ),
        "patch": _fixed(
            "schema",
            "update_object",
            "Change an object",
            _changed("200", ref("shown_object")),
            _META_BODY,
            parameters=[_OBJECT, DRY_RUN],
            body=ref("meta.object.patch"),
        ),
        "delete": _fixed(
            "schema",
            "detach_object",
            "Take an object out of use",
            _DETACHED,
            (404, 409),
            parameters=[_OBJECT, DRY_RUN],
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}/fields": {
        "get": _fixed(
            "schema",
            "fields",
            "The fields of an object",
            {"200": json_answer("All.", _data(list_of(ref("shown_field"))))},
            (404,),
            parameters=[_OBJECT],
        ),
        "post": _fixed(
            "schema",
            "create_fields",
            "Add one field, or several at once",
            _changed("201", {"anyOf": [ref("shown_field"), list_of(ref("shown_field"))]}),
            _META_BODY,
            parameters=[_OBJECT, DRY_RUN],
            body={"anyOf": [ref("meta.field"), _MANY_FIELDS]},
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}/fields/{{field}}": {
        "get": _fixed(
            "schema",
            "field",
            "One field",
            {"200": json_answer("The field.", _data(ref("shown_field")))},
            (404,),
            parameters=[_OBJECT, _FIELD],
        ),
        "patch": _fixed(
            "schema",
            "update_field",
            "Change a field",
            _changed("200", ref("shown_field")),
            _META_BODY,
            parameters=[_OBJECT, _FIELD, DRY_RUN],
            body=ref("meta.field.patch"),
        ),
        "delete": _fixed(
            "schema",
            "detach_field",
            "Take a field out of use",
            _DETACHED,
            (404, 409),
            parameters=[_OBJECT, _FIELD, DRY_RUN],
        ),
    },
    f"{PREFIX}/meta/objects/{{object}}/fields/{{field}}/options": {
        "post": _fixed(
            "schema",
            "add_options",
            "Add options to a select field",
            _changed("201", ref("shown_field")),
            _META_BODY,
            parameters=[_OBJECT, _FIELD, DRY_RUN],
            body=an_object(
                {"options": list_of({"anyOf": [TEXT, ref("meta.option")]}, minItems=1, maxItems=PARTS_MAX)}
            ),
        )
    },
    f"{PREFIX}/plugins": {
        "get": _fixed(
            "plugins",
            "plugins",
            "Installed plugins",
            {"200": json_answer("All.", _data(list_of(ref("plugin"))))},
        )
    },
    f"{PREFIX}/plugins/x-ray": {
        "get": _fixed(
            "plugins",
            "xray",
            "What the enabled plugins add, touch and clash in",
            {"200": json_answer("All that their manifests tell.", _data(ref("xray")))},
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/x-ray": {
        "get": _fixed(
            "plugins",
            "xray_with",
            "The same, as if this plugin were on, too",
            {"200": json_answer("All that their manifests tell.", _data(ref("xray")))},
            (404,),
            parameters=[_PLUGIN],
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/enable": {
        "post": _fixed(
            "plugins",
            "enable_plugin",
            "Switch a plugin on",
            {"200": json_answer("What was done.", _data(ref("plugin_switched")))},
            (404, 409, 422),
            parameters=[_PLUGIN],
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/disable": {
        "post": _fixed(
            "plugins",
            "disable_plugin",
            "Switch a plugin off",
            {"200": json_answer("What was done.", _data(ref("plugin_switched")))},
            (404, 409),
            parameters=[_PLUGIN],
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/figures": {
        "get": _fixed(
            "plugins",
            "plugin_figures",
            "What calls of a plugin cost, by hook",
            {"200": json_answer("Of the last seven days.", _data(list_of(ref("plugin_figure"))))},
            (404,),
            parameters=[_PLUGIN],
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/resume": {
        "post": _fixed(
            "plugins",
            "resume_plugin",
            "Call a suspended plugin again",
            {"200": json_answer("What was done.", _data(ref("plugin_switched")))},
            (404,),
            parameters=[_PLUGIN],
        )
    },
    f"{PREFIX}/plugins/{{plugin}}/settings": {
        "get": _fixed(
            "plugins",
            "plugin_settings",
            "Settings of a plugin",
            {"200": json_answer("All.", _data(list_of(ref("plugin_setting"))))},
            (404,),
            parameters=[_PLUGIN],
        ),
        "patch": _fixed(
            "plugins",
            "change_plugin_settings",
            "Change settings of a plugin",
            {"200": json_answer("All, as they stand now.", _data(list_of(ref("plugin_setting"))))},
            _META_BODY,
            parameters=[_PLUGIN],
            body={"type": "object"},
        ),
    },
    f"{PREFIX}/plugins/{{plugin}}/settings/{{setting}}/lock": {
        "put": _fixed(
            "plugins",
            "lock_plugin_setting",
            "Take a setting out of people's hands",
            {"200": json_answer("All, as they stand now.", _data(list_of(ref("plugin_setting"))))},
            _META_BODY,
            parameters=[_PLUGIN, _SETTING],
            body=an_object({"reason": {"type": "string", "minLength": 1, "maxLength": 500}}),
        ),
        "delete": _fixed(
            "plugins",
            "unlock_plugin_setting",
            "Give a setting back to people",
            {"200": json_answer("All, as they stand now.", _data(list_of(ref("plugin_setting"))))},
            (404, 422),
            parameters=[_PLUGIN, _SETTING],
        ),
    },
    f"{PREFIX}/plugins/{{plugin}}/audit": {
        "get": _fixed(
            "audit",
            "plugin_audit",
            "What happened to a plugin",
            {"200": json_answer("One page, the newest first.", ref("audit_page"))},
            (400,),
            parameters=[_PLUGIN, LIMIT, AFTER],
        )
    },
    f"{PREFIX}/audit": {
        "get": _fixed(
            "audit",
            "audit",
            "Who changed what of the workspace",
            {"200": json_answer("One page, the newest first.", ref("audit_page"))},
            (400,),
            parameters=[LIMIT, AFTER],
        )
    },
    f"{PREFIX}/widgets": {
        "get": _fixed(
            "widgets",
            "widgets",
            "Widgets by slot, as they are for you",
            {"200": json_answer("All.", _data(list_of(ref("widget"))))},
        ),
        "patch": _fixed(
            "widgets",
            "choose_widget",
            "Switch a widget or order a slot, for yourself",
            {"200": json_answer("All, as they stand now.", _data(list_of(ref("widget"))))},
            _META_BODY,
            body=an_object(
                {
                    "slot": TEXT,
                    "widget": TEXT,
                    "enabled": {"type": ["boolean", "null"]},
                    "order": list_of(TEXT, maxItems=PARTS_MAX),
                },
                optional=("widget", "enabled", "order"),
            ),
        ),
    },
    f"{PREFIX}/me/settings": {
        "get": _fixed(
            "me",
            "own_settings",
            "What you may set for yourself",
            {"200": json_answer("All.", _data(list_of(ref("own_setting"))))},
        )
    },
    f"{PREFIX}/me/settings/{{plugin}}": {
        "patch": _fixed(
            "me",
            "change_own_settings",
            "Set for yourself",
            {
                "200": json_answer(
                    "Those of the plugin, as they hold now.", _data(list_of(ref("own_setting")))
                )
            },
            _META_BODY,
            parameters=[_PLUGIN],
            body={"type": "object"},
        )
    },
    f"{PREFIX}/me": {
        "get": _fixed("me", "me", "Who am I", {"200": json_answer("The person.", _data(ref("me")))})
    },
}
