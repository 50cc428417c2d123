"""The webhook on both engines: what is signed becomes calls, anything else leaves nothing behind."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from karvan.testing import set_settings
from karvan.workspace import Workspace
from karvan_telephony import tracker

CALLER = "+4930123456"


def moment(seconds: int) -> str:
    return (datetime(2026, 3, 2, 9, 0, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_call_of_a_contact_is_kept_with_the_contact(provider: Any, book: Any) -> None:
    contact = book.add("contact", name="Sanne de Vries", phone="(030) 12 34 56")
    answer = provider.tell("ringing")
    (call,) = book.all("call")
    assert answer == {
        "call": call["id"], "state": "ringing", "created": True, "changed": True,
        "contact": contact["id"], "lead": None, "lead_made": False,
    }  # fmt: skip
    assert (call["contact"], call["lead"], call["e164"]) == (contact["id"], None, CALLER)
    assert call["name"] == "Sanne de Vries"
    assert (call["phone"], call["line"], call["external_id"]) == (CALLER, "100", "call-1")
    assert call["owner"] == contact["owner"] is not None
    assert book.all("lead") == []


def test_a_contacts_mobile_is_known_too(provider: Any, book: Any) -> None:
    contact = book.add("contact", name="A", phone="030 999999", mobile=CALLER)
    assert provider.tell("ringing")["contact"] == contact["id"]


def test_the_newest_contact_wins_and_contacts_come_before_leads(provider: Any, book: Any) -> None:
    lead = book.add("lead", name="L", phone=CALLER)
    assert provider.tell("ringing", "call-1")["lead"] == lead["id"]
    book.add("contact", name="Old", phone=CALLER)
    newest = book.add("contact", name="New", phone=CALLER)
    assert provider.tell("ringing", "call-2")["contact"] == newest["id"]


def test_an_unknown_caller_becomes_one_lead(provider: Any, book: Any) -> None:
    first = provider.tell("missed", "call-1")
    second = provider.tell("ringing", "call-2", **{"from": "030/123456"})
    (lead,) = book.all("lead")
    assert (first["lead_made"], second["lead_made"]) == (True, False)
    assert first["lead"] == second["lead"] == lead["id"]
    assert (lead["name"], lead["phone"], lead["source"]) == ("+49 30 123456", CALLER, "call")
    assert lead["telephony__e164"] == CALLER
    assert [c["name"] for c in book.all("call")] == ["+49 30 123456"] * 2


def test_a_lead_that_is_gone_is_made_again(provider: Any, book: Any) -> None:
    gone = provider.tell("missed", "call-1")["lead"]
    book.remove("lead", gone)
    again = provider.tell("missed", "call-2")
    assert again["lead_made"]
    assert [lead["id"] for lead in book.all("lead")] == [again["lead"]]
    assert [n["lead"] for n in book.all("phone_number")] == [again["lead"]]


def test_a_lead_whose_number_was_corrected_is_still_remembered(provider: Any, book: Any) -> None:
    lead = provider.tell("missed", "call-1")["lead"]
    book.change("lead", lead, phone="+4930999999")
    assert provider.tell("missed", "call-2")["lead"] == lead


@pytest.mark.parametrize("caller", ["anonymous", "101", "<unknown>"])
def test_a_caller_without_a_number_makes_a_call_but_no_lead(provider: Any, book: Any, caller: str) -> None:
    answer = provider.tell("ringing", **{"from": caller})
    assert (answer["lead"], answer["contact"]) == (None, None)
    (call,) = book.all("call")
    assert (call["phone"], call["name"], call["e164"]) == (caller, caller, None)


def test_no_lead_is_made_when_the_setting_is_off(telephony: Workspace, provider: Any, book: Any) -> None:
    set_settings(telephony, "telephony", {"create_leads": False})
    assert provider.tell("ringing")["lead"] is None
    assert (len(book.all("call")), book.all("lead"), book.all("phone_number")) == (1, [], [])


def test_an_outgoing_call_finds_whom_we_call_and_makes_no_lead(provider: Any, book: Any) -> None:
    contact = book.add("contact", name="A", phone="030 5550100")
    known = provider.tell("ringing", "call-1", direction="out", **{"from": "101", "to": "+49305550100"})
    unknown = provider.tell("ringing", "call-2", direction="out", **{"from": "101", "to": "+4930777777"})
    assert (known["contact"], unknown["contact"], unknown["lead"]) == (contact["id"], None, None)
    assert [(c["direction"], c["line"]) for c in book.all("call")] == [("out", "101")] * 2
    assert book.all("lead") == []


def test_local_numbers_are_those_of_the_country_set(telephony: Workspace, provider: Any, book: Any) -> None:
    set_settings(telephony, "telephony", {"country": "ir"})
    contact = book.add("contact", name="سارا دهقان", phone="۰۲۱ ۵۵۵۰ ۰۱۹۹")
    assert book.get("contact", contact["id"])["telephony__e164"] == "+982155500199"
    assert provider.tell("ringing", **{"from": "٠٢١٥٥٥٠٠١٩٩"})["contact"] == contact["id"]


def test_events_in_every_order_make_the_same_one_call(provider: Any, book: Any) -> None:
    told = [
        provider.event("ringing", at=moment(0)),
        provider.event("answered", at=moment(7)),
        provider.event("ended", at=moment(67), recording_url="https://r.example/1.wav"),
    ]
    found = set()
    for number, order in enumerate(itertools.permutations(told)):
        call = f"call-{number}"
        for event in (*order, order[0]):
            answer = provider.send(json.dumps({**event, "call_id": call}).encode())
            assert answer.status_code == 200
        assert answer.get_json()["changed"] is False
        (row,) = [c for c in book.all("call") if c["external_id"] == call]
        kept = ("state", "started_at", "answered_at", "ended_at", "duration", "recording_url", "lead", "name")
        found.add(tuple(row[name] for name in kept))
    ((state, _, _, _, duration, recording, _, _),) = found
    assert (state, duration, recording) == ("ended", 60, "https://r.example/1.wav")
    assert len(book.all("call")) == 6
    assert len(book.all("lead")) == 1


def test_a_late_ringing_never_reopens_an_ended_call(provider: Any, book: Any) -> None:
    provider.tell("ended", at=moment(60))
    assert provider.tell("ringing", at=moment(90))["state"] == "ended"
    assert [c["state"] for c in book.all("call")] == ["ended"]


def test_a_repeated_event_writes_nothing(provider: Any, book: Any) -> None:
    body = json.dumps(provider.event("ringing")).encode()
    provider.send(body)
    before = book.rows_per_table()
    assert provider.send(body).get_json()["changed"] is False
    assert book.rows_per_table() == before


def test_one_changed_byte_is_refused_and_leaves_nothing(provider: Any, book: Any) -> None:
    body = json.dumps(provider.event("ringing")).encode()
    headers = provider.sign(body)
    before = book.rows_per_table()
    for place in range(0, len(body), 7):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert provider.send(changed, headers).status_code == 401
    for name, value in headers.items():
        for place in range(len(value)):
            other = "1" if value[place] == "0" else "0"
            spoiled = {**headers, name: value[:place] + other + value[place + 1 :]}
            assert provider.send(body, spoiled).status_code == 401
    assert book.rows_per_table() == before
    assert sum(before.values()) > 0
    assert provider.send(body, headers).status_code == 200  # only the change was wrong


def test_without_a_secret_everything_is_refused(telephony: Workspace, provider: Any, book: Any) -> None:
    set_settings(telephony, "telephony", {"secret": ""})
    before = book.rows_per_table()
    assert provider.send(json.dumps(provider.event("ringing")).encode()).status_code == 401
    assert book.rows_per_table() == before


def test_a_signed_body_that_is_wrong_is_answered_with_every_key(provider: Any, book: Any) -> None:
    before = book.rows_per_table()
    answer = provider.send(json.dumps({"event": "call.rang", "from": "", "to": "1", "at": "now"}).encode())
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert {e["field"] for e in answer.get_json()["errors"]} == {"event", "call_id", "from", "at"}
    assert book.rows_per_table() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 60_000])
def test_a_signed_body_that_is_no_object_is_refused(provider: Any, book: Any, body: bytes) -> None:
    before = book.rows_per_table()
    assert provider.send(body).status_code in (400, 422)
    assert book.rows_per_table() == before


def test_a_body_that_is_too_long_is_refused(provider: Any) -> None:
    assert provider.send(b" " * (64 * 1024 + 1)).status_code in (400, 413)


def test_only_posts_are_answered(provider: Any) -> None:
    assert provider.app.test_client().get("/api/x/telephony/hook").status_code == 405


def told_at_once(provider: Any, bodies: list[bytes]) -> list[int]:
    """Send all bodies at the same moment, each from a thread of its own; the statuses."""
    ready = threading.Barrier(len(bodies))
    found: list[int] = []

    def send(body: bytes) -> None:
        client = provider.app.test_client()
        ready.wait()
        found.append(provider.send(body, client=client).status_code)

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_an_unknown_number_that_calls_many_lines_at_once_becomes_one_lead(provider: Any, book: Any) -> None:
    for number in range(4):
        caller = f"+4930123{number}56"
        bodies = [
            json.dumps(
                provider.event("ringing", f"call-{number}-{n}", to=str(n), **{"from": caller})
            ).encode()
            for n in range(8)
        ]
        assert told_at_once(provider, bodies) == [200] * 8
        leads = [lead for lead in book.all("lead") if lead["telephony__e164"] == caller]
        calls = [call for call in book.all("call") if call["e164"] == caller]
        assert len(leads) == 1
        assert [call["lead"] for call in calls] == [leads[0]["id"]] * 8


def test_all_events_of_a_call_at_once_make_one_call(provider: Any, book: Any) -> None:
    for number in range(3):
        told = [("ringing", 0), ("answered", 5), ("ended", 65)] * 3
        bodies = [
            json.dumps(provider.event(kind, f"call-{number}", at=moment(s))).encode() for kind, s in told
        ]
        assert told_at_once(provider, bodies) == [200] * 9
    calls = book.all("call")
    assert [(c["state"], c["duration"]) for c in calls] == [("ended", 60)] * 3
    assert len(book.all("lead")) == 1


@pytest.mark.parametrize("moment_of_rival", ["_wants_lead", "_lead_values"])
@pytest.mark.parametrize("known", [False, True], ids=["new number", "number whose lead is gone"])
def test_a_rival_that_comes_in_between_makes_no_second_lead(
    engine: str, provider: Any, book: Any, monkeypatch: pytest.MonkeyPatch, known: bool, moment_of_rival: str
) -> None:
    """Stops one event where it has looked and not yet written, and lets another overtake it there."""
    if known:
        book.remove("lead", provider.tell("missed", "call-0")["lead"])
    step = getattr(tracker, moment_of_rival)
    answers: dict[str, Any] = {}
    rival = threading.Thread(target=lambda: answers.update(rival=provider.tell("ringing", "call-2")))

    def overtaken(*arguments: Any) -> Any:
        if rival.ident is None:
            rival.start()
            # inside the transaction SQLite lets nobody else write, so there the rival has to wait
            if engine == "postgresql" or moment_of_rival == "_wants_lead":
                rival.join()
        return step(*arguments)

    monkeypatch.setattr(tracker, moment_of_rival, overtaken)
    answers["first"] = provider.tell("ringing", "call-1")
    rival.join()
    (lead,) = book.all("lead")
    assert {answers["first"]["lead"], answers["rival"]["lead"]} == {lead["id"]}
    assert sorted(a["lead_made"] for a in answers.values()) == [False, True]


def test_a_rival_event_of_the_same_call_is_not_lost(
    provider: Any, book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.tell("ringing", at=moment(0))
    step = tracker.fold
    rival = threading.Thread(target=lambda: provider.tell("answered", at=moment(5)))

    def overtaken(*arguments: Any) -> Any:
        if rival.ident is None:
            rival.start()
            rival.join()
        return step(*arguments)

    monkeypatch.setattr(tracker, "fold", overtaken)
    provider.tell("ended", at=moment(65))
    assert [(c["state"], c["duration"]) for c in book.all("call")] == [("ended", 60)]
