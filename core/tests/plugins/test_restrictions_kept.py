"""A restriction is data: a plugin that raises, is missing, or is not called never shows a record more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from karvan.plugins.breaker import IN_A_ROW
from karvan.records.shapes import AggregateQuery, ListQuery, Measure
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of, make_client
from karvan.workspace import Workspace
from karvan_sdk.errors import RecordNotFound

MANIFEST = """schema = 1
id = "veil"
api = ">=0.1,<1"
name = "Veil"
summary = "Of the tests."
[[hooks]]
hook = "restrict_records"
objects = ["contact"]
[[settings]]
name = "mode"
default = "a"
"""
CODE = """from karvan_sdk import hookimpl

ANSWER = [lambda: "name = 'Ann'"]

@hookimpl
def restrict_records(ctx):
    return ANSWER[0]()
"""


def raiser() -> str:
    raise RuntimeError("no answer")


@pytest.fixture
def veil(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Workspace:
    """Two contacts, of which the plugin shows one; its answer has been stored."""
    install_plugin("veil", MANIFEST, CODE)
    made = workspace_with("crm")
    admin = admin_of(made)
    with made.records.write(admin) as writer:
        for name in ("Ann", "Bob"):
            writer.create("contact", {"name": name})
    made.plugins.enable(admin, "veil")
    answers()[0] = lambda: "name = 'Ann'"
    made.catalogs.current()
    made.deferred.run()
    return made


def answers() -> list[Any]:
    found: list[Any] = __import__("karvan_veil.plugin", fromlist=["ANSWER"]).ANSWER
    return found


def renew(workspace: Workspace) -> None:
    """As when something of the metadata changed: the plugin is asked again."""
    with workspace.database.write() as transaction:
        transaction.execute("UPDATE k_state SET version = version + 1 WHERE id = 1")
    workspace.catalogs.current()


def assert_veiled(workspace: Workspace) -> None:
    """Nothing shows more than Ann: list, one record, figures, export, the API."""
    reader = workspace.records.read(admin_of(workspace))
    listed = reader.list("contact", ListQuery(count="exact"))
    assert [row["name"] for row in listed.rows] == ["Ann"]
    assert listed.count == 1
    with workspace.database.read() as connection:
        table = workspace.catalogs.current().object("contact").table
        (bob,) = connection.fetchall(f'SELECT max(id) FROM "{table}"')[0]
    with pytest.raises(RecordNotFound):
        reader.get("contact", bob)
    figures = reader.aggregate("contact", AggregateQuery(measures=(Measure(fn="count"),)))
    assert figures == [{"count": 1}]
    assert [row["name"] for rows in reader.stream("contact", ListQuery()) for row in rows] == ["Ann"]
    client = make_client(workspace)
    assert client.get(f"/api/v1/records/contact/{bob}").status_code == 404
    assert [row["name"] for row in client.get("/api/v1/records/contact").get_json()["data"]] == ["Ann"]


def test_the_answer_is_stored_once_and_not_at_each_version(veil: Workspace) -> None:
    stored = veil.answers.read()
    assert {(place[0], place[2]): answer.condition for place, answer in stored.items()} == {
        ("veil", action): "name = 'Ann'" for action in ("read", "update", "delete")
    }
    renew(veil)
    assert not veil.deferred.waiting
    assert_veiled(veil)


@pytest.mark.parametrize(
    "answer", [raiser, lambda: 3, lambda: "no_such_field = 1"], ids=["raises", "garbage", "uncompilable"]
)
def test_one_that_fails_is_held_to_its_last_answer(veil: Workspace, answer: Any) -> None:
    answers()[0] = answer
    renew(veil)
    assert_veiled(veil)
    problems = veil.plugins.info("veil").problems
    assert any("contact is held to the plugin's last condition" in text for text in problems)


def test_one_whose_code_is_not_called_is_held_to_its_last_answer(veil: Workspace) -> None:
    resting = Workspace(veil.settings, code=False)
    assert_veiled(resting)
    resting.close()


def test_one_that_is_missing_is_held_to_its_last_answer(
    veil: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for info in tmp_path.glob("dist_veil/*.dist-info"):
        info.rename(info.with_suffix(".gone"))
    renew(veil)
    assert veil.plugins.info("veil").state == "missing"
    assert_veiled(veil)


def test_under_other_settings_the_last_condition_holds_and_the_object_is_closed(veil: Workspace) -> None:
    answers()[0] = raiser
    veil.plugin_settings.change(admin_of(veil), "veil", {"mode": "b"})
    assert_veiled(veil)
    found = veil.catalogs.current().restrictions["contact", "read"]
    assert [r.condition is None for r in found] == [True, False]


def test_an_open_breaker_keeps_the_last_answer(veil: Workspace) -> None:
    answers()[0] = lambda: None
    for _ in range(IN_A_ROW):
        veil.host.breakers.failed("veil", "restrict_records", RuntimeError("It gave up."))
    renew(veil)
    assert_veiled(veil)


def test_only_a_switch_off_lifts_it(veil: Workspace) -> None:
    answers()[0] = raiser
    renew(veil)
    notes = veil.uninstaller.plan("veil", purge=False).notes
    assert "It narrows who sees and changes: contact. That ends with it." in notes
    veil.plugins.disable(admin_of(veil), "veil")
    assert not veil.answers.read()
    rows = veil.records.read(admin_of(veil)).list("contact", ListQuery()).rows
    assert sorted(row["name"] for row in rows) == ["Ann", "Bob"]


def test_an_answer_that_is_new_replaces_the_old_one(veil: Workspace) -> None:
    answers()[0] = lambda: "name = 'Bob'"
    renew(veil)
    veil.deferred.run()
    answers()[0] = raiser
    renew(veil)
    rows = veil.records.read(admin_of(veil)).list("contact", ListQuery()).rows
    assert [row["name"] for row in rows] == ["Bob"]
