"""Runs the steps inside the transaction that `store/migrate.py` has begun."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
