"""Settings of plugins: scopes, locks, sealed secrets, what no longer fits, and the audit of changes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy.engine import make_url

from karvan.access.actors import Actor
from karvan.database import Database, audit
from karvan.database.migrate import _config
from karvan.plugins.effective import hash_settings
from karvan.settings import Settings
from karvan.testing import (
    InstallPlugin,
    WorkspaceWith,
    admin_of,
    make_client,
    make_page_client,
    postgresql_database,
    set_settings,
)
from karvan.vault import Vault
from karvan.workspace import Workspace
from karvan_sdk.errors import NotAllowed, Rejected, UnknownPlugin, ValidationFailed

MANIFEST = """
schema = 1
id = "lamp"
api = ">=0.1,<1"
name = "Lamp"
summary = "Of the tests."

[[hooks]]
hook = "check_records"
objects = ["contact"]

[[settings]]
name = "colour"
type = "select"
default = "white"
scopes = ["system", "user"]
options = ["white", "red", "blue"]

[[settings]]
name = "since"
type = "date"

[[settings]]
name = "key"
secret = true

[[settings]]
name = "pin"
secret = true
scopes = ["user"]
"""
BODY = """
from karvan_sdk import Rejected, Router, hookimpl, json_response

router = Router()


def shown(ctx):
    return {name: None if value is None else str(value) for name, value in ctx.settings.items()}


@router.api("/settings", permission="signed_in")
def settings(ctx, request):
    return json_response(shown(ctx))


@hookimpl
def check_records(ctx):
    raise Rejected(ctx.settings["colour"])
"""


@pytest.fixture
def lamp(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and the lamp."""
    install_plugin("lamp", MANIFEST, BODY)
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "lamp")
    return made


@pytest.fixture
def bo(lamp: Workspace) -> Actor:
    """A person who is no administrator."""
    return lamp.actors.create_user("bo@example.com", "Bo", "a good password")


def seen(workspace: Workspace, actor: Actor | None = None) -> dict[str, Any]:
    """What the plugin's code gets when this person calls it."""
    found: dict[str, Any] = make_client(workspace, actor).get("/api/x/lamp/settings").get_json()
    return found


def stored(workspace: Workspace) -> dict[tuple[str, str, int], Any]:
    """What stands in the database: (name, scope, scope id) → JSON value."""
    with workspace.database.read() as connection:
        rows = connection.fetchall("SELECT name, scope, scope_id, value FROM k_setting")
    return {(r[0], r[1], r[2]): json.loads(r[3]) for r in rows}


def journal(workspace: Workspace, subject: str = "plugin/lamp/settings") -> list[tuple[Any, ...]]:
    """The audit, the oldest first."""
    with workspace.database.read() as connection:
        page = audit.read(connection, subject=subject)
    return [(e.action, e.subject, e.before, e.after) for e in reversed(page.entries)]


def codes(caught: pytest.ExceptionInfo[ValidationFailed]) -> dict[str, str]:
    """The findings: field → code."""
    return {e.field: e.code for e in caught.value.errors}


# -- scopes ------------------------------------------------------------------------------------------------


def test_the_value_of_a_person_goes_before_that_for_all_and_that_before_the_default(
    lamp: Workspace, bo: Actor
) -> None:
    assert seen(lamp, bo)["colour"] == "white"
    set_settings(lamp, "lamp", {"colour": "red"})
    assert seen(lamp, bo)["colour"] == "red"
    lamp.plugin_settings.change_own(bo, "lamp", {"colour": "blue"})
    assert (seen(lamp, bo)["colour"], seen(lamp)["colour"]) == ("blue", "red")
    lamp.plugin_settings.change_own(bo, "lamp", {"colour": None})
    assert seen(lamp, bo)["colour"] == "red"


def test_a_hook_inside_a_transaction_gets_the_values_of_who_writes(lamp: Workspace) -> None:
    cy = lamp.actors.create_user("cy@example.com", "Cy", "a good password", is_admin=True)
    lamp.plugin_settings.change_own(cy, "lamp", {"colour": "blue"})
    for actor, colour in ((cy, "blue"), (admin_of(lamp), "white"), (Actor.system(), "white")):
        with pytest.raises(Rejected, match=colour), lamp.records.write(actor) as writer:
            writer.create("contact", {"name": "Ada"})


def test_a_setting_is_set_only_in_the_scopes_that_it_declares(lamp: Workspace, bo: Actor) -> None:
    with pytest.raises(ValidationFailed) as caught:
        lamp.plugin_settings.change_own(bo, "lamp", {"since": "2026-03-31", "key": "x", "colour": "green"})
    assert codes(caught) == {"since": "scope", "key": "scope", "colour": "unknown_option"}
    with pytest.raises(ValidationFailed) as caught:
        set_settings(lamp, "lamp", {"pin": "1234"})
    assert codes(caught) == {"pin": "scope"}
    with pytest.raises(NotAllowed):
        lamp.plugin_settings.change_own(Actor.system(), "lamp", {"colour": "red"})


def test_a_value_equal_to_the_default_is_kept_as_chosen(lamp: Workspace) -> None:
    set_settings(lamp, "lamp", {"colour": "white"})
    assert stored(lamp) == {("colour", "system", 0): "white"}
    (found,) = [s for s in lamp.plugin_settings.list("lamp") if s.setting.name == "colour"]
    assert (found.is_set, found.source, found.inherited) == (True, "system", "white")


def test_values_reach_the_code_in_their_python_form(lamp: Workspace) -> None:
    set_settings(lamp, "lamp", {"since": "2026-03-31"})
    moment = lamp.records.moment(admin_of(lamp))
    scope = lamp.host._scope(lamp.host._plan.loaded["lamp"])
    assert type(scope.settings.at(moment)["since"]).__name__ == "date"


def test_one_plugin_is_told_of_by_whom_it_may_be_set(lamp: Workspace, bo: Actor) -> None:
    assert lamp.plugin_settings.personal() == ("lamp",)
    assert [s.setting.name for s in lamp.plugin_settings.list_own(bo, "lamp")] == ["colour", "pin"]
    with pytest.raises(UnknownPlugin):
        lamp.plugin_settings.list_own(bo, "elephant")


# -- locks -------------------------------------------------------------------------------------------------


def test_a_locked_setting_holds_for_all_until_it_is_unlocked(lamp: Workspace, bo: Actor) -> None:
    admin, own = admin_of(lamp), lamp.plugin_settings
    own.change_own(bo, "lamp", {"colour": "blue"})
    own.lock(admin, "lamp", "colour", "One colour for all guests.")
    assert seen(lamp, bo)["colour"] == "white"
    (found, _) = own.list_own(bo, "lamp")
    assert (found.lock, found.value, found.source) == ("One colour for all guests.", "white", "default")
    with pytest.raises(ValidationFailed, match="One colour for all guests") as caught:
        own.change_own(bo, "lamp", {"colour": "red"})
    assert codes(caught) == {"colour": "locked"}
    own.unlock(admin, "lamp", "colour")
    assert seen(lamp, bo)["colour"] == "blue"


@pytest.mark.parametrize(("name", "reason"), [("since", "why"), ("sound", "why"), ("colour", " ")])
def test_a_lock_needs_a_setting_of_people_and_a_reason(lamp: Workspace, name: str, reason: str) -> None:
    with pytest.raises(ValidationFailed):
        lamp.plugin_settings.lock(admin_of(lamp), "lamp", name, reason)


def test_only_an_administrator_locks(lamp: Workspace, bo: Actor) -> None:
    with pytest.raises(NotAllowed):
        lamp.plugin_settings.lock(bo, "lamp", "colour", "because")
    with pytest.raises(NotAllowed):
        lamp.plugin_settings.unlock(bo, "lamp", "colour")


# -- secrets -----------------------------------------------------------------------------------------------


def test_a_secret_is_sealed_where_it_is_kept_and_open_for_the_code(lamp: Workspace, bo: Actor) -> None:
    set_settings(lamp, "lamp", {"key": "open sesame"})
    lamp.plugin_settings.change_own(bo, "lamp", {"pin": "1234"})
    assert all(Vault.is_sealed(value) for value in stored(lamp).values())
    assert (seen(lamp)["key"], seen(lamp)["pin"]) == ("open sesame", None)
    assert seen(lamp, bo)["pin"] == "1234"


def test_a_secret_is_nowhere_in_the_database_answers_pages_or_log(
    lamp: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    set_settings(lamp, "lamp", {"key": "open sesame"})
    set_settings(lamp, "lamp", {"key": "open sesame two"})
    everything = json.dumps(stored(lamp) and list(stored(lamp).values())) + repr(journal(lamp))
    everything += make_client(lamp).get("/api/v1/plugins/lamp/settings").get_data(as_text=True)
    everything += repr(lamp.catalogs.current().settings) + caplog.text
    assert "sesame" not in everything
    assert journal(lamp) == [
        ("setting.changed", "plugin/lamp/settings/key", None, {"secret": True}),
        ("setting.changed", "plugin/lamp/settings/key", {"secret": True}, {"secret": True}),
    ]


def test_what_is_copied_to_another_place_does_not_open_there(lamp: Workspace, bo: Actor) -> None:
    set_settings(lamp, "lamp", {"key": "open sesame"})
    sealed = json.dumps(stored(lamp)["key", "system", 0])
    with lamp.database.write() as transaction:
        transaction.execute(
            "INSERT INTO k_setting (plugin, name, scope, scope_id, value)"
            " VALUES ('lamp', 'pin', 'user', ?, ?)",
            (bo.id, sealed),
        )
    assert seen(lamp, bo)["pin"] is None


def test_with_the_key_lost_a_secret_must_be_entered_again_and_nothing_crashes(lamp: Workspace) -> None:
    set_settings(lamp, "lamp", {"key": "open sesame"})
    with other_key(lamp) as moved:
        assert seen(moved)["key"] is None
        (found,) = [s for s in moved.plugin_settings.list("lamp") if s.setting.name == "key"]
        assert (found.lost, found.is_set) == (True, True)
        (warning,) = moved.plugins.info("lamp").warnings
        assert "'key' must be entered again" in warning
        assert moved.plugins.info("lamp").state == "on"
        set_settings(moved, "lamp", {"key": "new"})
        assert (seen(moved)["key"], moved.plugins.info("lamp").warnings) == ("new", ())


@contextmanager
def other_key(workspace: Workspace) -> Iterator[Workspace]:
    """The same workspace opened with another key file."""
    workspace.close()
    (workspace.settings.home / "secret.key").unlink()
    made = Workspace(workspace.settings)
    yield made
    made.close()


@pytest.fixture
def old(engine: str, tmp_path: Path, install_plugin: InstallPlugin) -> Iterator[Callable[[], Workspace]]:
    """A database of revision 0002 with settings in the clear; calling it opens its workspace."""
    install_plugin("lamp", MANIFEST, BODY)
    home = tmp_path / "home"
    home.mkdir()
    opened: list[Workspace] = []

    def begin(url: str) -> Callable[[], Workspace]:
        database = Database(url)
        with database.exclusive(), database.engine.begin() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0002")
        manifest = {"id": "lamp", "settings": [{"name": "key", "secret": True}, {"name": "colour"}]}
        with database.write() as transaction:
            transaction.execute(
                "INSERT INTO k_plugin (id, state, version, manifest, changed_at) VALUES"
                " ('lamp', 'off', '1.0', ?, '2026-01-01T00:00:00.000000Z')",
                (json.dumps(manifest),),
            )
            for name, value in (("key", "open sesame"), ("colour", "red")):
                transaction.execute(
                    "INSERT INTO k_setting (plugin, name, value) VALUES ('lamp', ?, ?)",
                    (name, json.dumps(value)),
                )
        database.close()

        def open_workspace() -> Workspace:
            opened.append(Workspace(Settings(home=home, database_url=url)))
            return opened[-1]

        return open_workspace

    if engine == "sqlite":
        yield begin(f"sqlite:///{home / 'old.sqlite3'}")
        for one in opened:
            one.close()
        return
    with postgresql_database() as url:
        yield begin(make_url(url).render_as_string(hide_password=False))
        for one in opened:
            one.close()


def test_migrating_seals_what_stood_in_the_clear_and_keeps_the_rest(old: Callable[[], Workspace]) -> None:
    workspace = old()
    workspace.create()
    found = stored(workspace)
    assert found["colour", "system", 0] == "red"
    assert Vault.is_sealed(found["key", "system", 0])
    workspace.create()
    assert stored(workspace) == found
    admin = workspace.actors.create_user("ada@example.com", "Ada", "a good password", is_admin=True)
    workspace.plugins.enable(admin, "lamp")
    assert (seen(workspace, admin)["key"], seen(workspace, admin)["colour"]) == ("open sesame", "red")


def test_a_setting_that_becomes_secret_is_sealed_when_the_plugin_is_enabled_again(
    lamp: Workspace, install_plugin: InstallPlugin, tmp_path: Path
) -> None:
    folder = tmp_path / "dist_lamp/karvan_lamp/manifest.toml"
    text = folder.read_text()
    set_settings(lamp, "lamp", {"since": "2026-03-31"})
    secret = text.replace('name = "since"\ntype = "date"', 'name = "since"\nsecret = true')
    renew(lamp, folder, secret)
    assert Vault.is_sealed(stored(lamp)["since", "system", 0])
    assert seen(lamp)["since"] == "2026-03-31"
    assert "2026-03-31" not in repr(journal(lamp))
    renew(lamp, folder, text)  # and back: what was a secret is not shown
    assert seen(lamp)["since"] is None
    assert "must be entered again" in lamp.plugins.info("lamp").warnings[0]


def renew(workspace: Workspace, manifest: Path, text: str) -> None:
    """Another version of the plugin, enabled."""
    manifest.write_text(text)
    metadata = next(manifest.parents[1].glob("*.dist-info")) / "METADATA"
    version = int(re.findall(r"Version: (\d+)\.", metadata.read_text())[-1]) + 1
    metadata.write_text(f"Metadata-Version: 2.1\nName: karvan-lamp\nVersion: {version}.0\n")
    for name in [n for n in sys.modules if n.startswith("karvan_lamp")]:
        del sys.modules[name]
    workspace.plugins._discovery.__init__()  # type: ignore[misc]  # as a new process would
    workspace.plugins.enable(admin_of(workspace), "lamp")


# -- what no longer fits -----------------------------------------------------------------------------------


def test_a_value_that_the_manifest_no_longer_accepts_falls_back_with_a_warning(
    lamp: Workspace, bo: Actor
) -> None:
    set_settings(lamp, "lamp", {"colour": "red"})
    lamp.plugin_settings.change_own(bo, "lamp", {"colour": "blue"})
    with lamp.database.write() as transaction:
        transaction.execute("UPDATE k_setting SET value = '\"green\"' WHERE scope = 'user'")
    assert seen(lamp, bo)["colour"] == "red"
    with lamp.database.write() as transaction:
        transaction.execute("UPDATE k_setting SET value = '\"green\"'")
        transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")
    assert (seen(lamp, bo)["colour"], seen(lamp)["colour"]) == ("white", "white")
    info = lamp.plugins.info("lamp")
    assert info.state == "on"
    assert "'colour' holds a value that is no longer accepted" in info.warnings[0]
    set_settings(lamp, "lamp", {"colour": "blue"})
    lamp.catalogs.current()
    assert lamp.plugins.info("lamp").warnings == ()


# -- audit, version, hash ----------------------------------------------------------------------------------


def test_every_change_is_written_down_once_with_who_and_from_what_to_what(lamp: Workspace, bo: Actor) -> None:
    own = lamp.plugin_settings
    set_settings(lamp, "lamp", {"colour": "red"})
    set_settings(lamp, "lamp", {"colour": "red"})
    own.change_own(bo, "lamp", {"colour": "blue"})
    own.lock(admin_of(lamp), "lamp", "colour", "because")
    own.unlock(admin_of(lamp), "lamp", "colour")
    set_settings(lamp, "lamp", {"colour": None})
    here = "plugin/lamp/settings/colour"
    assert journal(lamp) == [
        ("setting.changed", here, None, "red"),
        ("setting.changed", f"{here}/user/{bo.id}", None, "blue"),
        ("setting.locked", here, None, "because"),
        ("setting.unlocked", here, "because", None),
        ("setting.changed", here, "red", None),
    ]
    with lamp.database.read() as connection:
        page = audit.read(connection, subject="plugin/lamp", limit=5)
    assert [e.actor_id for e in page.entries].count(bo.id) == 1
    assert page.next == page.entries[-1].id
    assert all(e.at.tzinfo is not None for e in page.entries)


def test_a_refused_change_leaves_nothing(lamp: Workspace) -> None:
    before, version = stored(lamp), lamp.catalogs.current().version
    with pytest.raises(ValidationFailed):
        set_settings(lamp, "lamp", {"since": "2026-03-31", "colour": "green"})
    assert (stored(lamp), journal(lamp), lamp.catalogs.current().version) == (before, [], version)


def test_switching_a_plugin_is_written_down(lamp: Workspace) -> None:
    lamp.plugins.disable(admin_of(lamp), "lamp")
    lamp.plugins.disable(admin_of(lamp), "lamp")
    assert journal(lamp, "plugin/lamp") == [
        ("plugin.enabled", "plugin/lamp", None, "1.0"),
        ("plugin.disabled", "plugin/lamp", None, None),
    ]


def test_a_change_for_all_raises_the_version_and_one_for_oneself_does_not(lamp: Workspace, bo: Actor) -> None:
    version = lamp.catalogs.current().version
    lamp.plugin_settings.change_own(bo, "lamp", {"colour": "red"})
    assert lamp.catalogs.current().version == version
    set_settings(lamp, "lamp", {"colour": "red"})
    assert lamp.catalogs.current().version == version + 1


def test_the_hash_of_settings_tells_states_apart_and_nothing_of_persons(lamp: Workspace, bo: Actor) -> None:
    def now() -> str:
        return hash_settings(lamp.catalogs.current().settings.get("lamp", {}))

    first = now()
    lamp.plugin_settings.change_own(bo, "lamp", {"colour": "red"})
    assert now() == first
    set_settings(lamp, "lamp", {"colour": "red"})
    second = now()
    assert second != first
    set_settings(lamp, "lamp", {"colour": None})
    assert now() == first
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert hash_settings({"a": 1, "b": 2}) == hash_settings({"b": 2, "a": 1})


# -- REST and pages ----------------------------------------------------------------------------------------


def test_everybody_sets_their_own_over_rest_and_administrators_lock(lamp: Workspace, bo: Actor) -> None:
    own, boss = make_client(lamp, bo), make_client(lamp)
    done = own.patch("/api/v1/me/settings/lamp", json={"colour": "blue"})
    assert done.status_code == 200
    (colour, pin) = own.get("/api/v1/me/settings").get_json()["data"]
    assert (colour["plugin"], colour["value"], colour["source"]) == ("lamp", "blue", "user")
    assert (colour["inherited"], pin["name"], pin["value"]) == ("white", "pin", None)
    path = "/api/v1/plugins/lamp/settings/colour/lock"
    assert own.put(path, json={"reason": "no"}).status_code == 403
    assert boss.put(path, json={"why": "no"}).status_code == 422
    assert boss.put(path, json={"reason": "One for all."}).status_code == 200
    refused = own.patch("/api/v1/me/settings/lamp", json={"colour": "red", "since": 1})
    assert {e["field"]: e["code"] for e in refused.get_json()["errors"]} == {
        "colour": "locked",
        "since": "scope",
    }
    assert boss.delete(path).status_code == 200
    assert (
        own.patch("/api/v1/me/settings/lamp", json={"colour": None}).get_json()["data"][0]["value"] == "white"
    )


def test_the_audit_is_told_to_administrators_page_by_page(lamp: Workspace, bo: Actor) -> None:
    boss = make_client(lamp)
    for colour in ("red", "blue"):
        set_settings(lamp, "lamp", {"colour": colour})
    page = boss.get("/api/v1/plugins/lamp/audit?limit=2").get_json()
    assert [(e["before"], e["after"]) for e in page["data"]] == [("red", "blue"), (None, "red")]
    rest = boss.get(f"/api/v1/plugins/lamp/audit?after={page['next']}").get_json()
    assert ([e["action"] for e in rest["data"]], rest["next"]) == (["plugin.enabled"], None)
    everything = boss.get("/api/v1/audit").get_json()["data"]
    assert {e["subject"] for e in everything} >= {"plugin/crm", "plugin/lamp"}
    assert boss.get("/api/v1/audit?after=x").status_code == 400
    assert make_client(lamp, bo).get("/api/v1/audit").status_code == 403


def test_the_page_says_where_a_value_comes_from_and_takes_it_back(lamp: Workspace) -> None:
    page, path = make_page_client(lamp), "/settings/plugins/lamp"
    assert page.post(path, data={"colour": "white", "since": "2026-03-31"}).status_code == 302
    assert stored(lamp) == {("since", "system", 0): "2026-03-31"}  # what nobody touched goes on inheriting
    shown = page.get(path).get_data(as_text=True)
    assert "Set for all" in shown
    assert 'value="2026-03-31"' in shown
    assert "plugin.enabled" in shown  # the audit
    assert page.post(path, data={"reset": "since"}).status_code == 302
    assert stored(lamp) == {}


def test_an_administrator_locks_on_the_page_and_everybody_sees_why(lamp: Workspace, bo: Actor) -> None:
    boss, own = make_page_client(lamp), make_page_client(lamp, bo)
    assert 'href="/settings/me/lamp"' in own.get("/settings/me").get_data(as_text=True)
    assert own.post("/settings/me/lamp", data={"colour": "blue", "pin": "1234"}).status_code == 302
    shown = own.get("/settings/me/lamp").get_data(as_text=True)
    assert "Set by you" in shown
    assert "1234" not in shown
    wrong = own.post("/settings/me/lamp", data={"colour": "green"})
    assert (wrong.status_code, "not one of the choices" in wrong.get_data(as_text=True)) == (422, True)
    assert 'aria-invalid="true"' in wrong.get_data(as_text=True)
    path = "/settings/plugins/lamp/lock"
    assert own.post(path, data={"lock": "colour", "reason": "no"}).status_code == 403
    assert boss.post(path, data={"lock": "colour", "reason": ""}).status_code == 422
    assert boss.post(path, data={"lock": "colour", "reason": "One for all."}).status_code == 302
    assert "One for all." in own.get("/settings/me/lamp").get_data(as_text=True)
    assert boss.post(path, data={"unlock": "colour"}).status_code == 302
    assert own.get("/settings/me/elephant").status_code == 404


@pytest.mark.parametrize("language", ["ru", "fa", "zh"])
def test_the_pages_are_drawn_in_every_direction(lamp: Workspace, language: str) -> None:
    page = make_page_client(lamp)
    page.set_cookie("karvan_language", language)
    for path in ("/settings/me", "/settings/me/lamp", "/settings/plugins/lamp"):
        answer = page.get(path)
        assert answer.status_code == 200
        assert f'dir="{"rtl" if language == "fa" else "ltr"}"' in answer.get_data(as_text=True)
