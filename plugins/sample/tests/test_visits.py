"""Visits: what follows from what was typed, what is refused, what is kept up to date, who sees them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from karvan.records.shapes import ListQuery
from karvan.testing import admin_of, set_settings, settle
from karvan_sdk import ValidationFailed
from karvan_sdk.errors import KarvanError

from .conftest import House


@pytest.mark.parametrize(
    ("moments", "state"),
    [({}, "expected"), ({"arrived_at": 1}, "here"), ({"arrived_at": 1, "left_at": 2}, "gone")],
    ids=["expected", "here", "gone"],
)
def test_the_state_follows_the_moments(house: House, moments: dict[str, int], state: str) -> None:
    visit = house.add(name="Ada", **{name: house.at(minutes) for name, minutes in moments.items()})
    assert house.get("visit", visit)["state"] == state


def test_a_visit_goes_through_its_states_and_back(house: House) -> None:
    visit = house.add(name="Ada")
    house.change(visit, arrived_at=house.at(1))
    assert house.get("visit", visit)["state"] == "here"
    house.change(visit, left_at=house.at(5))
    assert house.get("visit", visit)["state"] == "gone"
    house.change(visit, left_at=None, arrived_at=None)
    assert house.get("visit", visit)["state"] == "expected"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("+49 (30) 123-456", "+4930123456"), ("030 123456", None), (None, None), ("+0 123456789", None)],
)
def test_a_number_with_its_country_is_kept_for_callers(
    house: House, typed: str | None, kept: str | None
) -> None:
    visit = house.add(name="Ada", phone=typed)
    assert house.get("visit", visit)["e164"] == kept
    house.change(visit, phone="+1 212 555 0100")
    assert house.get("visit", visit)["e164"] == "+12125550100"


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"left_at": 5}, "left_at", "Who leaves must have arrived."),
        ({"arrived_at": 5, "left_at": 4}, "left_at", "Nobody leaves before they arrive."),
        ({"badge": "red"}, "badge", "Badges are numbers here."),
    ],
    ids=["left without arriving", "left before arriving", "badge"],
)
def test_what_cannot_be_is_refused_by_field(
    house: House, values: dict[str, Any], field: str, message: str
) -> None:
    typed = {n: house.at(v) if isinstance(v, int) else v for n, v in values.items()}
    with pytest.raises(KarvanError) as caught:
        house.add(name="Ada", **typed)
    (error,) = caught.value.errors  # type: ignore[attr-defined]
    assert (error.field, error.message) == (field, message)
    assert house.all() == []


def test_letters_on_badges_are_a_setting_and_written_large(house: House) -> None:
    set_settings(house.workspace, "sample", {"badge_style": "letters"})
    visit = house.add(name="Ada", badge=" red-1 ")
    assert house.get("visit", visit)["badge"] == "RED-1"


def test_an_import_keeps_the_badges_of_before(house: House) -> None:
    workspace = house.workspace
    with workspace.records.write(admin_of(workspace), source="import") as writer:
        made = writer.create("visit", {"name": "Ada", "expected_at": house.at(0), "badge": "red"})
    assert made["badge"] == "RED"


def test_a_badge_is_held_by_one_guest_at_a_time(house: House) -> None:
    ada = house.add(name="Ada", arrived_at=house.at(0), badge="7")
    with pytest.raises(KarvanError, match="Somebody in the house has badge 7"):
        house.add(name="Bo", arrived_at=house.at(1), badge="7")
    house.change(ada, name="Ada Lovelace")  # her own badge is not in her way
    house.change(ada, left_at=house.at(2))
    assert house.get("visit", house.add(name="Bo", arrived_at=house.at(3), badge="7"))["state"] == "here"


def test_a_batch_names_the_record_whose_badge_is_taken(house: House) -> None:
    house.add(name="Ada", arrived_at=house.at(0), badge="1")
    rows = [
        {"name": f"Guest {badge}", "expected_at": house.at(0), "arrived_at": house.at(0), "badge": badge}
        for badge in ("2", "3", "2", "1")
    ]
    with (
        pytest.raises((ValidationFailed, KarvanError)) as caught,
        house.workspace.records.write(admin_of(house.workspace)) as writer,
    ):
        writer.create_many("visit", rows, partial=False)
    assert [(e.index, e.field) for e in caught.value.errors] == [(2, "badge"), (3, "badge")]  # type: ignore[attr-defined]
    assert len(house.all()) == 1


# -- what the worker keeps up to date ----------------------------------------------------------------------


def test_a_contact_shows_the_day_of_the_last_visit(house: House) -> None:
    ada = house.add("contact", name="Ada")
    bo = house.add("contact", name="Bo")
    old = house.add(contact=ada, arrived_at=house.at(-3 * 24 * 60))
    new = house.add(contact=ada, arrived_at=house.at(0))
    house.add(contact=ada)  # expected only
    house.settle()
    assert last(house, ada) == house.now.date().isoformat()
    house.change(new, contact=bo)
    house.settle()
    assert last(house, bo) == house.now.date().isoformat()
    assert last(house, ada) == (house.now - timedelta(days=3)).date().isoformat()
    house.remove(old)
    house.settle()
    assert last(house, ada) is None


def last(house: House, contact: int) -> Any:
    return house.get("contact", contact)["sample__last_visit"]


def test_what_did_not_change_is_not_written_again(house: House) -> None:
    ada = house.add("contact", name="Ada")
    visit = house.add(contact=ada, arrived_at=house.at(0))
    house.settle()
    version = house.get("contact", ada)["version"]
    house.change(visit, badge="4")
    house.settle()
    assert house.get("contact", ada)["version"] == version


def test_enabling_again_fills_in_what_was_missed(house: House) -> None:
    workspace = house.workspace
    ada = house.add("contact", name="Ada")
    house.settle()
    workspace.plugins.disable(admin_of(workspace), "sample")
    workspace.plugins.enable(admin_of(workspace), "sample")
    with workspace.records.write(admin_of(workspace)) as writer:
        writer.create("visit", {"contact": ada, "expected_at": house.at(0), "arrived_at": house.at(0)})
    settle(workspace)
    assert last(house, ada) == house.now.date().isoformat()


# -- who sees them -----------------------------------------------------------------------------------------


def test_everybody_sees_only_their_own_guests_if_the_settings_say_so(house: House) -> None:
    workspace = house.workspace
    bo = workspace.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=True)
    mine = house.add(name="Mine")
    his = house.add(name="Bo's", owner=bo.id)

    def seen(actor: Any) -> set[int]:
        return {row["id"] for row in workspace.records.read(actor).list("visit", ListQuery()).rows}

    assert seen(bo) == {mine, his}
    set_settings(workspace, "sample", {"own_visits_only": True})
    assert (seen(bo), seen(admin_of(workspace))) == ({his}, {mine})
