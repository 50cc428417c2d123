"""The hooks of the sample plugin; what they do stands in the modules named by what they own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from karvan_sample import book, commands, evening, guests, late, routes, visits, widgets
from karvan_sample.demo import make_demo
from karvan_sdk import Change, DemoRecords, Event, HookContext, RecordRef, hookimpl, hookspec


class Sample:
    """The plugin. It keeps no state: all that a hook needs comes with the call."""

    router = routes.router
    widgets = widgets.widgets
    commands = commands.commands
    jobs = {**evening.jobs, **late.jobs}  # noqa: RUF012 - read by the host, changed by nobody

    @hookimpl
    def prepare_records(
        self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]
    ) -> Sequence[Change] | None:
        """Keep the state, the badge and the number of each visit in order."""
        return [visits.prepare(ctx, change, event) for change in changes]

    @hookimpl
    def check_records(self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]) -> None:
        """Refuse visits that end before they begin, and badges that somebody else holds."""
        visits.check(ctx, changes)

    @hookimpl
    def records_changed(self, ctx: HookContext, object: str, event: str, events: Sequence[Event]) -> None:
        """Bring the last visit of contacts and the guest book up to date, and look out for who is late."""
        guests.follow(ctx, events)
        book.follow(ctx, events)
        evening.follow(ctx, events)
        late.follow(ctx, events)

    @hookimpl
    def restrict_records(self, ctx: HookContext, object: str, action: str) -> str | None:
        """Everybody their own guests, if the settings say so."""
        return "owner = me()" if ctx.settings["own_visits_only"] else None

    @hookimpl
    def find_by_phone(self, ctx: HookContext, phone: str) -> RecordRef | None:
        """The visit that is expected from this number, if it is no contact's."""
        return visits.find(ctx, phone)

    @hookimpl
    def plugin_enabled(self, ctx: HookContext) -> None:
        """Fill the last visit of contacts from visits that were there before."""
        guests.fill(ctx)

    @hookimpl
    def demo_records(self, ctx: HookContext, size: int, seed: int) -> Iterable[DemoRecords] | None:
        """Give visits of demo contacts around today."""
        return make_demo(size=size, seed=seed, now=ctx.now)

    # -- what other plugins may answer; the bodies are not run -------------------------------------------

    @hookspec
    def notices(self, ctx: HookContext, day: date) -> str | None:
        """A line to show above the guests of a day; None for none."""

    @hookspec
    def may_arrive(self, ctx: HookContext, guest: str) -> None:
        """Raise Rejected to keep a guest (a name) out."""

    @hookspec
    def house_rules(self, ctx: HookContext, rules: str) -> str | None:
        """The rules as guests read them; None leaves them as they are."""


plugin = Sample()
