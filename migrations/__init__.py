"""Numbered, reversible migrations; they never import service."""
