"""A call with an Idempotency-Key takes effect once, however often and from wherever it is sent."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from karvan.metadata.kinds import moment_text
from karvan.workspace import Workspace

from .fleet import SHIPS, Api, assert_problem, http_only

KEY = {"Idempotency-Key": "one"}


def count_ships(api: Api) -> int:
    count: int = api.get(f"{SHIPS}?count=exact").json["count"]
    return count


def same(first: TestResponse, second: TestResponse) -> bool:
    kept = ("ETag", "Location", "Content-Type")
    return (
        first.status_code == second.status_code
        and first.data == second.data
        and [first.headers.get(n) for n in kept] == [second.headers.get(n) for n in kept]
    )


def test_a_repeated_create_gives_the_first_answer_again(api: Api) -> None:
    first = api.post(SHIPS, {"c_name": "A"}, headers=KEY)
    api.patch(f"{SHIPS}/1", {"c_crew": 1}, headers={"If-Match": "*"})
    second = api.post(SHIPS, {"c_name": "A"}, headers=KEY)
    assert same(first, second)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert count_ships(api) == 1


def test_a_repeated_change_is_not_a_conflict_with_itself(api: Api) -> None:
    tag = api.post_ship().headers["ETag"]
    headers = {**KEY, "If-Match": tag}
    first = api.patch(f"{SHIPS}/1", {"c_crew": 5}, headers=headers)
    assert same(first, api.patch(f"{SHIPS}/1", {"c_crew": 5}, headers=headers))
    assert api.get(f"{SHIPS}/1").json["data"]["version"] == 2


def test_a_repeated_delete_is_answered_as_the_first(api: Api) -> None:
    tag = api.post_ship().headers["ETag"]
    headers = {**KEY, "If-Match": tag}
    first = api.delete(f"{SHIPS}/1", headers=headers)
    assert (first.status_code, first.data) == (204, b"")
    assert same(first, api.delete(f"{SHIPS}/1", headers=headers))


def test_a_repeated_bulk_call_takes_effect_once(api: Api) -> None:
    body = {"action": "create", "records": [{"c_name": "A"}, {"c_crew": "x"}]}
    first = api.post(f"{SHIPS}/bulk", body, headers=KEY)
    assert same(first, api.post(f"{SHIPS}/bulk", body, headers=KEY))
    assert count_ships(api) == 1


def test_the_same_key_for_another_request_is_refused(api: Api) -> None:
    api.post(SHIPS, {"c_name": "A"}, headers=KEY)
    assert_problem(api.post(SHIPS, {"c_name": "B"}, headers=KEY), 422, "idempotency_mismatch")
    other = api.post("/api/v1/records/c_voyage", {"c_name": "A"}, headers=KEY)
    assert_problem(other, 422, "idempotency_mismatch")


def test_keys_of_two_people_have_nothing_to_do_with_each_other(
    api: Api, app: Flask, workspace: Workspace
) -> None:
    other = workspace.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=True)
    assert other.id is not None
    second = Api(http=app.test_client(), token=workspace.actors.create_token(other.id, "tests"))
    api.post(SHIPS, {"c_name": "A"}, headers=KEY)
    assert second.post(SHIPS, {"c_name": "B"}, headers=KEY).status_code == 201


def test_a_refused_call_may_be_sent_again_with_its_key(api: Api) -> None:
    assert_problem(api.post(SHIPS, {}, headers=KEY), 422, "validation_failed", fields=("c_name",))
    assert api.post(SHIPS, {"c_name": "A"}, headers=KEY).status_code == 201


@http_only
@pytest.mark.parametrize("key", ["", "x" * 201, "ключ", "a b\tc"])
def test_a_key_that_can_not_be_used_is_named(api: Api, key: str) -> None:
    answer = api.post(SHIPS, {"c_name": "A"}, headers={"Idempotency-Key": key})
    assert_problem(answer, 400, "bad_query", fields=("Idempotency-Key",))


def test_a_key_is_free_again_after_a_day(api: Api, workspace: Workspace) -> None:
    api.post(SHIPS, {"c_name": "A"}, headers=KEY)
    old: Any = datetime.now(UTC) - timedelta(hours=25)
    with workspace.database.write() as transaction:
        at = moment_text(old) if transaction.dialect == "sqlite" else old
        transaction.execute("UPDATE k_idempotency SET created_at = ?", (at,))
    assert api.post(SHIPS, {"c_name": "B"}, headers=KEY).status_code == 201
    assert count_ships(api) == 2


def test_old_rows_are_swept_away(api: Api, workspace: Workspace) -> None:
    old: Any = datetime.now(UTC) - timedelta(hours=25)
    with workspace.database.write() as transaction:
        at = moment_text(old) if transaction.dialect == "sqlite" else old
        for number in range(3):
            transaction.execute(
                "INSERT INTO k_idempotency (actor_id, key, request_hash, status, body, headers, created_at)"
                " VALUES (1, ?, 'x', 200, '', '[]', ?)",
                (f"old {number}", at),
            )
    for number in range(200):  # a call in 32 sweeps; which ones depends on what is sent
        api.post(SHIPS, {"c_name": str(number)}, headers={"Idempotency-Key": f"new-{number}"})
        with workspace.database.read() as connection:
            if connection.fetchone("SELECT count(*) FROM k_idempotency WHERE request_hash = 'x'") == (0,):
                return
    pytest.fail("no call in 200 swept")


def test_of_many_calls_at_once_one_takes_effect(api: Api, app: Flask) -> None:
    answers: list[TestResponse] = []
    ready = threading.Barrier(6)

    def send() -> None:
        client = Api(http=app.test_client(), token=api.token)
        ready.wait()
        answers.append(client.post(SHIPS, {"c_name": "A"}, headers=KEY))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [201] * 6, [a.text for a in answers]
    assert len({a.data for a in answers}) == 1
    assert count_ships(api) == 1
