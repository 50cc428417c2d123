"""All hooks in one file: signature, one line, what None means, who wins, what happens on failure.

A plugin implements a hook with `@hookimpl` and declares it in its manifest with the objects and events
it listens to; an undeclared implementation is refused when the plugin is loaded. Beside hooks, the object
of a plugin may have `router` (a `Router`), `widgets` (a sequence of `Widget`), `commands` (a sequence of
click commands; each gets the plugin's context as `obj`) and `jobs` (functions `(ctx, payload)` by name). What
they hold is declared in the manifest, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import pluggy

from karvan_sdk.actions import Change, DemoRecords, Event, RecordRef
from karvan_sdk.protocols import HookContext

PROJECT = "karvan"
hookimpl = pluggy.HookimplMarker(PROJECT)
hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks a function as a hook that a plugin offers to others; see `provides` in docs/manifest.md."""

F = TypeVar("F", bound=Callable[..., object])


class HookKind(StrEnum):
    """What a hook is for, and so what happens when an implementation fails (DESIGN section 4)."""

    COLLECT = "collect"
    """Merged list; a failing plugin's contribution is dropped."""
    GATE = "gate"
    """May only raise `Rejected`; a failure refuses on the plugin's own objects, else it is skipped."""
    RESTRICT = "restrict"
    """A condition that records must meet as well; a failure closes the object to all but administrators."""
    PIPELINE = "pipeline"
    """Value passed through; a failure keeps the previous value."""
    FIRST = "first"
    """The first answer that is not None counts; a failure asks the next plugin."""
    OBSERVE = "observe"
    """Told after the commit, at least once; a failure is tried again, later and later, then laid aside."""
    RENDER = "render"
    """The widgets of a slot (`karvan_sdk.Widget`); a failure is a card in place of that widget alone."""


@dataclass(frozen=True, kw_only=True)
class HookPolicy:
    """The failure rule of one hook: its kind and its soft budget in milliseconds."""

    kind: HookKind
    budget_ms: int


_POLICIES: dict[str, HookPolicy] = {}
POLICIES: Mapping[str, HookPolicy] = _POLICIES
"""The policy of every hook, by hook name; filled once by the declarations below."""


def _spec(kind: HookKind, budget_ms: int) -> Callable[[F], F]:
    def declare(function: F) -> F:
        _POLICIES[function.__name__] = HookPolicy(kind=kind, budget_ms=budget_ms)
        return hookspec(function)

    return declare


class Hookspecs:
    """The hooks, grouped by what they are about. `object` is an API name, `event` is create, update,
    delete or restore."""

    # -- records ---------------------------------------------------------------------------------------

    @_spec(HookKind.PIPELINE, 20)
    def prepare_records(
        self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]
    ) -> Sequence[Change] | None:
        """Complete or correct values before they are checked; None changes nothing.

        Called once per batch, before the gates, for create and update. Return as many changes in the
        same order, each the same record (`change.with_values(probability=100)`). Each plugin sees what
        the ones before it made. What spoils a valid record raises `PluginFailed` that names the plugin.
        """

    @_spec(HookKind.GATE, 50)
    def check_records(self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]) -> None:
        """Refuse a change by raising `Rejected`; the first plugin that refuses wins.

        Called once per batch inside the transaction, before anything is written. Name the record in a
        batch with `index`, several at once with `Rejected.many`.
        """

    @_spec(HookKind.OBSERVE, 30_000)
    def records_changed(self, ctx: HookContext, object: str, event: str, events: Sequence[Event]) -> None:
        """Told of records of one object that were created, updated, deleted or restored, after the commit.

        Called by a worker, in batches of one object and event, at least once for each event (`Event.id`
        tells a repetition). Batches come in no promised order, so read the record as it is now. The plugin
        acts as itself: `ctx.actor_id` is None. Raise `TryLater` to go on later. After 30 seconds the worker
        is ended and the batch tried again.
        """

    # -- access ----------------------------------------------------------------------------------------

    @_spec(HookKind.RESTRICT, 50)
    def restrict_records(self, ctx: HookContext, object: str, action: str) -> str | None:
        """A condition (expression) that records must meet to be read or changed; None for no restriction.

        Asked once per version of the metadata and settings, not per person: use `me()` for who asks.
        `action` is read, update or delete. All plugins' conditions hold together. The system, and a plugin
        acting as itself, are not restricted.
        """

    # -- providers -------------------------------------------------------------------------------------

    @_spec(HookKind.FIRST, 50)
    def find_by_phone(self, ctx: HookContext, phone: str) -> RecordRef | None:
        """The record that a phone number (E.164, `+4930123456`) belongs to; None if this plugin knows none.

        Asked with `ctx.ask("find_by_phone", phone=…)`; the first plugin with an answer wins.
        """

    # -- life ------------------------------------------------------------------------------------------

    @_spec(HookKind.OBSERVE, 30_000)
    def plugin_enabled(self, ctx: HookContext) -> None:
        """Told, by a worker, that this plugin was enabled or upgraded in the workspace: the place to fill
        its fields on records that were there before. Must bear to be called twice; `TryLater` goes on."""

    # -- demo ------------------------------------------------------------------------------------------

    @_spec(HookKind.COLLECT, 2000)
    def demo_records(self, ctx: HookContext, size: int, seed: int) -> Iterable[DemoRecords] | None:
        """Give the records of a demo workspace, in the order in which they can be made; None gives none.

        `size` is the number of records wanted over all objects, roughly; the same `seed` must give the
        same records.
        """


def describe_hooks() -> Mapping[str, Any]:
    """Name → (policy, function) of every hook, for the reference in docs/hooks.md and its test."""
    return {name: (policy, getattr(Hookspecs, name)) for name, policy in sorted(_POLICIES.items())}
