"""Which plugins are found, which may be enabled, in which order they are asked."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from karvan.access.actors import Actor
from karvan.plugins.discovery import Discovery
from karvan.testing import InstallPlugin
from karvan.workspace import Workspace
from karvan_sdk.actions import Change
from karvan_sdk.errors import ManifestInvalid, PluginRefused, UnknownPlugin

HEAD = 'schema = 1\nid = "{id}"\napi = "{api}"\nname = "Zoo"\nsummary = "Of the tests."\n'
PREPARE = '[[hooks]]\nhook = "prepare_records"\n'
APPEND = """
from karvan_sdk import hookimpl

@hookimpl
def prepare_records(ctx, changes):
    return [c.with_values(trail=(c.get("trail") or ()) + (ctx.plugin,)) for c in changes]
"""


class Asked:
    """What a caller of hooks hands over."""

    actor_id = None
    language = "en"
    timezone = "UTC"

    def describe(self, object: str) -> Any:
        raise AssertionError(object)


def manifest(plugin: str, more: str = "", api: str = ">=0.1,<1") -> str:
    return HEAD.format(id=plugin, api=api) + more


def test_the_list_reads_manifests_and_imports_nothing(install_plugin: InstallPlugin) -> None:
    install_plugin("zoo_a", manifest("zoo_a"), "raise SystemExit(3)")
    found = Discovery().installed()
    assert {"crm", "zoo_a"} <= set(found)
    assert found["zoo_a"].version == "1.0"
    assert not [n for n in sys.modules if n.startswith("karvan_zoo_a")]


def test_what_a_broken_uninstall_left_behind_is_passed_over(install_plugin: InstallPlugin) -> None:
    folder = install_plugin("zoo_l", manifest("zoo_l"), "")
    (folder / "~aren.dist-info").mkdir()
    (folder / "empty-1.0.dist-info").mkdir()
    assert "zoo_l" in Discovery().installed()


def test_a_broken_manifest_is_listed_with_its_findings(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    install_plugin("zoo_b", manifest("zoo_c", 'colour = "red"\n'), "")
    (info,) = [p for p in workspace.plugins.list() if p.id == "zoo_b"]
    assert info.state == "broken"
    assert any("colour" in p for p in info.problems)
    with pytest.raises(ManifestInvalid):
        workspace.plugins.enable(admin, "zoo_b")


@pytest.mark.parametrize(
    ("more", "api", "reason"),
    [
        ("", ">=2", "needs karvan-sdk >=2"),
        ('[requires]\nelephant = ">=1"\n', ">=0.1", "'elephant' >=1, which is not installed"),
        ('[requires]\ncrm = ">=0.1"\n', ">=0.1", "'crm' >=0.1, which is off"),
        ('after = ["zoo_d"]\nbefore = ["zoo_d"]\n', ">=0.1", "order is a circle"),
    ],
    ids=["api", "missing", "off", "circle"],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin, more: str, api: str, reason: str
) -> None:
    install_plugin("zoo_d", manifest("zoo_d"), "")
    workspace.plugins.enable(admin, "zoo_d")
    install_plugin("zoo_e", manifest("zoo_e", more, api), "")
    with pytest.raises(PluginRefused, match=reason):
        workspace.plugins.enable(admin, "zoo_e")
    assert "zoo_e" not in workspace.plugins.enabled()


def test_code_that_can_not_be_imported_is_refused(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    install_plugin("zoo_f", manifest("zoo_f"), "raise SystemExit(3)")
    with pytest.raises(PluginRefused, match="can't be imported"):
        workspace.plugins.enable(admin, "zoo_f")
    with pytest.raises(UnknownPlugin, match="Did you mean 'zoo_f'"):
        workspace.plugins.enable(admin, "zoo_ff")


def test_an_undeclared_hook_is_refused(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    install_plugin("zoo_g", manifest("zoo_g"), APPEND)
    with pytest.raises(PluginRefused, match="without declaring it"):
        workspace.plugins.enable(admin, "zoo_g")


def test_a_plugin_that_is_needed_stays_on(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    install_plugin("zoo_h", manifest("zoo_h"), "")
    install_plugin("zoo_i", manifest("zoo_i", '[requires]\nzoo_h = ">=1"\n'), "")
    workspace.plugins.enable(admin, "zoo_h")
    workspace.plugins.enable(admin, "zoo_i")
    with pytest.raises(PluginRefused, match="'zoo_i' needs it"):
        workspace.plugins.disable(admin, "zoo_h")
    assert workspace.plugins.disable(admin, "zoo_i").changed
    assert not workspace.plugins.disable(admin, "zoo_i").changed


def test_plugins_are_asked_in_the_order_they_ask_for(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    install_plugin("zoo_x", manifest("zoo_x", 'after = ["zoo_z"]\n' + PREPARE), APPEND)
    install_plugin("zoo_y", manifest("zoo_y", PREPARE), APPEND)
    install_plugin("zoo_z", manifest("zoo_z", PREPARE), APPEND)
    for plugin in ("zoo_x", "zoo_y", "zoo_z"):
        workspace.plugins.enable(admin, plugin)
    (change,) = workspace.host.pipeline(
        "prepare_records", Asked(), "thing", "create", [Change()], lambda changes: []
    )
    trail = change.values["trail"]
    assert trail.index("zoo_z") < trail.index("zoo_x")
    assert sorted(trail) == ["zoo_x", "zoo_y", "zoo_z"]


def test_another_worker_sees_a_plugin_on_its_next_request(
    workspace: Workspace, admin: Actor, install_plugin: InstallPlugin
) -> None:
    install_plugin("zoo_w", manifest("zoo_w", PREPARE), APPEND)
    other = Workspace(workspace.settings)
    try:
        other.catalogs.current()
        workspace.plugins.enable(admin, "zoo_w")
        assert not other.host.interested("prepare_records", "thing", "create")
        other.catalogs.current()
        assert other.host.interested("prepare_records", "thing", "create")
    finally:
        other.close()
