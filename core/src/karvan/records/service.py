"""Records of one workspace: `read` for whoever reads, `write` for one transaction of changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from karvan.access.actors import Actor
from karvan.access.guard import enter
from karvan.database import Database
from karvan.metadata.catalog import Catalog, ObjectType
from karvan.metadata.store import Catalogs
from karvan.records.model import WriteModel
from karvan.records.reader import Plans, Reader
from karvan.records.writer import Writer
from karvan.settings import Settings
from karvan_sdk.protocols import Hooks

MODELS_MAX = 1000


class Records:
    """The record service. It holds no connection and no actor: both belong to a Reader or a Writer."""

    def __init__(self, *, database: Database, catalogs: Catalogs, hooks: Hooks, settings: Settings) -> None:
        self._database = database
        self._catalogs = catalogs
        self._hooks = hooks
        self._settings = settings
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
        with self._database.write() as transaction:
            proved, version = enter(transaction, actor)
            catalog = self._catalogs.at(transaction, version)
            yield Writer(
                transaction=transaction,
                actor=proved,
                catalog=catalog,
                reader=self._reader(proved, catalog, proved=True),
                model=lambda object_type: self._model(catalog, object_type),
                hooks=self._hooks,
                source=source,
                now=datetime.now(UTC),
                currency=self._settings.currency,
                timezone=self._settings.timezone,
            )

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
