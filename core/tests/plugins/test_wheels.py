"""Reading wheels that are broken, encrypted, odd or without end: one clear error, and bounded memory."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

from karvan.plugins import wheels
from karvan.plugins.index import IndexFailed, IndexFile
from karvan.plugins.wheels import read_metadata, read_plugins
from karvan_sdk.errors import ManifestInvalid

from .shelf import make_plugin, make_wheel

INFO = "karvan_zoo-1.0.dist-info"


def offered(wheel: Path) -> IndexFile:
    return IndexFile(
        project="karvan-zoo",
        version=Version("1.0"),
        filename=wheel.name,
        url=f"https://market.example/{wheel.name}",
        sha256="",
    )


def both_refuse(wheel: Path, why: str) -> None:
    for read in (read_plugins, read_metadata):
        with pytest.raises(IndexFailed, match=why) as caught:
            read(wheel, offered(wheel))
        assert wheel.name in caught.value.message


def test_a_wheel_says_what_it_needs_and_which_plugins_it_brings(tmp_path: Path) -> None:
    wheel = make_plugin(tmp_path, "zoo", requires=("gnu>=1",))
    (found,) = read_plugins(wheel, offered(wheel))
    assert (found.manifest.id, found.version, found.entry) == ("zoo", "1.0", "karvan_zoo.plugin")
    assert read_metadata(wheel, offered(wheel)).get_all("Requires-Dist") == ["gnu>=1"]


def test_an_ordinary_wheel_brings_no_plugin(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "gnu")
    assert read_plugins(wheel, offered(wheel)) == []


@pytest.mark.parametrize("body", [b"", b"no zip", b"PK\x05\x06"], ids=["empty", "text", "cut"])
def test_what_is_no_zip_is_refused(tmp_path: Path, body: bytes) -> None:
    wheel = tmp_path / "karvan_zoo-1.0-py3-none-any.whl"
    wheel.write_bytes(body)
    both_refuse(wheel, "no wheel that can be read")


def change(wheel: Path, central: int, local: int, value: int) -> None:
    """Write a number into the heads of every file of a zip, at these places in the two kinds of heads."""
    body = bytearray(wheel.read_bytes())
    for mark, place in ((b"PK\x01\x02", central), (b"PK\x03\x04", local)):
        at = body.find(mark)
        while at >= 0:
            body[at + place] = value
            at = body.find(mark, at + 4)
    wheel.write_bytes(bytes(body))


def test_a_wheel_packed_in_a_way_nobody_knows_is_refused(tmp_path: Path) -> None:
    wheel = make_plugin(tmp_path, "zoo")
    change(wheel, 10, 8, 77)
    both_refuse(wheel, "compression")


def test_an_encrypted_wheel_is_refused(tmp_path: Path) -> None:
    wheel = make_plugin(tmp_path, "zoo")
    change(wheel, 8, 6, 1)
    both_refuse(wheel, "encrypted")


def test_a_wheel_with_spoilt_contents_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "karvan_zoo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in ("METADATA", "entry_points.txt"):
            opened.writestr(f"{INFO}/{name}", "Name: karvan-zoo\n" * 200)
    body = bytearray(wheel.read_bytes())
    at = body.find(b"PK\x03\x04")
    while at >= 0:
        start = at + 30 + body[at + 26] + body[at + 28]
        body[start : start + 8] = b"\xff" * 8
        at = body.find(b"PK\x03\x04", at + 4)
    wheel.write_bytes(bytes(body))
    both_refuse(wheel, "no wheel that can be read")


@pytest.mark.parametrize(
    ("names", "why"),
    [((), "0 files of metadata"), ((INFO, "other-1.0.dist-info"), "2 files of metadata")],
    ids=["none", "two"],
)
def test_metadata_is_one_file(tmp_path: Path, names: tuple[str, ...], why: str) -> None:
    wheel = tmp_path / "karvan_zoo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr("karvan_zoo/__init__.py", "")
        for name in names:
            opened.writestr(f"{name}/METADATA", "Name: karvan-zoo\n")
    with pytest.raises(IndexFailed, match=why):
        read_metadata(wheel, offered(wheel))


def test_a_file_in_a_wheel_that_unpacks_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "ENTRY_MAX", 1000)
    blank = " " * 2000
    wheel = make_wheel(
        tmp_path, "karvan-zoo", metadata=f"Name: karvan-zoo\n{blank}\n", entries=f"[karvan.plugins]\n{blank}"
    )
    both_refuse(wheel, "has more than 1000 bytes")


def test_texts_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "karvan_zoo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as opened:
        opened.writestr(f"{INFO}/entry_points.txt", b"[karvan.plugins]\n\xff")
    with pytest.raises(IndexFailed, match="no wheel that can be read"):
        read_plugins(wheel, offered(wheel))


def test_a_manifest_that_is_not_there_is_a_finding_about_the_plugin(tmp_path: Path) -> None:
    entries = "[karvan.manifests]\nzoo = karvan_zoo:manifest.toml\n"
    wheel = make_wheel(tmp_path, "karvan-zoo", entries=entries)
    with pytest.raises(ManifestInvalid, match="zoo"):
        read_plugins(wheel, offered(wheel))
