"""Records of one workspace: `read` for whoever reads, `write` for one transaction of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from karvan.access.actors import Actor
from karvan.access.guard import enter
from karvan.access.moment import Moment
from karvan.database import Database
from karvan.metadata.catalog import Catalog, ObjectType
from karvan.metadata.store import Catalogs, read_own_settings
from karvan.records.model import WriteModel
from karvan.records.portal import Portal
from karvan.records.reader import Plans, Reader
from karvan.records.writer import Writer
from karvan.settings import Settings
from karvan_sdk.errors import NotAllowed
from karvan_sdk.protocols import Hooks

MODELS_MAX = 1000


class Records:
    """The record service. It holds no connection and no actor: both belong to a Reader or a Writer."""

    def __init__(
        self,
        *,
        database: Database,
        catalogs: Catalogs,
        hooks: Hooks,
        settings: Settings,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """`after` is called when a transaction of records has ended, well or not; it raises nothing."""
        self._database = database
        self._catalogs = catalogs
        self._hooks = hooks
        self._settings = settings
        self._after = after
        self._plans = Plans()
        self._models: dict[tuple[int, str], WriteModel] = {}

    def read(self, actor: Actor) -> Reader:
        """A reader that sees the catalog of this moment."""
        return self._reader(actor, self._catalogs.known(), proved=False)

    @contextmanager
    def write(self, actor: Actor, source: str = "api") -> Iterator[Writer]:
        """One transaction of changes; it commits when the block ends well and leaves nothing otherwise.

        `source` says where the change comes from (api, web, import, plugin:<id>). Raises NotSignedIn when
        the actor's sign-in has ended, Unavailable when the database can't be written.
        """
        try:
            with self._database.write() as transaction:
                proved, version = enter(transaction, actor)
                catalog = self._catalogs.at(transaction, version)
                reader = self._reader(proved, catalog, proved=True)
                now = datetime.now(UTC)
                inside = Portal(lambda: reader, why="a change of records is under way.")
                yield Writer(
                    transaction=transaction,
                    actor=proved,
                    catalog=catalog,
                    reader=reader,
                    model=lambda object_type: self._model(catalog, object_type),
                    hooks=self._hooks,
                    source=source,
                    now=now,
                    currency=self._settings.currency,
                    moment=self._moment(proved, catalog, inside, now=now, source=source),
                )
        finally:
            self._after()

    def moment(
        self,
        actor: Actor,
        *,
        source: str = "",
        writable: bool = True,
        language: str = "",
        catalog: Catalog | None = None,
    ) -> Moment:
        """The moment in which a plugin is called outside of any transaction, for this actor.

        `source` is what its changes will say of where they come from; without `writable` it can't make any.
        `language` is that of the page, where it is not the actor's own; `catalog` the one that the caller
        has just proved to be in force (read anew if it is not given).
        """
        catalog = catalog or self._catalogs.current()
        portal = Portal(
            lambda: self.read(actor),
            (lambda: self.write(actor, source=source)) if writable else None,
            why="nothing may be changed while a page is drawn.",
        )
        made = self._moment(actor, catalog, portal, now=datetime.now(UTC), source=source)
        return replace(made, language=language) if language else made

    def still(self, catalog: Catalog) -> Moment:
        """The moment of a catalog that is not in force yet: nobody asks, and no record may be read."""

        def refuse() -> Reader:
            raise NotAllowed(action="read", object="records", reason="the catalog is being made.")

        portal = Portal(refuse, why="the catalog is being made.")
        return self._moment(Actor.system(), catalog, portal, now=datetime.now(UTC), source="")

    def _moment(
        self, actor: Actor, catalog: Catalog, records: Portal, *, now: datetime, source: str
    ) -> Moment:
        settings = self._settings
        return Moment(
            actor_id=actor.id,
            language=actor.language if actor.id is not None else settings.language,
            timezone=settings.timezone,
            currency=settings.currency,
            now=now,
            catalog=catalog,
            records=records,
            source=source,
            own_settings=lambda plugin: self._own_settings(actor, plugin),
        )

    def _own_settings(self, actor: Actor, plugin: str) -> Mapping[str, Any]:
        if actor.id is None:
            return {}
        with self._database.read() as connection:  # inside a transaction it is that one
            return read_own_settings(connection, plugin, actor.id)

    def _reader(self, actor: Actor, catalog: Catalog, *, proved: bool) -> Reader:
        return Reader(
            actor=actor,
            catalog=catalog,
            database=self._database,
            catalogs=self._catalogs,
            plans=self._plans,
            timezone=self._settings.timezone,
            proved=proved,
        )

    def _model(self, catalog: Catalog, object_type: ObjectType) -> WriteModel:
        key = (catalog.version, object_type.uid)
        found = self._models.get(key)
        if found is None:
            if len(self._models) >= MODELS_MAX:
                self._models = {}
            found = self._models[key] = WriteModel(
                catalog=catalog, object_type=object_type, dialect=self._database.dialect
            )
        return found
