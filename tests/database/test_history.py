"""What names a component's migration history: all that a template depends on, no more."""

import subprocess
import textwrap

import pytest

from sametree.database import history
from sametree.settings import Component, Project, Settings

REVISION = "from alembic import op\nimport sqlalchemy as sa\n\nrevision = '{}'\n"
FILES = {
    "alembic.ini": "[alembic]\nscript_location = %(here)s/alembic\n",
    "alembic/env.py": "from app import models\n",
    "alembic/script.py.mako": "${up_revision}\n",
    "alembic/versions/0001.py": REVISION.format("0001"),
    "app/__init__.py": "",
    "app/models.py": "x = 1\n",
    "tests/test_models.py": "y = 1\n",
    "app/test_more.py": "y = 1\n",
}


@pytest.fixture
def project(tmp_path):
    """A project with a component; call it with files to have it written."""
    (tmp_path / "lock.txt").write_text("alembic==1\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    def made(files=FILES, depends=()):
        for name, text in files.items():
            path = tmp_path / "server" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        (tmp_path / "shared").mkdir(exist_ok=True)
        components = (
            Component(name="server", path="server", language="python", depends=depends),
            Component(name="shared", path="shared", language="python"),
        )
        return Project(tmp_path, Settings(components=components))

    return made


def name(project, **variables):
    lock = project.root / "lock.txt"
    return history.digest(project, project.component("server"), lock, variables)


def changes(project, path, text="z = 3\n"):
    """Return whether another text of a file makes another history; undo it."""
    before, file = name(project), project.root / path
    old = file.read_text() if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    after = name(project)
    if old is None:
        file.unlink()
    else:
        file.write_text(old)
    assert name(project) == before
    return after != before


def test_migrations_their_configuration_and_lock_count(project):
    made = project()
    assert changes(made, "server/alembic/versions/0001.py")
    assert changes(made, "server/alembic/versions/0002.py")
    assert changes(made, "server/alembic/versions/deep/data.sql")
    assert changes(made, "server/alembic/env.py")
    assert changes(made, "server/alembic.ini", FILES["alembic.ini"] + "x = 1\n")
    assert changes(made, "lock.txt")
    assert name(made, TENANT="a") != name(made, TENANT="b")


def test_sources_do_not_count_while_no_revision_looks_at_them(project):
    made = project()
    assert not changes(made, "server/app/models.py")
    assert not changes(made, "server/tests/test_models.py")
    assert not changes(made, "server/alembic/versions/__pycache__/0001.pyc")


LOOKING = {
    "import of a model": "def upgrade():\n    from app.models import x\n",
    "import of a package": "import app\n",
    "relative import": "from . import helpers\n",
    "file beside the sources": "text = open('app/views.sql').read()\n",
    "file by a path": "from pathlib import Path\nPath('a.sql').read_text()\n",
    "resource": "from importlib.resources import files\n"
    "import importlib.resources\n",
    "import by name": "import importlib\nimportlib.import_module('app')\n",
    "no Python at all": "def upgrade(:\n",
}


@pytest.mark.parametrize("text", LOOKING.values(), ids=LOOKING.keys())
def test_a_revision_that_looks_further_makes_all_sources_count(project, text):
    made = project({**FILES, "alembic/versions/0002.py": text})
    assert changes(made, "server/app/models.py")
    assert not changes(made, "server/tests/test_models.py"), "tests do not"
    assert not changes(made, "server/app/test_more.py")
    assert not changes(made, "shared/other.py")


def test_a_revision_that_imports_another_component_makes_that_count(project):
    made = project({**FILES, "alembic/versions/0002.py": "import common\n"}, ["shared"])
    assert not changes(made, "shared/other.py")
    (made.root / "shared" / "common").mkdir()
    assert changes(made, "shared/other.py")


def test_without_git_sources_are_found_by_walking(project, tmp_path, monkeypatch):
    made = project({**FILES, "alembic/versions/0002.py": "import app\n"})
    monkeypatch.setattr("sametree.git.files", lambda root: None)
    assert changes(made, "server/app/models.py")
    assert not changes(made, "server/tests/test_models.py")


PLACES = {
    "two lists of places": (
        "script_location = alembic\nversion_locations = alembic/versions more/versions\n",
        ["alembic", "alembic/versions", "more/versions"],
        True,
    ),
    "places by colons": (
        "script_location = %(here)s/alembic\n"
        "version_locations = %(here)s/alembic/versions:%(here)s/more/versions\n",
        ["alembic", "alembic/versions", "more/versions"],
        True,
    ),
    "a folder of a package": (
        "script_location = app:migrations\n",
        ["app/migrations"],
        True,
    ),
    "of a package that is elsewhere": (
        "script_location = alembic\nversion_locations = library:versions\n",
        ["alembic"],
        False,
    ),
    "odd": ("script_location = %(nothing)s\n", [""], False),
}


@pytest.mark.parametrize("case", PLACES.values(), ids=PLACES.keys())
def test_the_places_of_migrations_are_found_as_alembic_finds_them(project, case):
    text, places, known = case
    more = {"more/versions/x.py": "", "app/migrations/env.py": ""}
    made = project({**FILES, **more, "alembic.ini": f"[alembic]\n{text}"})
    folder = made.root / "server"
    found = history.locations(folder, folder / "alembic.ini")
    assert [path.relative_to(folder) for path in found[0]] == [
        (folder / place).relative_to(folder) for place in places
    ]
    assert found[1] is known
    assert changes(made, "server/app/models.py") is not known


def test_flask_migrates_folder_is_that_of_its_configuration(project):
    files = {"migrations/alembic.ini": "[alembic]\n", "migrations/versions/1.py": ""}
    made = project(files)
    assert changes(made, "server/migrations/versions/1.py")
    assert not changes(made, "server/app.py")


def test_without_migrations_there_is_a_name_too(project):
    made = project({"app.py": ""})
    assert name(made)
    assert not changes(made, "server/app.py")
