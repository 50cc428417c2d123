"""Every text that a page can say exists in every language, with the same gaps."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from .messages import CORE, error_texts, page_texts

GAP = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


def catalog(language: str) -> Catalog:
    with (CORE / f"translations/{language}/LC_MESSAGES/messages.po").open("rb") as stream:
        return read_po(stream, locale=language)


@pytest.mark.parametrize("language", ["ru", "fa", "zh"])
def test_every_text_is_translated(language: str) -> None:
    known = catalog(language)
    wanted = page_texts() | error_texts()
    missing = sorted(t for t in wanted if not (known.get(t) and known.get(t).string))
    assert missing == []
    assert [m.id for m in known if m.fuzzy and m.id] == []


@pytest.mark.parametrize("language", ["ru", "fa", "zh"])
def test_translations_have_the_gaps_of_the_original(language: str) -> None:
    wrong = [m.id for m in catalog(language) if m.id and set(GAP.findall(m.id)) != set(GAP.findall(m.string))]
    assert wrong == []
