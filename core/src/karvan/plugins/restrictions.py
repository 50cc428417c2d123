"""What plugins ask of records, compiled once per catalog; what can't be had or compiled closes the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from karvan.access.moment import Moment
from karvan.access.policy import RESTRICTED
from karvan.metadata.catalog import Catalog, Restriction
from karvan.metadata.scope import CatalogScope
from karvan.plugins.host import Host
from karvan_sdk.errors import KarvanError
from karvan_sdk.expressions import RESTRICTION, Condition, compile_condition
from karvan_sdk.manifest import HookUse

HOOK = "restrict_records"
Found = dict[tuple[str, str], tuple[Restriction, ...]]


def restrict(catalog: Catalog, host: Host, moment: Moment) -> Catalog:
    """The catalog with the restrictions of its plugins. The host must have loaded them by now."""
    declared = _declared(catalog)
    if not declared:
        return catalog
    found: Found = {}
    for object in catalog.objects:
        for action in RESTRICTED:
            restrictions = tuple(_ask(catalog, host, moment, object, action, declared))
            if restrictions:
                found[object, action] = restrictions
    return replace(catalog, restrictions=MappingProxyType(found))


def _declared(catalog: Catalog) -> Mapping[str, Sequence[HookUse]]:
    """The uses of the hook as they stood when each plugin was enabled: its code may be gone since."""
    found = {}
    for plugin, manifest in catalog.manifests.items():
        uses = [use for use in manifest.get("hooks", ()) if use["hook"] == HOOK]
        if uses:
            found[plugin] = [HookUse(hook=HOOK, objects=tuple(use.get("objects", ("*",)))) for use in uses]
    return found


def _ask(
    catalog: Catalog,
    host: Host,
    moment: Moment,
    object: str,
    action: str,
    declared: Mapping[str, Sequence[HookUse]],
) -> Sequence[Restriction]:
    made = []
    for plugin, text, why in host.restrict(HOOK, moment, object, action, declared):
        condition = None
        if text is None:
            host.degrade(plugin, f"{HOOK}: {object} is closed to all but administrators: {why}")
        else:
            condition = _compile(catalog, host, plugin, object, text)
        made.append(Restriction(plugin=plugin, condition=condition))
    return made


def _compile(catalog: Catalog, host: Host, plugin: str, object: str, text: str) -> Condition | None:
    scope = CatalogScope(catalog=catalog, object_type=catalog.object(object))
    try:
        return compile_condition(text, scope, RESTRICTION)
    except KarvanError as exc:
        why = f"{HOOK}: {object} is closed to all but administrators: {text!r}: {exc.message}"
        host.degrade(plugin, why)
        return None
