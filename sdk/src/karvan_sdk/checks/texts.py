"""Texts that people see: translatable in templates, and there in every language that the manifest names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import PurePosixPath

from karvan_sdk.checks.plugin import Plugin, at_file
from karvan_sdk.checks.rules import Finding
from karvan_sdk.text import LANGUAGES

JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
MARKED = re.compile(r"""\b_\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
LETTERS = re.compile(r"[^\W\d_]{2,}")
SEEN_ATTRIBUTES = frozenset(("title", "aria-label", "placeholder", "alt"))
NOT_SEEN = frozenset(("script", "style", "code", "svg"))


def check_templates(plugin: Plugin) -> Iterator[Finding]:
    """Texts that stand in templates as they are."""
    for path in sorted(plugin.source.files):
        if path.endswith(".html") and "templates" in PurePosixPath(path).parts:
            blanked = JINJA.sub(_blank, plugin.source.files[path])
            reader = _Reader(path)
            reader.feed(blanked)
            reader.close()
            yield from reader.findings


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


class _Reader(HTMLParser):
    """Collects the texts of a page that hold words."""

    def __init__(self, path: str) -> None:
        super().__init__(convert_charrefs=True)
        self.findings: list[Finding] = []
        self._path = path
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in NOT_SEEN:
            self._within.append(tag)
        for name, value in attrs:
            if name in SEEN_ATTRIBUTES and LETTERS.search(value or ""):
                self._tell(str(value))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._within:
            self._within.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self._within and LETTERS.search(data):
            self._tell(data, self._before(data))

    def _before(self, data: str) -> tuple[int, int]:
        """(lines, columns) from the begin of the data to its first word."""
        found = LETTERS.search(data)
        before = data[: found.start()] if found else ""
        return before.count("\n"), len(before.rpartition("\n")[2])

    def _tell(self, text: str, offset: tuple[int, int] = (0, 0)) -> None:
        line, column = self.getpos()
        line, column = line + offset[0], (column if not offset[0] else 0) + offset[1] + 1
        words = " ".join(text.split())
        shown = words if len(words) <= 40 else f"{words[:39]}…"
        self.findings.append(at_file(self._path, "text-untranslated", f"The text '{shown}'.", line, column))


def check_languages(plugin: Plugin) -> Iterator[Finding]:
    """What is missing of the languages that the manifest names."""
    languages = plugin.data.get("languages", [])
    if not isinstance(languages, list):
        return
    named = [one for one in languages if one in LANGUAGES]
    yield from _check_labels(plugin, named)
    messages = dict(_messages(plugin))
    for language in named:
        if language == "en" or not messages:
            continue
        path = f"{plugin.folder}locale/{language}/LC_MESSAGES/messages.po"
        if path not in plugin.source.files:
            message = f"There is no file 'locale/{language}/LC_MESSAGES/messages.po'."
            yield plugin.at_key("language-missing", "languages", message)
            continue
        there = read_po(plugin.source.files[path])
        for text, (file, line) in sorted(messages.items()):
            if not there.get(text):
                yield at_file(
                    file, "language-missing", f"'{text}' is not translated into '{language}'.", line
                )


def _check_labels(plugin: Plugin, languages: list[str]) -> Iterator[Finding]:
    """Texts per language of the manifest and its objects, as they stand in the files: one table, one line."""
    files = [plugin.file, *(f"{plugin.folder}{name}" for name in plugin.data.get("objects", ()))]
    for path in files:
        for number, line in enumerate(plugin.source.files.get(path, "").splitlines(), 1):
            for table in re.finditer(r"\{([^{}]*)\}", line):
                given = re.findall(r"(?:^|,)\s*(\w+)\s*=", table[1])
                missing = [one for one in languages if one not in given]
                if "en" in given and set(given) <= set(LANGUAGES) and missing:
                    message = f"The text is missing in: {', '.join(missing)}."
                    yield at_file(path, "language-missing", message, number, table.start() + 1)


def _messages(plugin: Plugin) -> Iterator[tuple[str, tuple[str, int]]]:
    """(text, place) of every text marked for translation: `ctx.t("…")`, `_("…")`."""
    for module in plugin.modules:
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "t"
                and node.args
            ):
                for text in module.texts_of(node.args[0]) or ():
                    yield text, (module.path, node.lineno)
    for path, template in sorted(plugin.source.files.items()):
        if path.endswith(".html"):
            for found in MARKED.finditer(template):
                text = re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2])
                yield text, (path, template.count("\n", 0, found.start()) + 1)


def read_po(text: str) -> dict[str, str]:
    """The translations of a .po file by text; those marked fuzzy are as good as missing."""
    found: dict[str, str] = {}
    for block in re.split(r"\n\s*\n", text):
        parts: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            begun = re.match(r"\s*(msgid|msgstr|msgid_plural|msgstr\[\d\]|msgctxt)?\s*\"(.*)\"\s*$", line)
            if begun:
                key = begun[1] or key
                parts[key] = parts.get(key, "") + _unescape(begun[2])
        if "msgid" in parts and "#, fuzzy" not in block:
            found[parts["msgid"]] = parts.get("msgstr") or parts.get("msgstr[0]", "")
    return found


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)
