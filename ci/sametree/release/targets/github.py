"""How does a release get to GitHub, and what does GitHub have of it?

A draft is begun, gets its files, and is published last, since a published release may
be immutable (docs.github.com/rest/releases).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sametree.errors import SurroundingsError, UsageError
from sametree.release.targets import calls
from sametree.release.targets.github_api import Api, Asset, Release, Repository
from sametree.release.targets.github_api import WithAssets, decoded
from sametree.release.targets.model import Announced, File, Found, differs

if TYPE_CHECKING:
    from requests import Response

BODY = 125_000
"""Characters that GitHub takes as notes."""
YANKED = "<!-- sametree: yanked -->"
"""How the notes of a yanked release begin."""


@dataclass
class GitHub:
    """The releases of a repository on GitHub."""

    name: str
    api: Api
    _known: dict[str, int] = field(default_factory=dict)

    def where(self) -> str:
        """Return host, owner and name."""
        return self.api.where()

    def problems(self, release: Announced) -> Iterator[str]:
        """Try the token on the repository, and look at what is there."""
        if not self.api.token:
            yield f"no token for {self.where()}: set {self.api.variable}"
            return
        try:
            yield from self._of_rights()
            yield from self._of_release(release)
        except (SurroundingsError, UsageError) as error:
            yield error.problem

    def begin(self, release: Announced) -> None:
        """Begin a draft, unless there is a release of that tag."""
        if self._find(release) is None:
            self._create(release)

    def begun(self, release: Announced) -> bool:
        """Return whether there is a release of the tag, draft or not."""
        return self._find(release) is not None

    def found(self, file: File, release: Announced) -> Found:
        """Return what the release has under the name of ``file``."""
        there = self._asset(file, release)
        if there is None or there.state != "uploaded":
            return "absent"
        return "equal" if self._digest(there, file) == file.sha256 else "different"

    def publish(self, file: File, release: Announced) -> None:
        """Upload ``file`` to the release; what an upload that was cut off left goes."""
        for wait in (*self.api.waits, None):
            there = self._asset(file, release)
            if there is not None and there.state == "uploaded":
                digest = self._digest(there, file)
                if digest == file.sha256:
                    return
                raise differs(file, self.where(), digest)
            if there is not None:
                self.api.call("DELETE", f"/releases/assets/{there.id}", allowed=(404,))
            try:
                self._upload(file, release)
                return
            except SurroundingsError as trouble:
                if wait is None:
                    if self.found(file, release) == "equal":
                        return
                    raise trouble from None
            time.sleep(wait)

    def finish(self, release: Announced) -> None:
        """Publish the draft, when all its files are there."""
        draft = self._find(release)
        lacking = [f.name for f in release.files if self.found(f, release) != "equal"]
        if draft is None or lacking:
            raise UsageError(
                f"the draft of {release.tag} at {self.where()} is not complete:"
                f" {', '.join(lacking) or 'it'} is not there",
                "somebody changed it: `invoke release --resume` puts it right",
            )
        if draft.draft:
            latest = "false" if release.prerelease else "legacy"
            # `legacy`: GitHub compares versions, so a mended old one is not the latest.
            self._change(draft, draft=False, make_latest=latest)

    def finished(self, release: Announced) -> bool:
        """Return whether the release is public."""
        there = self._find(release)
        return there is not None and not there.draft

    def fetch(self, file: File, into: Path) -> Path:
        """Download ``file`` of whichever release has it: its name holds the version."""
        for each in self.api.each("/releases", WithAssets):
            for asset in each.assets:
                if asset.name == file.name and asset.state == "uploaded":
                    return calls.keep(self._download(asset), file, into)
        raise SurroundingsError(
            f"no release at {self.where()} has {file.name}",
            "it may take a moment: `invoke release --resume` looks again",
        )

    def yank(self, release: Announced, reason: str) -> str:
        """Say it at the top of the notes and in the title, and make it not the latest."""
        there = self._find(release)
        if there is None:
            return f"{self.where()} has no release of {release.tag}: nothing to yank"
        if (there.body or "").startswith(YANKED):
            return f"{release.tag} is yanked there already"
        told = " ".join(reason.split())
        body = f"{YANKED}\n> **Yanked, do not use it:** {told}\n\n{there.body or ''}"
        title = f"{there.name or release.title} (yanked)"
        # Only a release that counts as one before its time is never the latest.
        self._change(there, body=cut(body), name=title, prerelease=True)
        return f"the notes at {there.html_url} begin with the reason"

    def yanked(self, release: Announced) -> bool | None:
        """Return whether the notes say so; None without a release."""
        there = self._find(release)
        return None if there is None else (there.body or "").startswith(YANKED)

    def _of_rights(self) -> Iterator[str]:
        told = decoded(self.api.call("GET", ""), Repository)
        if told.archived:
            yield f"{self.where()} is archived: nothing can be published there"
        rights = told.permissions
        # The tokens of CI jobs and apps are shown without any right, even to read.
        if rights and rights.pull and not rights.push:
            yield (
                f"the token in {self.api.variable} may read {self.where()} only;"
                " it needs `Contents: write`"
            )

    def _of_release(self, release: Announced) -> Iterator[str]:
        there = self._find(release)
        if there is None:
            return
        if there.draft and not _ours(there, release):
            yield (
                f"a draft of {release.tag} is there already, and not by a release from"
                f" here: {there.html_url}; rename or delete it"
            )
        for file in release.files:
            if (found := self.found(file, release)) == "different":
                asset = self._asset(file, release)
                digest = self._digest(asset, file) if asset else ""
                yield differs(file, self.where(), digest).problem
            elif found == "absent" and there.immutable:
                yield (
                    f"{there.html_url} is published and immutable, and has no"
                    f" {file.name}"
                )

    def _find(self, release: Announced) -> Release | None:
        """Return the release of the tag; a published one rather than a draft, and the
        oldest of several drafts: those are found by looking through all."""
        if (known := self._known.get(release.tag)) is not None:
            answer = self.api.call("GET", f"/releases/{known}", allowed=(404,))
            if answer.status_code == 200:
                return decoded(answer, Release)
            del self._known[release.tag]
        path = f"/releases/tags/{quote(release.tag, safe='')}"
        answer = self.api.call("GET", path, allowed=(404,))
        if answer.status_code == 200:
            return self._keep(decoded(answer, Release))
        drafts = [
            each
            for each in self.api.each("/releases", Release)
            if each.tag_name == release.tag
        ]
        return self._keep(min(drafts, key=lambda each: each.id)) if drafts else None

    def _keep(self, release: Release) -> Release:
        self._known[release.tag_name] = release.id
        return release

    def _create(self, release: Announced) -> None:
        told = {
            "tag_name": release.tag,
            "target_commitish": release.commit,
            "name": release.title,
            "body": cut(release.notes),
            "draft": True,
            "prerelease": release.prerelease,
        }
        for wait in (*self.api.waits, None):
            try:
                answer = self.api.call("POST", "/releases", waits=(), json=told)
                self._keep(decoded(answer, Release))
                return
            except SurroundingsError:
                if self._find(release) is not None:
                    return  # only the answer was lost
                if wait is None:
                    raise
                time.sleep(wait)

    def _change(self, release: Release, **told: object) -> None:
        self.api.call("PATCH", f"/releases/{release.id}", json=told)

    def _asset(self, file: File, release: Announced) -> Asset | None:
        there = self._find(release)
        if there is None:
            return None
        every = self.api.each(f"/releases/{there.id}/assets", Asset)
        return next((each for each in every if each.name == file.name), None)

    def _digest(self, asset: Asset, file: File) -> str:
        """Return the sha256 of an asset; servers of before 2025 tell none."""
        kind, _, digest = (asset.digest or "").partition(":")
        if kind == "sha256":
            return digest
        return calls.sha256_of(self._download(asset), file.size)

    def _download(self, asset: Asset) -> Response:
        headers = {"Accept": "application/octet-stream", **calls.AS_IT_IS}
        path = f"/releases/assets/{asset.id}"
        return self.api.call("GET", path, headers=headers, stream=True)

    def _upload(self, file: File, release: Announced) -> None:
        """Upload once. Raises SurroundingsError when another try may do."""
        there = self._find(release)
        if there is None:
            raise UsageError(
                f"the draft of {release.tag} at {self.where()} is gone",
                "`invoke release --resume` begins it again",
            )
        address = there.upload_url.partition("{")[0]
        if urlsplit(address).scheme != urlsplit(self.api.address).scheme:
            raise SurroundingsError(f"{self.where()} sends uploads to {address}")
        with file.path.open("rb") as body:
            answer = self.api.call(
                "POST",
                address,
                waits=(),
                allowed=(422,),
                params={"name": file.name},
                headers={"Content-Type": "application/octet-stream"},
                data=body,
            )
        if answer.status_code == 422:
            if "already_exists" in answer.text:
                raise calls.failed(answer)  # what it is, is looked at then
            raise self.api.refused(answer)
        asset = decoded(answer, Asset)
        if asset.state != "uploaded" or self._digest(asset, file) != file.sha256:
            self.api.call("DELETE", f"/releases/assets/{asset.id}", allowed=(404,))
            raise SurroundingsError(
                f"{file.name} did not arrive at {self.where()} as it was sent",
                calls.RETRY,
            )


def _ours(draft: Release, release: Announced) -> bool:
    """Return whether a draft was begun here: its text is ours, or a commit was named
    (people and bots name a branch)."""
    named = re.fullmatch(r"[0-9a-f]{40,64}", draft.target_commitish)
    same = (draft.body or "").splitlines() == cut(release.notes).splitlines()
    return bool(named) or same


def cut(notes: str) -> str:
    """Return ``notes``, cut to what GitHub takes."""
    if len(notes) <= BODY:
        return notes
    end = "\n\n… (cut here: the changelog has the rest)\n"
    return notes[: BODY - len(end)] + end
