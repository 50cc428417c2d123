"""Runs go piece by piece, survive every interruption, and never leave an old score behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from karvan.testing import admin_of
from karvan.worker import deliver
from karvan_lead_scoring import rescoring, rules, runs
from karvan_lead_scoring.rules import PIECE
from karvan_sdk import TryLater

from .conftest import Counting, Desk

COMPANY = "company is not empty"
MANY = 2 * PIECE + 50


@pytest.fixture
def crowd(desk: Desk) -> Desk:
    """Leads for three pieces, every other one with a company; not scored."""
    leads = [{"name": f"L{n}", "company": "E" if n % 2 else None} for n in range(MANY)]
    desk.add_many("lead", leads)
    desk.settle()
    return desk


def right(points: int) -> list[int]:
    return [points if n % 2 else 0 for n in range(MANY)]


def latest(desk: Desk) -> dict[str, Any]:
    return desk.all("scoring_run")[-1]


def test_a_run_goes_through_all_pieces_and_tells_what_it_did(crowd: Desk) -> None:
    crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    assert crowd.scores() == right(40)
    run = latest(crowd)
    assert (run["state"], run["reason"], run["scored"], run["changed"]) == ("done", "rules", MANY, MANY)
    assert run["name"] == "Leads"
    assert run["done_at"] >= run["started_at"]


def test_a_run_lets_others_work_in_between(crowd: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "STATEMENTS_PER_CALL", 1)
    told: list[str] = []
    later = crowd.workspace.deliveries.later

    def noting(batch: Any, seconds: float) -> None:
        told.append(batch.object)
        later(batch, seconds)

    monkeypatch.setattr(crowd.workspace.deliveries, "later", noting)
    crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    assert len(told) == 2  # three pieces, one per call
    assert crowd.scores() == right(40)
    assert latest(crowd)["scored"] == MANY


def test_a_run_goes_on_where_it_was_interrupted(crowd: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[int] = []
    score_after = rescoring.score_after

    def dying(ctx: Any, object: str, after: int, note: Any) -> Any:
        places.append(after)
        if len(places) == 2:
            raise RuntimeError("The lights went out.")
        return score_after(ctx, object, after, note)

    monkeypatch.setattr(runs, "score_after", dying)
    crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    assert sum(score is not None for score in crowd.scores()) == PIECE
    assert latest(crowd)["state"] == "running"
    crowd.settle_retries()
    assert places[1] == places[2] > places[0]  # no piece twice
    assert crowd.scores() == right(40)
    assert (latest(crowd)["scored"], latest(crowd)["changed"]) == (MANY, MANY)
    assert crowd.waiting() == 0


def test_a_piece_that_fails_in_the_middle_leaves_nothing(
    crowd: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(run: Any, outcome: Any) -> Any:
        raise RuntimeError("The lights went out.")

    with monkeypatch.context() as patch:
        patch.setattr(runs, "_moved", failing)
        crowd.rule("Company", COMPANY, 40)
        crowd.settle()
    assert set(crowd.scores()) == {None}
    crowd.settle_retries()
    assert crowd.scores() == right(40)


def test_two_changes_of_rules_in_a_row_end_with_the_right_scores(
    crowd: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    monkeypatch.setattr(runs, "STATEMENTS_PER_CALL", 1)
    crowd.change("score_rule", rule, points=50)
    while latest(crowd)["scored"] != PIECE:  # the first run is in the middle …
        assert deliver(crowd.workspace)
    first = latest(crowd)
    crowd.change("score_rule", rule, points=60)  # … when the rule changes again
    crowd.settle()
    assert crowd.scores() == right(60)
    assert crowd.get("scoring_run", first["id"])["state"] == "stopped"
    assert latest(crowd)["state"] == "done"


def test_an_interruption_between_two_changes_is_no_matter(
    crowd: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    score_after = rescoring.score_after

    def dying(ctx: Any, object: str, after: int, note: Any) -> Any:
        calls.append(after)
        if len(calls) in (2, 4):
            raise RuntimeError("The lights went out.")
        return score_after(ctx, object, after, note)

    monkeypatch.setattr(runs, "score_after", dying)
    rule = crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    crowd.change("score_rule", rule, points=60)
    crowd.settle()
    crowd.settle_retries()
    crowd.settle_retries()
    assert crowd.scores() == right(60)
    assert crowd.waiting() == 0


def test_a_rule_event_that_is_told_twice_does_no_harm(crowd: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    done = crowd.workspace.deliveries.done

    def dying(batch: Any) -> None:
        if batch.object and batch.events[0].object == "score_rule":
            monkeypatch.setattr(crowd.workspace.deliveries, "done", done)
            crowd.workspace.deliveries.later(batch, 0)  # it was told, and nobody noted that
            return
        done(batch)

    monkeypatch.setattr(crowd.workspace.deliveries, "done", dying)
    crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    assert crowd.scores() == right(40)
    assert [run["reason"] for run in crowd.all("scoring_run")][-2:] == ["rules", "rules"]


def test_a_run_that_is_deleted_ends(crowd: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "STATEMENTS_PER_CALL", 1)
    crowd.rule("Company", COMPANY, 40)
    while latest(crowd)["scored"] != PIECE:
        assert deliver(crowd.workspace)
    crowd.remove("scoring_run", latest(crowd)["id"])
    crowd.settle()
    assert sum(score is not None for score in crowd.scores()) == PIECE
    assert crowd.waiting() == 0


def test_whoever_makes_a_run_gets_it_carried_out(crowd: Desk) -> None:
    crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    id = crowd.add("scoring_run", on_object="lead")
    one = crowd.add("scoring_run", on_object="lead", record_id=crowd.all("lead")[0]["id"])
    crowd.settle()
    found = crowd.get("scoring_run", id)
    assert (found["state"], found["reason"], found["scored"], found["changed"]) == ("done", "asked", MANY, 0)
    assert (crowd.get("scoring_run", one)["state"], crowd.get("scoring_run", one)["scored"]) == ("done", 1)
    assert crowd.get("scoring_run", one)["name"].startswith("Leads: number ")


def test_a_run_for_a_record_that_is_gone_ends(desk: Desk) -> None:
    id = desk.add("scoring_run", on_object="lead", record_id=999)
    desk.settle()
    assert (desk.get("scoring_run", id)["state"], desk.get("scoring_run", id)["scored"]) == ("done", 0)


def test_two_workers_share_a_run(crowd: Desk) -> None:
    crowd.rule("Company", COMPANY, 40)
    (run,) = runs.run_all(crowd.context(), ["lead"], "asked")
    ready = Barrier(2)

    def work() -> None:
        ready.wait()
        runs.carry_out(crowd.context(), run)

    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(work), pool.submit(work)]:
            ended.result()
    assert crowd.scores() == right(40)
    found = crowd.get("scoring_run", run)
    assert (found["state"], found["scored"], found["changed"]) == ("done", MANY, MANY)


# -- somebody else is faster -------------------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Does something once, between the moment when rules are asked and the moment when scores are written."""

    def set_up(act: Callable[[], Any]) -> None:
        ask = rules.ask_rules
        acts = [act]

        def interrupted(*arguments: Any) -> Any:
            found = ask(*arguments)
            while acts:
                acts.pop()()
            return found

        monkeypatch.setattr(rescoring, "ask_rules", interrupted)

    return set_up


def test_a_piece_that_another_worker_did_meanwhile_is_not_done_twice(crowd: Desk, meanwhile: Any) -> None:
    crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    ctx = crowd.context()
    (run,) = runs.run_all(ctx, ["lead"], "asked")  # nothing will change: only the run tells of the other
    meanwhile(lambda: runs.next_piece(ctx, run))
    with pytest.raises(rescoring.Outrun):
        runs.next_piece(ctx, run)
    assert crowd.get("scoring_run", run)["scored"] == PIECE
    runs.carry_out(ctx, run)
    assert crowd.get("scoring_run", run)["scored"] == MANY


def test_a_record_changed_meanwhile_is_read_again(desk: Desk, meanwhile: Any) -> None:
    desk.rule("Company", COMPANY, 40)
    desk.settle()
    id, other = desk.add_many("lead", [{"name": "A", "company": "E"}, {"name": "B", "company": "E"}])
    meanwhile(lambda: desk.change("lead", id, company=None))
    rescoring.rescore_ids(desk.context(), "lead", [id, other])
    assert (desk.score(id), desk.score(other)) == (0, 40)


def test_a_record_deleted_meanwhile_is_left_out(desk: Desk, meanwhile: Any) -> None:
    desk.rule("Company", COMPANY, 40)
    desk.settle()
    ids = desk.add_many("lead", [{"name": "A", "company": "E"}, {"name": "B", "company": "E"}])
    meanwhile(lambda: desk.remove("lead", ids[0]))
    rescoring.rescore_ids(desk.context(), "lead", ids)
    assert desk.score(ids[1]) == 40


def test_the_only_record_deleted_meanwhile_is_no_trouble(desk: Desk, meanwhile: Any) -> None:
    desk.rule("Company", COMPANY, 40)
    desk.settle()
    id = desk.add("lead", name="A", company="E")
    meanwhile(lambda: desk.remove("lead", id))
    rescoring.rescore_ids(desk.context(), "lead", [id])
    assert desk.all("lead") == []


@pytest.mark.parametrize("act", ["change", "remove", "add"])
def test_a_rule_changed_meanwhile_is_read_again(desk: Desk, meanwhile: Any, act: str) -> None:
    rule = desk.rule("Company", COMPANY, 40)
    desk.settle()
    id = desk.add("lead", name="A", company="E")
    acts: dict[str, tuple[Callable[[], Any], int | None]] = {
        "change": (lambda: desk.change("score_rule", rule, points=70), 70),
        "remove": (lambda: desk.remove("score_rule", rule), None),
        "add": (lambda: desk.rule("Named", "name is not empty", 5), 45),
    }
    doing, score = acts[act]
    meanwhile(doing)
    rescoring.rescore_ids(desk.context(), "lead", [id])
    assert desk.score(id) == score


def test_who_is_outrun_again_and_again_comes_back_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    id = desk.add("lead", name="A")
    desk.settle()
    tries: list[int] = []

    def outrun(*_: Any) -> Any:
        tries.append(1)
        raise rescoring.Outrun

    monkeypatch.setattr(rescoring, "score_ids", outrun)
    with pytest.raises(TryLater):
        rescoring.rescore_ids(desk.context(), "lead", [id])
    assert len(tries) == rescoring.ATTEMPTS


# -- somebody else refuses ---------------------------------------------------------------------------------


def test_a_record_that_may_not_be_saved_does_not_stop_the_others(crowd: Desk) -> None:
    refused = crowd.all("lead")[1]["id"]
    rule = {"name": "no_l1", "condition": 'name != "L1"', "message": "Not this one."}
    crowd.workspace.schema.update_object(admin_of(crowd.workspace), "lead", {"rules": [rule]})
    crowd.rule("Company", COMPANY, 40)
    crowd.settle()
    expected: list[int | None] = [*right(40)]
    expected[1] = None
    assert crowd.scores() == expected
    run = latest(crowd)
    assert (run["state"], run["scored"], run["changed"], run["refused"]) == ("done", MANY, MANY - 1, 1)
    assert crowd.score(refused) is None


# -- what it costs -----------------------------------------------------------------------------------------


def test_a_piece_asks_as_much_for_many_leads_as_for_few(desk: Desk, statements: Counting) -> None:
    for n in range(5):
        desk.rule(f"R{n}", f'company = "E{n}"', 10)
    desk.settle()

    def cost(size: int) -> int:
        ids = desk.add_many("lead", [{"name": f"L{n}", "company": f"E{n % 9}"} for n in range(size)])
        with statements() as asked:
            run = runs.run_all(desk.context(), ["lead"], "asked")
            runs.carry_out(desk.context(), *run)
        assert desk.scores() == [10 if n % 9 < 5 else 0 for n in range(size)]
        with desk.workspace.records.write(admin_of(desk.workspace)) as writer:
            writer.delete_many("lead", ids)
        desk.settle()
        return len(asked)

    cost(5)  # what is only read once is known from here on
    assert cost(12) == cost(150)


def test_a_batch_of_events_asks_as_much_for_many_leads_as_for_few(desk: Desk, statements: Counting) -> None:
    for n in range(5):
        desk.rule(f"R{n}", f'company = "E{n}"', 10)
    desk.settle()

    def cost(size: int) -> int:
        ids = desk.add_many("lead", [{"name": f"L{n}", "company": f"E{n % 9}"} for n in range(size)])
        with statements() as asked:
            rescoring.rescore_ids(desk.context(), "lead", ids)
        assert {desk.score(id) for id in ids} == {10, 0}
        return len(asked)

    cost(9)  # what is only read once is known from here on
    assert cost(10) == cost(100)


def test_a_thousand_leads_are_scored_with_a_bounded_number_of_statements(
    desk: Desk, statements: Counting
) -> None:
    rules, leads = 6, 1000
    for n in range(rules):
        desk.rule(f"R{n}", f'company = "E{n}"', 10 + n)
    desk.add_many("lead", [{"name": f"L{n}", "company": f"E{n % 8}"} for n in range(leads)])
    with statements() as asked:
        (run,) = runs.run_all(desk.context(), ["lead"], "asked")
        runs.carry_out(desk.context(), run)
    pieces = leads // PIECE + 1
    assert desk.get("scoring_run", run)["changed"] == leads
    assert desk.scores() == [10 + n % 8 if n % 8 < rules else 0 for n in range(leads)]
    assert len(asked) <= pieces * (rules + 30), len(asked)
