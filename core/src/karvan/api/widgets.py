"""Widgets over HTTP: what a person may see in which slot, and what he chose about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from karvan.api.bodies import WIDGET_CHOICE
from karvan.api.call import Call
from karvan.api.parameters import refuse_parameters
from karvan.api.reply import Reply, json_reply
from karvan.metadata.schemas import load_body
from karvan.widgets import Arranged, arrange
from karvan_sdk.errors import BadInput, FieldError, ValidationFailed
from karvan_sdk.widgets import Slot


def list_widgets(call: Call) -> Reply:
    """All widgets by slot, in the order of who asks."""
    refuse_parameters(call.query)
    return json_reply({"data": _all(call, call.prove())})


def choose_widget(call: Call) -> Reply:
    """Switch one widget on or off for oneself, or put the widgets of a slot into another order."""
    refuse_parameters(call.query)
    _, body = call.read_object()
    loaded = load_body(WIDGET_CHOICE, body)
    actor = call.prove()
    assert actor.id is not None  # who calls over HTTP is a person
    there = [w.id for w in _arranged(call, actor, loaded["slot"])]
    wanted = [loaded["widget"]] if loaded["widget"] else loaded["order"]
    unknown = [w for w in wanted if w not in there]
    if unknown or not wanted:
        raise ValidationFailed([_unknown(loaded["slot"], w) for w in unknown] or [_nothing()])
    layouts = call.workspace.layouts
    if loaded["widget"]:
        layouts.switch(actor.id, loaded["slot"], loaded["widget"], loaded["enabled"])
    else:
        layouts.order(actor.id, loaded["slot"], [*wanted, *(w for w in there if w not in wanted)])
    return json_reply({"data": _all(call, actor)})


def _all(call: Call, actor: Any) -> list[dict[str, Any]]:
    return [
        {
            "slot": slot,
            "widget": w.id,
            "plugin": w.plugin,
            "title": w.use.title(actor.language) or w.id,
            "icon": w.use.icon,
            "objects": list(w.use.objects),
            "enabled": w.enabled,
        }
        for slot in _slots(call)
        for w in _arranged(call, actor, slot)
    ]


def _arranged(call: Call, actor: Any, slot: str) -> list[Arranged]:
    known = _slots(call)
    if slot not in known:
        raise BadInput(f"There is no slot '{slot}'; there are: {', '.join(known)}.", field="slot")
    return arrange(slot, call.workspace.host.widgets(slot), call.workspace.layouts.of_user(actor.id))


def _slots(call: Call) -> Mapping[str, Slot]:
    call.workspace.catalogs.current()  # the host knows the plugins of the catalog in force
    found: Mapping[str, Slot] = call.workspace.host.slots()
    return found


def _unknown(slot: str, widget: str) -> FieldError:
    return FieldError(
        field="widget",
        code="unknown_value",
        template="There is no widget '{widget}' in the slot '{slot}'.",
        params={"widget": widget, "slot": slot},
    )


def _nothing() -> FieldError:
    return FieldError(field="", code="required", template="Give either 'widget' and 'enabled', or 'order'.")
