"""What of the contract is on its way out: since when, until when, and what to use instead.

A deprecated thing works until the version that it goes in. Who uses it is told so: on the list of plugins, in
the log, and by `karvan plugins doctor`. docs/deprecations.md shows this table; a test holds it to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from karvan_sdk import declarations
from karvan_sdk.manifest import Manifest
from karvan_sdk.provides import split_reference


class DeprecatedKind(StrEnum):
    """What can be deprecated."""

    HOOK = "hook"
    """A hook, by name."""
    ARGUMENT = "argument"
    """An argument of a hook: `check_records.object`. Seen when the code is loaded, not in the manifest."""
    SLOT = "slot"
    """A slot, by name."""
    KEY = "manifest key"
    """A key of the manifest: `links`, `widgets.size`, `objects.fields.pattern`. Seen where its value is not
    the default."""
    CAPABILITY = "capability"
    """A capability, by its form: `sql`, `records:write`."""


@dataclass(frozen=True, kw_only=True)
class Deprecation:
    """One thing on its way out. `since` and `removed_in` are versions of karvan-sdk, `replacement` says what
    to use instead, in a few words."""

    kind: DeprecatedKind
    name: str
    since: str
    removed_in: str
    replacement: str


DEPRECATIONS: tuple[Deprecation, ...] = ()
"""Everything that is deprecated now."""


@dataclass(frozen=True, kw_only=True)
class DeprecatedUse:
    """That a plugin uses something deprecated."""

    plugin: str
    deprecation: Deprecation

    @property
    def message(self) -> str:
        """The plugin, what it uses, since when and until when that is there, and what to use instead."""
        known = self.deprecation
        return (
            f"Plugin '{self.plugin}' uses the {known.kind} '{known.name}', which is deprecated since "
            f"karvan-sdk {known.since} and goes in {known.removed_in}. Use {known.replacement} instead."
        )


def deprecations(
    manifest: Manifest, table: Sequence[Deprecation] = DEPRECATIONS
) -> tuple[DeprecatedUse, ...]:
    """What of the deprecated things a plugin uses, as far as its manifest tells; nothing is imported."""
    used = set(_used(manifest)) if table else set()
    return tuple(
        DeprecatedUse(plugin=manifest.id, deprecation=one) for one in table if (one.kind, one.name) in used
    )


def deprecated_arguments(
    plugin: str, taken: Mapping[str, Iterable[str]], table: Sequence[Deprecation] = DEPRECATIONS
) -> tuple[DeprecatedUse, ...]:
    """What of the deprecated arguments a plugin's code takes: `taken` are names of arguments by hook."""
    used = {f"{hook}.{name}" for hook, names in taken.items() for name in names} if table else set()
    return tuple(
        DeprecatedUse(plugin=plugin, deprecation=one)
        for one in table
        if one.kind is DeprecatedKind.ARGUMENT and one.name in used
    )


def _used(manifest: Manifest) -> Iterator[tuple[DeprecatedKind, str]]:
    yield from ((DeprecatedKind.HOOK, use.hook) for use in manifest.hooks)
    for widget in manifest.widgets:
        yield from ((DeprecatedKind.SLOT, split_reference(slot)[0]) for slot in widget.slots)
    for capability in manifest.capabilities:
        words = capability.split(":")
        yield from ((DeprecatedKind.CAPABILITY, ":".join(words[:n])) for n in range(1, len(words) + 1))
    yield from ((DeprecatedKind.KEY, key) for key in _keys(declarations.dump(manifest), ""))


def _keys(value: Any, at: str) -> Iterator[str]:
    """The path of every key in a table, without the numbers of lists: `widgets.size`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            path = f"{at}.{key}" if at else str(key)
            yield path
            yield from _keys(inner, path)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _keys(one, at)
