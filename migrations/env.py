"""Run the migrations. Alembic takes no lock: service/admin/migrate.py holds one and sets the timeouts.

This file and the numbered ones never import ``service``: an old migration must mean the same with newer code.
The connection comes from the caller by ``config.attributes["connection"]``.
"""

from alembic import context

connection = context.config.attributes["connection"]
target_metadata = context.config.attributes.get("target_metadata")

context.configure(connection=connection, target_metadata=target_metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
