"""Turns the long description of a wheel into HTML that can do no harm: no script, image, form or style."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

SHOWN_MAX = 64 * 1024
# fmt: off
TAGS = frozenset(
    {
        "a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "dl", "dt", "em", "h3", "h4",
        "h5", "h6", "hr", "i", "li", "ol", "p", "pre", "s", "strong", "sub", "sup", "table",
        "tbody", "td", "th", "thead", "tr", "ul"
    }
)
# fmt: on
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
SCHEMES = frozenset({"http", "https", "mailto"})
REL = "nofollow noopener noreferrer"


@functools.lru_cache(maxsize=128)
def render(text: str, media_type: str) -> Markup:
    """The HTML of a description. Markdown is laid out, all else is shown as it was written."""
    if len(text) > SHOWN_MAX:
        text, media_type = text[:SHOWN_MAX], "text/plain"
    if not text.strip():
        return Markup()
    if media_type.partition(";")[0].strip().lower() != "text/markdown":
        return Markup("<pre>{}</pre>").format(text.strip())
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    _lower_headings(_without_title(tokens))
    for token in tokens:
        _words_for_images(token)
    written = parser.renderer.render(_without_title(tokens), parser.options, {})
    return Markup(  # noqa: S704  cleaned by nh3 in this call
        nh3.clean(
            written,
            tags=set(TAGS),
            attributes=ATTRIBUTES,
            attribute_filter=_only_absolute,
            url_schemes=set(SCHEMES),
            link_rel=REL,
        )
    )


def _without_title(tokens: list[Token]) -> list[Token]:
    """A first heading repeats the name of the plugin, which stands above already."""
    return tokens[3:] if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1" else tokens


def _lower_headings(tokens: list[Token]) -> None:
    """The page has h1 and h2; the highest heading of the text becomes h3, and none skips a level."""
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    down = 3 - min((_level(token) for token in headings), default=3)
    level = 2
    for token in headings:
        if token.type == "heading_open":
            level = min(_level(token) + down, level + 1, 6)
        token.tag = f"h{level}"


def _level(token: Token) -> int:
    return int(token.tag[1])


def _words_for_images(token: Token) -> None:
    """A picture would be fetched from elsewhere, so its words stand in its place."""
    for child in token.children or ():
        if child.type == "image":
            child.type, child.tag, child.children = "text", "", None


def _only_absolute(tag: str, attribute: str, value: str) -> str | None:
    """Links that mean a place of their own; a relative one would lead into this site."""
    if attribute == "href" and not is_web_address(value):
        return None
    return value


def is_web_address(address: str) -> bool:
    """Whether an address may stand as a link on a page."""
    try:
        return urlsplit(address.strip()).scheme.lower() in SCHEMES
    except ValueError:
        return False
