"""Stamps what is built with the git tree it was built from."""

import os
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STAMP = "maria/_tree.txt"


class TreeStamp(BuildHookInterface):  # type: ignore[type-arg]
    """Puts ``SAMETREE_TREE`` into wheel and sdist as ``maria/_tree.txt``.

    An sdist holds the file already: a wheel built from it keeps what it says. The
    source tree is left as it was, so that building does not change what is built.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or Path(self.root, STAMP).exists():
            return
        self.folder = tempfile.TemporaryDirectory()
        stamp = Path(self.folder.name, "tree.txt")
        stamp.write_text(os.environ.get("SAMETREE_TREE") or "unknown")
        build_data["force_include"][str(stamp)] = STAMP

    def finalize(
        self, version: str, build_data: dict[str, Any], artifact_path: str
    ) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()
