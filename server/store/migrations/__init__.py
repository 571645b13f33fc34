"""Alembic's scripts; server.store.migration runs them."""
