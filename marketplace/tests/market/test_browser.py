"""The pages in a real browser: nothing breaks the policy, nothing is wider than its window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from .server import serving
from .test_bundles import BUNDLE, write_bundle
from .test_pages import FILES, MAY
from .wheels import write_plugin

pytestmark = [pytest.mark.slow, pytest.mark.needs_chromium]

LONG = "W" * 120
ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4"/></svg>'


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    wheels = tmp_path_factory.mktemp("market") / "wheels"
    wheels.mkdir()
    write_plugin(wheels, more=MAY, files={**FILES, "icon.svg": ICON}, text=f"# Parcels\n\n{LONG}\n")
    write_plugin(wheels, "invoices", title=LONG, headers=f"Author: {LONG}\nLicense: {LONG}\n")
    write_bundle(wheels, BUNDLE)
    with serving(wheels) as url:
        yield url


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium)
        yield found
        found.close()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("language", ["en", "fa", "ru", "zh"])
def test_pages_fit_their_window_and_break_no_rule_of_their_own(
    market: str, browser: Browser, language: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("response", lambda answer: complaints.append(answer.url) if answer.status >= 400 else None)
    for path in ("/", "/plugins/parcels", "/plugins/invoices", "/bundles/delivery", "/?q=zzz"):
        page.goto(f"{market}{path}{'&' if '?' in path else '?'}lang={language}")
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert (path, beyond) == (path, 0)
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px"
    assert complaints == []
    context.close()


def test_the_language_is_changed_and_a_plugin_found_by_keyboard(market: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(market)
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("href") == "#main"
    page.locator("summary").press("Enter")
    page.get_by_role("link", name="Русский").press("Enter")
    page.get_by_role("searchbox").fill("parcels")
    page.get_by_role("searchbox").press("Enter")
    page.locator("h3 a[href='/plugins/parcels']").press("Enter")
    assert page.get_by_role("heading", level=1).inner_text() == "Parcels"
    assert page.locator("html").get_attribute("lang") == "ru"
    context.close()
