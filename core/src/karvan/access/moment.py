"""The moment in which plugin code is called: who asks, when, in which language, from which catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from karvan.metadata.catalog import Catalog
from karvan_sdk.objects import Object
from karvan_sdk.protocols import Records


class Settings(Protocol):
    """What a moment takes from the settings of the deployment."""

    @property
    def language(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def currency(self) -> str: ...


def _nothing(plugin: str) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What every plugin is told alike (see `karvan_sdk.HookContext`); the host adds what is the plugin's own.

    `records` are what the actor may read and change, before the plugin's capabilities narrow it.
    `own_settings(plugin)` reads what the actor set of a plugin for himself: JSON values by name, secrets
    sealed; nothing where nobody in person asks.
    """

    actor_id: int | None
    language: str
    timezone: str
    currency: str
    now: datetime
    catalog: Catalog
    records: Records
    source: str = ""
    own_settings: Callable[[str], Mapping[str, Any]] = _nothing

    def describe(self, object: str) -> Object:
        """The object as it is now; raises UnknownObject."""
        return self.catalog.object(object).declaration
