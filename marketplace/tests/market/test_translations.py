"""Every text that a page can say exists in every language, with the same gaps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import karvan_marketplace

PACKAGE = Path(karvan_marketplace.__file__).parent
GAP = re.compile(r"%\((\w+)\)s")
TRANSLATED = ["ru", "fa", "zh"]


def texts() -> set[str]:
    """The msgids in the Python modules and templates; of a plural, the singular."""
    found = extract_from_dir(
        PACKAGE,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2")],
        keywords={"_": None, "gettext": None, "ngettext": (1, 2)},
    )
    return {text if isinstance(text, str) else text[0] for _, _, text, _, _ in found}


def catalog(language: str) -> Catalog:
    with (PACKAGE / f"translations/{language}/LC_MESSAGES/messages.po").open("rb") as stream:
        return read_po(stream, locale=language)


def key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def wordings(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language: str) -> None:
    known = {key(m): m for m in catalog(language) if m.id}
    wanted = texts()
    assert len(wanted) > 50
    assert sorted(t for t in wanted if t not in known or not all(wordings(known[t]))) == []
    assert [m for m in known.values() if m.fuzzy] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_outlives_its_text(language: str) -> None:
    assert sorted({key(m) for m in catalog(language) if m.id} - texts()) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_have_the_gaps_of_the_original(language: str) -> None:
    wrong = [
        (key(m), text)
        for m in catalog(language)
        if m.id
        for text in wordings(m)
        if set(GAP.findall(text)) != set(GAP.findall(key(m)))
    ]
    assert wrong == []
