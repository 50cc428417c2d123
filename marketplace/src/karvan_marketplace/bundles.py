"""Reads bundles, sets of plugins that are installed together: one TOML file each, beside the wheels."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from karvan_marketplace.errors import BundleRefused
from karvan_sdk.errors import InvalidName
from karvan_sdk.names import check_plugin_id
from karvan_sdk.text import LANGUAGES, Text

FOLDER = "bundles"
FILE_MAX = 256 * 1024
KEYS = frozenset({"id", "name", "summary", "plugins"})
PLUGIN_KEYS = frozenset({"id", "version"})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One plugin of a bundle and the range of versions that the bundle was made with."""

    id: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Plugins that are installed together, in the order of the file."""

    id: str
    name: Text
    summary: Text
    plugins: tuple[Wanted, ...]


def read_bundle(path: Path) -> Bundle:
    """Read `<id>.toml`. Raises BundleRefused with the rule it breaks, OSError where it is gone."""
    with path.open("rb") as stream:
        data = stream.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise BundleRefused(f"It has more than {FILE_MAX:,} bytes.")
    try:
        given = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BundleRefused(f"It is no TOML: {exc}") from exc
    _refuse_unknown(given, KEYS, "")
    if given.get("id") != path.stem:
        raise BundleRefused(f"It says id = {given.get('id')!r}, its file name says '{path.stem}'.")
    plugins = given.get("plugins")
    if not isinstance(plugins, list) or not plugins:
        raise BundleRefused("'plugins' must be a list of tables with 'id' and 'version'.")
    wanted = tuple(_wanted(entry, f"plugins[{number}]") for number, entry in enumerate(plugins))
    _refuse_twice([one.id for one in wanted])
    return Bundle(
        id=_id(path.stem, "id"),
        name=_text(given, "name"),
        summary=_text(given, "summary"),
        plugins=wanted,
    )


def _wanted(entry: Any, at: str) -> Wanted:
    if not isinstance(entry, dict):
        raise BundleRefused(f"{at} must be a table with 'id' and 'version'.")
    _refuse_unknown(entry, PLUGIN_KEYS, f"{at}.")
    version = entry.get("version", "")
    try:
        SpecifierSet(version)
    except (InvalidSpecifier, TypeError, AttributeError) as exc:
        raise BundleRefused(f"{at}.version: {version!r} is no version range.") from exc
    return Wanted(id=_id(entry.get("id"), f"{at}.id"), version=version)


def _id(value: Any, at: str) -> str:
    try:
        return check_plugin_id(value if isinstance(value, str) else "")
    except InvalidName as exc:
        raise BundleRefused(f"{at}: {exc.message}") from exc


def _text(given: Mapping[str, Any], key: str) -> Text:
    value = given.get(key)
    by_language = {"en": value} if isinstance(value, str) else value
    if not isinstance(by_language, dict) or not by_language:
        raise BundleRefused(f"'{key}' must be a text, or a table with a text per language.")
    for language, text in by_language.items():
        if language not in LANGUAGES or not isinstance(text, str) or not text.strip():
            raise BundleRefused(f"'{key}.{language}' must be a text in one of {', '.join(LANGUAGES)}.")
    return Text.of(by_language)


def _refuse_unknown(given: Mapping[str, Any], known: frozenset[str], at: str) -> None:
    unknown = sorted(given.keys() - known)
    if unknown:
        raise BundleRefused(f"There is no key '{at}{unknown[0]}'; known are {', '.join(sorted(known))}.")


def _refuse_twice(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BundleRefused(f"The plugin '{twice[0]}' stands twice.")
