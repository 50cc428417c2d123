"""The pages: what they say, in which language, how they search, and what they never let through."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import karvan_marketplace
from karvan_marketplace.app import create_app
from karvan_marketplace.folder import Folder
from karvan_marketplace.search import QUERY_MAX

from .test_bundles import BUNDLE, write_bundle
from .wheels import OBJECT, write_plugin

MAY = """\
capabilities = ["records:read:parcel", "records:read:deal", "http:track.example", "sql"]
objects = ["objects/parcel.toml"]
commands = ["replay"]
links = { home = "https://parcels.example", bad = "javascript:alert(1)" }
categories = ["delivery"]

[[public_routes]]
surface = "api"
path = "/events"
methods = ["POST"]
why = { en = "The carrier reports here.", fa = "باربری اینجا گزارش می‌دهد." }

[[fields]]
object = "contact"
name = "door_code"
type = "text"
label = "Door code"

[[widgets]]
id = "map"
title = "Parcel map"
slots = ["record.side"]
"""
FILES = {"objects/parcel.toml": OBJECT.format(name="parcel")}
MARKDOWN = "Description-Content-Type: text/markdown\n"


class Page(HTMLParser):
    """What a page holds, as far as the tests ask."""

    VOID = frozenset({"meta", "link", "img", "input", "hr", "br", "wbr", "rect", "circle", "path", "ellipse"})

    INLINE = frozenset({"a", "b", "bdi", "code", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag not in self.INLINE:
            self.text += " "

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())


def page(client: FlaskClient, path: str, **headers: str) -> Page:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return Page(answer.text)


def names_on(found: Page) -> list[str]:
    return [a["href"] for a in found.all("a") if a["href"].startswith("/plugins/")]


# -- what they say -----------------------------------------------------------------------------------------


def test_the_home_page_lists_plugins_with_what_they_may_do(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, more=MAY, files=FILES)
    write_plugin(wheels, "invoices", title="Invoices")
    found = page(client, "/")
    assert names_on(found) == ["/plugins/invoices", "/plugins/parcels"]
    for text in ("Does what Parcels does.", "Version 1.0", "Ada Rowan", "MIT", "2 plugins"):
        assert text in found.words
    assert "May read parcels, deal" in found.words
    assert "Asks for nothing but its own records" in found.words


def test_the_page_of_a_plugin_says_in_plain_words_what_it_may_do_and_adds(
    wheels: Path, client: FlaskClient
) -> None:
    write_plugin(wheels, more=MAY, files=FILES)
    words = page(client, "/plugins/parcels").words
    for text in (
        "May read parcels, deal",
        "May send data to track.example Data leaves",
        "May run SQL of its own on your database Sees all data",
        "May be called from outside: POST /api/x/parcels/events The carrier reports here. Open to all",
        "It does not ask for: mail, files, secrets.",
        "Parcels parcel",
        "Door code contact.door_code",
        "Parcel map",
        "karvan x parcels replay",
        "karvan plugins install parcels \\ --index http://localhost",
    ):
        assert text in words


def test_the_public_address_stands_in_the_command(wheels: Path, folder: Folder) -> None:
    write_plugin(wheels)
    client = create_app(folder, "https://plugins.example/").test_client()
    words = page(client, "/plugins/parcels").words
    assert "karvan plugins install parcels \\ --index https://plugins.example" in words
    assert "localhost" not in words


def test_every_version_stands_with_its_hash(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, version="1.0")
    write_plugin(wheels, version="2.0b1")
    found = page(client, "/plugins/parcels")
    for file in client.get("/api/v1/plugins/parcels").json["data"]["files"]:
        assert file["sha256"] in found.text
        assert file["url"] in [a["href"] for a in found.all("a")]
    assert "2.0b1 Preview" in found.words


def test_a_link_that_is_no_web_address_is_not_offered(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, more=MAY, files=FILES)
    hrefs = [a["href"] for a in page(client, "/plugins/parcels").all("a")]
    assert "https://parcels.example" in hrefs
    assert not [href for href in hrefs if "javascript" in href]


def test_a_requirement_leads_to_its_plugin_or_is_said_to_be_missing(
    wheels: Path, client: FlaskClient
) -> None:
    write_plugin(wheels, more='requires = { invoices = ">=1.0", crm = ">=0.1" }')
    write_plugin(wheels, "invoices", title="Invoices")
    found = page(client, "/plugins/parcels")
    assert "/plugins/invoices" in names_on(found)
    assert "crm Not offered here >=0.1" in found.words


def test_a_bundle_shows_its_plugins_and_what_is_missing(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    write_bundle(wheels, BUNDLE)
    words = page(client, "/bundles/delivery").words
    assert "This bundle is not complete here." in words
    assert "Missing in the wanted version: invoices." in words
    assert "karvan plugins install parcels" in words
    assert "karvan plugins install invoices" not in words
    assert "Delivery" in page(client, "/").words


def test_a_complete_bundle_is_installed_by_one_command(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    write_plugin(wheels, "invoices", title="Invoices")
    write_bundle(wheels, BUNDLE)
    words = page(client, "/bundles/delivery").words
    assert "karvan plugins install bundle:delivery" in words
    assert "karvan plugins install parcels" not in words


def test_names_of_others_can_carry_no_markup(wheels: Path, client: FlaskClient) -> None:
    evil = "<script>alert(1)</script>"
    write_plugin(
        wheels,
        title=evil,
        headers=f"Author: {evil}\nLicense: {evil}\n",
        more=f'categories = ["{evil}"]\nlinks = {{ "{evil}" = "https://x.example" }}',
        text=evil,
    )
    for path in ("/", "/plugins/parcels", f"/?category={evil}", f"/?q={evil}"):
        answer = client.get(path)
        assert evil not in answer.text
        assert Page(answer.text).all("script") == []
    assert "&lt;script&gt;" not in client.get("/api/v1/plugins/parcels").text


# -- languages and looks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "language", "direction"),
    [
        ("fa-IR,fa;q=0.9,en;q=0.5", "fa", "rtl"),
        ("zh-CN", "zh", "ltr"),
        ("ru", "ru", "ltr"),
        ("de, fr;q=0.5", "en", "ltr"),
        ("", "en", "ltr"),
        ("de, ru;q=0.3", "ru", "ltr"),
    ],
)
def test_the_browser_chooses_the_language(
    client: FlaskClient, accept: str, language: str, direction: str
) -> None:
    [html] = page(client, "/", **{"Accept-Language": accept}).all("html")
    assert (html["lang"], html["dir"]) == (language, direction)


def test_a_chosen_language_goes_first_and_is_remembered(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    answer = client.get("/?lang=fa", headers={"Accept-Language": "ru"})
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]
    found = page(client, "/plugins/parcels", **{"Accept-Language": "ru"})
    assert found.all("html")[0]["lang"] == "fa"
    assert "افزونهٔ Parcels" in found.words


def test_counts_take_the_digits_of_the_language(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    assert "۱ افزونه" in page(client, "/?lang=fa").words


def test_a_text_that_lacks_the_language_is_marked_with_its_own(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    languages = [bdi.get("lang") for bdi in page(client, "/?lang=zh").all("bdi")]
    assert "en" in languages


def test_colours_are_remembered(client: FlaskClient) -> None:
    assert page(client, "/?theme=dark").all("html")[0]["data-theme"] == "dark"
    assert page(client, "/").all("html")[0]["data-theme"] == "dark"
    assert page(client, "/?theme=pink").all("html")[0]["data-theme"] == "dark"


def test_the_language_links_keep_the_search(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    hrefs = [a["href"] for a in page(client, "/?q=parcels").all("a")]
    assert "/?lang=ru&q=parcels" in hrefs or "/?q=parcels&lang=ru" in hrefs


def test_the_style_uses_logical_properties_only() -> None:
    style = (Path(karvan_marketplace.__file__).parent / "static/market.css").read_text(encoding="utf-8")
    physical = re.compile(
        r"\b(?:margin|padding|border)-(?:left|right)\b|[{;]\s*(?:left|right)\s*:|(?:float|clear)\s*:"
        r"|text-align:\s*(?:left|right)"
    )
    rules = [rule for rule in style.split("}") if physical.search(rule)]
    assert all(".m-num" in rule for rule in rules)


# -- search ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PARCELS", ["/plugins/parcels"]),
        ("what does invoices", ["/plugins/invoices"]),
        ("افزونه", ["/plugins/invoices", "/plugins/parcels"]),
        ("افزونۀ", []),
        ("ada", ["/plugins/invoices", "/plugins/parcels"]),
        ("karvan-parcels", ["/plugins/parcels"]),
        ("بسته", ["/plugins/parcels"]),
        ("%", []),
        ("' OR 1=1 --", []),
        ("   ", ["/plugins/invoices", "/plugins/parcels"]),
    ],
)
def test_plugins_are_found_by_words_in_any_language(
    wheels: Path, client: FlaskClient, query: str, found: list[str]
) -> None:
    write_plugin(wheels, more='objects = ["objects/parcel.toml"]', files=FILES)
    write_plugin(wheels, "invoices", title="Invoices")
    answer = client.get("/", query_string={"q": query})
    assert names_on(Page(answer.text)) == found


def test_a_hit_in_the_name_stands_before_one_in_the_text(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, "a_tool", title="A tool", headers="Author: Parcels Guild\n")
    write_plugin(wheels)
    assert names_on(page(client, "/?q=parcels")) == ["/plugins/parcels", "/plugins/a_tool"]


def test_a_category_narrows_the_list(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, more='categories = ["delivery", "odd_one"]')
    write_plugin(wheels, "invoices", title="Invoices", more='categories = ["finance"]')
    assert names_on(page(client, "/?category=finance")) == ["/plugins/invoices"]
    assert names_on(page(client, "/?category=nothing")) == []
    assert "Odd one 1" in page(client, "/").words


def test_a_search_text_beyond_the_limit_is_refused_by_name(client: FlaskClient) -> None:
    assert client.get("/", query_string={"q": "x" * QUERY_MAX}).status_code == 200
    answer = client.get("/", query_string={"q": "x" * (QUERY_MAX + 1)})
    assert answer.status_code == 400
    assert "at most 200 characters" in Page(answer.text).words


def test_a_long_list_comes_in_pages(wheels: Path, client: FlaskClient) -> None:
    for number in range(61):
        write_plugin(wheels, f"p{number:02}", title=f"P{number:02}")
    first, last = page(client, "/"), page(client, "/?page=2")
    assert len(names_on(first)) == 60
    assert names_on(last) == ["/plugins/p60"]
    assert "Page 1 of 2" in first.words
    for beyond in ("/?page=99", "/?page=-1", "/?page=x"):
        assert client.get(beyond).status_code == 200


# -- what they never let through ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/plugins/nothing", "/bundles/nothing", "/nowhere", "/icons/nothing.svg"])
def test_an_unknown_page_is_a_page_with_404(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers={"Accept-Language": "ru"})
    assert answer.status_code == 404
    assert "Здесь ничего нет" in Page(answer.text).words


def test_a_fault_of_ours_is_logged_and_shown_without_details(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("karvan_marketplace.pages.find_plugins", broken)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text


def test_pages_allow_no_script_and_nothing_foreign(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels, files={"icon.svg": "<svg/>"})
    for path in ("/", "/plugins/parcels", "/plugins/nothing"):
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        found = Page(answer.text)
        assert found.all("script") == []
        assert found.all("style") == []
        assert not [a for _, a in found.tags if "style" in a or any(n.startswith("on") for n in a)]
        loaded = [a["src"] for a in found.all("img")] + [a["href"] for a in found.all("link")]
        assert all(address.startswith("/") for address in loaded)


def test_an_icon_is_served_so_that_nothing_in_it_can_run(wheels: Path, client: FlaskClient) -> None:
    drawn = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    write_plugin(wheels, files={"icon.svg": drawn})
    answer = client.get("/icons/parcels.svg")
    assert answer.mimetype == "image/svg+xml"
    assert answer.text == drawn
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "/icons/parcels.svg" in [i["src"] for i in page(client, "/plugins/parcels").all("img")]
    again = client.get("/icons/parcels.svg", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_plugin_without_an_icon_has_a_letter(wheels: Path, client: FlaskClient) -> None:
    write_plugin(wheels)
    assert client.get("/icons/parcels.svg").status_code == 404
    assert [i["src"] for i in page(client, "/plugins/parcels").all("img") if "icons" in i["src"]] == []


@pytest.mark.parametrize("name", ["market.css", "logo.svg"])
def test_own_files_are_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 200


@pytest.mark.parametrize("name", ["..%2fapp.py", "app.py", "%2e%2e/icons.toml"])
def test_no_other_file_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_pages_have_landmarks_and_headings_in_order(wheels: Path, client: FlaskClient) -> None:
    write_plugin(
        wheels, more=MAY, files=FILES, headers=MARKDOWN, text="# Top\n\ntext\n\n### Deep\n\n###### Deeper\n"
    )
    write_bundle(wheels, BUNDLE)
    for path in ("/", "/plugins/parcels", "/bundles/delivery", "/plugins/nothing"):
        found = Page(client.get(path).text)
        levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h[1-6]", tag)]
        main = [a for tag, a in found.tags if tag == "main"]
        assert len(main) == 1
        assert main[0]["id"] == "main"
        assert found.all("a")[0]["href"] == "#main"
        assert levels.count(1) == 1
        after = levels[levels.index(1) :]
        assert all(b - a <= 1 for a, b in itertools.pairwise(after))
        ids = [a["id"] for _, a in found.tags if "id" in a]
        assert len(ids) == len(set(ids))
        assert all("alt" in image for image in found.all("img"))
