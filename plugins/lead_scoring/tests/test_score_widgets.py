"""What people see: why a record scores, the best leads, a button that works; in every language."""

from __future__ import annotations

import re
from typing import Any

import pytest

from karvan.testing import ADMIN_PASSWORD, make_page_client, set_settings

from .conftest import Desk

HOME = "/_w?slot=dashboard.grid"


def side(client: Any, object: str, id: int) -> str:
    answer = client.get(f"/_w?slot=record.side&object={object}&id={id}")
    assert answer.status_code == 200
    html: str = answer.get_data(as_text=True)
    assert "could not be shown" not in html
    return html


def home(client: Any) -> str:
    answer = client.get(HOME)
    assert answer.status_code == 200
    html: str = answer.get_data(as_text=True)
    assert "could not be shown" not in html
    return html


def person(desk: Desk, language: str) -> Any:
    desk.workspace.actors.create_user("r@example.com", "R", ADMIN_PASSWORD, is_admin=True, language=language)
    return make_page_client(desk.workspace, desk.workspace.actors.by_email("r@example.com"))


def test_the_reasons_stand_beside_a_lead_and_lead_to_their_rules(desk: Desk) -> None:
    company = desk.rule("Company is <known>", "company is not empty", 60, position=1)
    desk.rule("Cold", 'rating = "cold"', -10, position=2)
    id = desk.add("lead", name="A", company="E", rating="cold")
    desk.settle()
    html = side(make_page_client(desk.workspace), "lead", id)
    assert f'href="/score_rule/{company}"' in html
    assert "Company is &lt;known&gt;" in html
    assert re.findall(r'<bdi dir="ltr">([+−]?\d+)</bdi>', html) == ["+60", "−10"]
    assert "Grade B" in html
    assert 'width="50%"' in html
    assert "Together" not in html


def test_a_rule_is_shown_under_the_name_it_has_now(desk: Desk) -> None:
    rule = desk.rule("Old name", "company is not empty", 60)
    id = desk.add("lead", name="A", company="E")
    desk.settle()
    desk.change("score_rule", rule, name="New name")
    assert "New name" in side(make_page_client(desk.workspace), "lead", id)


def test_a_reason_whose_rule_is_gone_keeps_its_name_without_a_link(desk: Desk) -> None:
    rule = desk.rule("Gone rule", "company is not empty", 60)
    id = desk.add("lead", name="A", company="E")
    desk.settle()
    desk.remove("score_rule", rule)
    html = side(make_page_client(desk.workspace), "lead", id)
    assert "Gone rule" in html
    assert f"/score_rule/{rule}" not in html


def test_a_sum_beyond_the_bounds_is_explained(desk: Desk) -> None:
    desk.rule("Much", "name is not empty", 80)
    desk.rule("More", "name is not empty", 70)
    id = desk.add("lead", name="A")
    desk.settle()
    html = side(make_page_client(desk.workspace), "lead", id)
    assert "Together 150; a score stays between 0 and 100." in html
    assert 'width="100%" height="6" rx="3" fill="var(--k-ok)"' in html


def test_the_marks_stand_where_the_grades_begin(desk: Desk) -> None:
    desk.rule("Named", "name is not empty", 5)
    id = desk.add("lead", name="A")
    desk.settle()
    set_settings(desk.workspace, "lead_scoring", {"minimum": -100, "grade_c": 0, "grade_a": 120})
    html = side(make_page_client(desk.workspace), "lead", id)
    assert re.findall(r'<rect x="(\d+)%"', html) == ["50", "75"]


def test_a_broken_rule_is_shown_with_its_reason(desk: Desk) -> None:
    id = desk.add("lead", name="A", company="E")
    rule = desk.broken_rule()
    desk.settle()
    html = side(make_page_client(desk.workspace), "lead", id)
    assert "These rules can&#39;t be asked" in html
    assert f'href="/score_rule/{rule}"' in html
    assert "c_budget" in html
    desk.change("score_rule", rule, active=False)
    assert "c_budget" not in side(make_page_client(desk.workspace), "lead", id)


def test_a_contact_without_rules_says_so(desk: Desk) -> None:
    id = desk.add("contact", name="A")
    html = side(make_page_client(desk.workspace), "contact", id)
    assert "There are no rules for these records yet." in html
    assert "recompute" not in html


def test_recompute_brings_a_score_up_to_date(desk: Desk) -> None:
    desk.rule("Company", "company is not empty", 60)
    id = desk.add("lead", name="A", company="E")
    desk.settle()
    set_settings(desk.workspace, "lead_scoring", {"maximum": 40})
    client = make_page_client(desk.workspace)
    action = re.search(r'action="([^"]*recompute[^"]*)"', side(client, "lead", id))
    assert action
    answer = client.post(action[1].replace("&amp;", "&"), headers={"HX-Request": "true"})
    assert "up to date in a moment" in answer.get_data(as_text=True)
    desk.settle()
    assert desk.score(id) == 40
    assert desk.all("scoring_run")[-1]["scored"] == 1


def test_the_best_open_leads_stand_on_the_home_page(desk: Desk) -> None:
    for n in range(4):
        desk.rule(f"R{n}", f"length(name) > {n + 1}", 20 + n)
    names = ["A", "BB", "CCC", "DDDD", "EEEEE"]
    leads = {name: desk.add("lead", name=name) for name in names}
    desk.change("lead", leads["EEEEE"], status="qualified")
    desk.settle()
    html = home(make_page_client(desk.workspace))
    assert re.findall(r'href="/lead/(\d+)"', html) == [str(leads[n]) for n in ("DDDD", "CCC", "BB", "A")]
    shown = re.search(r'href="(/lead\?[^"]*)"', html)
    assert shown
    page = make_page_client(desk.workspace).get(shown[1].replace("&amp;", "&"))
    assert page.status_code == 200
    assert "Best open leads" in html
    assert "EEEEE" not in page.get_data(as_text=True)


def test_only_ten_leads_are_the_best(desk: Desk) -> None:
    desk.rule("Named", "name is not empty", 30)
    desk.add_many("lead", [{"name": f"L{n}"} for n in range(12)])
    desk.settle()
    assert len(re.findall(r'href="/lead/\d+"', home(make_page_client(desk.workspace)))) == 10


def test_a_home_page_without_scored_leads_says_so(desk: Desk) -> None:
    assert "No open lead has a score yet." in home(make_page_client(desk.workspace))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ru", ("Класс B", "из 100", "Пересчитать", "Все открытые лиды по баллам")),
        ("fa", ("رتبهٔ B", "از ۱۰۰", "محاسبهٔ دوباره", "همهٔ سرنخ‌های باز به ترتیب امتیاز")),
        ("zh", ("B 级", "/ 100", "重新计算", "按评分查看所有未关闭线索")),
    ],
)
def test_the_widgets_speak_the_readers_language(desk: Desk, language: str, words: tuple[str, ...]) -> None:
    desk.rule("Company", "company is not empty", 60)
    id = desk.add("lead", name="A", company="E")
    desk.settle()
    client = person(desk, language)
    html = side(client, "lead", id) + home(client)
    assert [word for word in words if word not in html] == []
    assert "style=" not in html
    assert "<script" not in html


@pytest.mark.parametrize("path", ["/score_rule", "/scoring_run", "/score_rule/new", "/scoring_run/new"])
def test_the_pages_of_rules_and_runs_open(started: Desk, path: str) -> None:
    client = make_page_client(started.workspace)
    assert client.get(path).status_code == 200
    for object in ("score_rule", "scoring_run"):
        assert client.get(f"/{object}/{started.all(object)[0]['id']}").status_code == 200
