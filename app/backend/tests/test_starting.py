"""How does it start, and what does it say when it cannot?"""

from __future__ import annotations

import runpy
import sys

import pytest
from flask import Flask
from flask.cli import ScriptInfo, cli

from maria import create_app, migrate
from maria.settings import Settings, SettingsError


def test_a_server_is_given_an_application(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    url = settings.database_url.render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)

    assert isinstance(runpy.run_module("maria.wsgi")["app"], Flask)


def test_a_server_is_told_what_is_wrong_and_not_to_try_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("MARIA_PAGE_SIZE", "0")

    with pytest.raises(SystemExit) as exit:
        runpy.run_module("maria.wsgi")

    said = capsys.readouterr().err
    assert exit.value.code == 3
    assert "DATABASE_URL is not set" in said
    assert "MARIA_PAGE_SIZE must be" in said
    assert "Traceback" not in said


def test_flask_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)

    with pytest.raises(SystemExit) as exit:
        cli.main(["--app", "maria", "routes"])

    assert exit.value.code == 2
    assert "DATABASE_URL is not set" in capsys.readouterr().err


def test_an_application_reads_the_environment_unless_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "")

    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        create_app()


def test_seeding_twice_adds_once(app: Flask) -> None:
    run = app.test_cli_runner()
    info = ScriptInfo(create_app=lambda: app)

    first = run.invoke(args=["seed"], obj=info).output
    again = run.invoke(args=["seed"], obj=info).output

    assert first == "added 3 participants and 2 conversations\n"
    assert again == "added 0 participants and 0 conversations\n"
    items = app.test_client().get("/api/conversations").get_json()["items"]
    assert [item["message_count"] for item in items] == [2, 3]


def test_migrating_is_alembic_without_its_ini(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    url = settings.database_url.render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)

    migrate.main(["current", "--check-heads"])


def test_migrating_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)

    with pytest.raises(SystemExit):
        migrate.main(["upgrade", "head"])

    assert "DATABASE_URL is not set" in "".join(capsys.readouterr())


def test_migrating_needs_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["migrate"])

    with pytest.raises(SystemExit):
        migrate.main()

    assert "try: upgrade head" in capsys.readouterr().err
