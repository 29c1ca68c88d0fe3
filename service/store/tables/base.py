"""What every table is made with: one collection, names by a rule, and the types that we use."""

from sqlalchemy import CheckConstraint, DateTime, MetaData, Text

METADATA = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

Time = DateTime(timezone=True)
Name = Text


def one_of(column: str, *values: str) -> CheckConstraint:
    """Return the constraint that a column has one of a few words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
