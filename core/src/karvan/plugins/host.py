"""The only module that calls plugin code: imports, registers, plans and guards every call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType
from typing import Any

import pluggy
from importlib_metadata import EntryPoint

from karvan.plugins.discovery import PLUGINS, Discovery, Installed
from karvan.plugins.order import order_plugins
from karvan_sdk.actions import Change
from karvan_sdk.errors import PluginFailed, Rejected
from karvan_sdk.hookspecs import POLICIES, PROJECT, Hookspecs
from karvan_sdk.manifest import HookUse, Manifest
from karvan_sdk.objects import Object
from karvan_sdk.protocols import Verify

PLUGIN_ERRORS = (Exception, SystemExit)
"""What plugin code may raise without ending the process: everything but a person's Ctrl-C."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What the calls of one hook of one plugin cost so far, in this process."""

    plugin: str
    hook: str
    calls: int = 0
    errors: int = 0
    over_budget: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0
    last_error: str = ""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How an enabled plugin fares in this process.

    `state` is `ready`, `degraded` (works in part), `failed` (its code is not used) or `missing` (not
    installed). `problems` says why, one sentence each.
    """

    plugin: str
    state: str
    version: str = ""
    problems: tuple[str, ...] = ()


class _Context:
    """A HookContext: the caller's, with the id of the plugin being called."""

    __slots__ = ("_inner", "plugin")

    def __init__(self, inner: Any, plugin: str) -> None:
        self._inner = inner
        self.plugin = plugin

    @property
    def actor_id(self) -> int | None:
        found: int | None = self._inner.actor_id
        return found

    @property
    def language(self) -> str:
        return str(self._inner.language)

    @property
    def timezone(self) -> str:
        return str(self._inner.timezone)

    def describe(self, object: str) -> Object:
        found: Object = self._inner.describe(object)
        return found


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One implementation, ready to be called: what it listens to and which arguments it takes."""

    plugin: str
    hook: str
    function: Callable[..., Any]
    argnames: tuple[str, ...]
    uses: tuple[HookUse, ...]
    owned: frozenset[str]
    budget_ms: float

    def listens(self, object: str, event: str) -> bool:
        return any(use.listens(object, event) for use in self.uses)


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """The object of a plugin and what was wrong with it; `object` is None where it can't be used."""

    installed: Installed
    object: Any = None
    problems: tuple[str, ...] = ()
    failed: bool = False


class _Plan:
    """Who is called for what. Never changed but for its memory of answers; swapped whole."""

    def __init__(self, calls: Mapping[str, tuple[_Call, ...]], status: Mapping[str, Status]) -> None:
        self.calls = calls
        self.status = status
        self._known: dict[tuple[str, str, str], tuple[_Call, ...]] = {}

    def of(self, hook: str, object: str, event: str) -> tuple[_Call, ...]:
        """The calls for one hook, object and event, in order; compiled at the first question."""
        key = (hook, object, event)
        found = self._known.get(key)
        if found is None:
            found = tuple(c for c in self.calls.get(hook, ()) if c.listens(object, event))
            self._known[key] = found
        return found


class Host:
    """The plugins that are on, and the guarded way to call them. Implements `karvan_sdk.protocols.Hooks`.

    Calls may come from any number of threads while the enabled set changes: each call uses the plan it
    began with.
    """

    def __init__(self, discovery: Discovery) -> None:
        self._discovery = discovery
        self._lock = threading.RLock()
        self._manager = _new_manager()
        self._loaded: dict[str, _Loaded] = {}
        self._asked: tuple[Installed, ...] = ()
        self._plan = _Plan({}, {})
        self._figures: dict[tuple[str, str], Figure] = {}
        self._figures_lock = threading.Lock()
        self._degraded: dict[str, str] = {}

    # -- which plugins are on --------------------------------------------------------------------------

    def sync(self, plugin_ids: Sequence[str]) -> Mapping[str, Status]:
        """Make exactly these plugins the ones in use, as they are installed now; cheap when nothing changed.

        One that is not installed, or whose manifest is broken, is listed so and left out.
        """
        found = self._discovery.installed()
        known = [found.get(i) or Installed(id=i, manifest=None) for i in dict.fromkeys(plugin_ids)]
        return self.load(known)

    def load(self, enabled: Sequence[Installed]) -> Mapping[str, Status]:
        """Import what is new among the enabled plugins, drop what went, and swap the plan.

        Nothing that a plugin does while it is imported stops the others; it is marked failed instead.
        """
        with self._lock:
            asked = tuple(enabled)
            if asked == self._asked:
                return self.status()
            wanted = {i.id: i for i in enabled}
            for plugin in [p for p in self._loaded if self._loaded[p].installed != wanted.get(p)]:
                self._drop(plugin)
            ordered, stuck = order_plugins(i.manifest for i in enabled if i.manifest is not None)
            status: dict[str, Status] = {}
            for one in enabled:
                if one.manifest is None:
                    status[one.id] = _absent(one)
                elif one.id in stuck:
                    self._drop(one.id)
                    why = f"Its order is a circle among: {', '.join(stuck)}."
                    status[one.id] = Status(
                        plugin=one.id, state="failed", version=one.version, problems=(why,)
                    )
                else:
                    status[one.id] = self._take(one)
            self._plan = _Plan(self._compile(ordered), MappingProxyType(status))
            self._asked = asked
            return self.status()

    def check(self, installed: Installed) -> tuple[str, ...]:
        """Import a plugin that is to be enabled and give what is wrong with it; changes nothing in use.

        A declared hook without an implementation is a warning only, and not among the findings.
        """
        with self._lock:
            known = self._loaded.get(installed.id)
            if known is not None and known.installed == installed and not known.failed:
                return ()
            loaded = _import(installed)
            if loaded.failed:
                return loaded.problems
            if loaded.object is None:
                return ()
            manager = _new_manager()
            try:
                manager.register(loaded.object, name=installed.id)
            except PLUGIN_ERRORS as exc:
                return (_words(exc),)
            return _undeclared(manager, installed)

    def status(self) -> Mapping[str, Status]:
        """How each enabled plugin fares, by id."""
        plan = self._plan
        return MappingProxyType({name: self._with_degraded(one) for name, one in plan.status.items()})

    def figures(self) -> tuple[Figure, ...]:
        """Calls, errors and times per plugin and hook since this process began."""
        with self._figures_lock:
            return tuple(self._figures[key] for key in sorted(self._figures))

    # -- Hooks -----------------------------------------------------------------------------------------

    def interested(self, hook: str, object: str, event: str) -> bool:
        """Whether any enabled plugin implements the hook for this object and event."""
        return bool(self._plan.of(hook, object, event))

    def pipeline(
        self, hook: str, ctx: Any, object: str, event: str, changes: Sequence[Change], verify: Verify
    ) -> Sequence[Change]:
        """Pass the changes through every interested plugin (see `karvan_sdk.protocols.Hooks.pipeline`)."""
        for call in self._plan.of(hook, object, event):
            before = [_sealed(change) for change in changes]
            try:
                result = self._call(call, ctx, {"object": object, "event": event, "changes": before})
                if result is None:
                    continue
                after = _same_records(before, result)
            except PLUGIN_ERRORS as exc:
                self._count_error(call, exc)
                continue
            if after == before:
                continue
            if findings := verify(after):
                reason = "its values are not valid: " + "; ".join(e.message for e in findings[:5])
                failure = PluginFailed(plugin=call.plugin, hook=hook, reason=reason, errors=findings)
                self._count_error(call, failure)
                raise failure
            changes = after
        return changes

    def gate(self, hook: str, ctx: Any, object: str, event: str, changes: Sequence[Change]) -> None:
        """Ask every interested plugin (see `karvan_sdk.protocols.Hooks.gate`)."""
        for call in self._plan.of(hook, object, event):
            sealed = [_sealed(change) for change in changes]
            try:
                self._call(call, ctx, {"object": object, "event": event, "changes": sealed})
            except Rejected:
                raise
            except PLUGIN_ERRORS as exc:
                self._count_error(call, exc)
                if object in call.owned:
                    raise PluginFailed(plugin=call.plugin, hook=hook, reason=_words(exc)) from exc

    def collect(self, hook: str, ctx: Any, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """(plugin id, result) of every plugin that answers; one that raises is left out and degraded."""
        for call in self._plan.calls.get(hook, ()):
            try:
                result = self._call(call, ctx, arguments)
            except PLUGIN_ERRORS as exc:
                self._count_error(call, exc)
                self._degraded[call.plugin] = f"{hook}: {_words(exc)}"
                continue
            if result is not None:
                yield call.plugin, result

    # -- inside ----------------------------------------------------------------------------------------

    def _take(self, installed: Installed) -> Status:
        """Import and register one plugin unless it is in use already."""
        loaded = self._loaded.get(installed.id)
        if loaded is None:
            loaded = _import(installed)
            if loaded.object is not None:
                try:
                    self._manager.register(loaded.object, name=installed.id)
                except PLUGIN_ERRORS as exc:
                    self._manager.unregister(name=installed.id)
                    loaded = _Loaded(installed=installed, problems=(_words(exc),), failed=True)
            if not loaded.failed:
                problems = (*_undeclared(self._manager, installed), *_unkept(self._manager, installed))
                loaded = replace(loaded, problems=problems)
            self._loaded[installed.id] = loaded
            self._degraded.pop(installed.id, None)
        state = "failed" if loaded.failed else "degraded" if loaded.problems else "ready"
        return Status(plugin=installed.id, state=state, version=installed.version, problems=loaded.problems)

    def _drop(self, plugin: str) -> None:
        if self._loaded.pop(plugin, None) is not None and self._manager.has_plugin(plugin):
            self._manager.unregister(name=plugin)
        self._degraded.pop(plugin, None)

    def _compile(self, ordered: Sequence[str]) -> Mapping[str, tuple[_Call, ...]]:
        """The calls of every hook in the order of the plugins, from pluggy's public registrations."""
        place = {plugin: number for number, plugin in enumerate(ordered)}
        plan: dict[str, tuple[_Call, ...]] = {}
        for hook, policy in POLICIES.items():
            calls = []
            for impl in getattr(self._manager.hook, hook).get_hookimpls():
                manifest = self._loaded[impl.plugin_name].installed.manifest
                assert manifest is not None  # only plugins with a manifest are registered
                uses = tuple(use for use in manifest.hooks if use.hook == hook)
                if uses and not (impl.hookwrapper or impl.wrapper):
                    calls.append(
                        _Call(
                            plugin=impl.plugin_name,
                            hook=hook,
                            function=impl.function,
                            argnames=tuple(impl.argnames),
                            uses=uses,
                            owned=_owned(manifest),
                            budget_ms=policy.budget_ms,
                        )
                    )
            plan[hook] = tuple(sorted(calls, key=lambda call: place[call.plugin]))
        return MappingProxyType(plan)

    def _call(self, call: _Call, ctx: Any, arguments: Mapping[str, Any]) -> Any:
        """Call one implementation under the clock. A lazy answer is drawn here, where a raise is caught."""
        given = {"ctx": _Context(ctx, call.plugin), **arguments}
        started = perf_counter()
        try:
            result = call.function(*[given[name] for name in call.argnames])
            return list(result) if isinstance(result, Iterator) else result
        finally:
            self._count(call, (perf_counter() - started) * 1000)

    def _count(self, call: _Call, ms: float) -> None:
        key = (call.plugin, call.hook)
        with self._figures_lock:
            old = self._figures.get(key) or Figure(plugin=call.plugin, hook=call.hook)
            self._figures[key] = replace(
                old,
                calls=old.calls + 1,
                over_budget=old.over_budget + (ms > call.budget_ms),
                total_ms=old.total_ms + ms,
                max_ms=max(old.max_ms, ms),
            )

    def _count_error(self, call: _Call, error: BaseException) -> None:
        key = (call.plugin, call.hook)
        with self._figures_lock:
            old = self._figures.get(key) or Figure(plugin=call.plugin, hook=call.hook)
            self._figures[key] = replace(old, errors=old.errors + 1, last_error=_words(error))

    def _with_degraded(self, status: Status) -> Status:
        why = self._degraded.get(status.plugin)
        if why is None or status.state not in ("ready", "degraded"):
            return status
        return replace(status, state="degraded", problems=(*status.problems, why))


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    # an instance: with the class every call would warn about `self`
    manager.add_hookspecs(Hookspecs())  # type: ignore[arg-type]  # pluggy takes any object with specs
    return manager


def _import(installed: Installed) -> _Loaded:
    """Import the object of a plugin; whatever it raises becomes a reason."""
    if not installed.entry:
        return _Loaded(installed=installed)
    try:
        found = EntryPoint(name=installed.id, value=installed.entry, group=PLUGINS).load()
    except PLUGIN_ERRORS as exc:
        why = f"'{installed.entry}' can't be imported: {_words(exc)}"
        return _Loaded(installed=installed, problems=(why,), failed=True)
    if found is None or isinstance(found, type):
        why = f"'{installed.entry}' must be a module or an object with hooks, not {found!r}."
        return _Loaded(installed=installed, problems=(why,), failed=True)
    return _Loaded(installed=installed, object=found)


def _implemented(manager: pluggy.PluginManager, plugin: str) -> list[tuple[str, bool, bool]]:
    """(hook, has a spec, is a wrapper) of everything that a registered plugin implements."""
    found = manager.get_plugin(plugin)
    callers = manager.get_hookcallers(found) if found is not None else None
    return [
        (caller.name, caller.has_spec(), bool(impl.hookwrapper or impl.wrapper))
        for caller in callers or ()
        for impl in caller.get_hookimpls()
        if impl.plugin_name == plugin
    ]


def _undeclared(manager: pluggy.PluginManager, installed: Installed) -> tuple[str, ...]:
    """Refused implementations, one sentence each."""
    declared = {use.hook for use in installed.manifest.hooks} if installed.manifest else set()
    problems = []
    for hook, known, wrapper in sorted(_implemented(manager, installed.id)):
        if not known:
            problems.append(f"It implements '{hook}', which is no hook of this karvan-sdk; refused.")
        elif hook not in declared:
            problems.append(f"It implements '{hook}' without declaring it in its manifest; refused.")
        elif wrapper:
            problems.append(f"It wraps '{hook}'; hooks are called one by one, a wrapper is refused.")
    return tuple(problems)


def _unkept(manager: pluggy.PluginManager, installed: Installed) -> tuple[str, ...]:
    """Hooks that the manifest declares and the code lacks, one sentence each."""
    declared = {use.hook for use in installed.manifest.hooks} if installed.manifest else set()
    there = {hook for hook, _, _ in _implemented(manager, installed.id)}
    return tuple(f"It declares '{hook}' but does not implement it." for hook in sorted(declared - there))


def _absent(installed: Installed) -> Status:
    if not installed.errors:
        why = "It is enabled here but not installed. Install it or disable it."
        return Status(plugin=installed.id, state="missing", problems=(why,))
    problems = tuple(f"{e.field}: {e.message}" for e in installed.errors)
    return Status(plugin=installed.id, state="failed", version=installed.version, problems=problems)


def _owned(manifest: Manifest) -> frozenset[str]:
    """The API names that the plugin's objects can have: bare, or with its id where the name was held."""
    names = [made.name for made in manifest.objects]
    return frozenset([*names, *(f"{manifest.id}__{name}" for name in names)])


def _sealed(change: Change) -> Change:
    """The same change with values that can't be altered behind the host's back."""
    if isinstance(change.values, MappingProxyType) and isinstance(change.before, MappingProxyType):
        return change
    return replace(change, values=MappingProxyType(change.values), before=MappingProxyType(change.before))


def _same_records(before: Sequence[Change], result: Any) -> list[Change]:
    """What a plugin answered, if it is as many changes of the same records in the same order."""
    after = list(result)
    if len(after) != len(before):
        raise TypeError(f"it answered {len(after)} changes for {len(before)}.")
    for old, new in zip(before, after, strict=True):
        if not isinstance(new, Change):
            raise TypeError(f"it answered {type(new).__name__} where a Change is needed.")
        if new.id != old.id:
            raise ValueError(f"it answered record {new.id} where {old.id} is needed.")
        if not isinstance(new.values, Mapping):
            raise TypeError(f"it answered values that are {type(new.values).__name__}, not a mapping.")
    # the stored values are facts: a plugin gives new values, never another past, and keeps no hold on them
    return [
        replace(new, before=old.before, values=dict(new.values))
        for old, new in zip(before, after, strict=True)
    ]


def _words(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}"[:300] if text else type(error).__name__
