"""What migrates a database from inside the component's own environment?

Run as ``python -m sametree_migrate COMMAND CONFIG [PLAN]`` in the component's folder,
with the address of the database in DATABASE_URL and this package's folder on PYTHONPATH.
It knows the standard library, SQLAlchemy and Alembic, and works with any ``env.py``.
"""
