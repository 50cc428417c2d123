"""The sample plugin uses every extension point, and each is documented and tested.

A part of the contract that grows without them is named here by the test that fails.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterable
from typing import Any, Protocol

import pytest

import karvan_sdk
from karvan_sdk import SETTING_TYPES, SLOTS, load_manifest, protocols
from karvan_sdk.hookspecs import POLICIES
from karvan_sdk.manifest import Manifest
from tests.source import ROOT

FOLDER = ROOT / "plugins/sample/src/karvan_sample"
TEXT = tomllib.loads((FOLDER / "manifest.toml").read_text("utf-8"))
CODE = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.rglob("*.py")))
TEMPLATES = "\n".join(path.read_text("utf-8") for path in sorted(FOLDER.rglob("*.html")))
DOCS = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
TESTS = "\n".join(
    path.read_text("utf-8")
    for pattern in ("core/tests/**/*.py", "plugins/*/tests/**/*.py", "tests/**/*.py")
    for path in sorted(ROOT.glob(pattern))
    if path.name != "test_extension_points.py"
)
ELSEWHERE: dict[str, str] = {}
"""Manifest keys that the sample does not use, with the reason."""
FOR_THE_HOST = {
    # what the sdk exports and plugins do not call, with the reason
    "Conflict": "of the record service, passed through to the person",
    "describe_hooks": "reads the reference for the docs",
    "load_manifest": "read by host, marketplace and tests",
}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return load_manifest("sample", lambda path: (FOLDER / path).read_text("utf-8"))


def names_in_code() -> set[str]:
    """Every name and attribute that the code of the sample spells."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(CODE)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return found | set(re.findall(r"\bctx\.(\w+)", TEMPLATES))


def members(protocol: type) -> set[str]:
    """The public members that a protocol declares itself."""
    return {name for name in vars(protocol) if not name.startswith("_")}


def lacking(wanted: Iterable[str], found: Iterable[str]) -> list[str]:
    return sorted(set(wanted) - set(found))


# -- the sample uses it ------------------------------------------------------------------------------------


def test_every_hook_is_implemented(manifest: Manifest) -> None:
    assert lacking(POLICIES, {use.hook for use in manifest.hooks}) == []


def test_every_slot_has_a_widget(manifest: Manifest) -> None:
    assert lacking(SLOTS, {slot for widget in manifest.widgets for slot in widget.slots}) == []


def test_every_type_of_setting_is_used_and_a_secret_among_them(manifest: Manifest) -> None:
    assert lacking(SETTING_TYPES, {setting.type for setting in manifest.settings}) == []
    assert any(setting.secret for setting in manifest.settings)


def test_every_key_of_the_manifest_is_used(manifest: Manifest) -> None:
    known = {name for name in Manifest.__dataclass_fields__ if name != "objects"} | {"schema", "objects"}
    assert lacking(known - set(ELSEWHERE), TEXT) == []


def test_every_table_of_the_manifest_uses_each_of_its_keys_once() -> None:
    for key, optional in (("widgets", "objects icon size default budget_ms"),
                          ("settings", "default required secret minimum options help label"),
                          ("public_routes", "methods why")):  # fmt: skip
        used = {name for table in TEXT[key] for name in table}
        assert lacking(optional.split(), used) == [], key


@pytest.mark.parametrize(
    "protocol",
    [protocols.Records, protocols.RecordWriter, protocols.Files, protocols.HookContext,
     protocols.PageContext, protocols.WidgetContext],
    ids=lambda p: p.__name__,
)  # fmt: skip
def test_every_part_of_the_context_is_used(protocol: type) -> None:
    assert lacking(members(protocol), names_in_code()) == []


def test_every_kind_of_route_is_used() -> None:
    from karvan_sample.plugin import plugin

    routes: Any = plugin.router.routes
    assert {route.surface for route in routes} == {"page", "api"}
    assert {bool(route.public) for route in routes} == {True, False}
    permissions = {route.permission for route in routes if route.permission}
    assert {"signed_in", "admin"} <= permissions
    assert any(":" in permission for permission in permissions)
    assert {route.surface for route in routes if route.public} == {"page", "api"}


def test_everything_that_the_sdk_offers_to_code_is_used_by_some_plugin() -> None:
    """Errors, answers, helpers: what no first-party plugin needs would be there untried."""
    used: set[str] = set()
    for path in ROOT.glob("plugins/*/src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "karvan_sdk":
                used |= {alias.name for alias in node.names}
    callables = {
        name
        for name in karvan_sdk.__all__
        if inspect.isfunction(getattr(karvan_sdk, name)) or is_error(getattr(karvan_sdk, name))
    }
    assert lacking(callables - set(FOR_THE_HOST) - raised_by_the_host(), used) == []


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def raised_by_the_host() -> set[str]:
    """Errors that the core raises: a plugin may catch them and needs not."""
    core = "\n".join(path.read_text("utf-8") for path in ROOT.glob("core/src/**/*.py"))
    sdk = "\n".join(path.read_text("utf-8") for path in ROOT.glob("sdk/src/**/*.py"))
    return {
        name
        for name in karvan_sdk.__all__
        if is_error(getattr(karvan_sdk, name)) and re.search(rf"\b{name}\(", core + sdk)
    }


# -- documented and tested ---------------------------------------------------------------------------------


def is_said(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", text.replace(". ", " ")) is not None


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_hook_is_documented_and_tested(name: str) -> None:
    assert is_said(name, DOCS)
    assert is_said(name, TESTS)


@pytest.mark.parametrize("name", sorted(SLOTS))
def test_every_slot_is_documented_and_tested(name: str) -> None:
    assert is_said(name, DOCS)
    assert is_said(name, TESTS)


@pytest.mark.parametrize("plugin", sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")))
def test_every_setting_of_a_plugin_is_used_by_its_code_and_tested(plugin: str) -> None:
    package = ROOT / f"plugins/{plugin}/src/karvan_{plugin}"
    declared = tomllib.loads((package / "manifest.toml").read_text("utf-8")).get("settings", ())
    code = "\n".join(p.read_text("utf-8") for p in package.rglob("*") if p.suffix in (".py", ".html"))
    tests = "\n".join(p.read_text("utf-8") for p in package.parents[1].glob("tests/**/*.py"))
    names = [setting["name"] for setting in declared]
    read = set(re.findall(r"settings(?:\.|\[[\"'])(\w+)|[\"'](\w+)[\"']", code))
    assert lacking(names, {name for pair in read for name in pair}) == []
    assert [name for name in names if name not in tests] == []


def test_the_walk_sees_what_it_looks_for() -> None:
    assert {"records", "files", "ask", "form"} <= names_in_code()
    assert "settings" in members(protocols.HookContext)
    assert issubclass(protocols.Records, Protocol)  # type: ignore[arg-type]
