"""Declared variables: who gets which value, what is missing, what is told to whom."""

import hashlib
import subprocess
import textwrap

import pytest

from sametree import settings, surroundings
from sametree.errors import SurroundingsError

PYPROJECT = """
[[tool.sametree.components]]
name = "backend"
path = "backend"
language = "python"

[[tool.sametree.components]]
name = "page"
path = "page"
language = "node"
"""


class Place:
    """A project with two components, and an environment to look at it in."""

    def __init__(self, root):
        self.root = root
        for name in ("backend", "page"):
            (root / name).mkdir()
        self.text = PYPROJECT

    def declare(self, table):
        self.text += textwrap.dedent(table)

    def write(self, path, text):
        (self.root / path).write_text(text)

    def look(self, **environ):
        return surroundings.look(self.project, environ)

    @property
    def project(self):
        self.write("pyproject.toml", self.text)
        return settings.load(self.root)

    def news(self, **environ):
        return surroundings.news(self.project, self.look(**environ))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "project").mkdir()
    return Place(tmp_path / "project")


def refused(declared, *components):
    with pytest.raises(SurroundingsError) as caught:
        declared.require(components)
    return str(caught.value)


# The name of the environment


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "local"),
        ({"CI": "true"}, "ci"),
        ({"CI": "1"}, "ci"),
        ({"CI": "false"}, "local"),
        ({"CI": ""}, "local"),
        ({"SAMETREE_ENVIRONMENT": "staging", "CI": "true"}, "staging"),
        ({"SAMETREE_ENVIRONMENT": "local", "CI": "true"}, "local"),
        ({"SAMETREE_ENVIRONMENT": "", "CI": "true"}, "ci"),
    ],
)
def test_the_environment_has_a_name(environ, name):
    assert surroundings.environment_of(environ) == name


# Who gets which value


def test_without_declared_variables_nobody_gets_any(place):
    declared = place.look(ANY="thing")
    assert declared.of("backend") == {}
    declared.require(["backend", "page"])


def test_a_variable_is_for_all_components_or_for_those_that_are_named(place):
    place.declare("""
        [tool.sametree.variables.FOR_ALL]
        [tool.sametree.variables.FOR_ONE]
        components = ["backend"]
        """)
    declared = place.look(FOR_ALL="1", FOR_ONE="2", OTHER="3")
    assert declared.of("backend") == {"FOR_ALL": "1", "FOR_ONE": "2"}
    assert declared.of("page") == {"FOR_ALL": "1"}


ONE = """
[tool.sametree.variables.LEVEL]
default = "of all"
defaults = { ci = "of ci", staging = "of staging" }
"""


@pytest.mark.parametrize(
    ("environ", "given"),
    [
        ({}, "of all"),
        ({"CI": "true"}, "of ci"),
        ({"SAMETREE_ENVIRONMENT": "staging"}, "of staging"),
        ({"SAMETREE_ENVIRONMENT": "production"}, "of all"),
        ({"CI": "true", "LEVEL": "its own"}, "its own"),
        ({"LEVEL": ""}, ""),
    ],
)
def test_the_environments_value_comes_before_defaults(place, environ, given):
    place.declare(ONE)
    assert place.look(**environ).of("page") == {"LEVEL": given}


def test_the_nearer_env_file_comes_first_and_the_environment_before_both(place):
    place.declare(ONE)
    place.write(".env", "LEVEL=of the project\n")
    place.write("backend/.env", "LEVEL=of the component\n")
    declared = place.look()
    assert declared.of("backend") == {"LEVEL": "of the component"}
    assert declared.of("page") == {"LEVEL": "of the project"}
    assert place.look(LEVEL="set").of("backend") == {"LEVEL": "set"}


@pytest.mark.parametrize("environ", [{"CI": "1"}, {"SAMETREE_ENVIRONMENT": "staging"}])
def test_env_files_are_for_the_developers_own_machine(place, environ):
    place.declare(ONE)
    place.write(".env", "LEVEL=of the project\nnonsense here\nMORE=1\n")
    declared = place.look(**environ)
    assert declared.of("page")["LEVEL"].startswith("of ")
    assert declared.of("page")["LEVEL"] != "of the project"
    assert not (declared.notes or declared.warnings or declared.files)


@pytest.mark.parametrize(
    ("kind", "text", "given"),
    [("int", "007", "7"), ("bool", "Yes", "true"), ("url", "http://h", "http://h")],
)
def test_a_step_gets_a_value_in_its_one_form(place, kind, text, given):
    place.declare(f'[tool.sametree.variables.IT]\ntype = "{kind}"\n')
    assert place.look(IT=text).of("page") == {"IT": given}


@pytest.mark.parametrize(
    ("kind", "default", "given"),
    [("int", "8080", "8080"), ("bool", "true", "true"), ("bool", "false", "false")],
)
def test_so_it_does_a_default(place, kind, default, given):
    table = f'[tool.sametree.variables.IT]\ntype = "{kind}"\ndefault = {default}\n'
    place.declare(table)
    assert place.look().of("page") == {"IT": given}


@pytest.mark.parametrize("kind", ["int", "bool", "url", "secret"])
def test_what_is_set_but_empty_is_not_set(place, kind):
    place.declare(f'[tool.sametree.variables.IT]\ntype = "{kind}"\n')
    assert "IT: is set, but empty; expected" in refused(place.look(IT=" "), "page")
    place.write(".env", "IT=\n")
    assert "is set, but empty" in refused(place.look(), "page")


def test_behind_what_is_empty_the_next_source_counts(place):
    place.declare('[tool.sametree.variables.IT]\ntype = "int"\ndefault = 1\n')
    place.write(".env", "IT=2\n")
    assert place.look(IT="").of("page") == {"IT": "2"}
    place.write(".env", "IT=\n")
    assert place.look(IT="").of("page") == {"IT": "1"}


# What is missing

MANY = """
[tool.sametree.variables.PORT]
type = "int"
components = ["backend"]
[tool.sametree.variables.DEBUG]
type = "bool"
default = false
[tool.sametree.variables.API]
type = "url"
[tool.sametree.variables.KEY]
type = "secret"
help = "of the payment service's test account"
"""


def test_all_that_is_missing_or_malformed_is_told_at_once(place):
    place.declare(MANY)
    place.write(".env", "PORT=abc\n")
    said = refused(place.look(DEBUG="perhaps", API="http:/x"), "backend", "page")
    assert said.splitlines() == [
        "variables are missing or malformed (environment: local):",
        "  PORT: expected a whole number, such as 8080 (it is 'abc'), from .env, line 1",
        "      for backend; its default: tool.sametree.variables.PORT.default",
        "  DEBUG: expected true or false, 1 or 0, yes or no, on or off"
        " (it is 'perhaps'), from the environment",
        "      for backend, page; its default: tool.sametree.variables.DEBUG.default",
        "  API: expected an address with scheme and host, such as"
        " https://example.org/path (its 7 characters are something else),"
        " from the environment",
        "      for backend, page; its default: tool.sametree.variables.API.default",
        "  KEY: is missing; expected a secret; of the payment service's test account",
        "      for backend, page; a secret has no default",
        "  -> set them in the environment or in .env (of the project or the component);"
        " defaults go into pyproject.toml",
    ]


def test_a_component_that_does_not_need_what_is_missing_is_not_stopped(place):
    place.declare(MANY)
    declared = place.look(API="http://host", KEY="hunter22")
    declared.require(["page"])
    assert "PORT" in refused(declared, "page", "backend")
    assert "API" not in refused(declared, "backend")


def test_where_env_files_do_not_count_they_are_not_named(place):
    place.declare(MANY)
    said = refused(place.look(CI="true"), "page")
    assert "(environment: ci)" in said
    assert ".env" not in said


def test_a_line_that_cannot_be_understood_is_told_where_a_variable_is_missing(place):
    place.declare(MANY)
    place.write("page/.env", "API=http://host\nKEY is hunter22\n")
    said = refused(place.look(), "page")
    assert "page/.env, line 2: cannot be understood; write NAME=value" in said
    assert "hunter22" not in said


def test_no_message_shows_a_secret(place):
    place.declare(MANY)
    place.write(".env", "KEY=hunter22\nPORT=hunter22hunter22hunter22\n")
    declared = place.look(API="https//ada:hunter22@host")
    assert "hunter22" not in refused(declared, "backend")
    assert "hunter22" not in repr(declared)


# What nobody may read


def test_what_nobody_may_read_is_known_wherever_it_comes_from(place):
    place.declare(MANY)
    place.write("page/.env", "KEY=of-the-page\nOTHER=redis://:of-other@cache\n")
    declared = place.look(
        KEY="of-the-environment",
        API="https://ada:of-api@host",
        DATABASE_URL="postgresql://ada:of-database@db/app",
        SAMETREE_RECORDS_KEY="of-records",
    )
    assert declared.hidden == {
        *("of-the-page", "of-other", "of-the-environment"),
        *("of-api", "of-database", "of-records"),
    }


def test_a_fingerprint_has_digests_of_values_and_nothing_of_secrets(place):
    place.declare(MANY)
    declared = place.look(PORT="1", API="https://ada:hunter22@host", KEY="hunter22")
    other = place.look(PORT="1", API="https://ada:renewed@host", KEY="renewed")
    parts = declared.parts("backend")
    assert parts == other.parts("backend")
    assert parts["variable:PORT"] == hashlib.sha256(b"1").hexdigest()[:16]
    assert parts["variable:KEY"] == "set"
    assert list(parts) == [f"variable:{n}" for n in ("API", "DEBUG", "KEY", "PORT")]
    changed = place.look(PORT="2", API="https://ada:hunter22@host", KEY="hunter22")
    assert changed.parts("backend") != parts


def test_a_record_has_values_that_are_fixed_or_declared_and_of_others_the_names(place):
    place.declare(MANY)
    declared = place.look(PORT="1", API="https://ada:hunter22@host", KEY="hunter22")
    env = {**surroundings.clean({"HOME": "/home/ada"}), **declared.of("backend")}
    assert declared.record("backend", env) == {
        **surroundings.FIXED,
        "HOME": "",
        "PORT": "1",
        "DEBUG": "false",
        "API": "https://ada:***@host",
        "KEY": "",
    }


# What is told


def test_names_that_nobody_declared_are_told_once_without_their_values(place):
    place.declare(ONE)
    place.write(".env", "LEVEL=1\nEXTRA=hunter22\nMORE=hunter22\n")
    (note,) = place.news()
    assert note.startswith(".env: no step gets EXTRA, MORE, which nobody declared")
    assert place.news() == []
    place.write(".env", "LEVEL=1\nOTHER=1\n")
    assert "OTHER" in place.news()[0]


def test_what_steers_the_suite_is_not_taken_from_a_file(place):
    place.declare(ONE)
    place.write(".env", "DATABASE_URL=postgresql://a:hunter22@db/x\nSAMETREE_JOBS=1\n")
    (note,) = place.look().notes
    assert note.startswith(".env: DATABASE_URL, SAMETREE_JOBS stays without effect")
    assert "hunter22" not in note


def test_a_file_that_is_not_read_is_told_of(place):
    place.write(".env", "A=1\n")
    (note,) = place.look().notes
    assert note == ".env is not read, since [tool.sametree.variables] declares nothing"
    assert not place.look(CI="true").notes


def test_a_note_that_cannot_be_remembered_is_told_again(place):
    place.write(".env", "A=1\n")
    place.write(".sametree", "a file where the folder should be")
    for _ in range(2):
        assert len(place.news()) == 1


def test_a_remembrance_that_is_damaged_does_no_harm(place):
    place.write(".env", "A=1\n")
    place.news()
    (place.root / ".sametree" / "told").write_bytes(b"\xff\xfe")
    assert len(place.news()) == 1


def test_a_secret_that_is_too_short_to_hide_is_told_of_at_each_run(place):
    place.declare(MANY)
    for _ in range(2):
        (told,) = place.news(PORT="1", API="http://host", KEY="abc")
        assert told.startswith("KEY cannot be hidden")
        assert "abc" not in told


@pytest.fixture
def in_git(place):
    subprocess.run(["git", "init", "--quiet", place.root], check=True)
    return place


def test_a_file_that_git_would_commit_is_told_of(in_git):
    in_git.declare(MANY)
    in_git.write("page/.env", "DEBUG=1\n")
    assert in_git.news() == ["page/.env would be committed: add it to .gitignore"]
    in_git.write(".gitignore", ".env\n")
    assert in_git.news() == []


def test_a_file_that_is_in_git_on_purpose_may_hold_what_is_no_secret(in_git):
    in_git.declare(MANY)
    in_git.write(".env", "DEBUG=1\n")
    subprocess.run(["git", "add", ".env"], cwd=in_git.root, check=True)
    assert in_git.news() == []
    in_git.write(".env", "KEY=hunter22\n")
    (told,) = in_git.news()
    assert told.startswith(".env is in git with a value for KEY: run `git rm --cached")
