"""A machine that has only checked the commit out builds it, and believes CI's records."""

import shutil
import subprocess
import sys

import msgspec
import pytest
from conftest import REPOSITORY, environment
from yard import word

from sametree import proofs, records, signatures
from sametree.artifacts import install
from sametree.sharing import lines

pytestmark = pytest.mark.proof

BUILD = """
import pathlib

import nox


@nox.session(venv_backend="none")
def build(session):
    {what}
"""


@pytest.fixture
def checkout(yard, tmp_path):
    """A project with an environment, a remote, and a signer; return yard and key."""
    private, public = signatures.new_key()
    yard.sample.settings(f'\n[tool.sametree.ci]\nsigners = ["{public}"]\n')
    yard.environment("staging")
    yard.sample.write({"tasks.py": (REPOSITORY / "tasks.py").read_text("utf-8")})
    remote = tmp_path / "remote.git"
    yard.sample.git("init", "--quiet", "--bare", str(remote))
    yard.sample.git("remote", "add", "origin", str(remote))
    return yard, private


def build_is(yard, what):
    yard.sample.write({"noxfile.py": BUILD.format(what=what)})


def shared(yard, key):
    """Have the remote, and nobody else, know what is proven here, as CI has signed it."""
    state = yard.project.state
    found = [records.load(file) for file in (state / proofs.FOLDER).glob("*/*.json")]
    told = {"place": "github", "revision": yard.sample.git("rev-parse", "HEAD").strip()}
    lined = [
        lines.written(msgspec.structs.replace(each, **told), key).line.decode()
        for each in found
    ]
    ref = "refs/notes/sametree"
    yard.sample.git("notes", f"--ref={ref}", "add", "-m", "\n".join(lined), "HEAD")
    yard.sample.git("push", "--quiet", "origin", f"{ref}:{ref}")
    yard.sample.git("update-ref", "-d", ref)
    shutil.rmtree(state / proofs.FOLDER)


def invoke(yard, *args, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *args],
        cwd=yard.sample.root,
        env=environment({"PIP_NO_INDEX": "1"}),
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said, said
    return said


def test_it_is_built_and_what_ci_has_signed_counts(checkout):
    yard, key = checkout
    build_is(yard, "pathlib.Path('dist/was-built').touch()")
    yard.release("one")
    shared(yard, key)
    shutil.rmtree(yard.project.dist / "releases")
    said = invoke(yard, "deploy", "staging", "--yes", code=2)
    assert "no record says that tests(sample) passed" in said
    said = invoke(yard, "deploy", "staging", "--build", "--yes")
    assert "2 signed by CI" in said and "Session build was successful" in said
    assert (yard.project.dist / "was-built").exists()
    site = yard.site("staging")
    assert word(site) == "one"
    found = install.installed(site.folder, site.colours.blue.digest)
    assert all(each.signer for each in found.manifest.proofs)


def test_when_the_build_fails_nothing_is_deployed(checkout):
    yard, _ = checkout
    build_is(yard, "session.error('no')")
    yard.release("one")
    said = invoke(yard, "deploy", "staging", "--build", "--yes", code=1)
    assert "the build failed; nothing was deployed" in said
    assert yard.site("staging").colours.active is None


def test_without_a_remote_what_is_proven_here_has_to_do(checkout):
    yard, _ = checkout
    build_is(yard, "pass")
    yard.release("one")
    yard.sample.git("remote", "remove", "origin")
    said = invoke(yard, "deploy", "staging", "--build", "--yes")
    assert "no records were fetched: " in said
    assert word(yard.site("staging")) == "one"


@pytest.mark.parametrize("more", [("--release", "one"), ("--resume",), ("--abort",)])
def test_it_makes_no_other_release_than_this_trees(checkout, more):
    yard, _ = checkout
    said = invoke(yard, "deploy", "staging", "--build", *more, code=2)
    assert "--build makes this tree's release, and another one is asked for" in said
