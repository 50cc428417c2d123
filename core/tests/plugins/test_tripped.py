"""A plugin of which a hook keeps failing is suspended for all processes, until somebody resumes it."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from karvan.cli import main
from karvan.plugins.breaker import OPEN_S
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of, make_client, make_page_client, settle
from karvan.workspace import Workspace

MANIFEST = """schema = 1
id = "hornet"
api = ">=0.1,<1"
name = "Hornet"
summary = "Of the tests."
[[hooks]]
hook = "check_records"
objects = ["contact"]
[[hooks]]
hook = "records_changed"
objects = ["contact"]
[[settings]]
name = "mode"
default = "a"
[[widgets]]
id = "nest"
title = "Nest"
slots = ["dashboard.grid"]
"""
CODE = """from karvan_sdk import Router, Widget, hookimpl

CALLS = []
WELL = []
TOLD = []
router = Router()


@router.api("/sting", permission="admin")
def sting(ctx, request):
    return "stung"


widgets = [Widget(id="nest", render=lambda ctx: "a nest")]


@hookimpl
def check_records():
    CALLS.append(1)
    if not WELL:
        raise RuntimeError("it stings")


@hookimpl
def records_changed(events):
    TOLD.extend(events)
"""


class Clockwork:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hive(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with a plugin whose gate fails until it is told otherwise."""
    install_plugin("hornet", MANIFEST, CODE)
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "hornet")
    settle(made)
    for kept in (code().CALLS, code().WELL, code().TOLD):
        kept.clear()
    return made


def code() -> Any:
    return __import__("karvan_hornet.plugin", fromlist=["CALLS"])


def create(workspace: Workspace, times: int = 1) -> None:
    for _ in range(times):
        with workspace.records.write(admin_of(workspace)) as writer:
            writer.create("contact", {"name": "Ann"})


def create_and_fail(workspace: Workspace) -> None:
    with workspace.records.write(admin_of(workspace)) as writer:
        for _ in range(5):
            writer.create("contact", {"name": "Ann"})
        raise ZeroDivisionError


def sting(workspace: Workspace) -> None:
    """Fail until the breaker has opened for the third time."""
    clock = Clockwork()
    workspace.host.breakers._clock = clock
    create(workspace, 7)
    assert len(code().CALLS) == 5
    for seconds in OPEN_S[:2]:
        assert workspace.plugins.info("hornet").state != "suspended"
        clock.now += seconds
        create(workspace)
    assert len(code().CALLS) == 7


def run(workspace: Workspace, *arguments: str) -> Any:
    settings = workspace.settings
    url = ["--database-url", settings.url] if settings.database_url else []
    return CliRunner().invoke(main, ["--home", str(settings.home), *url, *arguments])


def test_the_third_opening_suspends_it_everywhere_and_survives_restarts(hive: Workspace) -> None:
    sting(hive)
    fresh = Workspace(hive.settings)
    for workspace in (hive, fresh):
        workspace.catalogs.current()
        info = workspace.plugins.info("hornet")
        assert info.state == "suspended"
        assert "check_records kept failing: RuntimeError: it stings" in info.problems[0]
        assert "in check_records" in info.trace
    create(fresh)
    assert len(code().CALLS) == 7
    fresh.close()


def test_none_of_its_code_answers_and_its_events_wait(hive: Workspace) -> None:
    sting(hive)
    client, page = make_client(hive), make_page_client(hive)
    answer = client.get("/api/x/hornet/sting")
    assert answer.get_json()["code"] == "plugin_failed"
    assert "it is suspended" in answer.get_json()["detail"]
    assert "This widget could not be shown" in page.get("/_w?slot=dashboard.grid").get_data(as_text=True)
    settle(hive)
    assert code().TOLD == []
    with hive.database.read() as connection:
        rows = connection.fetchall("SELECT state, attempts FROM k_delivery")
    assert {tuple(row) for row in rows} == {("waiting", 0)}


def test_an_administrator_sees_it_and_tries_again_on_the_page(hive: Workspace) -> None:
    sting(hive)
    page = make_page_client(hive)
    shown = page.get("/settings/plugins/hornet").get_data(as_text=True)
    assert "it stings" in shown
    assert "Try again" in shown
    code().WELL.append(1)
    assert page.post("/settings/plugins/hornet/resume").status_code == 302
    hive.catalogs.current()
    assert hive.plugins.info("hornet").state == "on"
    create(hive)
    assert len(code().CALLS) == 8
    settle(hive)
    assert len(code().TOLD) == 10


def test_an_administrator_may_disable_it_there_and_nobody_else_may_do_either(hive: Workspace) -> None:
    sting(hive)
    person = hive.actors.create_user("bo@example.com", "Bo", "a good password")
    stranger = make_page_client(hive, person)
    for act in ("resume", "disable"):
        assert stranger.post(f"/settings/plugins/hornet/{act}").status_code == 403
    hive.catalogs.current()
    assert hive.plugins.info("hornet").state == "suspended"
    assert make_page_client(hive).post("/settings/plugins/hornet/disable").status_code == 302
    assert hive.plugins.info("hornet").state == "off"


def test_it_is_resumed_by_the_api_once(hive: Workspace) -> None:
    sting(hive)
    client = make_client(hive)
    states = {p["id"]: p["state"] for p in client.get("/api/v1/plugins").get_json()["data"]}
    assert states["hornet"] == "suspended"
    assert client.post("/api/v1/plugins/hornet/resume").get_json()["data"]["changed"]
    assert not client.post("/api/v1/plugins/hornet/resume").get_json()["data"]["changed"]


def test_it_is_listed_and_resumed_by_commands(hive: Workspace) -> None:
    sting(hive)
    assert "suspended" in run(hive, "plugins", "list").output
    assert "is called again" in run(hive, "plugins", "resume", "hornet").output
    assert "is not suspended" in run(hive, "plugins", "resume", "hornet").output


def test_changed_settings_begin_anew(hive: Workspace) -> None:
    sting(hive)
    hive.plugin_settings.change(admin_of(hive), "hornet", {"mode": "b"})
    hive.catalogs.current()
    assert hive.plugins.info("hornet").state == "on"


def test_a_transaction_that_is_rolled_back_loses_no_suspension(hive: Workspace) -> None:
    clock = Clockwork()
    hive.host.breakers._clock = clock
    for seconds in (0.0, *OPEN_S[:2]):
        clock.now += seconds
        with pytest.raises(ZeroDivisionError):
            create_and_fail(hive)
    hive.catalogs.current()
    assert hive.plugins.info("hornet").state == "suspended"
