"""Records over HTTP: shapes of answers, versions and preconditions, bulk, figures, trash."""

from __future__ import annotations

import pytest

from karvan.workspace import Workspace

from .fleet import SHIPS, VOYAGES, Api, assert_problem, http_only


def test_a_new_record_comes_back_with_its_place_and_its_tag(api: Api) -> None:
    made = api.post_ship(c_value="10.5", c_launched="2026-03-31")
    record = made.json["data"]
    assert made.headers["Location"] == f"{SHIPS}/{record['id']}"
    assert made.headers["Content-Type"] == "application/json"
    assert record["c_value"] == "10.50"
    assert record["c_value_currency"] == "EUR"
    read = api.get(made.headers["Location"])
    assert read.headers["ETag"] == made.headers["ETag"]
    assert read.json["data"] == record


def test_a_list_has_pages_a_cursor_and_a_count(api: Api) -> None:
    for number in range(5):
        api.post_ship(c_crew=number)
    first = api.get(f"{SHIPS}?limit=2&sort=-c_crew&fields=c_crew&count=exact").json
    assert [r["c_crew"] for r in first["data"]] == [4, 3]
    assert (first["count"], first["count_kind"]) == (5, "exact")
    second = api.get(f"{SHIPS}?limit=2&sort=-c_crew&fields=c_crew&after={first['next']}").json
    assert [r["c_crew"] for r in second["data"]] == [2, 1]
    assert second["count"] is None
    last = api.get(f"{SHIPS}?limit=2&sort=-c_crew&fields=c_crew&after={second['next']}").json
    assert [r["c_crew"] for r in last["data"]] == [0]
    assert last["next"] is None


def test_a_filter_is_an_expression(api: Api) -> None:
    api.post_ship(c_name="Boreas", c_crew=7)
    api.post_ship(c_name="Aurora", c_crew=3)
    found = api.get(f"{SHIPS}?filter=c_crew%20%3E%205&fields=c_name").json["data"]
    assert [r["c_name"] for r in found] == ["Boreas"]


def test_an_expanded_lookup_has_a_name(api: Api) -> None:
    ship = api.post_ship().json["data"]["id"]
    api.post(VOYAGES, {"c_ship": ship, "c_starts_on": "2026-03-31"})
    (found,) = api.get(f"{VOYAGES}?expand=c_ship,created_by").json["data"]
    assert found["c_ship"] == {"id": ship, "name": "Aurora"}
    assert found["created_by"]["name"] == "Ada Admin"
    related = api.get(f"{SHIPS}/{ship}/related/voyages?fields=c_starts_on").json["data"]
    assert related == [{"id": found["id"], "c_starts_on": "2026-03-31"}]


def test_what_the_client_holds_is_not_sent_again(api: Api) -> None:
    made = api.post_ship()
    tag = made.headers["ETag"]
    for held in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = api.get(f"{SHIPS}/1", headers={"If-None-Match": held})
        assert answer.status_code == 304
        assert answer.data == b""
        assert answer.headers["ETag"] == tag
    assert api.get(f"{SHIPS}/1", headers={"If-None-Match": '"other"'}).status_code == 200


def test_another_selection_has_another_tag(api: Api) -> None:
    tag = api.post_ship().headers["ETag"]
    part = api.get(f"{SHIPS}/1?fields=c_name", headers={"If-None-Match": tag})
    assert part.status_code == 200
    assert part.json == {"data": {"id": 1, "c_name": "Aurora"}}
    assert part.headers["ETag"] != tag
    again = api.get(f"{SHIPS}/1?fields=c_name", headers={"If-None-Match": part.headers["ETag"]})
    assert again.status_code == 304


def test_a_renamed_target_changes_the_tag_of_what_shows_it(api: Api) -> None:
    ship = api.post_ship()
    api.post(VOYAGES, {"c_ship": 1, "c_name": "First"})
    tag = api.get(f"{VOYAGES}/1?expand=c_ship").headers["ETag"]
    api.patch(f"{SHIPS}/1", {"c_name": "Boreas"}, headers={"If-Match": ship.headers["ETag"]})
    answer = api.get(f"{VOYAGES}/1?expand=c_ship", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json["data"]["c_ship"]["name"] == "Boreas"


@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", f"{SHIPS}/1"), ("DELETE", f"{SHIPS}/1"), ("POST", f"{SHIPS}/1/restore")]
)
def test_a_change_without_a_version_is_asked_for_one(api: Api, method: str, path: str) -> None:
    api.post_ship()
    answer = api.send(method, path, json={} if method == "PATCH" else None)
    assert_problem(answer, 428, "version_needed")


def test_a_change_of_what_somebody_else_changed_is_refused(api: Api) -> None:
    old = api.post_ship().headers["ETag"]
    new = api.patch(f"{SHIPS}/1", {"c_crew": 1}, headers={"If-Match": old})
    assert new.status_code == 200
    answer = api.patch(f"{SHIPS}/1", {"c_crew": 2}, headers={"If-Match": old})
    body = assert_problem(answer, 412, "version_mismatch")
    assert body["current_version"] == 2
    assert_problem(api.delete(f"{SHIPS}/1", headers={"If-Match": old}), 412, "version_mismatch")
    assert api.get(f"{SHIPS}/1").json["data"]["c_crew"] == 1


def test_values_that_no_version_would_take_are_said_first(api: Api) -> None:
    api.post_ship()
    answer = api.patch(f"{SHIPS}/1", {"c_crew": "x", "id": 2}, headers={"If-Match": '"7"'})
    assert_problem(answer, 422, "validation_failed", fields=("c_crew", "id"))


@http_only
@pytest.mark.parametrize(
    ("held", "status"),
    [
        ("*", 200), ('"1"', 200), ('"1-999-abc"', 200), ('"7", "1"', 200), ('"7"', 412), ('W/"1"', 412),
        ('"7", "8"', 412), ("nonsense", 400), ('"abc"', 400), ("1", 400),
    ],
)  # fmt: skip
def test_if_match_looks_at_the_version_only(api: Api, held: str, status: int) -> None:
    api.post_ship()
    answer = api.patch(f"{SHIPS}/1", {"c_crew": 1}, headers={"If-Match": held})
    assert answer.status_code == status, answer.text
    if status == 400:
        assert_problem(answer, 400, "bad_query", fields=("If-Match",))


def test_a_field_added_meanwhile_is_no_change_of_the_record(api: Api) -> None:
    tag = api.post_ship().headers["ETag"]
    api.post("/api/v1/meta/objects/c_ship/fields", {"name": "budget", "type": "currency"})
    answer = api.patch(f"{SHIPS}/1", {"c_budget": "5"}, headers={"If-Match": tag})
    assert answer.json["data"]["c_budget"] == "5.00"
    assert answer.headers["ETag"] != tag


def test_a_record_goes_to_the_trash_and_comes_back(api: Api) -> None:
    tag = api.post_ship().headers["ETag"]
    gone = api.delete(f"{SHIPS}/1", headers={"If-Match": tag})
    assert (gone.status_code, gone.data) == (204, b"")
    assert_problem(api.get(f"{SHIPS}/1"), 404, "not_found")
    (deleted,) = api.get("/api/v1/trash/c_ship?fields=version").json["data"]
    assert deleted["deleted_by"] == 1
    back = api.post(f"{SHIPS}/1/restore", headers={"If-Match": f'"{deleted["version"]}"'})
    assert back.status_code == 200
    assert api.get(f"{SHIPS}/1").headers["ETag"] == back.headers["ETag"]
    events = [e["event"] for e in api.get(f"{SHIPS}/1/history").json["data"]]
    assert events == ["restored", "deleted", "created"]


def test_what_is_still_needed_is_not_deleted(api: Api) -> None:
    api.post_ship()
    api.post(VOYAGES, {"c_ship": 1, "c_name": "First"})
    assert_problem(api.delete(f"{SHIPS}/1", headers={"If-Match": "*"}), 409, "in_use")


def test_a_bulk_call_reports_what_it_refused(api: Api) -> None:
    rows = [{"c_name": "A"}, {"c_crew": "x"}, {"c_name": "C", "c_nothing": 1}]
    answer = api.post(f"{SHIPS}/bulk", {"action": "create", "records": rows})
    assert answer.status_code == 200
    assert answer.json["data"]["ids"] == [1, None, None]
    assert (answer.json["data"]["succeeded"], answer.json["data"]["failed"]) == (1, 2)
    assert {(e["index"], e["field"]) for e in answer.json["errors"]} == {
        (1, "c_crew"), (1, "c_name"), (2, "c_nothing"),
    }  # fmt: skip


def test_a_bulk_call_of_all_or_nothing_does_nothing_when_one_is_refused(api: Api) -> None:
    rows = [{"c_name": "A"}, {"c_crew": 1}]
    answer = api.post(f"{SHIPS}/bulk", {"action": "create", "records": rows, "partial": False})
    body = assert_problem(answer, 422, "validation_failed", fields=("c_name",))
    assert body["errors"][0]["index"] == 1
    assert api.get(f"{SHIPS}?count=exact").json["count"] == 0


def test_many_records_are_changed_and_deleted_at_once(api: Api) -> None:
    for _ in range(3):
        api.post_ship()
    rows = [{"id": 1, "c_crew": 1}, {"id": 2, "version": 7, "c_crew": 1}, {"id": 9, "c_crew": 1}]
    changed = api.post(f"{SHIPS}/bulk", {"action": "update", "records": rows}).json
    assert changed["data"]["ids"] == [1, None, None]
    gone = api.post(f"{SHIPS}/bulk", {"action": "delete", "ids": [1, 3, 9]}).json
    assert gone["data"]["ids"] == [1, 3, None]
    assert api.get(f"{SHIPS}?count=exact").json["count"] == 1


@http_only
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ("action",)),
        ({"action": "merge", "records": [{}]}, ("action",)),
        ({"action": "delete", "records": [{}]}, ("ids", "records")),
        ({"action": "create", "ids": [1]}, ("ids", "records")),
        ({"action": "create", "records": [1, {}, "x"]}, ("records[0]", "records[2]")),
        (
            {"action": "delete", "ids": ["1", 0, True], "partial": 1},
            ("ids[0]", "ids[1]", "ids[2]", "partial"),
        ),
        ({"action": "delete", "ids": []}, ("ids",)),
    ],
    ids=["empty", "action", "delete records", "create ids", "no records", "no ids", "none"],
)
def test_the_shape_of_a_bulk_call_is_checked(api: Api, body: object, fields: tuple[str, ...]) -> None:
    assert_problem(api.post(f"{SHIPS}/bulk", body), 422, "validation_failed", fields=fields)


def test_figures_per_group(api: Api) -> None:
    api.post_ship(c_kind="ferry", c_value="1.50", c_launched="2026-01-31")
    api.post_ship(c_kind="ferry", c_value="2.25", c_launched="2026-02-01")
    api.post_ship(c_kind="tanker")
    asked = {"group": ["c_kind"], "measures": [{"fn": "count"}, {"fn": "sum", "field": "c_value"}]}
    assert api.post(f"{SHIPS}/aggregate", asked).json["data"] == [
        {"c_kind": "ferry", "count": 2, "sum_c_value": "3.75"},
        {"c_kind": "tanker", "count": 1, "sum_c_value": None},
    ]
    by_quarter = {"group": ["c_launched:quarter"], "filter": "c_kind = 'ferry'", "tz": "Europe/Moscow"}
    assert api.post(f"{SHIPS}/aggregate", by_quarter).json["data"] == [
        {"c_launched:quarter": "2026-01-01", "count": 2}
    ]
    assert api.post(f"{SHIPS}/aggregate", {}).json["data"] == [{"count": 3}]


def test_history_has_pages(api: Api) -> None:
    api.post_ship()
    for crew in range(4):
        api.patch(f"{SHIPS}/1", {"c_crew": crew}, headers={"If-Match": "*"})
    first = api.get(f"{SHIPS}/1/history?limit=2").json
    assert [e["version"] for e in first["data"]] == [5, 4]
    assert first["data"][0]["changes"]["c_crew"] == {"old": 2, "new": 3}
    assert first["data"][0]["source"] == "api"
    second = api.get(f"{SHIPS}/1/history?limit=9&after={first['next']}").json
    assert [e["version"] for e in second["data"]] == [3, 2, 1]
    assert_problem(api.get(f"{SHIPS}/1/history?after=x"), 400, "bad_query", fields=("after",))


def test_a_head_request_has_the_headers_only(api: Api) -> None:
    api.post_ship()
    answer = api.send("HEAD", f"{SHIPS}/1")
    assert answer.status_code == 200
    assert answer.headers["ETag"]
    assert answer.data == b""


@http_only
def test_the_surface_needs_no_session_cookie(api: Api, workspace: Workspace) -> None:
    assert "Set-Cookie" not in api.get(SHIPS).headers
