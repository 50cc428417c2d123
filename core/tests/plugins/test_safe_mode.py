"""Safe mode: no code of plugins runs, what they made stays usable, and there is one way out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.app import create_app
from karvan.plugins.accidents import Accident
from karvan.settings import load_settings
from karvan.starting import begin_start, complete_start, incomplete_starts
from karvan.testing import ADMIN_EMAIL, ADMIN_PASSWORD, InstallPlugin, admin_of, make_client
from karvan.worker import deliver
from karvan.workspace import Workspace
from karvan_sdk.errors import BadInput, PluginRefused

MANIFEST = """
schema = 1
id = "den"
api = ">=0.1,<1"
name = "Den"
summary = "Of the tests."
objects = ["animal.toml"]

[[hooks]]
hook = "check_records"

[[hooks]]
hook = "records_changed"

[[widgets]]
id = "card"
title = "Card"
slots = ["dashboard.grid"]
"""
ANIMAL = 'name = "animal"\n[[fields]]\nname = "name"\ntype = "text"\n'
CODE = """
from pathlib import Path
from karvan_sdk import Rejected, Router, Widget, hookimpl

Path({mark!r}).touch()
router = Router()
widgets = [Widget(id="card", render=lambda ctx: "growl")]

@router.page("/", permission="signed_in")
def root(ctx, request):
    return "den"

@hookimpl
def check_records(changes):
    raise Rejected("No.")

@hookimpl
def records_changed(events):
    pass
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "imported"


@pytest.fixture
def den(workspace: Workspace, install_plugin: InstallPlugin, mark: Path) -> Workspace:
    """A workspace with the plugin on."""
    folder = install_plugin("den", MANIFEST, CODE.format(mark=str(mark)))
    (folder / "karvan_den" / "animal.toml").write_text(ANIMAL)
    workspace.plugins.enable(admin_of(workspace), "den")
    return workspace


@pytest.fixture
def safe(den: Workspace, mark: Path) -> Iterator[Workspace]:
    """The same workspace opened in safe mode by another process, as it were."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "karvan_den"]:
        del sys.modules[name]
    mark.unlink()
    made = Workspace(replace(den.settings, safe_mode=True))
    yield made
    made.close()


def login(workspace: Workspace) -> Any:
    browser = create_app(workspace=workspace).test_client()
    page = browser.get("/login").get_data(as_text=True)
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    browser.post("/login", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD, "csrf_token": token})
    return browser


def test_no_code_is_imported_and_records_of_plugins_stay_usable(safe: Workspace, mark: Path) -> None:
    client = make_client(safe)
    made = client.post("/api/v1/records/animal", json={"name": "Bear"})
    assert made.status_code == 201, made.text
    assert client.get("/api/v1/records/animal").json["data"][0]["name"] == "Bear"
    assert client.get("/api/x/den/").status_code == 404
    assert client.get("/health").json == {"status": "ok", "safe_mode": True}
    assert not mark.exists()


def test_outside_of_it_health_says_so(den: Workspace) -> None:
    assert make_client(den).get("/health").json == {"status": "ok", "safe_mode": False}


def test_every_page_says_that_it_is_on_and_how_to_leave_it(safe: Workspace, den: Workspace) -> None:
    browser = login(safe)
    for path in ("/", "/animal", "/settings", "/settings/plugins/den", "/nowhere", "/x/den/"):
        text = browser.get(path).get_data(as_text=True)
        assert "Safe mode" in text, path
        assert "karvan plugins disable ID" in text, path
    assert "growl" not in browser.get("/").get_data(as_text=True)
    assert "Safe mode" in create_app(workspace=safe).test_client().get("/login").get_data(as_text=True)
    assert "Safe mode" not in login(den).get("/settings").get_data(as_text=True)


def test_the_list_says_that_plugins_rest(safe: Workspace) -> None:
    safe.catalogs.current()
    assert safe.plugins.info("den").state == "resting"


def test_a_plugin_can_be_disabled_and_not_enabled(safe: Workspace, admin: Actor, mark: Path) -> None:
    safe.catalogs.current()
    safe.plugins.disable(admin, "den")
    assert safe.catalogs.current().plugins == ()
    with pytest.raises(PluginRefused, match="safe mode"):
        safe.plugins.enable(admin, "den")
    assert not mark.exists()


def test_events_wait(den: Workspace, safe: Workspace) -> None:
    while deliver(den):
        pass
    with safe.records.write(admin_of(safe)) as writer:
        writer.create("animal", {"name": "Bear"})
    program = (
        "import os, signal, sys, threading, time\nfrom karvan.cli import main\n"
        "threading.Timer(4, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()\nmain(['worker'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment(den), "KARVAN_SAFE_MODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "they wait until plugins are called again" in done.stderr
    with safe.database.read() as connection:
        assert connection.fetchone("SELECT count(*) FROM k_outbox")[0] == 1
    assert den.deliveries.due()


def environment(workspace: Workspace) -> dict[str, str]:
    return {
        **os.environ,
        "KARVAN_HOME": str(workspace.settings.home),
        "KARVAN_DATABASE_URL": workspace.settings.database_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


# -- the commands ------------------------------------------------------------------------------------------


def test_the_commands_about_plugins_work_while_an_import_ends_the_process(den: Workspace, mark: Path) -> None:
    code = Path(sys.modules["karvan_den.plugin"].__file__ or "")
    code.write_text("import os\nos._exit(9)\n")

    def karvan(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "karvan.cli", *words]
        return subprocess.run(
            command, env=environment(den), capture_output=True, text=True, timeout=60, check=False
        )

    assert karvan("slots").returncode == 9  # what needs the code ends: the animal is alive
    for words in (["list"], ["info", "den"], ["uninstall", "den", "--plan"], ["disable", "den"]):
        done = karvan("plugins", *words)
        assert done.returncode == 0, done.stderr
    assert karvan("slots").returncode == 0


def test_the_list_says_what_happened_and_what_to_do(den: Workspace) -> None:
    version = den.plugins.info("den").version
    why = "It took longer than 8 s."
    den.accidents.record(Accident(plugin="den", version=version, hook="check_records", why=why))
    (problem,) = den.plugins.info("den").problems
    assert "A process ended while its code ran in 'check_records'" in problem
    assert "It took longer than 8 s. Disable it" in problem
    den.accidents.record(Accident(plugin="den", version="0.0.1", hook="import", why=why))
    assert den.plugins.info("den").problems == ()  # that version is gone; one at import, but not of this one


# -- starts ------------------------------------------------------------------------------------------------


def test_two_incomplete_starts_arm_safe_mode_for_the_next_and_for_no_other(tmp_path: Path) -> None:
    assert [begin_start(tmp_path) for _ in range(4)] == [False, False, True, False]


def test_a_complete_start_forgets_those_before(tmp_path: Path) -> None:
    assert not begin_start(tmp_path)
    assert incomplete_starts(tmp_path) == 1
    complete_start(tmp_path)
    complete_start(tmp_path)
    assert incomplete_starts(tmp_path) == 0
    assert [begin_start(tmp_path) for _ in range(3)] == [False, False, True]


def test_a_count_that_was_cut_off_is_none(tmp_path: Path) -> None:
    begin_start(tmp_path)
    next((tmp_path / "run").iterdir()).write_text("")
    assert incomplete_starts(tmp_path) == 0


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("true", True), ("ON", True), ("0", False), ("no", False), ("", False)]
)
def test_a_switch_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("KARVAN_SAFE_MODE", text)
    assert load_settings().safe_mode is value


def test_a_switch_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KARVAN_SAFE_MODE", "perhaps")
    with pytest.raises(BadInput, match="KARVAN_SAFE_MODE: safe_mode needs 1 or 0, not 'perhaps'"):
        load_settings()
