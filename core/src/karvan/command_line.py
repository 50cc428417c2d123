"""What every command shares: words and data, the workspace, whom it acts for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
import orjson

from karvan.access.actors import Actor
from karvan.settings import Settings, load_settings
from karvan.workspace import Workspace
from karvan_sdk.errors import BadInput, KarvanError


def say(text: str) -> None:
    """Words for people."""
    click.echo(text, err=True)


def put(data: Any) -> None:
    """Data for programs: one line of JSON."""
    click.echo(orjson.dumps(data).decode())


def fail(error: KarvanError) -> NoReturn:
    """Say what went wrong, all of it, and end with status 1."""
    say(f"Error ({error.code}): {error.message}")
    for found in getattr(error, "errors", ()):
        where = f"{found.field}: " if found.field else ""
        say(f"  {where}{found.message}")
    sys.exit(1)


def settings_of(ctx: click.Context, **flags: Any) -> Settings:
    """The settings with the flags of the group and of a command."""
    return load_settings({**ctx.find_root().obj, **flags})


@contextmanager
def opened(ctx: click.Context, *, code: bool = True) -> Iterator[Workspace]:
    """The workspace of the settings, which must have been made; without `code` no plugin is imported."""
    workspace = Workspace(settings_of(ctx), code=code)
    try:
        workspace.check()
        workspace.settle()
        yield workspace
    finally:
        workspace.close()


def acting(workspace: Workspace, email: str | None) -> Actor:
    """Whom a command acts for: the person named, else the first administrator, else the system."""
    if email:
        found = workspace.actors.by_email(email)
        if found is None:
            raise BadInput(f"There is no user {email}.", field="as")
        return found
    admins = [a for a in workspace.actors.users() if a.is_admin]
    return min(admins, key=lambda a: a.id or 0) if admins else Actor.system()


AS = click.option(
    "--as", "as_", metavar="EMAIL", help="Act for this person (default: the first administrator)."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")
