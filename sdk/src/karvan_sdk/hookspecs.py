"""All hooks in one file: signature, one line, what None means, who wins, what happens on failure.

A plugin implements a hook with `@hookimpl` and declares it in its manifest with the objects and events
it listens to; an undeclared implementation is refused when the plugin is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import pluggy

from karvan_sdk.actions import Change, DemoRecords
from karvan_sdk.protocols import HookContext

PROJECT = "karvan"
hookimpl = pluggy.HookimplMarker(PROJECT)
_hookspec = pluggy.HookspecMarker(PROJECT)

F = TypeVar("F", bound=Callable[..., object])


class HookKind(StrEnum):
    """What a hook is for, and so what happens when an implementation fails (DESIGN section 4)."""

    COLLECT = "collect"
    """Merged list; a failing plugin's contribution is dropped."""
    GATE = "gate"
    """May only raise `Rejected`; a failure refuses on the plugin's own objects, else it is skipped."""
    PIPELINE = "pipeline"
    """Value passed through; a failure keeps the previous value."""


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
        return _hookspec(function)

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
