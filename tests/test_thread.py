"""The thread through the whole product: a marketplace, an install, widgets, a switch, and no residue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from karvan.testing import postgresql_database
from tests.live import ADMIN, Browser, Server, run, serve
from tests.snapshot import take_snapshot
from tests.source import ROOT
from tests.wheels import STARTER, build_wheels, serve_wheels

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("thread")]
CATALOGUE = ROOT / "plugins/onec/tests/data/import.xml"
"""A small catalogue as 1C writes it."""
WIDGETS = {
    "lead": {"telephony.calls", "lead_scoring.score"},
    "deal": {"price_book.lines"},
    "product": {"price_book.prices", "onec.origin"},
}
"""The widgets that each record page must show in its side or middle."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A marketplace with the wheels of the starter bundle."""
    with serve_wheels(build_wheels(tmp_path_factory.mktemp("market") / "wheels", *STARTER)) as address:
        yield address


@contextmanager
def database_of(engine: str, home: Path) -> Iterator[str]:
    """The URL of an empty database; empty text for the file below the home."""
    if engine == "sqlite":
        yield ""
    else:
        with postgresql_database() as url:
            yield url


def widgets_in(html: str) -> set[str]:
    return set(re.findall(r'data-widget="([^"]+)"', html))


def slots_in(html: str) -> list[str]:
    return [address.replace("&amp;", "&") for address in re.findall(r'hx-get="(/_w\?[^"]+)"', html)]


def shown(browser: Browser, path: str) -> set[str]:
    """The widgets that a page shows once its slots were asked for."""
    return {w for slot in slots_in(browser.get(path)) for w in widgets_in(browser.get(slot))}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_starter_bundle_lives_and_leaves_nothing_behind(engine: str, tmp_path: Path, index: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with database_of(engine, home) as url:
        with serve(home, url) as server:
            before = take_snapshot(url or f"sqlite:///{home}/karvan.sqlite3", home)
            run(home, url, "plugins", "install", "bundle:starter", "--index", index, "--yes")
            ids = make_records(server)
            run(home, url, "x", "onec", "import-file", str(CATALOGUE))
            found = server.call("GET", "/api/v1/records/product?limit=1&filter=onec__guid%20is%20not%20empty")
            ids["product"] = found.body["data"][0]["id"]
            run(home, url, "user", "create", "bo@example.com", "--password", "a good password", "--admin")
            ada, bo = Browser(server, ADMIN), Browser(server, "bo@example.com")
            for object, wanted in WIDGETS.items():
                assert wanted <= shown(ada, f"/{object}/{ids[object]}"), object
            check_switch(home, ada, bo, f"/lead/{ids['lead']}")
            for plugin in ("onec", "lead_scoring", "price_book", "telephony"):
                run(home, url, "plugins", "uninstall", plugin, "--purge", "--yes")
                assert server.call("GET", "/api/v1/records/deal").status == 200
            assert shown(bo, f"/lead/{ids['lead']}") == set()
        after = take_snapshot(url or f"sqlite:///{home}/karvan.sqlite3", home)
    assert after == before


def make_records(server: Server) -> dict[str, int]:
    """One lead, deal and product, made over REST as soon as the plugins are there."""

    def create(object: str, **values: Any) -> int:
        answer = server.call("POST", f"/api/v1/records/{object}", values)
        assert answer.status == 201, answer.body
        return int(answer.body["data"]["id"])

    return {
        "lead": create("lead", name="Ada"),
        "deal": create("deal", name="Ark", amount="10.00", amount_currency="EUR"),
        "product": create("product", name="Rope", price="2.50", price_currency="EUR"),
    }


def check_switch(home: Path, ada: Browser, bo: Browser, page: str) -> None:
    """One person switches a widget off: the server's log shows that it is called for the other one only."""
    slots = [slot for slot in slots_in(bo.get(page)) if "record.side" in slot]
    ada.post("/settings/widgets", slot="record.side", widget="telephony.calls", enabled="0")
    mark = len(log_of(home))
    assert "telephony.calls" not in shown(ada, page)
    ada.get(slots[0])
    assert "telephony.calls drawn" not in log_of(home)[mark:]
    assert "telephony.calls" in shown(bo, page)
    assert "widget telephony.calls drawn in record.side for user 2" in log_of(home)[mark:]


def log_of(home: Path) -> str:
    return (home / "serve.log").read_text(errors="replace")


def test_the_plan_is_shown_before_anything_is_changed(tmp_path: Path, index: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    run(home, "", "init", "--admin", ADMIN, "--password", "a good password")
    before = take_snapshot(f"sqlite:///{home}/karvan.sqlite3", home)
    plan = json.loads(run(home, "", "plugins", "install", "telephony", "--index", index, "--plan", "--json"))
    assert "x_telephony__call" in json.dumps(plan)
    assert take_snapshot(f"sqlite:///{home}/karvan.sqlite3", home) == before


def test_a_wheel_with_one_changed_byte_is_refused(tmp_path: Path) -> None:
    folder = build_wheels(tmp_path / "market" / "wheels", "telephony")
    home = tmp_path / "home"
    home.mkdir()
    run(home, "", "init", "--admin", ADMIN, "--password", "a good password")
    before = take_snapshot(f"sqlite:///{home}/karvan.sqlite3", home)
    with serve_wheels(folder) as address, altered(address) as proxy:
        run(home, "", "plugins", "install", "telephony", "--index", proxy, "--yes", expect=1)
    assert take_snapshot(f"sqlite:///{home}/karvan.sqlite3", home) == before


@contextmanager
def altered(address: str) -> Iterator[str]:
    """A man in the middle of an index: passes everything on, with one byte of each wheel changed."""

    class Middle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = Request(f"{address}{self.path}", headers={"Accept": self.headers.get("Accept", "*/*")})
            try:
                with urlopen(asked, timeout=30) as answer:
                    body, status = bytearray(answer.read()), answer.status
                    kind = answer.headers.get("Content-Type", "")
            except HTTPError as exc:
                body, status, kind = bytearray(exc.read()), exc.code, exc.headers.get("Content-Type", "")
            if self.path.endswith(".whl"):
                body[len(body) // 2] ^= 1
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Middle)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
