"""Every error that crosses the border between Karvan and a plugin: a class per reason, a stable code each.

A message is a template with named gaps, so that the web edge can translate the template and fill the
gaps afterwards. Only the web edge knows HTTP statuses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


class KarvanError(Exception):
    """The base of all errors that Karvan raises on purpose.

    `code` is stable and may be relied upon; `params` fill the gaps of `template`.
    """

    code: ClassVar[str] = "error"
    template: ClassVar[str] = "Something went wrong."

    def __init__(self, **params: Any) -> None:
        self.params: dict[str, Any] = params
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The English message with its gaps filled."""
        return self.template.format(**self.params)


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """What is wrong with one named input.

    `field` is the API name of the field, or "" when the record as a whole is meant. `index` is the
    place of the record in a batch, from 0, or None outside one.
    """

    field: str
    code: str
    template: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    index: int | None = None

    @property
    def message(self) -> str:
        """The English message with its gaps filled."""
        return self.template.format(**self.params)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form used in error bodies and reports."""
        found: dict[str, Any] = {"field": self.field, "code": self.code, "message": self.message}
        if self.index is not None:
            found["index"] = self.index
        return found


class ValidationFailed(KarvanError):
    """The input breaks one or more rules; `errors` lists all of them, never only the first."""

    code = "validation_failed"
    template = "{summary}"

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__(summary=_summary(self.errors))


class Rejected(KarvanError):
    """What a gate hook raises to refuse a change; nothing else may leave a gate.

    `field` names the field to blame. In a batch `index` names the refused record; without it the
    whole batch is refused.
    """

    code = "rejected"
    template = "{reason}"

    def __init__(self, reason: str, *, field: str = "", index: int | None = None) -> None:
        self.reason = reason
        self.errors: tuple[FieldError, ...] = (
            FieldError(
                field=field, code="rejected", template="{reason}", params={"reason": reason}, index=index
            ),
        )
        super().__init__(reason=reason)

    @classmethod
    def many(cls, rejections: Iterable[Rejected]) -> Rejected:
        """Several refusals as one, so that a batch reports all of them at once."""
        found = tuple(rejections)
        merged = cls("; ".join(r.reason for r in found))
        merged.errors = tuple(error for r in found for error in r.errors)
        return merged


class PluginFailed(KarvanError):
    """A plugin spoiled or refused to answer what it was asked; it is the plugin's fault, not the caller's."""

    code = "plugin_failed"
    template = "Plugin '{plugin}' failed in {hook}: {reason} Nothing was saved. Disable it or ask its author."

    def __init__(self, *, plugin: str, hook: str, reason: str, errors: Iterable[FieldError] = ()) -> None:
        self.plugin = plugin
        self.hook = hook
        self.errors = tuple(errors)
        super().__init__(plugin=plugin, hook=hook, reason=reason)


class NotAllowed(KarvanError):
    """The actor is known, the thing is visible, the act is not permitted."""

    code = "not_allowed"
    template = "You may not {action} {object}: {reason}"


class NotSignedIn(KarvanError):
    """No actor: the token or session is missing, wrong, expired or revoked."""

    code = "not_signed_in"
    template = "Sign in first: the request carries no valid token or session."


class UnknownObject(KarvanError):
    """No object of this name, or none that this actor may see."""

    code = "unknown_object"
    template = "There is no object '{object}'.{hint}"

    def __init__(self, object: str, *, hint: str = "") -> None:
        super().__init__(object=object, hint=f" {hint}" if hint else "")


class UnknownField(KarvanError):
    """No field of this name, or none that this actor may see; the two are not told apart."""

    code = "unknown_field"
    template = "There is no field '{field}' on '{object}'."

    def __init__(self, field: str, object: str) -> None:
        self.field = field
        super().__init__(field=field, object=object)


class RecordNotFound(KarvanError):
    """No such record, or a hidden one: the two are not told apart."""

    code = "not_found"
    template = "There is no {object} {id}."


class VersionMismatch(KarvanError):
    """Somebody else changed the record since it was read; `current` is its version now."""

    code = "version_mismatch"
    template = "The record was changed by somebody else (version {current}, yours is {given}). Read it again."

    def __init__(self, *, given: int, current: int) -> None:
        self.given = given
        self.current = current
        super().__init__(given=given, current=current)


class InUse(KarvanError):
    """Something else needs this, so it can't go; the message lists what."""

    code = "in_use"
    template = "{what} can't be removed: {why}"


class BadInput(KarvanError):
    """A query, cursor, option or file can't be understood; `field` names the input."""

    code = "bad_input"
    template = "{reason}"

    def __init__(self, reason: str, *, field: str = "") -> None:
        self.field = field
        super().__init__(reason=reason)


class InvalidName(BadInput):
    """A technical name breaks the naming rules."""

    code = "invalid_name"


class Conflict(KarvanError):
    """The name or thing exists already; the message says who holds it."""

    code = "conflict"
    template = "{reason}"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


class SchemaRefused(KarvanError):
    """A change of the schema that can't be carried out safely."""

    code = "schema_refused"
    template = "{reason}"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


class ManifestInvalid(KarvanError):
    """A manifest breaks its rules; `errors` lists every finding with its key."""

    code = "manifest_invalid"
    template = "Manifest of '{plugin}': {summary}"

    def __init__(self, plugin: str, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__(plugin=plugin, summary=_summary(self.errors))


class UnknownPlugin(KarvanError):
    """No plugin of this id is installed."""

    code = "unknown_plugin"
    template = "Plugin '{plugin}' is not installed.{hint}"

    def __init__(self, plugin: str, *, hint: str = "") -> None:
        super().__init__(plugin=plugin, hint=f" {hint}" if hint else "")


class PluginRefused(KarvanError):
    """A plugin can't be enabled or disabled now; the message says why and what to do."""

    code = "plugin_refused"
    template = "Plugin '{plugin}' cannot be {action}: {reason}"


class TryLater(KarvanError):
    """What an observe hook raises to be called again with the same events; it counts as no failure.

    Use it for work that goes on in pieces: keep what is done, and ask for another turn.
    """

    code = "try_later"
    template = "Called again in {seconds} seconds: {reason}"

    def __init__(self, reason: str, *, seconds: float = 0.0) -> None:
        self.seconds = seconds
        super().__init__(reason=reason, seconds=seconds)


class HttpFailed(KarvanError):
    """Another server gave no whole answer: no address, no connection, a bad certificate, too slow, too large.

    An answer with any status is no failure.
    """

    code = "http_failed"
    template = "{url} did not answer: {reason}"


class Unavailable(KarvanError):
    """The database can't be reached or written now; nothing was acknowledged."""

    code = "unavailable"
    template = "The database is not available now. Nothing was saved. Try again in {retry_after} seconds."


def _summary(errors: tuple[FieldError, ...]) -> str:
    parts = [f"{e.field}: {e.message}" if e.field else e.message for e in errors[:5]]
    more = f" (and {len(errors) - 5} more)" if len(errors) > 5 else ""
    return "; ".join(parts) + more
