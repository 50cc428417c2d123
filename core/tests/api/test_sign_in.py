"""Who may use the API: bearer tokens, and the session cookie with the page's token."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from karvan.testing import ADMIN_EMAIL, ADMIN_PASSWORD
from karvan.workspace import Workspace

from .fleet import SHIPS, Api, assert_problem, http_only


@pytest.fixture
def browser(app: Flask, workspace: Workspace) -> FlaskClient:
    client = app.test_client()
    client.set_cookie("karvan_session", workspace.actors.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD))
    return client


@http_only
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer kv_wrong", "Basic YTpi", "kv_wrong", "Bearer \x00", "Bearer " + "x" * 5000],
)
def test_nobody_gets_nothing(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = api.http.get(SHIPS, headers=headers)
    assert_problem(answer, 401, "not_signed_in")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@http_only
@pytest.mark.parametrize(
    "path", ["/api/v1/me", "/api/v1/meta/objects", "/api/v1/plugins", "/api/openapi.json"]
)
def test_every_surface_asks_who_it_is(api: Api, path: str) -> None:
    assert_problem(api.http.get(path), 401, "not_signed_in")


def test_me_is_whose_token_it_is(api: Api) -> None:
    me = api.get("/api/v1/me").json["data"]
    assert (me["email"], me["is_admin"]) == (ADMIN_EMAIL, True)


def test_a_revoked_token_ends_at_once(api: Api, workspace: Workspace) -> None:
    api.post_ship()
    assert api.get(f"{SHIPS}/1").status_code == 200
    with workspace.database.write() as transaction:
        transaction.execute("DELETE FROM k_token")
    for answer in (api.get(f"{SHIPS}/1"), api.get(SHIPS), api.post(SHIPS, {"c_name": "B"})):
        assert_problem(answer, 401, "not_signed_in")


def test_somebody_without_rights_sees_nothing_and_changes_nothing(
    api: Api, app: Flask, workspace: Workspace
) -> None:
    api.post_ship()
    other = workspace.actors.create_user("bo@example.com", "Bo", "a good password")
    assert other.id is not None
    guest = Api(http=app.test_client(), token=workspace.actors.create_token(other.id, "tests"))
    assert guest.get(SHIPS).json["data"] == []
    assert_problem(guest.get(f"{SHIPS}/1"), 404, "not_found")
    assert_problem(guest.post(SHIPS, {"c_name": "B"}), 403, "not_allowed")
    assert_problem(guest.post("/api/v1/meta/objects", {"name": "boat"}), 403, "not_allowed")
    assert_problem(guest.post("/api/v1/plugins/crm/enable"), 403, "not_allowed")


def test_a_browser_may_read_with_its_cookie(browser: FlaskClient) -> None:
    assert browser.get(SHIPS).status_code == 200


def test_a_browser_changes_only_with_the_token_of_the_page(browser: FlaskClient) -> None:
    for headers in ({}, {"X-CSRFToken": "wrong"}):
        assert_problem(browser.post(SHIPS, json={"c_name": "A"}, headers=headers), 403, "csrf_failed")
    page = browser.get("/c_ship/new").text
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, page[:2000]
    answer = browser.post(SHIPS, json={"c_name": "A"}, headers={"X-CSRFToken": found[1]})
    assert answer.status_code == 201, answer.text


def test_a_made_up_cookie_is_nobody(api: Api) -> None:
    api.http.set_cookie("karvan_session", "made-up")
    assert_problem(api.http.get(SHIPS), 401, "not_signed_in")
