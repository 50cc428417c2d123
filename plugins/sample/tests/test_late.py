"""Guests who are late: the reception is told once, when it is time."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from karvan.testing import set_settings

from .conftest import House


@pytest.fixture
def desk(house: House) -> House:
    set_settings(house.workspace, "sample", {"desk_mail": "desk@example.com", "late_after": 30})
    return house


def told(house: House) -> list[EmailMessage]:
    """What the reception got so far."""
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted((house.workspace.settings.home / "outbox").glob("*.eml"))
    ]


def make_due(house: House) -> None:
    with house.workspace.database.write() as transaction:
        transaction.execute("UPDATE k_job SET due_at = created_at")


def test_the_reception_is_told_once_of_a_guest_who_is_late(desk: House) -> None:
    desk.add(name="Ada", expected_at=desk.at(-40))
    desk.settle()
    desk.settle()
    (message,) = told(desk)
    assert (message["To"], message["Subject"]) == ("desk@example.com", "Ada is late")
    body = message.get_body(("plain",))
    assert body is not None
    code = body.get_content().strip().removeprefix("The code of the pass is ").removesuffix(".")
    assert (len(code), code.isdigit()) == (6, True)


def test_nobody_is_told_before_it_is_time_nor_of_a_guest_who_came(desk: House) -> None:
    early = desk.add(name="Ada", expected_at=desk.at(10))
    came = desk.add(name="Bo", expected_at=desk.at(10))
    desk.settle()
    desk.change(came, arrived_at=desk.at(0))
    make_due(desk)
    desk.settle()
    assert told(desk) == []
    desk.change(early, expected_at=desk.at(-60))
    desk.settle()
    assert [message["Subject"] for message in told(desk)] == ["Ada is late"]


def test_without_an_address_no_job_is_made(house: House) -> None:
    house.add(name="Ada", expected_at=house.at(-40))
    house.settle()
    with house.workspace.database.read() as connection:
        assert connection.fetchall("SELECT id FROM k_job WHERE name = 'tell_late'") == []
    assert told(house) == []
