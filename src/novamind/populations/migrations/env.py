"""Alembic environment of the twin store; started by ``store.migrate``, which hands over the URL."""

import sqlalchemy as sa
from alembic import context

from novamind.populations.store import metadata

engine = sa.create_engine(context.config.attributes["url"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, version_table="population_alembic_version")
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
