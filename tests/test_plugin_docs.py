"""The plugins that docs/plugins.md and docs/hooks.md show are taken from there and run, on both engines."""

from __future__ import annotations

import re
import sys
import tomllib
from configparser import ConfigParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from karvan.access.actors import Actor
from karvan.cli import main
from karvan.testing import (
    InstallPlugin,
    WorkspaceWith,
    admin_of,
    make_client,
    make_page_client,
    set_settings,
    settle,
)
from karvan.web import plugin_pages
from karvan.web.formats import Formats
from karvan.workspace import Workspace
from karvan_sdk import Rejected, describe_hooks
from karvan_sdk.checks import check_plugin
from tests.source import ROOT
from tests.wheels import build_wheels, serve_wheels

DOCS = ROOT / "docs"
FILE = re.compile(r"^\*\*`(\S+)`\*\*\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGE = "src/karvan_visits/"


# -- the road of an author ---------------------------------------------------------------------------------


def files_of_the_page() -> dict[str, str]:
    """The files that docs/plugins.md shows, by path."""
    return dict(FILE.findall((DOCS / "plugins.md").read_text(encoding="utf-8")))


@pytest.fixture
def visits(install_plugin: InstallPlugin) -> Path:
    """The plugin of docs/plugins.md, installed; its distribution's folder."""
    files = files_of_the_page()
    package = {path.removeprefix(PACKAGE): text for path, text in files.items() if path.startswith(PACKAGE)}
    folder = install_plugin("visits", package["manifest.toml"], package["plugin.py"])
    for path, text in package.items():
        target = folder / "karvan_visits" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def workspace(visits: Path, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and the plugin of the page."""
    return workspace_with("crm", "visits")


def add_contact(workspace: Workspace, name: str) -> int:
    with workspace.records.write(admin_of(workspace)) as writer:
        return int(writer.create("contact", {"name": name})["id"])


def last_visit(workspace: Workspace, contact: int) -> Any:
    return workspace.records.read(admin_of(workspace)).get("contact", contact)["visits__last_visit"]


def run(workspace: Workspace, *arguments: str) -> Any:
    settings = workspace.settings
    url = ["--database-url", settings.url] if settings.database_url else []
    return CliRunner().invoke(main, ["--home", str(settings.home), *url, *arguments])


def test_the_table_of_files_names_each_file_that_is_shown() -> None:
    text = (DOCS / "plugins.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| file \|.*\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    named = re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE)
    shown = [path for path in files_of_the_page() if not path.startswith("tests/")]
    assert {path for path in shown if not path.startswith(tuple(named))} == set()
    assert {one for one in named if not any(path.startswith(one) for path in shown)} == {
        f"{PACKAGE}__init__.py"
    }


def test_the_entry_points_of_the_page_are_those_of_the_installed_plugin(visits: Path) -> None:
    project = tomllib.loads(files_of_the_page()["pyproject.toml"])["project"]
    written = ConfigParser()
    written.read(visits / "karvan_visits-1.0.dist-info" / "entry_points.txt")
    assert project["entry-points"] == {group: dict(written[group]) for group in written.sections()}


def test_nothing_that_the_plugin_declares_is_missing_or_refused(workspace: Workspace) -> None:
    workspace.catalogs.current()
    info = workspace.plugins.info("visits")
    assert (info.state, info.problems) == ("on", ())


def test_the_check_finds_nothing_in_the_plugin_of_the_page(tmp_path: Path) -> None:
    for name, text in files_of_the_page().items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    (tmp_path / PACKAGE / "__init__.py").touch()
    report = check_plugin(tmp_path)
    assert [str(finding) for finding in report.findings] == []


def test_the_test_of_the_page_passes(visits: Path, workspace_with: WorkspaceWith) -> None:
    names: dict[str, Any] = {}
    exec(compile(files_of_the_page()["tests/test_visits.py"], "test_visits.py", "exec"), names)
    tests = [name for name in names if name.startswith("test_")]
    assert tests == ["test_a_visit_reaches_its_contact"]
    names[tests[0]](workspace_with)


def test_the_widget_shows_visits_and_adds_one(workspace: Workspace) -> None:
    ada = add_contact(workspace, "Ada")
    client = make_page_client(workspace)
    place = f"slot=record.side&object=contact&id={ada}"
    assert "No visit yet." in client.get(f"/_w?{place}").get_data(as_text=True)
    form = {"visited_on": "2026-03-31", "note": "<b>tea</b>"}
    told = client.post(f"/_w/visits.card/add?{place}", data=form, headers={"HX-Request": "true"})
    html = told.get_data(as_text=True)
    assert "The visit was added." in html
    assert "&lt;b&gt;tea&lt;/b&gt;" in html
    refused = client.post(f"/_w/visits.card/add?{place}", data={"note": "no day"}).get_data(as_text=True)
    assert "k-bad" in refused
    assert 'value="no day"' in refused
    settle(workspace)
    assert last_visit(workspace, ada) == "2026-03-31"


def test_a_visit_that_moves_or_goes_takes_its_day_along(workspace: Workspace) -> None:
    ada, bo = add_contact(workspace, "Ada"), add_contact(workspace, "Bo")
    admin = admin_of(workspace)
    with workspace.records.write(admin) as writer:
        visit = writer.create("visit", {"contact": ada, "visited_on": "2026-03-31"})["id"]
    settle(workspace)
    with workspace.records.write(admin) as writer:
        writer.update("visit", visit, {"contact": bo})
    settle(workspace)
    assert (last_visit(workspace, ada), last_visit(workspace, bo)) == (None, "2026-03-31")
    with workspace.records.write(admin) as writer:
        writer.delete("visit", visit)
    settle(workspace)
    assert last_visit(workspace, bo) is None


def test_a_contact_in_the_trash_stops_nobody(workspace: Workspace) -> None:
    ada = add_contact(workspace, "Ada")
    with workspace.records.write(admin_of(workspace)) as writer:
        writer.create("visit", {"contact": ada, "visited_on": "2026-03-31"})
    with workspace.records.write(admin_of(workspace)) as writer:
        writer.delete("contact", ada)
    settle(workspace)
    assert (workspace.deliveries.count().waiting, workspace.deliveries.count().dead) == (0, 0)


def test_the_page_lists_who_waits_by_the_setting(workspace: Workspace) -> None:
    ada = add_contact(workspace, "Ada")
    add_contact(workspace, "Never seen")
    with workspace.records.write(admin_of(workspace)) as writer:
        day = workspace.records.moment(admin_of(workspace)).now.date().isoformat()
        writer.create("visit", {"contact": ada, "visited_on": day})
    settle(workspace)
    client = make_page_client(workspace)
    page = client.get("/x/visits/waiting").get_data(as_text=True)
    assert "Never seen" in page
    assert "<bdi>Ada</bdi>" not in page
    set_settings(workspace, "visits", {"days": 1})
    with workspace.records.write(admin_of(workspace)) as writer:
        visit = writer.reader.list("visit").rows[0]
        writer.update("visit", visit["id"], {"visited_on": "2020-01-01"})
    settle(workspace)
    assert "<bdi>Ada</bdi>" in client.get("/x/visits/waiting").get_data(as_text=True)


def test_the_texts_are_read_in_the_language_of_the_reader(workspace: Workspace) -> None:
    pavel = workspace.actors.create_user(
        "pavel@example.com", "Павел", "a good password", is_admin=True, language="ru"
    )
    ada = add_contact(workspace, "Ада")
    page = make_page_client(workspace, pavel).get(f"/_w?slot=record.side&object=contact&id={ada}")
    text = page.get_data(as_text=True)
    assert "Визитов ещё не было." in text
    texts = files_of_the_page()[f"{PACKAGE}locale/ru/LC_MESSAGES/messages.po"]
    messages = re.findall(r'^msgid "(.+)"$', texts, flags=re.MULTILINE)
    used = re.findall(r"""(?:_|ctx\.t)\("([^"]+)"\)""", "".join(files_of_the_page().values()))
    assert set(messages) == set(used)


def test_the_command_runs_and_the_plugin_is_enabled_from_the_shell(
    visits: Path, workspace_with: WorkspaceWith
) -> None:
    workspace = workspace_with("crm")
    assert run(workspace, "plugins", "enable", "visits").exit_code == 0
    ada = add_contact(workspace, "Ada")
    with workspace.records.write(admin_of(workspace)) as writer:
        writer.create("visit", {"contact": ada, "visited_on": "2026-03-31"})
    assert run(workspace, "x", "visits", "recount").exit_code == 0
    assert last_visit(workspace, ada) == "2026-03-31"


@pytest.mark.slow
def test_the_plugin_of_the_page_is_built_served_and_installed(
    workspace_with: WorkspaceWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, text in {**files_of_the_page(), f"{PACKAGE}__init__.py": ""}.items():
        (tmp_path / "visits" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "visits" / path).write_text(text, encoding="utf-8")
    wheels = build_wheels(tmp_path / "wheels", str(tmp_path / "visits"))
    workspace = workspace_with("crm")
    monkeypatch.setattr(sys, "path", list(sys.path))
    with serve_wheels(wheels) as address:
        told = run(workspace, "plugins", "install", "visits", "--index", address, "--yes")
    assert told.exit_code == 0, told.output
    ada = add_contact(workspace, "Ada")
    place = f"slot=record.side&object=contact&id={ada}"
    assert "No visit yet." in make_page_client(workspace).get(f"/_w?{place}").get_data(as_text=True)
    assert run(workspace, "plugins", "uninstall", "visits", "--purge", "--yes").exit_code == 0
    for name in [n for n in sys.modules if n.partition(".")[0] == "karvan_visits"]:
        del sys.modules[name]


# -- the examples of slots.md, rest.md and manifest.md -----------------------------------------------------


def names_of_templates() -> list[str]:
    """What docs/slots.md says that a template knows."""
    text = (DOCS / "slots.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)[`(]", text[text.index("## How a slot is drawn") :], flags=re.MULTILINE)


def test_a_template_knows_what_the_page_says(visits: Path, workspace_with: WorkspaceWith) -> None:
    names = names_of_templates()
    asked = "".join(f"{{{{ '{name} ' if {name} is not defined }}}}" for name in names)
    (visits / "karvan_visits" / "templates" / "card.html").write_text(f"unknown: {asked}!")
    workspace = workspace_with("crm", "visits")
    ada = add_contact(workspace, "Ada")
    client = make_page_client(workspace)
    assert "unknown: !" in client.get(f"/_w?slot=record.side&object=contact&id={ada}").get_data(as_text=True)


def test_every_format_and_macro_is_on_the_page() -> None:
    formats = plugin_pages._shown(Formats(language="en", zone=ZoneInfo("UTC"), now=datetime.now(UTC)))
    assert set(formats) <= set(names_of_templates())
    macros = (Path(plugin_pages.__file__).parent / "templates" / "ui.html").read_text(encoding="utf-8")
    row = re.search(
        r"^\| `ui` \| (.*) \|$", (DOCS / "slots.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert row
    assert set(re.findall(r"`(\w+)`", row[1])) <= set(re.findall(r"macro (\w+)\(", macros))


def test_the_choices_about_widgets_that_the_page_shows_are_taken(workspace: Workspace) -> None:
    text = (DOCS / "rest.md").read_text(encoding="utf-8")
    bodies = re.findall(r'^\| `(\{"slot".*\})` \|', text, flags=re.MULTILINE)
    assert len(bodies) == 2
    client = make_client(workspace)
    for body in bodies:
        answer = client.patch("/api/v1/widgets", data=body, content_type="application/json")
        assert answer.status_code == 200
    shown = answer.get_json()["data"][0]
    assert (shown["widget"], shown["enabled"]) == ("visits.card", False)
    keys = re.search(r"^Each widget is `\{(.*)\}`;", text, flags=re.MULTILINE)
    assert keys
    assert list(shown) == re.findall(r"\w+", keys[1])


def test_the_entry_points_of_the_manifests_page_are_those_of_crm() -> None:
    block = re.search(
        r"^```toml\n(.*?)^```$", (DOCS / "manifest.md").read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    assert block
    project = tomllib.loads((ROOT / "plugins" / "crm" / "pyproject.toml").read_text("utf-8"))["project"]
    assert tomllib.loads(block[1])["project"]["entry-points"] == project["entry-points"]


# -- the examples of hooks.md ------------------------------------------------------------------------------


def hooks_plugin() -> tuple[str, str]:
    """(manifest, code) of a plugin made of all examples in docs/hooks.md."""
    text = (DOCS / "hooks.md").read_text(encoding="utf-8")
    objects = {
        "prepare_records": '\nobjects = ["deal"]\nevents = ["create", "update"]',
        "check_records": '\nobjects = ["deal"]',
        "records_changed": '\nobjects = ["deal"]',
        "restrict_records": '\nobjects = ["lead"]',
    }
    hooks = "".join(f'[[hooks]]\nhook = "{name}"{objects.get(name, "")}\n' for name in describe_hooks())
    offered = '[[provides.hooks]]\nname = "name_caller"\nkind = "first"\narguments = ["number"]\n'
    offered += '[[hooks]]\nhook = "shown.name_caller"\nversion = 1\n'
    settings = "".join(
        f'[[settings]]\nname = "{n}"\ntype = "boolean"\ndefault = false\n' for n in ("pause", "private")
    )
    manifest = f"""schema = 1
id = "shown"
name = "Shown"
summary = "The examples of the page."
api = ">=0.1,<1"
requires = {{ crm = ">=0.1" }}
capabilities = ["records:write:contact", "records:write:activity"]
{hooks}{offered}{settings}"""
    return manifest, "\n\n".join(PYTHON.findall(text)).replace("telephony__", "shown__")


@pytest.fixture
def shown(install_plugin: InstallPlugin, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and the examples of docs/hooks.md."""
    install_plugin("shown", *hooks_plugin())
    return workspace_with("crm", "shown")


def test_the_examples_are_all_hooks_and_nothing_of_them_is_refused(shown: Workspace) -> None:
    shown.catalogs.current()
    info = shown.plugins.info("shown")
    assert (info.state, info.problems) == ("on", ())
    assert set(info.hooks) == {*describe_hooks(), "shown.name_caller"}


def test_the_example_of_an_offered_hook_is_answered(shown: Workspace) -> None:
    shown.catalogs.current()
    ctx = shown.host.context("shown", shown.records.moment(Actor.system()))
    assert ctx.ask("shown.name_caller", number="+4930123456") == "The time"
    assert ctx.ask("shown.name_caller", number="+49301") is None


def test_the_examples_about_changes_do_what_they_say(shown: Workspace) -> None:
    with shown.records.write(admin_of(shown)) as writer:
        won = writer.create("deal", {"name": "Won", "stage": "won", "next_step": "call"})
        open_ = writer.create("deal", {"name": "Open", "stage": "proposal"})
    assert won["next_step"] is None
    with (
        pytest.raises(Rejected, match="Give an amount first"),
        shown.records.write(admin_of(shown)) as writer,
    ):
        writer.update("deal", open_["id"], {"stage": "negotiation"})
    with shown.records.write(admin_of(shown)) as writer:
        writer.update("deal", open_["id"], {"stage": "negotiation", "amount": "5.00"})
    set_settings(shown, "shown", {"pause": True})
    settle(shown)
    assert (shown.deliveries.count().waiting > 0, shown.deliveries.count().dead) == (True, 0)


def test_the_example_of_records_changed_notes_the_stage(shown: Workspace) -> None:
    with shown.records.write(admin_of(shown)) as writer:
        deal = writer.create("deal", {"name": "Open", "stage": "proposal", "amount": "5.00"})
        writer.update("deal", deal["id"], {"stage": "negotiation"})
    settle(shown)
    notes = shown.records.read(admin_of(shown)).list("activity").rows
    assert [(n["subject"], n["deal"]) for n in notes] == [("Stage: proposal → negotiation", deal["id"])]


def test_the_example_of_restrict_records_hides_what_is_others(shown: Workspace) -> None:
    other = shown.actors.create_user("bo@example.com", "Bo", "a good password", is_admin=True)
    with shown.records.write(other) as writer:
        writer.create("lead", {"name": "Of Bo", "owner": other.id})
    assert len(shown.records.read(admin_of(shown)).list("lead").rows) == 1
    set_settings(shown, "shown", {"private": True})
    assert shown.records.read(admin_of(shown)).list("lead").rows == []
    assert len(shown.records.read(other).list("lead").rows) == 1


def test_the_example_of_find_by_phone_answers(shown: Workspace) -> None:
    with shown.records.write(admin_of(shown)) as writer:
        ada = writer.create("contact", {"name": "Ada", "phone": "+4930123456"})
    moment = shown.records.moment(admin_of(shown))
    found = shown.host.first("find_by_phone", moment, phone="+4930123456")
    assert (found.object, found.id) == ("contact", ada["id"])
    assert shown.host.first("find_by_phone", moment, phone="+490") is None


def test_the_example_of_plugin_enabled_fills_what_was_there_before(
    install_plugin: InstallPlugin, workspace_with: WorkspaceWith
) -> None:
    install_plugin("shown", *hooks_plugin())
    workspace = workspace_with("crm")
    with workspace.records.write(admin_of(workspace)) as writer:
        ada = writer.create("contact", {"name": "Ada", "mobile": "+4930123456"})
    workspace.plugins.enable(admin_of(workspace), "shown")
    settle(workspace)
    assert workspace.records.read(admin_of(workspace)).get("contact", ada["id"])["phone"] == "+4930123456"


def test_the_example_of_demo_records_gives_records(shown: Workspace) -> None:
    moment = shown.records.moment(admin_of(shown))
    given = dict(shown.host.collect("demo_records", moment, size=300, seed=1))["shown"]
    assert [(batch.object, len(batch.records)) for batch in given] == [("lead", 3)]
    assert "karvan_shown.plugin" in sys.modules
