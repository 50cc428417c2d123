"""What a plugin offers to other plugins: hooks and slots of its own, under `<id>.`, each with a version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from karvan_sdk.hookspecs import HookKind, HookPolicy
from karvan_sdk.text import Text
from karvan_sdk.widgets import SLOTS, Slot

if TYPE_CHECKING:
    from karvan_sdk.manifest import Manifest

PROVIDED_KINDS = (HookKind.COLLECT, HookKind.FIRST, HookKind.GATE, HookKind.PIPELINE)
"""Kinds that a plugin can offer. What is told after a commit is told by `records_changed` of the plugin's
objects, and what narrows records by `restrict_records`: both need no second way."""
CORE_PAGES = frozenset(name.partition(".")[0] for name in SLOTS)
"""First words of the core's own slots: no plugin of such an id can offer slots."""
REFERENCE = re.compile(r"([a-z][a-z0-9_]*\.[a-z][a-z0-9_]*)@([1-9][0-9]{0,3})")


@dataclass(frozen=True, kw_only=True)
class ProvidedHook:
    """A hook that a plugin calls and others implement; its full name is `<plugin>.<name>`.

    `arguments` are their names, without `ctx`; of a pipeline the first is the value that is passed through.
    `version` rises when an argument goes or changes its meaning. `budget_ms` is soft, for each
    implementation. `summary` says what it is for.
    """

    name: str
    kind: HookKind
    arguments: tuple[str, ...] = ()
    version: int = 1
    budget_ms: int = 50
    summary: Text = Text()

    @property
    def policy(self) -> HookPolicy:
        """Its failure rule and its budget."""
        return HookPolicy(kind=HookKind(self.kind), budget_ms=self.budget_ms)


@dataclass(frozen=True, kw_only=True)
class Provides:
    """What a manifest offers to others."""

    hooks: tuple[ProvidedHook, ...] = ()
    slots: tuple[Slot, ...] = ()


def publisher_of(name: str) -> str:
    """The id of the plugin that offers a hook or slot (`telephony.find_line`); empty for one of the core."""
    plugin, dot, _ = name.partition(".")
    return plugin if dot and plugin not in CORE_PAGES else ""


def code_name(hook: str) -> str:
    """The name of the function that implements a hook of a plugin: `telephony__find_line`."""
    return hook.replace(".", "__", 1)


def hooks_of(manifest: Manifest) -> Mapping[str, ProvidedHook]:
    """The hooks that a plugin offers, by full name."""
    return {f"{manifest.id}.{hook.name}": hook for hook in manifest.provides.hooks}


def slots_of(manifest: Manifest) -> Mapping[str, Slot]:
    """The slots that a plugin offers, by full name."""
    return {
        f"{manifest.id}.{slot.name}": Slot(
            name=f"{manifest.id}.{slot.name}",
            title=slot.title,
            version=slot.version,
            about_record=slot.about_record,
        )
        for slot in manifest.provides.slots
    }


def split_reference(slot: str) -> tuple[str, int | None]:
    """(name, version) of a slot as a widget names it: `telephony.call@1`; None for a slot of the core."""
    found = REFERENCE.fullmatch(slot)
    return (found[1], int(found[2])) if found else (slot, None)
