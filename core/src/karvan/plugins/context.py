"""What plugin code is given when it is called: the moment, narrowed to what is this plugin's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from karvan.access.moment import Moment
from karvan.plugins.capabilities import Granted, GrantedRecords, granted_of
from karvan.plugins.effective import SettingsOf
from karvan.plugins.files import PluginFiles
from karvan.plugins.http import PluginHttp
from karvan.plugins.jobs import PluginJobs
from karvan.plugins.mail import PluginMail
from karvan.plugins.means import Means
from karvan.plugins.secrets import PluginSecrets
from karvan.plugins.texts import NONE, Texts, translate
from karvan_sdk.errors import NotAllowed
from karvan_sdk.manifest import Manifest
from karvan_sdk.objects import Object


class Ask(Protocol):
    """How a context asks other plugins: the host."""

    def ask_first(self, plugin: str, hook: str, ctx: Moment, arguments: Mapping[str, Any]) -> Any:
        """The first answer to a hook of the core, or to one that `plugin` offers."""
        ...

    def ask_all(
        self, plugin: str, hook: str, ctx: Moment, arguments: Mapping[str, Any]
    ) -> list[tuple[str, Any]]:
        """Every answer to a hook that `plugin` offers."""
        ...

    def ask_gate(self, plugin: str, hook: str, ctx: Moment, arguments: Mapping[str, Any]) -> None:
        """Whether anyone refuses."""
        ...

    def ask_along(self, plugin: str, hook: str, ctx: Moment, value: Any, arguments: Mapping[str, Any]) -> Any:
        """The value, passed through everyone."""
        ...


Draw = Callable[["PluginContext", str, Mapping[str, Any]], str]
Frame = Callable[["PluginContext", str, str], str]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What of a plugin its context is made from."""

    manifest: Manifest
    files: Path
    settings: SettingsOf
    texts: Texts = field(default_factory=lambda: NONE)
    package: Path | None = None
    means: Means | None = None

    @property
    def lent(self) -> Means:
        """What the host lends. Raises RuntimeError where plugins were loaded without a workspace."""
        if self.means is None:
            raise RuntimeError("This host was made without a workspace: it has nothing to lend.")
        return self.means


class PluginContext:
    """Implements `karvan_sdk.HookContext`. Made for one call; what is costly is made on first use."""

    def __init__(self, moment: Moment, scope: Scope, ask: Ask) -> None:
        self._moment = moment
        self._scope = scope
        self._ask = ask

    @property
    def plugin(self) -> str:
        """The id of the plugin being called."""
        return self._scope.manifest.id

    @property
    def actor_id(self) -> int | None:
        """Who asks; None where the plugin acts as itself."""
        return self._moment.actor_id

    @property
    def language(self) -> str:
        """The language of the person, else of the workspace."""
        return self._moment.language

    @property
    def timezone(self) -> str:
        """The zone of the workspace."""
        return self._moment.timezone

    @property
    def currency(self) -> str:
        """The currency of the workspace."""
        return self._moment.currency

    @property
    def now(self) -> datetime:
        """The moment of the call."""
        return self._moment.now

    @property
    def source(self) -> str:
        """Where the change under way comes from."""
        return self._moment.source

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The plugin's settings as Python values, defaults included; a person's own before the system's."""
        return self._scope.settings.at(self._moment)

    @cached_property
    def capabilities(self) -> tuple[str, ...]:
        """What the plugin asked for and an administrator granted."""
        return granted_of(self._scope.manifest, self._moment.catalog)

    @cached_property
    def records(self) -> GrantedRecords:
        """Records within the plugin's capabilities."""
        granted = Granted(self.plugin, self.capabilities, self._moment.catalog)
        return GrantedRecords(self._moment.records, granted)

    @cached_property
    def files(self) -> PluginFiles:
        """The plugin's own files."""
        allowed = "files" in self.capabilities
        return PluginFiles(self._scope.files / self.plugin, self.plugin, allowed=allowed)

    @cached_property
    def http(self) -> PluginHttp:
        """Calls to the hosts that the plugin may ask."""
        lent = self._scope.lent
        return PluginHttp(self.plugin, self.capabilities, lent.outbound, lent.database)

    @cached_property
    def jobs(self) -> PluginJobs:
        """Work put off to a worker."""
        return PluginJobs(self._scope.manifest, self._scope.lent.jobs, self.actor_id, self._check)

    @cached_property
    def mail(self) -> PluginMail:
        """Mail that the worker sends."""
        lent = self._scope.lent
        return PluginMail(self.plugin, lent.mailer.sender, lent.jobs, self.actor_id, self._check)

    @cached_property
    def secrets(self) -> PluginSecrets:
        """The plugin's own secrets."""
        lent = self._scope.lent
        return PluginSecrets(self.plugin, lent.database, lent.vault, self._check)

    def _check(self, capability: str) -> None:
        """Raise NotAllowed unless the plugin declared a capability."""
        if capability not in self.capabilities:
            reason = f"plugin '{self.plugin}' did not ask for '{capability}' in its manifest."
            raise NotAllowed(action="use", object=capability, reason=reason)

    @property
    def log(self) -> logging.Logger:
        """The plugin's logger."""
        return logging.getLogger(f"karvan.plugin.{self.plugin}")

    def describe(self, object: str) -> Object:
        """The object as it is now; raises UnknownObject."""
        return self._moment.describe(object)

    def t(self, text: str, /, **params: Any) -> str:
        """The text in the language of the moment."""
        return translate(self._scope.texts, self.language, text, params)

    def ask(self, hook: str, /, **arguments: Any) -> Any:
        """The first answer of a hook of kind `first`, or None."""
        return self._ask.ask_first(self.plugin, hook, self._moment, arguments)

    def collect(self, hook: str, /, **arguments: Any) -> list[tuple[str, Any]]:
        """(plugin, answer) of everyone who answers a hook of kind `collect` that this plugin offers."""
        return self._ask.ask_all(self.plugin, hook, self._moment, arguments)

    def check(self, hook: str, /, **arguments: Any) -> None:
        """Let others refuse through a hook of kind `gate` that this plugin offers."""
        self._ask.ask_gate(self.plugin, hook, self._moment, arguments)

    def refine(self, hook: str, value: Any, /, **arguments: Any) -> Any:
        """The value, passed through a hook of its kind that this plugin offers."""
        return self._ask.ask_along(self.plugin, hook, self._moment, value, arguments)

    def url(self, path: str = "/", *, api: bool = False) -> str:
        """The address of one of the plugin's own pages, or of its API."""
        return f"{'/api' if api else ''}/x/{self.plugin}{path if path.startswith('/') else f'/{path}'}"

    @property
    def package(self) -> Path | None:
        """The folder of the plugin's package, None for a plugin without code."""
        return self._scope.package


class PluginPageContext(PluginContext):
    """Implements `karvan_sdk.PageContext`: `draw` fills a template, `frame` puts HTML into a whole page."""

    def __init__(self, moment: Moment, scope: Scope, ask: Ask, draw: Draw, frame: Frame) -> None:
        super().__init__(moment, scope, ask)
        self._draw = draw
        self._frame = frame

    def render(self, template: str, /, **values: Any) -> str:
        """HTML of one of the plugin's templates."""
        return self._draw(self, template, values)

    def page(self, title: str, template: str, /, **values: Any) -> str:
        """The same inside the frame of Karvan's pages."""
        return self._frame(self, title, self._draw(self, template, values))


class PluginWidgetContext(PluginPageContext):
    """Implements `karvan_sdk.WidgetContext`."""

    def __init__(
        self,
        moment: Moment,
        scope: Scope,
        ask: Ask,
        draw: Draw,
        frame: Frame,
        *,
        place: Place,
        widget: str,
    ) -> None:
        super().__init__(moment, scope, ask, draw, frame)
        self._place = place
        self._widget = widget

    @property
    def slot(self) -> str:
        """The slot in which the widget stands."""
        return self._place.slot

    @property
    def object(self) -> str:
        """The object of the page's record, or empty."""
        return self._place.object

    @cached_property
    def record(self) -> Mapping[str, Any] | None:
        """The record of the page as its reader may see it, or None: a copy, other widgets have theirs."""
        return deepcopy(self._place.record)

    @property
    def form(self) -> Mapping[str, str]:
        """What was typed into a form of this widget that was just refused; else empty."""
        return self._place.form

    def action(self, name: str) -> str:
        """The address to which a form of this widget posts."""
        return self._place.action(self._widget, name)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where widgets are drawn: the slot, the record of the page, and how their forms are addressed."""

    slot: str
    action: Callable[[str, str], str]
    object: str = ""
    record: Mapping[str, Any] | None = None
    form: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
