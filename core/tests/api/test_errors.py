"""Every origin of errors gives the one error body."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask

from karvan.api.problems import ANSWERS, problem_reply
from karvan.settings import Settings
from karvan.workspace import Workspace
from karvan_sdk import errors as sdk
from karvan_sdk.errors import KarvanError, PluginFailed, Unavailable

from .fleet import SHIPS, Api, assert_problem, http_only


@http_only
def test_an_unknown_path_is_a_problem(api: Api) -> None:
    assert_problem(api.get("/api/v1/nothing"), 404, "no_route")


@http_only
def test_two_slashes_name_nothing(api: Api) -> None:
    assert_problem(api.get("/api/v1//records/c_ship"), 404, "no_route")


@http_only
def test_a_method_that_is_not_offered_names_those_that_are(api: Api) -> None:
    answer = api.send("PUT", SHIPS)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_an_unknown_object_is_named_with_its_neighbour(api: Api) -> None:
    body = assert_problem(api.get("/api/v1/records/c_shp"), 404, "unknown_object")
    assert "Did you mean 'c_ship'?" in body["detail"]


@pytest.mark.parametrize("id_", ["4711", "0", str(2**63), "9" * 19], ids=["missing", "0", "2^63", "long"])
def test_a_missing_record_is_not_found(api: Api, id_: str) -> None:
    assert_problem(api.get(f"{SHIPS}/{id_}"), 404, "not_found")


@http_only
@pytest.mark.parametrize("id_", ["abc", "-1", "1.5", "9" * 5000, "٣"])
def test_an_id_that_is_no_number_names_nothing(api: Api, id_: str) -> None:
    assert_problem(api.get(f"{SHIPS}/{id_}"), 404, "no_route")


@http_only
def test_a_body_that_is_not_declared_as_json_is_refused(api: Api) -> None:
    assert_problem(api.send("POST", SHIPS, data="c_name=x"), 415, "wrong_media_type")


@http_only
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nul", b'{"a": NaN}', b'{"a": "\xff"}', b'{"a": "\\ud800"}', b"[" * 5000],
    ids=["empty", "cut off", "word", "NaN", "not UTF-8", "lone surrogate", "deep"],
)
def test_a_body_that_is_no_json_is_refused(api: Api, body: bytes) -> None:
    assert_problem(api.send("POST", SHIPS, data=body, content_type="application/json"), 400, "bad_json")


@http_only
@pytest.mark.parametrize("body", ["[]", "1", "null", '"x"'])
def test_a_body_that_is_no_object_is_refused(api: Api, body: str) -> None:
    answer = api.send("POST", SHIPS, data=body, content_type="application/json")
    assert_problem(answer, 422, "validation_failed", fields=("",))


@http_only
def test_a_body_beyond_the_limit_is_refused(app: Flask, api: Api) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 100
    assert_problem(api.post(SHIPS, {"c_notes": "x" * 200}), 413, "body_too_large")


def test_all_wrong_values_are_named_at_once(api: Api) -> None:
    values = {
        "c_nam": "x",
        "c_crew": "many",
        "c_draught": "1.2345",
        "c_kind": "tank",
        "c_launched": "2026-02-30",
        "c_active": "yes",
        "c_mail": "nobody",
        "id": 1,
        "c_captain": 4711,
    }
    body = assert_problem(api.post(SHIPS, values), 422, "validation_failed", fields=(*values, "c_name"))
    codes = {f["field"]: f["code"] for f in body["errors"]}
    assert codes["c_nam"] == "unknown_field"
    assert codes["c_crew"] == "wrong_type"
    assert codes["id"] == "read_only"
    assert codes["c_name"] == "required"


def test_all_wrong_parameters_are_named_at_once(api: Api) -> None:
    query = "sort=x,-y&fields=q&filter=zz%20=%201&limit=0&wat=1&count=z&expand=c_name"
    answer = api.get(f"{SHIPS}?{query}")
    wrong = ("sort", "fields", "filter", "limit", "wat", "count", "expand")
    body = assert_problem(answer, 400, "bad_query", fields=wrong)
    assert len([f for f in body["errors"] if f["field"] == "sort"]) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("filter=c_crew%20~~%201", "filter"),
        ("filter=c_crew%20=%20%22x%22", "filter"),
        ("filter=c_nothing%20=%201", "filter"),
        ("filter=%00", "filter"),
        ("sort=c_notes", "sort"),
        ("sort=c_name,c_name", "sort"),
        ("fields=", "fields"),
        ("fields=,", "fields"),
        ("expand=c_crew", "expand"),
        ("after=bm90aGluZw", "after"),
        ("after=WzEsZmFsc2UsMV0", "after"),
        ("limit=201", "limit"),
        ("limit=٣", "limit"),
        ("limit=1&limit=2", "limit"),
        ("offset=5", "offset"),
        ("%ff=1", ""),
    ],
)
def test_a_query_that_can_not_be_understood_is_named(api: Api, query: str, field: str) -> None:
    assert_problem(api.get(f"{SHIPS}?{query}"), 400, "bad_query", fields=(field,))


@pytest.mark.parametrize("path", ["", "/1", "/1/history", "/1/related/voyages"])
def test_unknown_parameters_are_refused_everywhere(api: Api, path: str) -> None:
    api.post_ship()
    assert_problem(api.get(f"{SHIPS}{path}?wat=1"), 400, "bad_query", fields=("wat",))


def test_a_cursor_of_another_order_is_refused(api: Api) -> None:
    for _ in range(3):
        api.post_ship()
    following = api.get(f"{SHIPS}?limit=1&sort=c_crew").json["next"]
    answer = api.get(f"{SHIPS}?limit=1&sort=-c_crew&after={following}")
    assert_problem(answer, 400, "bad_query", fields=("after",))


def test_an_aggregate_names_all_that_is_wrong(api: Api) -> None:
    asked = {
        "group": ["c_nothing", "c_seen_at"],
        "measures": [{"fn": "sum", "field": "c_name"}, {"fn": "count"}],
        "filter": "c_nothing = 1",
        "tz": "Mars/Olympus",
    }
    wrong = ("group[0]", "group[1]", "measures[0]", "filter", "tz")
    assert_problem(api.post(f"{SHIPS}/aggregate", asked), 422, "validation_failed", fields=wrong)


@http_only
def test_the_shape_of_an_aggregate_is_checked_all_at_once(api: Api) -> None:
    asked = {"group": "c_kind", "measures": [{"fn": "median"}, {"field": 1}], "x": 1}
    wrong = ("group", "measures[0].fn", "measures[1].fn", "measures[1].field", "x")
    assert_problem(api.post(f"{SHIPS}/aggregate", asked), 422, "validation_failed", fields=wrong)


def test_a_relation_that_does_not_exist_is_not_found(api: Api) -> None:
    api.post_ship()
    assert_problem(api.get(f"{SHIPS}/1/related/nothing"), 404, "unknown_relation")


@http_only
def test_a_fault_of_ours_is_logged_and_answered_without_details(
    api: Api, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("the secret detail")

    monkeypatch.setattr(workspace.records, "read", fail)
    with caplog.at_level(logging.ERROR):
        answer = api.get(SHIPS)
    assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert "the secret detail" in caplog.text


@http_only
def test_a_plugin_that_fails_is_named_and_is_no_fault_of_the_caller(
    api: Api, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise PluginFailed(plugin="zoo", hook="prepare_records", reason="It raised.")

    monkeypatch.setattr(workspace.records, "write", fail)
    body = assert_problem(api.post(SHIPS, {"c_name": "x"}), 500, "plugin_failed")
    assert body["plugin"] == "zoo"


@http_only
def test_a_database_that_is_gone_asks_to_come_back_later(
    api: Api, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise Unavailable(retry_after=2)

    monkeypatch.setattr(workspace.catalogs, "current", fail)
    answer = api.get("/ready")
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"


def test_every_error_of_the_sdk_has_a_row_in_the_table() -> None:
    classes = {
        cls for cls in vars(sdk).values() if isinstance(cls, type) and issubclass(cls, KarvanError)
    } - {KarvanError}
    assert classes <= set(ANSWERS)


def test_a_class_without_a_row_is_answered_as_its_base() -> None:
    class Other(sdk.Conflict):
        code = "other"

    assert problem_reply(Other("x")).status_code == 409


def test_ready_says_the_catalog_version(api: Api, workspace: Workspace) -> None:
    assert api.get("/ready").json == {"status": "ok", "catalog": workspace.catalogs.current().version}


@http_only
def test_settings_limit_the_body(workspace: Workspace, app: Flask) -> None:
    assert app.config["MAX_CONTENT_LENGTH"] == Settings().body_max
