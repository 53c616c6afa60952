"""How do files get to a package index, and what does the index have of them?

twine uploads. What is there is read on the index's simple pages alone, as pip does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from sametree import masking
from sametree.errors import SametreeError, SurroundingsError, UnitFailed, UsageError
from sametree.release.targets import calls, simple, twine_upload
from sametree.release.targets.model import Announced, File, Found, differs
from sametree.release.targets.simple import Listed
from sametree.release.targets.twine_upload import Access

if TYPE_CHECKING:
    from requests import Response

PATIENCE = 120.0
"""Seconds that an index has to list a file that it took."""
REDIRECTS = 5


@dataclass
class Index:
    """A package index."""

    name: str
    access: Access
    patience: float = PATIENCE
    waits: Sequence[float] = calls.WAITS

    def where(self) -> str:
        """Return host and path of what takes the files."""
        return self.access.where()

    def problems(self, release: Announced) -> Iterator[str]:
        """Try the credentials with an upload that has no file, and look at the pages."""
        try:
            yield from self._of_files(release)
            yield from self._of_credentials()
        except SurroundingsError as error:
            yield str(error.problem)

    def begin(self, release: Announced) -> None:
        """An index has no drafts."""

    def begun(self, release: Announced) -> bool:
        """Return True: files can be published at once."""
        return True

    def found(self, file: File, release: Announced) -> Found:
        """Return what the index lists under the name of ``file``."""
        there = self._digest(file)
        if there is None:
            return "absent"
        return "equal" if there == file.sha256 else "different"

    def publish(self, file: File, release: Announced) -> None:
        """Let twine upload ``file``; after every failure ask what the index has."""
        said = ""
        for wait in (*self.waits, None):
            there = self._digest(file)
            if there == file.sha256:
                return
            if there is not None:
                raise differs(file, self.where(), there)
            refusal = twine_upload.upload(self.access, file)
            if refusal is None:
                return self._wait_for(file, self._not_listed(file))
            if not refusal.later:
                error = twine_upload.error_of(self.access, file, refusal)
                if not refusal.taken:
                    raise error
                # It may not list it yet, and only a list tells whether that is ours.
                return self._wait_for(file, error)
            said = refusal.words
            if wait is not None:
                time.sleep(wait)
        if self.found(file, release) != "equal":
            raise SurroundingsError(
                f"{self.where()} did not take {file.name}: {said}", calls.RETRY
            )

    def finish(self, release: Announced) -> None:
        """Nothing is left to do: every file is public at once."""

    def finished(self, release: Announced) -> bool:
        """Return whether all files are there."""
        return all(self.found(each, release) == "equal" for each in release.files)

    def fetch(self, file: File, into: Path) -> Path:
        """Download ``file`` from where its page says; it may take a moment until there."""
        try:
            self._wait_for(file, self._not_listed(file))
        except UsageError as error:
            raise UnitFailed(error.problem, calls.CHANGED) from None
        listed = self._listed(file.project).get(file.name)
        if listed is None:
            raise self._not_listed(file)
        return calls.keep(self._download(listed), file, into)

    def yank(self, release: Announced, reason: str) -> str:
        """Say what a person has to do: no index has an API for that (PEP 592)."""
        if self.yanked(release):
            return f"{release.version} is yanked there already"
        projects = sorted({each.project for each in release.files})
        told = " ".join(masking.hide(reason).split())
        if self.access.upload.startswith(tuple(self.access.usual)):
            site = self.access.simple.removesuffix("simple/")
            pages = [
                f"{site}manage/project/{project}/release/{release.version}/"
                for project in projects
            ]
            where = f"at {', '.join(pages)}: Options, Yank"
        else:
            listed = ", ".join(f"{project} {release.version}" for project in projects)
            where = f"on the pages of {calls.host(self.access.upload)}: {listed}"
        return f"a person has to yank it {where}; as reason: {told}"

    def yanked(self, release: Announced) -> bool | None:
        """Return whether all files that are listed are yanked."""
        marks = []
        for project in {each.project for each in release.files}:
            listed = self._listed(project)
            names = [each.name for each in release.files if each.project == project]
            marks += [listed[name].yanked for name in names if name in listed]
        return all(marks) if marks else None

    def _of_files(self, release: Announced) -> Iterator[str]:
        if not release.files:
            # Nothing is built yet; any page tells whether the index answers.
            self._listed("sametree-is-it-there")
        for each in release.files:
            if self.found(each, release) == "different":
                yield str(differs(each, self.where(), self._digest(each) or "").problem)

    def _of_credentials(self) -> Iterator[str]:
        if self.access.trusted:
            return
        if not self.access.token:
            yield f"no token for {self.where()}: set {self.access.variable}"
            return
        with calls.session() as session:
            answer = calls.call(
                session,
                "POST",
                self.access.upload,
                self.waits,
                files={
                    ":action": (None, "file_upload"),
                    "protocol_version": (None, "1"),
                },
                auth=self._auth(),
                allow_redirects=False,
                **self.access.certificates,
            )
        if answer.status_code in (401, 403):
            yield (
                f"{self.where()} refuses the token in {self.access.variable}:"
                f" {calls.words(answer)}"
            )
        elif answer.status_code in (404, 405) or answer.is_redirect:
            yield (
                f"{self.where()} takes no uploads ({answer.status_code}):"
                " `address` of the target has to be the one for twine"
            )

    def _not_listed(self, file: File) -> SurroundingsError:
        return SurroundingsError(
            f"{calls.host(self.access.simple)} does not list {file.name} after"
            f" {self.patience:.0f} s",
            "it may take longer: `invoke release --resume` looks again",
        )

    def _auth(self) -> tuple[bytes, bytes]:
        # requests encodes texts as Latin-1; a token may hold anything.
        return self.access.user.encode(), self.access.token.encode()

    def _get(self, url: str, **options: object) -> Response:
        """Return what is at ``url``; credentials are told only where they are asked for,
        and to no other server."""
        with calls.session() as session:
            known = {calls.origin(self.access.upload), calls.origin(self.access.simple)}
            mine = calls.origin(url) in known
            if mine:
                options |= self.access.certificates
            answer = calls.call(session, "GET", url, self.waits, **options)
            if answer.status_code in (401, 403) and mine and self.access.token:
                answer.close()
                options["auth"] = self._auth()
                answer = calls.call(session, "GET", url, self.waits, **options)
        return answer

    def _listed(self, project: str) -> dict[str, Listed]:
        """Return by name what the index lists of ``project``.

        A page that sends us to another server is not the index's own: some send those
        who look for a project that they do not have to the public index.
        """
        url = urljoin(self.access.simple, f"{project}/")
        headers = {"Accept": simple.ACCEPT, "Cache-Control": "no-cache"}
        for _ in range(REDIRECTS):
            answer = self._get(url, headers=headers, allow_redirects=False)
            if answer.is_redirect:
                url = urljoin(url, answer.headers["Location"])
                if calls.host(url) != calls.host(self.access.simple):
                    return {}
                continue
            if answer.status_code in (404, 410):
                return {}
            if answer.status_code != 200:
                raise calls.failed(answer)
            kind = answer.headers.get("Content-Type", "")
            return simple.read(answer.content, kind, url)
        raise SurroundingsError(f"{calls.host(url)} sends us round in circles ({url})")

    def _digest(self, file: File) -> str | None:
        """Return the sha256 of what the index has under that name; None: nothing."""
        listed = self._listed(file.project).get(file.name)
        if listed is None:
            return None
        if listed.sha256:
            return listed.sha256
        return calls.sha256_of(self._download(listed), file.size)

    def _download(self, listed: Listed) -> Response:
        answer = self._get(listed.url, stream=True, headers=calls.AS_IT_IS)
        if answer.status_code != 200:
            raise calls.failed(answer)
        return answer

    def _wait_for(self, file: File, otherwise: SametreeError) -> None:
        """Return when the index lists ``file``; raise ``otherwise`` when patience ends."""
        until, wait = time.monotonic() + self.patience, 0.2
        while (there := self._digest(file)) is None:
            if time.monotonic() + wait > until:
                raise otherwise
            time.sleep(wait)
            wait = min(wait * 2, 10.0)
        if there != file.sha256:
            raise differs(file, self.where(), there)
