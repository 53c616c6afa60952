"""Takes out of GitHub's OpenAPI description what the tests of releases need.

The description is in the npm package @octokit/openapi (MIT); to take a newer one:
``npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz``, and then
``python extract_openapi.py package/generated/api.github.com.json github_openapi.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PATHS = {
    "/repos/{owner}/{repo}": ("get",),
    "/repos/{owner}/{repo}/releases": ("get", "post"),
    "/repos/{owner}/{repo}/releases/tags/{tag}": ("get",),
    "/repos/{owner}/{repo}/releases/{release_id}": ("get", "patch", "delete"),
    "/repos/{owner}/{repo}/releases/{release_id}/assets": ("get", "post"),
    "/repos/{owner}/{repo}/releases/assets/{asset_id}": ("get", "delete"),
}
LEFT_OUT = {"description", "summary", "externalDocs", "example", "examples", "tags"}
NAMES = {"properties", "schemas", "parameters", "responses", "headers"}
"""Keys below which every key is a name, and none is left out."""


def main(source: str, target: str) -> None:
    """Write what is needed of ``source`` to ``target``."""
    whole = json.loads(Path(source).read_text())
    paths = {
        path: {method: _bare(whole["paths"][path][method]) for method in methods}
        for path, methods in PATHS.items()
    }
    components: dict[str, dict[str, Any]] = {}
    waiting = list(_references(paths))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = _bare(whole["components"][kind][name])
            waiting += _references(components[kind][name])
    told = {
        "openapi": whole["openapi"],
        "info": {
            "title": whole["info"]["title"],
            "version": whole["info"]["version"],
            "license": whole["info"]["license"],
            "description": "A part of @octokit/openapi, taken by extract_openapi.py",
        },
        "paths": paths,
        "components": components,
    }
    text = json.dumps(told, indent=1, sort_keys=True)
    Path(target).write_text(f"{text}\n")


def _bare(node: Any, names: bool = False) -> Any:
    if isinstance(node, list):
        return [_bare(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _bare(inner, names=key in NAMES and not names)
        for key, inner in node.items()
        if names or not (key in LEFT_OUT or key.startswith("x-"))
    }


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for each in node for found in _references(each)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for each in node.values() for found in _references(each)]


if __name__ == "__main__":
    main(*sys.argv[1:])
