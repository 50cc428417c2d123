"""Long descriptions: what is laid out, and what is taken out."""

from __future__ import annotations

import pytest

from karvan_marketplace.readme import SHOWN_MAX, is_web_address, render

MARKDOWN = "text/markdown; charset=UTF-8; variant=GFM"


def test_markdown_is_laid_out() -> None:
    html = render("**Bold** and\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", MARKDOWN)
    assert "<strong>Bold</strong>" in html
    assert "<li>two</li>" in html
    assert "<td>2</td>" in html


@pytest.mark.parametrize("media_type", ["text/x-rst", "text/plain", "", "image/png"])
def test_what_is_no_markdown_is_shown_as_it_was_written(media_type: str) -> None:
    assert render("*a* <b>&", media_type) == "<pre>*a* &lt;b&gt;&amp;</pre>"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<iframe src='https://evil.example'></iframe>",
        "<style>body{display:none}</style>",
        "[click](javascript:alert(1))",
        "[click](JaVaScRiPt:alert(1))",
        "[click](&#106;avascript:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "<javascript:alert(1)>",
        "![pixel](https://evil.example/pixel.png)",
        "[a]: javascript:alert(1)\n\n[a]",
        '[x](https://a.example "onmouseover=alert(1)")',
        '```"><script>alert(1)</script>\n```',
        "<a href='x' onclick='alert(1)'>x</a>",
        "<form action='https://evil.example'><input name=password></form>",
    ],
)
def test_nothing_that_runs_or_loads_comes_through(text: str) -> None:
    html = render(text, MARKDOWN).lower()
    for tag in ("<script", "<img", "<iframe", "<style", "<form", "<input"):
        assert tag not in html
    for scheme in ('href="javascript', 'href="data', 'src="'):
        assert scheme not in html
    assert " onclick=" not in html.replace("&lt;a href='x' onclick='alert(1)'&gt;", "")


def test_links_lead_away_from_this_site_and_say_so() -> None:
    html = render("[guide](https://a.example/guide) [near](/simple/) [next](other.md)", MARKDOWN)
    assert '<a href="https://a.example/guide" rel="nofollow noopener noreferrer">guide</a>' in html
    assert html.count("href=") == 1
    assert "near" in html


def test_an_image_is_replaced_by_its_words() -> None:
    html = render("before ![the call card](https://a.example/x.png) after", MARKDOWN)
    assert html == "<p>before the call card after</p>\n"


def test_headings_fit_below_those_of_the_page() -> None:
    html = render("# karvan-parcels\n\n## What\n\n### How\n\n###### Deep\n", MARKDOWN)
    assert "karvan-parcels" not in html
    assert "<h3>What</h3>" in html
    assert "<h4>How</h4>" in html
    assert "<h5>Deep</h5>" in html


def test_an_empty_description_is_nothing() -> None:
    assert render("  \n", MARKDOWN) == ""


def test_a_description_beyond_the_limit_is_cut_and_shown_plainly() -> None:
    html = render("# x\n" * SHOWN_MAX, MARKDOWN)
    assert html.startswith("<pre># x")
    assert len(html) < SHOWN_MAX + 20


@pytest.mark.parametrize("part", ["[", "![[", ">", "*a ", "[a](b", "_a__b"])
def test_a_description_made_to_hang_the_server_is_laid_out_all_the_same(part: str) -> None:
    assert render(part * (60_000 // len(part)), MARKDOWN)


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://a.example", True),
        ("HTTP://a.example", True),
        ("mailto:ada@a.example", True),
        ("javascript:alert(1)", False),
        ("//a.example", False),
        ("/files/x", False),
        ("https://[broken", False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(address: str, safe: bool) -> None:
    assert is_web_address(address) is safe
