"""The command line: `karvan`. Data goes to standard output, words for people and faults to standard error."""

from __future__ import annotations

import gettext
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from karvan.access.actors import Actor
from karvan.command_line import AS, JSON, acting, fail, opened, put, say, settings_of
from karvan.demo import LOGINS, PASSWORD, SIZE, make_demo
from karvan.plugin_commands import plugins
from karvan.plugins import BlackBox
from karvan.plugins.index import IndexFailed
from karvan.records.export import FORMATS
from karvan.records.imports import ImportOptions
from karvan.schema.edits import AddFields, CreateObject, Edit
from karvan.serve import limit_memory, start_logging
from karvan.serve import serve as run_server
from karvan.worker import LIMIT_S, PARENT, work
from karvan.workspace import Workspace
from karvan_sdk import declarations
from karvan_sdk.errors import BadInput, Conflict, FieldError, KarvanError, UnknownPlugin, ValidationFailed
from karvan_sdk.widgets import Slot, WidgetUse

DEMO_HOME = Path(".demo")
FIRST_PLUGIN = "crm"
INDEX_STARTS_S = 30.0


class Karvan(click.Group):
    """Turns the errors of Karvan into messages and exit codes: 0 done, 1 refused, 2 wrong usage."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KarvanError as exc:
            fail(exc)


@click.group(cls=Karvan, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="karvan")
@click.option("--home", type=click.Path(path_type=Path), help="Folder of the workspace (KARVAN_HOME).")
@click.option("--database-url", help="Where the database is (KARVAN_DATABASE_URL).")
@click.pass_context
def main(ctx: click.Context, home: Path | None, database_url: str | None) -> None:
    """A plugin-extensible CRM framework: serve, import, export, shape, extend."""
    ctx.obj = {"home": home, "database_url": database_url}


# -- a workspace -------------------------------------------------------------------------------------------


@main.command()
@click.option("--admin", "email", required=True, metavar="EMAIL", help="Address of the administrator.")
@click.option("--password", metavar="PW", help="The password; asked for if it is not given.")
@click.option("--name", default="", help="The administrator's name.")
@click.option("--bare", is_flag=True, help="Enable no plugin.")
@click.pass_context
def init(ctx: click.Context, email: str, password: str | None, name: str, bare: bool) -> None:
    """Make a workspace with an administrator, and enable crm."""
    if password is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    workspace = Workspace(settings_of(ctx))
    try:
        workspace.create()
        try:
            admin = workspace.actors.create_user(
                email, name or email.partition("@")[0], password, is_admin=True
            )
        except Conflict:
            found = workspace.actors.by_email(email)
            if found is None or not found.is_admin:
                raise
            admin = found
            say(f"{email} is an administrator already; the password stays as it was.")
        if not bare:
            _enable_first(workspace, admin)
        say(f"The workspace is ready: {workspace.database.url.render_as_string(hide_password=True)}")
    finally:
        workspace.close()


def _enable_first(workspace: Workspace, admin: Actor) -> None:
    try:
        workspace.plugins.enable(admin, FIRST_PLUGIN)
    except UnknownPlugin:
        say(
            f"The plugin '{FIRST_PLUGIN}' is not installed, so the workspace is bare. To have it: "
            f"pip install karvan-{FIRST_PLUGIN}, then: karvan plugins enable {FIRST_PLUGIN}"
        )


@main.command()
@click.option("--host", help="Address to listen on (KARVAN_HOST).")
@click.option("--port", type=int, help="Port to listen on (KARVAN_PORT).")
@click.option("--workers", type=click.IntRange(1, 64), help="Number of processes (KARVAN_WORKERS).")
@click.option("--safe-mode", is_flag=True, help="Import and call no code of plugins (KARVAN_SAFE_MODE).")
@click.pass_context
def serve(
    ctx: click.Context, host: str | None, port: int | None, workers: int | None, safe_mode: bool
) -> None:
    """Serve the pages and the REST interface."""
    settings = settings_of(ctx, host=host, port=port, workers=workers, safe_mode=safe_mode or None)
    workspace = Workspace(settings)
    try:
        workspace.check()
        workspace.generations.check()
    finally:
        workspace.close()
    say(f"Karvan serves http://{settings.host}:{settings.port} with {settings.workers} workers.")
    run_server(settings)


@main.command()
@click.pass_context
def worker(ctx: click.Context) -> None:
    """Tell plugins what has happened, until stopped. `karvan serve` starts one by itself."""
    settings = settings_of(ctx)
    start_logging()
    limit_memory(settings.memory_mib)
    box = BlackBox.open(settings.home, "worker", LIMIT_S, told=PARENT in os.environ)
    workspace = Workspace(settings, box=box)
    try:
        workspace.check()
        work(workspace)
    finally:
        workspace.close()
        box.close()


@main.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option(
    "--size", type=click.IntRange(10, 200_000), default=SIZE, show_default=True, help="Number of records."
)
@click.option("--fresh", is_flag=True, help="Throw the demo of before away and make a new one.")
@click.option("--install", "wanted", multiple=True, metavar="ID", help="Install this plugin or bundle too.")
@click.option("--index", metavar="URL", help="Where to install from.")
@click.option("--no-serve", is_flag=True, help="Make the demo only.")
@click.pass_context
def demo(
    ctx: click.Context,
    host: str | None,
    port: int | None,
    size: int,
    fresh: bool,
    wanted: tuple[str, ...],
    index: str | None,
    no_serve: bool,
) -> None:
    """Make a demo workspace below ./.demo, or take the one that is there, and serve it."""
    if wanted and not index:
        raise click.UsageError("--install needs --index: where to install from.")
    given = ctx.find_root().obj
    settings = settings_of(ctx, home=given["home"] or DEMO_HOME, host=host, port=port)
    made = settings.home / "demo.made"
    if fresh and made.exists() and not settings.database_url:
        shutil.rmtree(settings.home)
    workspace = Workspace(settings)
    try:
        if not made.exists():
            count = make_demo(
                workspace,
                [FIRST_PLUGIN],
                size=size,
                install=lambda admin: _install_for_demo(workspace, admin, wanted, index or ""),
            )
            made.write_text(f"{count}\n", encoding="ascii")
            say(f"Made a demo workspace with {count} records in {settings.home}.")
        workspace.check()
        workspace.generations.check()
    finally:
        workspace.close()
    address = f"http://{settings.host}:{settings.port}"
    say(f"Address: {address}    REST: {address}/docs/api")
    for login in LOGINS:
        say(f"Login:   {login.email}  {PASSWORD}  ({login.language}, {login.name})")
    if index:
        say(f"Market:  {index}")
    if not no_serve:
        run_server(settings)


def _install_for_demo(workspace: Workspace, admin: Actor, wanted: Sequence[str], index: str) -> None:
    """Install from an index that may be starting at this very moment."""
    if not wanted:
        return
    until = time.monotonic() + INDEX_STARTS_S
    while True:
        try:
            with workspace.installer.plan(admin, wanted, index) as plan:
                workspace.installer.apply(admin, plan, tell=say)
                return
        except IndexFailed as exc:
            if not exc.unreachable or time.monotonic() > until:
                raise
            time.sleep(0.5)


# -- people ------------------------------------------------------------------------------------------------


@main.group()
def user() -> None:
    """People and their tokens."""


@user.command("create")
@click.argument("email")
@click.option("--password", metavar="PW", help="The password; asked for if it is not given.")
@click.option("--name", default="", help="The person's name.")
@click.option("--admin", is_flag=True, help="Make the person an administrator.")
@click.option("--language", default="", help="Language of the pages: en, ru, fa or zh.")
@click.pass_context
def user_create(
    ctx: click.Context, email: str, password: str | None, name: str, admin: bool, language: str
) -> None:
    """Add a person."""
    if password is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with opened(ctx) as workspace:
        made = workspace.actors.create_user(
            email, name or email.partition("@")[0], password, is_admin=admin, language=language
        )
    say(f"Added {made.email}.")


@user.command("token")
@click.argument("email")
@click.option("--name", default="command line", help="What the token is for.")
@JSON
@click.pass_context
def user_token(ctx: click.Context, email: str, name: str, as_json: bool) -> None:
    """Make an API token for a person; it is shown this once."""
    with opened(ctx) as workspace:
        found = workspace.actors.by_email(email)
        if found is None or found.id is None:
            raise BadInput(f"There is no user {email}.", field="email")
        token = workspace.actors.create_token(found.id, name)
    if as_json:
        put({"token": token})
    else:
        click.echo(token)


main.add_command(plugins)


# -- what plugins bring ------------------------------------------------------------------------------------


class PluginCommands(click.Group):
    """`karvan x <plugin> <command>`: the commands of the enabled plugins, read when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The enabled plugins that bring commands."""
        with opened(ctx) as workspace:
            catalog = workspace.catalogs.current()
            return [p for p in catalog.plugins if workspace.host.commands(p)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The commands of one plugin as a group."""
        workspace = Workspace(settings_of(ctx))
        ctx.call_on_close(workspace.close)
        workspace.check()
        if cmd_name not in workspace.catalogs.current().plugins:
            return None
        commands = workspace.host.commands(cmd_name)
        moment = workspace.records.moment(Actor.system(), source=f"plugin:{cmd_name}")
        group = click.Group(
            cmd_name, commands=dict(commands), help=f"Commands of the plugin '{cmd_name}'; they act as it."
        )
        ctx.obj = workspace.host.context(cmd_name, moment)
        return group


@main.group("x", cls=PluginCommands)
def x() -> None:
    """Commands that plugins bring."""


@main.command()
@JSON
@click.pass_context
def slots(ctx: click.Context, as_json: bool) -> None:
    """List the places for widgets, and the widgets of the enabled plugins in each."""
    with opened(ctx) as workspace:
        workspace.catalogs.current()
        there = workspace.host.slots()
        found = {slot: workspace.host.widgets(slot) for slot in there}
    if as_json:
        put({"data": [_slot(slot, found[slot.name]) for slot in there.values()]})
        return
    for slot in there.values():
        click.echo(f"{slot.name:18} v{slot.version}  {slot.title()}")
        for plugin, use in found[slot.name]:
            click.echo(f"{'':22} {plugin}.{use.id}")


def _slot(slot: Slot, widgets: Sequence[tuple[str, WidgetUse]]) -> dict[str, Any]:
    return {
        "slot": slot.name,
        "version": slot.version,
        "title": slot.title(),
        "about_record": slot.about_record,
        "widgets": [f"{plugin}.{use.id}" for plugin, use in widgets],
    }


# -- records -----------------------------------------------------------------------------------------------


@main.command("import")
@click.argument("object")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--match", multiple=True, help="Header or field that tells whether a record is there already.")
@click.option("--map", "maps", multiple=True, metavar="HEADER=FIELD", help="Fill FIELD from HEADER.")
@click.option("--create-fields", is_flag=True, help="Make fields and options that are missing.")
@click.option("--create-object", is_flag=True, help="Make the object, too, if it is missing.")
@click.option("--on-missing", type=click.Choice(["create", "blank", "fail"]), default="blank",
              help="What to do about a lookup that finds nothing (leave it blank).")  # fmt: skip
@click.option("--delimiter", default="", help="Delimiter (found out if not given).")
@click.option("--encoding", default="", help="Encoding (found out if not given).")
@click.option("--decimal", default="", help="Decimal sign (found out if not given).")
@click.option("--date-order", type=click.Choice(["dmy", "mdy", "ymd"]), help="Order of dates (found out).")
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@click.option("--failed-file", type=click.Path(dir_okay=False, path_type=Path), help="Where refused rows go.")
@AS
@JSON
@click.pass_context
def import_(ctx: click.Context, /, object: str, file: Path, maps: tuple[str, ...], as_: str | None,
            as_json: bool, **options: Any) -> None:  # fmt: skip
    """Import a CSV file into an object."""
    chosen = ImportOptions(maps=_maps(maps), **options)
    with opened(ctx) as workspace:
        actor = acting(workspace, as_)
        with click.progressbar(length=1, label="Importing", file=sys.stderr, hidden=as_json) as bar:
            report = workspace.imports.run(actor, object, file, chosen, progress=_progress(bar))
        words = _translation(actor.language)
    if as_json:
        say(report.text(words))
        put(report.as_json())
    else:
        click.echo(report.text(words), nl=False)


def _maps(pairs: tuple[str, ...]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        header, sign, field = pair.rpartition("=")
        if not sign:
            raise click.BadParameter(f"'{pair}' is not HEADER=FIELD.", param_hint="--map")
        found[header] = field
    return found


def _progress(bar: Any) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        bar.length = max(total, 1)
        bar.update(done - bar.pos)

    return show


def _translation(language: str) -> Callable[[str], str]:
    folder = Path(__file__).parent / "translations"
    return gettext.translation("messages", str(folder), [language], fallback=True).gettext


@main.command()
@click.argument("object")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="csv", show_default=True, help="File format."
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File (default: standard output)."
)
@click.option("--filter", "filter_", default="", help="An expression that chooses records.")
@click.option("--fields", default="", help="Field names, separated by commas.")
@click.option("--sort", default="", help="Field names, separated by commas; - in front for descending.")
@click.option("--view", help="A view of the object.")
@click.option("--bom", is_flag=True, help="Mark a CSV file as UTF-8 for spreadsheets.")
@AS
@JSON
@click.pass_context
def export(ctx: click.Context, object: str, format_: Any, output: Path | None, filter_: str, fields: str,
           sort: str, view: str | None, bom: bool, as_: str | None, as_json: bool) -> None:  # fmt: skip
    """Export records of an object."""
    with opened(ctx) as workspace:
        report = workspace.exports.write(
            acting(workspace, as_),
            object,
            format_,
            output or sys.stdout.buffer,
            filter=filter_,
            fields=_listed(fields),
            sort=_listed(sort),
            view=view,
            bom=bom,
        )
    if as_json and output:
        put({"rows": report.rows, "cut": report.cut, "file": str(output)})
    else:
        say(f"Exported {report.rows} records.")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


# -- schema ------------------------------------------------------------------------------------------------


@main.group()
def schema() -> None:
    """Objects and fields made by an administrator."""


@schema.command("plan")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@AS
@click.pass_context
def schema_plan(ctx: click.Context, file: Path, as_: str | None) -> None:
    """Show what `schema apply` would do with a file, step by step, as JSON."""
    from_file = _read_schema(file)
    with opened(ctx) as workspace:
        actor = acting(workspace, as_)
        edits: list[Edit] = [*_objects(workspace, from_file), *_fields(workspace, from_file)]
        put({"steps": workspace.schema.preview(actor, *edits).as_json()})


@schema.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@AS
@click.pass_context
def schema_apply(ctx: click.Context, file: Path, as_: str | None) -> None:
    """Make the objects and fields of a TOML file that are not there yet."""
    from_file = _read_schema(file)
    with opened(ctx) as workspace:
        actor = acting(workspace, as_)
        for edit in _objects(workspace, from_file):
            made = workspace.schema.create_object(actor, edit.declaration)
            say(f"Made the object '{made.name}'.")
        for more in _fields(workspace, from_file):
            workspace.schema.add_fields(actor, more.object, more.fields)
            say(f"Made {len(more.fields)} fields on '{more.object}'.")


@schema.command("purge")
@click.argument("owner")
@click.option("--object", "object_", default="", help="Only this detached object, or the object of --field.")
@click.option("--field", default="", help="Only this detached field.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@AS
@click.pass_context
def schema_purge(
    ctx: click.Context, owner: str, object_: str, field: str, yes: bool, as_: str | None
) -> None:
    """Drop for good what OWNER (custom, plugin:ID) has detached, with its data."""
    if not yes:
        click.confirm(f"Drop all that {owner} has detached, with its data?", abort=True, err=True)
    with opened(ctx) as workspace:
        plan = workspace.schema.purge(acting(workspace, as_), owner, object_, field)
    put({"steps": plan.as_json()})


def _read_schema(file: Path) -> Mapping[str, Any]:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BadInput(f"{file} is no TOML file: {exc}", field=str(file)) from exc
    unknown = sorted(set(data) - {"objects", "fields"})
    if unknown:
        raise BadInput(
            f"{file} holds an unknown key '{unknown[0]}'; known: objects, fields.", field=unknown[0]
        )
    return data


def _objects(workspace: Workspace, data: Mapping[str, Any]) -> list[CreateObject]:
    known = workspace.catalogs.current().objects
    found = [declarations.load_object(o, at=f"objects[{i}]") for i, o in enumerate(data.get("objects", []))]
    return [CreateObject(declaration=o) for o in found if f"c_{o.name}" not in known]


def _fields(workspace: Workspace, data: Mapping[str, Any]) -> list[AddFields]:
    known = workspace.catalogs.current().objects
    wanted: dict[str, list[Any]] = {}
    errors: list[FieldError] = []
    for number, entry in enumerate(data.get("fields", [])):
        at = f"fields[{number}]"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("object"), str):
            raise BadInput(f"{at} needs an object.", field=at)
        try:
            made = declarations.load_field({k: v for k, v in entry.items() if k != "object"}, at=at)
        except ValidationFailed as exc:
            errors.extend(exc.errors)
            continue
        there = known.get(entry["object"])
        if there is None or f"c_{made.name}" not in there.fields:
            wanted.setdefault(entry["object"], []).append(made)
    if errors:
        raise ValidationFailed(errors)
    return [AddFields(object=o, fields=tuple(fields)) for o, fields in wanted.items()]


if __name__ == "__main__":
    main()
