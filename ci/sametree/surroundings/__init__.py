"""Which environment does a step run in, whoever starts it and wherever?

``allowed`` says what of the outer environment it gets, ``declared`` what the project
declares in ``[tool.sametree.variables]``.
"""

from sametree.surroundings.allowed import ALLOWED, ALLOWED_PREFIXES, FIXED, clean
from sametree.surroundings.allowed import UNITS, credentials
from sametree.surroundings.declared import Declared, environment_of, look, news

__all__ = [
    "ALLOWED",
    "ALLOWED_PREFIXES",
    "FIXED",
    "UNITS",
    "Declared",
    "clean",
    "credentials",
    "environment_of",
    "look",
    "news",
]
