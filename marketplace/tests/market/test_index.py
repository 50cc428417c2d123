"""The index as pip and uv read it: forms, names, hashes, files, and what may not be asked."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from karvan_marketplace import index

from .wheels import write_plugin, write_wheel

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PIP = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"


class Links(HTMLParser):
    """The anchors of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(attrs))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_an_empty_folder_is_an_empty_index(client: FlaskClient) -> None:
    assert client.get("/simple/", headers={"Accept": JSON}).json == {
        "meta": {"api-version": "1.1"},
        "projects": [],
    }


def test_a_project_states_its_files_with_hash_size_and_metadata(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, version="1.0")
    path = write_plugin(wheels, version="1.10")
    write_plugin(wheels, version="1.9")
    os.utime(path, ns=(0, 1_700_000_000_123_456_000))

    page = client.get("/simple/karvan-parcels/", headers={"Accept": PIP})

    assert page.content_type == JSON
    assert page.json["name"] == "karvan-parcels"
    assert page.json["versions"] == ["1.0", "1.9", "1.10"]
    newest = page.json["files"][-1]
    with zipfile.ZipFile(path) as zipped:
        metadata = zipped.read("karvan_parcels-1.10.dist-info/METADATA")
    assert newest == {
        "filename": path.name,
        "url": f"../../files/{path.name}",
        "hashes": {"sha256": sha256(path.read_bytes())},
        "size": path.stat().st_size,
        "upload-time": "2023-11-14T22:13:20.123456Z",
        "core-metadata": {"sha256": sha256(metadata)},
        "dist-info-metadata": {"sha256": sha256(metadata)},
        "requires-python": ">=3.8",
    }
    assert client.get(f"/files/{path.name}").data == path.read_bytes()
    assert client.get(f"/files/{path.name}.metadata").data == metadata


def test_the_html_says_the_same_as_the_json(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)

    [file] = client.get("/simple/karvan-parcels/", headers={"Accept": JSON}).json["files"]
    page = client.get("/simple/karvan-parcels/")

    assert page.content_type == "text/html; charset=utf-8"
    digest = f"sha256={file['core-metadata']['sha256']}"
    assert Links(page.text).found == [
        {
            "href": f"{file['url']}#sha256={file['hashes']['sha256']}",
            "data-core-metadata": digest,
            "data-dist-info-metadata": digest,
            "data-requires-python": ">=3.8",
        }
    ]
    assert 'data-requires-python="&gt;=3.8"' in page.text
    assert '<meta name="pypi:repository-version" content="1.1">' in page.text
    assert [a["href"] for a in Links(client.get("/simple/").text).found] == ["karvan-parcels/"]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (PIP, JSON),
        (f"{JSON}, {HTML};q=0.2, text/html", JSON),
        (f"{JSON};q=0.1, text/html;q=0.9", "text/html"),
        (f"{JSON};q=0.5, {HTML};q=0.9, text/html;q=0.1", HTML),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("application/vnd.pypi.simple.latest+html", HTML),
        (JSON.upper(), JSON),
        ("*/*", "text/html"),
        ("", "text/html"),
        ("text/*", "text/html"),
        ("application/*", JSON),
        ("text/html;q=0, */*", JSON),
        (f"{JSON};q=0, text/html;q=0, */*;q=0.1", HTML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        (f"image/png, {JSON};q=0.3", JSON),
        ("text/html;level=1", "text/html"),
    ],
)
def test_the_accept_header_chooses_the_form(client: FlaskClient, accept: str, form: str) -> None:
    page = client.get("/simple/", headers={"Accept": accept})
    assert page.status_code == 200
    assert page.mimetype == form
    assert page.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/vnd.pypi.simple.v2+json",
        "image/*",
        "text/html;q=0",
        f"{JSON};q=0, {HTML};q=0, text/html;q=0, */*;q=0",
    ],
)
def test_a_form_that_is_not_offered_is_answered_406(client: FlaskClient, accept: str) -> None:
    answer = client.get("/simple/", headers={"Accept": accept})
    assert answer.status_code == 406
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == "not_acceptable"
    assert JSON in answer.json["detail"]


def test_the_format_in_the_address_goes_before_the_header(client: FlaskClient) -> None:
    assert client.get("/simple/", query_string={"format": JSON}).mimetype == JSON
    assert client.get("/simple/", query_string={"format": "text/xml"}).status_code == 406


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/simple", "/simple/"),
        ("/simple/karvan-parcels", "/simple/karvan-parcels/"),
        ("/simple/Karvan_Parcels/", "/simple/karvan-parcels/"),
        ("/simple/karvan.-_parcels/", "/simple/karvan-parcels/"),
        ("/simple/Karvan.Parcels?format=x", "/simple/karvan-parcels/?format=x"),
    ],
)
def test_another_spelling_leads_to_the_one_address(client: FlaskClient, asked: str, path: str) -> None:
    answer = client.get(asked)
    assert (answer.status_code, answer.headers["Location"]) == (301, path)


@pytest.mark.parametrize("name", ["karvan-nothing", "-x", "a%20b", "é", "%2e%2e", "x" * 3000])
def test_an_unknown_project_is_answered_404(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/simple/{name}/", headers={"Accept": JSON})
    assert answer.status_code == 404
    assert answer.json["code"] == "unknown_project"


def test_a_name_with_dots_and_underscores_has_one_project(wheels: Path, client: FlaskClient) -> None:
    write_wheel(wheels, "Zope.Inter_face", filename="zope_inter_face-1.0-py3-none-any.whl")
    write_wheel(wheels, "zope-inter.face", "2.0", filename="zope.inter_face-2.0-py3-none-any.whl")

    page = client.get("/simple/zope-inter-face/", headers={"Accept": JSON}).json

    assert page["versions"] == ["1.0", "2.0"]
    for file in page["files"]:
        got = client.get(f"/files/{file['filename']}")
        assert sha256(got.data) == file["hashes"]["sha256"]
    assert client.get("/simple/", headers={"Accept": JSON}).json["projects"] == [{"name": "zope-inter-face"}]


def test_a_version_with_a_local_part_is_written_safely_into_its_address(
    wheels: Path, client: FlaskClient
) -> None:
    write_wheel(wheels, "local", "1.0+de.1")
    [file] = client.get("/simple/local/", headers={"Accept": JSON}).json["files"]
    assert file["url"] == "../../files/local-1.0%2Bde.1-py3-none-any.whl"
    assert client.get(urljoin("/simple/local/", file["url"])).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/%2e%2e%2fsecret.txt",
        "/files/..%5csecret.txt",
        "/files//etc/passwd",
        "/files/%2fetc%2fpasswd",
        "/files/notes.txt",
        "/files/nothing-1.0-py3-none-any.whl",
        "/files/.metadata",
        "/files/karvan_parcels-1.0-py3-none-any.whl%00",
        "/files/",
    ],
)
def test_nothing_but_an_offered_file_is_given_out(wheels: Path, client: FlaskClient, path: str) -> None:
    write_plugin(wheels)
    (wheels / "notes.txt").write_text("private")
    (wheels.parent / "secret.txt").write_text("private")

    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"


def test_a_page_that_did_not_change_is_answered_304(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    metadata = "/files/karvan_parcels-1.0-py3-none-any.whl.metadata"
    for path in ("/simple/", "/simple/karvan-parcels/", metadata):
        first = client.get(path)
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]

    before = client.get("/simple/karvan-parcels/").headers["ETag"]
    write_plugin(wheels, version="2.0")
    changed = client.get("/simple/karvan-parcels/", headers={"If-None-Match": before})
    assert changed.status_code == 200


def test_json_and_html_have_etags_of_their_own(client: FlaskClient) -> None:
    tags = {client.get("/simple/", headers={"Accept": a}).headers["ETag"] for a in (JSON, "text/html")}
    assert len(tags) == 2


@pytest.mark.parametrize(
    "path",
    [
        "/simple/",
        "/simple/karvan-parcels/",
        "/files/karvan_parcels-1.0-py3-none-any.whl",
        "/files/karvan_parcels-1.0-py3-none-any.whl.metadata",
        "/api/v1/plugins",
    ],
)
def test_head_answers_like_get_without_the_body(wheels: Path, client: FlaskClient, path: str) -> None:
    write_plugin(wheels)
    got, asked = client.get(path), client.head(path)
    assert asked.status_code == 200
    assert asked.data == b""
    for name in ("Content-Length", "Content-Type", "ETag"):
        assert asked.headers[name] == got.headers[name]


@pytest.mark.parametrize("whole_max", [0, 1_000_000], ids=["streamed", "whole"])
def test_a_part_of_a_file_can_be_asked_for(
    wheels: Path, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, whole_max: int
) -> None:
    monkeypatch.setattr(index, "WHOLE_MAX", whole_max)
    path = write_plugin(wheels)
    assert client.get(f"/files/{path.name}").data == path.read_bytes()
    answer = client.get(f"/files/{path.name}", headers={"Range": "bytes=-22"})
    assert answer.status_code == 206
    assert answer.data == path.read_bytes()[-22:]
    assert answer.headers["Content-Range"].endswith(f"/{path.stat().st_size}")
    beyond = client.get(f"/files/{path.name}", headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{path.stat().st_size}"


def test_a_replaced_wheel_is_never_sent_under_the_old_hash(wheels: Path, client: FlaskClient) -> None:
    path = write_plugin(wheels, title="Old")
    old = client.get("/simple/karvan-parcels/", headers={"Accept": JSON}).json["files"][0]
    write_plugin(wheels, title="New and longer")

    sent = client.get(f"/files/{path.name}")
    new = client.get("/simple/karvan-parcels/", headers={"Accept": JSON}).json["files"][0]

    assert new["hashes"] != old["hashes"]
    assert sha256(sent.data) == new["hashes"]["sha256"]
    assert sent.headers["ETag"] == f'"{new["hashes"]["sha256"]}"'


def test_a_removed_wheel_is_no_longer_offered(wheels: Path, client: FlaskClient) -> None:
    path = write_plugin(wheels)
    assert client.get("/simple/karvan-parcels/").status_code == 200
    path.unlink()
    assert client.get(f"/files/{path.name}").status_code == 404
    assert client.get("/simple/karvan-parcels/").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_index_can_only_be_read(client: FlaskClient, method: str) -> None:
    answer = getattr(client, method)("/simple/")
    assert answer.status_code == 405
    assert answer.json["code"] == "method_not_allowed"
    assert re.search(r"\bGET\b", answer.headers["Allow"])
