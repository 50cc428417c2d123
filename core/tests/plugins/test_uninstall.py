"""Uninstalling: what stands in the way, what goes, what stays, and that a purge leaves nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.snapshot import take_snapshot

from karvan.testing import InstallPlugin, WorkspaceWith, admin_of
from karvan.workspace import Workspace
from karvan_sdk.errors import KarvanError, NotAllowed, PluginRefused, UnknownPlugin
from karvan_sdk.fields import Field
from karvan_sdk.text import Text

from .shelf import Shelf, make_plugin, make_wheel, offered

MARK = """
[[fields]]
object = "contact"
name = "mark"
type = "text"
indexed = true

[[settings]]
name = "limit"
type = "integer"
label = "Limit"
default = 3
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with offered(tmp_path / "shelf") as made:
        yield made


@pytest.fixture
def crowd(workspace_with: WorkspaceWith) -> Iterator[Workspace]:
    """A workspace with crm; what is imported from its generations is forgotten in the end."""
    made = workspace_with("crm")
    yield made
    made.generations.leave()
    for name in [n for n in sys.modules if n.partition(".")[0].startswith(("karvan_z", "gnu", "yak"))]:
        del sys.modules[name]


def install(workspace: Workspace, shelf: Shelf, *wanted: str) -> None:
    admin = admin_of(workspace)
    with workspace.installer.plan(admin, wanted, shelf.url) as plan:
        workspace.installer.apply(admin, plan)


def uninstall(workspace: Workspace, plugin: str, *, purge: bool) -> None:
    workspace.uninstaller.apply(admin_of(workspace), workspace.uninstaller.plan(plugin, purge=purge))


def snapshot(workspace: Workspace) -> dict[str, Any]:
    return take_snapshot(workspace.settings.url, workspace.settings.home)


def use(workspace: Workspace) -> dict[str, int]:
    """Leave traces of the plugin zoo wherever a plugin can."""
    admin = admin_of(workspace)
    with workspace.records.write(admin) as writer:
        thing = writer.create("zoo_thing", {"name": "x"})
        contact = writer.create("contact", {"name": "Ada", "zoo__mark": "whisper"})
    with workspace.records.write(admin) as writer:
        writer.update("contact", contact["id"], {"zoo__mark": "whisper too", "name": "Ada L."})
    workspace.plugin_settings.change(admin, "zoo", {"limit": 5})
    folder = workspace.settings.home / "files/zoo"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("x")
    return {"thing": thing["id"], "contact": contact["id"]}


def everything(workspace: Workspace) -> str:
    """All text in the database."""
    with workspace.database.read() as connection:
        if connection.dialect == "sqlite":
            names = [r[0] for r in connection.fetchall("SELECT name FROM sqlite_master WHERE type = 'table'")]
        else:
            names = [
                r[0]
                for r in connection.fetchall("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ]
        logs = ("k_ledger", "k_idempotency", "k_audit")  # what was done is never unwritten
        rows = {n: connection.fetchall(f'SELECT * FROM "{n}"') for n in sorted(names) if n not in logs}
    return json.dumps(rows, default=str, indent=0)


# -- nothing is left ---------------------------------------------------------------------------------------


def test_a_purge_leaves_no_trace_in_schema_rows_files_or_code(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK, requires=("gnu",))
    make_wheel(shelf.folder, "gnu")
    before = snapshot(crowd)
    install(crowd, shelf, "zoo")
    use(crowd)
    assert snapshot(crowd) != before
    assert "whisper" in everything(crowd)
    uninstall(crowd, "zoo", purge=True)
    assert snapshot(crowd) == before
    left = everything(crowd)
    assert [line for line in left.splitlines() if "zoo" in line or "whisper" in line] == []
    assert not (crowd.settings.home / "files").exists()
    assert crowd.generations.distributions(crowd.generations.current()) == {}
    with pytest.raises(UnknownPlugin):
        crowd.uninstaller.plan("zoo", purge=True)


def test_the_history_of_others_records_keeps_what_is_not_the_plugins(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK)
    install(crowd, shelf, "zoo")
    contact = use(crowd)["contact"]
    uninstall(crowd, "zoo", purge=True)
    told = json.dumps(crowd.records.read(admin_of(crowd)).history("contact", contact), default=str)
    assert "Ada L." in told
    assert "whisper" not in told


def test_kept_data_is_there_again_after_the_next_install(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK)
    install(crowd, shelf, "zoo")
    made = use(crowd)
    uninstall(crowd, "zoo", purge=False)
    assert "zoo_thing" not in crowd.catalogs.current().objects
    assert crowd.generations.distributions(crowd.generations.current()) == {}
    install(crowd, shelf, "zoo")
    reader = crowd.records.read(admin_of(crowd))
    assert reader.get("zoo_thing", made["thing"])["name"] == "x"
    assert reader.get("contact", made["contact"])["zoo__mark"] == "whisper too"
    assert [s.value for s in crowd.plugin_settings.list("zoo")] == [5]


def test_a_purge_takes_what_the_audit_knows_of_settings(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK)
    install(crowd, shelf, "zoo")
    use(crowd)
    uninstall(crowd, "zoo", purge=True)
    with crowd.database.read() as connection:
        rows = connection.fetchall("SELECT action, subject FROM k_audit WHERE subject LIKE 'plugin/zoo%'")
    assert set(rows) == {("plugin.enabled", "plugin/zoo"), ("plugin.disabled", "plugin/zoo")}


def test_kept_data_can_be_purged_when_the_code_is_long_gone(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK)
    before = snapshot(crowd)
    install(crowd, shelf, "zoo")
    use(crowd)
    uninstall(crowd, "zoo", purge=False)
    plan = crowd.uninstaller.plan("zoo", purge=True)
    assert "Its code is not installed." in plan.notes
    assert plan.distributions == ()
    uninstall(crowd, "zoo", purge=True)
    assert snapshot(crowd) == before
    assert "zoo" not in everything(crowd)


def test_a_purge_that_was_cut_off_is_finished_by_the_next(
    crowd: Workspace, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK)
    before = snapshot(crowd)
    install(crowd, shelf, "zoo")
    use(crowd)

    def break_off(*_: object, **__: object) -> int:
        raise OSError("No space left on device")

    monkeypatch.setattr(crowd.generations, "build", break_off)
    with pytest.raises(OSError, match="No space left"):
        uninstall(crowd, "zoo", purge=True)
    monkeypatch.undo()
    uninstall(crowd, "zoo", purge=True)
    assert snapshot(crowd) == before


def test_a_plugin_whose_name_begins_alike_keeps_everything(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK)
    make_plugin(shelf.folder, "zoo_shop", more=MARK)
    install(crowd, shelf, "zoo_shop")
    crowd.plugin_settings.change(admin_of(crowd), "zoo_shop", {"limit": 9})
    before = snapshot(crowd)
    install(crowd, shelf, "zoo")
    uninstall(crowd, "zoo", purge=True)
    assert snapshot(crowd) == before
    assert crowd.plugins.info("zoo_shop").state == "on"


# -- code --------------------------------------------------------------------------------------------------


def test_a_dependency_stays_while_another_plugin_needs_it(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", requires=("gnu", "yak"))
    make_plugin(shelf.folder, "zebra", requires=("gnu",))
    make_wheel(shelf.folder, "gnu")
    make_wheel(shelf.folder, "yak")
    install(crowd, shelf, "zoo", "zebra")
    assert crowd.uninstaller.plan("zoo", purge=False).distributions == ("karvan-zoo", "yak")
    uninstall(crowd, "zoo", purge=False)
    assert set(crowd.generations.distributions(crowd.generations.current())) == {"gnu", "karvan-zebra"}
    assert crowd.plugins.info("zebra").state == "on"


def test_the_environments_code_is_left_to_pip(
    crowd: Workspace, shelf: Shelf, install_plugin: InstallPlugin
) -> None:
    plan = crowd.uninstaller.plan("crm", purge=False)
    assert plan.distributions == ()
    assert plan.notes[0] == "The environment provides its code; to remove it: pip uninstall karvan-crm."
    uninstall(crowd, "crm", purge=False)
    assert crowd.plugins.info("crm").state == "off"
    assert not (crowd.settings.home / "generations").exists()


# -- what stands in the way --------------------------------------------------------------------------------


def test_an_enabled_plugin_that_needs_it_stands_in_the_way(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    make_plugin(shelf.folder, "zebra", more='\n[requires]\nzoo = ">=1"\n')
    install(crowd, shelf, "zebra")
    plan = crowd.uninstaller.plan("zoo", purge=True)
    assert plan.blockers == ("'zebra' needs it. Uninstall it first.",)
    before = snapshot(crowd)
    with pytest.raises(PluginRefused, match="'zebra' needs it"):
        crowd.uninstaller.apply(admin_of(crowd), plan)
    assert snapshot(crowd) == before


def test_installed_code_that_imports_it_stands_in_the_way_even_when_off(
    crowd: Workspace, shelf: Shelf
) -> None:
    make_plugin(shelf.folder, "zoo")
    make_plugin(shelf.folder, "zebra", requires=("karvan-zoo",))
    install(crowd, shelf, "zoo", "zebra")
    crowd.plugins.disable(admin_of(crowd), "zebra")
    plan = crowd.uninstaller.plan("zoo", purge=False)
    assert plan.blockers == ("The installed karvan-zebra needs the code of karvan-zoo. Uninstall it first.",)
    uninstall(crowd, "zebra", purge=False)
    uninstall(crowd, "zoo", purge=False)
    assert crowd.generations.distributions(crowd.generations.current()) == {}


def test_what_an_administrator_added_to_its_object_stands_in_the_way_of_a_purge(
    crowd: Workspace, shelf: Shelf
) -> None:
    make_plugin(shelf.folder, "zoo")
    install(crowd, shelf, "zoo")
    admin = admin_of(crowd)
    crowd.schema.add_fields(admin, "zoo_thing", [Field(name="note", label=Text.of("Note"), type="text")])
    plan = crowd.uninstaller.plan("zoo", purge=True)
    (blocker,) = plan.blockers
    assert "note" in blocker
    before = snapshot(crowd)
    with pytest.raises(PluginRefused, match="note"):
        crowd.uninstaller.apply(admin, plan)
    assert snapshot(crowd) == before
    assert crowd.uninstaller.plan("zoo", purge=False).blockers == ()


def test_only_an_administrator_uninstalls(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo")
    install(crowd, shelf, "zoo")
    crowd.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=False)
    bo = crowd.actors.by_email("bo@example.com")
    before = snapshot(crowd)
    with pytest.raises(NotAllowed, match="administrator"):
        crowd.uninstaller.apply(bo, crowd.uninstaller.plan("zoo", purge=True))
    assert snapshot(crowd) == before


@pytest.mark.parametrize("plugin", ["ghost", "../crm", "", "CRM"])
def test_a_plugin_that_is_not_there_is_said_so(crowd: Workspace, plugin: str) -> None:
    with pytest.raises(KarvanError, match=r"not installed|plugin id"):
        crowd.uninstaller.plan(plugin, purge=True)


def test_a_plan_counts_what_would_go_and_changes_nothing(crowd: Workspace, shelf: Shelf) -> None:
    make_plugin(shelf.folder, "zoo", more=MARK)
    install(crowd, shelf, "zoo")
    use(crowd)
    before = everything(crowd)
    plan = crowd.uninstaller.plan("zoo", purge=True).as_dict()
    assert plan["data"] == [
        {"kind": "object", "physical": "x_zoo__zoo_thing", "rows": 1},
        {"kind": "field", "physical": "x_zoo__mark", "rows": 1},
    ]
    assert plan["rows"]["k_setting"] == 1
    assert plan["rows"]["k_history"] == 2
    assert (plan["files"], plan["blockers"]) == (1, [])
    assert everything(crowd) == before
