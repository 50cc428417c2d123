"""Alembic's environment: it runs on the connection that `karvan.database.migrate` hands over."""

from alembic import context

from karvan.database.models import db

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=db.metadata)
context.run_migrations()
