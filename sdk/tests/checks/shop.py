"""A small plugin of the tests, written to a folder or a wheel."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

PROJECT = """[project]
name = "karvan-shop"
version = "1.0"
dependencies = ["karvan-sdk>=0.1,<1"]

[project.entry-points."karvan.plugins"]
shop = "karvan_shop.plugin"

[project.entry-points."karvan.manifests"]
shop = "karvan_shop:manifest.toml"
"""
MANIFEST = """schema = 1
id = "shop"
name = "Shop"
summary = "Of the tests."
api = ">=0.1,<1"
objects = ["toy.toml"]
"""
OBJECT = """name = "toy"
[[fields]]
name = "name"
type = "text"
"""
WHEEL = {
    "karvan_shop-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: karvan-shop\nVersion: 1.0\n"
    "Requires-Dist: karvan-sdk<1,>=0.1\n\nThe text.\n",
    "karvan_shop-1.0.dist-info/entry_points.txt": "[karvan.plugins]\nshop = karvan_shop.plugin\n\n"
    "[karvan.manifests]\nshop = karvan_shop:manifest.toml\n",
}


def files_of(code: str = "", more: str = "", others: Mapping[str, str] | None = None) -> dict[str, str]:
    """The files of the plugin by path; `more` goes into its manifest, `others` come beside or in place."""
    package = "src/karvan_shop"
    return {
        "pyproject.toml": PROJECT,
        f"{package}/__init__.py": "",
        f"{package}/plugin.py": code,
        f"{package}/manifest.toml": MANIFEST + more,
        f"{package}/toy.toml": OBJECT,
        **(others or {}),
    }


def write_folder(folder: Path, files: Mapping[str, str]) -> Path:
    """The files as a source folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def write_wheel(folder: Path, files: Mapping[str, str]) -> Path:
    """The files as a wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "karvan_shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, text in {**files, **WHEEL}.items():
            if name != "pyproject.toml":
                opened.writestr(name.removeprefix("src/"), text)
    return place
