"""Run the migrations. Alembic takes no lock: service/admin/migrate.py holds one and sets the timeouts.

This file and the numbered ones never import ``service``: an old migration must mean the same with newer code.
The connection comes from the caller by ``config.attributes["connection"]``; offline it only writes SQL.
"""

from alembic import context

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", transaction_per_migration=True)
else:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=context.config.attributes.get("target_metadata"),
        transaction_per_migration=True,
    )
with context.begin_transaction():
    context.run_migrations()
