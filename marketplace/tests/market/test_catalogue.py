"""The catalogue: what a wheel tells of its plugins, what is refused and why, and when it is read again."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import struct
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from karvan_marketplace import archive
from karvan_marketplace import folder as folder_module
from karvan_marketplace.errors import UnknownFile
from karvan_marketplace.folder import Folder
from karvan_marketplace.wheel import Wheel

from .wheels import OBJECT, metadata, write_plugin, write_wheel

CONTRACT = """\
requires = { crm = ">=0.1" }
conflicts = { old_parcels = ">=0" }
capabilities = ["records:read:contact", "http:track.example"]
objects = ["objects/parcel.toml"]
categories = ["delivery"]
links = { home = "https://parcels.example" }

[[fields]]
object = "contact"
name = "door_code"
type = "text"
label = "Door code"

[[hooks]]
hook = "check_records"
objects = ["contact"]
events = ["create"]

[[hooks]]
hook = "check_records"
objects = ["parcel"]
"""


def refused(client: FlaskClient) -> dict[str, str]:
    return {one["filename"]: one["reason"] for one in client.get("/api/v1/refused").json["data"]}


def plugin_ids(client: FlaskClient) -> list[str]:
    return [one["id"] for one in client.get("/api/v1/plugins").json["data"]]


# -- what is offered ---------------------------------------------------------------------------------------


def test_a_plugin_is_told_from_its_manifest_and_metadata(wheels: Path, client: FlaskClient) -> None:
    old = write_plugin(wheels, version="1.0")
    path = write_plugin(
        wheels, version="1.1", more=CONTRACT, files={"objects/parcel.toml": OBJECT.format(name="parcel")}
    )

    told = client.get("/api/v1/plugins/parcels").json["data"]
    index = client.get(
        "/simple/karvan-parcels/", query_string={"format": "application/vnd.pypi.simple.v1+json"}
    ).json

    digests = {file["filename"]: file["hashes"]["sha256"] for file in index["files"]}
    assert told["files"] == [
        {
            "version": version,
            "filename": file.name,
            "url": f"/files/{file.name}",
            "sha256": digests[file.name],
            "size": file.stat().st_size,
            "requires_python": ">=3.8",
        }
        for version, file in (("1.1", path), ("1.0", old))
    ]
    expected = {
        "id": "parcels",
        "name": {"en": "Parcels", "fa": "افزونهٔ Parcels"},
        "summary": {"en": "Does what Parcels does.", "fa": "کار Parcels را می‌کند."},
        "icon": "puzzle",
        "distribution": "karvan-parcels",
        "version": "1.1",
        "author": "Ada Rowan",
        "license": "MIT",
        "requires_python": ">=3.8",
        "api": ">=0.1,<1",
        "requires": {"crm": ">=0.1"},
        "conflicts": {"old_parcels": ">=0"},
        "capabilities": ["records:read:contact", "http:track.example"],
        "objects": ["parcel"],
        "fields": ["contact.door_code"],
        "hooks": ["check_records"],
        "categories": ["delivery"],
        "links": {"home": "https://parcels.example"},
    }
    assert {key: told[key] for key in expected} == expected
    assert client.get("/api/v1/plugins").json["data"] == [told]


def test_a_plugin_without_author_and_licence_has_empty_ones(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, headers="")
    told = client.get("/api/v1/plugins/parcels").json["data"]
    assert (told["author"], told["license"], told["requires_python"]) == ("", "", "")


@pytest.mark.parametrize(
    ("headers", "author"),
    [
        ("Author-email: Ada Rowan <ada@parcels.example>\n", "Ada Rowan"),
        ("Author-email: ada@parcels.example\n", "ada@parcels.example"),
        ("Maintainer: Parcel Guild\n", "Parcel Guild"),
        ("Author: Ada\nMaintainer: Bo\n", "Ada"),
    ],
)
def test_the_author_is_found_where_metadata_may_hide_it(
    wheels: Path, client: FlaskClient, headers: str, author: str
) -> None:
    write_plugin(wheels, headers=headers)
    assert client.get("/api/v1/plugins/parcels").json["data"]["author"] == author


def test_a_preview_is_not_the_version_of_a_plugin_that_has_a_release(
    wheels: Path, client: FlaskClient
) -> None:
    write_plugin(wheels, version="2.0rc1", title="Preview")
    assert client.get("/api/v1/plugins/parcels").json["data"]["version"] == "2.0rc1"
    write_plugin(wheels, version="1.0", title="Release")
    told = client.get("/api/v1/plugins/parcels").json["data"]
    assert (told["version"], told["name"]["en"]) == ("1.0", "Release")
    assert [file["version"] for file in told["files"]] == ["2.0rc1", "1.0"]


def test_a_wheel_without_a_manifest_is_in_the_index_only(wheels: Path, client: FlaskClient) -> None:
    write_wheel(wheels, "tools", entry_points="[console_scripts]\ntools = tools:main\n")
    assert client.get("/simple/tools/").status_code == 200
    assert plugin_ids(client) == []
    assert refused(client) == {}


def test_reading_a_plugin_never_imports_it(
    wheels: Path, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_plugin(wheels, files={"__init__.py": "raise SystemExit('imported')"})
    monkeypatch.syspath_prepend(str(path))
    assert plugin_ids(client) == ["parcels"]
    assert "karvan_parcels" not in sys.modules


def test_an_unknown_plugin_is_a_problem_that_names_it(client: FlaskClient) -> None:
    answer = client.get("/api/v1/plugins/nothing")
    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "This marketplace offers no plugin 'nothing'.",
        "code": "unknown_plugin",
    }


# -- what is refused ---------------------------------------------------------------------------------------


def test_a_broken_wheel_is_left_out_and_the_others_stay(
    wheels: Path, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    write_plugin(wheels)
    (wheels / "broken-1.0-py3-none-any.whl").write_bytes(b"this is no zip")

    with caplog.at_level(logging.WARNING):
        assert plugin_ids(client) == ["parcels"]

    assert "closing record" in refused(client)["broken-1.0-py3-none-any.whl"]
    assert "broken-1.0-py3-none-any.whl is not offered" in caplog.text
    assert client.get("/simple/broken/").status_code == 404
    assert client.get("/files/broken-1.0-py3-none-any.whl").status_code == 404


def test_a_wheel_that_is_cut_off_is_refused_until_it_is_whole(wheels: Path, client: FlaskClient) -> None:
    path = write_plugin(wheels)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert plugin_ids(client) == []
    assert list(refused(client)) == [path.name]
    path.write_bytes(whole)
    assert plugin_ids(client) == ["parcels"]
    assert refused(client) == {}


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("karvan_tools.whl", "name is no wheel's"),
        ("karvan tools-1.0-py3-none-any.whl", "name is no wheel's"),
        ("karvan_tools-one-py3-none-any.whl", "name is no wheel's"),
        ("other_tools-1.0-py3-none-any.whl", "does not belong to the name of the file"),
        ("karvan_tools-1.1-py3-none-any.whl", "does not belong to the name of the file"),
    ],
)
def test_a_wheel_under_a_wrong_name_is_refused(
    wheels: Path, client: FlaskClient, filename: str, why: str
) -> None:
    write_wheel(wheels, "karvan-tools", filename=filename)
    assert why in refused(client)[filename]


INFO = "tools-1.0.dist-info"


@pytest.mark.parametrize(
    ("overrides", "without", "why"),
    [
        ({f"{INFO}/METADATA": metadata("others", "1.0")}, (), "METADATA says 'others 1.0'"),
        ({f"{INFO}/METADATA": metadata("tools", "2.0")}, (), "METADATA says 'tools 2.0'"),
        ({f"{INFO}/METADATA": "no headers at all"}, (), "METADATA says ' '"),
        ({f"{INFO}/METADATA": b"Name: t\xff\n"}, (), "is not UTF-8"),
        ({f"{INFO}/METADATA": metadata("tools", "1.0", "Requires-Python: three\n")}, (), "Requires-Python"),
        ({f"{INFO}/METADATA": metadata("tools", "1.0", "Requires-Dist: @@\n")}, (), "Requires-Dist '@@'"),
        ({}, ("METADATA",), "lacks METADATA"),
        ({}, ("RECORD", "WHEEL"), "lacks WHEEL, RECORD"),
        ({"more-1.0.dist-info/METADATA": ""}, (), "one .dist-info folder"),
        ({f"{INFO}/entry_points.txt": "no section"}, (), "entry_points.txt can't be understood"),
        ({f"{INFO}/entry_points.txt": "[karvan.manifests]\na = b:c\na = d:e\n"}, (), "can't be understood"),
        ({"../evil.py": ""}, (), "'../evil.py' leads out"),
        ({"/etc/evil": ""}, (), "'/etc/evil' leads out"),
        ({"tools\\..\\evil.py": ""}, (), "leads out"),
        ({"C:/evil.py": ""}, (), "leads out"),
    ],
)
def test_a_wheel_that_contradicts_itself_is_refused(
    wheels: Path,
    client: FlaskClient,
    overrides: dict[str, str | bytes],
    without: tuple[str, ...],
    why: str,
) -> None:
    path = write_wheel(wheels, "tools", overrides=overrides, without=without)
    assert why in refused(client)[path.name]
    assert client.get("/simple/tools/").status_code == 404


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ("schema = [", "manifest.toml"),
        ('schema = 1\nid = "other"\n', "id: The manifest says 'other'"),
        ("", "name: This key is required"),
        ('schema = 1\nid = "parcels"\nname = "P"\nsummary = "P"\napi = "one"\n', "'one' is no version range"),
    ],
)
def test_a_manifest_that_breaks_its_rules_is_refused_with_the_finding(
    wheels: Path, client: FlaskClient, manifest: str, why: str
) -> None:
    path = write_plugin(wheels, manifest=manifest)
    assert why in refused(client)[path.name]
    assert plugin_ids(client) == []


@pytest.mark.parametrize("name", ["../other/object.toml", "/etc/passwd", "a/../../b.toml", "objects\\a.toml"])
def test_a_manifest_may_not_name_files_outside_its_folder(
    wheels: Path, client: FlaskClient, name: str
) -> None:
    path = write_plugin(wheels, more=f"objects = [{name!r}]")
    assert "leaves the folder of the manifest" in refused(client)[path.name]


@pytest.mark.parametrize(
    "value", ["karvan_parcels", "karvan_parcels:", "../x:manifest.toml", "a.b:../m.toml", ":m"]
)
def test_an_entry_point_that_names_no_file_in_a_package_is_refused(
    wheels: Path, client: FlaskClient, value: str
) -> None:
    path = write_wheel(wheels, "tools", entry_points=f"[karvan.manifests]\nparcels = {value}\n")
    assert "must name a package and a file" in refused(client)[path.name]


def test_a_manifest_that_is_not_there_is_refused(wheels: Path, client: FlaskClient) -> None:
    path = write_wheel(wheels, "tools", entry_points="[karvan.manifests]\nparcels = tools:manifest.toml\n")
    assert "There is no file 'tools/manifest.toml'" in refused(client)[path.name]


def test_a_plugin_in_two_distributions_is_offered_by_neither(wheels: Path, client: FlaskClient) -> None:
    mine = write_plugin(wheels)
    theirs = write_plugin(wheels, distribution="parcels-pro", version="99")
    other = write_plugin(wheels, "invoices")

    assert plugin_ids(client) == ["invoices"]
    assert set(refused(client)) == {mine.name, theirs.name}
    assert "'karvan-parcels' and 'parcels-pro' both bring the plugin 'parcels'" in refused(client)[mine.name]
    assert client.get(f"/files/{theirs.name}").status_code == 404
    assert client.get(f"/files/{other.name}").status_code == 200

    theirs.unlink()
    assert plugin_ids(client) == ["invoices", "parcels"]


def test_two_spellings_of_one_release_are_offered_once(wheels: Path, client: FlaskClient) -> None:
    write_wheel(wheels, "a.b", filename="a.b-1.0-py3-none-any.whl")
    write_wheel(wheels, "a-b", filename="a_b-1.0-py3-none-any.whl")
    assert "same release of 'a-b' as a.b-1.0" in refused(client)["a_b-1.0-py3-none-any.whl"]


# -- bombs -------------------------------------------------------------------------------------------------


def test_a_wheel_that_unpacks_beyond_the_limit_is_refused(
    wheels: Path, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "UNPACKED_MAX", 1_000_000)
    path = write_wheel(wheels, "tools", files={"tools/zeros": b"\0" * 1_000_000})
    assert path.stat().st_size < 10_000
    assert "Unpacked it would have" in refused(client)[path.name]


def test_a_wheel_with_too_many_entries_is_refused_before_they_are_read(
    wheels: Path, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wheel(wheels, "tools", files={f"tools/{n}": "" for n in range(archive.ENTRIES_MAX)})

    def read_no_directory(*args: object) -> None:
        raise AssertionError("The directory was read.")

    monkeypatch.setattr(zipfile.ZipFile, "__init__", read_no_directory)
    assert "entries in" in refused(client)[path.name]


def test_a_wheel_that_lies_about_its_number_of_entries_is_refused(wheels: Path, client: FlaskClient) -> None:
    path = write_wheel(wheels, "tools", files={f"tools/{n}": "" for n in range(archive.ENTRIES_MAX)})
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\x05\x06")
    struct.pack_into("<2H", data, end + 8, 1, 1)
    path.write_bytes(data)
    assert "entries; 10,000 are allowed" in refused(client)[path.name]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_wheel_packed_by_a_method_without_a_bound_is_refused(
    wheels: Path, client: FlaskClient, method: int
) -> None:
    path = write_wheel(wheels, "tools")
    with zipfile.ZipFile(path, "a", method) as zipped:
        zipped.writestr("tools/zeros", b"\0" * 1_000_000)
    assert "another method than deflate" in refused(client)[path.name]


def test_a_wheel_in_which_a_name_stands_twice_is_refused(wheels: Path, client: FlaskClient) -> None:
    path = write_wheel(wheels, "tools")
    with zipfile.ZipFile(path, "a") as zipped, pytest.warns(UserWarning, match="Duplicate name"):
        zipped.writestr(f"{INFO}/METADATA", metadata("tools", "1.0"))
    assert f"'{INFO}/METADATA' stands twice" in refused(client)[path.name]


def test_a_metadata_file_beyond_the_limit_is_refused(wheels: Path, client: FlaskClient) -> None:
    path = write_wheel(wheels, "tools", text="x" * archive.TEXT_MAX)
    assert "METADATA' says it holds" in refused(client)[path.name]


def test_an_entry_that_lies_about_its_size_is_refused(wheels: Path, client: FlaskClient) -> None:
    path = write_wheel(wheels, "tools", text="x" * 50_000)
    data = path.read_bytes()
    name = f"{INFO}/METADATA".encode()
    at = data.rfind(name) - 46 + 24  # the size in the zip's directory (APPNOTE 4.3.12)
    path.write_bytes(data[:at] + struct.pack("<L", 10) + data[at + 4 :])
    assert "METADATA' can't be unpacked" in refused(client)[path.name]
    assert client.get("/simple/tools/").status_code == 404


def test_a_manifest_that_names_one_large_file_again_and_again_is_refused(
    wheels: Path, client: FlaskClient
) -> None:
    names = ", ".join(['"big.toml"'] * 100)
    path = write_plugin(wheels, more=f"objects = [{names}]", files={"big.toml": "#" * 900_000})
    assert "what it names hold more than" in refused(client)[path.name]


def test_an_icon_beyond_the_limit_is_refused(wheels: Path, client: FlaskClient) -> None:
    path = write_plugin(wheels, files={"icon.svg": "<svg>" + " " * 70_000})
    assert "icon.svg' says it holds" in refused(client)[path.name]


def test_a_zip64_wheel_is_refused(wheels: Path, client: FlaskClient) -> None:
    path = write_wheel(wheels, "tools")
    data = path.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    path.write_bytes(data[:end] + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1) + data[end:])
    assert "ZIP64" in refused(client)[path.name]


# -- the folder changes ------------------------------------------------------------------------------------


def test_only_what_changed_is_read_again(
    wheels: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = folder_module.read_wheel
    monkeypatch.setattr(folder_module, "read_wheel", lambda path: read.append(path.name) or real(path))
    one, two = write_plugin(wheels), write_plugin(wheels, "invoices")

    first = folder.catalogue()
    assert folder.catalogue() is first
    assert sorted(read) == sorted([one.name, two.name])

    os.utime(two, ns=(1, 1))
    assert folder.catalogue() is not first
    assert read[2:] == [two.name]


def test_a_catalogue_in_use_does_not_change(wheels: Path, folder: Folder) -> None:
    path = write_plugin(wheels)
    before = folder.catalogue()
    path.unlink()
    assert not folder.catalogue().plugins
    assert list(before.plugins) == ["parcels"]
    with pytest.raises(TypeError):
        before.plugins["more"] = before.plugins["parcels"]  # type: ignore[index]


def test_the_folder_is_not_looked_at_on_every_request(wheels: Path) -> None:
    folder = Folder(wheels, look_every_s=3600)
    first = folder.catalogue()
    path = write_plugin(wheels)
    assert folder.catalogue() is first
    assert list(folder.look().plugins) == ["parcels"]
    wheel, stream = folder.open(path.name)
    with stream:
        assert len(stream.read()) == wheel.size


def test_a_wheel_replaced_between_two_looks_is_read_anew_before_it_is_sent(wheels: Path) -> None:
    folder = Folder(wheels, look_every_s=3600)
    path = write_plugin(wheels, title="Old")
    before = folder.look().files[path.name]
    write_plugin(wheels, title="New and longer")

    wheel, stream = folder.open(path.name)
    with stream:
        data = stream.read()

    assert wheel.sha256 != before.sha256
    assert wheel.sha256 == hashlib.sha256(data).hexdigest()
    path.unlink()
    with pytest.raises(UnknownFile, match=re.escape(path.name)):
        folder.open(path.name)


def test_requests_go_on_with_the_old_catalogue_while_one_reads_the_folder(
    wheels: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = folder.catalogue()
    reading, go_on = threading.Event(), threading.Event()
    real = folder_module.read_wheel

    def slow(path: Path) -> Wheel:
        reading.set()
        assert go_on.wait(30)
        return real(path)

    monkeypatch.setattr(folder_module, "read_wheel", slow)
    write_plugin(wheels)
    reader = threading.Thread(target=folder.catalogue)
    reader.start()
    assert reading.wait(30)
    assert folder.catalogue() is before
    go_on.set()
    reader.join()
    assert list(folder.catalogue().plugins) == ["parcels"]


def test_a_folder_that_vanishes_empties_the_catalogue_and_comes_back(
    wheels: Path, client: FlaskClient
) -> None:
    write_plugin(wheels)
    assert plugin_ids(client) == ["parcels"]
    wheels.rename(wheels.with_name("away"))
    assert plugin_ids(client) == []
    wheels.with_name("away").rename(wheels)
    assert plugin_ids(client) == ["parcels"]


def test_other_files_and_folders_do_not_matter(wheels: Path, client: FlaskClient) -> None:
    (wheels / "notes.txt").write_text("notes")
    (wheels / "folder-1.0-py3-none-any.whl").mkdir()
    (wheels / "dangling-1.0-py3-none-any.whl").symlink_to(wheels / "nowhere")
    assert client.get("/api/v1/plugins").json == {"data": []}
    assert refused(client) == {}
