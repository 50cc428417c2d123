"""Hooks on the path of change: what they make, what they may refuse, and whose fault a spoiled record is."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from karvan.access.actors import Actor
from karvan.records.shapes import ListQuery
from karvan.testing import InstallPlugin
from karvan.workspace import Workspace
from karvan_sdk.errors import PluginFailed, Rejected

from .conftest import add_ship

MANIFEST = """
schema = 1
id = "{plugin}"
api = ">=0.1,<1"
name = "Zoo"
summary = "A plugin of the tests."

[[hooks]]
hook = "prepare_records"
objects = ["c_ship"]

[[hooks]]
hook = "check_records"
objects = ["c_ship"]
"""
HEAD = "from karvan_sdk import hookimpl, Rejected\n"
Install = Callable[[str, str], Path]


@pytest.fixture
def install(install_plugin: InstallPlugin) -> Install:
    return lambda plugin, body: install_plugin(
        plugin, MANIFEST.format(plugin=plugin), HEAD + textwrap.dedent(body)
    )


def ships(workspace: Workspace, actor: Actor) -> list[object]:
    return [r["c_crew"] for r in workspace.records.read(actor).list("c_ship", ListQuery(sort=("id",))).rows]


def test_a_hook_completes_values_before_they_are_checked(
    fleet: Workspace, admin: Actor, install: Install
) -> None:
    install(
        "zoo_good",
        """
        @hookimpl
        def prepare_records(changes):
            return [c.with_values(c_crew=(c.get("c_crew") or 0) + 1) for c in changes]
        """,
    )
    fleet.plugins.enable(admin, "zoo_good")
    assert add_ship(fleet, admin, c_crew=4)["c_crew"] == 5


@pytest.mark.parametrize("spoiled", ["-5", "'many'", "5001", "1.5"], ids=["small", "text", "large", "float"])
def test_a_hook_that_spoils_a_valid_record_is_to_blame(
    fleet: Workspace, admin: Actor, install: Install, spoiled: str
) -> None:
    install(
        "zoo_spoil",
        f"""
        @hookimpl
        def prepare_records(changes):
            return [c.with_values(c_crew={spoiled}) for c in changes]
        """,
    )
    add_ship(fleet, admin, c_crew=4)
    fleet.plugins.enable(admin, "zoo_spoil")
    with pytest.raises(PluginFailed, match="'zoo_spoil' failed in prepare_records"):
        add_ship(fleet, admin, c_crew=4)
    assert ships(fleet, admin) == [4]
    fleet.plugins.disable(admin, "zoo_spoil")
    add_ship(fleet, admin, c_crew=6)
    assert ships(fleet, admin) == [4, 6]


def test_a_hook_that_names_no_field_is_to_blame(fleet: Workspace, admin: Actor, install: Install) -> None:
    install(
        "zoo_name",
        """
        @hookimpl
        def prepare_records(changes):
            return [c.with_values(nothing=1) for c in changes]
        """,
    )
    fleet.plugins.enable(admin, "zoo_name")
    with pytest.raises(PluginFailed, match="There is no field 'nothing'"):
        add_ship(fleet, admin)


def test_a_hook_that_raises_changes_nothing_and_is_counted(
    fleet: Workspace, admin: Actor, install: Install
) -> None:
    install(
        "zoo_raise",
        """
        @hookimpl
        def prepare_records(changes):
            raise RuntimeError("out of hay")

        @hookimpl
        def check_records(changes):
            raise RuntimeError("out of straw")
        """,
    )
    fleet.plugins.enable(admin, "zoo_raise")
    assert add_ship(fleet, admin, c_crew=4)["c_crew"] == 4  # the object is not the plugin's own
    figures = {f.hook: f.errors for f in fleet.host.figures() if f.plugin == "zoo_raise"}
    assert figures == {"prepare_records": 1, "check_records": 1}


def test_a_gate_refuses_one_of_many_by_its_place(fleet: Workspace, admin: Actor, install: Install) -> None:
    install(
        "zoo_gate",
        """
        @hookimpl
        def check_records(changes):
            bad = [Rejected("Too few hands.", field="c_crew", index=i)
                   for i, c in enumerate(changes) if (c.get("c_crew") or 0) < 3]
            if bad:
                raise Rejected.many(bad)
        """,
    )
    fleet.plugins.enable(admin, "zoo_gate")
    with pytest.raises(Rejected, match="Too few hands"):
        add_ship(fleet, admin, c_crew=1)
    rows = [
        {"c_name": "", "c_crew": 9},  # refused before the gate is asked
        {"c_name": "a", "c_crew": 9},
        {"c_name": "b", "c_crew": 1},
        {"c_name": "c", "c_crew": 8},
    ]
    with fleet.records.write(admin) as writer:
        result = writer.create_many("c_ship", rows)
    assert [(e.index, e.code) for e in result.errors] == [(0, "required"), (2, "rejected")]
    assert ships(fleet, admin) == [9, 8]


def test_a_disabled_plugin_is_not_imported(
    fleet: Workspace, admin: Actor, install: Install, tmp_path: Path
) -> None:
    imported = tmp_path / "imported"
    folder = install("zoo_quiet", f"import pathlib\npathlib.Path({str(imported)!r}).touch()\n")
    url = fleet.database.url.set(drivername=fleet.database.dialect).render_as_string(hide_password=False)
    where = {**os.environ, "PYTHONPATH": str(folder), "KARVAN_DATABASE_URL": url}

    def karvan(*words: str) -> None:
        command = [sys.executable, "-m", "karvan.cli", *words]
        subprocess.run(command, env=where, check=True, capture_output=True, timeout=60)

    karvan("plugins", "list")
    karvan("plugins", "info", "zoo_quiet")
    assert not imported.exists()
    karvan("plugins", "enable", "zoo_quiet")
    assert imported.exists()
    karvan("plugins", "disable", "zoo_quiet")
    imported.unlink()
    karvan("plugins", "list")
    karvan("export", "c_ship", "--output", str(tmp_path / "ships.csv"))
    assert not imported.exists()
