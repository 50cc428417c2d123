"""Another plugin that extends this one: a line, a refusal, another wording, a widget."""

from __future__ import annotations

import sys

import pytest

from karvan.testing import InstallPlugin, admin_of, make_page_client, set_settings

from .conftest import House

MANIFEST = """schema = 1
id = "porter"
name = "Porter"
summary = "Of the tests."
api = ">=0.1,<1"
requires = { sample = ">=0.1" }
[[hooks]]
hook = "sample.notices"
version = 1
[[hooks]]
hook = "sample.may_arrive"
version = 1
[[hooks]]
hook = "sample.house_rules"
version = 1
[[widgets]]
id = "keys"
title = "Keys"
slots = ["sample.guest_list@1"]
"""
CODE = """
from karvan_sdk import Rejected, Widget, hookimpl

BROKEN = []

@hookimpl
def sample__notices(day):
    return f"The lift is out of order on {day:%A}." if not BROKEN else 1 / 0

@hookimpl
def sample__may_arrive(guest):
    if guest == "Mallory":
        raise Rejected("Not in this house.")

@hookimpl
def sample__house_rules(rules):
    return rules + "\\nMind the step." if not BROKEN else 1 / 0

widgets = [Widget(id="keys", render=lambda ctx: "three keys")]
"""


@pytest.fixture
def porter(house: House, install_plugin: InstallPlugin) -> House:
    install_plugin("porter", MANIFEST, CODE)
    house.workspace.plugins.enable(admin_of(house.workspace), "porter")
    set_settings(house.workspace, "sample", {"house_rules": "No dogs."})
    return house


def test_the_guest_list_shows_what_others_say_and_their_widgets(porter: House) -> None:
    client = make_page_client(porter.workspace)
    page = client.get("/x/sample/").get_data(as_text=True)
    assert "The lift is out of order on " in page
    assert 'data-slot="sample.guest_list"' in page
    assert "three keys" in client.get("/_w?slot=sample.guest_list").get_data(as_text=True)


def test_the_rules_pass_through_others(porter: House) -> None:
    page = make_page_client(porter.workspace).get("/x/sample/rules").get_data(as_text=True)
    assert "No dogs." in page
    assert "Mind the step." in page


def test_another_plugin_keeps_a_guest_out(porter: House) -> None:
    client = make_page_client(porter.workspace)
    for name, state in (("Mallory", "expected"), ("Ada", "here")):
        visit = porter.add(name=name)
        place = f"/_w/sample.guest/arrive?slot=record.side&object=visit&id={visit}"
        page = client.post(place, data={"badge": ""}).get_data(as_text=True)
        assert ("Not in this house." in page) == (name == "Mallory")
        assert porter.get("visit", visit)["state"] == state


def test_whose_code_fails_changes_nothing_for_the_guests(porter: House) -> None:
    sys.modules["karvan_porter.plugin"].BROKEN.append(True)
    client = make_page_client(porter.workspace)
    assert "The lift" not in client.get("/x/sample/").get_data(as_text=True)
    page = client.get("/x/sample/rules").get_data(as_text=True)
    assert ("No dogs." in page, "Mind the step." in page) == (True, False)
