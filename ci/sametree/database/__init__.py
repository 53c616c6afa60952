"""Which PostgreSQL does a run get, and is its schema right?"""
