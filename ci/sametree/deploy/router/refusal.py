"""Why does Envoy refuse what we wrote? Its own words.

What it refuses it names in its log only, where nobody looks in a deployment. Asked once
more, with all of it in one file, it says so to us.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sametree.deploy.router import envoy

PATIENCE = 10.0
NO_WORDS = "it does not say why"


def words(program: Path, files: Mapping[str, str]) -> str:
    """Return what Envoy (its ``program``) says against ``files``."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "all.json")
        path.write_bytes(msgspec.json.encode(_in_one(files)))
        argv = [str(program), "--mode", "validate", "-c", str(path)]
        try:
            said = subprocess.run(
                [*argv, "--disable-hot-restart", "-l", "error"],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{NO_WORDS} ({error})"
    if said.returncode == 0:
        return NO_WORDS
    # It may quote all of the file before it comes to the point, at the end.
    last = (said.stderr.strip().splitlines() or [NO_WORDS])[-1]
    return last.rpartition(f"{path}': ")[2].removeprefix(": ")


def _in_one(files: Mapping[str, str]) -> dict[str, Any]:
    """Return the same, as one file that needs no other."""
    told = {
        name: msgspec.json.decode(text)["resources"] for name, text in files.items()
    }
    for listener in told[envoy.LISTENERS]:
        for chain in listener["filter_chains"]:
            for each in chain["filters"]:
                del each["typed_config"]["rds"]
                each["typed_config"]["route_config"] = _plain(told[envoy.ROUTES][0])
    static = {
        "clusters": [_plain(each) for each in told[envoy.CLUSTERS]],
        "listeners": [_plain(each) for each in told[envoy.LISTENERS]],
    }
    return {"static_resources": static}


def _plain(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "@type"}
