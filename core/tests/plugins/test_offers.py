"""Plugins extend plugins: hooks and slots under an id, with versions, guarded like those of the core."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from karvan.access.actors import Actor
from karvan.cli import main
from karvan.testing import InstallPlugin, WorkspaceWith, admin_of, make_client, make_page_client
from karvan.workspace import Workspace
from karvan_sdk import NotAllowed, PluginRefused, Rejected

HEAD = 'schema = 1\nid = "{id}"\nname = "N"\nsummary = "S."\napi = ">=0"\n'
PHONE = """
[[provides.hooks]]
name = "find_line"
kind = "first"
arguments = ["number", "tags"]

[[provides.hooks]]
name = "buttons"
kind = "collect"

[[provides.hooks]]
name = "may_ring"
kind = "gate"
arguments = ["number"]

[[provides.hooks]]
name = "name_of"
kind = "pipeline"
arguments = ["name", "number"]
budget_ms = 5

[[provides.slots]]
name = "card"
title = { en = "Phone card", ru = "Карточка телефона" }

[[hooks]]
hook = "phone.buttons"
version = 1

[[widgets]]
id = "own"
title = "Own"
slots = ["record.side"]
objects = ["contact"]
"""
PHONE_CODE = """
from karvan_sdk import Router, Widget, hookimpl, hookspec

router = Router()

@hookspec
def find_line(ctx, number, tags):
    "The line."

@hookspec
def buttons(ctx):
    "Buttons."

@hookspec
def may_ring(ctx, number):
    "Refuse."

@hookspec
def name_of(ctx, name, number):
    "A better name."

@hookimpl(specname="phone__buttons")
def own_buttons(ctx):
    return "ring"

@router.page("/card/<int:id>", permission="signed_in")
def card(ctx, request, id):
    return ctx.page("Card", "card.html", id=id)

widgets = [Widget(id="own", render=lambda ctx: "own")]
"""
CARD = "<main>{{ ui.slot('phone.card', 'contact', id) }}</main>"
USES = """requires = { phone = ">=0" }
[[hooks]]
hook = "phone.find_line"
version = 1
[[hooks]]
hook = "phone.buttons"
version = 1
[[hooks]]
hook = "phone.may_ring"
version = 1
[[hooks]]
hook = "phone.name_of"
version = 1
[[widgets]]
id = "route"
title = "Route"
slots = ["phone.card@1"]
"""
USES_CODE = """
from karvan_sdk import Rejected, Widget, hookimpl

MODE = ["well"]

def misbehave():
    if MODE[0] == "raise":
        raise RuntimeError("wrong number")
    if MODE[0] == "exit":
        raise SystemExit("gone")

@hookimpl
def phone__find_line(ctx, number, tags):
    tags.append(ctx.plugin)
    misbehave()
    return f"line of {number} by {ctx.plugin}, seen {tags}"

@hookimpl
def phone__buttons():
    misbehave()
    return "dial"

@hookimpl
def phone__may_ring(number):
    misbehave()
    if number == "13":
        raise Rejected("Not that one.", field="number")

@hookimpl
def phone__name_of(ctx, name):
    misbehave()
    return 7 if MODE[0] == "garbage" else f"{name}!"

widgets = [Widget(id="route", render=lambda ctx: f"route of {ctx.record['id']} in {ctx.slot}")]
"""

Bring = Callable[..., None]


@pytest.fixture
def bring(install_plugin: InstallPlugin) -> Bring:
    def make(id: str, body: str, code: str) -> None:
        folder = install_plugin(id, HEAD.format(id=id) + body, code)
        (folder / f"karvan_{id}" / "templates").mkdir(exist_ok=True)
        (folder / f"karvan_{id}" / "templates" / "card.html").write_text(CARD)

    return make


@pytest.fixture
def phone(bring: Bring, workspace_with: WorkspaceWith) -> Workspace:
    """A workspace with crm and a plugin that offers hooks and a slot."""
    bring("phone", PHONE, PHONE_CODE)
    made = workspace_with("crm")
    made.plugins.enable(admin_of(made), "phone")
    return made


@pytest.fixture
def pair(bring: Bring, phone: Workspace) -> Workspace:
    """The same, with `ext`, which uses all of it."""
    bring("ext", USES, USES_CODE)
    phone.plugins.enable(admin_of(phone), "ext")
    return phone


def context(workspace: Workspace, plugin: str = "phone") -> Any:
    moment = workspace.records.moment(Actor.system())
    return workspace.host.context(plugin, moment)


def misbehave(how: str) -> None:
    import sys

    sys.modules["karvan_ext.plugin"].MODE[0] = how


def figures(workspace: Workspace, hook: str) -> tuple[int, int]:
    found = [f for f in workspace.host.figures() if (f.plugin, f.hook) == ("ext", hook)]
    return sum(f.calls for f in found), sum(f.errors for f in found)


# -- hooks -------------------------------------------------------------------------------------------------


def test_each_kind_is_asked_in_its_way_and_counted(pair: Workspace) -> None:
    ctx, tags = context(pair), ["a"]
    assert ctx.ask("phone.find_line", number="12", tags=tags) == "line of 12 by ext, seen ['a', 'ext']"
    assert tags == ["a"]
    assert ctx.collect("phone.buttons") == [("phone", "ring"), ("ext", "dial")]
    assert ctx.check("phone.may_ring", number="12") is None
    assert ctx.refine("phone.name_of", "Ada", number="12") == "Ada!"
    for hook in ("find_line", "buttons", "may_ring", "name_of"):
        assert figures(pair, f"phone.{hook}") == (1, 0)


def test_a_gate_of_a_plugin_refuses_with_the_reason(pair: Workspace) -> None:
    with pytest.raises(Rejected, match="Not that one") as raised:
        context(pair).check("phone.may_ring", number="13")
    assert raised.value.errors[0].field == "number"


@pytest.mark.parametrize("how", ["raise", "exit"])
def test_a_failure_follows_the_rule_of_its_kind(pair: Workspace, how: str) -> None:
    misbehave(how)
    ctx = context(pair)
    assert ctx.ask("phone.find_line", number="12", tags=[]) is None
    assert ctx.collect("phone.buttons") == [("phone", "ring")]
    assert ctx.check("phone.may_ring", number="13") is None
    assert ctx.refine("phone.name_of", "Ada", number="12") == "Ada"
    assert figures(pair, "phone.may_ring") == (1, 1)
    status = pair.host.status()["ext"]
    assert (status.state, "phone.buttons: " in status.problems[0]) == ("degraded", True)


def test_a_value_of_another_type_leaves_it_as_it_was(pair: Workspace) -> None:
    misbehave("garbage")
    assert context(pair).refine("phone.name_of", "Ada", number="12") == "Ada"
    assert figures(pair, "phone.name_of") == (1, 1)


def test_nobody_but_its_plugin_calls_a_hook(pair: Workspace) -> None:
    with pytest.raises(NotAllowed, match="only the plugin 'phone' calls its hooks"):
        context(pair, "ext").ask("phone.find_line", number="12", tags=[])


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda ctx: ctx.ask("phone.nothing"), "is no hook in use"),
        (lambda ctx: ctx.ask("phone.buttons"), "is called with ctx.collect, not with ctx.ask"),
        (lambda ctx: ctx.check("phone.may_ring", line="12"), "takes number; given: line"),
        (lambda ctx: ctx.refine("phone.name_of", "Ada"), "takes number; given: nothing"),
    ],
)
def test_a_wrong_call_is_the_mistake_of_who_calls(
    pair: Workspace, call: Callable[[Any], Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        call(context(pair))


# -- what does not fit -------------------------------------------------------------------------------------


def test_another_version_leaves_the_part_off_and_says_so(bring: Bring, phone: Workspace) -> None:
    bring("ext", USES.replace("version = 1", "version = 2", 1).replace("@1", "@3"), USES_CODE)
    phone.plugins.enable(admin_of(phone), "ext")
    info = phone.plugins.info("ext")
    assert info.state == "degraded"
    assert set(info.problems) == {
        "It wants phone.find_line@2, 'phone' offers @1; that part is off.",
        "It wants phone.card@3, 'phone' offers @1; that part is off.",
    }
    ctx = context(phone)
    assert ctx.ask("phone.find_line", number="12", tags=[]) is None
    assert ctx.collect("phone.buttons")[-1] == ("ext", "dial")
    assert phone.host.widgets("phone.card", "contact") == ()


def test_a_publisher_that_offers_no_more_leaves_the_part_off(bring: Bring, pair: Workspace) -> None:
    installed = pair.plugins._discovery.installed()
    from dataclasses import replace

    from karvan_sdk import Provides

    manifest = installed["phone"].manifest
    assert manifest is not None
    bare = replace(installed["phone"], manifest=replace(manifest, provides=Provides(), hooks=()))
    status = pair.host.load([installed["crm"], bare, installed["ext"]])
    assert (
        "It wants phone.find_line@1, which 'phone' does not offer; that part is off."
        in status["ext"].problems
    )


@pytest.mark.parametrize("gone", ["missing", "broken"])
def test_a_publisher_that_is_gone_leaves_the_rest_working(pair: Workspace, gone: str) -> None:
    from dataclasses import replace

    installed = pair.plugins._discovery.installed()
    lost = replace(installed["phone"], **({"manifest": None} if gone == "missing" else {"entry": "no.such"}))
    status = pair.host.load([installed["crm"], lost, installed["ext"]])
    assert status["ext"].state == "degraded"
    assert (
        "It wants phone.find_line@1, but 'phone' is not in use; that part is off." in status["ext"].problems
    )
    assert "phone.card" not in pair.host.slots()
    back = pair.host.load([installed["crm"], installed["phone"], installed["ext"]])
    assert back["ext"].state == "ready"
    assert context(pair).refine("phone.name_of", "Ada", number="1") == "Ada!"


def test_an_argument_that_is_not_given_is_refused_naming_both(bring: Bring, phone: Workspace) -> None:
    bring("ext", USES, USES_CODE.replace("phone__may_ring(number)", "phone__may_ring(number, colour)"))
    with pytest.raises(
        PluginRefused, match=r"Its 'phone.may_ring' takes 'colour', which 'phone' does not give"
    ):
        phone.plugins.enable(admin_of(phone), "ext")
    assert phone.plugins.enabled() == ("crm", "phone")


def test_it_is_refused_at_load_too_and_the_others_go_on(bring: Bring, phone: Workspace) -> None:
    bring("ext", USES, USES_CODE.replace("phone__may_ring(number)", "phone__may_ring(number, colour)"))
    installed = phone.plugins._discovery.installed()
    asking = context(phone)  # before, for a new catalog brings back the plugins that are enabled
    status = phone.host.load([installed[p] for p in ("crm", "phone", "ext")])
    assert status["ext"].problems == (
        "Its 'phone.may_ring' takes 'colour', which 'phone' does not give (ctx, number); refused.",
    )
    assert asking.collect("phone.buttons")[-1] == ("ext", "dial")


def test_an_undeclared_implementation_is_refused(bring: Bring, phone: Workspace) -> None:
    bring("ext", USES.replace('[[hooks]]\nhook = "phone.may_ring"\nversion = 1\n', ""), USES_CODE)
    with pytest.raises(PluginRefused, match=r"implements 'phone.may_ring' without declaring it"):
        phone.plugins.enable(admin_of(phone), "ext")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("def may_ring(ctx, number)", "def may_ring(ctx, line)", "with \\(ctx, line\\), its manifest says"),
        ("@hookspec\ndef may_ring(ctx", "def may_ring(ctx", "has no function 'may_ring' with @hookspec"),
        ("widgets =", "@hookspec\ndef more(ctx):\n    'x'\n\nwidgets =", "offers the hook 'more' without"),
    ],
)
def test_code_that_offers_what_the_manifest_does_not_say_is_refused(
    old: str, new: str, why: str, bring: Bring, workspace_with: WorkspaceWith
) -> None:
    assert old in PHONE_CODE
    bring("phone", PHONE, PHONE_CODE.replace(old, new, 1))
    made = workspace_with("crm")
    with pytest.raises(PluginRefused, match=why):
        made.plugins.enable(admin_of(made), "phone")


# -- slots -------------------------------------------------------------------------------------------------


def test_a_slot_of_a_plugin_is_drawn_on_its_page_with_the_widgets_of_others(pair: Workspace) -> None:
    with pair.records.write(admin_of(pair)) as writer:
        contact = writer.create("contact", {"name": "Ada"})["id"]
    client = make_page_client(pair)
    page = client.get(f"/x/phone/card/{contact}").get_data(as_text=True)
    assert f'hx-get="/_w?slot=phone.card&amp;object=contact&amp;id={contact}"' in page
    shown = client.get(f"/_w?slot=phone.card&object=contact&id={contact}").get_data(as_text=True)
    assert f"route of {contact} in phone.card" in shown


def test_a_widget_in_a_slot_of_a_plugin_is_switched_for_oneself(pair: Workspace) -> None:
    client, api = make_page_client(pair), make_client(pair)
    assert "Phone card" in client.get("/settings/widgets").get_data(as_text=True)
    choice = {"slot": "phone.card", "widget": "ext.route", "enabled": False}
    assert api.patch("/api/v1/widgets", json=choice).status_code == 200
    with pair.records.write(admin_of(pair)) as writer:
        contact = writer.create("contact", {"name": "Ada"})["id"]
    assert "phone.card" not in client.get(f"/x/phone/card/{contact}").get_data(as_text=True)
    assert "route of" not in client.get(f"/_w?slot=phone.card&object=contact&id={contact}").get_data(
        as_text=True
    )


def test_slots_of_plugins_are_listed_with_their_widgets(pair: Workspace) -> None:
    settings = pair.settings
    place = ["--home", str(settings.home)]
    place += ["--database-url", settings.url] if settings.database_url else []
    answer = CliRunner().invoke(main, [*place, "slots", "--json"])
    found = {s["slot"]: s for s in json.loads(answer.stdout)["data"]}
    assert (found["phone.card"]["version"], found["phone.card"]["widgets"]) == (1, ["ext.route"])


def test_the_slot_of_a_plugin_that_is_off_is_no_slot(pair: Workspace) -> None:
    admin = admin_of(pair)
    pair.plugins.disable(admin, "ext")
    pair.plugins.disable(admin, "phone")
    assert make_page_client(pair).get("/_w?slot=phone.card&object=contact&id=1").status_code == 400
