"""What a plugin may expect of the host, and what the floors of the core expect of each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from karvan_sdk.actions import Change
from karvan_sdk.errors import FieldError
from karvan_sdk.objects import Object


class HookContext(Protocol):
    """What every hook is given about the moment in which it is called.

    `actor_id` is the signed-in user or None for the system; `language` and `timezone` (an IANA name) are
    the workspace's unless a person asks; `plugin` is the id of the plugin being called.
    """

    @property
    def plugin(self) -> str: ...
    @property
    def actor_id(self) -> int | None: ...
    @property
    def language(self) -> str: ...
    @property
    def timezone(self) -> str: ...

    def describe(self, object: str) -> Object:
        """The object as it is now, custom fields and options included, by API names.

        Raises UnknownObject.
        """
        ...


Verify = Callable[[Sequence[Change]], Sequence[FieldError]]


class Hooks(Protocol):
    """The host, as the record service sees it: the only way in which core code reaches plugin code."""

    def interested(self, hook: str, object: str, event: str) -> bool:
        """Whether any enabled plugin implements the hook for this object and event."""
        ...

    def pipeline(
        self, hook: str, ctx: Any, object: str, event: str, changes: Sequence[Change], verify: Verify
    ) -> Sequence[Change]:
        """Pass `changes` through every interested plugin, in order.

        After each plugin that changed something `verify` is asked; findings raise PluginFailed naming
        that plugin. A plugin that raises is skipped and counted; the value before it is kept.
        """
        ...

    def gate(self, hook: str, ctx: Any, object: str, event: str, changes: Sequence[Change]) -> None:
        """Ask every interested plugin, in order; Rejected passes through.

        Any other exception raises PluginFailed if the plugin owns the object, else it is counted and
        the plugin skipped.
        """
        ...

    def collect(self, hook: str, ctx: Any, **arguments: Any) -> Iterable[tuple[str, Any]]:
        """(plugin id, result) of every plugin that answers; a plugin that raises is left out."""
        ...
