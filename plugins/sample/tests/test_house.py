"""The door and the desk: bell, pages, guest book, widgets, command, demo."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from karvan.app import create_app
from karvan.cli import main
from karvan.outbound import Call, Outbound
from karvan.testing import PageClient, admin_of, make_client, set_settings
from karvan_sample.demo import make_demo
from karvan_sdk import HttpAnswer, HttpFailed

from .conftest import House

KEY = "a key of the tests"


@pytest.fixture
def device(house: House) -> Any:
    """Posts rings as the device at the door does."""
    set_settings(house.workspace, "sample", {"bell_key": KEY})
    caller = create_app(workspace=house.workspace).test_client()

    def ring(said: Any, key: str = KEY) -> Any:
        return caller.post("/api/x/sample/bell", json=said, headers={"Authorization": f"Bearer {key}"})

    return ring


def slot(client: PageClient, name: str, object: str = "", id: int | None = None) -> str:
    place = f"&object={object}&id={id}" if object else ""
    answer = client.get(f"/_w?slot={name}{place}")
    assert answer.status_code == 200
    return str(answer.get_data(as_text=True))


def press(client: PageClient, html: str, action: str, **form: str) -> str:
    """Send the form of a widget; gives what is drawn then."""
    found = re.search(rf'action="([^"]*/{action}[^"]*)"', html)
    assert found, html
    answer = client.post(found[1].replace("&amp;", "&"), data=form, headers={"HX-Request": "true"})
    assert answer.status_code in (200, 422), answer.get_data(as_text=True)
    return str(answer.get_data(as_text=True))


# -- the bell ----------------------------------------------------------------------------------------------


def test_the_bell_shows_a_card_to_everybody_until_somebody_goes(
    house: House, device: Any, client: PageClient
) -> None:
    visit = house.add(name="Ada", phone="+49 30 123456")
    assert device({"name": "A. L.", "phone": "+4930123456"}).get_json() | {"at": ""} == {
        "at": "", "name": "A. L.", "object": "visit", "id": visit,
    }  # fmt: skip
    card = slot(client, "global.call_card")
    assert "Ada" in card
    assert "Reception" in card  # the setting 'place'
    press(client, card, "answer", visit=str(visit))
    assert house.get("visit", visit)["state"] == "here"
    assert "Ada" not in slot(client, "global.call_card")


def test_an_unknown_guest_is_shown_by_the_name_given(house: House, device: Any, client: PageClient) -> None:
    assert device({"name": "<b>Bo</b>"}).status_code == 202
    card = slot(client, "global.call_card")
    assert "&lt;b&gt;Bo&lt;/b&gt;" in card
    assert "<b>" not in card
    press(client, card, "answer", guest="Bo")
    assert [(v["name"], v["state"]) for v in house.all()] == [("Bo", "here")]
    assert "Bo" not in slot(client, "global.call_card")


@pytest.mark.parametrize(
    ("said", "key", "status"),
    [
        ({"name": "x"}, "guess", 401),
        ([], KEY, 400),
        ({"name": 1}, KEY, 400),
        ({"name": "x" * 5000}, KEY, 400),
    ],
    ids=["key", "list", "number", "too long"],
)
def test_other_rings_are_refused(device: Any, client: PageClient, said: Any, key: str, status: int) -> None:
    assert device(said, key).status_code == status
    assert "door-enter" not in slot(client, "global.call_card")


def test_without_a_key_nobody_rings(house: House) -> None:
    caller = create_app(workspace=house.workspace).test_client()
    answer = caller.post("/api/x/sample/bell", json={}, headers={"Authorization": "Bearer "})
    assert answer.status_code == 401


class Opener:
    """The opener of the door, as the way out would meet it; the capability is checked as in life."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, bytes | None]] = []
        self.passes: list[str | None] = []
        self.status = 204
        monkeypatch.setattr(Outbound, "send", self.send)

    def send(self, call: Call, *, check: Any, **_: Any) -> HttpAnswer:
        check(call.target)
        self.asked.append((call.target.url, call.body))
        self.passes.append(call.headers.get("authorization"))
        if call.target.url.endswith("/pair"):
            right = call.body == b'{"code": "1234"}'
            return HttpAnswer(status=200 if right else 403, body=b'{"token": "let me in"}')
        if not self.status:
            raise HttpFailed(url=call.target.url, reason="nobody answers.")
        return HttpAnswer(status=self.status)


@pytest.mark.parametrize(
    ("status", "message"),
    [(204, "The door is open."), (500, "The opener refused"), (0, "The opener does not answer")],
)
def test_who_answers_the_bell_opens_the_door(
    house: House, device: Any, client: PageClient, monkeypatch: pytest.MonkeyPatch, status: int, message: str
) -> None:
    opener = Opener(monkeypatch)
    opener.status = status
    set_settings(house.workspace, "sample", {"opener": "http://door.example.lan/open"})
    device({"name": "Ada"})
    assert message in press(client, slot(client, "global.call_card"), "answer")
    assert opener.asked == [("http://door.example.lan/open", b'{"seconds": 5}')]


def test_a_paired_opener_is_shown_the_token_that_it_gave(
    house: House, device: Any, client: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = Opener(monkeypatch)
    assert "is empty" in run(house, "pair", "1234", expect=1)
    set_settings(house.workspace, "sample", {"opener": "http://door.example.lan/open"})
    assert "does not take this code" in run(house, "pair", "9", expect=1)
    assert "Paired." in run(house, "pair", "1234")
    device({"name": "Ada"})
    press(client, slot(client, "global.call_card"), "answer")
    assert opener.passes[-1] == "Bearer let me in"
    assert "is forgotten" in run(house, "pair")
    assert "No opener was paired" in run(house, "pair")
    device({"name": "Bo"})
    press(client, slot(client, "global.call_card"), "answer")
    assert opener.passes[-1] is None


def test_an_opener_elsewhere_is_not_asked(
    house: House, device: Any, client: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = Opener(monkeypatch)
    set_settings(house.workspace, "sample", {"opener": "https://elsewhere.example/open"})
    device({"name": "Ada"})
    assert "https://elsewhere.example" in press(client, slot(client, "global.call_card"), "answer")
    assert opener.asked == []


# -- pages -------------------------------------------------------------------------------------------------


def test_the_guest_list_shows_today_and_takes_who_comes_unannounced(house: House, client: PageClient) -> None:
    house.add(name="Ada", expected_at=house.at(-1))
    assert "Ada" in client.get("/x/sample/").get_data(as_text=True)
    assert client.post("/x/sample/", data={"name": "Bo, Cy ,"}).status_code == 303
    seen = [(v["name"], v["state"]) for v in house.all()]
    assert seen == [("Ada", "expected"), ("Bo", "here"), ("Cy", "here")]
    refused = client.post("/x/sample/", data={"name": " , "})
    assert refused.status_code == 422
    assert "Who is it?" in refused.get_data(as_text=True)


def test_who_is_late_is_marked(house: House, client: PageClient) -> None:
    set_settings(house.workspace, "sample", {"late_after": 0})
    soon = house.add(name="Ada", expected_at=house.at(-1))
    listed = make_client(house.workspace).get("/api/x/sample/today").get_json()["data"]
    if listed:  # a minute ago was yesterday, once a day
        assert [(row["id"], row["late"]) for row in listed] == [(soon, True)]


def test_the_house_rules_are_for_everybody(house: House) -> None:
    set_settings(house.workspace, "sample", {"house_rules": "No <script>.\nNo dogs."})
    guest = create_app(workspace=house.workspace).test_client()
    page = guest.get("/x/sample/rules").get_data(as_text=True)
    assert "No &lt;script&gt;." in page
    assert "read this before" not in page
    assert "read this before" in guest.get("/x/sample/rules").get_data(as_text=True)


def test_the_house_rules_say_from_when_until_when_to_whom_and_where(house: House) -> None:
    path, guest = "/x/sample/rules", create_app(workspace=house.workspace).test_client()
    later, before = "2999-01-01T10:00:00Z", "2026-01-01T10:00:00Z"
    told = {"rules_since": "2020-03-31", "questions_to": "door@example.org", "map": "example.org/way"}
    set_settings(house.workspace, "sample", {**told, "closed_until": later})
    page = guest.get(path).get_data(as_text=True)
    mail, way = 'href="mailto:door@example.org"', "https://example.org/way"
    for part in ("In force since", "2020", "Closed until", mail, way):
        assert part in page
    set_settings(house.workspace, "sample", {"closed_until": before})
    assert "Closed until" not in guest.get(path).get_data(as_text=True)


def test_everybody_may_say_where_their_own_guests_arrive(house: House) -> None:
    admin = admin_of(house.workspace)
    house.workspace.plugin_settings.change_own(admin, "sample", {"place": "Gate 3"})
    own = house.workspace.host._plan.loaded["sample"].settings
    assert own is not None
    assert own.at(house.workspace.records.moment(admin))["place"] == "Gate 3"
    guest = create_app(workspace=house.workspace).test_client()
    assert "Reception" in guest.get("/x/sample/rules").get_data(as_text=True)


def test_the_guest_book_has_a_page_for_each_day_on_which_somebody_came(house: House) -> None:
    api = make_client(house.workspace)
    visit = house.add(name="Ada\tLovelace", arrived_at=house.at(0), badge="3")
    house.settle()
    day = house.now.date().isoformat()
    page = api.get(f"/api/x/sample/book/{day}").get_data(as_text=True)
    assert page.split("\t")[1:] == ["–", "3", "Ada Lovelace\n"]
    house.change(visit, arrived_at=None)
    house.settle()
    assert api.get(f"/api/x/sample/book/{day}").status_code == 404
    assert api.get("/api/x/sample/book/today").status_code == 400


# -- widgets -----------------------------------------------------------------------------------------------


def test_a_guest_arrives_with_a_badge_and_leaves(house: House, client: PageClient) -> None:
    visit = house.add(name="Ada")
    html = press(client, slot(client, "record.side", "visit", visit), "arrive", badge="red")
    assert "Badges are numbers here." in html
    assert 'value="red"' in html
    html = press(client, html, "arrive", badge="5")
    assert "Ada is in the house." in html
    html = press(client, html, "leave")
    assert "Ada has left." in html
    row = house.get("visit", visit)
    assert (row["state"], row["badge"]) == ("gone", "5")


def test_a_guest_is_told_the_deposit_for_a_badge(house: House, client: PageClient) -> None:
    visit = house.add(name="Ada")
    assert "Deposit" not in slot(client, "record.side", "visit", visit)
    set_settings(house.workspace, "sample", {"deposit": "12.5"})
    assert "12.50" in slot(client, "record.side", "visit", visit)


def test_the_page_of_a_visit_shows_the_others_of_today(house: House, client: PageClient) -> None:
    visit = house.add(name="Ada")
    house.add(name="Bo")
    html = slot(client, "record.main", "visit", visit)
    assert "Bo" in html
    assert "Ada" not in html


def test_a_contact_shows_its_visits(house: House, client: PageClient) -> None:
    ada = house.add("contact", name="Ada")
    assert "No visits yet" in slot(client, "record.main", "contact", ada)
    visits = [house.add(name=f"Number {n}", contact=ada, expected_at=house.at(n)) for n in range(11)]
    html = slot(client, "record.main", "contact", ada)
    assert f'href="/visit/{visits[-1]}"' in html
    assert f'href="/visit/{visits[0]}"' not in html
    assert "Show all" in html


def test_the_dashboard_shows_the_guests_of_today(house: House, client: PageClient) -> None:
    house.add(name="Ada")
    assert "Ada" in slot(client, "dashboard.grid")


# -- command and demo --------------------------------------------------------------------------------------


def run(house: House, *words: str, expect: int = 0) -> str:
    """What a command of the plugin prints."""
    settings = house.workspace.settings
    place = ["--home", str(settings.home), "--database-url", settings.url]
    done = CliRunner().invoke(main, [*place, "x", "sample", *words])
    assert done.exit_code == expect, done.output
    return done.output


def test_the_command_prints_the_guests_of_today(house: House) -> None:
    house.add(name="Ada", arrived_at=house.at(0))
    assert re.search(r"Ada  In the house\n1 guests today\.", run(house, "expected"))


def test_the_demo_is_the_same_for_the_same_seed_and_has_a_guest_in_the_house() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    (made,) = make_demo(size=1000, seed=1, now=now)
    (again,) = make_demo(size=1000, seed=1, now=now + timedelta(minutes=20))
    assert made == again
    assert len(made.records) == 20
    here = [r for r in made.records if "arrived_at" in r and "left_at" not in r]
    assert len(here) == 1
