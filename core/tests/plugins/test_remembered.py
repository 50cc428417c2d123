"""What discovery keeps between processes: used while nothing changed, never trusted, never in the way."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from karvan.cli import main
from karvan.plugins import remembered
from karvan.plugins.discovery import Discovery
from karvan.plugins.loading import load_plugin
from karvan.testing import InstallPlugin, make_client, make_page_client
from karvan.workspace import Workspace

HEAD = 'schema = 1\nid = "{id}"\napi = ">=0.1,<1"\nname = "Zoo"\nsummary = "Of the tests."\n'
APE = 'name = "ape"\nlabel = "{label}"\nfields = [{{ name = "name", type = "text" }}]\n'
OPENED: list[str] | None = None


def note_open(event: str, arguments: tuple[object, ...]) -> None:
    if OPENED is not None and event == "open" and isinstance(arguments[0], str):
        OPENED.append(str(arguments[0]))


@pytest.fixture(scope="module")
def hook() -> None:
    sys.addaudithook(note_open)  # there is no way to take one back; it is idle while OPENED is None


@pytest.fixture
def opened(hook: None) -> Iterator[list[str]]:
    """The files that are opened from here on."""
    global OPENED
    OPENED = []
    yield OPENED
    OPENED = None


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder / "plugins.json"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for each time that everything is read."""
    counted: list[int] = []
    read_all = sys.modules["karvan.plugins.discovery"]._read_all

    def count(folders: remembered.Stamp) -> remembered.Memory:
        counted.append(1)
        found: remembered.Memory = read_all(folders)
        return found

    monkeypatch.setattr("karvan.plugins.discovery._read_all", count)
    return counted


def put_zoo(install_plugin: InstallPlugin, plugin: str = "zoo_r") -> Path:
    folder = install_plugin(
        plugin, HEAD.format(id=plugin) + 'objects = ["ape.toml"]\n', "raise SystemExit(3)"
    )
    (folder / f"karvan_{plugin}" / "ape.toml").write_text(APE.format(label="Ape"))
    return folder


def test_a_warm_start_opens_one_file_whatever_is_installed(
    install_plugin: InstallPlugin, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    opened: list[str],
) -> None:  # fmt: skip
    put_zoo(install_plugin)
    site = tmp_path / "site"
    for number in range(300):
        info = site / f"other_{number}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: other-{number}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    opened.clear()
    cold = Discovery(kept).installed()
    assert len([path for path in opened if path.endswith("METADATA")]) >= 300
    opened.clear()
    warm = Discovery(kept).installed()
    assert opened == [str(kept)]
    assert warm == cold
    assert not [name for name in sys.modules if name.startswith("karvan_zoo_r")]


def edit_manifest(folder: Path) -> None:
    file = folder / "karvan_zoo_r" / "manifest.toml"
    file.write_text(file.read_text().replace('"Zoo"', '"Zot"'))


def edit_object(folder: Path) -> None:
    (folder / "karvan_zoo_r" / "ape.toml").write_text(APE.format(label="Eva"))


def take_object_away(folder: Path) -> None:
    (folder / "karvan_zoo_r" / "ape.toml").unlink()


def edit_version(folder: Path) -> None:
    file = folder / "karvan_zoo_r-1.0.dist-info" / "METADATA"
    file.write_text(file.read_text().replace("1.0", "1.1"))


def edit_entry(folder: Path) -> None:
    file = folder / "karvan_zoo_r-1.0.dist-info" / "entry_points.txt"
    file.write_text(file.read_text().replace("zoo_r.plugin", "zoo_r.plugim"))


def upgrade(folder: Path) -> None:
    (folder / "karvan_zoo_r-1.0.dist-info").rename(folder / "karvan_zoo_r-2.0.dist-info")
    file = folder / "karvan_zoo_r-2.0.dist-info" / "METADATA"
    file.write_text(file.read_text().replace("1.0", "2.0"))


def keep_the_time(folder: Path) -> None:
    file = folder / "karvan_zoo_r" / "manifest.toml"
    about = file.stat()
    edit_manifest(folder)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [edit_manifest, edit_object, take_object_away, edit_version, edit_entry, upgrade, keep_the_time],
    ids=lambda change: change.__name__,
)
def test_whatever_changes_on_the_disk_is_seen_by_the_next_process(
    install_plugin: InstallPlugin, kept: Path, change: Callable[[Path], None]
) -> None:
    folder = put_zoo(install_plugin)
    before = Discovery(kept).installed()["zoo_r"]
    assert before.manifest is not None
    change(folder)
    after = Discovery(kept).installed()["zoo_r"]
    assert after != before
    assert after == Discovery().installed()["zoo_r"]


def test_a_manifest_that_was_missing_and_came_is_seen(install_plugin: InstallPlugin, kept: Path) -> None:
    folder = put_zoo(install_plugin)
    file = folder / "karvan_zoo_r" / "manifest.toml"
    text = file.read_text()
    file.unlink()
    assert Discovery(kept).installed()["zoo_r"].manifest is None
    file.write_text(text)
    assert Discovery(kept).installed()["zoo_r"].manifest is not None


def test_a_broken_plugin_is_as_broken_from_memory(
    install_plugin: InstallPlugin, kept: Path, reads: list[int]
) -> None:
    install_plugin("zoo_r", HEAD.format(id="zoo_r") + 'colour = "red"\n', "")
    cold = Discovery(kept).installed()["zoo_r"]
    assert cold.errors
    assert Discovery(kept).installed()["zoo_r"] == cold
    assert len(reads) == 1


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00\xff", b"[]", b"7", b'{"made_by": 1}', b"[" * 200_000, b'{"found": ', b"null"],
    ids=["empty", "bytes", "list", "number", "half", "deep", "cut", "null"],
)
def test_garbage_counts_as_nothing_and_is_replaced(
    install_plugin: InstallPlugin, kept: Path, reads: list[int], garbage: bytes
) -> None:
    put_zoo(install_plugin)
    kept.write_bytes(garbage)
    assert "zoo_r" in Discovery(kept).installed()
    assert "zoo_r" in Discovery(kept).installed()
    assert len(reads) == 1


@pytest.mark.parametrize("key", ["made_by", "folders", "distributions", "files", "found"])
@pytest.mark.parametrize("value", [None, 1, "x", [1], [["x"]], [{"id": 1}]], ids=repr)
def test_a_part_of_another_shape_counts_as_nothing(
    install_plugin: InstallPlugin, kept: Path, key: str, value: object
) -> None:
    put_zoo(install_plugin)
    expected = Discovery(kept).installed()
    kept.write_text(json.dumps({**json.loads(kept.read_text()), key: value}))
    assert Discovery(kept).installed() == expected


def test_a_file_that_others_could_write_or_that_is_none_is_not_read(
    install_plugin: InstallPlugin, kept: Path, tmp_path: Path, reads: list[int]
) -> None:
    put_zoo(install_plugin)
    Discovery(kept).installed()
    kept.chmod(0o666)
    Discovery(kept).installed()
    assert len(reads) == 2
    elsewhere = tmp_path / "elsewhere.json"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    Discovery(kept).installed()
    assert len(reads) == 3
    assert not kept.is_symlink()
    kept.unlink()
    os.mkfifo(kept)
    Discovery(kept).installed()
    assert len(reads) == 4
    assert kept.stat().st_mode & 0o777 == 0o600
    assert os.listdir(kept.parent) == [kept.name]


def test_a_home_that_can_not_be_written_is_no_hindrance(
    install_plugin: InstallPlugin, tmp_path: Path, reads: list[int]
) -> None:
    put_zoo(install_plugin)
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "nowhere", tmp_path / "file"):
        assert "zoo_r" in Discovery(home / "plugins.json").installed()
    assert len(reads) == 2
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "plugins.json").mkdir()
    assert "zoo_r" in Discovery(tmp_path / "taken" / "plugins.json").installed()
    assert os.listdir(tmp_path / "taken") == ["plugins.json"]


def test_many_processes_may_keep_at_once(install_plugin: InstallPlugin, kept: Path) -> None:
    put_zoo(install_plugin)
    expected = Discovery().installed()

    def look(_: int) -> bool:
        kept.unlink(missing_ok=True)
        return Discovery(kept).installed() == expected and Discovery(kept).installed() == expected

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(look, range(24)))
    assert os.listdir(kept.parent) in ([kept.name], [])


def test_what_is_kept_never_decides_what_runs(
    install_plugin: InstallPlugin, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_zoo(install_plugin)
    (tmp_path / "zoo_evil.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    Discovery(kept).installed()
    data = json.loads(kept.read_text())
    (one,) = (found for found in data["found"] if found["id"] == "zoo_r")
    one["entry"] = "zoo_evil"
    kept.write_text(json.dumps(data))
    forged = Discovery(kept).installed()["zoo_r"]
    assert forged.entry == "zoo_evil"
    loaded = load_plugin(forged)
    assert loaded.failed
    assert "is no entry point of karvan-zoo_r" in loaded.problems[0]
    assert "zoo_evil" not in sys.modules


def test_lists_and_pages_import_nothing(workspace: Workspace, install_plugin: InstallPlugin) -> None:
    put_zoo(install_plugin)
    client, pages = make_client(workspace), make_page_client(workspace)
    flags = ["--home", str(workspace.settings.home), "--database-url", workspace.settings.url]
    for command in (["plugins", "list"], ["plugins", "info", "zoo_r"], ["slots"]):
        done = CliRunner().invoke(main, [*flags, *command])
        assert done.exit_code == 0, done.output
    assert "zoo_r" in CliRunner().invoke(main, [*flags, "plugins", "list"]).stdout
    for path in ("/", "/settings", "/settings/plugins/x-ray"):
        assert pages.get(path, follow_redirects=True).status_code == 200
    assert client.get("/api/v1/plugins/x-ray").status_code == 200
    assert client.get("/health").status_code == 200
    assert not [name for name in sys.modules if name.startswith("karvan_zoo_r")]
    assert (workspace.settings.home / "plugins.json").stat().st_mode & 0o777 == 0o600
