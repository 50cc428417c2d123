"""The command line, command by command: what it prints, what it leaves, how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from karvan.access.actors import Actor
from karvan.cli import main
from karvan.demo import make_demo
from karvan.records.shapes import ListQuery
from karvan.workspace import Workspace

Karvan = Callable[..., Result]

SCHEMA = """
[[objects]]
name = "ship"
label = { en = "Ship" }
fields = [{ name = "name", type = "text" }]

[[fields]]
object = "c_ship"
name = "crew"
type = "integer"
"""


@pytest.fixture
def karvan(workspace: Workspace, tmp_path: Path) -> Karvan:
    url = workspace.database.url.set(drivername=workspace.database.dialect).render_as_string(
        hide_password=False
    )

    def run(*words: str, expect: int = 0) -> Result:
        done = CliRunner().invoke(main, ["--home", str(tmp_path), "--database-url", url, *words])
        assert done.exit_code == expect, (words, done.output, done.exception)
        return done

    return run


def data(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_schema_file_is_planned_applied_and_found_applied(
    karvan: Karvan, workspace: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "ships.toml"
    file.write_text(SCHEMA.split("[[fields]]")[0])
    actions = [s["action"] for s in data(karvan("schema", "plan", str(file)))["steps"]]
    assert "create_table" in actions
    assert "c_ship" not in workspace.catalogs.current().objects
    karvan("schema", "apply", str(file))
    file.write_text(SCHEMA)
    karvan("schema", "apply", str(file))
    assert "c_crew" in workspace.catalogs.current().object("c_ship").fields
    assert data(karvan("schema", "plan", str(file)))["steps"] == []


def test_what_was_detached_is_purged_for_good(
    karvan: Karvan, workspace: Workspace, admin: Actor, tmp_path: Path
) -> None:
    file = tmp_path / "ships.toml"
    file.write_text(SCHEMA.split("[[fields]]")[0])
    karvan("schema", "apply", str(file))
    workspace.schema.detach_object(admin, "c_ship")
    karvan("schema", "purge", "custom", expect=1)  # nobody said yes
    steps = data(karvan("schema", "purge", "custom", "--yes"))["steps"]
    assert "drop_table" in [s["action"] for s in steps]


def test_a_file_is_imported_and_exported_again(karvan: Karvan, workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "ships.csv"
    file.write_text("ship,crew\nAurora,570\nVega,12\n")
    words = ("import", "ship", str(file), "--create-object", "--match", "ship", "--json")
    first, again = data(karvan(*words)), data(karvan(*words))
    keys = ("created", "updated", "unchanged", "failed", "failed_file")
    assert [first[k] for k in keys] == [2, 0, 0, 0, None]
    assert [again[k] for k in keys] == [0, 0, 2, 0, None]
    out = tmp_path / "out.csv"
    karvan(
        "export", "ship", "--format", "csv", "--output", str(out), "--fields", "name,crew", "--sort", "name"
    )
    assert out.read_text().split() == ["name,crew", "Aurora,570", "Vega,12"]
    piped = karvan("export", "ship", "--format", "jsonl", "--filter", "c_crew > 100")
    assert [json.loads(line)["c_crew"] for line in piped.stdout.splitlines()] == [570]


def test_people_and_tokens_are_made(karvan: Karvan, workspace: Workspace) -> None:
    karvan("user", "create", "eva@example.com", "--password", "long enough", "--admin")
    token = data(karvan("user", "token", "eva@example.com", "--json"))["token"]
    actor = workspace.actors.by_token(token)
    assert actor is not None
    assert actor.is_admin
    refused = karvan("user", "create", "eva@example.com", "--password", "long enough", expect=1)
    assert "There is a user eva@example.com already" in refused.stderr


def test_every_finding_of_a_refused_file_is_told(karvan: Karvan, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('[[objects]]\nname = "Ship"\ncolour = "red"\nfields = [{ name = "x", type = "texte" }]\n')
    refused = karvan("schema", "apply", str(file), expect=1)
    assert "colour" in refused.stderr
    assert "Error (validation_failed)" in refused.stderr


def test_an_unmade_workspace_says_how_to_make_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--home", str(tmp_path / "new"), "plugins", "list"])
    assert done.exit_code == 1
    assert "karvan init" in done.stderr


def test_init_makes_a_workspace_and_may_be_repeated(tmp_path: Path) -> None:
    words = ["--home", str(tmp_path), "init", "--admin", "a@example.com", "--password", "long enough"]
    for _ in range(2):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    listed = CliRunner().invoke(main, ["--home", str(tmp_path), "plugins", "list", "--json"])
    states = {p["id"]: p["state"] for p in json.loads(listed.stdout)["data"]}
    assert states["crm"] == "on"


def test_a_demo_is_made_once_and_names_its_logins(tmp_path: Path) -> None:
    words = ["--home", str(tmp_path), "demo", "--size", "120", "--no-serve"]
    first, again = (CliRunner().invoke(main, words) for _ in range(2))
    assert "Made a demo workspace with 120 records" in first.stderr
    assert "Made" not in again.stderr
    assert "maria@example.com" in again.stderr


def test_the_demo_is_the_same_each_time_and_speaks_four_scripts(crm_workspace: Workspace) -> None:

    before = crm_workspace.catalogs.current().version
    assert make_demo(crm_workspace, ["crm"], size=300) == 300
    assert crm_workspace.catalogs.current().version == before
    actor = crm_workspace.actors.by_email("maria@example.com")
    assert actor is not None
    rows = crm_workspace.records.read(actor).list("account", ListQuery(limit=200)).rows
    text = " ".join(r["name"] for r in rows)
    for low, high in (("a", "z"), ("а", "я"), ("ا", "ی"), ("一", "鿿")):
        assert any(low <= c <= high for c in text), low
