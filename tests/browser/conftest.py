"""A real browser before a running workspace with the crm plugin."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from karvan.app import create_app
from karvan.settings import Settings
from karvan.testing import ADMIN_EMAIL, ADMIN_PASSWORD, make_workspace
from karvan.web import setup
from tests.needs import find_chromium, require


class Quiet(WSGIRequestHandler):
    """No line per request in the output of the tests."""

    def log_request(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the running workspace answers."""
    workspace = make_workspace(Settings(home=tmp_path_factory.mktemp("home")), ("crm",))
    app = create_app(workspace=workspace)
    if "web" not in app.blueprints:
        setup(app, workspace)
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    workspace.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium; where there is none these tests are skipped with a notice, or fail under KARVAN_CI=1."""
    path = str(require(find_chromium))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(params=["with scripts", "without scripts"])
def page(request: pytest.FixtureRequest, chromium: Browser, address: str) -> Iterator[Page]:
    """A page of a signed-in administrator; at the end the console must be empty."""
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900},
        java_script_enabled=request.param == "with scripts",
        base_url=address,
        locale="en-GB",
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto("/login")
    page.fill("#email", ADMIN_EMAIL)
    page.fill("#password", ADMIN_PASSWORD)
    page.click("main form >> button.k-btn-p")
    yield page
    context.close()
    assert said == []
