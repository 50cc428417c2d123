"""Installing from an index and taking out again: plans, hashes, generations, conflicts, residue."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from tests.snapshot import take_snapshot

from karvan.cli import main
from karvan.plugins.generations import CodeRefused, Generations
from karvan.plugins.index import Index, IndexFailed
from karvan.testing import WorkspaceWith, admin_of
from karvan.workspace import Workspace
from karvan_sdk.errors import PluginRefused

MANIFEST = """schema = 1
id = "{id}"
api = ">=0.1,<1"
name = "{id}"
summary = "Of the tests."
objects = ["thing.toml"]
capabilities = ["records:read:contact", "files"]
{more}
[[fields]]
object = "contact"
name = "mark"
type = "text"
indexed = true

[[hooks]]
hook = "check_records"
objects = ["{id}_thing"]
"""
THING = 'name = "{id}_thing"\n[[fields]]\nname = "name"\ntype = "text"\n'
ENTRY = "[karvan.plugins]\n{id} = {package}.plugin\n[karvan.manifests]\n{id} = {package}:manifest.toml\n"
LOOSE = "raise SystemExit('the bear is loose')"
MINE = ("karvan_zoo", "karvan_yak", "gnu")
CODE = "from karvan_sdk import hookimpl\n\n@hookimpl\ndef check_records(changes):\n    return None\n"


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    *,
    entry: str = "",
    requires: tuple[str, ...] = (),
) -> Path:
    """Write a wheel as a builder would."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {r}\n" for r in requires)
    project = name.replace("_", "-")
    everything = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry:
        everything[f"{info}/entry_points.txt"] = entry
    lines = []
    for path, text in everything.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text.encode())}")
    everything[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    place = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as opened:
        for path, text in everything.items():
            opened.writestr(path, text)
    return place


def plugin_wheel(folder: Path, plugin: str, *, version: str = "1.0", code: str = CODE, more: str = "",
                 requires: tuple[str, ...] = ()) -> Path:  # fmt: skip
    package = f"karvan_{plugin}"
    return wheel(
        folder,
        package,
        version,
        {
            f"{package}/__init__.py": "",
            f"{package}/plugin.py": code,
            f"{package}/manifest.toml": MANIFEST.format(id=plugin, more=more),
            f"{package}/thing.toml": THING.format(id=plugin),
        },
        entry=ENTRY.format(id=plugin, package=package),
        requires=requires,
    )


class Shop:
    """A bare index (PEP 691) over a folder of wheels; `lies` maps file names to other bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lies: dict[str, bytes] = {}
        self.bundles: dict[str, Any] = {}
        self.asked: list[str] = []
        shop = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.asked.append(self.path)
                body = shop.answer(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str) -> bytes | None:
        parts = path.strip("/").split("/")
        if parts[0] == "files":
            name = parts[1]
            return self.lies.get(name) or (self.folder / name).read_bytes()
        if parts[0] == "simple":
            found = sorted(self.folder.glob(f"{parts[1].replace('-', '_')}-*.whl"))
            if not found:
                return None
            files = [
                {"filename": p.name, "url": f"/files/{p.name}",
                 "hashes": {"sha256": hashlib.sha256(p.read_bytes()).hexdigest()}}
                for p in found
            ]  # fmt: skip
            return json.dumps({"meta": {"api-version": "1.0"}, "name": parts[1], "files": files}).encode()
        if parts[:3] == ["api", "v1", "bundles"] and parts[3] in self.bundles:
            return json.dumps({"data": self.bundles[parts[3]]}).encode()
        return None


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    folder = tmp_path / "shop"
    folder.mkdir()
    made = Shop(folder)
    thread = Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def crowd(workspace_with: WorkspaceWith) -> Iterator[Workspace]:
    made = workspace_with("crm")
    path = list(sys.path)
    yield made
    made.generations.leave()
    assert sys.path == path
    for name in [
        n for n in sys.modules if n.partition(".")[0] in ("karvan_zoo", "karvan_yak", "karvan_xen", "gnu")
    ]:
        del sys.modules[name]


def install(workspace: Workspace, shop: Shop, *wanted: str) -> list[str]:
    admin = admin_of(workspace)
    with workspace.installer.plan(admin, wanted, shop.url) as plan:
        return [o.plugin for o in workspace.installer.apply(admin, plan)]


def snapshot(workspace: Workspace) -> dict[str, Any]:
    return take_snapshot(workspace.settings.url, workspace.settings.home)


# -- install and uninstall ---------------------------------------------------------------------------------


def test_an_install_enables_at_once_and_a_purge_leaves_nothing(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo", requires=("gnu>=1",))
    wheel(shop.folder, "gnu", "1.2", {"gnu/__init__.py": "NAME = 'gnu'\n"})
    before = snapshot(crowd)
    assert install(crowd, shop, "zoo") == ["zoo"]
    assert crowd.plugins.info("zoo").state == "on"
    with crowd.records.write(admin_of(crowd)) as writer:
        writer.create("zoo_thing", {"name": "x"})
        writer.create("contact", {"name": "Ada", "zoo__mark": "m"})
    crowd.host.context("zoo", crowd.records.moment(admin_of(crowd))).files.write("a", b"x")
    crowd.layouts.switch(1, "record.side", "zoo.card", False)
    plan = crowd.uninstaller.plan("zoo", purge=True)
    assert plan.distributions == ("gnu", "karvan-zoo")
    assert [(d.physical, d.rows) for d in plan.data] == [("x_zoo__zoo_thing", 1), ("x_zoo__mark", 1)]
    assert (plan.rows["k_layout"], plan.files) == (1, 1)
    crowd.uninstaller.apply(admin_of(crowd), plan)
    assert snapshot(crowd) == before
    assert [p.id for p in crowd.plugins.list() if p.id == "zoo"] == []


def test_an_uninstall_keeps_the_data_for_the_next_install(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo")
    install(crowd, shop, "zoo")
    with crowd.records.write(admin_of(crowd)) as writer:
        made = writer.create("zoo_thing", {"name": "x"})
    crowd.uninstaller.apply(admin_of(crowd), crowd.uninstaller.plan("zoo", purge=False))
    assert "zoo_thing" not in crowd.catalogs.current().objects
    install(crowd, shop, "zoo")
    assert crowd.records.read(admin_of(crowd)).get("zoo_thing", made["id"])["name"] == "x"


def test_a_plan_changes_nothing(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo")
    before = snapshot(crowd)
    with crowd.installer.plan(admin_of(crowd), ["zoo"], shop.url) as plan:
        told = plan.as_dict()
    assert told["plugins"][0]["capabilities"] == ["records:read:contact", "files"]
    assert "x_zoo__zoo_thing" in json.dumps(told["schema"])
    assert snapshot(crowd) == before
    assert not (crowd.settings.home / "generations").exists()


def test_a_needed_plugin_comes_along_and_can_not_be_taken_away(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "yak", more='requires = { zoo = ">=1" }\n')
    plugin_wheel(shop.folder, "zoo")
    assert install(crowd, shop, "yak") == ["zoo", "yak"]
    plan = crowd.uninstaller.plan("zoo", purge=True)
    assert plan.blockers == ("'yak' needs it. Uninstall it first.",)
    with pytest.raises(PluginRefused, match="'yak' needs it"):
        crowd.uninstaller.apply(admin_of(crowd), plan)


def test_a_bundle_is_one_plan_and_installing_again_changes_nothing(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo")
    plugin_wheel(shop.folder, "yak")
    shop.bundles["both"] = {"id": "both", "plugins": [{"id": "zoo", "version": ">=1"}, {"id": "yak"}]}
    assert sorted(install(crowd, shop, "bundle:both")) == ["yak", "zoo"]
    before = snapshot(crowd)
    assert sorted(install(crowd, shop, "bundle:both")) == ["yak", "zoo"]
    assert snapshot(crowd) == before


def test_what_a_second_process_finds_is_what_the_first_installed(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo")
    install(crowd, shop, "zoo")
    crowd.generations.leave()
    other = Generations(crowd.settings.home)
    assert other.refresh()
    assert str(other.site(1)) in sys.path
    other.leave()


# -- what is refused leaves nothing ------------------------------------------------------------------------


def change_byte(place: Path) -> bytes:
    body = bytearray(place.read_bytes())
    body[len(body) // 2] ^= 1
    return bytes(body)


def break_record(shop: Shop) -> None:
    """A wheel whose index entry is right and whose own list of hashes is not."""
    place = plugin_wheel(shop.folder, "zoo")
    buffer = io.BytesIO()
    with zipfile.ZipFile(place) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text + b"# more\n" if name.endswith("plugin.py") else text)
    place.write_bytes(buffer.getvalue())


def escape(shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo", requires=("gnu",))
    wheel(shop.folder, "gnu", "1.0", {"../outside.py": "x = 1\n"})


def lie(shop: Shop) -> None:
    place = plugin_wheel(shop.folder, "zoo")
    shop.lies[place.name] = change_byte(place)


@pytest.mark.parametrize(
    ("arrange", "error", "why"),
    [
        (lie, IndexFailed, "the index promised sha256"),
        (break_record, CodeRefused, "can't be unpacked"),
        (escape, CodeRefused, "gnu-1.0-py3-none-any.whl"),
        (lambda shop: plugin_wheel(shop.folder, "zoo", code=LOOSE), CodeRefused,
         "the bear is loose"),
        (lambda shop: plugin_wheel(shop.folder, "zoo", requires=("gnu>=2",)), CodeRefused,
         "karvan-zoo 1.0 needs gnu>=2"),
        (lambda shop: plugin_wheel(shop.folder, "zoo", requires=("click<1",)), CodeRefused, "stays as it is"),
        (lambda shop: wheel(shop.folder, "karvan_zoo", "1.0", {"click/__init__.py": ""}), CodeRefused,
         "offers no plugin 'zoo'"),
        (lambda shop: None, CodeRefused, "offers: none that runs here"),
    ],
    ids=["hash", "record", "escape", "import", "missing", "host", "no plugin", "nothing"],
)  # fmt: skip
def test_what_cannot_be_installed_is_refused_and_leaves_nothing(
    crowd: Workspace, shop: Shop, arrange: Any, error: type[Exception], why: str
) -> None:
    before = snapshot(crowd)
    arrange(shop)
    with pytest.raises(error, match=why):
        install(crowd, shop, "zoo")
    assert snapshot(crowd) == before
    assert crowd.generations.current() is None
    assert not list((crowd.settings.home / "generations").glob("gen-*"))


def test_a_module_of_the_environment_is_never_shadowed(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo", requires=("gnu",))
    wheel(shop.folder, "gnu", "1.0", {"click/__init__.py": ""})
    with pytest.raises(CodeRefused, match="'click', which the environment has already"):
        install(crowd, shop, "zoo")


def test_what_the_environment_provides_is_not_installed_over_it(
    workspace_with: WorkspaceWith, shop: Shop
) -> None:
    bare = workspace_with()
    with pytest.raises(PluginRefused, match="pip install -U karvan-crm"):
        install(bare, shop, "crm")


def test_the_same_distribution_in_both_places_is_said(crowd: Workspace, shop: Shop, monkeypatch: Any) -> None:
    plugin_wheel(shop.folder, "zoo")
    install(crowd, shop, "zoo")
    crowd.generations.check()
    outside = crowd.settings.home / "outside" / "karvan_zoo-1.0.dist-info"
    outside.mkdir(parents=True)
    (outside / "METADATA").write_text("Metadata-Version: 2.1\nName: karvan-zoo\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(outside.parent))
    with pytest.raises(CodeRefused, match="karvan-zoo is installed in generation 1 and provided"):
        crowd.generations.check()


@pytest.mark.parametrize("url", ["ftp://x/", "nonsense", "file:///etc", "http://127.0.0.1:9/"])
def test_an_index_that_cannot_be_asked_is_named(url: str) -> None:
    with pytest.raises(IndexFailed, match=url[:12]):
        Index(url).files("karvan-zoo")


# -- generations -------------------------------------------------------------------------------------------


def test_a_killed_install_leaves_the_generation_of_before_and_its_rubbish_goes_with_the_next(
    tmp_path: Path,
) -> None:
    first, second = plugin_wheel(tmp_path, "zoo"), plugin_wheel(tmp_path, "yak")
    made = Generations(tmp_path / "home")
    with made.alone():
        made.switch(made.build([first]))
    left = tmp_path / "home" / "generations" / "new-2" / "site"
    left.mkdir(parents=True)
    (left / "half.py").write_text("")
    with made.alone():
        number = made.build([second])  # and killed before the pointer moved
    assert made.current() == 1
    assert set(made.distributions(1)) == {"karvan-zoo"}
    assert set(made.distributions(number)) == {"karvan-zoo", "karvan-yak"}
    assert not left.exists()


def test_the_files_of_a_generation_can_not_be_written(tmp_path: Path) -> None:
    made = Generations(tmp_path / "home")
    with made.alone():
        made.switch(made.build([plugin_wheel(tmp_path, "zoo")]))
    assert all(not p.stat().st_mode & 0o222 for p in made.site(1).rglob("*"))


def test_a_process_does_not_follow_into_a_generation_where_a_version_changed(tmp_path: Path) -> None:
    made = Generations(tmp_path / "home")
    with made.alone():
        made.switch(made.build([plugin_wheel(tmp_path, "zoo")]))
    assert made.refresh()
    try:
        newer = plugin_wheel(tmp_path, "zoo", version="2.0")
        with made.alone():
            made.switch(made.build([newer], without=["karvan-zoo"]))
        assert not made.refresh()
        assert str(made.site(1)) in sys.path
        assert str(made.site(2)) not in sys.path
    finally:
        made.leave()


# -- command line ------------------------------------------------------------------------------------------


def test_the_commands_show_the_plan_and_do_nothing_unasked(crowd: Workspace, shop: Shop) -> None:
    plugin_wheel(shop.folder, "zoo")
    address = ["--database-url", crowd.settings.url]

    def run(*words: str) -> Any:
        return CliRunner().invoke(main, ["--home", str(crowd.settings.home), *address, "plugins", *words])

    crowd.generations.leave()
    unasked = run("install", "zoo", "--index", shop.url)
    assert unasked.exit_code == 2
    assert "say --yes" in unasked.output
    assert "x_zoo__zoo_thing: new table, 1 columns" in unasked.output
    assert json.loads(run("install", "zoo", "--index", shop.url, "--yes", "--json").stdout)["installed"] == [
        "zoo"
    ]
    assert (
        "Drop      object x_zoo__zoo_thing (0 records)" in run("uninstall", "zoo", "--purge", "--plan").output
    )
    assert run("uninstall", "zoo", "--purge", "--yes").exit_code == 0
    assert run("uninstall", "zoo", "--yes").exit_code == 1
