"""The commands of administrators, through the command line, and the demo, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from karvan.cli import main
from karvan.demo import make_demo
from karvan.records.shapes import ListQuery
from karvan.testing import admin_of, set_settings, settle
from karvan.workspace import Workspace

Run = Callable[..., Any]


@pytest.fixture
def run(telephony: Workspace) -> Run:
    """Runs `karvan x telephony …` on the workspace."""

    def invoke(*words: str, code: int = 0) -> str:
        settings = telephony.settings
        where = ["--home", str(settings.home), "--database-url", settings.url]
        done = CliRunner().invoke(main, [*where, "x", "telephony", *words])
        assert done.exit_code == code, done.output
        return done.output

    return invoke


def test_ring_makes_a_call_as_a_provider_would(run: Run, book: Any) -> None:
    said = run("ring", "--from", "030 123456", "--to", "200")
    (call,) = book.all("call")
    (lead,) = book.all("lead")
    assert (call["state"], call["line"], call["lead"]) == ("ringing", "200", lead["id"])
    for part in (
        f"Call {call['id']}",
        call["external_id"],
        "+49 30 123456",
        f"/lead/{lead['id']}",
        "made now",
    ):
        assert part in said


def test_ring_goes_on_with_a_call(run: Run, book: Any) -> None:
    contact = book.add("contact", name="Sanne", phone="030 123456")
    run("ring", "--from", "030 123456", "--call-id", "x")
    run("ring", "--from", "030 123456", "--call-id", "x", "--event", "answered")
    said = run("ring", "--from", "030 123456", "--call-id", "x", "--event", "ended", "--duration", "9")
    assert [(c["state"], c["duration"], c["contact"]) for c in book.all("call")] == [
        ("ended", 9, contact["id"])
    ]
    assert f"/contact/{contact['id']}" in said
    assert book.all("lead") == []


def test_ring_says_when_nobody_is_known(telephony: Workspace, run: Run) -> None:
    set_settings(telephony, "telephony", {"create_leads": False})
    assert "Nobody is known" in run("ring", "--from", "+4930999999")


def test_ring_refuses_what_the_webhook_would(run: Run, book: Any) -> None:
    said = run("ring", "--from", " ", code=1)
    assert "from" in said
    assert book.all("call") == []


def test_normalise_brings_all_people_up_to_date(telephony: Workspace, run: Run, book: Any) -> None:
    for n in range(3):
        book.add("contact", name=f"P{n}", phone=f"021 5550 010{n}")
    set_settings(telephony, "telephony", {"country": "IR"})
    said = run("normalise")
    assert "Contacts: 3 read, 3 changed." in said
    assert "Leads: 0 read, 0 changed." in said
    assert [c["telephony__e164"] for c in book.all("contact")] == [f"+98215550010{n}" for n in range(3)]
    assert "Contacts: 3 read, 0 changed." in run("normalise")


def test_normalise_refuses_a_country_that_is_none(telephony: Workspace, run: Run) -> None:
    set_settings(telephony, "telephony", {"country": "Germany"})
    assert "GERMANY" in run("normalise", code=1)


def test_the_demo_has_calls_with_numbers_and_people(workspace_with: Callable[..., Workspace]) -> None:
    workspace = workspace_with()
    make_demo(workspace, ("crm", "telephony"), size=200)
    settle(workspace)
    rows = workspace.records.read(admin_of(workspace)).list("call", ListQuery(limit=100)).rows
    assert len(rows) == 20
    assert all(r["name"] and r["phone"] and r["e164"] for r in rows)
    assert all((r["contact"] is None) != (r["lead"] is None) for r in rows)
    assert all(r["state"] in ("missed", "ended") for r in rows)
    begun = [datetime.fromisoformat(r["started_at"]) for r in rows]
    assert datetime.now(UTC) - timedelta(days=12) < min(begun) < max(begun) < datetime.now(UTC)
