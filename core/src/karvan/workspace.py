"""One workspace: a database with its catalog, people, schema, plugins and records, wired together."""

from __future__ import annotations

from collections.abc import Mapping

from karvan.access.actors import Actors
from karvan.database import Database, Transaction
from karvan.database.migrate import is_current, migrate
from karvan.events import outbox
from karvan.events.deliveries import Deliveries
from karvan.events.jobs import Jobs
from karvan.mail import Mailer, read_server
from karvan.metadata.catalog import Catalog
from karvan.metadata.store import Catalogs, NotMade
from karvan.outbound import Outbound, read_places
from karvan.plugins.accidents import Accident, Accidents, Suspension
from karvan.plugins.answered import Answers, name_edition
from karvan.plugins.blackbox import BlackBox
from karvan.plugins.breaker import Trip
from karvan.plugins.deferred import Deferred
from karvan.plugins.discovery import Discovery
from karvan.plugins.figures import FigureStore
from karvan.plugins.generations import Generations
from karvan.plugins.host import Host
from karvan.plugins.install import Installer
from karvan.plugins.means import Means
from karvan.plugins.probe import Limits
from karvan.plugins.restrictions import restrict
from karvan.plugins.settings import PluginSettings, seal_secrets
from karvan.plugins.state import Plugins
from karvan.plugins.suspensions import Suspensions
from karvan.plugins.uninstall import Uninstaller
from karvan.plugins.wrecks import is_anything_left, settle
from karvan.records.export import Exports
from karvan.records.imports import Imports
from karvan.records.service import Records
from karvan.schema.changes import Schema
from karvan.settings import Settings
from karvan.vault import Vault
from karvan.widgets import Layouts
from karvan_sdk.errors import KarvanError


class Workspace:
    """Everything of one tenant. Making one opens nothing; the first question does.

    `box` is the black box of this process, for one that is watched. Without `code`, as in safe mode, no
    code of plugins is imported or called.
    """

    def __init__(self, settings: Settings, *, box: BlackBox | None = None, code: bool = True) -> None:
        self.settings = settings
        self.database = Database(settings.url)
        self.box = box or BlackBox()
        self.accidents = Accidents(self.database)
        self.answers = Answers(self.database)
        self.suspensions = Suspensions(self.database)
        self.deferred = Deferred(self.database)
        self._unsettled: KarvanError | None = None
        self.vault = Vault(settings.home)
        discovery = Discovery(settings.home / "plugins.json")
        self.generations = Generations(settings.home)
        self.jobs = Jobs(self.database)
        self.mailer = Mailer(read_server(settings.smtp_url), settings.mail_from, settings.home / "outbox")
        means = Means(
            database=self.database,
            outbound=Outbound(read_places(settings.http_private)),
            jobs=self.jobs,
            mailer=self.mailer,
            vault=self.vault,
        )
        self.host = Host(
            discovery,
            settings.home,
            means=means,
            box=self.box,
            code=code,
            safe_mode=settings.safe_mode,
            suspended=self._suspended,
            suspend=self._suspend,
        )
        self.figures = FigureStore(self.database, self.host.counted)
        self.catalogs = Catalogs(self.database, complete=self._complete)
        self.actors = Actors(self.database, settings)
        self.schema = Schema(self.database, self.catalogs, self._announce)
        self.plugins = Plugins(
            discovery,
            self.host,
            self.schema,
            self.database,
            self.accidents,
            self.answers,
            self.suspensions,
            # a trial within a request has to end before the watchdog ends the worker
            limits=Limits(wall_s=settings.deadline_s / 2, memory_mib=settings.memory_mib),
        )
        self.installer = Installer(self.generations, discovery, self.plugins, self.schema)
        self.uninstaller = Uninstaller(
            settings.home, self.database, self.generations, discovery, self.plugins, self.schema
        )
        self.records = Records(
            database=self.database,
            catalogs=self.catalogs,
            hooks=self.host,
            settings=settings,
            after=self.deferred.run,
        )
        self.plugin_settings = PluginSettings(self.database, self.catalogs, discovery, self.vault)
        self.deliveries = Deliveries(self.database)
        self.layouts = Layouts(self.database)
        self.imports = Imports(records=self.records, schema=self.schema, settings=settings)
        self.exports = Exports(records=self.records)

    def _complete(self, catalog: Catalog) -> Catalog:
        """Load the plugins of a new catalog, and add what they ask of records."""
        if self._unsettled is not None:  # the next plugin to be imported may be the one that ends processes
            raise self._unsettled
        self.generations.refresh()
        self.host.sync(catalog.plugins)
        self.plugin_settings.examine(catalog, self.host)
        editions = self._editions(catalog)
        self.host.breakers.keep(editions)
        made = restrict(catalog, self.host, self.records.still(catalog), self.answers.read(), editions)
        if made.fresh:
            self.deferred.put(lambda: self.answers.write(made.fresh))
        return made.catalog

    def _suspended(self) -> Mapping[str, Suspension]:
        """The plugins that are not called, by id: a hook kept failing, or processes ended."""
        return {**self.accidents.suspended(), **self.suspensions.read()}

    def _suspend(self, trip: Trip, version: str) -> None:
        self.deferred.put(lambda: self.suspensions.suspend(trip, version))

    def _editions(self, catalog: Catalog) -> dict[str, str]:
        """Version and settings of each plugin that is on; the version as enabled where it is missing."""
        status, known = self.host.status(), self.plugins.versions()
        versions = {
            p: (status[p].version if p in status else "") or known.get(p, "") for p in catalog.plugins
        }
        return {p: name_edition(v, catalog.settings.get(p, {})) for p, v in versions.items()}

    def settle(self) -> None:
        """Charge the plugins on top of which processes of this home ended, before any is imported here.

        Where that can't be written, no plugin is imported, so no catalog is given out: try again.
        """
        try:
            settle(self.settings.home, self._charge, own=self.box.path)
        except KarvanError as exc:
            self._unsettled = exc
        else:
            self._unsettled = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing that dead processes left stands in the way of plugins."""
        return self._unsettled is None

    def is_anything_left(self) -> bool:
        """Whether a process of this home ended since, and nobody has settled it."""
        return is_anything_left(self.settings.home, own=self.box.path)

    def _charge(self, accident: Accident) -> None:
        self.accidents.record(accident)

    def _announce(self, transaction: Transaction, plugin: str, actor_id: int | None) -> None:
        """What goes with enabling or upgrading a plugin, in the same transaction."""
        outbox.announce_plugin(transaction, plugin, actor_id)
        seal_secrets(transaction, self.vault, plugin)

    def create(self) -> None:
        """Make the static tables, or bring those of an older version up; does nothing when they are there.

        Secrets that an older version kept in the clear are sealed; nothing of the plugins is needed for it.
        """
        migrate(self.database)
        with self.database.write() as transaction:
            seal_secrets(transaction, self.vault)

    def check(self) -> None:
        """Raise NotMade unless the database holds a workspace of this version."""
        if not is_current(self.database):
            raise NotMade

    def close(self) -> None:
        """Write what was counted, close this process's connections, and leave the code of its plugins."""
        self.deferred.run()
        self.figures.write()
        self.database.close()
        self.generations.leave()
