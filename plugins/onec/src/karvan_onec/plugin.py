"""The hooks of the onec plugin; what they do stands in the modules named by what they own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from karvan_onec import commands, protocol, widgets
from karvan_onec.demo import make_demo
from karvan_onec.protection import check_products
from karvan_sdk import Change, DemoRecords, HookContext, hookimpl


class OneC:
    """The plugin. It keeps no state: all that a hook needs comes with the call."""

    router = protocol.router
    widgets = widgets.widgets
    commands = commands.commands

    @hookimpl
    def check_records(self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]) -> None:
        """Protect products that come from 1C."""
        check_products(ctx, changes)

    @hookimpl
    def demo_records(self, ctx: HookContext, size: int, seed: int) -> Iterable[DemoRecords]:
        """Give a demo workspace an exchange to show."""
        return make_demo(size=size, seed=seed, now=ctx.now)


plugin = OneC()
