"""The schema over HTTP: objects and fields made, changed, shown in advance, used at once; the description."""

from __future__ import annotations

import pytest

from karvan.api.docs import describe
from karvan.workspace import Workspace

from .fleet import SHIPS, Api, assert_problem, http_only

OBJECTS = "/api/v1/meta/objects"
FIELDS = f"{OBJECTS}/c_ship/fields"


def test_an_object_is_made_and_used_at_once(api: Api) -> None:
    body = {
        "name": "port",
        "label": {"en": "Port", "ru": "Порт"},
        "fields": [{"name": "name", "type": "text"}],
    }
    made = api.post(OBJECTS, body)
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == f"{OBJECTS}/c_port"
    assert api.get(made.headers["Location"]).json == made.json
    assert api.post("/api/v1/records/c_port", {"c_name": "Riga"}).status_code == 201
    assert "/api/v1/records/c_port" in api.get("/api/openapi.json").json["paths"]


def test_many_fields_are_added_in_one_call(api: Api) -> None:
    fields = [{"name": f"extra_{n}", "type": "text"} for n in range(20)]
    made = api.post(FIELDS, {"fields": fields})
    assert made.status_code == 201, made.text
    assert [f["name"] for f in made.json["data"]] == [f"c_extra_{n}" for n in range(20)]
    api.post_ship(c_extra_7="seven")
    (found,) = api.get(f"{SHIPS}?filter=c_extra_7%20%3D%20%22seven%22&fields=c_extra_7").json["data"]
    assert found["c_extra_7"] == "seven"


def test_one_field_is_added_changed_and_taken_out_of_use(api: Api) -> None:
    made = api.post(FIELDS, {"name": "tier", "type": "select", "options": ["gold"], "label": "Tier"})
    assert made.json["data"]["name"] == "c_tier"
    more = api.post(f"{FIELDS}/c_tier/options", {"options": ["silver", {"value": "tin", "color": "bad"}]})
    assert [o["value"] for o in more.json["data"]["options"]] == ["gold", "silver", "tin"]
    changed = api.patch(f"{FIELDS}/c_tier", {"label": {"en": "Rank"}, "help": "How dear."})
    assert changed.json["data"]["label"] == {"en": "Rank"}
    assert api.delete(f"{FIELDS}/c_tier").status_code == 204
    assert_problem(api.get(f"{FIELDS}/c_tier"), 404, "unknown_field", fields=("c_tier",))


def test_an_object_is_changed_and_taken_out_of_use(api: Api) -> None:
    changed = api.patch(f"{OBJECTS}/c_voyage", {"icon": "ship", "label_plural": "Voyages"})
    assert changed.json["data"]["icon"] == "ship"
    assert api.delete(f"{OBJECTS}/c_voyage").status_code == 204
    assert_problem(api.get("/api/v1/records/c_voyage"), 404, "unknown_object")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", OBJECTS, {"name": "port", "fields": [{"name": "name", "type": "text"}]}),
        ("PATCH", f"{OBJECTS}/c_ship", {"icon": "ship"}),
        ("DELETE", f"{OBJECTS}/c_voyage", None),
        ("POST", FIELDS, {"name": "tier", "type": "text"}),
        ("PATCH", f"{FIELDS}/c_crew", {"label": "Hands"}),
        ("DELETE", f"{FIELDS}/c_crew", None),
        ("POST", f"{FIELDS}/c_kind/options", {"options": ["barge"]}),
    ],
)
def test_a_dry_run_shows_the_plan_and_changes_nothing(
    api: Api, workspace: Workspace, method: str, path: str, body: object
) -> None:
    before = workspace.catalogs.current().version
    answer = api.send(method, f"{path}?dry_run=true", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json["data"]["steps"][0]["action"]
    assert workspace.catalogs.current().version == before


def test_what_is_wrong_with_a_declaration_is_named_all_at_once(api: Api) -> None:
    body = {
        "name": None,
        "label": 1,
        "colour": "red",
        "fields": [{"name": "x"}, {"type": "text", "scale": "2"}],
    }
    wrong = ("name", "label", "colour", "fields[0].type", "fields[1].name", "fields[1].scale")
    assert_problem(api.post(OBJECTS, body), 422, "validation_failed", fields=wrong)
    many = {"fields": [{"name": "x", "type": "text", "unique": 1}, {"name": "y"}]}
    assert_problem(
        api.post(FIELDS, many), 422, "validation_failed", fields=("fields[0].unique", "fields[1].type")
    )


def test_a_name_that_breaks_the_rules_is_a_wrong_value(api: Api) -> None:
    assert api.post(OBJECTS, {"name": "Not A Name"}).status_code == 422
    assert api.post(FIELDS, {"name": "9x", "type": "text"}).status_code == 422


def test_a_name_that_is_taken_is_a_conflict(api: Api) -> None:
    assert_problem(api.post(OBJECTS, {"name": "ship"}), 409, "conflict")


def test_the_type_of_a_field_stays(api: Api) -> None:
    assert_problem(api.patch(f"{FIELDS}/c_crew", {"type": "text"}), 409, "schema_refused")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_field_that_does_not_exist_is_not_found(api: Api, method: str) -> None:
    answer = api.send(method, f"{FIELDS}/nothing", json={} if method == "PATCH" else None)
    assert_problem(answer, 404, "unknown_field", fields=("nothing",))


def test_a_plugin_is_switched_on_and_off(api: Api) -> None:
    listed = {p["id"]: p for p in api.get("/api/v1/plugins").json["data"]}
    assert listed["crm"]["enabled"] is False
    on = api.post("/api/v1/plugins/crm/enable").json["data"]
    assert (on["enabled"], on["changed"]) == (True, True)
    assert api.post("/api/v1/plugins/crm/enable").json["data"]["changed"] is False
    assert api.post("/api/v1/plugins/crm/disable").json["data"]["enabled"] is False
    assert_problem(api.post("/api/v1/plugins/nothing/enable"), 404, "unknown_plugin")


def test_the_description_is_kept_until_the_schema_changes(api: Api) -> None:
    first = api.get("/api/openapi.json")
    assert first.json["openapi"] == "3.1.0"
    held = {"If-None-Match": first.headers["ETag"]}
    assert api.get("/api/openapi.json", headers=held).status_code == 304
    api.post(FIELDS, {"name": "tier", "type": "text"})
    again = api.get("/api/openapi.json", headers=held)
    assert again.status_code == 200
    assert "c_tier" in again.json["components"]["schemas"]["c_ship"]["properties"]


def test_the_description_tells_the_forms_of_values(api: Api) -> None:
    schemas = api.get("/api/openapi.json").json["components"]["schemas"]
    shown = schemas["c_ship"]["properties"]
    assert (shown["c_value"]["type"], shown["c_value"]["format"]) == (["string", "null"], "decimal")
    assert shown["id"]["readOnly"] is True
    assert shown["c_launched"]["format"] == "date"
    create = schemas["c_ship.create"]
    assert create["required"] == ["c_name"]
    assert "id" not in create["properties"]
    assert create["properties"]["c_kind"]["anyOf"][0] == {"enum": ["tanker", "ferry"]}
    assert "c_flag" in create["properties"]
    assert "c_flag" not in schemas["c_ship.update"]["properties"]


def test_the_docs_page_shows_every_operation_without_a_script(api: Api) -> None:
    page = api.get("/docs/api").text
    spec = api.get("/api/openapi.json").json
    for path, item in spec["paths"].items():
        assert path in page
        for method, operation in item.items():
            if method != "parameters":
                assert f'id="{operation["operationId"]}"' in page
    assert "<script" not in page
    assert "http-equiv" not in page
    errors = api.http.get("/docs/errors").text
    assert 'id="version_mismatch"' in errors


@http_only
def test_the_docs_page_leads_to_the_login(api: Api) -> None:
    answer = api.http.get("/docs/api")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login")


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer (from 1, to 9)"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"anyOf": [{"type": "string", "format": "date"}, {"enum": [None, ""]}]}, "string (date) or empty"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/field"}}, "list of field"),
        ({}, "any JSON"),
    ],
)
def test_a_schema_in_a_few_words(schema: dict[str, object], text: str) -> None:
    assert describe(schema) == text
