"""What the hooks derive and refuse, with a context that implements the protocol over the real manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from karvan_crm.plugin import plugin
from karvan_sdk import Change, HookContext, Object, Option, Rejected, UnknownObject, load_manifest

ROOT = files("karvan_crm")
MANIFEST = load_manifest("crm", lambda path: (ROOT / path).read_text("utf-8"))
OBJECTS: Mapping[str, Object] = {o.name: o for o in MANIFEST.objects}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A hook context over a set of objects."""

    plugin: str = "crm"
    actor_id: int | None = None
    language: str = "en"
    timezone: str = "UTC"
    objects: Mapping[str, Object] = field(default_factory=lambda: OBJECTS)

    def describe(self, object: str) -> Object:
        if object not in self.objects:
            raise UnknownObject(object)
        return self.objects[object]


def with_stage(*options: Option) -> Moment:
    deal = OBJECTS["deal"]
    fields = tuple(
        replace(f, options=(*f.options, *options)) if f.name == "stage" else f for f in deal.fields
    )
    return Moment(objects={**OBJECTS, "deal": replace(deal, fields=fields)})


def prepare(
    object: str, values: dict[str, Any], before: dict[str, Any] | None = None, ctx: HookContext | None = None
) -> Mapping[str, Any]:
    change = Change(id=7 if before is not None else None, before=before or {}, values=values)
    event = "create" if before is None else "update"
    result = plugin.prepare_records(ctx or Moment(), object, event, [change])
    assert result is not None
    assert len(result) == 1
    return result[0].values


def check(object: str, *changes: Change, language: str = "en") -> None:
    plugin.check_records(Moment(language=language), object, "update", changes)


@pytest.mark.parametrize(
    ("stage", "probability"), [("prospecting", 10), ("negotiation", 75), ("won", 100), ("lost", 0)]
)
def test_a_new_deal_takes_the_probability_of_its_stage(stage: str, probability: int) -> None:
    found = prepare("deal", {"name": "D", "stage": stage, "probability": None})["probability"]
    assert found == Decimal(probability)
    assert isinstance(found, Decimal)


def test_a_probability_typed_along_with_the_stage_stands() -> None:
    values = {"name": "D", "stage": "proposal", "probability": Decimal(33)}
    assert prepare("deal", values)["probability"] == Decimal(33)


def test_an_unchanged_stage_changes_nothing() -> None:
    before = {"stage": "won", "probability": Decimal(90), "closed_at": LONG_AGO, "name": "D"}
    assert prepare("deal", {"stage": "won", "name": "E"}, before) == {"stage": "won", "name": "E"}


def test_winning_a_deal_stamps_the_moment_and_reopening_clears_it() -> None:
    won = prepare("deal", {"stage": "won"}, {"stage": "proposal", "probability": Decimal(50)})
    assert abs(won["closed_at"] - datetime.now(UTC)) < timedelta(minutes=1)
    reopened = prepare("deal", {"stage": "proposal"}, {"stage": "won", "closed_at": LONG_AGO})
    assert reopened["closed_at"] is None
    assert reopened["probability"] == Decimal(50)


def test_moving_from_won_to_lost_keeps_the_moment_of_closing() -> None:
    before = {"stage": "won", "closed_at": LONG_AGO, "probability": Decimal(100)}
    assert prepare("deal", {"stage": "lost"}, before).get("closed_at", LONG_AGO) == LONG_AGO


def test_an_imported_closed_deal_was_closed_on_its_close_date_in_the_workspaces_zone() -> None:
    values = {"name": "D", "stage": "won", "close_date": date(2017, 3, 1)}
    found = prepare("deal", values, ctx=Moment(timezone="Europe/Moscow"))
    assert found["closed_at"] == datetime(2017, 3, 1, 20, 59, 59, tzinfo=UTC)


def test_the_last_day_of_the_calendar_does_not_break_the_closing_moment() -> None:
    values = {"name": "D", "stage": "won", "close_date": date(9999, 12, 31)}
    found = prepare("deal", values, ctx=Moment(timezone="America/New_York"))
    assert found["closed_at"] <= datetime.now(UTC)


def test_a_stage_added_later_counts_by_its_attributes() -> None:
    ctx = with_stage(Option(value="Engaging", attributes={"type": "open"}),
                     Option(value="signed", attributes={"type": "won"}))  # fmt: skip
    engaging = prepare("deal", {"name": "D", "stage": "Engaging"}, ctx=ctx)
    assert "probability" not in engaging
    assert "closed_at" not in engaging
    signed = prepare("deal", {"name": "D", "stage": "signed"}, ctx=ctx)
    assert signed["probability"] == Decimal(100)
    assert signed["closed_at"] is not None


@pytest.mark.parametrize("given", ["often", "NaN", "1000", True, None, [1]])
def test_a_senseless_probability_of_an_option_is_ignored(given: object) -> None:
    ctx = with_stage(Option(value="odd", attributes={"type": "open", "probability": given}))
    assert "probability" not in prepare("deal", {"name": "D", "stage": "odd"}, ctx=ctx)


def test_a_deal_without_anything_to_name_it_by_is_called_a_deal() -> None:
    assert prepare("deal", {"stage": "prospecting"}, ctx=Moment(language="ru"))["name"] == "Сделка"
    assert "name" not in prepare("deal", {"stage": "prospecting", "account": 3})


def test_an_activity_is_stamped_when_done_and_cleared_when_not() -> None:
    done = prepare("activity", {"status": "done"}, {"status": "planned"})
    assert abs(done["done_at"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert prepare("activity", {"status": "done", "done_at": LONG_AGO})["done_at"] == LONG_AGO
    assert (
        prepare("activity", {"status": "planned"}, {"status": "done", "done_at": LONG_AGO})["done_at"] is None
    )


def test_other_objects_are_left_alone() -> None:
    assert plugin.prepare_records(Moment(), "contact", "create", [Change(values={"name": "A"})]) is None
    check("contact", Change(id=1, values={"name": "A"}))


def test_an_account_cannot_be_its_own_parent_and_the_batch_says_which() -> None:
    with pytest.raises(Rejected, match="own parent") as refused:
        check("account", Change(id=1, values={"parent": 2}), Change(id=3, values={"parent": 3}))
    assert [(e.index, e.field) for e in refused.value.errors] == [(1, "parent")]


def test_a_refusal_speaks_the_language_of_the_one_who_asks() -> None:
    with pytest.raises(Rejected, match="Компания"):
        check("account", Change(id=3, values={"parent": 3}), language="ru")


def test_what_is_done_cannot_lie_in_the_future() -> None:
    check("activity", Change(values={"status": "done", "done_at": datetime.now(UTC)}))
    with pytest.raises(Rejected, match="future"):
        check("activity", Change(values={"done_at": datetime.now(UTC) + timedelta(days=3)}))


def test_the_demo_hook_answers_through_the_plugin() -> None:
    batches = plugin.demo_records(Moment(timezone="Asia/Tehran"), 100, 1)
    assert batches is not None
    assert sum(len(b.records) for b in batches) == 100
