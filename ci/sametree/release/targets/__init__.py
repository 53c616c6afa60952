"""Where do released files go, and what can each of these places do?"""

from __future__ import annotations

from collections.abc import Mapping

from sametree import settings, terminal
from sametree.release.targets import github_api, twine_upload
from sametree.release.targets.github import GitHub
from sametree.release.targets.index import Index
from sametree.release.targets.model import Announced, File, Found, Target

__all__ = ["Announced", "File", "Found", "Target", "make"]


def make(
    name: str,
    told: settings.model.Target,
    environ: Mapping[str, str],
    remote_url: str,
) -> Target:
    """Return the target ``name`` of the settings.

    Its token is read from ``environ``, and hidden from now on in all that is shown.
    Raises UsageError when settings do not say where that is, SurroundingsError when
    what talks to it is not installed.
    """
    if told.kind == "index":
        there = twine_upload.access(told.address, told.simple, told.token, environ)
        if there.token:
            terminal.keep_secret({there.token, f"{there.user}:{there.token}"})
        return Index(name, there)
    api = github_api.access(told.address, told.token, environ, remote_url)
    if api.token:
        terminal.keep_secret({api.token})
    return GitHub(name, api)
