"""What is on its way out is told of who uses it: in the status and once in the log, and nothing stops."""

from __future__ import annotations

import logging

import pytest

from karvan.plugins import Discovery, Host
from karvan.testing import InstallPlugin
from karvan_sdk.deprecations import DeprecatedKind, Deprecation

MANIFEST = """schema = 1
id = "toy"
name = "Toy"
summary = "A toy."
api = ">=0"
links = { home = "https://example.org" }
[[hooks]]
hook = "check_records"
"""
CODE = """
from karvan_sdk import hookimpl

@hookimpl
def check_records(object, changes):
    return None
"""
TABLE = (
    Deprecation(kind=DeprecatedKind.KEY, name="links", since="0.1", removed_in="0.3", replacement="'site'"),
    Deprecation(
        kind=DeprecatedKind.ARGUMENT,
        name="check_records.object",
        since="0.2",
        removed_in="0.4",
        replacement="'changes[0].object'",
    ),
    Deprecation(
        kind=DeprecatedKind.HOOK, name="demo_records", since="0.1", removed_in="0.3", replacement="-"
    ),
)
TOLD = (
    "Plugin 'toy' uses the manifest key 'links', which is deprecated since karvan-sdk 0.1 and goes in 0.3. "
    "Use 'site' instead.",
    "Plugin 'toy' uses the argument 'check_records.object', which is deprecated since karvan-sdk 0.2 "
    "and goes in 0.4. Use 'changes[0].object' instead.",
)


def test_a_use_is_told_in_the_status_and_once_in_the_log(
    install_plugin: InstallPlugin, caplog: pytest.LogCaptureFixture
) -> None:
    install_plugin("toy", MANIFEST, CODE)
    host = Host(Discovery(), deprecated=TABLE)
    with caplog.at_level(logging.WARNING, logger="karvan.plugins"):
        host.sync(["toy"])
        host.sync(["toy"])
        host.sync(["toy", "ghost"])
    status = host.status()["toy"]
    assert (status.state, status.problems, status.warnings) == ("ready", (), TOLD)
    assert [r.getMessage() for r in caplog.records if "deprecated" in r.getMessage()] == list(TOLD)
    assert host.interested("check_records", "deal", "create")


def test_where_nothing_is_deprecated_nothing_is_told(install_plugin: InstallPlugin) -> None:
    install_plugin("toy", MANIFEST, CODE)
    host = Host(Discovery())
    host.sync(["toy"])
    assert host.status()["toy"].warnings == ()
