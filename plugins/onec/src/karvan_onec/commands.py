"""`karvan x onec import-file PATH...`: the import of an exchange, without 1C at the other end."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from karvan_onec.exchange import COUNTS, Budget, Job, Row, advance, start_exchange
from karvan_onec.seen import Seen
from karvan_onec.uploads import Upload, UploadRefused, Uploads
from karvan_sdk import HookContext


@click.command("import-file")
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.pass_obj
def import_file(ctx: HookContext, paths: tuple[Path, ...]) -> None:
    """Import CommerceML files (XML, or zips with such), in the given order, as one exchange.

    Exit code 1 where a file could not be read or something in it was refused.
    """
    session = f"command-{secrets.token_hex(8)}"
    uploads = Uploads(ctx.files, session)
    try:
        for path in paths:
            with path.open("rb") as stream:
                uploads.add_file(path.name, stream)
        uploads.open_zips()
        results = [_import(ctx, uploads, session, upload) for upload in _in_order(uploads, paths)]
    except UploadRefused as exc:
        raise click.ClickException(ctx.t(exc.text, **exc.params)) from exc
    finally:
        uploads.clear()
    if not results:
        raise click.ClickException(ctx.t("There is no XML file to import."))
    if any(row["state"] != "done" or row["failed"] for row in results):
        raise click.exceptions.Exit(1)


def _in_order(uploads: Uploads, paths: tuple[Path, ...]) -> list[Upload]:
    """The XML files: as named, then those out of zips; catalogues before prices is up to who names them."""
    place = {path.name: number for number, path in enumerate(paths)}
    xml = [upload for upload in uploads.all() if upload.kind == "xml"]
    return sorted(xml, key=lambda upload: (place.get(upload.name, len(place)), upload.name))


def _import(ctx: HookContext, uploads: Uploads, session: str, upload: Upload) -> Row:
    row = start_exchange(ctx, name=upload.name, upload=upload.id, session=session, mode="command")
    job = Job(
        open=uploads.opener(upload),
        seen=Seen(ctx.files, session),
        is_last=lambda: not uploads.awaits_catalogue(upload),
    )
    while row["state"] == "running":
        row = advance(ctx, row, job, Budget(records=ctx.settings["slice_size"]))
    uploads.mark_read(upload)
    _tell(ctx, row)
    return row


def _tell(ctx: HookContext, row: Row) -> None:
    declared = ctx.describe("exchange")
    state = declared.field("state")
    chosen = state.option(row["state"]) if state else None
    click.echo(f"{row['name']}: {chosen.label(ctx.language) if chosen else row['state']}")
    for name in COUNTS:
        if row[name] or name in ("created", "updated", "unchanged", "failed"):
            field = declared.field(name)
            click.echo(f"  {field.label(ctx.language) if field else name}: {row[name]}")
    for line in (row["message"] or "").splitlines():
        click.echo(f"  {line}", err=True)


commands = (import_file,)
