"""Contacts and leads keep their international numbers, and calls know whose they are, on both engines."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from karvan.records.shapes import ListQuery
from karvan.testing import ADMIN_PASSWORD, admin_of, make_client, set_settings, settle
from karvan.workspace import Workspace
from karvan_telephony import filling

KEPT = ("telephony__e164", "telephony__e164_other")


def kept(record: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(record[name] for name in KEPT)


def test_the_host_takes_all_of_the_plugin(telephony: Workspace) -> None:
    telephony.catalogs.current()
    status = telephony.host.status()["telephony"]
    assert (status.state, status.problems) == ("ready", ())


def test_numbers_are_kept_when_a_person_is_made_and_changed(book: Any) -> None:
    contact = book.add("contact", name="A", phone="(030) 12 34 56", mobile="0151 23456789")
    assert kept(contact) == ("+4930123456", "+4915123456789")
    assert kept(book.change("contact", contact["id"], phone="")) == ("+4915123456789", None)
    assert kept(book.change("contact", contact["id"], mobile="+4915123456789")) == ("+4915123456789", None)
    lead = book.add("lead", name="L", phone="۰۳۰ ۱۲۳۴۵۶")
    assert kept(lead) == ("+4930123456", None)


def test_a_change_of_other_fields_leaves_the_numbers(book: Any) -> None:
    contact = book.add("contact", name="A", phone="030 123456")
    again = book.change("contact", contact["id"], name="B")
    assert kept(again) == kept(contact) == ("+4930123456", None)


def test_one_number_written_twice_is_kept_once(book: Any) -> None:
    assert kept(book.add("contact", name="A", phone="030 123456", mobile="+49 30 123456")) == (
        "+4930123456",
        None,
    )


def test_people_cannot_write_the_numbers_themselves(telephony: Workspace, book: Any) -> None:
    contact = book.add("contact", name="A", phone="030 123456")
    client = make_client(telephony)
    answer = client.patch(
        f"/api/v1/records/contact/{contact['id']}",
        json={"telephony__e164": "+4930999999"},
        headers={"If-Match": "*"},
    )
    assert answer.status_code == 422
    assert kept(book.get("contact", contact["id"])) == ("+4930123456", None)


def forget_numbers(workspace: Workspace, object: str) -> None:
    """As if the records had been there before the plugin was enabled."""
    object_type = workspace.catalogs.current().object(object)
    columns = ", ".join(f'"{object_type.fields[name].column}" = NULL' for name in KEPT)
    with workspace.database.engine.begin() as connection:
        connection.execute(text(f'UPDATE "{object_type.table}" SET {columns}'))


def test_enabling_fills_people_who_were_there_before(workspace_with: Callable[..., Workspace]) -> None:
    workspace = workspace_with("crm")
    admin = admin_of(workspace)
    with workspace.records.write(admin) as writer:
        writer.create_many("contact", [{"name": f"P{n}", "phone": f"030 1234{n:02}"} for n in range(12)])
        writer.create("lead", {"name": "L", "phone": "+49 30 999999"})
        writer.create("lead", {"name": "without a number"})
    workspace.plugins.enable(admin, "telephony")
    settle(workspace)
    reader = workspace.records.read(admin)
    contacts = reader.list("contact", ListQuery(sort=("id",), limit=50)).rows
    leads = reader.list("lead", ListQuery(sort=("id",), limit=50)).rows
    assert [kept(c)[0] for c in contacts] == [f"+49301234{n:02}" for n in range(12)]
    assert [kept(lead)[0] for lead in leads] == ["+4930999999", None]


def test_filling_goes_on_in_pieces_from_where_it_stopped(
    telephony: Workspace, book: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settle(telephony)
    for number in range(7):
        book.add("contact", name=f"P{number}", phone=f"030 12345{number}" if number != 2 else "unknown 5")
    forget_numbers(telephony, "contact")
    monkeypatch.setattr(filling, "PIECE", 2)
    monkeypatch.setattr(filling, "PIECES_PER_CALL", 1)
    pieces: list[tuple[str, int]] = []
    fill = filling.fill_piece

    def counted(ctx: Any, object: str, after: int) -> filling.Piece:
        done = fill(ctx, object, after)
        pieces.append((object, done.changed))
        return done

    monkeypatch.setattr(filling, "fill_piece", counted)
    admin = admin_of(telephony)
    telephony.plugins.disable(admin, "telephony")
    telephony.plugins.enable(admin, "telephony")
    with caplog.at_level(logging.WARNING):
        settle(telephony)
    assert pieces == [("contact", 2), ("contact", 1), ("contact", 2), ("contact", 1), ("lead", 0)]
    assert [kept(c)[0] for c in book.all("contact")] == [
        "+4930123450", "+4930123451", None, "+4930123453", "+4930123454", "+4930123455", "+4930123456",
    ]  # fmt: skip
    assert caplog.records == []


def test_filling_twice_writes_nothing_more(telephony: Workspace, book: Any) -> None:
    book.add("contact", name="A", phone="030 123456")
    before = book.get("contact", 1)["version"]
    admin = admin_of(telephony)
    telephony.plugins.disable(admin, "telephony")
    telephony.plugins.enable(admin, "telephony")
    settle(telephony)
    assert book.get("contact", 1)["version"] == before


def test_a_call_made_by_hand_takes_the_persons_number_and_begins_now(book: Any) -> None:
    contact = book.add("contact", name="Sanne", phone="030 123456")
    call = book.add("call", contact=contact["id"])
    assert (call["phone"], call["e164"], call["state"]) == (contact["phone"], "+4930123456", "ended")
    assert call["name"] == "Sanne"
    assert call["started_at"] is not None
    changed = book.change("call", call["id"], phone="030 999999")
    assert changed["e164"] == "+4930999999"


def test_calls_stand_as_a_related_list_on_contacts_and_leads(
    telephony: Workspace, provider: Any, book: Any
) -> None:
    contact = book.add("contact", name="A", phone="+4930555010")
    provider.tell("ended", "call-1", **{"from": "+4930555010"})
    lead = provider.tell("ended", "call-2")["lead"]
    client = make_client(telephony)
    for object, id_ in (("contact", contact["id"]), ("lead", lead)):
        found = client.get(f"/api/v1/records/{object}/{id_}/related/calls")
        assert found.status_code == 200
        assert len(found.get_json()["data"]) == 1


@pytest.mark.parametrize("view", ["all", "missed", "today", "mine"])
def test_every_view_of_calls_can_be_asked(telephony: Workspace, provider: Any, view: str) -> None:
    provider.tell("missed")
    described = telephony.catalogs.current().object("call").declaration
    (found,) = [v for v in described.views if v.name == view]
    reader = telephony.records.read(admin_of(telephony))
    rows = reader.list("call", ListQuery(filter=found.filter, sort=found.sort, fields=found.columns)).rows
    assert len(rows) == (0 if view == "mine" else 1)


def test_with_own_calls_only_everybody_sees_their_own(telephony: Workspace, provider: Any, book: Any) -> None:
    seller = telephony.actors.create_user("s@example.com", "Sam", ADMIN_PASSWORD, is_admin=True)
    book.add("contact", name="Sam's", phone="+4930555010", owner=seller.id)
    book.add("contact", name="Ada's", phone="+4930555020")
    provider.tell("ended", "call-1", **{"from": "+4930555010"})
    provider.tell("ended", "call-2", **{"from": "+4930555020"})

    def seen(actor: Any) -> set[str]:
        rows = telephony.records.read(actor).list("call", ListQuery()).rows
        return {row["external_id"] for row in rows}

    assert seen(seller) == {"call-1", "call-2"}
    set_settings(telephony, "telephony", {"own_calls_only": True})
    assert seen(seller) == {"call-1"}
    assert seen(admin_of(telephony)) == {"call-2"}
    assert provider.tell("ended", "call-2")["created"] is False  # the plugin itself is not restricted
