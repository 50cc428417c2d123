"""The end of the day: one job a day lets guests go who did not sign out."""

from __future__ import annotations

import json

from karvan.testing import admin_of
from karvan_sample.evening import go_home

from .conftest import House


def test_guests_of_days_gone_by_have_left_and_those_of_today_stay(house: House) -> None:
    old = house.add(name="Ada", arrived_at=house.at(-2 * 24 * 60), badge="1")
    new = house.add(name="Bo", arrived_at=house.at(0), badge="2")
    workspace = house.workspace
    ctx = workspace.host.context("sample", workspace.records.moment(admin_of(workspace)))
    for _ in range(2):  # at least once means twice at times
        go_home(ctx, {"day": "2026-03-31"})
    assert (house.get("visit", old)["state"], house.get("visit", new)["state"]) == ("gone", "here")


def test_one_job_a_day_waits_for_midnight_however_many_guests_come(house: House) -> None:
    for name in ("Ada", "Bo", "Cy"):
        house.add(name=name, arrived_at=house.at(0))
        house.settle()
    with house.workspace.database.read() as connection:
        rows = connection.fetchall("SELECT name, payload FROM k_job WHERE plugin = 'sample'", ())
    assert [(name, json.loads(payload)) for name, payload in rows] == [
        ("go_home", {"day": house.now.date().isoformat()})
    ]
