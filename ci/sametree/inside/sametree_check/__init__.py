"""What do migrations do, on tables with rows? A program in the component's environment.

Its modules import the standard library, Alembic and SQLAlchemy, and nothing of the suite.
"""
