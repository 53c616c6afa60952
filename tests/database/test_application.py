"""Flask-Migrate as it comes: its own env.py, and the application that it asks for."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import environment, migration

from sametree.database import application, migrations, plan, server
from sametree.settings import Component, Database, Settings
from sametree.steps import Step

SHOP = """
import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class Person(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(100))


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    Migrate(app, db)
    return app
"""
TABLE = (
    "op.create_table('person', sa.Column('id', sa.Integer, primary_key=True),"
    " sa.Column('name', sa.String(100)))"
)


class Shop:
    """A Flask application in ``folder``, whose migrations are Flask-Migrate's."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {"FLASK_APP": "shop", "DATABASE_URL": "sqlite:///first"}

    def revise(self):
        """Write two revisions; the models lack what the second one adds."""
        versions = self.folder / "migrations" / "versions"
        text = migration("a", None, TABLE, "op.drop_table('person')")
        (versions / "a.py").write_text(text)
        column = "op.add_column('person', sa.Column('born', sa.Date))"
        text = migration("b", "a", column, "op.drop_column('person', 'born')")
        (versions / "b.py").write_text(text)

    def step(self, *arguments):
        """Return the step that runs Python with ``arguments``."""
        return Step(name="python", argv=("python", *arguments), cwd=self.folder)

    def run(self, step):
        """Run a step as the suite does, in an environment with Flask-Migrate."""
        return subprocess.run(
            [sys.executable, *step.argv[1:]],
            cwd=self.folder,
            env=environment({**self.env, **step.env}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def events(self, step):
        done = self.run(step)
        lines = done.stdout.split("\n")
        told = [json.loads(line[1:]) for line in lines if line.startswith("\x1e")]
        assert done.returncode == 0, done.stdout
        return told


@pytest.fixture(scope="module")
def initialised(tmp_path_factory):
    """A folder as Flask-Migrate's own command leaves it."""
    folder = tmp_path_factory.mktemp("initialised")
    (folder / "shop.py").write_text(SHOP)
    shop = Shop(folder)
    done = shop.run(shop.step("-m", "flask", "db", "init"))
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def shop(tmp_path, initialised):
    shop = Shop(shutil.copytree(initialised, tmp_path / "shop"))
    shop.revise()
    return shop


@pytest.fixture
def on_postgres(shop, postgres, request):
    name = f"shop_{abs(hash(request.node.name)) % 10**8}"
    with server.connection(postgres) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    shop.env["DATABASE_URL"] = postgres.named(name).url("psycopg")
    return shop


@pytest.mark.proof
def test_a_database_is_looked_at_and_migrated(on_postgres):
    shop = on_postgres
    _, state = shop.events(migrations.program("look", shop.folder))
    assert [each["revision"] for each in state["pending"]] == ["a", "b"]
    lacking = plan.pending(state["pending"], shop.folder)
    made = plan.Plan(
        environment="test", where="here", server="", at=(), steps=tuple(lacking)
    )
    (shop.folder / "plan.json").write_text(made.program())
    told = shop.events(migrations.program("apply", shop.folder, "plan.json"))
    done = [each["revision"] for each in told if each["event"] == "done"]
    assert done == ["a", "b"]


@pytest.mark.proof
def test_a_history_is_checked_and_models_are_compared(on_postgres, postgres):
    shop = on_postgres
    orders = {
        "measure": ["a", "b"],
        "size": 100,
        "baseline": "",
        "irreversible": [],
        "drift": True,
        "whole": True,
        "maintenance": postgres.url("psycopg"),
        "own": True,
    }
    (shop.folder / "orders.json").write_text(json.dumps(orders))
    start = application.runner(shop.folder)
    argv = (*start, "sametree_check", "check", "migrations/alembic.ini")
    shop.env["SAMETREE_ORDERS"] = "orders.json"
    told = shop.events(shop.step(*argv[1:]))
    measured = [each for each in told if each["event"] == "measured"]
    assert [(each["revision"], each["down"]) for each in measured] == [
        ("a", []),
        ("b", []),
    ]
    (drift,) = [each["text"] for each in told if each["event"] == "drift"]
    assert "remove_column" in drift and "born" in drift
    assert [e["differences"] for e in told if e["event"] == "way back"] == [[]]


@pytest.mark.proof
def test_a_file_of_sqlite_is_migrated(shop):
    shop.env["DATABASE_URL"] = f"sqlite:///{shop.folder}/shop.sqlite"
    told = shop.events(migrations.program("apply", shop.folder))
    assert [e["revision"] for e in told if e["event"] == "done"] == ["a", "b"]


@pytest.mark.proof
def test_without_an_application_it_is_said_where_to_name_it(shop):
    del shop.env["FLASK_APP"]
    done = shop.run(migrations.program("look", shop.folder))
    assert done.returncode == 1
    assert "asks for a Flask application, and none was found" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_env_that_asks_for_none_gets_none(shop):
    env = shop.folder / "migrations" / "env.py"
    env.write_text("# not for current_app\n")
    assert application.runner(shop.folder) == ("python", "-m")
    env.write_text("from flask import current_app\n")
    assert application.runner(shop.folder)[1].endswith("sametree_flask.py")
    assert os.path.exists(application.runner(shop.folder)[1])


@pytest.mark.parametrize(
    "serve, seed, app",
    [
        (("flask", "--app", "shop", "run"), (), "shop"),
        (("flask", "--app=shop:make", "run"), (), "shop:make"),
        (("python", "-m", "http.server"), ("flask", "-A", "other", "seed"), "other"),
        (("flask", "run"), (), None),
        (("program", "--app", "shop"), (), None),
    ],
)
def test_the_application_is_the_one_that_a_command_names(serve, seed, app):
    component = Component(name="shop", path=".", serve=serve)
    settings = Settings(database=Database(component="shop", seed=seed))
    expected = {} if app is None else {"FLASK_APP": app}
    assert application.named(settings, component) == expected
