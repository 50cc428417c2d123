"""Bundles: what their file says, in which order they install, and what of them is missing here."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from .wheels import write_plugin

BUNDLE = """\
id = "delivery"
name = { en = "Delivery", fa = "تحویل" }
summary = "Parcels and their invoices."

[[plugins]]
id = "invoices"
version = ">=1.0"

[[plugins]]
id = "parcels"
version = ">=1.0,<2"
"""


def write_bundle(wheels: Path, text: str, name: str = "delivery") -> None:
    (wheels / "bundles").mkdir(exist_ok=True)
    (wheels / f"bundles/{name}.toml").write_text(text, encoding="utf-8")


def test_a_bundle_lists_its_plugins_in_the_order_of_its_file(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    write_plugin(wheels, "invoices")
    write_bundle(wheels, BUNDLE)

    told = client.get("/api/v1/bundles/delivery").json["data"]

    assert told == {
        "id": "delivery",
        "name": {"en": "Delivery", "fa": "تحویل"},
        "summary": {"en": "Parcels and their invoices."},
        "plugins": [{"id": "invoices", "version": ">=1.0"}, {"id": "parcels", "version": ">=1.0,<2"}],
    }
    assert client.get("/api/v1/bundles").json == {"data": [told]}


def test_a_plugin_stands_behind_what_it_requires(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, "invoices", more='requires = { parcels = ">=1" }')
    write_plugin(wheels, more='requires = { invoices = ">=1", other = ">=1" }')
    write_bundle(wheels, BUNDLE)
    order = [one["id"] for one in client.get("/api/v1/bundles/delivery").json["data"]["plugins"]]
    assert order == ["parcels", "invoices"]


def test_a_bundle_says_what_of_it_is_missing(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, version="2.0")
    write_bundle(wheels, BUNDLE)
    told = client.get("/api/v1/bundles/delivery").json["data"]
    assert told["missing"] == ["invoices", "parcels"]
    write_plugin(wheels, version="1.5")
    assert client.get("/api/v1/bundles/delivery").json["data"]["missing"] == ["invoices"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("id = ", "no TOML"),
        ("\xff", "no TOML"),
        ('id = "other"', "file name says 'delivery'"),
        ('id = "delivery"\nname = "D"\nsummary = "D"', "'plugins' must be a list"),
        (BUNDLE.replace("summary", "summery"), "no key 'summery'"),
        (BUNDLE.replace('fa = "تحویل"', 'xx = "D"'), "'name.xx'"),
        (BUNDLE.replace('"invoices"', '"Invoices!"'), "plugins[0].id"),
        (BUNDLE.replace('">=1.0"', '"new"'), "plugins[0].version"),
        (BUNDLE.replace('">=1.0"', "1"), "plugins[0].version"),
        (BUNDLE.replace("invoices", "parcels"), "'parcels' stands twice"),
        (BUNDLE.replace("version", "versions", 1), "no key 'plugins[0].versions'"),
    ],
)
def test_a_bundle_that_breaks_its_rules_is_refused(
    wheels: Path, client: FlaskClient, text: str, why: str
) -> None:
    (wheels / "bundles").mkdir()
    (wheels / "bundles/delivery.toml").write_text(text, encoding="latin-1" if text == "\xff" else "utf-8")
    [refusal] = client.get("/api/v1/refused").json["data"]
    assert refusal["filename"] == "bundles/delivery.toml"
    assert why in refusal["reason"]
    assert client.get("/api/v1/bundles/delivery").json["code"] == "unknown_bundle"
