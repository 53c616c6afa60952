"""What of the outer environment does a step get, whoever starts it and wherever?"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from sametree import masking, terminal

KEY = "SAMETREE_RECORDS_KEY"
"""The variable of the key that signs records."""
UNITS = "SAMETREE_UNITS"
"""The variable that tells the plan of a rehearsal which units it is for."""

ALLOWED = frozenset(
    "HOME USER LOGNAME SHELL PATH TERM COLORTERM NO_COLOR FORCE_COLOR COLUMNS LINES "
    "TMPDIR TEMP TMP XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_RUNTIME_DIR "
    "CI GITHUB_ACTIONS "
    # Certificates and proxies of the network one sits in: installing needs them.
    "SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS "
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY "
    "http_proxy https_proxy all_proxy no_proxy".split()
)
ALLOWED_PREFIXES = ("UV_", "NPM_CONFIG_", "npm_config_", "SAMETREE_")
"""How the machine's package clients reach their registries is the machine's affair."""

SET_BY_SUITE = frozenset(
    "DATABASE_URL PATH HOME CI GITHUB_ACTIONS VIRTUAL_ENV PYTHONPATH PYTEST_PLUGINS".split()
)
"""Like the fixed ones, not for a project to declare: the suite or the CI sets them."""

WITHHELD = frozenset({KEY, terminal.MASKED, UNITS})
"""What is for the suite alone: a step with the key could sign records itself."""

_TOKEN = re.compile(r"(token|password|secret|_auth)$", re.IGNORECASE)
"""How names of variables end that hold a secret (``UV_PUBLISH_TOKEN``)."""

FIXED = {
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
}
"""The same everywhere, so that no result depends on who runs it."""


def clean(outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a step: what is allowed of ``outer``, and FIXED.

    A variable that nobody declared never reaches a step, so it cannot make a run
    on one machine differ from a run on another.
    """
    kept = {name: value for name, value in outer.items() if _is_allowed(name)}
    return {**kept, **FIXED}


def credentials(outer: Mapping[str, str] = os.environ) -> set[str]:
    """Return the secrets in what steps may be allowed of ``outer``, and in what the
    suite itself has from there: passwords in addresses, tokens of package clients.
    """
    found = {outer.get(KEY, "")}
    for name, value in outer.items():
        if _is_allowed(name) or name == "DATABASE_URL":
            found |= masking.passwords(value)
            if _TOKEN.search(name):
                found.add(value)
    return found - {""}


def _is_allowed(name: str) -> bool:
    if name in WITHHELD:
        return False
    return name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
