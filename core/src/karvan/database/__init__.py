"""The database: engines, the kept connection, transactions; the only package that opens connections."""

from karvan.database.connection import Connection, Database, Transaction
from karvan.database.drivers import Dialect

__all__ = ["Connection", "Database", "Dialect", "Transaction"]
