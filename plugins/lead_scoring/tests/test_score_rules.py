"""The gate: what is no condition for a score is refused when the rule is saved, in plain words."""

from __future__ import annotations

from typing import Any

import pytest

from karvan.testing import ADMIN_PASSWORD, admin_of, make_client, make_page_client
from karvan_lead_scoring.rules import IDS_MAX, Among
from karvan_sdk import Rejected, ValidationFailed

from .conftest import Desk


def refusal(desk: Desk, condition: str, object: str = "lead") -> Any:
    with pytest.raises(Rejected) as caught:
        desk.rule("r", condition, 5, on_object=object)
    (error,) = caught.value.errors
    assert error.field == "condition"
    return error


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("colour = 1", "There is no field"),
        ('source = "moon"', "is not one of the choices"),
        ("source = ", "is not expected here"),
        ("source", "A condition (yes or no) is needed"),
        ("source = 5", "can't be compared"),
        ("changed(source)", "can't be used"),
        ('lower(company) = "acme"', "can't be used in a filter"),
        ('company = "Acme', "has no closing quote"),
        ('company is empty) or (company = "x"', "is not expected here"),
        ("owner = me()", "me() can't be used in a score rule"),
        ("owner = ME ( )", "me() can't be used in a score rule"),
        ("lead_scoring__score > 5", "can't ask for the score itself"),
        ("{lead_scoring__score} > 5", "can't ask for the score itself"),
    ],
)
def test_a_condition_that_cannot_be_scored_is_refused_with_its_reason(
    desk: Desk, condition: str, part: str
) -> None:
    assert part in refusal(desk, condition).message
    assert desk.all("score_rule") == []


def test_words_in_a_text_are_only_words(desk: Desk) -> None:
    desk.rule("r", 'company contains "me() lead_scoring__score"', 5)
    assert len(desk.all("score_rule")) == 1


def test_a_condition_is_asked_of_the_object_of_its_rule(desk: Desk) -> None:
    assert "There is no field" in refusal(desk, 'rating = "hot"', object="contact").message
    desk.rule("r", 'account.name = "x"', 5, on_object="contact")


def test_a_condition_that_no_batch_can_hold_is_refused(desk: Desk) -> None:
    parts = " or ".join(f"length(title) = {n}" for n in range(75))
    assert len(parts) < 1800
    assert "too long for a score rule" in refusal(desk, parts).message


def test_every_condition_that_passes_the_gate_fits_into_a_batch(desk: Desk) -> None:
    parts = " or ".join(f"title = {n!r}" for n in map(str, range(50)))
    desk.rule("r", parts, 5)
    longest = Among.ids(range(10**9, 10**9 + IDS_MAX)).and_meeting(parts)
    assert desk.all("lead", longest) == []


@pytest.mark.parametrize("points", [-101, 101, None, "many", 2.5])
def test_points_out_of_reach_are_refused(desk: Desk, points: Any) -> None:
    with pytest.raises(ValidationFailed, match="points"):
        desk.rule("r", "company is not empty", points)


def test_all_refused_rules_of_a_batch_are_named(desk: Desk) -> None:
    rows = [
        {"name": "a", "condition": "colour = 1", "points": 1},
        {"name": "b", "condition": "company is not empty", "points": 1},
        {"name": "c", "condition": "owner = me()", "points": 1},
    ]
    with desk.workspace.records.write(admin_of(desk.workspace)) as writer:
        found = writer.create_many("score_rule", rows)
    assert [(e.index, e.field) for e in found.errors] == [(0, "condition"), (2, "condition")]
    assert [row["name"] for row in desk.all("score_rule")] == ["b"]


def test_the_refusal_is_a_422_with_the_place_it_blames(desk: Desk) -> None:
    body = {"name": "r", "condition": "colour = 1", "points": 5}
    answer = make_client(desk.workspace).post("/api/v1/records/score_rule", json=body)
    assert answer.status_code == 422
    (error,) = answer.get_json()["errors"]
    assert (error["field"], error["code"]) == ("condition", "unknown_field")


def test_the_refusal_speaks_the_language_of_the_page(desk: Desk) -> None:
    desk.workspace.actors.create_user("r@example.com", "R", ADMIN_PASSWORD, is_admin=True, language="ru")
    client = make_page_client(desk.workspace, desk.workspace.actors.by_email("r@example.com"))
    data = {"name": "r", "on_object": "lead", "condition": "owner = me()", "points": "5"}
    page = client.post("/score_rule/new", data=data)
    assert page.status_code == 422
    assert "нельзя использовать в правиле баллов" in page.get_data(as_text=True)


def test_a_rule_that_broke_can_be_renamed_and_switched_off_but_not_on_again(desk: Desk) -> None:
    id = desk.broken_rule()
    desk.change("score_rule", id, name="other", points=6, active=False)
    with pytest.raises(Rejected, match="There is no field"):
        desk.change("score_rule", id, active=True)
    desk.change("score_rule", id, active=True, condition="company is not empty")
