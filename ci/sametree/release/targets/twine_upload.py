"""How does one file go up to a package index?

By twine, which knows the form of an upload, tokens and trusted publishing.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from sametree import masking, steps, surroundings
from sametree.errors import UsageError
from sametree.release.targets import calls, simple
from sametree.release.targets.model import File
from sametree.steps import Step

LEAST, PACE = 120, 50_000
"""Seconds that an upload has at least, and bytes a second that more are given for."""
TWINE = (
    "import runpy, signal, sys; signal.alarm(int(sys.argv.pop(1)));"
    " runpy.run_module('twine', run_name='__main__', alter_sys=True)"
)
"""twine itself waits for ever (it sets no timeouts): this ends it by SIGALRM."""
OIDC = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
CERTIFICATES = {"TWINE_CERT": "verify", "TWINE_CLIENT_CERT": "cert"}
"""Variables of twine that name files, and what requests calls the same."""
PASSED_ON = (*OIDC, "GITHUB_ACTIONS", *CERTIFICATES)
"""Variables that twine gets as they are, if they are set."""
TAKEN = re.compile(
    r"(?i)already (been )?(exists?|used|taken|in use)|(overwrit|updat)\w* (of )?assets?"
)
"""How indexes say that they have a file of that name, or had one."""
METADATA = re.compile(r"(?i)metadata.?version")


@dataclass(frozen=True)
class Access:
    """Where files go up and are listed, and who one is there.

    ``variable`` holds the token, or should; ``usual`` are the addresses of the indexes
    that twine takes by default, the only ones where it does trusted publishing.
    """

    upload: str
    simple: str
    user: str
    token: str = field(repr=False)
    variable: str
    usual: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)

    def where(self) -> str:
        """Return host and path of what takes the files."""
        parts = urlsplit(self.upload)
        return f"{parts.netloc}{parts.path.rstrip('/')}"

    @property
    def certificates(self) -> dict[str, str]:
        """How requests is to know the index, and the index us, as twine does."""
        return {
            option: self.environ[name]
            for name, option in CERTIFICATES.items()
            if self.environ.get(name)
        }

    @property
    def trusted(self) -> bool:
        """Whether twine gets a token from CI for itself."""
        oidc = all(self.environ.get(name) for name in OIDC)
        return not self.token and oidc and self.upload.startswith(tuple(self.usual))


def access(
    address: str, listed: str, chosen: str | None, environ: Mapping[str, str]
) -> Access:
    """Return where to go; see settings.model.Target for what is taken when they are
    empty. A user and a password in the address count, where no token is set.

    Raises SurroundingsError when twine is not installed, UsageError for an address that
    is none.
    """
    try:
        from twine import utils
    except ModuleNotFoundError:
        raise calls.lacking("twine") from None
    told = address or environ.get("TWINE_REPOSITORY_URL") or utils.DEFAULT_REPOSITORY
    if not calls.is_address(told) or (listed and not calls.is_address(listed)):
        wrong = listed if calls.is_address(told) else told
        raise UsageError(
            f"{calls.without_user(wrong)!r} is no address of an index",
            "`address` of the target: https://… as its documentation says for twine",
        )
    parts = urlsplit(told)
    token, variable = calls.token_of(environ, chosen, "TWINE_PASSWORD")
    user = environ.get("TWINE_USERNAME") or "__token__"
    if not token and parts.password:
        user, token = unquote(parts.username or ""), unquote(parts.password)
    upload = urlunsplit(parts._replace(netloc=calls.host(told)))
    return Access(
        upload=upload,
        simple=f"{(listed or simple.address_of(upload)).rstrip('/')}/",
        user=user,
        token=token,
        variable=variable,
        usual=(utils.DEFAULT_REPOSITORY, utils.TEST_REPOSITORY),
        environ={**environ, **_certificates(environ)},
    )


def _certificates(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the files of certificates by their whole paths: twine runs elsewhere."""
    found = {}
    for name in CERTIFICATES:
        if told := environ.get(name):
            place = Path(told).absolute()
            if not place.exists():
                raise UsageError(
                    f"{name} names no file: {place}",
                    "name the certificates (PEM) of the index there, or nothing",
                )
            found[name] = str(place)
    return found


class Refusal(msgspec.Struct, frozen=True):
    """Why an index has not taken a file: the status (0: no answer) and its words."""

    status: int
    words: str

    @property
    def later(self) -> bool:
        """Whether another try may go well."""
        return self.status == 0 or self.status >= 500 or self.status == 429

    @property
    def taken(self) -> bool:
        """Whether the index has, or had, a file of that name."""
        return self.status == 409 or bool(TAKEN.search(self.words))


def upload(access: Access, file: File) -> Refusal | None:
    """Upload ``file`` once; return why the index has not taken it, or None.

    Raises UsageError when twine itself does not want to.
    """
    seconds = LEAST + file.size // PACE
    options = ("--non-interactive", "--disable-progress-bar", "--verbose")
    argv = (sys.executable, "-c", TWINE, str(seconds), "upload", *options)
    step = Step(
        name="upload",
        argv=(*argv, "--", str(file.path)),
        cwd=file.path.parent,
        env=_environment(access),
    )
    done = steps.run(step, surroundings.clean(access.environ))
    if done.passed:
        return None
    if done.code in (-signal.SIGALRM, 128 + signal.SIGALRM):
        return Refusal(0, f"no end after {seconds} s")
    output = without(done.output, access.token)
    told = spoken(output)
    if status := re.search(r"HTTPError: (\d{3}) ", output):
        return Refusal(int(status[1]), told)
    if "requests.exceptions." in output:
        return Refusal(0, told)
    raise UsageError(
        f"twine does not upload {file.name}: {told}",
        "when that is mended: `invoke release --resume`",
    )


def error_of(access: Access, file: File, refusal: Refusal) -> UsageError:
    """Return what to say of a refusal that stays the same when it is tried again."""
    where, told = access.where(), refusal.words
    if refusal.taken:
        return UsageError(
            f"{where} had {file.name} before, and does not list it: {told}",
            "a name is used once, even when the file is deleted: release a higher"
            " version",
        )
    if refusal.status in (401, 403):
        return UsageError(
            f"{where} refuses {file.name}: {told}",
            f"the token in {access.variable} has to be allowed to upload"
            f" {file.project}",
        )
    if METADATA.search(told):
        return UsageError(
            f"{where} does not know the metadata of {file.name}: {told}",
            "it is an older index; build with a backend that writes older metadata"
            " (hatchling: `core-metadata-version` of the build target)",
        )
    return UsageError(
        f"{where} refuses {file.name}: {told}",
        "when that is mended: `invoke release --resume`",
    )


def _environment(access: Access) -> dict[str, str]:
    """Return the variables of twine: secrets are there, and never in its arguments.

    A keyring is not asked: it may wait for a person.
    """
    outer = access.environ
    told = {name: outer[name] for name in PASSED_ON if outer.get(name)}
    if access.token:
        told["TWINE_PASSWORD"] = access.token
    return told | {
        "TWINE_USERNAME": access.user,
        "TWINE_REPOSITORY_URL": access.upload,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }


def spoken(output: str) -> str:
    """Return of twine's words those for a person: what the server said, else the error.

    >>> spoken("INFO     Response from x:\\n 403 Forbidden\\nINFO   no\\nERROR  HTTP...")
    '403 Forbidden no'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    starts = [at for at, line in enumerate(lines) if "Response from" in line]
    ends = [at for at, line in enumerate(lines) if line.startswith("ERROR")]
    if starts:
        body = lines[starts[-1] + 1 : ends[-1] if ends else None]
    else:
        body = lines[ends[-1] :] if ends else lines[-1:]
    told = " ".join(re.sub(r"^(INFO|ERROR|WARNING)\s+", "", line) for line in body)
    return calls.said("text/html", told) or "(no words)"


def without(text: str, secret: str) -> str:
    """Return ``text`` without ``secret``, also where the end of a line is within it:
    twine breaks lines."""
    if len(secret) >= masking.SHORTEST:
        text = re.sub(r"\s*".join(map(re.escape, secret)), masking.SIGN, text)
    return masking.hide(text)
