"""Alembic environment of the patients' database; started by ``database.upgrade``, which hands over the connection."""

from alembic import context

from novamind.infrastructure.tables import Organisation

context.configure(connection=context.config.attributes["connection"], target_metadata=Organisation.metadata)
with context.begin_transaction():
    context.run_migrations()
