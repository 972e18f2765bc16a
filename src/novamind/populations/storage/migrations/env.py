"""Alembic environment of the twin store; started by ``database.upgrade``, which hands over the connection."""

from alembic import context

from novamind.populations.storage.store import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="population_alembic_version",
)
with context.begin_transaction():
    context.run_migrations()
