"""Which extensions a component creates is read from its sources."""

import subprocess

import pytest

from sametree.database import extensions
from sametree.settings import Component, Database, Project, Settings


@pytest.fixture
def project(tmp_path):
    """A project with one component, ``app``; call it with the sources of that."""

    def made(sources, named=(), git=True):
        for name, text in sources.items():
            path = tmp_path / "app" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if git:
            subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        component = Component(name="app", path="app", language="python")
        database = Database(component="app", extensions=named)
        return Project(tmp_path, Settings(components=(component,), database=database))

    return made


def found(project):
    return [(e.name, e.file, e.line) for e in extensions.of_project(project)]


MIGRATION = '''
"""Names can be searched. CREATE EXTENSION not_this_one"""
from alembic import op
# op.execute("CREATE EXTENSION nor_this")
NAME = "hstore"


def upgrade():
    """Do it: CREATE EXTENSION no_docstring_either."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(
        "create  extension "
        'if not exists "uuid-ossp" WITH SCHEMA public'
    )
    op.execute(f"CREATE EXTENSION {NAME}")


def downgrade():
    op.execute("DROP EXTENSION pg_trgm")
'''


@pytest.mark.parametrize("git", [True, False])
def test_migrations_models_and_sql_files_are_read(project, git):
    made = project(
        {
            "versions/0001.py": MIGRATION,
            "models.py": (
                "from sqlalchemy import DDL, event\n\n"
                'event.listen(x, "before_create", DDL("""\n\n'
                '  CREATE EXTENSION Citext"""))\n'
            ),
            "views.sql": (
                "-- CREATE EXTENSION in_a_comment;\n/* CREATE EXTENSION\n nor_this; */\n"
                "CREATE EXTENSION\n  btree_gist CASCADE;\n"
            ),
            "tests/conftest.py": 'run("CREATE EXTENSION pgcrypto")\n',
            "notes.md": "CREATE EXTENSION only_written_about;\n",
        },
        git=git,
    )
    assert found(made) == [
        ("btree_gist", "app/views.sql", 4),
        ("citext", "app/models.py", 5),
        ("pg_trgm", "app/versions/0001.py", 10),
        ("pgcrypto", "app/tests/conftest.py", 1),
        ("uuid-ossp", "app/versions/0001.py", 12),
    ]


def test_entities_of_alembic_utils_count(project):
    made = project(
        {
            "entities.py": 'a = PGExtension(schema="public", signature="ltree")\n'
            'b = x.PGExtension("public", "cube")\nc = PGExtension("public", NAME)\n'
        }
    )
    assert found(made) == [
        ("cube", "app/entities.py", 2),
        ("ltree", "app/entities.py", 1),
    ]


def test_what_settings_name_counts_too_but_a_line_is_told_rather(project):
    made = project({"a.sql": "CREATE EXTENSION cube;"}, named=("postgis", "cube"))
    assert [(each.name, each.reason) for each in extensions.of_project(made)] == [
        ("cube", "app/a.sql:1 creates"),
        ("postgis", "pyproject.toml names"),
    ]


def test_what_git_ignores_or_packages_bring_does_not_count(project):
    for git in (False, True):
        made = project(
            {
                "node_modules/x/a.sql": "CREATE EXTENSION one;",
                ".venv/b.sql": "CREATE EXTENSION two;",
                ".gitignore": "node_modules\n.venv\n",
            },
            git=git,
        )
        assert found(made) == []


def test_a_file_that_cannot_be_read_is_somebody_elses_affair(project, monkeypatch):
    made = project({"broken.py": "extension = (", "large.sql": "CREATE EXTENSION a;"})
    monkeypatch.setattr(extensions, "LARGEST", 15)
    assert found(made) == []
    gone = extensions.created(made.root / "no extension here.py")
    assert gone == []


def test_without_a_database_nothing_is_needed(tmp_path):
    assert extensions.of_project(Project(tmp_path, Settings())) == ()
