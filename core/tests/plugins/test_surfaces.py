"""Widgets and settings over REST and on pages; commands of plugins; the worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from karvan.cli import main
from karvan.testing import WorkspaceWith, admin_of, make_client, make_page_client, settle
from karvan.worker import LIMIT_S, deliver
from karvan.workspace import Workspace


@pytest.fixture
def crowd(zoo: None, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and the zoo, its first events told."""
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "zoo")
    settle(made)
    return made


def run(workspace: Workspace, *arguments: str) -> Any:
    settings = workspace.settings
    place = [
        "--home",
        str(settings.home),
        *(["--database-url", settings.url] if settings.database_url else []),
    ]
    return CliRunner().invoke(main, [*place, *arguments])


# -- REST --------------------------------------------------------------------------------------------------


def test_widgets_are_listed_switched_and_ordered_for_oneself(crowd: Workspace) -> None:
    client = make_client(crowd)

    def side() -> list[tuple[str, bool]]:
        found = client.get("/api/v1/widgets").get_json()["data"]
        return [(w["widget"], w["enabled"]) for w in found if w["slot"] == "record.side"]

    assert side() == [("zoo.card", True), ("zoo.broken", True), ("zoo.shy", False)]
    choice = {"slot": "record.side", "widget": "zoo.shy", "enabled": True}
    assert client.patch("/api/v1/widgets", json=choice).status_code == 200
    order = {"slot": "record.side", "order": ["zoo.shy"]}
    assert client.patch("/api/v1/widgets", json=order).status_code == 200
    assert side() == [("zoo.shy", True), ("zoo.card", True), ("zoo.broken", True)]
    assert client.patch("/api/v1/widgets", json={**choice, "enabled": None}).status_code == 200
    assert side()[0] == ("zoo.shy", False)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"slot": "record.roof", "widget": "zoo.card", "enabled": True}, 400, "slot"),
        ({"slot": "record.side", "widget": "zoo.bear", "enabled": True}, 422, "widget"),
        ({"slot": "record.side"}, 422, ""),
        ({"slot": "record.side", "order": ["zoo.bear"]}, 422, "widget"),
        ({"slot": "record.side", "widget": "zoo.card", "enabled": "yes"}, 422, "enabled"),
    ],
)
def test_a_choice_that_makes_no_sense_names_its_input(
    crowd: Workspace, body: dict[str, Any], status: int, field: str
) -> None:
    answer = make_client(crowd).patch("/api/v1/widgets", json=body)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (status, field)


def test_settings_over_rest(crowd: Workspace) -> None:
    client = make_client(crowd)
    path = "/api/v1/plugins/zoo/settings"
    answer = client.patch(path, json={"mode": "own", "secret": "honey"})
    found = {s["name"]: s for s in answer.get_json()["data"]}
    assert found["mode"]["value"] == "own"
    assert (found["secret"]["value"], found["secret"]["is_set"]) == (None, True)
    wrong = client.patch(path, json={"mode": "shut", "colour": 1})
    assert wrong.status_code == 422
    assert {e["field"] for e in wrong.get_json()["errors"]} == {"mode", "colour"}
    person = crowd.actors.create_user("bo@example.com", "Bo", "a good password")
    assert make_client(crowd, person).get(path).status_code == 403
    assert client.get("/api/v1/plugins/elephant/settings").status_code == 404


# -- pages -------------------------------------------------------------------------------------------------


def test_the_settings_page_saves_says_so_and_keeps_what_was_typed_wrong(crowd: Workspace) -> None:
    client = make_page_client(crowd)
    path = "/settings/plugins/zoo"
    assert client.post(path, data={"mode": "own", "limit": "3.75", "secret": "honey"}).status_code == 302
    page = client.get(f"{path}?saved=1").get_data(as_text=True)
    assert "Saved." in page
    assert 'value="3.75"' in page
    assert "honey" not in page
    wrong = client.post(path, data={"mode": "own", "limit": "much"})
    assert wrong.status_code == 422
    assert 'value="much"' in wrong.get_data(as_text=True)
    assert "&#39;much&#39; is no number" in wrong.get_data(as_text=True)
    client.post(path, data={"mode": "open", "limit": "", "secret": ""})
    values = {v.setting.name: (v.value, v.is_set) for v in crowd.plugin_settings.list("zoo")}
    assert values["limit"] == ("2.50", False)
    assert values["secret"] == (None, True)


def test_the_settings_page_is_for_administrators(crowd: Workspace) -> None:
    person = crowd.actors.create_user("bo@example.com", "Bo", "a good password")
    assert make_page_client(crowd, person).get("/settings/plugins/zoo").status_code == 403


# -- command line ------------------------------------------------------------------------------------------


def test_a_plugins_command_acts_as_the_plugin(crowd: Workspace) -> None:
    with crowd.records.write(admin_of(crowd)) as writer:
        writer.create("contact", {"name": "Ada"})
    assert run(crowd, "x", "zoo", "count", "contact").output == "1\n"
    refused = run(crowd, "x", "zoo", "count", "deal")
    assert refused.exit_code == 1
    assert "records:read:deal" in refused.output


def test_commands_of_plugins_are_listed_and_unknown_ones_are_refused(crowd: Workspace) -> None:
    assert "zoo" in run(crowd, "x", "--help").output
    assert "count" in run(crowd, "x", "zoo", "--help").output
    assert run(crowd, "x", "elephant", "count").exit_code == 2
    assert run(crowd, "x", "zoo", "fly").exit_code == 2


def test_slots_are_listed_with_their_widgets(crowd: Workspace) -> None:
    text = run(crowd, "slots").output
    assert text.index("record.side") < text.index("zoo.card")
    assert '"slot":"global.call_card"' in run(crowd, "slots", "--json").output


# -- other processes -----------------------------------------------------------------------------------------


def test_a_process_that_missed_a_purge_reads_on(crowd: Workspace) -> None:
    with crowd.records.write(admin_of(crowd)) as writer:
        made = writer.create("contact", {"name": "Ada"})
    other = Workspace(crowd.settings)
    try:
        reader = other.records.read(admin_of(other))
        assert "zoo__visits" in reader.list("contact").rows[0]
        crowd.plugins.disable(admin_of(crowd), "zoo")
        crowd.schema.purge(admin_of(crowd), "plugin:zoo")
        assert "zoo__visits" not in other.records.read(admin_of(other)).list("contact").rows[0]
        assert other.records.read(admin_of(other)).get("contact", made["id"])["name"] == "Ada"
        crowd.plugins.enable(admin_of(crowd), "zoo")
        page = make_page_client(other)
        assert "slot=record.side" in page.get(f"/contact/{made['id']}").get_data(as_text=True)
        crowd.plugins.disable(admin_of(crowd), "zoo")
        crowd.schema.purge(admin_of(crowd), "plugin:zoo")
        assert "slot=record.side" not in page.get(f"/contact/{made['id']}").get_data(as_text=True)
    finally:
        other.close()


# -- the worker --------------------------------------------------------------------------------------------


def test_a_worker_tells_plugins_and_stops_when_asked(workspace_with: WorkspaceWith) -> None:
    """With crm alone nobody listens: the events leave the outbox all the same."""
    made = workspace_with("crm")
    with made.records.write(admin_of(made)) as writer:
        writer.create("contact", {"name": "Ada"})
    environ = {
        **os.environ,
        "KARVAN_HOME": str(made.settings.home),
        "KARVAN_DATABASE_URL": made.settings.database_url,
    }
    worker = subprocess.Popen([sys.executable, "-m", "karvan.cli", "worker"], env=environ)
    try:
        ends = time.monotonic() + 30
        while made.deliveries.count().waiting and time.monotonic() < ends:
            time.sleep(0.1)
        assert made.deliveries.count().waiting == 0
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=20) == 0


def test_a_turn_with_nothing_to_do_says_so(crowd: Workspace) -> None:
    assert deliver(crowd) is False
    assert LIMIT_S <= 30


def test_the_folder_of_files_is_below_the_home(crowd: Workspace) -> None:
    files = crowd.host.context("zoo", crowd.records.moment(admin_of(crowd))).files
    files.write("a.txt", b"x")
    assert (Path(crowd.settings.home) / "files" / "zoo" / "a.txt").read_bytes() == b"x"
