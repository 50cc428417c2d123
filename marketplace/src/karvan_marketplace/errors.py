"""Every error that the marketplace raises on purpose: a class per reason, a stable code each."""

from __future__ import annotations

from typing import ClassVar

from karvan_sdk.errors import KarvanError


class WheelRefused(KarvanError):
    """A wheel that is not offered; the message says which rule it breaks."""

    code: ClassVar[str] = "wheel_refused"
    template: ClassVar[str] = "{why}"

    def __init__(self, why: str) -> None:
        super().__init__(why=why)


class BundleRefused(KarvanError):
    """A bundle's file that is not offered; the message says which rule it breaks."""

    code: ClassVar[str] = "bundle_refused"
    template: ClassVar[str] = "{why}"

    def __init__(self, why: str) -> None:
        super().__init__(why=why)


class NotOffered(KarvanError):
    """Nothing of this name is offered here."""

    code: ClassVar[str] = "not_offered"
    template: ClassVar[str] = "This marketplace offers no {kind} '{name}'."

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind=kind, name=name[:200])


class UnknownPlugin(NotOffered):
    """No plugin of this id is offered."""

    code: ClassVar[str] = "unknown_plugin"

    def __init__(self, plugin: str) -> None:
        super().__init__("plugin", plugin)


class UnknownBundle(NotOffered):
    """No bundle of this id is offered."""

    code: ClassVar[str] = "unknown_bundle"

    def __init__(self, bundle: str) -> None:
        super().__init__("bundle", bundle)


class UnknownProject(NotOffered):
    """No distribution of this name is in the index."""

    code: ClassVar[str] = "unknown_project"

    def __init__(self, project: str) -> None:
        super().__init__("project", project)


class UnknownFile(NotOffered):
    """No file of this name is offered."""

    code: ClassVar[str] = "unknown_file"

    def __init__(self, filename: str) -> None:
        super().__init__("file", filename)


class NotAcceptable(KarvanError):
    """The caller takes none of the forms in which the index can be given."""

    code: ClassVar[str] = "not_acceptable"
    template: ClassVar[str] = "The index is offered as {offered}; the request accepts '{given}'."

    def __init__(self, given: str, offered: str) -> None:
        super().__init__(given=given[:200], offered=offered)


class QueryTooLong(KarvanError):
    """The text to search for is longer than a search needs."""

    code: ClassVar[str] = "query_too_long"
    template: ClassVar[str] = "The search text is longer than {limit} characters."

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
