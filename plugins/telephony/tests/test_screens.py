"""What people see: the calls beside a record and the call card, in every language, on both engines."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from karvan.testing import ADMIN_PASSWORD, admin_of, make_page_client
from karvan.workspace import Workspace

CARD = "/_w?slot=global.call_card"


def ago(**spans: int) -> str:
    return (datetime.now(UTC) - timedelta(**spans)).isoformat()


def side(client: Any, object: str, id: int) -> str:
    answer = client.get(f"/_w?slot=record.side&object={object}&id={id}")
    assert answer.status_code == 200
    html: str = answer.get_data(as_text=True)
    assert "could not be shown" not in html
    return html


def card(client: Any) -> str:
    answer = client.get(CARD)
    assert answer.status_code == 200
    html: str = answer.get_data(as_text=True)
    assert "could not be shown" not in html
    return html


def test_the_last_calls_stand_beside_a_contact(telephony: Workspace, provider: Any, book: Any) -> None:
    contact = book.add("contact", name="Sanne", phone="+4930555010")
    for n in range(7):
        provider.tell("ringing", f"c{n}", at=ago(minutes=100 - n), **{"from": "+4930555010"})
    provider.tell("missed", "c5", at=ago(minutes=94), **{"from": "+4930555010"})
    provider.tell(
        "ended", "c6", at=ago(minutes=90), duration_s=125, recording_url="https://r.example/6.wav",
        **{"from": "+4930555010"},
    )  # fmt: skip
    html = side(make_page_client(telephony), "contact", contact["id"])
    calls = {c["external_id"]: c["id"] for c in book.all("call")}
    assert re.findall(r'href="/call/(\d+)"', html) == [str(calls[f"c{n}"]) for n in (6, 5, 4, 3, 2)]
    assert "2 min 5 s" in html
    assert "Missed" in html
    assert 'href="https://r.example/6.wav"' in html
    assert f'href="/call?filter=contact%20%3D%20{contact["id"]}"' in html


def test_a_lead_without_calls_says_so(telephony: Workspace, book: Any) -> None:
    lead = book.add("lead", name="L")
    assert "No calls yet" in side(make_page_client(telephony), "lead", lead["id"])


def test_the_list_behind_show_all_opens(telephony: Workspace, provider: Any, book: Any) -> None:
    lead = provider.tell("ended")["lead"]
    answer = make_page_client(telephony).get(f"/call?filter=lead%20%3D%20{lead}")
    assert answer.status_code == 200
    assert "+49 30 123456" in answer.get_data(as_text=True)


def test_the_card_shows_who_is_calling(telephony: Workspace, provider: Any, book: Any) -> None:
    account = book.add("account", name="Northwind Logistics")
    contact = book.add(
        "contact", name="Sanne de Vries", title="COO", account=account["id"], phone="+4930555010"
    )
    provider.tell("ringing", **{"from": "+4930555010"})
    html = card(make_page_client(telephony))
    for part in ("Sanne de Vries", "COO", "Northwind Logistics", "+49 30 555010", "Incoming call to",
                 f'href="/contact/{contact["id"]}"', "Open contact"):  # fmt: skip
        assert part in html, part


def test_the_card_of_an_unknown_caller_opens_the_lead(telephony: Workspace, provider: Any) -> None:
    lead = provider.tell("ringing")["lead"]
    html = card(make_page_client(telephony))
    assert f'href="/lead/{lead}"' in html
    assert "Open lead" in html


@pytest.mark.parametrize(
    ("kind", "at", "shown"),
    [
        ("ringing", {"seconds": 90}, True),
        ("ringing", {"minutes": 3}, False),
        ("answered", {"minutes": 50}, True),
        ("answered", {"minutes": 70}, False),
        ("ended", {"seconds": 1}, False),
        ("missed", {"seconds": 1}, False),
    ],
)
def test_the_card_shows_only_what_goes_on_now(
    telephony: Workspace, provider: Any, kind: str, at: dict[str, int], shown: bool
) -> None:
    provider.tell(kind, at=ago(**at), **{"from": "anonymous"})
    assert ("Unknown caller" in card(make_page_client(telephony))) is shown


def test_a_card_is_hidden_for_the_one_who_hides_it(telephony: Workspace, provider: Any, book: Any) -> None:
    telephony.actors.create_user("b@example.com", "Bea", ADMIN_PASSWORD, is_admin=True)
    bea = telephony.actors.by_email("b@example.com")
    provider.tell("ringing", "call-1", **{"from": "anonymous"})
    provider.tell("ringing", "call-2", **{"from": "101"})
    mine, hers = make_page_client(telephony, admin_of(telephony)), make_page_client(telephony, bea)
    (hidden, _) = [c["id"] for c in book.all("call")]
    action = re.search(r'action="([^"]*dismiss[^"]*)"', card(mine))
    assert action
    answer = mine.post(action[1].replace("&amp;", "&"), data={"call": hidden})
    assert answer.status_code in (200, 302)
    assert f"/call/{hidden}" not in card(mine)
    assert "/call/" in card(mine)
    assert f"/call/{hidden}" in card(hers)


def test_a_name_never_becomes_markup(telephony: Workspace, provider: Any, book: Any) -> None:
    book.add("contact", name="<script>x</script>", phone="+4930555010", title="<b>boss</b>")
    provider.tell("ringing", to="<i>1</i>", **{"from": "+4930555010"})
    html = card(make_page_client(telephony))
    assert "&lt;script&gt;" in html
    assert not re.search(r"<(script|b|i)>", html)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ru", ("Входящий звонок", "Открыть лид", "Звонки")),
        ("fa", ("تماس ورودی", "باز کردن سرنخ", "تماس‌ها")),
        ("zh", ("来电", "打开线索", "通话")),
    ],
)
def test_the_widgets_speak_the_readers_language(
    telephony: Workspace, provider: Any, language: str, words: tuple[str, ...]
) -> None:
    telephony.actors.create_user("r@example.com", "R", ADMIN_PASSWORD, is_admin=True, language=language)
    reader = make_page_client(telephony, telephony.actors.by_email("r@example.com"))
    lead = provider.tell("ringing")["lead"]
    html = card(reader) + side(reader, "lead", lead)
    assert [word for word in words if word not in html] == []
    assert "style=" not in html
    assert "<script" not in html


def test_the_pages_of_calls_open(telephony: Workspace, provider: Any) -> None:
    call = provider.tell("ended", duration_s=5)["call"]
    client = make_page_client(telephony)
    for path in ("/call", f"/call/{call}", f"/call/{call}/edit", "/call/new", "/phone_number"):
        assert client.get(path).status_code == 200, path
