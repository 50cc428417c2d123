"""The commands about plugins: `karvan plugins …`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from karvan.access.actors import Actor
from karvan.command_line import AS, JSON, acting, opened, put, say
from karvan.plugins.install import InstallPlan
from karvan.plugins.uninstall import UninstallPlan
from karvan.plugins.xray import Finding, XRay, say_finding
from karvan.workspace import Workspace
from karvan_sdk.manifest import EVENTS

YES = click.option("--yes", is_flag=True, help="Do it without asking.")
SCHEMA_WORDS = {
    "create_table": "table", "add_column": "columns", "create_index": "indexes",
    "drop_index": "indexes less", "reattach": "parts back with their data",
}  # fmt: skip
PLAN = click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and do nothing.")


@click.group()
def plugins() -> None:
    """Plugins: what is installed, what is enabled."""


@plugins.command("list")
@JSON
@click.pass_context
def plugins_list(ctx: click.Context, as_json: bool) -> None:
    """List the plugins; none is imported for it."""
    with opened(ctx, code=False) as workspace:
        workspace.catalogs.current()
        found = [info.as_dict() for info in workspace.plugins.list()]
    if as_json:
        put({"data": found})
        return
    for info in found:
        click.echo(f"{info['id']:24} {info['version']:10} {info['state']:9} {info['summary']}")
        for problem in info["problems"]:
            click.echo(f"{'':24} {problem}")


@plugins.command("info")
@click.argument("plugin")
@JSON
@click.pass_context
def plugins_info(ctx: click.Context, plugin: str, as_json: bool) -> None:
    """Show one plugin."""
    with opened(ctx, code=False) as workspace:
        workspace.catalogs.current()
        info = workspace.plugins.info(plugin).as_dict()
    if as_json:
        put(info)
        return
    for name, value in info.items():
        click.echo(f"{name:14} {', '.join(value) if isinstance(value, (list, tuple)) else value}")


@plugins.command("doctor")
@click.argument("plugin_ids", metavar="[ID...]", nargs=-1)
@click.option("--object", default="", metavar="NAME", help="Only who is called for this object.")
@click.option(
    "--event", default="", type=click.Choice(("", *EVENTS)), metavar="NAME", help="Only for this event."
)
@JSON
@click.pass_context
def plugins_doctor(
    ctx: click.Context, plugin_ids: tuple[str, ...], object: str, event: str, as_json: bool
) -> None:
    """X-ray the enabled plugins, and the installed ones named, for clashes; from their manifests alone."""
    with opened(ctx) as workspace:
        xray = workspace.plugins.xray(plugin_ids)
    if as_json:
        hooks = {name: xray.meeting(name, object, event) for name in xray.hooks}
        put(replace(xray, hooks=hooks).as_dict())
    else:
        _show_xray(xray, object, event)
    if xray.errors:
        sys.exit(1)


def _show_xray(xray: XRay, object: str, event: str) -> None:
    for title, rows in (
        ("Hook", {name: xray.meeting(name, object, event) for name in xray.hooks}),
        ("Slot", xray.slots),
    ):
        for name, standing in rows.items():
            if standing:
                click.echo(f"{title} {name}")
            for one in standing:
                where = " ".join((*one.objects, *(one.events if one.events != EVENTS else ())))
                click.echo(f"  {one.widget or one.plugin:32} {one.reason:40} {where}".rstrip())
    for thing, names in xray.writers.items():
        click.echo(f"Writes {thing}: {', '.join(names)}")
    for plugin, surface, path in xray.routes:
        click.echo(f"Public {surface} {path}: {plugin}")
    show_findings(xray.findings)


def show_findings(findings: Iterable[Finding]) -> None:
    """The findings of the x-ray, each with its weight."""
    for one in findings:
        say(f"{one.severity.capitalize():9} {one.message}")


@plugins.command("enable")
@click.argument("plugin")
@PLAN
@AS
@JSON
@click.pass_context
def plugins_enable(ctx: click.Context, plugin: str, only_plan: bool, as_: str | None, as_json: bool) -> None:
    """Enable a plugin; one that is enabled stays so."""
    if only_plan:
        _plan_enable(ctx, plugin, as_json)
        return
    _switch(ctx, plugin, as_, as_json, lambda workspace, actor: workspace.plugins.enable(actor, plugin))


def _plan_enable(ctx: click.Context, plugin: str, as_json: bool) -> None:
    with opened(ctx) as workspace:
        found = workspace.plugins.xray([plugin]).about([plugin])
    if as_json:
        put({"plugin": plugin, "findings": [say_finding(one) for one in found]})
    elif found:
        show_findings(found)
    else:
        say(f"Nothing stands in the way of '{plugin}'.")
    if any(one.severity == "error" for one in found):
        sys.exit(1)


@plugins.command("disable")
@click.argument("plugin")
@AS
@JSON
@click.pass_context
def plugins_disable(ctx: click.Context, plugin: str, as_: str | None, as_json: bool) -> None:
    """Disable a plugin; its tables and records are kept."""
    _switch(
        ctx,
        plugin,
        as_,
        as_json,
        lambda workspace, actor: workspace.plugins.disable(actor, plugin),
        code=False,
    )


@plugins.command("resume")
@click.argument("plugin")
@AS
@JSON
@click.pass_context
def plugins_resume(ctx: click.Context, plugin: str, as_: str | None, as_json: bool) -> None:
    """Call a suspended plugin again; what it missed is told now."""
    with opened(ctx, code=False) as workspace:
        workspace.catalogs.current()
        outcome = workspace.plugins.resume(acting(workspace, as_), plugin)
    if as_json:
        put({"plugin": plugin, "enabled": True, "changed": outcome.changed})
        return
    say(f"Plugin '{plugin}' is {'called again' if outcome.changed else 'not suspended'}.")


def _switch(
    ctx: click.Context,
    plugin: str,
    as_: str | None,
    as_json: bool,
    act: Callable[[Workspace, Actor], Any],
    *,
    code: bool = True,
) -> None:
    with opened(ctx, code=code) as workspace:
        outcome = act(workspace, acting(workspace, as_))
    if as_json:
        put({"plugin": plugin, "enabled": outcome.enabled, "changed": outcome.changed})
        return
    state = "enabled" if outcome.enabled else "disabled"
    say(f"Plugin '{plugin}' is {state}{'' if outcome.changed else ' already'}.")
    for problem in outcome.problems:
        say(f"  {problem}")


@plugins.command("install")
@click.argument("plugin_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--index", required=True, metavar="URL", help="Address of the index or marketplace.")
@PLAN
@YES
@AS
@JSON
@click.pass_context
def plugins_install(
    ctx: click.Context,
    plugin_ids: tuple[str, ...],
    index: str,
    only_plan: bool,
    yes: bool,
    as_: str | None,
    as_json: bool,
) -> None:
    """Install plugins, or a bundle (bundle:ID), from an index, and enable them."""
    with opened(ctx) as workspace:
        workspace.catalogs.current()
        actor = acting(workspace, as_)
        with workspace.installer.plan(actor, plugin_ids, index) as plan:
            if as_json and only_plan:
                put(plan.as_dict(actor.language))
            elif not (as_json and yes):
                _show_install(plan, actor.language)
            if only_plan:
                return
            _confirm("Install this?", yes)
            outcomes = workspace.installer.apply(actor, plan, tell=say)
    if as_json:
        put({"installed": [o.plugin for o in outcomes if o.changed], "enabled": [o.plugin for o in outcomes]})


@plugins.command("uninstall")
@click.argument("plugin")
@click.option("--purge", is_flag=True, help="Drop its tables, fields, records, settings and files as well.")
@PLAN
@YES
@AS
@JSON
@click.pass_context
def plugins_uninstall(
    ctx: click.Context, plugin: str, purge: bool, only_plan: bool, yes: bool, as_: str | None, as_json: bool
) -> None:
    """Take a plugin out; without --purge its data is kept for a later install."""
    with opened(ctx, code=False) as workspace:
        workspace.catalogs.current()
        plan = workspace.uninstaller.plan(plugin, purge=purge)
        if as_json and only_plan:
            put(plan.as_dict())
        elif not (as_json and yes):
            _show_uninstall(plan)
        if only_plan:
            return
        _confirm("Uninstall it?", yes or bool(plan.blockers))  # what is in the way refuses it anyhow
        workspace.uninstaller.apply(acting(workspace, as_), plan)
    if as_json:
        put({"uninstalled": plugin, "purged": purge})
    else:
        say(f"Plugin '{plugin}' is uninstalled{' and purged' if purge else '; its data is kept'}.")


def _confirm(question: str, yes: bool) -> None:
    """Ask, unless it was said before; where nobody can be asked, nothing is done."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: look at --plan, then say --yes.")
    click.confirm(question, abort=True, err=True)


def _show_install(plan: InstallPlan, language: str) -> None:
    for file in plan.files:
        size = f", {file.size} bytes" if file.size is not None else ""
        say(f"Download  {file.filename}{size}, sha256:{file.sha256}")
    for plugin in plan.plugins:
        manifest = plugin.manifest
        say(f"Install   {manifest.id} {plugin.version}: {manifest.summary(language)}")
        for capability in manifest.capabilities:
            say(f"            may use {capability}")
        for route in manifest.public_routes:
            say(f"            answers {route.path} without a sign-in: {route.why(language)}")
    for name in plan.present:
        say(f"Here      {name}")
    show_findings(plan.findings)
    for table, steps in _by_table(plan.schema).items():
        say(f"Schema    {table}: {', '.join(steps)}")


def _by_table(schema: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What happens to each table, in words: `new table`, `12 columns`, `3 indexes`."""
    counted: dict[str, Counter[str]] = {}
    for step in schema:
        word = SCHEMA_WORDS.get(step["action"])
        if word:
            table = step.get("table") or step.get("index", {}).get("table") or step["physical"]
            counted.setdefault(table, Counter())[word] += 1
    return {
        table: ["new table" if word == "table" else f"{number} {word}" for word, number in words.items()]
        for table, words in sorted(counted.items())
    }


def _show_uninstall(plan: UninstallPlan) -> None:
    for blocker in plan.blockers:
        say(f"In the way  {blocker}")
    for name in plan.distributions:
        say(f"Remove    the code of {name}")
    for one in plan.data:
        say(f"Drop      {one.kind} {one.physical} ({one.rows} records)")
    for table, count in plan.rows.items():
        if count:
            say(f"Delete    {count} rows of {table}")
    if plan.files:
        say(f"Delete    {plan.files} files")
    for note in plan.notes:
        say(f"Note      {note}")
