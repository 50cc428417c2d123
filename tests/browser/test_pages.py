"""From the door to a changed record in a real browser, in English and Persian, with and without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow


def choose_language(page: Page, code: str) -> None:
    page.goto("/")
    page.click(".k-me summary")
    if page.get_attribute("html", "lang") != code:
        page.click(f'.k-me button[value="{code}"]')
    expect(page.locator("html")).to_have_attribute("lang", code)


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("fa", "rtl")])
def test_a_record_is_made_found_and_changed(page: Page, language: str, direction: str) -> None:
    choose_language(page, language)
    expect(page.locator("html")).to_have_attribute("dir", direction)
    page.click('.k-side a[href="/account"]')
    page.click('a[href="/account/new"]')
    page.fill("#f-name", "Aurora Lines")
    page.click(".k-foot .k-btn-p")
    page.wait_for_url(re.compile(r"/account/\d+$"))
    expect(page.locator("h1")).to_have_text("Aurora Lines")

    page.goto("/deal/new")
    page.fill("#f-name", "Two ferries")
    page.fill("#f-account", f"#{last_account(page)}")
    page.fill("#f-amount", "۱۲۳۴٫۵" if language == "fa" else "1234.50")
    page.fill("#f-close_date", "۱۴۰۵/۱۰/۰۱" if language == "fa" else "2026-12-22")
    page.click(".k-foot .k-btn-p")
    page.wait_for_url(re.compile(r"/deal/\d+$"))
    expect(page.locator(".k-rec")).to_contain_text("۱٬۲۳۴٫۵۰" if language == "fa" else "1,234.50")

    page.click('.k-path button[value="proposal"]')
    expect(page.locator(".k-path .k-cur button")).to_have_attribute("value", "proposal")
    page.click('a[href$="/edit"]')
    page.fill("#f-amount", "۲۰۰۰" if language == "fa" else "2000")
    page.click(".k-foot .k-btn-p")
    expect(page.locator(".k-tl")).to_contain_text("۲٬۰۰۰" if language == "fa" else "2,000")

    page.goto("/deal?view=all")
    expect(page.locator(".k-tbl tbody")).to_contain_text("Two ferries")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_deleted_comes_back_by_undo(page: Page) -> None:
    choose_language(page, "en")
    page.goto("/account/new")
    page.fill("#f-name", "Gone Soon")
    page.click(".k-foot .k-btn-p")
    page.wait_for_url(re.compile(r"/account/\d+$"))
    page.click('form[action$="/delete"] button')
    page.click(".k-toast button")
    expect(page.locator("h1")).to_have_text("Gone Soon")


def test_a_picker_offers_names_while_typing(page: Page, request: pytest.FixtureRequest) -> None:
    scripts = request.node.callspec.params["page"]
    name = f"Zephyr {scripts}"
    page.goto("/account/new")
    page.fill("#f-name", name)
    page.click(".k-foot .k-btn-p")
    page.wait_for_url(re.compile(r"/account/\d+$"))
    page.goto("/deal/new")
    page.locator("#f-account").press_sequentially("Zeph")
    if scripts == "with scripts":
        expect(page.locator(f'#l-account option[value="{name}"]')).to_have_count(1)
    page.fill("#f-account", name)
    page.fill("#f-name", "New engines")
    page.click(".k-foot .k-btn-p")
    expect(page.locator(".k-rec")).to_contain_text(name)


def last_account(page: Page) -> str:
    """The number of the account that was made last."""
    answer = page.request.get("/account?sort=-id")
    found = re.search(r'<td><a class="k-m" href="/account/(\d+)"', answer.text())
    assert found is not None
    return found[1]
