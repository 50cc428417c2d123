"""Other plugins extend this one: a phone book names unknown callers, a widget stands on the call card."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from karvan.testing import InstallPlugin, admin_of, make_page_client
from karvan.workspace import Workspace

MANIFEST = """schema = 1
id = "phone_book"
name = "Phone book"
summary = "Of the tests."
api = ">=0.1,<1"
requires = { telephony = ">=0.1,<1" }
capabilities = ["records:read:call"]
[[hooks]]
hook = "telephony.name_caller"
version = VERSION
[[widgets]]
id = "transfer"
title = "Transfer"
slots = ["telephony.call@1"]
"""
CODE = """
from karvan_sdk import Widget, hookimpl

KNOWN = {"+4930123456": "  Ada Lovelace "}

@hookimpl
def telephony__name_caller(number):
    known = KNOWN.get(number)
    if isinstance(known, Exception):
        raise known
    return known

widgets = [Widget(id="transfer", render=lambda ctx: f"transfer {ctx.record['phone']}")]
"""


@pytest.fixture
def extend(telephony: Workspace, install_plugin: InstallPlugin) -> Any:
    """Enables the phone book, which wants a version of the hook."""

    def enable(version: int = 1) -> Any:
        install_plugin("phone_book", MANIFEST.replace("VERSION", str(version)), CODE)
        telephony.plugins.enable(admin_of(telephony), "phone_book")
        return sys.modules["karvan_phone_book.plugin"]

    return enable


def test_an_unknown_caller_is_named_by_a_phone_book(provider: Any, book: Any, extend: Any) -> None:
    extend()
    lead = provider.tell("ringing")["lead"]
    assert book.get("lead", lead)["name"] == "Ada Lovelace"
    assert book.all("call")[0]["name"] == "Ada Lovelace"


@pytest.mark.parametrize("answer", [None, "", 7, RuntimeError("no line")], ids=repr)
def test_without_a_name_the_number_stands(provider: Any, book: Any, extend: Any, answer: object) -> None:
    extend().KNOWN["+4930123456"] = answer
    lead = provider.tell("ringing")["lead"]
    assert book.get("lead", lead)["name"] == "+49 30 123456"


def test_another_version_is_not_asked_and_told(
    telephony: Workspace, provider: Any, book: Any, extend: Any
) -> None:
    extend(version=2)
    assert telephony.plugins.info("phone_book").problems == (
        "It wants telephony.name_caller@2, 'telephony' offers @1; that part is off.",
    )
    lead = provider.tell("ringing")["lead"]
    assert book.get("lead", lead)["name"] == "+49 30 123456"


def test_a_widget_of_another_plugin_stands_on_the_call_card(
    telephony: Workspace, provider: Any, extend: Any
) -> None:
    extend()
    call = provider.tell("ringing")["call"]
    client = make_page_client(telephony)
    card = client.get("/_w?slot=global.call_card").get_data(as_text=True)
    found = re.search(r'hx-get="(/_w\?slot=telephony\.call[^"]*)"', card)
    assert found
    address = found[1].replace("&amp;", "&")
    assert address.endswith(f"object=call&id={call}")
    assert "transfer +4930123456" in client.get(address).get_data(as_text=True)
