"""One workspace: a database with its catalog, people, schema, plugins and records, wired together."""

from __future__ import annotations

from karvan.access.actors import Actors
from karvan.database import Database
from karvan.database.migrate import is_current, migrate
from karvan.events import outbox
from karvan.events.deliveries import Deliveries
from karvan.metadata.catalog import Catalog
from karvan.metadata.store import Catalogs, NotMade
from karvan.plugins.discovery import Discovery
from karvan.plugins.generations import Generations
from karvan.plugins.host import Host
from karvan.plugins.install import Installer
from karvan.plugins.restrictions import restrict
from karvan.plugins.settings import PluginSettings
from karvan.plugins.state import Plugins
from karvan.plugins.uninstall import Uninstaller
from karvan.records.export import Exports
from karvan.records.imports import Imports
from karvan.records.service import Records
from karvan.schema.changes import Schema
from karvan.settings import Settings
from karvan.widgets import Layouts


class Workspace:
    """Everything of one tenant. Making one opens nothing; the first question does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.url)
        discovery = Discovery()
        self.generations = Generations(settings.home)
        self.host = Host(discovery, settings.home)
        self.catalogs = Catalogs(self.database, complete=self._complete)
        self.actors = Actors(self.database, settings)
        self.schema = Schema(self.database, self.catalogs, outbox.announce_plugin)
        self.plugins = Plugins(discovery, self.host, self.schema, self.database)
        self.installer = Installer(self.generations, discovery, self.plugins, self.schema)
        self.uninstaller = Uninstaller(
            settings.home, self.database, self.generations, discovery, self.plugins, self.schema
        )
        self.records = Records(
            database=self.database, catalogs=self.catalogs, hooks=self.host, settings=settings
        )
        self.plugin_settings = PluginSettings(self.database, self.catalogs, discovery)
        self.deliveries = Deliveries(self.database)
        self.layouts = Layouts(self.database)
        self.imports = Imports(records=self.records, schema=self.schema, settings=settings)
        self.exports = Exports(records=self.records)

    def _complete(self, catalog: Catalog) -> Catalog:
        """Load the plugins of a new catalog, and add what they ask of records."""
        self.generations.refresh()
        self.host.sync(catalog.plugins)
        return restrict(catalog, self.host, self.records.still(catalog))

    def create(self) -> None:
        """Make the static tables, or bring those of an older version up; does nothing when they are there."""
        migrate(self.database)

    def check(self) -> None:
        """Raise NotMade unless the database holds a workspace of this version."""
        if not is_current(self.database):
            raise NotMade

    def close(self) -> None:
        """Close this process's connections, and leave the code of its plugins."""
        self.database.close()
        self.generations.leave()
