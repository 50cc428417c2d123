"""Static files: hashed and packed where the build made them, and pages that work without them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from karvan.web import assets

from .conftest import Visitor

CACHED = (
    assets.vendor_files,
    assets.font_faces,
    assets.icon,
    assets._drawings,
    assets._own_hash,
    assets._packed_names,
)


def forget() -> None:
    for function in CACHED:
        function.cache_clear()


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A static folder of our own files only, as after an install without npm."""
    for name in ("karvan.css", "karvan.js", "icon.svg"):
        (tmp_path / name).write_bytes((assets.STATIC / name).read_bytes())
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def vendored(static: Path) -> Path:
    """The same with one vendor script and one drawing."""
    vendor = static / "vendor"
    vendor.mkdir()
    (vendor / "manifest.json").write_text(json.dumps({"stamp": "", "files": {"htmx.js": "htmx.0a.js"}}))
    (vendor / "icons.json").write_text(json.dumps({"anchor": '<path d="M1 1"/>'}))
    (vendor / "htmx.0a.js").write_bytes(b"plain")
    (vendor / "htmx.0a.js.gz").write_bytes(gzip.compress(b"packed"))
    return static


@pytest.mark.parametrize("engine", ["sqlite"])
def test_pages_work_and_say_so_when_the_browser_files_are_missing(static: Path, visitor: Visitor) -> None:
    page = visitor.get("/c_ship")
    assert page.status_code == 200
    assert "browser files are missing" in page.text
    assert "/static/vendor" not in page.text
    assert '<svg class="k-icon' in page.text


@pytest.mark.parametrize("engine", ["sqlite"])
def test_vendor_files_are_sent_packed_and_kept_for_a_year(vendored: Path, stranger: Visitor) -> None:
    address = assets.vendor_url("htmx.js")
    assert address == "/static/vendor/htmx.0a.js"
    answer = stranger.get(address, headers={"Accept-Encoding": "gzip"}, buffered=True)
    assert gzip.decompress(answer.data) == b"packed"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.mimetype == "text/javascript"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    plain = stranger.get(address, headers={"Accept-Encoding": "identity"}, buffered=True)
    assert plain.data == b"plain"


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("name", ["../web/pages.py", "..%2fpages.py", "vendor/nothing.js", ".hidden"])
def test_only_static_files_are_sent(static: Path, stranger: Visitor, name: str) -> None:
    assert stranger.get(f"/static/{name}").status_code in (302, 404)


def test_an_unknown_icon_is_a_box_and_a_known_one_is_drawn(vendored: Path) -> None:
    assert '<path d="M1 1"/>' in assets.icon("anchor")
    assert "<rect" in assets.icon("no such icon")
