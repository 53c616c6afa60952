"""Which environment does a step run in, whoever starts it and wherever?"""

from __future__ import annotations

import os
from collections.abc import Mapping

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
    kept = {
        name: value
        for name, value in outer.items()
        if name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
    }
    return {**kept, **FIXED}
