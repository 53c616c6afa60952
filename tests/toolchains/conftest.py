"""What a toolchain knows of a component."""

from pathlib import Path

import pytest

from sametree.toolchains import Place


@pytest.fixture
def place():
    """Return a function that describes a component; nothing of it has to exist."""

    def described(**more):
        known = {
            "name": "app",
            "folder": Path("/project/app"),
            "reports": Path("/project/reports/app"),
            "cache": Path("/project/.sametree/cache/app"),
        }
        return Place(**{**known, **more})

    return described
