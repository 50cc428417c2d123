"""What plugins ask of records, compiled once per catalog; what can't be had or compiled closes the object.

Each answer is stored. A plugin whose code can't be asked, or fails, is held to its last answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from karvan.access.moment import Moment
from karvan.access.policy import RESTRICTED
from karvan.metadata.catalog import Catalog, Restriction
from karvan.metadata.scope import CatalogScope
from karvan.plugins.answered import Answer, Place
from karvan.plugins.host import Host
from karvan_sdk.errors import KarvanError
from karvan_sdk.expressions import RESTRICTION, Condition, compile_condition
from karvan_sdk.manifest import HookUse

HOOK = "restrict_records"
Found = dict[tuple[str, str], tuple[Restriction, ...]]


@dataclass(frozen=True, kw_only=True)
class Restricted:
    """The catalog with its restrictions, and the answers that are new and to be stored."""

    catalog: Catalog
    fresh: Mapping[Place, Answer]


def restrict(
    catalog: Catalog,
    host: Host,
    moment: Moment,
    kept: Mapping[Place, Answer],
    editions: Mapping[str, str],
) -> Restricted:
    """The catalog with the restrictions of its plugins. The host must have loaded them by now.

    `kept` are the answers of before; `editions` name version and settings of each plugin that is on.
    """
    declared = declare(catalog)
    if not declared:
        return Restricted(catalog=catalog, fresh={})
    asking = _Asking(catalog=catalog, host=host, kept=kept, editions=editions, fresh={})
    found: Found = {}
    for object in catalog.objects:
        for action in RESTRICTED:
            restrictions = tuple(asking.ask(moment, object, action, declared))
            if restrictions:
                found[object, action] = restrictions
    return Restricted(
        catalog=replace(catalog, restrictions=MappingProxyType(found)),
        fresh={place: answer for place, answer in asking.fresh.items() if kept.get(place) != answer},
    )


def declare(catalog: Catalog) -> Mapping[str, Sequence[HookUse]]:
    """The uses of the hook as they stood when each plugin was enabled: its code may be gone since."""
    found = {}
    for plugin, manifest in catalog.manifests.items():
        uses = [use for use in manifest.get("hooks", ()) if use["hook"] == HOOK]
        if uses:
            found[plugin] = [HookUse(hook=HOOK, objects=tuple(use.get("objects", ("*",)))) for use in uses]
    return found


@dataclass(frozen=True, kw_only=True)
class _Asking:
    catalog: Catalog
    host: Host
    kept: Mapping[Place, Answer]
    editions: Mapping[str, str]
    fresh: dict[Place, Answer]

    def ask(
        self, moment: Moment, object: str, action: str, declared: Mapping[str, Sequence[HookUse]]
    ) -> Sequence[Restriction]:
        made: list[Restriction] = []
        for plugin, text, why in self.host.restrict(HOOK, moment, object, action, declared):
            if text is None:
                made += self._fall_back(plugin, object, action, why)
                continue
            condition = None
            if text:
                try:
                    condition = self._compile(object, text)
                except KarvanError as exc:
                    made += self._fall_back(plugin, object, action, f"{text!r}: {exc.message}")
                    continue
                made.append(Restriction(plugin=plugin, condition=condition))
            place = (plugin, self.catalog.object(object).uid, action)
            self.fresh[place] = Answer(condition=text, edition=self.editions.get(plugin, ""))
        return made

    def _fall_back(self, plugin: str, object: str, action: str, why: str) -> Sequence[Restriction]:
        """The last answer; enough where the same version gave it under the same settings."""
        kept = self.kept.get((plugin, self.catalog.object(object).uid, action))
        closed = Restriction(plugin=plugin, condition=None)
        found = [closed] if kept is None or kept.edition != self.editions.get(plugin, "") else []
        if kept is not None and kept.condition:
            try:
                found.append(Restriction(plugin=plugin, condition=self._compile(object, kept.condition)))
            except KarvanError as exc:
                found = [closed]
                why = f"{why} Its last condition {kept.condition!r} holds no more: {exc.message}"
        if closed in found:
            told = "is closed to all but administrators"
        elif found:
            told = "is held to the plugin's last condition"
        else:
            told = "is left open, as the plugin left it last"
        self.host.degrade(plugin, f"{HOOK}: {object} {told}: {why}")
        return found

    def _compile(self, object: str, text: str) -> Condition:
        scope = CatalogScope(catalog=self.catalog, object_type=self.catalog.object(object))
        return compile_condition(text, scope, RESTRICTION)
