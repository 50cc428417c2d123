"""What is asked of an index, what is taken from it, and what is refused with the address named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from karvan.plugins import index as module
from karvan.plugins.index import Index, IndexFailed

from .shelf import Shelf, make_wheel, offered


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with offered(tmp_path / "shelf") as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "downloads"
    made.mkdir()
    return made


def versions(index: Index, project: str = "gnu") -> list[str]:
    return [str(file.version) for file in index.files(project)]


# -- the project page --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "/", "/simple", "/simple/"])
def test_an_index_is_named_with_or_without_simple(shelf: Shelf, end: str) -> None:
    make_wheel(shelf.folder, "gnu")
    assert versions(Index(shelf.url + end)) == ["1.0"]
    assert shelf.asked == ["/simple/gnu/"]


def test_wheels_come_newest_first_and_by_number_not_by_text(shelf: Shelf) -> None:
    for version in ("1.9", "1.10", "1.2"):
        make_wheel(shelf.folder, "gnu", version)
    assert versions(Index(shelf.url), "GNU") == ["1.10", "1.9", "1.2"]


def test_a_project_that_is_not_there_has_no_wheels(shelf: Shelf) -> None:
    assert versions(Index(shelf.url)) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"yanked": "broken"},
        {"yanked": True},
        {"requires-python": "<3"},
        {"requires-python": "of course"},
        {"hashes": {}},
        {"hashes": "none"},
        {"hashes": {"md5": "0" * 32}},
        {"filename": "gnu-1.0.tar.gz"},
        {"filename": "gnu-1.0-py2-none-any.whl"},
        {"filename": "gnu-1.0-cp311-cp311-win_arm64.whl"},
        {"filename": "other-1.0-py3-none-any.whl"},
        {"filename": "gnu-1.0-1/../../../../evil-py3-none-any.whl"},
        {"filename": None},
        {"url": "http://[broken"},
    ],
    ids=lambda entry: "-".join(f"{k}={v}" for k, v in entry.items())[:40],
)
def test_an_entry_that_cannot_be_used_here_is_passed_over(shelf: Shelf, entry: dict[str, object]) -> None:
    shelf.entries[make_wheel(shelf.folder, "gnu").name] = entry
    make_wheel(shelf.folder, "gnu", "0.9")
    assert versions(Index(shelf.url)) == ["0.9"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"files": 7}', b"\xff", b""])
def test_a_page_of_another_kind_is_refused_and_its_address_said(shelf: Shelf, body: bytes) -> None:
    shelf.answers["/simple/gnu/"] = body
    with pytest.raises(IndexFailed, match=f"{shelf.url}/simple/gnu/: it answered something that is no"):
        Index(shelf.url).files("gnu")


def test_a_page_without_end_is_cut_off(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JSON_MAX", 1000)
    shelf.answers["/simple/gnu/"] = b" " * 5000
    with pytest.raises(IndexFailed, match="it answered more than 1000 bytes"):
        Index(shelf.url).files("gnu")


def test_a_slow_answer_is_given_up(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE_S", -1.0)
    make_wheel(shelf.folder, "gnu")
    with pytest.raises(IndexFailed, match="its answer took longer"):
        Index(shelf.url).files("gnu")


@pytest.mark.parametrize(
    "url", ["ftp://x/", "nonsense", "", "file:///etc", "http://", "http://[::1", "http://127.0.0.1:9/"]
)
def test_an_index_that_cannot_be_asked_is_named(url: str) -> None:
    with pytest.raises(IndexFailed, match=r"address|reached"):
        Index(url).files("gnu")


def test_a_redirect_out_of_http_is_not_followed(shelf: Shelf) -> None:
    shelf.moved["/simple/gnu/"] = "file:///etc/passwd"
    with pytest.raises(IndexFailed, match="/simple/gnu/"):
        Index(shelf.url).files("gnu")


def test_addresses_of_files_are_taken_from_where_the_page_really_is(shelf: Shelf, folder: Path) -> None:
    make_wheel(shelf.folder, "gnu")
    page = shelf.answer("/simple/gnu/")
    assert page is not None
    shelf.moved["/simple/gnu/"] = "/deep/simple/gnu/"
    shelf.answers["/deep/simple/gnu/"] = page
    (file,) = Index(shelf.url).files("gnu")
    assert file.url == f"{shelf.url}/deep/files/gnu-1.0-py3-none-any.whl"


# -- files -------------------------------------------------------------------------------------------------


def test_a_wheel_is_fetched_once_and_whole(shelf: Shelf, folder: Path) -> None:
    wheel = make_wheel(shelf.folder, "gnu")
    index = Index(shelf.url)
    (file,) = index.files("gnu")
    path = index.download(file, folder)
    assert index.download(file, folder) == path
    assert path.read_bytes() == wheel.read_bytes()
    assert file.size == wheel.stat().st_size
    assert shelf.asked.count(f"/files/{wheel.name}") == 1


def test_a_changed_wheel_is_named_with_both_hashes_and_not_kept(shelf: Shelf, folder: Path) -> None:
    wheel = make_wheel(shelf.folder, "gnu")
    index = Index(shelf.url)
    (file,) = index.files("gnu")
    other = wheel.read_bytes()[:-1] + b"!"
    shelf.answers[f"/files/{wheel.name}"] = other
    with pytest.raises(IndexFailed) as caught:
        index.download(file, folder)
    assert caught.value.message == (
        f"{shelf.url}/files/{wheel.name}: its hash is sha256:{hashlib.sha256(other).hexdigest()}, "
        f"the index promised sha256:{file.sha256}. Nothing was installed."
    )
    assert list(folder.iterdir()) == []


def test_a_wheel_without_end_is_cut_off_and_not_kept(
    shelf: Shelf, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHEEL_MAX", 100)
    make_wheel(shelf.folder, "gnu")
    index = Index(shelf.url)
    with pytest.raises(IndexFailed, match="it answered more than 100 bytes"):
        index.download(index.files("gnu")[0], folder)
    assert list(folder.iterdir()) == []


def test_metadata_is_read_without_the_wheel_where_it_is_offered(shelf: Shelf) -> None:
    wheel = make_wheel(shelf.folder, "gnu", requires=("yak>=1",))
    index = Index(shelf.url)
    said = index.metadata(index.files("gnu")[0])
    assert said is not None
    assert said.get_all("Requires-Dist") == ["yak>=1"]
    assert f"/files/{wheel.name}" not in shelf.asked
    shelf.entries[wheel.name] = {"core-metadata": True}
    assert index.metadata(index.files("gnu")[0]) is None


def test_changed_metadata_is_refused(shelf: Shelf) -> None:
    wheel = make_wheel(shelf.folder, "gnu")
    shelf.answers[f"/files/{wheel.name}.metadata"] = b"Name: gnu\nRequires-Dist: evil\n"
    index = Index(shelf.url)
    with pytest.raises(IndexFailed, match=r"\.metadata: its hash is sha256:"):
        index.metadata(index.files("gnu")[0])


def test_a_file_that_is_gone_is_named(shelf: Shelf, folder: Path) -> None:
    wheel = make_wheel(shelf.folder, "gnu")
    index = Index(shelf.url)
    (file,) = index.files("gnu")
    wheel.unlink()
    with pytest.raises(IndexFailed, match=f"{wheel.name}: it is not there"):
        index.download(file, folder)


# -- the catalogue -----------------------------------------------------------------------------------------


def test_the_catalogue_tells_plugins_and_bundles(shelf: Shelf) -> None:
    shelf.catalogue["plugins/zoo"] = {"id": "zoo", "distribution": "zoological-garden"}
    shelf.catalogue["bundles/all"] = {"id": "all", "plugins": [{"id": "zoo", "version": ">=1"}]}
    index = Index(shelf.url)
    assert (index.plugin("zoo") or {})["distribution"] == "zoological-garden"
    assert index.bundle("all")["plugins"] == [{"id": "zoo", "version": ">=1"}]


def test_a_bare_index_knows_no_plugin_and_says_so_of_a_bundle(shelf: Shelf) -> None:
    index = Index(shelf.url)
    assert index.plugin("zoo") is None
    with pytest.raises(IndexFailed, match=f"{shelf.url}: there is no bundle 'all' in its catalogue"):
        index.bundle("all")


def test_a_catalogue_that_answers_something_else_is_refused(shelf: Shelf) -> None:
    shelf.answers["/api/v1/plugins/zoo"] = b'{"data": [1]}'
    with pytest.raises(IndexFailed, match="no entry of a catalogue"):
        Index(shelf.url).plugin("zoo")
