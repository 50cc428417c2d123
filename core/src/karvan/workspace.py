"""One workspace: a database with its catalog, people, schema, plugins and records, wired together."""

from __future__ import annotations

from karvan.access.actors import Actors
from karvan.database import Database
from karvan.database.migrate import is_current, migrate
from karvan.metadata.store import Catalogs, NotMade
from karvan.plugins.discovery import Discovery
from karvan.plugins.host import Host
from karvan.plugins.state import Plugins
from karvan.records.export import Exports
from karvan.records.imports import Imports
from karvan.records.service import Records
from karvan.schema.changes import Schema
from karvan.settings import Settings


class Workspace:
    """Everything of one tenant. Making one opens nothing; the first question does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.url)
        discovery = Discovery()
        self.host = Host(discovery)
        self.catalogs = Catalogs(self.database, on_swap=lambda catalog: self.host.sync(catalog.plugins))
        self.actors = Actors(self.database, settings)
        self.schema = Schema(self.database, self.catalogs)
        self.plugins = Plugins(discovery, self.host, self.schema, self.database)
        self.records = Records(
            database=self.database, catalogs=self.catalogs, hooks=self.host, settings=settings
        )
        self.imports = Imports(records=self.records, schema=self.schema, settings=settings)
        self.exports = Exports(records=self.records)

    def create(self) -> None:
        """Make the static tables, or bring those of an older version up; does nothing when they are there."""
        migrate(self.database)

    def check(self) -> None:
        """Raise NotMade unless the database holds a workspace of this version."""
        if not is_current(self.database):
            raise NotMade

    def close(self) -> None:
        """Close this process's connections."""
        self.database.close()
