"""Each distribution builds, installs by itself into an empty environment, and works there.

Installing asks the package index for the dependencies, as any installation does; the guards of the suite hold
for the tests' own process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.sizes import WHEEL_TIMEOUT_S
from tests.source import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheels")]

PLUGINS = {
    "crm": "account contact lead deal activity",
    "telephony": "phone_number call",
    "price_book": "product price_book book_price deal_line",
    "lead_scoring": "score_rule scoring_run",
    "onec": "exchange onec_entry onec_offer",
    "sample": "visit",
}
"""The first-party plugins with the objects that each must bring."""
FOLDERS = {
    "karvan_sdk": "sdk",
    "karvan": "core",
    "karvan_marketplace": "marketplace",
    **{f"karvan_{plugin}": f"plugins/{plugin}" for plugin in PLUGINS},
}
COMPILED = ("karvan", "karvan_marketplace")
"""Whose translations are compiled by the build; those of plugins are read as they are."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and give its output; a failure shows all it said."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        timeout=WHEEL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Place:
    """An empty environment with a working folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv/bin"
        run(sys.executable, "-m", "venv", folder / "venv")

    def install(self, *what: Path) -> None:
        pins = ROOT / "constraints/run.txt"
        run(self.bin / "python", "-m", "pip", "install", "-q", "-c", pins, *what, cwd=self.folder)

    def python(self, code: str) -> str:
        return run(self.bin / "python", "-W", "error", "-c", code, cwd=self.folder).strip()

    def distributions(self) -> set[str]:
        listed = run(self.bin / "python", "-m", "pip", "list", "--format", "freeze", cwd=self.folder)
        return {line.split("==")[0].lower().replace("_", "-") for line in listed.splitlines()}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of each distribution, by package."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder)
    run(*pip, *(ROOT / place for place in FOLDERS.values()))
    return {name: next(folder.glob(f"{name}-[0-9]*.whl")) for name in FOLDERS}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


@pytest.mark.parametrize("name", FOLDERS)
def test_a_wheel_carries_every_file_that_git_has_of_its_package(wheels: dict[str, Path], name: str) -> None:
    source = ROOT / FOLDERS[name] / "src"
    listed = run("git", "ls-files", "--", source, cwd=source).splitlines()
    kept = {f for f in listed if not (name in COMPILED and f.endswith(".po"))}
    missing = kept - names_in(wheels[name])
    assert not missing


@pytest.mark.parametrize("name", FOLDERS)
def test_a_wheel_carries_no_tests_and_no_leftovers(wheels: dict[str, Path], name: str) -> None:
    tops = {n.split("/")[0] for n in names_in(wheels[name])}
    assert all(top == name or top.endswith(".dist-info") for top in tops)
    assert not [n for n in names_in(wheels[name]) if "__pycache__" in n or "/tests/" in n]


def test_the_core_carries_its_browser_files_and_translations(wheels: dict[str, Path]) -> None:
    names = names_in(wheels["karvan"])
    sources = (ROOT / "core/src/karvan/translations").rglob("*.po")
    assert {f"karvan/translations/{p.parts[-3]}/LC_MESSAGES/{p.stem}.mo" for p in sources} <= names
    if os.environ.get("KARVAN_FRONTEND") != "skip":
        assert "karvan/web/static/vendor/manifest.json" in names


def test_the_sdk_stands_alone(wheels: dict[str, Path], place: Place) -> None:
    place.install(wheels["karvan_sdk"])
    assert place.python("import karvan_sdk; print(len(karvan_sdk.__all__) > 0)") == "True"
    assert place.distributions() - {"pip", "setuptools"} == {"karvan-sdk", "pluggy", "packaging", "tzdata"}


def test_the_core_stands_on_the_sdk(wheels: dict[str, Path], place: Place) -> None:
    place.install(wheels["karvan_sdk"], wheels["karvan"])
    assert "karvan-crm" not in place.distributions()
    run(place.bin / "karvan", "init", "--admin", "a@example.com", "--password", "long enough 1", "--bare",
        cwd=place.folder)  # fmt: skip
    assert (place.folder / "var/karvan.sqlite3").exists()


def test_the_marketplace_stands_on_the_sdk(wheels: dict[str, Path], place: Place) -> None:
    place.install(wheels["karvan_sdk"], wheels["karvan_marketplace"])
    assert not place.distributions() & {"karvan", "sqlalchemy"}
    assert "--wheels" in run(place.bin / "karvan-marketplace", "serve", "--help", cwd=place.folder)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_stands_on_the_sdk_alone(wheels: dict[str, Path], place: Place, plugin: str) -> None:
    package = f"karvan_{plugin}"
    place.install(wheels["karvan_sdk"], wheels[package])
    assert not place.distributions() & {"karvan", "flask", "sqlalchemy"}
    found = place.python(
        "from importlib.resources import files\n"
        "from karvan_sdk import load_manifest\n"
        f"import {package}.plugin\n"
        f"read = lambda name: files('{package}').joinpath(name).read_text('utf-8')\n"
        f"print(*(o.name for o in load_manifest('{plugin}', read).objects))"
    )
    assert found == PLUGINS[plugin]


def test_the_whole_project_installs_at_once(place: Place) -> None:
    place.install(ROOT)
    mine = {"karvan-suite", "karvan", "karvan-sdk", "karvan-crm", "karvan-marketplace"}
    assert mine <= place.distributions()
    run(place.bin / "karvan", "init", "--admin", "a@example.com", "--password", "long enough 1",
        cwd=place.folder)  # fmt: skip
    assert "crm" in run(place.bin / "karvan", "plugins", "list", "--json", cwd=place.folder)
