"""Chooses the form of the index by the Accept header, as PEP 691 and RFC 9110 12.5.1 say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from werkzeug.datastructures import MIMEAccept

from karvan_marketplace.errors import NotAcceptable

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN = "text/html"
NAMED = 2

OFFERS: Mapping[str, str] = MappingProxyType(
    {
        JSON: JSON,
        "application/vnd.pypi.simple.latest+json": JSON,
        HTML: HTML,
        "application/vnd.pypi.simple.latest+html": HTML,
        PLAIN: PLAIN,
    }
)
"""The media types that may be asked for, best first, and the type that is answered."""


def choose_form(accept: MIMEAccept, wanted: str = "") -> str:
    """The media type to answer with; `wanted` is the `format` parameter of the URL and goes first.

    Whoever accepts everything, or says nothing, gets plain HTML, as before PEP 691. werkzeug's own choice
    is not used: it reads `text/html;q=0, */*` as leave for text/html.
    """
    if wanted:
        if wanted not in OFFERS:
            raise _refusal(wanted)
        return OFFERS[wanted]
    if not accept:
        return PLAIN
    best, chosen = (0.0, 0), ""
    for offer, answer in OFFERS.items():
        quality, precision = _rate(offer, accept)
        if precision < NAMED and offer != answer:
            continue  # a range means the types themselves, not their aliases
        if quality > 0 and (quality, precision) > best:
            best, chosen = (quality, precision), answer
    if not chosen:
        raise _refusal(accept.to_header())
    everything = best[1] == 0 and _rate(PLAIN, accept)[0] >= best[0]
    return PLAIN if everything else chosen


def _rate(offer: str, accept: MIMEAccept) -> tuple[float, int]:
    """The quality of an offer, and how precisely it was named: 2 by itself, 1 by `type/*`, 0 by `*/*`."""
    group = offer.partition("/")[0]
    found: dict[int, float] = {}
    for value, quality in accept:
        name = value.partition(";")[0].strip().lower()
        precision = {offer: NAMED, f"{group}/*": 1, "*/*": 0, "*": 0}.get(name)
        if precision is not None:
            found[precision] = max(quality, found.get(precision, 0.0))
    if not found:
        return 0.0, 0
    precision = max(found)
    return found[precision], precision


def _refusal(given: str) -> NotAcceptable:
    return NotAcceptable(given, ", ".join(dict.fromkeys(OFFERS.values())))
