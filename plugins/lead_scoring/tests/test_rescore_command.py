"""`karvan x lead_scoring rescore` brings all scores up to date and says what it did."""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner

from karvan.cli import main
from karvan.testing import set_settings
from karvan_lead_scoring import commands, runs

from .conftest import Desk


def rescore(desk: Desk, *arguments: str) -> Any:
    settings = desk.workspace.settings
    url = ["--database-url", settings.url] if settings.database_url else []
    place = ["--home", str(settings.home), *url]
    return CliRunner().invoke(main, [*place, "x", "lead_scoring", "rescore", *arguments])


def test_it_tells_how_many_were_scored_and_changed(desk: Desk) -> None:
    desk.rule("Company", "company is not empty", 60)
    desk.add_many("lead", [{"name": f"L{n}", "company": "E"} for n in range(5)])
    desk.add("lead", name="M")
    desk.add("contact", name="C")
    desk.settle()
    set_settings(desk.workspace, "lead_scoring", {"maximum": 40})
    answer = rescore(desk)
    assert (answer.exit_code, answer.output) == (
        0,
        "Leads: 6 scored, 5 changed.\nContacts: 0 scored, 0 changed.\n",
    )
    assert desk.scores() == [40] * 5 + [0]
    assert rescore(desk, "--object", "lead").output == "Leads: 6 scored, 0 changed.\n"
    desk.settle()  # the worker hears of the runs, too, and finds nothing to do
    assert [run["scored"] for run in desk.all("scoring_run")][-3:] == [6, 0, 6]


def test_it_names_the_rules_that_were_left_out(desk: Desk) -> None:
    desk.add("lead", name="M")
    rule = desk.broken_rule()
    answer = rescore(desk, "--object", "lead")
    assert answer.exit_code == 0
    assert f"Rule {rule} “Has a budget” was left out: There is no field" in answer.stderr


def test_an_unknown_object_is_refused(desk: Desk) -> None:
    answer = rescore(desk, "--object", "deal")
    assert answer.exit_code == 2
    assert "'deal' is not one of 'lead', 'contact'" in answer.stderr


def test_it_helps_the_newer_run_that_took_over(desk: Desk, monkeypatch: Any) -> None:
    rule = desk.rule("Company", "company is not empty", 60)
    desk.add("lead", name="L", company="E")
    desk.settle()
    ctx = desk.context()
    (mine,) = runs.run_all(ctx, ["lead"], "asked")
    monkeypatch.setattr(commands, "run_all", lambda *_: [mine])
    desk.change("score_rule", rule, points=70)
    (newer,) = runs.run_all(ctx, ["lead"], "rules")
    run = commands._to_the_end(ctx, "lead")
    assert run is not None
    assert (run["id"], run["state"]) == (newer, "done")
    assert desk.scores() == [70]
