"""The references in docs/ say what the code does: each name is in both, or the test names the difference."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

import karvan
import karvan_sdk
from karvan.api.problems import answer_of
from karvan.api.routes import ROUTES
from karvan.database.models import db
from karvan.events import deliveries, outbox, queue
from karvan.settings import Settings
from karvan.worker import LIMIT_S
from karvan_sdk import (
    SLOTS,
    HookContext,
    HookKind,
    KarvanError,
    PageContext,
    WidgetContext,
    capabilities,
    describe_hooks,
    manifest,
)
from karvan_sdk.checks import RULES
from karvan_sdk.checks.source import BYTES_MAX, FILES_MAX
from karvan_sdk.cli import make_parser
from karvan_sdk.expressions import FILTER, RESTRICTION, RULE, Context
from karvan_sdk.schema import FILES, schema_of
from tests import check_table, manifest_tables
from tests.source import ROOT

DOCS = ROOT / "docs"
EDGES = ("GET /api/openapi.json", "GET /health", "GET /metrics", "GET /ready")
"""What answers outside `/api/v1`."""


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """The part of a page under a heading, up to the next one of the same rank."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading '{title}'"
    return found[1]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a table whose first cell is code: that code → the other cells."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| `")]
    return {line[0].strip().strip("`"): [cell.strip() for cell in line[1:]] for line in lines}


# -- hooks -------------------------------------------------------------------------------------------------


def test_every_hook_has_its_heading_and_every_kind_its_row() -> None:
    headings = re.findall(r"^## (\w+)$", read("hooks.md"), flags=re.MULTILINE)
    assert sorted(set(headings) - {"Kinds"}) == sorted(describe_hooks())
    kinds = re.findall(r"^\| (\w+) \|", section(read("hooks.md"), "Kinds"), flags=re.MULTILINE)
    assert sorted(set(kinds) - {"kind"}) == sorted(HookKind)


@pytest.mark.parametrize("name", describe_hooks())
def test_a_hook_is_documented_with_its_signature_kind_and_budget(name: str) -> None:
    policy, function = describe_hooks()[name]
    arguments = ", ".join(p for p in inspect.signature(function).parameters if p != "self")
    line = f"`{name}({arguments})` · {policy.kind.value} · {policy.budget_ms} ms"
    assert line in section(read("hooks.md"), name)


def members(protocol: type) -> set[str]:
    """What a protocol has beyond those that it extends."""
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_the_context_is_documented_member_by_member() -> None:
    names = rows(section(read("hooks.md"), "The context"))
    documented = {re.sub(r"\(.*", "", name) for name in names}
    assert documented == members(HookContext) | members(PageContext) | members(WidgetContext)


# -- slots -------------------------------------------------------------------------------------------------


def test_every_slot_has_its_heading() -> None:
    assert re.findall(r"^## (\w+\.\w+)$", read("slots.md"), flags=re.MULTILINE) == list(SLOTS)


@pytest.mark.parametrize("name", SLOTS)
def test_a_slot_is_documented_with_its_version_and_what_its_widgets_are_given(name: str) -> None:
    slot, text = SLOTS[name], section(read("slots.md"), name)
    about = "a record" if slot.about_record else "no record"
    assert f"Version {slot.version} · about {about}" in text
    assert {"`ctx.object`", "`ctx.record`"} <= set(re.findall(r"`ctx\.\w+`", text))


# -- manifest ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", manifest_tables.TABLES)
def test_the_manifest_is_documented_as_its_schema_says_key_by_key(title: str) -> None:
    """Value, default and meaning; `python -m tests.manifest_tables` writes the tables anew."""
    documented = rows(section(read("manifest.md"), title))
    assert documented == rows(manifest_tables.render(manifest_tables.TABLES[title]))
    assert documented


def test_every_table_of_the_manifest_is_documented() -> None:
    titles = {f"{file}.{title}" for file in FILES for title in schema_of(file)["$defs"]} | set(FILES)
    shared = {f"manifest.{title}" for title in schema_of("object")["$defs"]} | {"manifest.ForeignField"}
    assert set(manifest_tables.TABLES.values()) == titles - shared


def test_a_field_on_a_foreign_object_has_the_keys_of_a_field_and_the_object() -> None:
    foreign = dict(schema_of("manifest")["$defs"]["ForeignField"]["properties"])
    assert foreign.pop("object")["type"] == "string"
    assert foreign == schema_of("object")["$defs"]["Field"]["properties"]


@pytest.mark.parametrize("documented", rows(section(read("manifest.md"), "Capabilities")))
def test_a_documented_capability_is_one(documented: str) -> None:
    example = documented.replace("<object>", "deal").replace("<host>", "*.example.com:443")
    files = {
        "manifest.toml": f"""schema = 1\nid = "ask"\nname = "Ask"\nsummary = "Asks."\napi = ">=0"
capabilities = ["{example}"]"""
    }
    assert manifest.load_manifest("ask", files.__getitem__).capabilities == (example,)


def test_every_capability_is_documented() -> None:
    """The grammar's alternatives, by their first word."""
    known = {re.match(r"\w+", one)[0] for one in rows(section(read("manifest.md"), "Capabilities"))}  # type: ignore[index]  # they begin with one
    assert known == set(
        re.findall(r"(?:^|\|)(\w+)", capabilities.CAPABILITY.pattern.replace("(read|write)", ""))
    )


# -- the check ---------------------------------------------------------------------------------------------


def test_every_rule_of_the_check_is_documented_with_what_to_do_instead() -> None:
    documented = rows(section(read("check.md"), "Rules"))
    assert documented == rows(check_table.render())
    assert list(documented) == list(RULES)


def test_the_limits_of_the_check_are_those_of_the_code() -> None:
    limits = f"At most {FILES_MAX:,} files and {BYTES_MAX // 2**20} MiB of text"
    assert limits in section(read("check.md"), "Notes")


# -- events ------------------------------------------------------------------------------------------------


def test_every_event_is_documented_with_what_it_is_told_through() -> None:
    told = {name: f"`records_changed`, event `{verb}`" for name, verb in deliveries.VERBS.items()}
    documented = {n: cells[1] for n, cells in rows(read("events.md")).items()}
    assert documented == told | {outbox.PLUGIN_ENABLED: "`plugin_enabled` of that plugin"}


def test_the_waits_and_limits_of_events_are_those_of_the_code() -> None:
    text = read("events.md")
    waits = re.findall(r"^\| (\d+) \| (\d+) s \|$", section(text, "Failure"), flags=re.MULTILINE)
    tried = range(1, queue.ATTEMPTS_MAX)
    assert waits == [(str(n), str(queue.BACKOFF_S[n - 1])) for n in tried]
    assert f"After {queue.ATTEMPTS_MAX} attempts" in text
    assert f"at most {deliveries.BATCH} events" in text
    assert f"A call has {LIMIT_S:.0f} s." in text
    assert f"told again {queue.CLAIM_S:.0f} s after they were taken" in text


# -- tables ------------------------------------------------------------------------------------------------


def test_every_static_table_is_documented_with_its_columns() -> None:
    documented = {
        name: re.split(r"[;:]", re.sub(r"\([^)]*\)", "", cells[0]))[0].replace(" ", "").split(",")
        for name, cells in rows(section(read("architecture.md"), "Static tables")).items()
    }
    assert documented == {t.name: [c.name for c in t.columns] for t in db.metadata.tables.values()}


# -- expressions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("context", [FILTER, RULE, RESTRICTION], ids=lambda c: str(c.name))
def test_a_place_for_expressions_is_documented_with_what_it_allows(context: Context) -> None:
    cells = rows(section(read("expressions.md"), "Where an expression stands"))[context.name]
    allowed = [{"yes": True, "no": False}[cell] for cell in cells[:3]]
    assert (allowed, int(cells[3])) == ([context.before, context.live, context.actor], context.steps)


# -- settings ----------------------------------------------------------------------------------------------


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {name: cells[0].strip("`") for name, cells in rows(read("settings.md")).items()}
    settings = {f.name: str(f.default) or "(empty)" for f in fields(Settings)}
    assert {name: value for name, value in documented.items() if name.islower()} == settings


def test_a_variable_outside_the_settings_is_documented_if_the_code_reads_it() -> None:
    places = ("Makefile", ".ci/run", "core/hatch_build.py", "conftest.py", "tests/needs.py")
    text = "".join((ROOT / place).read_text(encoding="utf-8") for place in places)
    used = set(re.findall(r"\bKARVAN_[A-Z]+(?:_[A-Z]+)*", text)) - {"KARVAN_TEST"}
    documented = {name for name in rows(read("settings.md")) if name.isupper()}
    assert used - {"KARVAN_HOME"} == documented


# -- errors ------------------------------------------------------------------------------------------------


def error_classes(base: type[KarvanError] = KarvanError) -> Iterator[type[KarvanError]]:
    for cls in base.__subclasses__():
        if cls.__module__.split(".")[0] in ("karvan", "karvan_sdk"):
            yield cls
        yield from error_classes(cls)


def load_all() -> None:
    """Import every module, so that every error class exists."""
    for package in (karvan, karvan_sdk):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def test_every_error_is_documented_with_its_status() -> None:
    load_all()
    statuses: dict[str, set[int]] = {}
    for cls in error_classes():
        statuses.setdefault(cls.code, set()).add(answer_of(cls.__new__(cls)).status)
    expected = {code: ", ".join(str(s) for s in sorted(found)) for code, found in statuses.items()}
    assert {code: cells[0] for code, cells in rows(read("errors.md")).items()} == expected


# -- REST --------------------------------------------------------------------------------------------------


def documented_path(path: str) -> str:
    """`/records/<object>/<record_id:id>` as people write it."""
    return re.sub(r"<\w+:(\w+)>", r"<\1>", f"/api/v1{path}")


def test_every_route_is_documented() -> None:
    routes = {f"{method} {documented_path(r.path)}" for r in ROUTES for method in r.views}
    assert set(rows(section(read("rest.md"), "Routes"))) == routes | set(EDGES)


# -- command line ------------------------------------------------------------------------------------------


def commands(group: click.Group, path: str = "karvan") -> Iterator[tuple[str, click.Command]]:
    """(whole name, command) of everything below a group; one that plugins fill counts as a command."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group) and command.commands:
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}", command


def command_line() -> dict[str, click.Command]:
    main = importlib.import_module("karvan.cli").main
    return dict(commands(main))


def test_every_command_is_documented_with_its_options() -> None:
    found = command_line()
    text = read("cli.md")
    headings = re.findall(r"^## (karvan [\w -]+)$", text, flags=re.MULTILINE)
    assert sorted(headings) == sorted(found)
    missing = [
        f"{name} {option}"
        for name, command in found.items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts
        if option.startswith("--") and f"`{option}" not in section(text, name)
    ]
    assert not missing


def test_every_documented_option_exists() -> None:
    text = read("cli.md")
    unknown = [
        f"{name} {option}"
        for name, command in command_line().items()
        for option in re.findall(r"`(--[a-z-]+)", section(text, name))
        if option not in {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    ]
    assert not unknown


def author_commands() -> dict[str, argparse.ArgumentParser]:
    """Every command of `karvan-sdk` with its parser."""
    (commands,) = (a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(commands.choices)


def test_every_command_of_authors_is_documented_with_its_options() -> None:
    text = read("cli.md")
    headings = re.findall(r"^## karvan-sdk (\w+)$", text, flags=re.MULTILINE)
    assert headings == list(author_commands())
    for name, parser in author_commands().items():
        told = section(text, f"karvan-sdk {name}")
        options = {o for a in parser._actions for o in a.option_strings if o.startswith("--")} - {"--help"}
        assert set(re.findall(r"`(--[a-z-]+)", told)) == options


@pytest.mark.parametrize("page", ["README.md", "docs/plugins.md"])
def test_a_command_that_a_page_shows_exists_with_its_options(page: str) -> None:
    """Lines of code blocks that begin with `karvan`; what stands behind `x <plugin>` is the plugin's."""
    known = command_line()
    shown = re.findall(r"^    karvan (.+)$", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert shown
    unknown = []
    for line in shown:
        words = line.split()
        name = next((n for n in (" ".join(words[:2]), words[0]) if f"karvan {n}" in known), None)
        options = {o for p in known[f"karvan {name}"].params for o in p.opts} if name else set()
        if name is None or {w for w in words if w.startswith("--")} - options:
            unknown.append(line)
    assert not unknown


def test_every_command_helps_and_says_what_it_does() -> None:
    assert not [name for name, command in command_line().items() if not command.help]


# -- the pages themselves ----------------------------------------------------------------------------------


def links(page: Path) -> Iterator[Path]:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            yield page.parent / unquote(target)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert not [str(target) for target in links(page) if not target.exists()]


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: str(p.relative_to(DOCS)))
def test_every_anchor_of_a_link_is_a_heading(page: Path) -> None:
    lost = []
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        text = (page.parent / target if target else page).read_text(encoding="utf-8")
        if anchor not in {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}:
            lost.append(f"{target}#{anchor}")
    assert not lost


@pytest.mark.parametrize("name", sorted(manifest.KEYS))
def test_the_changelog_names_every_key_of_the_manifest(name: str) -> None:
    assert f"`{name}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("plugin", ["telephony", "price_book", "lead_scoring", "onec", "sample"])
def test_the_changelog_names_what_a_first_party_plugin_brings(plugin: str) -> None:
    files = ROOT / "plugins" / plugin / "src" / f"karvan_{plugin}"
    made = manifest.load_manifest(plugin, lambda name: (files / name).read_text(encoding="utf-8"))
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    line = re.search(rf"^- \*\*{plugin}\*\*: (.*?)(?=^- |^$)", text, flags=re.MULTILINE | re.DOTALL)
    assert line, f"the changelog has no line for {plugin}"
    brought = {o.name for o in made.objects} | {s.name for s in made.settings} | set(made.commands)
    brought |= {route.path for route in made.public_routes}
    assert brought - set(re.findall(r"`([^`]+)`", line[1])) == set()


@pytest.mark.parametrize("name", [*deliveries.VERBS, outbox.PLUGIN_ENABLED])
def test_the_changelog_names_every_event(name: str) -> None:
    assert f"`{name}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", describe_hooks())
def test_the_changelog_names_every_hook(name: str) -> None:
    assert f"`{name}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SLOTS)
def test_the_changelog_names_every_slot(name: str) -> None:
    assert f"`{name}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [f.name for f in fields(Settings)])
def test_the_changelog_names_every_setting(name: str) -> None:
    assert f"`{name}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_changelog_names_every_command() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("\n  ", " ")
    assert not [name for name in command_line() if f"`{name.removeprefix('karvan ')}`" not in text]
