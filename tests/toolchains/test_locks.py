"""Which locks a project has, what made them, and whether they are up to date."""

import json
import textwrap
from pathlib import Path

import pytest

from sametree import settings
from sametree.errors import UsageError
from sametree.toolchains import locks
from sametree.toolchains.locks import Lock

REPOSITORY = Path(__file__).parents[2]

ROOT = """
[project]
name = "suite"
version = "1"
requires-python = ">= 3.11, <4"
dependencies = ["msgspec"]

[project.optional-dependencies]
fast = ["uvloop"]

[dependency-groups]
tests = ["pytest", { include-group = "base" }]
base = ["coverage"]
build = ["build"]

[tool.sametree]
locks = "locked"

[[tool.sametree.components]]
name = "suite"
path = "."

[[tool.sametree.components]]
name = "backend"
path = "backend"
serve = ["flask", "run"]

[[tool.sametree.components]]
name = "library"
path = "library"

[[tool.sametree.components]]
name = "page"
path = "page"

[[tool.sametree.components]]
name = "scripts"
path = "scripts"
language = "python"
"""
BACKEND = """
[project]
name = "backend"
dependencies = ["flask"]

[dependency-groups]
tests = ["pytest"]
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path):
    write(tmp_path / "pyproject.toml", ROOT)
    write(tmp_path / "backend" / "pyproject.toml", BACKEND)
    write(tmp_path / "library" / "pyproject.toml", '[project]\nname = "library"\n')
    write(tmp_path / "page" / "package.json", "{}")
    write(tmp_path / "scripts" / "one.py", "")
    return settings.load(tmp_path)


@pytest.fixture
def lock(tmp_path):
    """Return a function that gives the lock of a group of a pyproject.toml."""

    def made(text=ROOT, group="tests"):
        source = write(tmp_path / "pyproject.toml", textwrap.dedent(text))
        return Lock(tmp_path / "locks" / f"{group or 'app'}.txt", source, group)

    return made


# Which there are


def test_a_project_has_a_lock_for_each_group_and_for_what_is_served(project):
    found = {
        lock.path.relative_to(project.root).as_posix(): (
            lock.source.relative_to(project.root).as_posix(),
            lock.group,
        )
        for lock in locks.of_project(project)
    }
    assert found == {
        "locked/tests.txt": ("pyproject.toml", "tests"),
        "locked/base.txt": ("pyproject.toml", "base"),
        "locked/build.txt": ("pyproject.toml", "build"),
        "locked/backend.txt": ("backend/pyproject.toml", ""),
        "locked/backend-tests.txt": ("backend/pyproject.toml", "tests"),
    }


def test_the_component_with_the_database_has_a_lock_of_what_it_runs_on(tmp_path):
    write(tmp_path / "api" / "pyproject.toml", BACKEND)
    write(tmp_path / "api" / "alembic.ini", "")
    found = locks.of_project(settings.load(tmp_path))
    assert [lock.name for lock in found] == ["api", "api-tests"]


@pytest.mark.parametrize(
    ("component", "purpose", "present", "chosen"),
    [
        ("backend", "tests", ["backend-tests", "tests"], "backend-tests"),
        ("backend", "tests", ["tests"], "tests"),
        ("backend", "run", ["backend", "run"], "backend"),
        ("backend", "run", ["run"], "run"),
        ("suite", "tests", ["suite-tests", "tests"], "tests"),
        ("suite", "run", ["suite", "run"], "suite"),
    ],
)
def test_a_components_own_lock_comes_before_the_projects(
    project, component, purpose, present, chosen
):
    folder = project.root / "locked"
    for name in present:
        write(folder / f"{name}.txt", "")
    found = locks.for_purpose(project, project.component(component), purpose)
    assert found == folder / f"{chosen}.txt"


def test_a_missing_lock_is_explained_with_all_names_that_would_do(project):
    with pytest.raises(UsageError) as caught:
        locks.for_purpose(project, project.component("backend"), "lint")
    assert "backend-lint.txt, lint.txt" in caught.value.problem
    assert "nox -s lock" in caught.value.cure


# How they are made


def compiled(lock, upgrade=None):
    return locks.compile_step(lock, "uv", upgrade, Path("/scratch/out.txt"))


def test_a_lock_has_hashes_for_every_system_and_no_address_of_a_registry(lock):
    assert {
        "--universal",
        "--generate-hashes",
        "--no-emit-index-url",
        "--no-emit-find-links",
    } <= set(compiled(lock()).argv)


def test_a_lock_is_made_beside_its_source_into_the_given_file(lock):
    made = lock()
    step = compiled(made)
    assert step.cwd == made.source.parent
    assert step.name == "tests"
    assert step.argv[step.argv.index("--output-file") + 1] == "/scratch/out.txt"


@pytest.mark.parametrize(
    ("group", "with_group", "with_project", "with_extras"),
    [
        ("tests", True, True, True),
        ("build", True, False, False),
        ("", False, True, False),
    ],
)
def test_a_group_holds_the_project_and_its_extras_but_for_build(
    lock, group, with_group, with_project, with_extras
):
    argv = compiled(lock(group=group)).argv
    assert (f"pyproject.toml:{group}" in argv) is with_group
    assert ("pyproject.toml" in argv) is with_project
    assert ("--all-extras" in argv) is with_extras


@pytest.mark.parametrize(
    ("upgrade", "options"),
    [
        (None, set()),
        ([], {"--upgrade"}),
        (["a", "b"], {"--upgrade-package=a", "--upgrade-package=b"}),
    ],
)
def test_pins_stay_unless_all_or_some_are_to_be_upgraded(lock, upgrade, options):
    argv = compiled(lock(), upgrade).argv
    assert {word for word in argv if word.startswith("--upgrade")} == options


@pytest.mark.parametrize(
    ("requires", "version"),
    [('">= 3.11, <4"', "3.11"), ('">=3.12.1"', "3.12.1"), ('"<4"', None)],
)
def test_the_oldest_python_of_the_project_is_resolved_for(lock, requires, version):
    argv = compiled(lock(ROOT.replace('">= 3.11, <4"', requires))).argv
    found = dict(zip(argv, argv[1:], strict=False)).get("--python-version")
    assert found == version


def test_a_group_needs_no_project_beside_it(lock):
    step = compiled(lock('[dependency-groups]\ntests = ["pytest"]\n'))
    assert "pyproject.toml:tests" in step.argv


# Whether they are up to date

BODY = "pytest==9.0.0 \\\n    --hash=sha256:00\n"


@pytest.fixture
def written(lock):
    """Return a function that writes a lock as `nox -s lock` does."""

    def made(text=ROOT, group="tests"):
        known = lock(text, group)
        write(known.path, locks.text_of(known, BODY))
        return known

    return made


@pytest.mark.parametrize("group", ["tests", "build", ""])
def test_a_lock_is_up_to_date_as_it_was_made(written, group):
    assert locks.outdated(written(group=group)) == ""


def test_what_uv_wrote_is_under_our_header_and_found_again(lock):
    text = locks.text_of(lock(), BODY)
    assert text.startswith("# Made by `nox -s lock`")
    assert text.endswith(f"\n{BODY}")
    assert locks.body_of(text) == BODY


def test_a_text_without_our_header_is_all_body():
    assert locks.body_of(BODY) == BODY


def test_a_missing_lock_is_out_of_date(lock):
    assert locks.outdated(lock()) == "is missing"


def test_a_lock_that_others_made_is_out_of_date(lock):
    made = lock()
    write(made.path, BODY)
    assert "not made by" in locks.outdated(made)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("9.0.0", "9.0.1"),
        lambda text: text + "more==1\n",
        lambda text: text.replace("\n    --hash=sha256:00", ""),
        lambda text: text.replace("pytest", "<<<<<<< HEAD\npytest"),
    ],
    ids=["version", "added", "no hash", "merge"],
)
def test_a_lock_that_was_changed_by_hand_or_merge_is_out_of_date(written, change):
    made = written()
    write(made.path, change(made.path.read_text()))
    assert "changed by hand" in locks.outdated(made)


@pytest.mark.parametrize(
    ("group", "old", "new", "stale"),
    [
        ("tests", '"pytest"', '"pytest>9"', True),
        ("tests", '"coverage"', '"coverage>7"', True),  # of a group that is included
        ("tests", '"build"', '"build>1"', False),
        ("tests", '"msgspec"', '"msgspec>0"', True),
        ("tests", '"uvloop"', '"uvloop>0"', True),
        ("tests", '">= 3.11, <4"', '">= 3.12"', True),
        ("tests", 'version = "1"', 'version = "2"', False),
        ("tests", 'locks = "locked"', "# moved", False),
        ("build", '"build"', '"build>1"', True),
        ("build", '"msgspec"', '"msgspec>0"', False),
        ("build", '">= 3.11, <4"', '">= 3.12"', True),
        ("", '"msgspec"', '"msgspec>0"', True),
        ("", '"pytest"', '"pytest>9"', False),
    ],
)
def test_a_lock_is_out_of_date_when_what_it_was_made_from_has_changed(
    written, group, old, new, stale
):
    made = written(group=group)
    write(made.source, ROOT.replace(old, new))
    assert bool(locks.outdated(made)) is stale


def test_a_comment_or_another_layout_leaves_a_lock_up_to_date(written):
    made = written()
    write(made.source, "# hello\n" + ROOT.replace("[project]", "\n\n[ project ]"))
    assert locks.outdated(made) == ""


def test_an_included_group_may_be_written_in_another_way(written):
    text = ROOT.replace("base = [", "type_check = [").replace(
        'include-group = "base"', 'include-group = "Type-Check"'
    )
    made = written(text)
    write(made.source, text.replace('"coverage"', '"coverage>7"'))
    assert locks.outdated(made)


def test_groups_that_include_each_other_are_explained(lock):
    text = ROOT.replace('base = ["coverage"]', 'base = [{ include-group = "tests" }]')
    with pytest.raises(UsageError):
        locks.inputs(lock(text))


@pytest.mark.parametrize("key", ["constraint-dependencies", "override-dependencies"])
def test_a_lock_is_out_of_date_when_what_uv_is_told_has_changed(written, key):
    made = written()
    write(made.source, f'{ROOT}\n[tool.uv]\n{key} = ["pytest<9"]\n')
    assert locks.outdated(made)


def test_our_own_locks_are_up_to_date():
    ours = locks.of_project(settings.load(REPOSITORY))
    assert {lock.name: locks.outdated(lock) for lock in ours} == {
        lock.name: "" for lock in ours
    }


def test_no_lock_of_ours_names_a_registry():
    for lock in locks.of_project(settings.load(REPOSITORY)):
        assert "://" not in lock.path.read_text(encoding="utf-8"), lock.name


# package-lock.json

PACKAGE = {
    "name": "page",
    "dependencies": {"react": "19.0.0"},
    "devDependencies": {"jest": "30.0.0"},
}
LOCKED = {
    "": PACKAGE,
    "node_modules/react": {"version": "19.0.0", "integrity": "sha512-0"},
    "node_modules/jest": {
        "version": "30.0.0",
        "optionalDependencies": {"fsevents": "2"},
    },
    "node_modules/jest/node_modules/fsevents": {"version": "2.0.0"},
    "node_modules/local": {"link": True, "resolved": "packages/local"},
}


@pytest.fixture
def page(tmp_path):
    """Return a function that writes package.json and package-lock.json."""

    def written(package=PACKAGE, packages=LOCKED):
        write(tmp_path / "package.json", json.dumps(package))
        write(tmp_path / "package-lock.json", json.dumps({"packages": packages}))
        return tmp_path

    return written


def test_a_package_lock_is_up_to_date_when_it_was_asked_for_the_same(page):
    assert locks.node_outdated(page()) == ""


def test_a_missing_package_lock_is_out_of_date(tmp_path):
    assert locks.node_outdated(tmp_path) == "is missing"


@pytest.mark.parametrize("text", ["{", '{"lockfileVersion": 1}', "[]"])
def test_a_package_lock_that_cannot_be_read_is_out_of_date(page, text):
    folder = page()
    write(folder / "package-lock.json", text)
    assert locks.node_outdated(folder) == "cannot be read"


@pytest.mark.parametrize(
    "kind",
    [
        "dependencies",
        "devDependencies",
        "optionalDependencies",
        "peerDependencies",
    ],
)
def test_a_package_lock_that_was_asked_for_other_packages_is_out_of_date(page, kind):
    folder = page({**PACKAGE, kind: {"other": "1.0.0"}})
    assert f"other {kind} of" in locks.node_outdated(folder)


def test_what_else_package_json_says_does_not_count(page):
    folder = page({**PACKAGE, "version": "2.0.0", "scripts": {"test": "jest"}})
    assert locks.node_outdated(folder) == ""


def test_a_package_lock_may_not_name_a_registry(page):
    entry = {"version": "19.0.0", "resolved": "https://registry.example/react.tgz"}
    folder = page(packages={**LOCKED, "node_modules/react": entry})
    assert "registry" in locks.node_outdated(folder)


def test_a_package_lock_that_lacks_an_optional_package_is_out_of_date(page):
    packages = {name: entry for name, entry in LOCKED.items() if "fs" not in name}
    found = locks.node_outdated(page(packages=packages))
    assert "fsevents" in found
    assert "node_modules/jest" in found


def test_our_own_package_lock_is_up_to_date():
    assert locks.node_outdated(REPOSITORY / "app" / "frontend") == ""


def test_groups_at_the_top_have_locks_though_the_top_is_no_component(tmp_path):
    write(tmp_path / "pyproject.toml", '[dependency-groups]\nlint = ["black"]\n')
    write(tmp_path / "api" / "pyproject.toml", '[project]\nname = "api"\n')
    write(tmp_path / "web" / "pyproject.toml", '[project]\nname = "web"\n')
    project = settings.load(tmp_path)
    (lint,) = locks.of_project(project)
    assert (lint.name, lint.source) == ("lint", tmp_path / "pyproject.toml")
    api, web = project.components
    assert locks.of_component(project, api) == [lint]
    assert locks.of_component(project, web) == []
    assert compiled(lint).argv.count("pyproject.toml") == 0
