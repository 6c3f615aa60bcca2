"""How Alembic reaches the database: over the connection that `store.migrate` hands it, in one transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="schema_version")
with context.begin_transaction():
    context.run_migrations()
