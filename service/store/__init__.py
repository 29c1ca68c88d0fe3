"""Rows and domain values; nobody else writes SQL. Constraint names are mapped to domain errors here."""
