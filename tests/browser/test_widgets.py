"""Widgets of the first-party plugins in a real browser: switches, forms, calls, languages, no scripts."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.looks import contrasts, nameless, outline, overflowing, skipped_levels
from tests.browser.visits import Office, Visit
from tests.live import run, serve
from tests.wheels import STARTER, build_wheels, serve_wheels

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("widgets")]

NUMBER = "+49 30 1234567"
SCORED_WITHIN_S = 30
WATCHED_MS = 7000
"""A call card is asked for every five seconds, so seven show whether it is."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Office]:
    """A workspace with the starter bundle from a marketplace, served by two workers."""
    home = tmp_path_factory.mktemp("office")
    wheels = build_wheels(tmp_path_factory.mktemp("market") / "wheels", *STARTER)
    with serve_wheels(wheels) as index, serve(home) as server:
        run(home, "", "plugins", "install", "bundle:starter", "--index", index, "--yes")
        yield Office(home=home, server=server, browser=chromium)


# -- a record and its switches -----------------------------------------------------------------------------


def test_a_record_asks_once_for_the_widgets_of_its_side(office: Office) -> None:
    lead = office.make("lead", name="Ada", company="Ark", email="ada@example.org", phone=NUMBER)
    with office.visit() as visit:
        open_record(visit, f"/lead/{lead}")
        expect(widget(visit.page, "telephony.calls").locator("h2")).to_have_text("Calls")
        expect(widget(visit.page, "lead_scoring.score").locator("h2")).to_have_text("Score")
        expect(visit.page.locator(".k-skel")).to_have_count(0)
        assert len(visit.slots("record.side")) == 1
        assert visit.slots("record.main") == []  # no widget stands there for a lead
        assert '{"' not in visit.page.locator("main").inner_text()


def test_a_widget_that_is_switched_off_is_not_asked_for(office: Office) -> None:
    lead = office.make("lead", name="Bo")
    with office.visit() as visit:
        page = visit.page
        open_record(visit, f"/lead/{lead}")
        switch_off(visit, "telephony.calls")
        expect(widget(page, "lead_scoring.score")).to_be_visible()
        open_record(visit, f"/lead/{lead}")
        expect(widget(page, "telephony.calls")).to_have_count(0)
        switch_off(visit, "lead_scoring.score")
        open_record(visit, f"/lead/{lead}", widgets=False)
        assert visit.slots("record.side") == []
        page.goto("/settings/widgets")
        for name in ("Calls", "Score"):
            expect(page.get_by_role("switch", name=name, exact=True)).not_to_be_checked()


def test_the_keyboard_alone_switches_and_orders_widgets(office: Office) -> None:
    lead = office.make("lead", name="Cleo")
    with office.visit() as visit:
        page = visit.page
        open_record(visit, f"/lead/{lead}")
        first, last = order(page)
        switch_off(visit, last)
        page.goto("/settings/widgets")
        name = page.locator(f'form:has([value="{last}"]) [role=switch]').get_attribute("aria-label")
        press_on(page, f"{name}", "Space")
        expect(page.get_by_role("switch", name=f"{name}", exact=True)).to_be_checked()
        while page.get_by_role("button", name=f"Move up: {name}").is_enabled():
            press_on(page, f"Move up: {name}", "Enter")
        open_record(visit, f"/lead/{lead}")
        assert order(page) == [last, first]


# -- a deal and its lines ----------------------------------------------------------------------------------


def test_a_line_is_added_corrected_and_removed_without_a_page_load(office: Office) -> None:
    office.make("product", name="Rope", price="2.50", price_currency="EUR")
    deal = office.make("deal", name="Ark", amount="10.00", amount_currency="EUR")
    with office.visit() as visit:
        page = visit.page
        open_record(visit, f"/deal/{deal}")
        card = widget(page, "price_book.lines")
        add_line(page, "rop", "three")
        expect(card.get_by_role("alert")).to_contain_text("three")
        expect(card.get_by_label("Or type SKU or name")).to_have_value("rop")
        expect(card.get_by_label("Quantity")).to_have_value("three")
        card.get_by_label("Quantity").fill("3")
        card.get_by_label("Quantity").press("Enter")
        expect(card.get_by_role("row", name="Rope")).to_contain_text("7.50")
        expect(card.get_by_role("status")).to_contain_text("Rope")
        expect(card.get_by_label("Or type SKU or name")).to_have_value("")
        expect(card.get_by_label("Quantity")).to_be_focused()
        card.get_by_role("button", name="Remove “Rope”").click()
        expect(card.get_by_role("row", name="Rope")).to_have_count(0)
        assert len(visit.documents()) == 1


# -- a call ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/", "/deal", "/settings"])
def test_a_ringing_call_shows_its_card_on_any_page(office: Office, address: str) -> None:
    with office.visit() as visit:
        page = visit.page
        page.goto(address)
        with ringing(office):
            card = widget(page, "telephony.call_card")
            expect(card).to_be_visible(timeout=WATCHED_MS)
            expect(card).to_contain_text("+49 30 1234567")
            card.get_by_role("button", name="Hide this card for me").click()
            expect(card).to_have_count(0, timeout=WATCHED_MS)
            assert len(visit.documents()) == 1


def test_who_switched_the_call_card_off_is_not_asked_for_calls(office: Office) -> None:
    with office.visit() as visit, ringing(office):
        page = visit.page
        page.goto("/settings/widgets")
        page.get_by_role("switch", name="Call card", exact=True).click()
        expect(page.get_by_role("switch", name="Call card", exact=True)).not_to_be_checked()
        page.goto("/lead")
        visit.forget()
        page.wait_for_timeout(WATCHED_MS)
        assert visit.slots("global.call_card") == []


def test_the_card_of_a_call_that_is_switched_off_stops_asking_at_once(office: Office) -> None:
    with office.visit() as visit, ringing(office):
        page = visit.page
        page.goto("/lead")
        expect(widget(page, "telephony.call_card")).to_be_visible(timeout=WATCHED_MS)
        switch_off(visit, "telephony.call_card")
        expect(page.locator('[data-slot="global.call_card"]')).to_have_count(0)
        visit.forget()
        page.wait_for_timeout(WATCHED_MS)
        assert visit.slots("global.call_card") == []


def test_a_card_that_stays_is_not_put_in_again(office: Office) -> None:
    """A card put in anew every five seconds would take the focus away and be read aloud each time."""
    with office.visit() as visit, ringing(office):
        page = visit.page
        page.goto("/lead")
        card = widget(page, "telephony.call_card")
        expect(card).to_be_visible(timeout=WATCHED_MS)
        hide = card.get_by_role("button", name="Hide this card for me")
        hide.focus()
        visit.forget()
        page.wait_for_timeout(WATCHED_MS)
        assert visit.slots("global.call_card")
        expect(hide).to_be_focused()


# -- without scripts ---------------------------------------------------------------------------------------


def test_without_scripts_a_record_and_the_forms_of_its_widgets_are_whole(office: Office) -> None:
    office.make("product", name="Anchor", price="40.00", price_currency="EUR")
    deal = office.make("deal", name="Ark", amount="10.00", amount_currency="EUR")
    with office.visit(scripts=False) as visit:
        page = visit.page
        page.goto(f"/deal/{deal}")
        expect(page.locator("h1")).to_have_text("Ark")
        expect(page.locator(".k-fl").first).to_contain_text("Ark")
        show_widgets(page, "record.main")
        add_line(page, "anch", "none")
        expect(page.get_by_role("alert")).to_contain_text("none")
        expect(page.get_by_label("Or type SKU or name")).to_have_value("anch")
        expect(page.locator("nav.k-side")).to_be_visible()
        add_line(page, "anch", "2")
        page.wait_for_url(f"/deal/{deal}")
        show_widgets(page, "record.main")
        expect(page.get_by_role("row", name="Anchor")).to_contain_text("80")
        page.get_by_role("button", name="Remove “Anchor”").click()
        page.wait_for_url(f"/deal/{deal}")
        show_widgets(page, "record.main")
        expect(page.get_by_role("row", name="Anchor")).to_have_count(0)
        page.get_by_role("button", name="Switch off: Lines").click()
        page.wait_for_url(f"/deal/{deal}")
        expect(page.locator('[data-slot="record.main"]')).to_have_count(0)


# -- languages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["1280", "390"])
@pytest.mark.parametrize(("language", "direction"), [("fa", "rtl"), ("en", "ltr")])
def test_no_page_with_plugins_scrolls_sideways(
    office: Office, language: str, direction: str, size: tuple[int, int]
) -> None:
    book = office.make("price_book", name="Wholesale of everything that floats", currency="EUR")
    product = office.make("product", name="Sail of the largest size there is", price="1234567.50")
    office.make("book_price", book=book, product=product, price="1234000.25")
    deal = office.make("deal", name="Fleet", amount="10.00", amount_currency="EUR")
    office.make("deal_line", deal=deal, product=product, quantity="12345.5")
    lead = office.make("lead", name="Farah", company="Navigation and Shipping Company", email="f@example.org")
    addresses = [f"/lead/{lead}", f"/deal/{deal}", f"/product/{product}", "/", "/settings/widgets",
                 "/settings/plugins/telephony", "/x/price_book/", "/settings"]  # fmt: skip
    with office.visit(language, size=size) as visit:
        page = visit.page
        for address in addresses:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            expect(page.locator("html")).to_have_attribute("dir", direction)
            assert page.locator(".k-skel").count() == 0, address
            assert overflowing(page) == [], address


@pytest.mark.parametrize(
    ("language", "titles"),
    [
        ("ru", ["Звонки", "Баллы"]),
        ("fa", ["تماس‌ها", "امتیاز"]),
        ("zh", ["通话", "评分"]),
    ],
)
def test_the_titles_of_widgets_are_in_the_language_of_the_reader(
    office: Office, language: str, titles: list[str]
) -> None:
    rule = office.make("score_rule", name="Dara", on_object="lead", condition="name = 'Dara'", points=40)
    lead = office.make("lead", name="Dara", email="dara@example.org")
    with office.visit(language) as visit:
        page = visit.page
        open_record(visit, f"/lead/{lead}")
        heads = page.locator('[data-slot="record.side"] .k-widget h2')
        assert sorted(heads.all_inner_texts()) == sorted(titles)
        card = widget(page, "lead_scoring.score")
        card.locator('form[action*="recompute"] button').click()
        expect(card.get_by_role("status")).not_to_be_empty()
        until_scored(visit, f"/lead/{lead}", rule)
        points = card.locator(".k-kpi-v").inner_text()
        digits = "۰۱۲۳۴۵۶۷۸۹" if language == "fa" else "0123456789"
        assert set(points) <= set(digits), points


# -- settings of a plugin ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_settings_of_a_plugin_are_saved_or_say_what_is_wrong(office: Office, scripts: bool) -> None:
    with office.visit(scripts=scripts, refusals=frozenset({422})) as visit:
        page = visit.page
        page.goto("/settings/plugins/lead_scoring")
        grade = page.locator("input").and_(page.get_by_label("Grade A from"))
        grade.fill("80")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved")
        expect(grade).to_have_value("80")
        grade.fill("many")
        page.get_by_role("button", name="Save").click()
        expect(grade).to_have_attribute("aria-invalid", "true")
        expect(grade).to_have_value("many")
        told = page.locator(f"#{grade.get_attribute('aria-describedby')}")
        expect(told).to_be_visible()
        grade_b = page.locator("input").and_(page.get_by_label("Grade B from"))
        expect(grade_b).not_to_have_attribute("aria-invalid", "true")
        page.goto("/settings/plugins/lead_scoring")
        expect(grade).to_have_value("80")


# -- for everybody -----------------------------------------------------------------------------------------


def test_everything_in_widgets_has_a_name_and_headings_skip_no_level(office: Office) -> None:
    product = office.make("product", name="Mast", price="90.00", price_currency="EUR")
    deal = office.make("deal", name="Yacht", amount="10.00", amount_currency="EUR")
    office.make("deal_line", deal=deal, product=product, quantity="1")
    lead = office.make("lead", name="Emil", email="emil@example.org", phone=NUMBER)
    with office.visit() as visit, ringing(office):
        page = visit.page
        for address in (f"/lead/{lead}", f"/deal/{deal}", f"/product/{product}", "/", "/settings/widgets",
                        "/settings/plugins/telephony", "/x/price_book/"):  # fmt: skip
            page.goto(address)
            expect(widget(page, "telephony.call_card")).to_be_visible(timeout=WATCHED_MS)
            expect(page.locator(".k-skel")).to_have_count(0)
            assert nameless(page) == [], address
            assert skipped_levels(page) == [], address


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_text_of_widgets_stands_out_from_its_background(office: Office, theme: str) -> None:
    product = office.make("product", name="Keel", price="90.00", price_currency="EUR")
    deal = office.make("deal", name="Brig", amount="10.00", amount_currency="EUR")
    office.make("deal_line", deal=deal, product=product, quantity="1", discount="5")
    lead = office.make("lead", name="Fred", email="fred@example.org", rating="hot", phone=NUMBER)
    with office.visit(theme=theme) as visit, ringing(office):
        page = visit.page
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        for address in (f"/lead/{lead}", f"/deal/{deal}", f"/product/{product}", "/", "/settings/widgets"):
            page.goto(address)
            expect(widget(page, "telephony.call_card")).to_be_visible(timeout=WATCHED_MS)
            expect(page.locator(".k-skel")).to_have_count(0)
            texts = contrasts(page)
            assert len(texts) > 3
            assert [t for t in texts if t["ratio"] < 4.5] == [], address


def test_the_focus_is_seen_on_switches_and_buttons_of_widgets(office: Office) -> None:
    lead = office.make("lead", name="Gus")
    with office.visit() as visit:
        page = visit.page
        page.goto("/settings/widgets")
        tab_to(page, "Calls")
        assert outline(page) >= 2
        open_record(visit, f"/lead/{lead}")
        tab_to(page, "Switch off: Calls")
        assert outline(page) >= 2
        expect(page.locator(".k-widget > .k-ch form:focus-within")).to_have_css("opacity", "1")


# -- the words and actions of the tests --------------------------------------------------------------------


def open_record(visit: Visit, address: str, *, widgets: bool = True) -> None:
    """Open a page, count from there, and wait for its widgets, or for the quiet of a page without."""
    visit.forget()
    visit.page.goto(address)
    if widgets:
        visit.page.wait_for_selector("main .k-widget", timeout=15_000)
    else:
        visit.page.wait_for_load_state("networkidle")


def until_scored(visit: Visit, address: str, rule: int) -> None:
    """Open a record again and again until the worker has scored it by a rule."""
    deadline = time.monotonic() + SCORED_WITHIN_S
    while True:
        open_record(visit, address)
        expect(visit.page.locator(".k-skel")).to_have_count(0)
        if widget(visit.page, "lead_scoring.score").locator(f'a[href="/score_rule/{rule}"]').count():
            return
        assert time.monotonic() < deadline, f"{address} got no score"


def widget(page: Page, id: str) -> Locator:
    return page.locator(f'[data-widget="{id}"]')


def order(page: Page) -> list[str]:
    """The widgets of the record's side from top to bottom."""
    found = page.locator('[data-slot="record.side"] .k-widget')
    return [str(found.nth(i).get_attribute("data-widget")) for i in range(found.count())]


def switch_off(visit: Visit, id: str) -> None:
    """Press the eye in a widget's head; the page stays."""
    loads = len(visit.documents())
    found = widget(visit.page, id)
    found.hover()
    found.get_by_role("button", name=re.compile("^Switch off")).click()
    expect(found).to_have_count(0)
    assert len(visit.documents()) == loads


def press_on(page: Page, name: str, key: str) -> None:
    """Go by Tab to the element of this name, press a key, and wait for the page that follows."""
    tab_to(page, name)
    with page.expect_navigation():
        page.keyboard.press(key)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element of this name has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == name:
            return
    raise AssertionError(f"Tab does not reach '{name}'.")


def show_widgets(page: Page, slot: str) -> None:
    """Follow the link that stands in a slot for people without scripts."""
    page.locator(f'[data-slot="{slot}"] a').click()


def add_line(page: Page, product: str, quantity: str) -> None:
    """Fill the form of a deal's lines and send it."""
    page.get_by_label("Or type SKU or name").fill(product)
    page.get_by_label("Quantity").fill(quantity)
    page.get_by_role("button", name="Add line").click()


@contextmanager
def ringing(office: Office) -> Iterator[None]:
    """A call that rings, and ends afterwards so that its card is on no other page."""
    call = f"call-{next(office.numbers)}"
    office.command("x", "telephony", "ring", "--from", NUMBER, "--call-id", call)
    try:
        yield
    finally:
        office.command("x", "telephony", "ring", "--from", NUMBER, "--call-id", call, "--event", "missed")
