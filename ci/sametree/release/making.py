"""How do the commit and the tags of a release come to be, with nobody seeing them?

They are made as objects alone, and private refs keep git from clearing them away. Branch,
tags, index and working copy stay as they are: forgetting the refs undoes all of it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from sametree import git_calls, machine
from sametree.errors import SurroundingsError, UsageError
from sametree.git_calls import ask, call, resolved

PRIVATE = "refs/sametree/releasing"
_FILE, _FOLDER = "100644", "040000"
_FILES = (_FILE, "100755")
_UTF8 = ("-c", "i18n.commitEncoding=UTF-8")
_SIGNS = ("gpgSign", "forceSignAnnotated")
_SIGNING = r"^(user|author|committer|gpg|tag)\."
"""Settings that say who makes a tag, and how it is signed."""


class Prepared(Struct, frozen=True, kw_only=True):
    """What was made: the commit, and by name the object of each tag."""

    commit: str
    tags: dict[str, str]


def prepare(
    root: Path, run: str, parent: str, files: Mapping[str, str], subject: str, when: int
) -> str:
    """Make a commit on ``parent`` that has other ``files``; return its id.

    ``files`` have paths in the repository and whole texts; where none differs, it is
    ``parent`` itself. ``when`` is the time of the commit, in seconds since 1970. The same
    call gives the same commit again; one that was signed is not signed anew.

    Raises UsageError when git knows no author or a path cannot be a file there,
    SurroundingsError when git cannot write or sign.
    """
    env = _author(root, when)
    before = ask(root, "rev-parse", f"{parent}^{{tree}}").decode().strip()
    raw = {p: text.encode("utf-8", "surrogateescape") for p, text in files.items()}
    tree = _tree(root, before, raw, "")
    ref = f"{PRIVATE}/{run}/commit"
    known = resolved(root, ref)
    if tree == before:
        made = parent
    elif known and _is_commit(root, known, tree, parent, subject, when):
        return known
    else:
        signs = _flag(root, "commit.gpgSign")
        sign = "-S" if signs else "--no-gpg-sign"
        asked = (*_UTF8, "commit-tree", sign, "-p", parent, tree)
        text = f"{subject}\n".encode()
        made = _made(root, *asked, given=text, env=env, signs=signs)
    ask(root, "update-ref", ref, made)
    return made


def tag(
    root: Path, run: str, commit: str, tags: Mapping[str, str], when: int
) -> Prepared:
    """Make a tag of ``commit`` for each name, with its message; return all that is made.

    A tag that was made before, and says the same, is kept. Raises UsageError when git
    knows no author or a name cannot be a tag's, SurroundingsError when git cannot write
    or sign.
    """
    env = _author(root, when)
    for name in tags:
        if call(root, "check-ref-format", f"refs/tags/{name}").code:
            raise UsageError(
                f"{name!r} cannot be the name of a tag",
                "names of components become tags: see `git help check-ref-format`",
            )
    known = prepared(root, run)
    made = dict(known.tags) if known is not None else {}
    texts = {
        name: text.encode("utf-8", "surrogateescape") for name, text in tags.items()
    }
    new = [
        name
        for name, text in texts.items()
        if name not in made or not _is_tag(root, made[name], commit, text)
    ]
    if new:
        signs = any(_flag(root, f"tag.{key}") for key in _SIGNS)
        with _scratch(root) as apart:
            for name in new:
                asked = (*_UTF8, "tag", "-a", "--cleanup=verbatim", "-F", "-")
                both = {**env, **apart}
                named = (*asked, name, commit)
                _made(root, *named, given=texts[name], env=both, signs=signs)
                id = ask(root, "rev-parse", f"refs/tags/{name}", env=both)
                made[name] = id.decode().strip()
    place = f"{PRIVATE}/{run}"
    rows = [f"update {place}/commit {commit}\n"]
    rows += [f"update {place}/tags/{name} {made[name]}\n" for name in tags]
    ask(root, "update-ref", "--stdin", given=os.fsencode("".join(rows)))
    return Prepared(commit=commit, tags={name: made[name] for name in tags})


def prepared(root: Path, run: str) -> Prepared | None:
    """Return what was made for ``run``; None when nothing was."""
    place = f"{PRIVATE}/{run}/"
    made = refs(root, place)
    commit = made.pop("commit", "")
    tags = {name.removeprefix("tags/"): id for name, id in made.items()}
    return Prepared(commit=commit, tags=tags) if commit else None


def forget(root: Path, run: str) -> None:
    """Forget what was made for ``run``. What was not pushed, git clears away one day."""
    place = f"{PRIVATE}/{run}/"
    rows = [f"delete {place}{name}\n" for name in refs(root, place)]
    if rows:
        ask(root, "update-ref", "--stdin", given=os.fsencode("".join(rows)))


def refs(root: Path, place: str) -> dict[str, str]:
    """Return the objects of the refs below ``place``, by their names without it."""
    asked = ("for-each-ref", "--format=%(objectname) %(refname)", place)
    rows = (row.partition(" ") for row in os.fsdecode(ask(root, *asked)).splitlines())
    return {name.removeprefix(place): id for id, _, name in rows}


def _tree(root: Path, tree: str, files: Mapping[str, bytes], above: str) -> str:
    """Write ``tree`` with other ``files``; return its id. "" is a tree without files.

    Made without an index, so that a kill leaves nothing but objects.
    """
    listed = os.fsdecode(ask(root, "ls-tree", "-z", tree)) if tree else ""
    rows = (row.partition("\t") for row in listed.split("\0")[:-1])
    entries = {name: (*head.split()[:1], head.split()[2]) for head, _, name in rows}
    folders: dict[str, dict[str, bytes]] = {}
    for path, raw in files.items():
        name, _, below = path.partition("/")
        if name in ("", ".", "..") or name.lower() == ".git":
            raise UsageError(
                f"{above}{path} cannot be the path of a file in the repository",
                "look at `changelog` in [tool.sametree.release]",
            )
        mode, _ = entries.get(name, (_FOLDER if below else _FILE, ""))
        if mode not in ((_FOLDER,) if below else _FILES):
            kinds = {_FOLDER: "a folder", "120000": "a symbolic link"}
            kind = kinds.get(mode, "a file" if mode in _FILES else "a submodule")
            raise UsageError(
                f"{above}{name} is {kind}, and a release writes a file at {above}{path}",
                "name the file itself, or make it one",
            )
        if below:
            folders.setdefault(name, {})[below] = raw
        else:
            asked = ("hash-object", "-w", "--no-filters", "--stdin")
            entries[name] = (mode, ask(root, *asked, given=raw).decode().strip())
    for name, inner in folders.items():
        _, old = entries.get(name, (_FOLDER, ""))
        entries[name] = (_FOLDER, _tree(root, old, inner, f"{above}{name}/"))
    kinds = {_FOLDER: "tree", "160000": "commit"}
    made = (f"{m} {kinds.get(m, 'blob')} {id}\t{n}\0" for n, (m, id) in entries.items())
    given = os.fsencode("".join(made))
    return ask(root, "mktree", "-z", "--missing", given=given).decode().strip()


def _is_commit(
    root: Path, id: str, tree: str, parent: str, subject: str, when: int
) -> bool:
    """Return whether the commit ``id`` is the one that would be made now."""
    asked = ("show", "-s", "--format=%T %P %at %B", id, "--")
    wanted = f"{tree} {parent} {when} {subject}"
    return os.fsdecode(ask(root, *asked)).rstrip("\n") == wanted.rstrip("\n")


def _is_tag(root: Path, id: str, commit: str, text: bytes) -> bool:
    """Return whether the tag ``id`` is of ``commit``, and says ``text``."""
    head, _, body = ask(root, "cat-file", "tag", id).partition(b"\n\n")
    rest = body.removeprefix(text)
    same = body.startswith(text) and (not rest or rest.startswith(b"-----BEGIN "))
    return same and head.startswith(f"object {commit}\n".encode())


@contextmanager
def _scratch(root: Path) -> Iterator[dict[str, str]]:
    """Give the environment of a repository that is thrown away, and has the objects of
    this one: ``git tag``, which alone can sign, always writes a ref.

    The user's settings are given, not included: some hang on the repository's place.
    """
    kind = ask(root, "rev-parse", "--show-object-format").decode().strip()
    objects = ask(root, "rev-parse", "--git-path", "objects").removesuffix(b"\n")
    told = call(root, "config", "-z", "--get-regexp", _SIGNING).output
    pairs = [entry.partition("\n") for entry in os.fsdecode(told).split("\0")[:-1]]
    with tempfile.TemporaryDirectory(prefix="sametree-tags-") as made:
        folder = Path(made)
        (folder / "refs").mkdir()
        (folder / "objects").mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "config").write_text(
            "[core]\nrepositoryformatversion = 1\nbare = true\n"
            f"[extensions]\nobjectFormat = {kind}\n"
        )
        env = {
            "GIT_DIR": made,
            "GIT_OBJECT_DIRECTORY": str(root / os.fsdecode(objects)),
            "GIT_CONFIG_COUNT": str(len(pairs)),
        }
        for number, (key, equals, value) in enumerate(pairs):
            env[f"GIT_CONFIG_KEY_{number}"] = key
            env[f"GIT_CONFIG_VALUE_{number}"] = value if equals else "true"
        yield env


def _made(
    root: Path, *args: str, given: bytes, env: Mapping[str, str], signs: bool
) -> str:
    """Return what ``git ARGS`` prints. Where it ``signs``, a person may have to unlock
    his key."""
    done = call(root, *args, given=given, env=env, person=signs)
    if not done.code:
        return done.output.decode().strip()
    if signs and "No space left" not in done.said:
        raise SurroundingsError(
            f"git cannot sign: {git_calls.told(done.said)}",
            "look at user.signingKey and gpg.format in `git config --list`; or release"
            " unsigned: git config commit.gpgSign false; git config tag.gpgSign false",
        )
    raise git_calls.failed(args, done)


def _author(root: Path, when: int) -> dict[str, str]:
    """Return the variables that tell git the time, and in CI who has started the run.

    Raises UsageError when git knows no author: a name that it makes up of the machine's
    would stay in the history for ever.
    """
    dates = {f"GIT_{who}_DATE": f"{when} +0000" for who in ("AUTHOR", "COMMITTER")}
    for env in (dates, {**dates, **_actor()}):
        asked = ("-c", "user.useConfigOnly=true", "var")
        if not any(call(root, *asked, f"GIT_{w}_IDENT", env=env).code for w in _WHO):
            return env
    raise UsageError(
        "git does not know who you are, and a release has an author",
        'git config user.name "NAME"; git config user.email "ADDRESS"',
    )


_WHO = ("AUTHOR", "COMMITTER")


def _actor(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return who has started this run on GitHub, with the address that GitHub gives to
    those who show none; nothing elsewhere."""
    name, number = environ.get("GITHUB_ACTOR", ""), environ.get("GITHUB_ACTOR_ID", "")
    host = urlsplit(environ.get("GITHUB_SERVER_URL", "")).hostname
    if machine.place(environ).name != "github" or not (name and number and host):
        return {}
    told = {"NAME": name, "EMAIL": f"{number}+{name}@users.noreply.{host}"}
    return {f"GIT_{who}_{what}": text for who in _WHO for what, text in told.items()}


def _flag(root: Path, key: str) -> bool:
    """Return whether the setting ``key`` is on."""
    done = call(root, "config", "--type=bool", "--get", key)
    return done.output.strip() == b"true"
