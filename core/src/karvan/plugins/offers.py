"""Hooks and slots that plugins offer to others: which are in force, who answers, and how they are asked.

Each offering plugin has a pluggy manager of its own: signatures are checked in its own namespace. Only
the plugin that offers a hook calls it; who answers is guarded, timed and counted by the host, like all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import pluggy

from karvan.access.moment import Moment
from karvan.plugins.loading import PLUGIN_ERRORS, Loaded, contained, say_error
from karvan_sdk.errors import NotAllowed, Rejected
from karvan_sdk.hookspecs import PROJECT, HookKind
from karvan_sdk.provides import ProvidedHook, code_name, hooks_of, publisher_of, slots_of, split_reference
from karvan_sdk.widgets import SLOTS, Slot

SPEC = f"{PROJECT}_spec"
"""Where pluggy's marker leaves its note on a function."""
WAYS: Mapping[HookKind, str] = MappingProxyType(
    {
        HookKind.FIRST: "ctx.ask",
        HookKind.COLLECT: "ctx.collect",
        HookKind.GATE: "ctx.check",
        HookKind.PIPELINE: "ctx.refine",
    }
)
"""How each kind is called by the plugin that offers it."""


@dataclass(frozen=True, kw_only=True)
class Answering:
    """One implementation of an offered hook."""

    plugin: str
    function: Callable[..., Any]
    argnames: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What is offered and in force. `answering` is in the order of the plugins. By plugin, `refused` say what
    its code does otherwise than was declared, `off` which part is not in use for want of what it needs."""

    hooks: Mapping[str, ProvidedHook] = field(default_factory=lambda: MappingProxyType({}))
    slots: Mapping[str, Slot] = field(default_factory=lambda: SLOTS)
    answering: Mapping[str, tuple[Answering, ...]] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    off: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


Implementations = Callable[[str], Mapping[str, pluggy.HookImpl]]
"""What a plugin's object implements, by the name that code gives to a hook (`telephony__find_line`)."""


class _Holder:
    """Something to hand to pluggy: one function under one name."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        setattr(self, name, function)


def bind_offers(loaded: Mapping[str, Loaded], implementations: Implementations) -> Offers:
    """What the plugins in use offer each other. `loaded` is in the order of the calls."""
    hooks: dict[str, ProvidedHook] = {}
    slots: dict[str, Slot] = dict(SLOTS)
    managers: dict[str, pluggy.PluginManager] = {}
    refused: dict[str, list[str]] = {}
    off: dict[str, list[str]] = {}
    for plugin, one in loaded.items():
        if one.failed or one.installed.manifest is None:
            continue
        slots |= slots_of(one.installed.manifest)
        manager = managers[plugin] = pluggy.PluginManager(PROJECT)
        try:
            with contained():
                accepted, refused[plugin] = _read_specs(one, manager)
        except PLUGIN_ERRORS as exc:
            accepted, refused[plugin] = {}, [f"What it offers can't be read: {say_error(exc)}; refused."]
        hooks |= accepted
    answering: dict[str, list[Answering]] = {}
    for plugin, one in loaded.items():
        if one.failed or one.installed.manifest is None:
            continue
        found = off[plugin] = list(_unfit_slots(one, slots, managers))
        functions = implementations(plugin)
        for use in one.installed.manifest.hooks:
            publisher = publisher_of(use.hook)
            if not publisher:
                continue
            there = hooks.get(use.hook)
            impl = functions.get(code_name(use.hook))
            unfit = _unfit(use.hook, use.version, there.version if there else None, publisher in managers)
            if unfit:
                found.append(unfit)
            elif impl is not None:  # a declared one without code is told elsewhere
                refusal = _refuse(managers[publisher], plugin, use.hook, impl)
                if refusal:
                    refused[plugin].append(refusal)
                    continue
                made = Answering(plugin=plugin, function=impl.function, argnames=tuple(impl.argnames))
                answering.setdefault(use.hook, []).append(made)
    return Offers(
        hooks=MappingProxyType(hooks),
        slots=MappingProxyType(slots),
        answering=MappingProxyType({name: tuple(some) for name, some in answering.items()}),
        refused=MappingProxyType({plugin: tuple(some) for plugin, some in refused.items() if some}),
        off=MappingProxyType({plugin: tuple(some) for plugin, some in off.items() if some}),
    )


def _read_specs(one: Loaded, manager: pluggy.PluginManager) -> tuple[dict[str, ProvidedHook], list[str]]:
    """(the hooks that a plugin's code offers as its manifest says, what was refused)."""
    assert one.installed.manifest is not None
    declared = hooks_of(one.installed.manifest)
    accepted: dict[str, ProvidedHook] = {}
    problems = []
    marked = {n for n in dir(one.object) if hasattr(getattr(one.object, n, None), SPEC)}
    for name in sorted(marked - {hook.name for hook in declared.values()}):
        problems.append(f"It offers the hook '{name}' without declaring it; refused.")
    for full, hook in declared.items():
        if hook.name not in marked:
            problems.append(
                f"It declares to offer '{full}' but has no function '{hook.name}' with @hookspec; refused."
            )
            continue
        holder: Any = _Holder(code_name(full), getattr(one.object, hook.name))
        manager.add_hookspecs(holder)
        spec = getattr(manager.hook, code_name(full)).spec
        taken = tuple(spec.argnames)
        if taken != ("ctx", *hook.arguments):
            said = ", ".join(("ctx", *hook.arguments))
            problems.append(
                f"It offers '{full}' with ({', '.join(taken)}), its manifest says ({said}); refused."
            )
            continue
        accepted[full] = hook
    return accepted, problems


def _refuse(manager: pluggy.PluginManager, plugin: str, hook: str, impl: pluggy.HookImpl) -> str:
    """Let pluggy hold an implementation against what is offered; gives why it is refused, or nothing."""
    name = code_name(hook)
    if impl.wrapper or impl.hookwrapper:
        return f"It wraps '{hook}'; hooks are called one by one, a wrapper is refused."
    try:
        manager.register(_Holder(name, impl.function), name=f"{plugin}:{name}")
    except pluggy.PluginValidationError:
        given = getattr(manager.hook, name).spec.argnames
        extra = ", ".join(f"'{taken}'" for taken in impl.argnames if taken not in given)
        return (
            f"Its '{hook}' takes {extra}, which '{publisher_of(hook)}' does not give ({', '.join(given)}); "
            "refused."
        )
    return ""


def _unfit(wanted: str, version: int, offered: int | None, is_there: bool) -> str:
    """Why a hook or slot can't be used; empty where it can."""
    publisher = publisher_of(wanted)
    if not is_there:
        return f"It wants {wanted}@{version}, but '{publisher}' is not in use; that part is off."
    if offered is None:
        return f"It wants {wanted}@{version}, which '{publisher}' does not offer; that part is off."
    if offered != version:
        return f"It wants {wanted}@{version}, '{publisher}' offers @{offered}; that part is off."
    return ""


def _unfit_slots(one: Loaded, slots: Mapping[str, Slot], there: Mapping[str, Any]) -> Iterator[str]:
    assert one.installed.manifest is not None
    for widget in one.installed.manifest.widgets:
        for name, version in map(split_reference, widget.slots):
            if version is not None:
                offered = slots[name].version if name in slots else None
                if unfit := _unfit(name, version, offered, publisher_of(name) in there):
                    yield unfit


# -- asking ------------------------------------------------------------------------------------------------


class Call(Protocol):
    """An implementation as the host keeps it."""

    @property
    def plugin(self) -> str: ...
    @property
    def hook(self) -> str: ...


class Asking(Protocol):
    """What asking needs of the host: one guarded call, and a place for what went wrong."""

    def calls_of(self, hook: str) -> Sequence[Any]:
        """The implementations of a hook, in order."""
        ...

    def offered(self, hook: str) -> ProvidedHook | None:
        """An offered hook in force, or None."""
        ...

    def call_guarded(self, call: Any, ctx: Moment, arguments: Mapping[str, Any]) -> Any:
        """The answer; raises one of `PLUGIN_ERRORS` for whatever the code raises."""
        ...

    def count_success(self, call: Any) -> None:
        """Note that an implementation did what it should."""
        ...

    def count_failure(self, call: Any, error: BaseException, *, degraded: bool) -> None:
        """Count a failure, and mark its plugin degraded."""
        ...


def ask_first(host: Asking, hook: str, ctx: Moment, arguments: Mapping[str, Any]) -> Any:
    """The first answer that is not None; who raises is passed over."""
    for call in host.calls_of(hook):
        given = deepcopy(arguments)
        try:
            answer = host.call_guarded(call, ctx, given)
        except PLUGIN_ERRORS as exc:
            host.count_failure(call, exc, degraded=False)
            continue
        host.count_success(call)
        if answer is not None:
            return answer
    return None


def ask_all(host: Asking, hook: str, ctx: Moment, arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(plugin, answer) of everyone who has one; who raises is left out and degraded."""
    found = []
    for call in host.calls_of(hook):
        given = deepcopy(arguments)
        try:
            answer = host.call_guarded(call, ctx, given)
        except PLUGIN_ERRORS as exc:
            host.count_failure(call, exc, degraded=True)
            continue
        host.count_success(call)
        if answer is not None:
            found.append((call.plugin, answer))
    return found


def ask_gate(host: Asking, hook: str, ctx: Moment, arguments: Mapping[str, Any]) -> None:
    """Let everyone refuse with Rejected; who raises anything else is passed over."""
    for call in host.calls_of(hook):
        given = deepcopy(arguments)
        try:
            host.call_guarded(call, ctx, given)
        except Rejected:
            host.count_success(call)
            raise
        except PLUGIN_ERRORS as exc:
            host.count_failure(call, exc, degraded=False)
            continue
        host.count_success(call)


def ask_along(host: Asking, hook: str, ctx: Moment, value: Any, arguments: Mapping[str, Any]) -> Any:
    """The value, passed through everyone; who raises, or answers another type, leaves it as it was."""
    known = host.offered(hook)
    assert known is not None  # checked by who calls
    for call in host.calls_of(hook):
        given = deepcopy({known.arguments[0]: value, **arguments})
        try:
            answer = host.call_guarded(call, ctx, given)
            if answer is not None and value is not None and not isinstance(answer, type(value)):
                raise TypeError(
                    f"it answered {type(answer).__name__} where {type(value).__name__} is needed."
                )
        except PLUGIN_ERRORS as exc:
            host.count_failure(call, exc, degraded=False)
            continue
        host.count_success(call)
        if answer is not None:
            value = answer
    return value


def check_call(
    known: ProvidedHook | None, kind: HookKind, plugin: str, hook: str, given: Mapping[str, Any]
) -> None:
    """Raise what is wrong with the call of an offered hook: its kind, who calls it, with which arguments."""
    if known is None:
        raise ValueError(f"'{hook}' is no hook in use that is called with {WAYS[kind]}.")
    if publisher_of(hook) != plugin:
        raise NotAllowed(
            action="call", object=hook, reason=f"only the plugin '{publisher_of(hook)}' calls its hooks."
        )
    if known.kind != kind:
        raise ValueError(f"'{hook}' is called with {WAYS[HookKind(known.kind)]}, not with {WAYS[kind]}.")
    wanted = known.arguments[1:] if kind is HookKind.PIPELINE else known.arguments
    if set(given) != set(wanted):
        said = ", ".join(sorted(given)) or "nothing"
        raise ValueError(f"'{hook}' takes {', '.join(wanted) or 'nothing'}; given: {said}.")
