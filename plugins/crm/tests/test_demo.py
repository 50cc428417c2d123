"""Demo records are the same each time, fit the declarations and make sense together."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import date, datetime
from importlib.resources import files
from typing import Any

import pytest

from karvan_crm.demo import make_demo
from karvan_sdk import DemoRecords, DemoRef, load_manifest

ROOT = files("karvan_crm")
MANIFEST = load_manifest("crm", lambda path: (ROOT / path).read_text("utf-8"))
OBJECTS = {o.name: o for o in MANIFEST.objects}
TODAY = date(2026, 3, 15)
SCRIPTS = {"Latin": "[A-Za-z]", "Cyrillic": "[а-яё]", "Arabic": "[\u0600-\u06ff]", "Han": "[\u4e00-\u9fff]"}


def demo(size: int = 3000, seed: int = 1, today: date = TODAY) -> list[DemoRecords]:
    return list(make_demo(size=size, seed=seed, today=today))


@pytest.fixture(scope="module")
def records() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in demo():
        found.setdefault(batch.object, []).extend(dict(r) for r in batch.records)
    return found


def test_the_same_seed_gives_the_same_records_and_another_gives_others() -> None:
    assert demo(400) == demo(400)
    assert demo(400) != demo(400, seed=2)


@pytest.mark.parametrize("size", [0, 1, 10, 100, 3000])
def test_the_size_is_met_and_small_ones_still_have_one_of_each(size: int) -> None:
    batches = demo(size)
    made = sum(len(b.records) for b in batches)
    assert {b.object for b in batches} == set(OBJECTS)
    assert made == max(size, 5)


@pytest.mark.parametrize("today", [date(2024, 2, 29), date(2026, 12, 31)], ids=str)
def test_odd_days_are_no_trouble(today: date) -> None:
    assert demo(500, today=today)


def test_five_thousand_records_take_under_two_seconds() -> None:
    started = time.perf_counter()
    demo(5000)
    assert time.perf_counter() - started < 2


def test_references_point_to_records_of_earlier_batches() -> None:
    made: Counter[str] = Counter()
    for batch in demo():
        for record in batch.records:
            for ref in record.values():
                if isinstance(ref, DemoRef):
                    assert 0 <= ref.number < made[ref.object]
        made[batch.object] += len(batch.records)


def test_every_value_fits_the_declaration_of_its_field(records: dict[str, list[dict[str, Any]]]) -> None:
    for name, rows in records.items():
        for row in rows:
            assert row[OBJECTS[name].name_field]
            for key, value in row.items():
                field = OBJECTS[name].field(key)
                assert field is not None, key
                assert not field.read_only, key
                match field.type:
                    case "select":
                        assert field.option(value) is not None, (key, value)
                    case "lookup":
                        assert value.object == field.target
                    case "date":
                        date.fromisoformat(value)
                    case "datetime":
                        assert datetime.fromisoformat(value).tzinfo is not None
                    case "currency":
                        assert re.fullmatch(r"\d+\.\d\d", value)
                    case "email":
                        assert re.fullmatch(r"[a-z0-9.]+@[a-z0-9-]+\.example", value)
                    case "integer":
                        assert isinstance(value, int)
                    case _:
                        assert isinstance(value, str)
                        assert 0 < len(value) <= 255


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("object", ["account", "contact", "lead", "deal", "activity"])
def test_a_fair_share_is_written_in_each_script(
    records: dict[str, list[dict[str, Any]]], object: str, script: str
) -> None:
    name_field = OBJECTS[object].name_field
    written = [r for r in records[object] if re.search(SCRIPTS[script], r[name_field])]
    assert len(written) >= len(records[object]) / 8


def test_account_names_are_unique(records: dict[str, list[dict[str, Any]]]) -> None:
    names = [r["name"] for r in records["account"]]
    assert len(names) == len(set(names))


def test_a_deals_contact_works_at_the_deals_account(records: dict[str, list[dict[str, Any]]]) -> None:
    for deal in records["deal"]:
        assert records["contact"][deal["contact"].number]["account"] == deal["account"]


def test_dates_of_deals_agree_with_their_stages(records: dict[str, list[dict[str, Any]]]) -> None:
    for deal in records["deal"]:
        opened, closes = date.fromisoformat(deal["opened_on"]), date.fromisoformat(deal["close_date"])
        assert opened <= closes
        assert opened <= TODAY
        if deal["stage"] in ("won", "lost"):
            assert closes < TODAY
        assert ("lost_reason" in deal) == (deal["stage"] == "lost")


def test_activities_belong_together_and_what_is_done_is_past(
    records: dict[str, list[dict[str, Any]]],
) -> None:
    for activity in records["activity"]:
        if "deal" in activity:
            deal = records["deal"][activity["deal"].number]
            assert (activity["account"], activity["contact"]) == (deal["account"], deal["contact"])
        else:
            assert "lead" in activity
        assert ("done_at" in activity) == (activity["status"] == "done")
        if activity["status"] == "done":
            assert datetime.fromisoformat(activity["done_at"]).date() < TODAY


def test_the_views_of_a_demo_are_not_empty(records: dict[str, list[dict[str, Any]]]) -> None:
    open_deals = [d for d in records["deal"] if d["stage"] not in ("won", "lost")]
    assert any(d["close_date"] < TODAY.isoformat() for d in open_deals)
    assert any(d["close_date"][:7] == "2026-03" for d in open_deals)
    planned = [a for a in records["activity"] if a["status"] == "planned"]
    assert any(a["due_at"] < TODAY.isoformat() for a in planned)
    assert any(a["due_at"] > TODAY.isoformat() for a in planned)
