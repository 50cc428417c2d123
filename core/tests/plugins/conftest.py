"""A zoo of one animal: a plugin that uses every part of the contract, and may be told to misbehave."""

from __future__ import annotations

import pytest

from karvan.testing import InstallPlugin

MANIFEST = """
schema = 1
id = "zoo"
api = ">=0.1,<1"
name = "Zoo"
summary = "Of the tests."
capabilities = ["records:read:contact", "records:write:contact", "files"]
commands = ["count"]
objects = ["visit.toml"]

[[fields]]
object = "contact"
name = "visits"
type = "integer"
read_only = true

[[hooks]]
hook = "records_changed"
objects = ["contact", "visit"]

[[hooks]]
hook = "find_by_phone"

[[hooks]]
hook = "restrict_records"
objects = ["visit"]

[[hooks]]
hook = "plugin_enabled"

[[widgets]]
id = "card"
title = "Zoo card"
slots = ["record.side", "dashboard.grid"]
objects = ["contact"]

[[widgets]]
id = "broken"
title = "Broken"
slots = ["record.side"]
objects = ["contact"]

[[widgets]]
id = "shy"
title = "Shy"
slots = ["record.side"]
objects = ["contact"]
default = "off"

[[settings]]
name = "mode"
type = "select"
default = "open"
options = ["open", "own", "raise", "bad"]

[[settings]]
name = "secret"
secret = true

[[settings]]
name = "limit"
type = "decimal"
default = "2.50"
minimum = 0

[[public_routes]]
surface = "api"
path = "/hook"
methods = ["POST"]
why = "Animals have no account."

[[public_routes]]
surface = "page"
path = "/gate"
methods = ["GET", "POST"]
why = "Visitors come in here."
"""
VISIT = 'name = "visit"\n[[fields]]\nname = "name"\ntype = "text"\n[[fields]]\nname = "note"\ntype = "text"\n'
BODY = '''
import click
from karvan_sdk import (
    Caller, Cookie, Public, RecordRef, Rejected, Response, Router, TryLater, Widget, hookimpl, json_response,
    literal,
)

TOLD = []
FAIL = []
router = Router()


def know(ctx, request):
    return Caller(name="animal") if request.headers.get("x-key") == "sesame" else None


@router.api("/hook", public=Public(authenticate=know, max_body=100), methods=["POST"])
def hook(ctx, request):
    with ctx.records.write() as writer:
        made = writer.create("visit", {"name": request.json()["name"]})
    return json_response({"id": made["id"], "actor": ctx.actor_id}, 201)


@router.api("/contacts/<int:id>", permission="contact:read")
def contact(ctx, request, id):
    return json_response({"name": ctx.records.get("contact", id)["name"], "actor": ctx.actor_id})


@router.api("/forbidden", permission="signed_in")
def forbidden(ctx, request):
    return json_response(ctx.records.list("account").rows)


@router.api("/broken", permission="admin")
def broken(ctx, request):
    raise ZeroDivisionError("a pen without a door")


anybody = Public(authenticate=lambda ctx, request: Caller(name="anybody"))


@router.page("/gate", public=anybody, methods=["GET", "POST"])
def gate(ctx, request):
    body = "ворота".encode("cp1251")
    cookies = (Cookie(name="seen", value="1"),)
    return Response(body=body, content_type="text/plain; charset=windows-1251", cookies=cookies)


@router.page("/hello", permission="signed_in", methods=["GET", "POST"])
def hello(ctx, request):
    return ctx.page(ctx.t("Hello"), "hello.html", name=request.query.get("name", "<b>"))


@router.page("/", permission="signed_in")
def root(ctx, request):
    return "the zoo"


def card(ctx):
    ctx.log.info("drawn")
    mode = ctx.settings["mode"]
    if mode == "raise":
        raise RuntimeError("the bear is loose")
    who = ctx.record["name"] if ctx.record else "nobody"
    return ctx.render("card.html", who=who, limit=ctx.settings["limit"])


def broken_card(ctx):
    raise SystemExit("a widget that ends the process")


def feed(ctx, form):
    with ctx.records.write() as writer:
        writer.create("visit", {"name": form["food"]})
    if form["food"] == "stones":
        raise Rejected("Bears eat no stones.")
    return ctx.t("Fed.")


widgets = [
    Widget(id="card", render=card, actions={"feed": feed}),
    Widget(id="broken", render=broken_card),
    Widget(id="shy", render=lambda ctx: "shy"),
]


@click.command("count")
@click.argument("object")
@click.pass_obj
def count(ctx, object):
    """Count records."""
    click.echo(ctx.records.aggregate(object, measures=["count"])[0]["count"])


commands = [count]


@hookimpl
def records_changed(ctx, object, event, events):
    if FAIL:
        failure = FAIL.pop(0)
        raise failure
    TOLD.extend((object, event, e.record_id, e.source, dict(e.changes)) for e in events)


@hookimpl
def find_by_phone(ctx, phone):
    found = ctx.records.list("contact", filter=f"phone = {literal(phone)}", limit=1).rows
    return RecordRef(object="contact", id=found[0]["id"]) if found else None


@hookimpl
def restrict_records(ctx, object, action):
    mode = ctx.settings["mode"]
    if mode == "raise":
        raise RuntimeError("no answer")
    if mode == "bad":
        return "no_such_field = 1"
    return "owner = me()" if mode == "own" else None


@hookimpl
def plugin_enabled(ctx):
    TOLD.append(("zoo", "enabled"))
'''
CARD = """<p>{{ who }} {{ number(limit) }} {{ _("Hello") }} {{ icon("paw") }}</p>
<form method="post" action="{{ ctx.action('feed') }}">{{ ui.token() }}
<input name="food" value="{{ ctx.form.get('food', '') }}">
{{ ui.btn(_("Feed"), type="submit") }}</form>"""
RUSSIAN = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"

msgid "Hello"
msgstr "Привет"
"""


@pytest.fixture
def zoo(install_plugin: InstallPlugin) -> None:
    """The plugin `zoo` on the path."""
    folder = install_plugin("zoo", MANIFEST, BODY) / "karvan_zoo"
    (folder / "visit.toml").write_text(VISIT)
    (folder / "templates").mkdir()
    (folder / "templates" / "card.html").write_text(CARD)
    (folder / "templates" / "hello.html").write_text("<p>{{ name }}</p>")
    texts = folder / "locale" / "ru" / "LC_MESSAGES"
    texts.mkdir(parents=True)
    (texts / "messages.po").write_text(RUSSIAN, encoding="utf-8")
