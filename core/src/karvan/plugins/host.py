"""The only module that calls plugin code: imports, registers, plans and guards every call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any

from karvan.access.moment import Moment
from karvan.plugins.accidents import Suspension
from karvan.plugins.answers import is_wait, read_caller, read_html, read_message, read_response
from karvan.plugins.blackbox import IMPORT, NOBODY, BlackBox, make_mark
from karvan.plugins.breaker import BreakerOpen, Breakers, Trip
from karvan.plugins.capabilities import Granted, granted_of
from karvan.plugins.context import (
    Draw,
    Frame,
    Place,
    PluginContext,
    PluginPageContext,
    PluginWidgetContext,
    Scope,
)
from karvan.plugins.discovery import Discovery, Installed
from karvan.plugins.effective import SettingsOf
from karvan.plugins.figures import Figure, Figures
from karvan.plugins.loading import (
    PLUGIN_ERRORS,
    Loaded,
    contained,
    faults_of,
    implementations,
    load_plugin,
    new_manager,
    say_error,
    undeclared,
    unkept,
)
from karvan.plugins.means import Means
from karvan.plugins.offers import (
    Answering,
    Offers,
    ask_all,
    ask_along,
    ask_first,
    ask_gate,
    bind_offers,
    check_call,
)
from karvan.plugins.order import order_plugins
from karvan.plugins.parts import NoRoute
from karvan.vault import Vault
from karvan_sdk.actions import Change
from karvan_sdk.deprecations import DEPRECATIONS, Deprecation, deprecated_arguments, deprecations
from karvan_sdk.errors import (
    FieldError,
    KarvanError,
    NotAllowed,
    PluginFailed,
    Rejected,
    TryLater,
    Unavailable,
    UnknownPlugin,
)
from karvan_sdk.hookspecs import POLICIES, HookKind
from karvan_sdk.manifest import HookUse, Manifest
from karvan_sdk.protocols import Verify
from karvan_sdk.provides import ProvidedHook
from karvan_sdk.router import Public, Request, Response, Route, Surface
from karvan_sdk.widgets import Slot, WidgetUse

NO_HOME = Path("var")
NO_CODE = "Karvan runs in safe mode, in which no code of plugins is tried. Start it without safe mode first."
JOB_BUDGET_MS = 30_000.0
"""The soft budget of a job; the worker's hard limit is the same."""
ROUTE_BUDGET_MS = 1000.0
"""The soft budget of a route."""
log = logging.getLogger("karvan.plugins")


@dataclass(frozen=True, kw_only=True)
class Status:
    """How an enabled plugin fares in this process.

    `state` is `ready`, `degraded` (works in part), `failed` (its code is not used), `missing` (not
    installed), `suspended` (it ended processes, so its code is not used) or `resting` (safe mode: no code is
    used). `problems` says why, one sentence each; `warnings` tell what works and yet needs somebody.
    """

    plugin: str
    state: str
    version: str = ""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


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
    scope: Scope
    mark: bytes = NOBODY

    def listens(self, object: str, event: str) -> bool:
        return any(use.listens(object, event) for use in self.uses)


class _Plan:
    """Who is called for what. Never changed but for its memory of answers; swapped whole."""

    def __init__(
        self,
        calls: Mapping[str, tuple[_Call, ...]],
        status: Mapping[str, Status],
        loaded: Mapping[str, Loaded],
        offers: Offers | None = None,
    ) -> None:
        self.offers = offers or Offers()
        self.calls = calls
        self.status = status
        self.loaded = loaded
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

    def __init__(
        self,
        discovery: Discovery,
        home: Path = NO_HOME,
        *,
        means: Means | None = None,
        box: BlackBox | None = None,
        code: bool = True,
        safe_mode: bool = False,
        suspend: Callable[[Trip, str], None] = lambda trip, version: None,
        suspended: Callable[[], Mapping[str, Suspension]] = lambda: {},
        deprecated: Sequence[Deprecation] = DEPRECATIONS,
    ) -> None:
        """`means` are what plugins may borrow; `box` is told whose code is on top. Without `code`, or in
        safe mode, none is imported or called, nor is that of `suspended` plugins, who are asked for at
        each `sync`."""
        self._discovery = discovery
        self._box = box or BlackBox()
        self._code = code and not safe_mode
        self._safe_mode = safe_mode
        self._vault = Vault(home)
        self._read_suspended = suspended
        self._suspended: Mapping[str, Suspension] = {}
        self._deprecated = tuple(deprecated)
        self._files = home / "files"
        self._means = means
        self._lock = threading.RLock()
        self._manager = new_manager()
        self._loaded: dict[str, Loaded] = {}
        self._asked: tuple[Installed, ...] = ()
        self._plan = _Plan({}, {}, {})
        self.breakers = Breakers(self._trip)
        self._suspend = suspend
        self.counted = Figures()
        self._degraded: dict[str, str] = {}
        self._warned: dict[str, dict[str, tuple[str, ...]]] = {}

    # -- which plugins are on --------------------------------------------------------------------------

    def sync(self, plugin_ids: Sequence[str]) -> Mapping[str, Status]:
        """Make exactly these plugins the ones in use, as they are installed now; cheap when nothing changed.

        One that is not installed, or whose manifest is broken, is listed so and left out.
        """
        found = self._discovery.installed()
        known = [found.get(i) or Installed(id=i, manifest=None) for i in dict.fromkeys(plugin_ids)]
        suspended = self._read_suspended()
        with self._lock:
            if suspended != self._suspended:
                self._suspended, self._asked = suspended, ()
            return self.load(known)

    def suspension(self, plugin: str) -> Suspension | None:
        """Why an enabled plugin is not called for now; None for one that is."""
        status = self._plan.status.get(plugin)
        return self._suspended.get(plugin) if status and status.state == "suspended" else None

    def load(self, enabled: Sequence[Installed]) -> Mapping[str, Status]:
        """Import what is new among the enabled plugins, drop what went, and swap the plan.

        Nothing that a plugin does while it is imported stops the others; it is marked failed instead.
        """
        with self._lock:
            asked = tuple(enabled)
            if asked == self._asked:
                return self.status()
            wanted = {i.id: i for i in enabled if not self._is_suspended(i)}
            for plugin in [p for p in self._loaded if self._loaded[p].installed != wanted.get(p)]:
                self._drop(plugin)
            if not self._code:
                self._plan = _Plan({}, MappingProxyType(self._resting(enabled)), {})
                self._asked = asked
                return self.status()
            ordered, stuck = order_plugins(i.manifest for i in enabled if i.manifest is not None)
            status: dict[str, Status] = {}
            resting: dict[str, Loaded] = {}
            for one in enabled:
                if one.manifest is None:
                    status[one.id] = _absent(one)
                elif (held := self._held(one)) is not None:
                    status[one.id] = held
                    resting[one.id] = Loaded(installed=one, problems=held.problems, failed=True)
                elif one.id in stuck:
                    self._drop(one.id)
                    why = f"Its order is a circle among: {', '.join(stuck)}."
                    status[one.id] = Status(
                        plugin=one.id, state="failed", version=one.version, problems=(why,)
                    )
                else:
                    status[one.id] = self._take(one)
            called = MappingProxyType({p: self._loaded[p] for p in ordered if p in self._loaded})
            offers = bind_offers(called, lambda plugin: implementations(self._manager, plugin))
            for plugin in called:
                problems = (*offers.refused.get(plugin, ()), *offers.off.get(plugin, ()))
                status[plugin] = _with_problems(status[plugin], problems)
            in_use = MappingProxyType(
                {p: found for p in ordered if (found := called.get(p) or resting.get(p))}
            )
            self._plan = _Plan(self._compile(ordered, offers), MappingProxyType(status), in_use, offers)
            self._asked = asked
            return self.status()

    def check(self, installed: Installed) -> tuple[str, ...]:
        """Import a plugin that is to be enabled and give what is wrong with it; changes nothing in use.

        A declared hook without an implementation is a warning only, and not among the findings.
        """
        with self._lock:
            if not self._code:
                return (NO_CODE,)
            known = self._loaded.get(installed.id)
            if known is not None and known.installed == installed and not known.failed:
                return ()
            with self._importing(installed):
                loaded = load_plugin(installed)
            with self._importing(installed):
                return (*faults_of(loaded), *self._unfit(loaded))

    def is_new(self, installed: Installed) -> bool:
        """Whether `check` would import this plugin's code."""
        with self._lock:
            known = self._loaded.get(installed.id)
            return self._code and (known is None or known.installed != installed or known.failed)

    def _unfit(self, loaded: Loaded) -> tuple[str, ...]:
        """What of a plugin that is to be enabled does not fit what the others offer, or it offers itself."""
        plugin = loaded.installed.id
        if loaded.failed or loaded.object is None:
            return ()
        manager = new_manager()
        try:
            with contained():
                manager.register(loaded.object, name=plugin)
        except PLUGIN_ERRORS:
            return ()  # told by `faults_of`
        others = {p: one for p, one in self._plan.loaded.items() if p != plugin}

        def found(of: str) -> Mapping[str, Any]:
            return implementations(manager if of == plugin else self._manager, of)

        offers = bind_offers({**others, plugin: loaded}, found)
        return offers.refused.get(plugin, ())

    def status(self) -> Mapping[str, Status]:
        """How each enabled plugin fares, by id."""
        plan = self._plan
        return MappingProxyType({name: self._with_degraded(one) for name, one in plan.status.items()})

    def figures(self) -> tuple[Figure, ...]:
        """Calls, errors and times per plugin and hook since this process began."""
        return self.counted.all()

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
                    self._went_well(call)
                    continue
                with contained():
                    after = _same_records(before, result)
                    is_same = after == before
            except PLUGIN_ERRORS as exc:
                self._count_error(call.plugin, call.hook, exc)
                continue
            if is_same:
                self._went_well(call)
                continue
            if findings := verify(after):
                reason = "its values are not valid: " + "; ".join(e.message for e in findings[:5])
                failure = PluginFailed(plugin=call.plugin, hook=hook, reason=reason, errors=findings)
                self._count_error(call.plugin, call.hook, failure)
                raise failure
            self._went_well(call)
            changes = after
        return changes

    def gate(self, hook: str, ctx: Any, object: str, event: str, changes: Sequence[Change]) -> None:
        """Ask every interested plugin (see `karvan_sdk.protocols.Hooks.gate`)."""
        for call in self._plan.of(hook, object, event):
            sealed = [_sealed(change) for change in changes]
            try:
                self._call(call, ctx, {"object": object, "event": event, "changes": sealed})
            except Rejected as exc:
                self._went_well(call)
                exc.params = _sendable(exc.params)
                exc.errors = tuple(_placed(finding, len(changes)) for finding in exc.errors)
                raise
            except PLUGIN_ERRORS as exc:
                self._count_error(call.plugin, call.hook, exc)
                if object in call.owned:
                    raise PluginFailed(plugin=call.plugin, hook=hook, reason=_reason(exc)) from exc
            else:
                self._went_well(call)

    def collect(self, hook: str, ctx: Any, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """(plugin id, result) of every plugin that answers; one that raises is left out and degraded."""
        for call in self._plan.calls.get(hook, ()):
            try:
                result = self._call(call, ctx, arguments)
            except PLUGIN_ERRORS as exc:
                self._count_error(call.plugin, call.hook, exc)
                self._degraded[call.plugin] = f"{hook}: {_reason(exc)}"
                continue
            self._went_well(call)
            if result is not None:
                yield call.plugin, result

    def restrict(
        self, hook: str, ctx: Moment, object: str, action: str, declared: Mapping[str, Sequence[HookUse]]
    ) -> Iterator[tuple[str, str | None, str]]:
        """(plugin, condition, why there is none) for every plugin that declares to restrict the object.

        `declared` are the uses of the hook by enabled plugin, as they stood when it was enabled: one that
        is missing or can't be loaded gives no condition, one that leaves records as they are an empty one.
        """
        calls = {call.plugin: call for call in self._plan.calls.get(hook, ())}
        for plugin, uses in declared.items():
            if not any(object in use.objects or "*" in use.objects for use in uses):
                continue
            call = calls.get(plugin)
            if call is None:
                yield plugin, None, "its code is not in use."
                continue
            try:
                condition = self._call(call, ctx, {"object": object, "action": action})
                if condition is not None and not isinstance(condition, str):
                    raise TypeError(f"it answered {type(condition).__name__} where a text is needed.")
            except PLUGIN_ERRORS as exc:
                self._count_error(call.plugin, call.hook, exc)
                yield plugin, None, _reason(exc)
                continue
            self._went_well(call)
            yield plugin, (condition or "").strip(), ""

    def degrade(self, plugin: str, why: str) -> None:
        """Note for the list of plugins that a part of one does not work."""
        self._degraded[plugin] = why

    def warn(self, plugin: str, about: str, texts: Sequence[str]) -> None:
        """Tell in the plugin's status what needs somebody; replaces what was told about the same before."""
        told = {**self._warned.get(plugin, {}), about: tuple(texts)}
        self._warned[plugin] = {about: some for about, some in told.items() if some}

    def first(self, hook: str, ctx: Moment, /, **arguments: Any) -> Any:
        """The first answer that is not None, or None; who raises is passed over and counted."""
        policy = POLICIES.get(hook)
        if policy is None or policy.kind is not HookKind.FIRST:
            raise ValueError(f"'{hook}' is no hook that providers answer.")
        for call in self._plan.calls.get(hook, ()):
            try:
                answer = self._call(call, ctx, arguments)
            except PLUGIN_ERRORS as exc:
                self._count_error(call.plugin, call.hook, exc)
                continue
            self._went_well(call)
            if answer is not None:
                return answer
        return None

    # -- hooks that plugins offer (`offers.Asking`, `context.Ask`) -------------------------------------

    def ask_first(self, plugin: str, hook: str, ctx: Moment, arguments: Mapping[str, Any]) -> Any:
        """The first answer to a hook of the core, or to one that `plugin` offers."""
        if hook in POLICIES:
            return self.first(hook, ctx, **arguments)
        check_call(self.offered(hook), HookKind.FIRST, plugin, hook, arguments)
        return ask_first(self, hook, ctx, arguments)

    def ask_all(
        self, plugin: str, hook: str, ctx: Moment, arguments: Mapping[str, Any]
    ) -> list[tuple[str, Any]]:
        """(plugin, answer) of everyone who answers a hook that `plugin` offers."""
        check_call(self.offered(hook), HookKind.COLLECT, plugin, hook, arguments)
        return ask_all(self, hook, ctx, arguments)

    def ask_gate(self, plugin: str, hook: str, ctx: Moment, arguments: Mapping[str, Any]) -> None:
        """Let everyone refuse through a hook that `plugin` offers."""
        check_call(self.offered(hook), HookKind.GATE, plugin, hook, arguments)
        try:
            ask_gate(self, hook, ctx, arguments)
        except Rejected as exc:
            exc.params = _sendable(exc.params)
            exc.errors = tuple(replace(e, params=_sendable(e.params)) for e in exc.errors)
            raise

    def ask_along(self, plugin: str, hook: str, ctx: Moment, value: Any, arguments: Mapping[str, Any]) -> Any:
        """The value, passed through a hook that `plugin` offers."""
        check_call(self.offered(hook), HookKind.PIPELINE, plugin, hook, arguments)
        return ask_along(self, hook, ctx, value, arguments)

    def offered(self, hook: str) -> ProvidedHook | None:
        """A hook that a plugin in use offers, or None."""
        return self._plan.offers.hooks.get(hook)

    def calls_of(self, hook: str) -> Sequence[_Call]:
        """The implementations of a hook, in order."""
        return self._plan.calls.get(hook, ())

    def call_guarded(self, call: _Call, ctx: Moment, arguments: Mapping[str, Any]) -> Any:
        """The answer of one implementation; raises one of `PLUGIN_ERRORS` for whatever its code raises."""
        return self._call(call, ctx, arguments)

    def count_success(self, call: _Call) -> None:
        """Note that an implementation did what it should."""
        self._went_well(call)

    def count_failure(self, call: _Call, error: BaseException, *, degraded: bool) -> None:
        """Count a failure of an implementation, and mark its plugin degraded."""
        self._count_error(call.plugin, call.hook, error)
        if degraded:
            self.degrade(call.plugin, f"{call.hook}: {say_error(error)}")

    def slots(self) -> Mapping[str, Slot]:
        """Every slot by name: those of the core, and those that plugins in use offer."""
        return self._plan.offers.slots

    def observe(self, plugin: str, hook: str, ctx: Moment, /, **arguments: Any) -> None:
        """Tell one plugin; raises TryLater, or PluginFailed for whatever else it raises.

        PluginFailed, too, where its code is not in use: what it missed is told when it is back.
        """
        call = next((c for c in self._plan.calls.get(hook, ()) if c.plugin == plugin), None)
        if call is None:
            raise PluginFailed(plugin=plugin, hook=hook, reason="its code is not in use.")
        try:
            self._call(call, ctx, arguments)
        except BreakerOpen as exc:  # no attempt is counted
            raise TryLater(_reason(exc), seconds=exc.seconds) from exc
        except TryLater as exc:
            if is_wait(exc.seconds):
                self._went_well(call)
                raise
            reason = "it asks to be called again after what is no time in seconds, or is longer than a year."
            self._count_error(call.plugin, call.hook, ValueError(reason))
            raise PluginFailed(plugin=plugin, hook=hook, reason=reason) from exc
        except PLUGIN_ERRORS as exc:
            self._count_error(call.plugin, call.hook, exc)
            raise PluginFailed(plugin=plugin, hook=hook, reason=say_error(exc)) from exc
        else:
            self._went_well(call)

    def work(self, plugin: str, job: str, ctx: Moment, payload: Mapping[str, Any]) -> None:
        """Do one job of a plugin; raises TryLater, or PluginFailed for whatever else goes wrong."""
        loaded = self._plan.loaded.get(plugin)
        function = loaded.parts.jobs.get(job) if loaded else None
        if loaded is None or function is None:
            raise PluginFailed(plugin=plugin, hook=f"job:{job}", reason="its code is not in use.")
        context = PluginContext(ctx, self._scope(loaded), self)

        def call() -> None:
            try:
                function(context, payload)
            except TryLater as exc:
                if not is_wait(exc.seconds):
                    reason = "it asks for another turn after what is no time in seconds, or over a year."
                    raise ValueError(reason) from exc
                raise

        try:
            self._guarded(plugin, f"job:{job}", JOB_BUDGET_MS, call, passing=TryLater)
        except PluginFailed as exc:
            if isinstance(exc.__cause__, BreakerOpen):  # no attempt is counted
                raise TryLater(str(exc.__cause__), seconds=exc.__cause__.seconds) from exc
            raise

    # -- widgets, routes, commands ---------------------------------------------------------------------

    def widgets(self, slot: str, object: str = "") -> tuple[tuple[str, WidgetUse], ...]:
        """(plugin, declaration) of every widget for a slot, in the order of the plugins, code or not."""
        plan = self._plan
        known = plan.offers.slots.get(slot)
        if known is None:
            return ()
        return tuple(
            (plugin, use)
            for plugin, loaded in plan.loaded.items()
            for use in (loaded.installed.manifest.widgets if loaded.installed.manifest else ())
            if use.fits(known.reference, object)
        )

    def render(self, plugin: str, widget: str, ctx: Moment, place: Place, draw: Draw, frame: Frame) -> str:
        """The HTML of one widget, empty where it has nothing to show. Raises PluginFailed."""
        loaded, context = self._widget(plugin, widget, ctx, place, draw, frame)
        code = loaded.parts.widgets[widget]
        answer: str = self._guarded(
            plugin, f"widget:{widget}", _budget(loaded, widget), lambda: read_html(code.render(context))
        )
        return answer

    def act(
        self,
        plugin: str,
        widget: str,
        action: str,
        form: Mapping[str, str],
        ctx: Moment,
        place: Place,
        draw: Draw,
        frame: Frame,
    ) -> str:
        """Do what a form of a widget asks; gives its message, or empty.

        Raises what the records refuse, UnknownPlugin for an unknown action, PluginFailed for the rest.
        """
        loaded, context = self._widget(plugin, widget, ctx, place, draw, frame)
        code = loaded.parts.widgets[widget].actions.get(action)
        if code is None:
            raise UnknownPlugin(f"{plugin}.{widget}/{action}")
        name = f"widget:{widget}/{action}"
        answer: str = self._guarded(
            plugin, name, _budget(loaded, widget), lambda: read_message(code(context, form)),
            passing=KarvanError,
        )  # fmt: skip
        return answer

    def match(self, plugin: str, surface: Surface, path: str, method: str) -> tuple[Route, Mapping[str, Any]]:
        """The route of an enabled plugin; raises NoRoute, PluginFailed for one that is suspended."""
        if self.suspension(plugin) is not None:
            raise PluginFailed(plugin=plugin, hook=f"route:{path}", reason="it is suspended.")
        loaded = self._plan.loaded.get(plugin)
        routes = loaded.parts.routes.get(surface) if loaded else None
        if routes is None:
            raise NoRoute
        return routes.match(path, method)

    def authenticate(
        self, plugin: str, public: Public, request: Request, ctx: Moment, draw: Draw, frame: Frame
    ) -> str | None:
        """The name of a public route's caller, or None: refused. Raises what `handle` raises."""
        context = self._page(plugin, ctx, draw, frame)
        caller: str | None = self._guarded(
            plugin, "authenticate", ROUTE_BUDGET_MS,
            lambda: read_caller(public.authenticate(context, request)), passing=KarvanError,
        )  # fmt: skip
        return caller

    def handle(
        self,
        plugin: str,
        route: Route,
        values: Mapping[str, Any],
        request: Request,
        ctx: Moment,
        draw: Draw,
        frame: Frame,
    ) -> Response:
        """Let a route answer. Raises its KarvanErrors as they are, PluginFailed for whatever else."""
        context = self._page(plugin, ctx, draw, frame)
        answer: Response = self._guarded(
            plugin, f"route:{route.rule}", ROUTE_BUDGET_MS,
            lambda: read_response(route.handler(context, request, **values)), passing=KarvanError,
        )  # fmt: skip
        return answer

    def commands(self, plugin: str) -> Mapping[str, Any]:
        """The click commands of an enabled plugin by name; raises UnknownPlugin for one that is not on."""
        loaded = self._plan.loaded.get(plugin)
        if loaded is None:
            raise UnknownPlugin(plugin, hint="Enable it first.")
        return loaded.parts.commands

    def context(self, plugin: str, ctx: Moment) -> PluginContext:
        """The context of an enabled plugin, for its commands; raises UnknownPlugin."""
        loaded = self._plan.loaded.get(plugin)
        if loaded is None:
            raise UnknownPlugin(plugin, hint="Enable it first.")
        return PluginContext(ctx, self._scope(loaded), self)

    # -- inside ----------------------------------------------------------------------------------------

    def _scope(self, loaded: Loaded) -> Scope:
        manifest, settings = loaded.installed.manifest, loaded.settings
        assert manifest is not None  # only plugins with a manifest are loaded
        assert settings is not None  # they are taken into use before they are called
        return Scope(
            manifest=manifest,
            files=self._files,
            settings=settings,
            texts=loaded.texts,
            package=loaded.package,
            means=self._means,
        )

    def _page(self, plugin: str, ctx: Moment, draw: Draw, frame: Frame) -> PluginPageContext:
        """The context of a page; raises NoRoute where the plugin went since its route was matched."""
        loaded = self._plan.loaded.get(plugin)
        if loaded is None:
            raise NoRoute
        return PluginPageContext(ctx, self._scope(loaded), self, draw, frame)

    def _widget(
        self, plugin: str, widget: str, ctx: Moment, place: Place, draw: Draw, frame: Frame
    ) -> tuple[Loaded, PluginWidgetContext]:
        loaded = self._plan.loaded.get(plugin)
        if loaded is None or loaded.failed:
            raise PluginFailed(plugin=plugin, hook=f"widget:{widget}", reason="its code is not in use.")
        if widget not in loaded.parts.widgets:
            raise PluginFailed(
                plugin=plugin, hook=f"widget:{widget}", reason="it does not bring this widget."
            )
        place = _narrowed(place, plugin, loaded, ctx)
        context = PluginWidgetContext(
            ctx, self._scope(loaded), self, draw, frame, place=place, widget=f"{plugin}.{widget}"
        )
        return loaded, context

    def _guarded(
        self,
        plugin: str,
        name: str,
        budget_ms: float,
        call: Callable[[], Any],
        *,
        passing: type[BaseException] | tuple[type[BaseException], ...] = (),
    ) -> Any:
        """Call plugin code under the clock; what it raises becomes PluginFailed, `passing` goes through."""
        loaded = self._plan.loaded.get(plugin)
        try:
            self.breakers.pass_or_raise(plugin, name)
        except BreakerOpen as exc:
            raise PluginFailed(plugin=plugin, hook=name, reason=_reason(exc)) from exc
        outer = self._box.enter(make_mark(plugin, loaded.installed.version if loaded else "", name))
        queries, started = self._queries(), perf_counter()
        try:
            with contained():
                answer = call()
            self.breakers.went_well(plugin, name)
            return answer
        except passing:
            self.breakers.went_well(plugin, name)
            raise
        except PLUGIN_ERRORS as exc:
            self._count_error(plugin, name, exc)
            log.warning("Plugin '%s' failed in %s.", plugin, name, exc_info=exc)
            raise PluginFailed(plugin=plugin, hook=name, reason=say_error(exc)) from exc
        finally:
            self._box.leave(outer)
            ms = (perf_counter() - started) * 1000
            self.counted.count(plugin, name, budget_ms, ms, self._queries() - queries)

    def _take(self, installed: Installed) -> Status:
        """Import and register one plugin unless it is in use already."""
        loaded = self._loaded.get(installed.id)
        if loaded is None:
            with self._importing(installed):
                loaded = load_plugin(installed)
            if loaded.object is not None:
                try:
                    with contained(), self._importing(installed):
                        self._manager.register(loaded.object, name=installed.id)
                except PLUGIN_ERRORS as exc:
                    self._manager.unregister(name=installed.id)
                    loaded = Loaded(installed=installed, problems=(say_error(exc),), failed=True)
            if not loaded.failed:
                problems = (*undeclared(self._manager, installed), *unkept(self._manager, installed))
                loaded = replace(loaded, problems=(*loaded.problems, *problems))
            assert installed.manifest is not None  # nothing without one is taken
            settings = SettingsOf(installed.id, installed.manifest.settings, self._vault)
            loaded = replace(loaded, settings=settings)
            self._loaded[installed.id] = loaded
            self._degraded.pop(installed.id, None)
            self._tell_deprecated(installed)
        state = "failed" if loaded.failed else "degraded" if loaded.problems else "ready"
        return Status(plugin=installed.id, state=state, version=installed.version, problems=loaded.problems)

    def _resting(self, enabled: Sequence[Installed]) -> dict[str, Status]:
        """How plugins fare whose code is not looked at: what can be told without it."""
        state = "resting" if self._safe_mode else "ready"
        return {
            one.id: _absent(one)
            if one.manifest is None
            else self._held(one) or Status(plugin=one.id, state=state, version=one.version)
            for one in enabled
        }

    def _held(self, installed: Installed) -> Status | None:
        """The status of a suspended plugin; None for another."""
        if not self._is_suspended(installed):
            return None
        why = (self._suspended[installed.id].why,)
        return Status(plugin=installed.id, state="suspended", version=installed.version, problems=why)

    def _is_suspended(self, installed: Installed) -> bool:
        found = self._suspended.get(installed.id)
        return found is not None and found.version == installed.version

    def _tell_deprecated(self, installed: Installed) -> None:
        """Name what a plugin uses that is on its way out: in its status, and in the log as it is loaded."""
        assert installed.manifest is not None  # nothing without one is taken
        found = implementations(self._manager, installed.id)
        taken = {name: impl.argnames for name, impl in found.items()}
        uses = (
            *deprecations(installed.manifest, self._deprecated),
            *deprecated_arguments(installed.id, taken, self._deprecated),
        )
        for use in uses:
            log.warning("%s", use.message)
        self.warn(installed.id, "deprecations", [use.message for use in uses])

    @contextmanager
    def _importing(self, installed: Installed) -> Iterator[None]:
        """Around what runs the code of a plugin's modules."""
        outer = self._box.enter(make_mark(installed.id, installed.version, IMPORT))
        try:
            yield
        finally:
            self._box.leave(outer)

    def _drop(self, plugin: str) -> None:
        if self._loaded.pop(plugin, None) is not None and self._manager.has_plugin(plugin):
            self._manager.unregister(name=plugin)
        self._degraded.pop(plugin, None)
        self.breakers.forget(plugin)

    def _compile(self, ordered: Sequence[str], offers: Offers) -> Mapping[str, tuple[_Call, ...]]:
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
                            scope=self._scope(self._loaded[impl.plugin_name]),
                            mark=make_mark(
                                impl.plugin_name, self._loaded[impl.plugin_name].installed.version, hook
                            ),
                        )
                    )
            plan[hook] = tuple(sorted(calls, key=lambda call: place[call.plugin]))
        for hook, answering in offers.answering.items():
            plan[hook] = tuple(self._answering(hook, one, offers) for one in answering)
        return MappingProxyType(plan)

    def _answering(self, hook: str, one: Answering, offers: Offers) -> _Call:
        """The call of an implementation of a hook that a plugin offers."""
        loaded = self._loaded[one.plugin]
        return _Call(
            plugin=one.plugin,
            hook=hook,
            function=one.function,
            argnames=one.argnames,
            uses=(),
            owned=frozenset(),
            budget_ms=offers.hooks[hook].budget_ms,
            scope=self._scope(loaded),
            mark=make_mark(one.plugin, loaded.installed.version, hook),
        )

    def _call(self, call: _Call, ctx: Any, arguments: Mapping[str, Any]) -> Any:
        """Call one implementation under the clock. A lazy answer is drawn here, where a raise is caught."""
        self.breakers.pass_or_raise(call.plugin, call.hook)
        given = {"ctx": PluginContext(ctx, call.scope, self), **arguments}
        outer = self._box.enter(call.mark)
        queries, started = self._queries(), perf_counter()
        try:
            with self._shelter(), contained():
                result = call.function(*[given[name] for name in call.argnames])
                return list(result) if isinstance(result, Iterator) else result
        finally:
            self._box.leave(outer)
            ms = (perf_counter() - started) * 1000
            self.counted.count(call.plugin, call.hook, call.budget_ms, ms, self._queries() - queries)

    def _shelter(self) -> AbstractContextManager[Any]:
        """What keeps the caller's transaction, where there is one, from statements that fail."""
        return self._means.database.shelter() if self._means else nullcontext()

    def _queries(self) -> int:
        """How many statements this thread has sent to the database."""
        return self._means.database.statements if self._means else 0

    def _trip(self, trip: Trip) -> None:
        status = self._plan.status.get(trip.plugin)
        self._suspend(trip, status.version if status else "")

    def _went_well(self, call: _Call) -> None:
        self.breakers.went_well(call.plugin, call.hook)

    def _count_error(self, plugin: str, hook: str, error: BaseException) -> None:
        if isinstance(error, BreakerOpen):
            return  # it was not called
        if isinstance(error, Unavailable):
            self.breakers.spare(plugin, hook)  # the database is away: nobody's fault here
        else:
            self.breakers.failed(plugin, hook, error)
        self.counted.count_error(plugin, hook, say_error(error))

    def _with_degraded(self, status: Status) -> Status:
        status = replace(status, warnings=self._warnings(status.plugin))
        why = self._degraded.get(status.plugin)
        if why is None or status.state not in ("ready", "degraded"):
            return status
        return replace(status, state="degraded", problems=(*status.problems, why))

    def _warnings(self, plugin: str) -> tuple[str, ...]:
        return tuple(text for texts in self._warned.get(plugin, {}).values() for text in texts)


def _with_problems(status: Status, problems: Sequence[str]) -> Status:
    """The status of a plugin of which a part is not in use."""
    if not problems:
        return status
    state = "degraded" if status.state == "ready" else status.state
    return replace(status, state=state, problems=(*status.problems, *problems))


def _absent(installed: Installed) -> Status:
    if not installed.errors:
        why = "It is enabled here but not installed. Install it or disable it."
        return Status(plugin=installed.id, state="missing", problems=(why,))
    problems = tuple(f"{e.field}: {e.message}" for e in installed.errors)
    return Status(plugin=installed.id, state="failed", version=installed.version, problems=problems)


def _reason(error: BaseException) -> str:
    """Why a hook gave no answer, as the end of a sentence."""
    return str(error) if isinstance(error, BreakerOpen) else say_error(error)


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


def _placed(finding: FieldError, count: int) -> FieldError:
    """A finding of a gate, fit to be sent; one about no record of the batch is about all of it."""
    index: Any = finding.index
    is_placed = type(index) is int and 0 <= index < count
    return replace(finding, index=index if is_placed else None, params=_sendable(finding.params))


def _sendable(params: Mapping[str, Any]) -> dict[str, Any]:
    """What fills the gaps of a message, without halves of characters: they can't be encoded."""
    return {
        name: value.encode(errors="replace").decode() if isinstance(value, str) else value
        for name, value in params.items()
    }


def _budget(loaded: Loaded, widget: str) -> float:
    manifest = loaded.installed.manifest
    uses = manifest.widgets if manifest else ()
    return float(next((use.budget_ms for use in uses if use.id == widget), 0))


def _narrowed(place: Place, plugin: str, loaded: Loaded, ctx: Moment) -> Place:
    """The place with what of its record the plugin may see: all, or its own fields where it did not ask."""
    manifest = loaded.installed.manifest
    if place.record is None or manifest is None:
        return place
    try:
        granted = Granted(plugin, granted_of(manifest, ctx.catalog), ctx.catalog)
        return replace(place, record=granted.shown(place.object, place.record))
    except NotAllowed:
        fields = ctx.catalog.object(place.object).fields
        own = {n: v for n, v in place.record.items() if n == "id" or fields[n].owner == f"plugin:{plugin}"}
        return replace(place, record=own)
