"""The conflict x-ray: what plugins add, touch and clash in, from their manifests alone. Pure.

The work grows with what the manifests say, never with its square: who meets on one object and event is for
`XRay.meeting` to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import importlib_metadata
from packaging.specifiers import SpecifierSet

from karvan.plugins.order import Placed, explain_order, find_circles, show_reason
from karvan_sdk.deprecations import DEPRECATIONS, Deprecation, deprecations
from karvan_sdk.hookspecs import POLICIES
from karvan_sdk.manifest import EVENTLESS, LIFE_HOOKS, WITHOUT_OBJECT, HookUse, Manifest
from karvan_sdk.provides import hooks_of, publisher_of, slots_of, split_reference
from karvan_sdk.widgets import SLOTS

Severity = Literal["error", "warning", "note"]
RESTRICT = "restrict_records"
WRITE = "records:write:"
SYSTEM_OBJECTS = "c_"
"""Objects that administrators made begin so; manifests do not tell of them."""


@dataclass(frozen=True, kw_only=True)
class Examined:
    """One plugin to look at. `manifest` is None where it is not installed or can't be read: `why` says so."""

    id: str
    manifest: Manifest | None
    version: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the x-ray found. `error`: it will be refused; `warning`: a part will not work, or not for long;
    `note`: something to know. `plugins` are those that it is about, the first one its cause."""

    severity: Severity
    code: str
    plugins: tuple[str, ...]
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The finding in English."""
        return self.template.format(**self.params)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a plugin stands in a hook or slot, what it listens to, and what put it there."""

    plugin: str
    reason: str
    objects: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    widget: str = ""


@dataclass(frozen=True, kw_only=True)
class XRay:
    """Everything that was seen. `hooks` and `slots` give who stands in each, in order; `writers` the plugins
    that may write an object of others, `restrictions` those that narrow an object, `routes` what answers
    without a sign-in."""

    order: tuple[Placed, ...]
    findings: tuple[Finding, ...]
    hooks: Mapping[str, tuple[Standing, ...]]
    slots: Mapping[str, tuple[Standing, ...]]
    writers: Mapping[str, tuple[str, ...]]
    restrictions: Mapping[str, tuple[str, ...]]
    routes: tuple[tuple[str, str, str], ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What will be refused."""
        return tuple(f for f in self.findings if f.severity == "error")

    def about(self, plugins: Iterable[str]) -> tuple[Finding, ...]:
        """The findings in which one of these plugins has a part."""
        wanted = set(plugins)
        return tuple(f for f in self.findings if not wanted.isdisjoint(f.plugins))

    def meeting(self, hook: str, object: str, event: str) -> tuple[Standing, ...]:
        """Who is called for one hook, object and event, in order; an empty object or event stands for any."""
        return tuple(
            one
            for one in self.hooks.get(hook, ())
            if (not object or not one.objects or "*" in one.objects or object in one.objects)
            and (not event or not one.events or event in one.events)
        )

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "order": [{"plugin": p.plugin, "reason": show_reason(p)} for p in self.order],
            "findings": [say_finding(one) for one in self.findings],
            "hooks": {name: [_say_standing(s) for s in found] for name, found in self.hooks.items()},
            "slots": {name: [_say_standing(s) for s in found] for name, found in self.slots.items()},
            "writers": {name: list(found) for name, found in self.writers.items()},
            "restrictions": {name: list(found) for name, found in self.restrictions.items()},
            "routes": [{"plugin": p, "surface": s, "path": path} for p, s, path in self.routes],
        }


def say_finding(one: Finding) -> dict[str, Any]:
    """The JSON form of a finding."""
    return {
        "severity": one.severity, "code": one.code, "plugins": list(one.plugins), "message": one.message,
    }  # fmt: skip


def examine(plugins: Iterable[Examined], table: Sequence[Deprecation] = DEPRECATIONS, sdk: str = "") -> XRay:
    """Look at a set of plugins as if all of them were on. `sdk` is the version to check against."""
    whole = {one.id: one for one in plugins}
    known = {name: one.manifest for name, one in whole.items() if one.manifest is not None}
    order = tuple(explain_order(known.values()))
    placed = [(one, known[one.plugin]) for one in order]
    hooks = _hooks(placed)
    writers, restrictions = _writers(known), _restrictions(known)
    found = [
        *_unusable(whole.values()),
        *_api(known, sdk or importlib_metadata.version("karvan-sdk")),
        *_requirements(whole, known),
        *_conflicts(whole, known),
        *_circles(known, order),
        *_objects(known),
        *_offers(known),
        *_routes_twice(known),
        *_deprecated(known, table),
        *_touched(writers, restrictions),
    ]
    rank = {"error": 0, "warning": 1, "note": 2}
    return XRay(
        order=order,
        findings=tuple(sorted(found, key=lambda f: (rank[f.severity], f.plugins, f.code))),
        hooks=hooks,
        slots=_slots(placed),
        writers=writers,
        restrictions=restrictions,
        routes=tuple(
            (name, route.surface, route.path)
            for name, manifest in known.items()
            for route in manifest.public_routes
        ),
    )


def is_within(version: str, wanted: str) -> bool:
    """Whether a version is in a range; pre-releases count."""
    return SpecifierSet(wanted).contains(version, prereleases=True)


# -- who stands where --------------------------------------------------------------------------------------


def _hooks(placed: Sequence[tuple[Placed, Manifest]]) -> Mapping[str, tuple[Standing, ...]]:
    found: dict[str, list[Standing]] = {}
    for place, manifest in placed:
        reason = show_reason(place)
        for use in manifest.hooks:
            found.setdefault(use.hook, []).append(_standing(place.plugin, reason, use))
    return MappingProxyType({name: tuple(found[name]) for name in sorted(found)})


def _standing(plugin: str, reason: str, use: HookUse) -> Standing:
    policy = POLICIES.get(use.hook)
    has_objects = policy is not None and policy.kind not in WITHOUT_OBJECT and use.hook not in LIFE_HOOKS
    has_events = has_objects and policy is not None and policy.kind not in EVENTLESS
    return Standing(
        plugin=plugin,
        reason=reason,
        objects=use.objects if has_objects else (),
        events=use.events if has_events else (),
    )


def _slots(placed: Sequence[tuple[Placed, Manifest]]) -> Mapping[str, tuple[Standing, ...]]:
    found: dict[str, list[Standing]] = {}
    for place, manifest in placed:
        for widget in manifest.widgets:
            for slot in widget.slots:
                one = Standing(
                    plugin=place.plugin,
                    reason=show_reason(place),
                    objects=widget.objects,
                    widget=f"{place.plugin}.{widget.id}",
                )
                found.setdefault(split_reference(slot)[0], []).append(one)
    return MappingProxyType({name: tuple(found[name]) for name in sorted(found)})


def _say_standing(one: Standing) -> dict[str, Any]:
    said: dict[str, Any] = {"plugin": one.plugin, "reason": one.reason}
    if one.objects:
        said["objects"] = list(one.objects)
    if one.events:
        said["events"] = list(one.events)
    if one.widget:
        said["widget"] = one.widget
    return said


def _writers(known: Mapping[str, Manifest]) -> Mapping[str, tuple[str, ...]]:
    """Object, or object and field, → the plugins of others that may write it."""
    found: dict[str, dict[str, None]] = {}
    for name, manifest in known.items():
        for capability in manifest.capabilities:
            if capability.startswith(WRITE):
                object, _, fields = capability.removeprefix(WRITE).removesuffix(")").partition("(")
                things = [f"{object}.{one}" for one in fields.split(",")] if fields else [object]
                for thing in things:
                    found.setdefault(thing, {})[name] = None
    return MappingProxyType({thing: tuple(found[thing]) for thing in sorted(found)})


def _restrictions(known: Mapping[str, Manifest]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for name, manifest in known.items():
        for use in manifest.hooks:
            if use.hook == RESTRICT:
                for object in use.objects:
                    found.setdefault(object, {})[name] = None
    return MappingProxyType({object: tuple(found[object]) for object in sorted(found)})


# -- findings ----------------------------------------------------------------------------------------------


def _unusable(plugins: Iterable[Examined]) -> Iterator[Finding]:
    for one in plugins:
        if one.manifest is None:
            yield Finding(severity="error", code="unusable", plugins=(one.id,),
                          template="{plugin} can't be used: {why}",
                          params={"plugin": one.id, "why": one.why})  # fmt: skip


def _api(known: Mapping[str, Manifest], sdk: str) -> Iterator[Finding]:
    for name, manifest in known.items():
        if not is_within(sdk, manifest.api):
            yield Finding(severity="error", code="api", plugins=(name,),
                          template="{plugin} needs karvan-sdk {wanted}, this is {version}.",
                          params={"plugin": name, "wanted": manifest.api, "version": sdk})  # fmt: skip


def _requirements(whole: Mapping[str, Examined], known: Mapping[str, Manifest]) -> Iterator[Finding]:
    for name, manifest in known.items():
        for other, wanted in manifest.requires.items():
            there = whole.get(other)
            if there is None:
                yield Finding(severity="error", code="requirement_missing", plugins=(name,),
                              template="{plugin} needs {other} {wanted}, which is not on.",
                              params={"plugin": name, "other": other, "wanted": wanted})  # fmt: skip
            elif there.version and not is_within(there.version, wanted):
                yield Finding(severity="error", code="requirement_version", plugins=(name, other),
                              template="{plugin} needs {other} {wanted}, this is {version}.",
                              params={"plugin": name, "other": other, "wanted": wanted,
                                      "version": there.version})  # fmt: skip


def _conflicts(whole: Mapping[str, Examined], known: Mapping[str, Manifest]) -> Iterator[Finding]:
    for name, manifest in known.items():
        for other, wanted in manifest.conflicts.items():
            there = whole.get(other)
            if there is not None and (not there.version or is_within(there.version, wanted)):
                yield Finding(severity="error", code="conflict", plugins=(name, other),
                              template="{plugin} says that it can't stand beside {other} {version}.",
                              params={"plugin": name, "other": other, "version": there.version})  # fmt: skip


def _circles(known: Mapping[str, Manifest], order: Sequence[Placed]) -> Iterator[Finding]:
    circles = find_circles(known.values())
    inside = {name for circle in circles for name in circle}
    for circle in circles:
        yield Finding(severity="error", code="circle", plugins=circle,
                      template="The order is a circle among {plugins}.",
                      params={"plugins": ", ".join(circle)})  # fmt: skip
    for name in sorted(set(known) - {one.plugin for one in order} - inside):
        yield Finding(severity="error", code="behind_circle", plugins=(name,),
                      template="{plugin} stands behind plugins whose order is a circle.",
                      params={"plugin": name})  # fmt: skip


def _objects(known: Mapping[str, Manifest]) -> Iterator[Finding]:
    holders: dict[str, list[str]] = {}
    lists: dict[tuple[str, str], list[str]] = {}
    for name, manifest in known.items():
        for made in manifest.objects:
            holders.setdefault(made.name, []).append(name)
    for name, manifest in known.items():
        for foreign in manifest.fields:
            if foreign.object not in holders and not foreign.object.startswith(SYSTEM_OBJECTS):
                yield Finding(severity="error", code="field_on_nothing", plugins=(name,),
                              template="{plugin} adds the field {field} to {object}, which nobody brings.",
                              params={"plugin": name, "field": foreign.field.name,
                                      "object": foreign.object})  # fmt: skip
        fields = [one for made in manifest.objects for one in made.fields]
        for one in (*fields, *(foreign.field for foreign in manifest.fields)):
            target = one.target or ""
            if not target or target.startswith(SYSTEM_OBJECTS):
                continue
            if target not in holders:
                yield Finding(severity="warning", code="lookup_to_nothing", plugins=(name,),
                              template="{plugin} points from {field} to {object}, which nobody brings.",
                              params={"plugin": name, "field": one.name, "object": target})  # fmt: skip
            elif one.relation:
                lists.setdefault((target, one.relation.name), []).append(name)
        for object in sorted(_listened(manifest) - holders.keys()):
            yield Finding(severity="note", code="listens_to_nothing", plugins=(name,),
                          template="{plugin} listens to {object}, which nobody brings.",
                          params={"plugin": name, "object": object})  # fmt: skip
    for object, names in holders.items():
        if len(names) > 1:
            yield Finding(severity="error", code="object_taken", plugins=tuple(names),
                          template="The object {object} is brought by each of {plugins}.",
                          params={"object": object, "plugins": ", ".join(names)})  # fmt: skip
    for (object, relation), names in lists.items():
        if len(names) > 1:
            yield Finding(severity="note", code="list_taken", plugins=tuple(dict.fromkeys(names)),
                          template="The related list {name} of {object} is brought by {plugins}; all but one "
                          "get another name.",
                          params={"name": relation, "object": object,
                                  "plugins": ", ".join(names)})  # fmt: skip


def _listened(manifest: Manifest) -> set[str]:
    named = {object for use in manifest.hooks for object in use.objects}
    return {object for object in named if object != "*" and not object.startswith(SYSTEM_OBJECTS)}


def _offers(known: Mapping[str, Manifest]) -> Iterator[Finding]:
    hooks = {name: hook.version for one in known.values() for name, hook in hooks_of(one).items()}
    slots = {name: slot.version for one in known.values() for name, slot in slots_of(one).items()}
    for plugin, manifest in known.items():
        wanted = [(use.hook, use.version, hooks) for use in manifest.hooks if publisher_of(use.hook)]
        wanted += [
            (name, version or 0, slots)
            for widget in manifest.widgets
            for name, version in map(split_reference, widget.slots)
            if name not in SLOTS
        ]
        for name, version, there in wanted:
            params = {"plugin": plugin, "name": name, "version": version, "publisher": publisher_of(name)}
            if name not in there:
                yield Finding(severity="warning", code="offer_missing", plugins=(plugin, publisher_of(name)),
                              template="{plugin} wants {name}@{version}, which {publisher} does not offer.",
                              params=params)  # fmt: skip
            elif there[name] != version:
                yield Finding(severity="warning", code="offer_version", plugins=(plugin, publisher_of(name)),
                              template="{plugin} wants {name}@{version}, {publisher} offers @{offered}.",
                              params={**params, "offered": there[name]})  # fmt: skip


def _routes_twice(known: Mapping[str, Manifest]) -> Iterator[Finding]:
    for name, manifest in known.items():
        seen: set[tuple[str, str, str]] = set()
        for route in manifest.public_routes:
            keys = {(route.surface, route.path, method) for method in route.methods}
            if keys & seen:
                yield Finding(severity="warning", code="route_twice", plugins=(name,),
                              template="{plugin} declares the public route {path} twice.",
                              params={"plugin": name, "path": route.path})  # fmt: skip
            seen |= keys


def _deprecated(known: Mapping[str, Manifest], table: Sequence[Deprecation]) -> Iterator[Finding]:
    for manifest in known.values():
        for use in deprecations(manifest, table):
            one = use.deprecation
            yield Finding(
                severity="warning", code="deprecated", plugins=(manifest.id,),
                template="{plugin} uses {kind} {name}: deprecated since karvan-sdk {since}, gone in "
                "{removed_in}. Use {replacement} instead.",
                params={"plugin": manifest.id, "kind": one.kind.value, "name": one.name, "since": one.since,
                        "removed_in": one.removed_in, "replacement": one.replacement},
            )  # fmt: skip


def _touched(
    writers: Mapping[str, Sequence[str]], restrictions: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    for thing, names in writers.items():
        if len(names) > 1:
            is_field = "." in thing
            yield Finding(
                severity="warning" if is_field else "note", code="writers", plugins=tuple(names),
                template="{thing} may be written by each of {plugins}.",
                params={"thing": thing, "plugins": ", ".join(names)},
            )  # fmt: skip
    for object, names in restrictions.items():
        yield Finding(severity="note", code="restricted", plugins=tuple(names),
                      template="Who may see or change records of {object} is narrowed by {plugins}.",
                      params={"object": object, "plugins": ", ".join(names)})  # fmt: skip
