"""The hooks of the telephony plugin; what they do stands in the modules named by what they own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from karvan_sdk import Change, DemoRecords, HookContext, RecordRef, hookimpl, hookspec
from karvan_telephony import commands, webhook, widgets
from karvan_telephony.demo import make_demo
from karvan_telephony.directory import PEOPLE, country_of, find_person, keep_numbers, prepare_calls
from karvan_telephony.filling import go_on_filling


class Telephony:
    """The plugin. It keeps no state: all that a hook needs comes with the call."""

    router = webhook.router
    widgets = widgets.widgets
    commands = commands.commands

    @hookimpl
    def prepare_records(
        self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]
    ) -> Sequence[Change] | None:
        """Keep the international numbers of contacts, leads and calls."""
        if object == "call":
            return prepare_calls(ctx, changes, event)
        if object in PEOPLE:
            described, country = ctx.describe(object), country_of(ctx.settings)
            return [keep_numbers(described, change, event, country) for change in changes]
        return None

    @hookimpl
    def restrict_records(self, ctx: HookContext, object: str, action: str) -> str | None:
        """Everybody their own calls, if the settings say so."""
        return "owner = me()" if object == "call" and ctx.settings["own_calls_only"] else None

    @hookimpl
    def find_by_phone(self, ctx: HookContext, phone: str) -> RecordRef | None:
        """The contact or lead with this number."""
        return find_person(ctx.records, phone)

    @hookimpl
    def plugin_enabled(self, ctx: HookContext) -> None:
        """Fill the numbers of contacts and leads that were there before."""
        go_on_filling(ctx)

    @hookimpl
    def demo_records(self, ctx: HookContext, size: int, seed: int) -> Iterable[DemoRecords] | None:
        """Give calls with demo contacts and leads over the last days."""
        return make_demo(size=size, seed=seed, now=ctx.now)

    @hookspec
    def name_caller(self, ctx: HookContext, number: str) -> str | None:
        """The name that belongs to a number (E.164) of which there is no record; None if you know none.

        For other plugins to answer; this body is not run. Asked when a lead is made of an unknown caller.
        """


plugin = Telephony()
