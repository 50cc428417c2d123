"""A workspace in which a thief is enabled beside honest plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from karvan.testing import InstallPlugin, admin_of
from karvan.workspace import Workspace
from tests.attacks.animals import BAG, MANIFEST, Animal, herd

Let = Callable[..., Path]
LetIn = Callable[..., Workspace]


@pytest.fixture
def let(install_plugin: InstallPlugin) -> Let:
    """Puts animals of one manifest on the path as the plugin `thief` and gives the folder of its package."""

    def write(*animals: Animal) -> Path:
        package = install_plugin("thief", MANIFEST + animals[0].more, herd(animals)) / "karvan_thief"
        (package / "bag.toml").write_text(BAG, encoding="utf-8")
        return package

    return write


@pytest.fixture
def let_in(let: Let, workspace_with: Callable[..., Workspace]) -> LetIn:
    """The same in a workspace, enabled, where there are a contact and a file of another plugin to steal."""

    def enable(*animals: Animal) -> Workspace:
        let(*animals)
        workspace = workspace_with("crm", "thief")
        with workspace.records.write(admin_of(workspace)) as writer:
            writer.create("contact", {"name": "Ada", "email": "ada@example.org"})
        secret = workspace.settings.home / "files" / "bank" / "secret.txt"
        secret.parent.mkdir(parents=True)
        secret.write_text("sesame", encoding="utf-8")
        return workspace

    return enable
