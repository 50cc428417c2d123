"""Scores follow every change, of records as of rules, on both engines."""

from __future__ import annotations

import logging
from datetime import date

import pytest

from karvan.plugins.context import PluginContext
from karvan.testing import admin_of, set_settings
from karvan_crm.demo import make_demo
from karvan_lead_scoring import starter
from karvan_lead_scoring.rescoring import rescore_ids
from karvan_sdk import HookContext, ValidationFailed

from .conftest import Desk

COMPANY = "company is not empty"


# -- records change ----------------------------------------------------------------------------------------


def test_a_new_lead_gets_score_grade_and_reasons(desk: Desk) -> None:
    desk.rule("Company", COMPANY, 40, position=2)
    desk.rule("Hot", 'rating = "hot"', 20, position=1)
    desk.rule("Cold", 'rating = "cold"', -50)
    desk.settle()
    id = desk.add("lead", name="Ada", company="Engines", rating="hot")
    desk.settle()
    assert desk.shown(id) == (60, "B", [("Hot", 20), ("Company", 40)])


def test_a_changed_lead_is_scored_anew(desk: Desk) -> None:
    desk.rule("Company", COMPANY, 40)
    id = desk.add("lead", name="Ada", company="Engines")
    desk.settle()
    desk.change("lead", id, company=None)
    desk.settle()
    assert desk.shown(id) == (0, "D", [])


def test_a_restored_lead_is_scored_by_the_rules_of_now(desk: Desk) -> None:
    rule = desk.rule("Company", COMPANY, 40)
    id = desk.add("lead", name="Ada", company="Engines")
    desk.settle()
    desk.remove("lead", id)
    desk.change("score_rule", rule, points=30)
    desk.settle()
    desk.restore("lead", id)
    desk.settle()
    assert desk.score(id) == 30


def test_a_lead_that_is_gone_before_the_worker_comes_holds_nothing_up(desk: Desk) -> None:
    desk.rule("Company", COMPANY, 40)
    gone, stays = desk.add("lead", name="A", company="E"), desk.add("lead", name="B", company="E")
    desk.remove("lead", gone)
    desk.settle()
    assert desk.score(stays) == 40
    assert desk.waiting() == 0


def test_the_plugins_own_changes_are_not_scored_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.rule("Company", COMPANY, 40)
    desk.settle()
    asked: list[list[int]] = []

    def noting(ctx: HookContext, object: str, ids: list[int]) -> None:
        asked.append(ids)
        rescore_ids(ctx, object, ids)

    monkeypatch.setattr("karvan_lead_scoring.plugin.rescore_ids", noting)
    id = desk.add("lead", name="Ada", company="Engines")
    desk.settle()
    desk.change("lead", id, company=None)
    desk.settle()
    assert asked == [[id], [id]]
    assert desk.get("lead", id)["version"] == 4  # made, scored, changed, scored


def test_a_change_that_moves_no_score_writes_nothing(desk: Desk) -> None:
    desk.rule("Company", COMPANY, 40)
    id = desk.add("lead", name="Ada", company="Engines")
    desk.settle()
    desk.change("lead", id, title="CEO")
    version = desk.get("lead", id)["version"]
    desk.settle()
    assert desk.get("lead", id)["version"] == version


def test_contacts_are_scored_through_their_lookups(desk: Desk) -> None:
    desk.rule("Bank", 'account.name contains "bank"', 35, on_object="contact")
    account = desk.add("account", name="Shahin Bank")
    banker, other = desk.add("contact", name="A", account=account), desk.add("contact", name="B")
    desk.settle()
    assert desk.shown(banker, "contact") == (35, "C", [("Bank", 35)])
    assert desk.shown(other, "contact") == (0, "D", [])


def test_an_object_without_rules_has_no_scores(desk: Desk) -> None:
    rule = desk.rule("Company", COMPANY, 40)
    contact, lead = desk.add("contact", name="A"), desk.add("lead", name="B", company="E")
    desk.settle()
    assert desk.shown(contact, "contact") == (None, None, [])
    assert desk.score(lead) == 40
    desk.remove("score_rule", rule)
    desk.settle()
    assert desk.shown(lead) == (None, None, [])


def test_a_score_changed_by_hand_is_refused(desk: Desk) -> None:
    id = desk.add("lead", name="Ada")
    with pytest.raises(ValidationFailed, match="can't be written"):
        desk.change("lead", id, lead_scoring__score=100)


# -- rules change ------------------------------------------------------------------------------------------


def test_every_change_of_a_rule_reaches_every_lead(desk: Desk) -> None:
    with_company = desk.add("lead", name="A", company="E")
    desk.add("lead", name="B")
    rule = desk.rule("Company", COMPANY, 40)
    desk.settle()
    assert desk.scores() == [40, 0]
    desk.change("score_rule", rule, points=55)
    desk.settle()
    assert desk.scores() == [55, 0]
    desk.change("score_rule", rule, condition="company is empty")
    desk.settle()
    assert desk.scores() == [0, 55]
    desk.change("score_rule", rule, name="No company")
    desk.settle()
    assert desk.shown(with_company + 1)[2] == [("No company", 55)]
    desk.change("score_rule", rule, active=False)
    desk.settle()
    assert desk.scores() == [None, None]
    desk.change("score_rule", rule, active=True)
    desk.settle()
    assert desk.scores() == [0, 55]
    desk.remove("score_rule", rule)
    desk.settle()
    assert desk.scores() == [None, None]
    desk.restore("score_rule", rule)
    desk.settle()
    assert desk.scores() == [0, 55]


def test_a_rule_that_moves_to_another_object_changes_both(desk: Desk) -> None:
    lead, contact = desk.add("lead", name="A"), desk.add("contact", name="B")
    rule = desk.rule("Named", "name is not empty", 30)
    desk.settle()
    assert (desk.score(lead), desk.score(contact, "contact")) == (30, None)
    desk.change("score_rule", rule, on_object="contact")
    desk.settle()
    assert (desk.score(lead), desk.score(contact, "contact")) == (None, 30)


def test_a_change_of_lead_rules_leaves_contacts_alone(desk: Desk) -> None:
    before = len(desk.all("scoring_run"))
    desk.rule("Company", COMPANY, 40)
    desk.settle()
    assert [run["on_object"] for run in desk.all("scoring_run")[before:]] == ["lead"]


def test_a_broken_rule_is_left_out_named_and_comes_back(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.rule("Company", COMPANY, 40)
    lead = desk.add("lead", name="A", company="E")
    with caplog.at_level(logging.WARNING, "karvan.plugin.lead_scoring"):
        id = desk.broken_rule()
        desk.settle()
    assert desk.shown(lead) == (40, "C", [("Company", 40)])
    assert "c_budget" in desk.get("score_rule", id)["problem"]
    assert [r.message for r in caplog.records if "left out" in r.message] == [
        f"Score rule {id} 'Has a budget' is left out: {desk.get('score_rule', id)['problem']}"
    ]
    assert desk.all("scoring_run")[-1]["broken"] == 1
    desk.change("score_rule", id, condition="name is not empty")
    desk.settle()
    assert desk.get("score_rule", id)["problem"] is None
    assert desk.score(lead) == 80


# -- the settings ------------------------------------------------------------------------------------------


def test_settings_hold_for_the_next_scoring(desk: Desk) -> None:
    desk.rule("Company", COMPANY, 60)
    desk.rule("Hot", 'rating = "hot"', 60)
    id = desk.add("lead", name="A", company="E", rating="hot")
    desk.settle()
    assert desk.shown(id)[:2] == (100, "A")
    set_settings(desk.workspace, "lead_scoring", {"maximum": 110, "grade_a": 115})
    desk.change("lead", id, title="CEO")
    desk.settle()
    assert desk.shown(id)[:2] == (110, "B")


# -- the beginning -----------------------------------------------------------------------------------------


def test_a_fresh_workspace_gets_rules_that_tell_leads_apart(started: Desk) -> None:
    rules = started.all("score_rule")
    assert len(rules) == 14
    assert all(rule["active"] and rule["on_object"] == "lead" for rule in rules)
    best = started.add(
        "lead", name="A", company="E", title="Managing Director", rating="hot", source="referral",
        email="a@e.example", phone="+4930123456", status="qualified", description="Needs 40 seats.",
    )  # fmt: skip
    worst = started.add("lead", name="B", email="b@gmail.com", status="unqualified")
    some = started.add("lead", name="C", company="E", email="c@e.example", phone="+4930123457", rating="warm")
    started.settle()
    assert started.shown(best)[:2] == (100, "A")
    assert started.shown(worst)[:2] == (0, "D")
    assert started.shown(some)[:2] == (30, "C")


def test_starter_rules_are_named_in_the_language_of_the_workspace(
    started: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PluginContext, "language", "fa")
    assert starter.starters(started.context())[0].name == "شرکت معلوم است"


def test_being_enabled_twice_makes_no_rule_twice(started: Desk) -> None:
    before = started.all("score_rule")
    started.workspace.plugins.disable(admin := admin_of(started.workspace), "lead_scoring")
    started.workspace.plugins.enable(admin, "lead_scoring")
    started.settle()
    assert started.all("score_rule") == before


def test_who_threw_all_rules_away_does_not_get_them_back(desk: Desk) -> None:
    desk.workspace.plugins.disable(admin := admin_of(desk.workspace), "lead_scoring")
    desk.workspace.plugins.enable(admin, "lead_scoring")
    desk.settle()
    assert desk.all("score_rule") == []


def test_what_happened_while_the_plugin_was_off_is_made_good(desk: Desk) -> None:
    desk.rule("Company", COMPANY, 40)
    desk.settle()
    desk.workspace.plugins.disable(admin := admin_of(desk.workspace), "lead_scoring")
    id = desk.add("lead", name="A", company="E")
    desk.settle()
    desk.workspace.plugins.enable(admin, "lead_scoring")
    desk.settle()
    assert desk.score(id) == 40


def test_a_starter_rule_that_no_longer_fits_the_workspace_is_left_out(
    started: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = started.context()
    fitting = starter.starters(ctx)
    odd = starter.Starter(name="odd", condition='rating = "tepid"', points=5)
    assert [starter._works(ctx, s) for s in (*fitting, odd)] == [True] * len(fitting) + [False]


@pytest.mark.parametrize("seed", [1, 7])
def test_the_leads_of_a_demo_get_visibly_different_scores(started: Desk, seed: int) -> None:
    batches = make_demo(size=1000, seed=seed, today=date(2026, 3, 15))
    started.add_many("lead", [dict(r) for b in batches if b.object == "lead" for r in b.records])
    started.settle()
    grades = [lead["lead_scoring__grade"] for lead in started.all("lead")]
    assert len(grades) == 100
    assert [grade for grade in "ABCD" if grades.count(grade) < 5] == [], grades
    assert len(set(started.scores())) >= 12
