"""Where releases go, each on its real server or its stand-in, and files for them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import github_api
import indexes

from sametree.release import targets
from sametree.release.targets import Announced, File
from sametree.settings import model

WAITS = (0.01,)
"""Two tries of everything."""


@dataclass
class Place:
    """A target, and the server behind it."""

    target: Any
    server: Any
    kind: str

    def refuse(self) -> None:
        """Let the server know the token no more."""
        if self.kind == "index":
            self.server.faults.answers = [403] * 9
        else:
            self.server.token = "another"

    def fail(self, times: int) -> None:
        """Let the server fail when it gets files, ``times`` times."""
        if self.kind == "index":
            self.server.faults.answers = [503] * 6 * times  # twine tries 5 times
        else:
            self.server.faults.at["repos/upload-release-asset"] = [503] * times + [0]

    def cut(self, *when: str) -> None:
        """Cut the connection at the next files."""
        if self.kind == "index":
            self.server.faults.cut = list(when)
        else:
            self.server.faults.at["repos/upload-release-asset"] = [*when, 0]

    def uploads(self) -> int:
        """Return how often a file was sent."""
        if self.kind == "index":
            return int(self.server.uploads())
        return int(self.server.asked.count("repos/upload-release-asset"))


def wheel(folder: Path, text: str = "", metadata: str = "2.4") -> File:
    """Make a real wheel of maria 1.2.0 with ``text`` in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "maria_api-1.2.0-py3-none-any.whl"
    told = f"Metadata-Version: {metadata}\nName: maria-api\nVersion: 1.2.0\n"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("maria_api/__init__.py", text)
        made.writestr("maria_api-1.2.0.dist-info/METADATA", told)
        made.writestr("maria_api-1.2.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        made.writestr("maria_api-1.2.0.dist-info/RECORD", "")
    return file_of(path)


def sdist(folder: Path) -> File:
    """Make a real sdist of maria 1.2.0, named as PEP 625 says."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "maria_api-1.2.0.tar.gz"
    told = b"Metadata-Version: 2.4\nName: maria-api\nVersion: 1.2.0\n"
    with tarfile.open(path, "w:gz") as made:
        for name, body in (("PKG-INFO", told), ("pyproject.toml", b"")):
            member = tarfile.TarInfo(f"maria_api-1.2.0/{name}")
            member.size = len(body)
            made.addfile(member, io.BytesIO(body))
    return file_of(path)


def file_of(path: Path) -> File:
    """Return a built file as targets get it."""
    body = path.read_bytes()
    return File(
        path=path,
        name=path.name,
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        component="api",
        project="maria-api",
    )


def release_of(*files: File, **told: Any) -> Announced:
    """Return the release 1.2.0 with ``files``."""
    usual: dict[str, Any] = {
        "tag": "v1.2.0",
        "version": "1.2.0",
        "title": "maria 1.2.0",
        "notes": "### Added\n\n- messages\n",
        "prerelease": False,
        "commit": "c" * 40,
        "files": files,
    }
    return Announced(**(usual | told))


def an_index(served: indexes.Index, **environ: str) -> Any:
    """Return the target that is ``served``."""
    told = model.Target(kind="index", address=served.address)
    outer = {"TWINE_PASSWORD": indexes.TOKEN, **environ}
    made: Any = targets.make("shelf", told, outer, "")
    made.patience, made.waits = 0.5, WAITS
    return made


def a_github(hub: github_api.GitHub, **environ: str) -> Any:
    """Return the target that ``hub`` is."""
    told = model.Target(kind="github", address=hub.api)
    outer = {"GITHUB_TOKEN": github_api.TOKEN, **environ}
    remote = f"git@github.com:{hub.repository}.git"
    made: Any = targets.make("hub", told, outer, remote)
    made.api = replace(made.api, waits=WAITS)
    return made
