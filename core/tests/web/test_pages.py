"""The pages as a visitor without scripts sees them, on both engines."""

from __future__ import annotations

import re

import pytest

from karvan.workspace import Workspace

from .conftest import Visitor, make_ship

EVIL = "<script>alert(1)</script>"


# -- the door ------------------------------------------------------------------------------------------------


def test_a_stranger_is_led_to_the_door_and_back(stranger: Visitor) -> None:
    answer = stranger.get("/c_ship?sort=c_name")
    assert (answer.status_code, answer.location) == (302, "/login?next=/c_ship?sort%3Dc_name")
    stranger.get(answer.location)
    answer = stranger.post(
        "/login",
        {"email": "admin@example.com", "password": "a good password", "next": "/c_ship?sort=c_name"},
    )
    assert (answer.status_code, answer.location) == (302, "/c_ship?sort=c_name")
    assert stranger.get("/").status_code == 200


def test_the_session_cookie_is_out_of_reach_of_scripts(stranger: Visitor) -> None:
    cookie = next(c for c in stranger.sign_in().headers.getlist("Set-Cookie") if "karvan_session" in c)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    stranger.client.delete_cookie("karvan_session")
    stranger.get("/login", base_url="https://localhost")
    form = {"email": "admin@example.com", "password": "a good password"}
    secure = stranger.post(
        "/login", form, base_url="https://localhost", headers={"Referer": "https://localhost/login"}
    )
    assert any("karvan_session" in c and "Secure" in c for c in secure.headers.getlist("Set-Cookie"))


def test_a_wrong_password_says_only_that_the_two_dont_fit(stranger: Visitor) -> None:
    answer = stranger.sign_in(password="wrong wrong")
    assert answer.status_code == 422
    assert "belong together" in answer.text
    assert "wrong wrong" not in answer.text


@pytest.mark.parametrize("address", ["https://evil.example", "//evil.example", "/\\evil.example", "/login"])
def test_signing_in_leads_nowhere_else(stranger: Visitor, address: str) -> None:
    stranger.get("/login")
    form = {"email": "admin@example.com", "password": "a good password", "next": address}
    assert stranger.post("/login", form).location == "/"


def test_signing_out_ends_the_session(visitor: Visitor) -> None:
    assert visitor.post("/logout").location == "/login"
    assert visitor.get("/").status_code == 302


def test_a_form_without_the_token_is_refused(visitor: Visitor, harbour: Workspace) -> None:
    visitor.token = ""
    answer = visitor.post("/c_ship/new", {"c_name": "Aurora"})
    assert answer.status_code == 400
    assert "too old" in answer.text
    assert "Aurora" not in visitor.get("/c_ship").text


def test_pages_forbid_foreign_and_inline_scripts(visitor: Visitor) -> None:
    answer = visitor.get("/c_ship")
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"style-src 'self' 'nonce-([^']+)'", policy)
    assert nonce is not None
    assert f'<style nonce="{nonce[1]}">' in answer.text
    assert "script-src 'self';" in policy
    assert not re.search(r"<[^>]+ (on\w+|style)=", answer.text)
    assert re.findall(r"<script(?! src=)", answer.text) == []


def test_a_session_that_was_ended_elsewhere_leads_to_the_door(visitor: Visitor, harbour: Workspace) -> None:
    visitor.get("/c_ship")
    with harbour.database.write() as transaction:
        transaction.execute("DELETE FROM k_session", ())
    for attempt in (visitor.get("/c_ship"), visitor.post("/c_ship/new", {"c_name": "Aurora"})):
        assert (attempt.status_code, attempt.location.partition("?")[0]) == (302, "/login")
    assert visitor.get("/login").status_code == 200


# -- lists ---------------------------------------------------------------------------------------------------


def test_home_and_lists_show_what_there_is(visitor: Visitor, harbour: Workspace) -> None:
    number = make_ship(harbour, name="Borealis", crew=12)
    assert f'href="/c_ship/{number}"' in visitor.get("/").text
    page = visitor.get("/c_ship").text
    assert "Borealis" in page
    assert "Ships" in page


def test_an_empty_list_says_what_to_do(visitor: Visitor) -> None:
    assert "Make the first record" in visitor.get("/c_ship").text


def test_a_filter_narrows_the_list(visitor: Visitor, harbour: Workspace) -> None:
    make_ship(harbour, name="Small", crew=2)
    make_ship(harbour, name="Large", crew=200)
    page = visitor.get("/c_ship", query_string={"filter": "c_crew > 100"}).text
    assert "Large" in page
    assert "Small" not in page


def test_a_wrong_filter_is_answered_at_its_place(visitor: Visitor) -> None:
    answer = visitor.get("/c_ship", query_string={"filter": "c_name = 'A' and c_crw > 100"})
    assert answer.status_code == 422
    assert "<mark>c_crw</mark>" in answer.text
    assert 'id="filter-error"' in answer.text
    assert "c_crw" in answer.text
    assert "did you mean c_crew" in answer.text


def test_a_damaged_cursor_or_order_is_answered_on_the_page(visitor: Visitor, harbour: Workspace) -> None:
    make_ship(harbour)
    assert visitor.get("/c_ship?after=rubbish").status_code == 422
    assert visitor.get("/c_ship?sort=nothing").status_code == 422


def test_a_click_on_a_head_sorts_and_a_second_turns(visitor: Visitor, harbour: Workspace) -> None:
    for name in ("B", "C", "A"):
        make_ship(harbour, name=f"ship {name}")
    page = visitor.get("/c_ship?sort=c_name").text
    assert [page.index(f"ship {n}") for n in "ABC"] == sorted(page.index(f"ship {n}") for n in "ABC")
    assert 'aria-sort="ascending"' in page
    assert "sort=-c_name" in page


def test_pages_follow_each_other_without_gaps(visitor: Visitor, harbour: Workspace) -> None:
    for number in range(60):
        make_ship(harbour, name=f"ship {number:02}")
    first = visitor.get("/c_ship?sort=c_name").text
    following = re.search(r'href="([^"]*after=[^"]*)"', first)
    assert following is not None
    second = visitor.get(following[1].replace("&amp;", "&")).text
    names = [set(re.findall(r"ship \d\d", page)) for page in (first, second)]
    assert len(names[0]) == 50
    assert names[0] | names[1] == {f"ship {n:02}" for n in range(60)}
    assert not names[0] & names[1]
    assert "First page" in second


# -- records and forms ---------------------------------------------------------------------------------------

WHOLE = {
    "c_name": "Aurora",
    "c_crew": "1,200",
    "c_value": "1500.5",
    "c_value_currency": "usd",
    "c_draught": "4.125",
    "c_load": "12.5",
    "c_kind": "tanker",
    "c_launched": "2026-03-31",
    "c_seen_at": "2026-03-31T10:00",
    "c_active__there": "1",
    "c_active": "1",
    "c_notes": "one\r\ntwo",
    "c_mail": "a@ship.example",
    "c_radio": "+1 202 555 0123",
    "c_site": "https://ship.example",
    "c_extra": '{"a": 1}',
}


def test_a_record_is_made_seen_and_changed(visitor: Visitor, harbour: Workspace) -> None:
    answer = visitor.post("/c_ship/new", WHOLE)
    assert answer.status_code == 302, answer.text
    page = visitor.get(answer.location).text
    for shown in ("Aurora", "1200", "$1,500.50", "4.125", "12.5%", "Tanker", "31 Mar", "Yes", "one\ntwo"):
        assert shown in page
    form = visitor.get(f"{answer.location}/edit").text
    version = re.search(r'name="version" value="(\d+)"', form)
    assert version is not None
    changed = visitor.post(f"{answer.location}/edit", {**WHOLE, "c_crew": "7", "version": version[1]})
    assert changed.location == answer.location
    history = visitor.get(changed.location).text
    assert re.search(r"1200.*7", history, flags=re.DOTALL)


def test_saving_without_a_change_writes_nothing(visitor: Visitor, harbour: Workspace) -> None:
    location = visitor.post("/c_ship/new", WHOLE).location
    visitor.get(location)
    assert visitor.post(f"{location}/edit", {**WHOLE, "version": "1"}).status_code == 302
    assert 'name="version" value="1"' in visitor.get(f"{location}/edit").text


def test_nothing_typed_is_lost_when_the_form_itself_is_wrong(visitor: Visitor) -> None:
    answer = visitor.post("/c_ship/new", {"c_name": "", "c_crew": "many", "c_extra": "{", "c_notes": "kept"})
    assert answer.status_code == 422
    for name in ("c_name", "c_crew", "c_extra"):  # the service's findings and the form's, all at once
        assert answer.text.count(f'id="e-{name}"') == 1
    assert 'value="many"' in answer.text
    assert "kept" in answer.text
    assert "Make the first record" in visitor.get("/c_ship").text


def test_a_form_that_is_wrong_in_itself_leaves_nothing_behind(visitor: Visitor) -> None:
    assert visitor.post("/c_ship/new", {"c_name": "Half", "c_extra": "{"}).status_code == 422
    assert "Half" not in visitor.get("/c_ship").text


def test_findings_of_the_service_stand_beside_their_inputs(visitor: Visitor) -> None:
    answer = visitor.post("/c_ship/new", {"c_name": "", "c_crew": "99999999", "c_mail": "nobody"})
    assert answer.status_code == 422
    for name in ("c_name", "c_crew", "c_mail"):
        assert f'id="e-{name}"' in answer.text


def test_who_comes_second_is_told_and_may_keep_his(visitor: Visitor, harbour: Workspace) -> None:
    location = visitor.post("/c_ship/new", WHOLE).location
    visitor.get(f"{location}/edit")
    assert visitor.post(f"{location}/edit", {**WHOLE, "c_crew": "8", "version": "1"}).status_code == 302
    answer = visitor.post(f"{location}/edit", {**WHOLE, "c_crew": "9", "version": "1"})
    assert answer.status_code == 422
    assert "Somebody changed this record" in answer.text
    assert 'name="version" value="2"' in answer.text
    assert visitor.post(f"{location}/edit", {**WHOLE, "c_crew": "9", "version": "2"}).status_code == 302


def test_a_lookup_is_typed_by_name_or_number(visitor: Visitor, harbour: Workspace) -> None:
    number = make_ship(harbour, name='The "Old" \\ One')
    for typed in ('The "Old" \\ One', f"#{number}"):
        answer = visitor.post("/c_voyage/new", {"c_name": "North", "c_ship": typed})
        assert answer.status_code == 302, answer.text
        assert f'href="/c_ship/{number}"' in visitor.get(answer.location).text
    assert "North" in visitor.get(f"/c_ship/{number}").text


def test_a_name_that_is_unknown_or_not_clear_is_refused(visitor: Visitor, harbour: Workspace) -> None:
    make_ship(harbour, name="Twin")
    make_ship(harbour, name="Twin")
    visitor.get("/c_voyage/new")
    assert "no record named" in visitor.post("/c_voyage/new", {"c_ship": "Nobody"}).text
    assert "Several records" in visitor.post("/c_voyage/new", {"c_ship": "Twin"}).text


def test_a_picker_offers_names_that_begin_alike(visitor: Visitor, harbour: Workspace) -> None:
    make_ship(harbour, name="Aurora")
    make_ship(harbour, name=f"Aur{EVIL}")
    make_ship(harbour, name="Borealis")
    found = visitor.get("/c_ship/names?c_ship=Aur", headers={"HX-Request": "true"}).text
    assert 'value="Aurora"' in found
    assert "Borealis" not in found
    assert "<script" not in found


def test_a_new_voyage_opened_from_a_ship_names_it(visitor: Visitor, harbour: Workspace) -> None:
    number = make_ship(harbour, name="Aurora")
    page = visitor.get(f"/c_voyage/new?c_ship={number}").text
    assert f'name="c_ship__id" value="{number}"' in page


def test_what_is_deleted_can_be_brought_back_at_once(visitor: Visitor, harbour: Workspace) -> None:
    number = make_ship(harbour)
    visitor.get(f"/c_ship/{number}")
    answer = visitor.post(f"/c_ship/{number}/delete")
    page = visitor.get(answer.location).text
    assert "is in the trash" in page
    assert f'action="/c_ship/{number}/restore"' in page
    assert "Aurora" in visitor.get("/c_ship/trash").text
    assert visitor.post(f"/c_ship/{number}/restore").location == f"/c_ship/{number}"
    assert visitor.get(f"/c_ship/{number}").status_code == 200


# -- hostile text --------------------------------------------------------------------------------------------


def test_markup_in_every_text_is_shown_as_text(visitor: Visitor, harbour: Workspace) -> None:
    number = make_ship(harbour, name=EVIL, code=EVIL, notes=EVIL, extra={"a": EVIL})
    addresses = (
        "/", "/c_ship", f"/c_ship/{number}", f"/c_ship/{number}/edit", f"/c_voyage/new?c_ship={number}",
        f"/c_ship?filter={EVIL}", f"/c_ship?sort={EVIL}", f"/c_ship?view={EVIL}", f"/c_ship?deleted={EVIL}",
    )  # fmt: skip
    for address in addresses:
        assert "<script>alert" not in visitor.get(address).text, address
    visitor.get(f"/c_ship/{number}")
    visitor.post(f"/c_ship/{number}/delete")
    assert "<script>alert" not in visitor.get("/c_ship/trash").text


# -- languages, colours, errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "direction", "word"),
    [("en", "ltr", "Settings"), ("ru", "ltr", "Настройки"), ("fa", "rtl", "تنظیمات"), ("zh", "ltr", "设置")],
)
def test_a_person_chooses_the_language(visitor: Visitor, language: str, direction: str, word: str) -> None:
    visitor.post("/settings/look", {"language": language, "next": "/c_ship"})
    page = visitor.get("/c_ship").text
    assert f'<html lang="{language}" dir="{direction}"' in page
    assert word in page


def test_persian_pages_show_persian_numbers_and_days(visitor: Visitor, harbour: Workspace) -> None:
    number = make_ship(harbour, crew=12345, launched="2026-03-21")
    visitor.post("/settings/look", {"language": "fa"})
    page = visitor.get(f"/c_ship/{number}").text
    assert "۱۲٬۳۴۵" in page
    assert "۱ فروردین" in page
    assert "۱۴۰۵/۰۱/۰۱" in visitor.get(f"/c_ship/{number}/edit").text


def test_the_browser_chooses_the_language_of_the_door(stranger: Visitor) -> None:
    page = stranger.get("/login", headers={"Accept-Language": "fa-IR,fa;q=0.9,en;q=0.5"}).text
    assert 'dir="rtl"' in page
    assert "گذرواژه" in page


def test_the_colours_are_kept(visitor: Visitor) -> None:
    visitor.post("/settings/look", {"theme": "dark"})
    assert 'data-theme="dark"' in visitor.get("/").text


@pytest.mark.parametrize("address", ["/c_nothing", "/c_ship/999999", "/a/b/c", "/c_ship/12x"])
def test_what_is_not_there_has_a_page(visitor: Visitor, address: str) -> None:
    answer = visitor.get(address)
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"


def test_settings_list_objects(visitor: Visitor) -> None:
    assert "c_ship" in visitor.get("/settings").text


def test_the_api_is_left_alone(stranger: Visitor) -> None:
    answer = stranger.get("/api/v1/records/c_ship")
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
