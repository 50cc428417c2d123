"""Bring the static tables of a database to the newest revision; dynamic tables are `karvan.schema`'s."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from karvan.database.connection import Database
from karvan_sdk.errors import SchemaRefused

FOLDER = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Run all missing revisions in one transaction.

    Raises SchemaRefused for a PostgreSQL database whose LC_CTYPE is not UTF-8: search and case folding of
    other scripts than Latin would silently find nothing there.
    """
    with database.exclusive(), database.engine.begin() as connection:
        if database.dialect == "postgresql":
            ctype, encoding = connection.exec_driver_sql(
                "SELECT datctype, pg_encoding_to_char(encoding) FROM pg_database"
                " WHERE datname = current_database()"
            ).one()
            if encoding != "UTF8" or not ctype.lower().replace("-", "").endswith("utf8"):
                raise SchemaRefused(
                    f"The database has LC_CTYPE '{ctype}' and encoding {encoding}. Karvan needs UTF-8: "
                    "CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' LC_CTYPE 'C.UTF-8'."
                )
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Whether the database has exactly the newest revision."""
    with database.engine.connect() as connection:
        head = ScriptDirectory.from_config(_config()).get_current_head()
        return MigrationContext.configure(connection).get_current_revision() == head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config
