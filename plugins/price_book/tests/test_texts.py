"""Every text that the code or a template shows is translated, with the same gaps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import karvan_price_book

PACKAGE = Path(karvan_price_book.__file__).parent
GAP = re.compile(r"%\((\w+)\)s")
SHOWN = re.compile(r"""_\((?:"([^"]+)"|'([^']+)')""")


def texts_of_code() -> Iterator[str]:
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "t":
                (text,) = node.args
                assert isinstance(text, ast.Constant), f"{file.name}:{node.lineno} hides its text"
                yield str(text.value)


def texts_of_templates() -> Iterator[str]:
    for file in (PACKAGE / "templates").glob("*.html"):
        for double, single in SHOWN.findall(file.read_text("utf-8")):
            yield double or single


TEXTS = {*texts_of_code(), *texts_of_templates()}


def test_the_texts_are_found() -> None:
    assert "“%(name)s” was added." in TEXTS
    assert "Add line" in TEXTS
    assert len(TEXTS) > 50


@pytest.mark.parametrize("language", ["ru", "fa", "zh"])
def test_every_text_is_translated_with_its_gaps(language: str) -> None:
    file = PACKAGE / "locale" / language / "LC_MESSAGES" / "messages.po"
    with file.open("rb") as stream:
        catalog = read_po(stream, locale=language, abort_invalid=True)
    found = {str(m.id): str(m.string) for m in catalog if m.id}
    assert set(found) == TEXTS
    wrong = [
        text for text, told in found.items() if not told or set(GAP.findall(told)) != set(GAP.findall(text))
    ]
    assert wrong == []
