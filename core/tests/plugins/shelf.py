"""Throw-away wheels, and an index on loopback that offers them: PEP 691, PEP 658, a catalogue."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

PLUGIN_CODE = """
from karvan_sdk import hookimpl

@hookimpl
def check_records(changes):
    return None
"""
MANIFEST = """schema = 1
id = "{id}"
api = "{api}"
name = "{id}"
summary = "Of the tests."
objects = ["thing.toml"]
{more}
[[hooks]]
hook = "check_records"
objects = ["{id}_thing"]
"""


def make_wheel(
    folder: Path,
    project: str,
    version: str = "1.0",
    files: Mapping[str, str] | None = None,
    *,
    requires: tuple[str, ...] = (),
    entries: str = "",
    metadata: str = "",
    tag: str = "py3-none-any",
) -> Path:
    """A wheel with a module of the project's name, or with `files`; `metadata` replaces name and version."""
    module = project.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    head = metadata or f"Name: {project}\nVersion: {version}\n"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    texts = dict(files if files is not None else {f"{module}/__init__.py": f"VERSION = '{version}'\n"})
    texts[f"{info}/METADATA"] = f"Metadata-Version: 2.1\n{head}{needs}"
    texts[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    if entries:
        texts[f"{info}/entry_points.txt"] = entries
    lines = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in texts.items()]
    texts[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as opened:
        for path, text in texts.items():
            opened.writestr(path, text)
    return place


def make_plugin(
    folder: Path,
    plugin: str,
    version: str = "1.0",
    *,
    more: str = "",
    code: str = PLUGIN_CODE,
    api: str = ">=0.1,<1",
    project: str = "",
    requires: tuple[str, ...] = (),
) -> Path:
    """A wheel with a plugin that has one object, `<plugin>_thing`; `more` goes into its manifest."""
    package = f"karvan_{plugin}"
    files = {
        f"{package}/__init__.py": "",
        f"{package}/plugin.py": code,
        f"{package}/manifest.toml": MANIFEST.format(id=plugin, api=api, more=more),
        f"{package}/thing.toml": f'name = "{plugin}_thing"\nfields = [{{ name = "name", type = "text" }}]\n',
    }
    if project:
        files = {path.replace(package, project.replace("-", "_")): text for path, text in files.items()}
        package = project.replace("-", "_")
    entries = (
        f"[karvan.plugins]\n{plugin} = {package}.plugin\n"
        f"[karvan.manifests]\n{plugin} = {package}:manifest.toml\n"
    )
    name = project or f"karvan-{plugin.replace('_', '-')}"
    return make_wheel(folder, name, version, files, requires=requires, entries=entries)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Shelf:
    """Wheels offered over HTTP.

    `answers` maps a path to other bytes, `entries` a file name to other keys of its entry; `catalogue` maps
    `plugins/<id>` and `bundles/<id>` to data. `asked` are the paths asked for so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        self.entries: dict[str, dict[str, Any]] = {}
        self.catalogue: dict[str, Any] = {}
        self.asked: list[str] = []
        self.url = ""

    def answer(self, path: str) -> bytes | None:
        """The body for a path, None where there is none."""
        if path in self.answers:
            return self.answers[path]
        kind, _, rest = path.strip("/").partition("/")
        if kind == "simple":
            return self._page(rest)
        if kind == "files":
            return self._file(rest)
        found = self.catalogue.get(path.removeprefix("/api/v1/"))
        return None if found is None else json.dumps({"data": found}).encode()

    def _page(self, project: str) -> bytes | None:
        wheels = sorted(self.folder.glob(f"{project.replace('-', '_')}-[0-9]*.whl"))
        if not wheels:
            return None
        files = [{**self._entry(wheel), **self.entries.get(wheel.name, {})} for wheel in wheels]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": files}).encode()

    def _entry(self, wheel: Path) -> dict[str, Any]:
        return {
            "filename": wheel.name,
            "url": f"../../files/{quote(wheel.name)}",
            "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
            "core-metadata": {"sha256": hashlib.sha256(metadata_of(wheel)).hexdigest()},
            "size": wheel.stat().st_size,
        }

    def _file(self, name: str) -> bytes | None:
        wheel = self.folder / name.removesuffix(".metadata")
        if not wheel.is_file():
            return None
        return metadata_of(wheel) if name.endswith(".metadata") else wheel.read_bytes()


def metadata_of(wheel: Path) -> bytes:
    """The METADATA in a wheel."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (n for n in opened.namelist() if n.endswith(".dist-info/METADATA"))
        return opened.read(name)


@contextmanager
def offered(folder: Path) -> Iterator[Shelf]:
    """A shelf that answers on loopback while the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    shelf = Shelf(folder)

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.asked.append(self.path)
            if self.path in shelf.moved:
                self.send_response(302)
                self.send_header("Location", shelf.moved[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = shelf.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        shelf.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield shelf
        finally:
            server.shutdown()
            thread.join()
