"""The hooks of the lead_scoring plugin; what they do stands in the modules named by what they own."""

from __future__ import annotations

from collections.abc import Sequence

from karvan_lead_scoring import commands, widgets
from karvan_lead_scoring.rescoring import rescore_ids
from karvan_lead_scoring.rules import check_rules
from karvan_lead_scoring.runs import carry_out_some, objects_of, prepare_runs, run_all
from karvan_lead_scoring.starter import begin
from karvan_sdk import Change, Event, HookContext, hookimpl


class LeadScoring:
    """The plugin. It keeps no state: all that a hook needs comes with the call."""

    widgets = widgets.widgets
    commands = commands.commands

    @hookimpl
    def prepare_records(
        self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]
    ) -> Sequence[Change] | None:
        """Name new runs."""
        return prepare_runs(ctx, changes) if object == "scoring_run" else None

    @hookimpl
    def check_records(self, ctx: HookContext, object: str, event: str, changes: Sequence[Change]) -> None:
        """Refuse rules that can't be asked."""
        if object == "score_rule":
            check_rules(ctx, changes)

    @hookimpl
    def records_changed(self, ctx: HookContext, object: str, event: str, events: Sequence[Event]) -> None:
        """Score what others changed, everything when rules change; carry out runs, whoever made them."""
        if object == "scoring_run":
            carry_out_some(ctx, [told.record_id for told in events])
            return
        others = [told for told in events if told.source != f"plugin:{ctx.plugin}"]
        if not others:
            return
        if object == "score_rule":
            run_all(ctx, objects_of(ctx, others), "rules")
        else:
            rescore_ids(ctx, object, [told.record_id for told in others])

    @hookimpl
    def plugin_enabled(self, ctx: HookContext) -> None:
        """Give a fresh workspace its first rules and score what is there."""
        begin(ctx)


plugin = LeadScoring()
