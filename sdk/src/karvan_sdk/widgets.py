"""Widgets and slots: what a plugin shows on pages that are not its own, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from karvan_sdk.protocols import WidgetContext
from karvan_sdk.text import Text


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place on a page, `<page>.<place>`. `version` rises when what a widget is given changes meaning.

    `about_record` says whether its widgets belong to one record. In a manifest that offers a slot to others
    `name` is the place alone; the page is the plugin's id.
    """

    name: str
    title: Text
    version: int = 1
    about_record: bool = True

    @property
    def reference(self) -> str:
        """How a widget names it: with its version where a plugin offers it, without in the core."""
        return self.name if self.name in SLOTS else f"{self.name}@{self.version}"


SLOTS: Mapping[str, Slot] = MappingProxyType(
    {
        slot.name: slot
        for slot in (
            Slot(
                name="record.main",
                title=Text.of(
                    {
                        "en": "Record, middle",
                        "ru": "Запись, середина",
                        "fa": "رکورد، میانه",
                        "zh": "记录页中部",
                    }
                ),
            ),
            Slot(
                name="record.side",
                title=Text.of(
                    {"en": "Record, side", "ru": "Запись, сбоку", "fa": "رکورد، کناره", "zh": "记录页侧栏"}
                ),
            ),
            Slot(
                name="dashboard.grid",
                title=Text.of(
                    {"en": "Home dashboard", "ru": "Главная панель", "fa": "داشبورد خانه", "zh": "首页仪表板"}
                ),
                about_record=False,
            ),
            Slot(
                name="global.call_card",
                title=Text.of(
                    {
                        "en": "Call card on every page",
                        "ru": "Карточка звонка на каждой странице",
                        "fa": "کارت تماس در هر صفحه",
                        "zh": "每个页面上的来电卡片",
                    }
                ),
                about_record=False,
            ),
        )
    }
)
"""Every slot by name. docs/slots.md says what each gives its widgets."""


@dataclass(frozen=True, kw_only=True)
class WidgetUse:
    """A widget as the manifest declares it, known without the plugin's code.

    Its full id is `<plugin>.<id>` and never changes: the choices of users are kept by it. `objects` are
    API names (`*` for all) and matter in slots about a record. `size` is (columns of 12, rows);
    `budget_ms` the time it should need.
    """

    id: str
    title: Text
    slots: tuple[str, ...]
    objects: tuple[str, ...] = ("*",)
    icon: str = "layout-dashboard"
    size: tuple[int, int] = (4, 1)
    default: Literal["on", "off"] = "on"
    budget_ms: int = 800

    def fits(self, slot: str, object: str) -> bool:
        """Whether it may stand in a slot, on a record of this object (empty where the slot has none)."""
        return slot in self.slots and (not object or "*" in self.objects or object in self.objects)


Render = Callable[[WidgetContext], str | None]
Act = Callable[[WidgetContext, Mapping[str, str]], str | None]


@dataclass(frozen=True, kw_only=True)
class Widget:
    """The code behind a declared widget.

    `render(ctx)` gives its HTML (mostly by `ctx.render("name.html", …)`), or None to show nothing this
    time. `actions` answer its forms, which post to `ctx.action("name")`: each gets the fields of the form
    and may give a message for the user. Whatever they raise becomes a card for this widget alone.
    """

    id: str
    render: Render
    actions: Mapping[str, Act] = field(default_factory=lambda: MappingProxyType({}))
