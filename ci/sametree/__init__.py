"""sametree: one pipeline for laptop, CI and production. Same git tree, same result."""

__version__ = "0.1.0"
