"""Alembic environment of the patients' database; started by ``database.upgrade``, which hands over the connection."""

from alembic import context

from novamind.infrastructure import jobs
from novamind.infrastructure.identity import tables as identity
from novamind.infrastructure.tables import Organisation

# Importing a module of tables is what makes them known.
assert identity.User.metadata is jobs.Job.metadata is Organisation.metadata  # noqa: S101
context.configure(connection=context.config.attributes["connection"], target_metadata=Organisation.metadata)
with context.begin_transaction():
    context.run_migrations()
