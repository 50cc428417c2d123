"""Finds plugins and bundles by words in any language, and by category."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

from karvan_marketplace.catalogue import Catalogue, Plugin, Set
from karvan_marketplace.errors import QueryTooLong

QUERY_MAX = 200

_ALIKE = str.maketrans({"ي": "ی", "ك": "ک", "ё": "е", "\u200c": " ", "_": " ", "-": " "})


def fold(text: str) -> str:
    """A text as it is compared: without case, width, and the spellings that keyboards mix up."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_ALIKE)


def words_of(query: str) -> tuple[str, ...]:
    """The words of a search. Raises QueryTooLong."""
    if len(query) > QUERY_MAX:
        raise QueryTooLong(QUERY_MAX)
    return tuple(dict.fromkeys(fold(query).split()))


def find_plugins(catalogue: Catalogue, words: tuple[str, ...], category: str, language: str) -> list[Plugin]:
    """The plugins that hold every word, those first whose name does; then by name."""
    found = [p for p in catalogue.plugins.values() if not category or category in p.manifest.categories]
    found = [p for p in found if _holds(_texts_of(p), words)]
    return sorted(
        found, key=lambda p: (not _holds(_names_of(p), words), fold(p.manifest.name(language)), p.id)
    )


def find_bundles(catalogue: Catalogue, words: tuple[str, ...], language: str) -> list[Set]:
    """The bundles that hold every word, those first that are complete here; then by name."""
    found = [s for s in catalogue.bundles.values() if _holds(_texts_of_bundle(s), words)]
    return sorted(found, key=lambda s: (bool(s.missing), fold(s.bundle.name(language)), s.bundle.id))


def count_categories(catalogue: Catalogue) -> dict[str, int]:
    """How many plugins each category holds, by id."""
    counted = Counter(c for p in catalogue.plugins.values() for c in set(p.manifest.categories))
    return dict(sorted(counted.items()))


def _holds(texts: Iterable[str], words: tuple[str, ...]) -> bool:
    text = fold("\n".join(texts))
    return all(word in text for word in words)


def _names_of(plugin: Plugin) -> tuple[str, ...]:
    return (*plugin.manifest.name.all(), plugin.id)


def _texts_of(plugin: Plugin) -> tuple[str, ...]:
    manifest = plugin.manifest
    return (
        *_names_of(plugin),
        *manifest.summary.all(),
        *manifest.categories,
        *(name for declared in manifest.objects for name in declared.label.all()),
        plugin.wheel.project,
        plugin.wheel.author,
    )


def _texts_of_bundle(found: Set) -> tuple[str, ...]:
    bundle = found.bundle
    return (bundle.id, *bundle.name.all(), *bundle.summary.all(), *(w.id for w in bundle.plugins))
