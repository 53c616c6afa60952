"""Programs that run inside a component's own environment.

They import the standard library and what the component has (Alembic, pytest), never
the suite: it is not installed there.
"""
