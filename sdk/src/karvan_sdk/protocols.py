"""What a plugin may expect of the host, and what the floors of the core expect of each other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from karvan_sdk.actions import Change, Listed
from karvan_sdk.errors import FieldError
from karvan_sdk.objects import Object
from karvan_sdk.outbound import HttpAnswer

Row = dict[str, Any]
T = TypeVar("T")


class Records(Protocol):
    """Records as the actor of the moment may see them, and the way to change them. All in JSON form.

    Text of the API: decimals and amounts are texts (`"12.50"`), dates `"2026-03-31"`, lookups numbers or,
    expanded, `{"id": …, "name": …}`. Of objects and fields that are not its own a plugin may use what its
    capabilities name: `records:read:<object>`, `records:write:<object>`; else NotAllowed is raised.
    Raises UnknownObject, UnknownField, RecordNotFound, BadInput (a bad filter) as the API does.
    """

    def get(
        self, object: str, id: int, *, fields: Sequence[str] | None = None, expand: Sequence[str] = ()
    ) -> Row:
        """One record."""
        ...

    def list(
        self,
        object: str,
        *,
        filter: str = "",
        sort: Sequence[str] = (),
        fields: Sequence[str] | None = None,
        expand: Sequence[str] = (),
        limit: int = 50,
        after: str | None = None,
    ) -> Listed:
        """One page of records. Put values into `filter` with `karvan_sdk.literal`."""
        ...

    def aggregate(
        self, object: str, *, measures: Sequence[str], group: Sequence[str] = (), filter: str = ""
    ) -> Sequence[Row]:
        """Sums and counts: measures are `count`, `sum:amount`, `min:…`, `max:…`, `avg:…`; the answers are
        under `count`, `sum_amount` …"""
        ...

    def each(
        self, object: str, *, filter: str = "", fields: Sequence[str] | None = None, sort: Sequence[str] = ()
    ) -> Iterator[Row]:
        """Every record that meets the filter, read in pages as they are asked for."""
        ...

    def write(self) -> AbstractContextManager[RecordWriter]:
        """One transaction of changes: it commits when the block ends well and leaves nothing otherwise.

        Inside hooks that run in somebody else's transaction, and while a widget is drawn, it raises
        NotAllowed.
        """
        ...


class RecordWriter(Protocol):
    """Changes inside one transaction; see `Records.write`. Values are in JSON form.

    Raises ValidationFailed with all findings, Rejected, PluginFailed, RecordNotFound, VersionMismatch.
    """

    @property
    def records(self) -> Records:
        """Reads what this transaction sees, its own changes included."""
        ...

    def create(self, object: str, values: Mapping[str, Any]) -> Row:
        """Create a record and give it."""
        ...

    def update(self, object: str, id: int, values: Mapping[str, Any], version: int | None = None) -> Row:
        """Change a record and give it; with `version` only if that is the stored one."""
        ...

    def delete(self, object: str, id: int, version: int | None = None) -> None:
        """Put a record into the trash."""
        ...

    def create_many(self, object: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Create many records, all or none; gives their ids."""
        ...

    def update_many(self, object: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change many records, all or none; each row holds its `id`."""
        ...


class Files(Protocol):
    """Files of one plugin in one workspace; needs the capability `files`. A purge removes them.

    A name is one or more parts of letters, digits, `.`, `-` and `_`, joined by `/`. Raises BadInput for
    another name, RecordNotFound for a file that is not there.
    """

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole, in place of one of the same name."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file, which is made if needed."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        ...

    def open(self, name: str) -> AbstractContextManager[Any]:
        """A binary file, opened for reading."""
        ...

    def names(self, prefix: str = "") -> Sequence[str]:
        """The names of all files that begin with `prefix`, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file; does nothing when it is not there."""
        ...


class Http(Protocol):
    """Calls to other servers; each host needs its capability, `http:<host>`.

    Only hosts of the public network are reached, unless the deployment's setting `http_private` names the
    place. There is no session: each call stands alone, without cookies.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, Any] | None = None,
        timeout: float = 5.0,
    ) -> HttpAnswer:
        """Ask, follow up to 5 redirects to allowed hosts, and give the answer, whatever its status.

        `params` are added to the address; `data` is sent as it is, a mapping as a form. `timeout` is for the
        whole call, in seconds, at most 25: a request to Karvan itself ends after the setting `deadline_s`. A
        body has at most 10 MiB in either direction. Raises NotAllowed for a host that the manifest does not
        name, for an address inside the network, and while a transaction is open (in gates, pipelines and
        `ctx.records.write()`); HttpFailed where no whole answer came; BadInput for what can't be sent.
        """
        ...


class Jobs(Protocol):
    """Work put off to a worker; needs the capability `jobs`, and the job's name under `jobs` of the manifest.

    The plugin's object holds the functions: `jobs = {"send": send}`, each called as `send(ctx, payload)`
    under the limits of `records_changed`: 30 s, tried again when it raises, called again after `TryLater`.
    It may be called twice. `ctx` serves the person for whom the job was asked for.
    """

    def later(
        self,
        name: str,
        payload: Mapping[str, Any] | None = None,
        *,
        delay_s: float = 0.0,
        key: str | None = None,
    ) -> None:
        """Have a job done in `delay_s` seconds or later, at most a year.

        It is kept in the transaction that is open: what is rolled back leaves no job. `payload` comes back as
        JSON gives it, at most 64 KiB. With a `key` there is one job of that name and key at most: one that
        waits keeps the earlier of both times and takes the new payload, one under way is done once more.
        Raises NotAllowed without the capability, BadInput for an unknown name or a bad payload.
        """
        ...


class Mail(Protocol):
    """Mail; needs the capability `mail`. It comes from the deployment's address (setting `mail_from`)."""

    def send(
        self,
        to: str | Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        *,
        reply_to: str = "",
    ) -> None:
        """Have a mail sent by the worker, in the transaction that is open: what is rolled back sends nothing.

        `to` is one plain address (`ada@example.com`) or up to 50; each sees the others. `html` is a second
        form of the same text. It is tried again as a job is; without a mail server it becomes a file in the
        folder `outbox`. Raises NotAllowed without the capability, BadInput for a bad address, a subject of
        several lines, or more than 1 MiB.
        """
        ...


class Secrets(Protocol):
    """Secrets that a plugin keeps itself, such as tokens; needs the capability `secrets`.

    They are sealed with the workspace's key and shown nowhere. Names have 1 to 100 characters. What people
    enter belongs into a setting with `secret = true`.
    """

    def get(self, name: str) -> str | None:
        """The secret, or None. Raises SecretLost where the workspace's key is another one by now."""
        ...

    def set(self, name: str, value: str) -> None:
        """Keep a secret, in the transaction that is open; at most 16 KiB."""
        ...

    def delete(self, name: str) -> None:
        """Forget a secret; does nothing when it is not there."""
        ...

    def names(self) -> Sequence[str]:
        """The names of all secrets that are kept, sorted."""
        ...


class HookContext(Protocol):
    """What a plugin is given about the moment in which it is called; all of it is this plugin's own view.

    `actor_id` is the signed-in user or None where the plugin acts as itself; `language` is the person's
    (else the workspace's), `timezone` the workspace's (an IANA name), `currency` its code, `plugin` the id of
    the plugin being called, `now` an aware moment in UTC. `source` says where the change comes from that is
    being made (api, web, import, `plugin:<id>`); empty where none is. `settings` are the plugin's settings
    with their defaults, as Python values. `log` is its logger.
    """

    @property
    def plugin(self) -> str: ...
    @property
    def actor_id(self) -> int | None: ...
    @property
    def language(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def now(self) -> datetime: ...
    @property
    def source(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def records(self) -> Records: ...
    @property
    def files(self) -> Files: ...
    @property
    def http(self) -> Http: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def mail(self) -> Mail: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def log(self) -> logging.Logger: ...

    def describe(self, object: str) -> Object:
        """The object as it is now, custom fields and options included, by API names.

        Raises UnknownObject.
        """
        ...

    def t(self, text: str, /, **params: Any) -> str:
        """The text in the language of the moment, with its gaps (`%(name)s`) filled.

        Translations stand in `locale/<language>/LC_MESSAGES/messages.po` of the plugin's package.
        """
        ...

    def ask(self, hook: str, /, **arguments: Any) -> Any:
        """Ask the providers of a hook of kind `first`: the first answer that is not None, or None.

        A hook of the core, or one that this plugin offers. For hooks that plugins offer, and so for the
        three below: ValueError for an unknown hook, one of another kind, or wrong arguments; NotAllowed for
        the hook of another plugin. Each implementation is given a copy of the arguments; what it raises is
        counted.
        """
        ...

    def collect(self, hook: str, /, **arguments: Any) -> Sequence[tuple[str, Any]]:
        """(plugin, answer) of everyone who answers a hook of kind `collect` that this plugin offers.

        In the order of the plugins. Who raises is left out and marked degraded; None is no answer.
        """
        ...

    def check(self, hook: str, /, **arguments: Any) -> None:
        """Let others refuse through a hook of kind `gate` that this plugin offers: their Rejected comes out.

        Who raises anything else is passed over.
        """
        ...

    def refine(self, hook: str, value: T, /, **arguments: Any) -> T:
        """The value, passed through everyone in a hook of kind `pipeline` that this plugin offers.

        The value is the first argument of the hook. None leaves it as it is; so does who raises, or answers
        another type.
        """
        ...

    def url(self, path: str = "/", *, api: bool = False) -> str:
        """The address of one of the plugin's own pages, or of its API."""
        ...


class PageContext(HookContext, Protocol):
    """The context of a route: also draws the plugin's templates.

    Templates stand in `templates/` of the plugin's package. They know `ctx`, `_`, `icon`, `money`,
    `number`, `day`, `moment` (formats of the reader's language) and the macros `ui`; autoescape is on.
    """

    def render(self, template: str, /, **values: Any) -> str:
        """HTML of one of the plugin's templates."""
        ...

    def page(self, title: str, template: str, /, **values: Any) -> str:
        """The same inside the frame of Karvan's pages: navigation, title, styles."""
        ...


class WidgetContext(PageContext, Protocol):
    """The context of a widget. `record` is the record of the page in JSON form, as its reader may see it,
    or None in slots without one; `object` its object's API name, or empty. `form` holds what was typed into
    a form of this widget that was just refused, so that it can stay; else it is empty."""

    @property
    def slot(self) -> str: ...
    @property
    def object(self) -> str: ...
    @property
    def record(self) -> Mapping[str, Any] | None: ...
    @property
    def form(self) -> Mapping[str, str]: ...

    def action(self, name: str) -> str:
        """The address to which a form of this widget posts.

        `<form method="post" action="{{ ctx.action('x') }}">{{ ui.token() }}…`: the widget is drawn anew in
        the answer.
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
