"""What a person reads when something is wrong, and what is left behind: nothing."""

import shutil
import socket
import threading

import pytest
from conftest import eventually, migration, processes_with, small_disk


def explained(ran):
    """Every error is a message, never a traceback."""
    assert "Traceback" not in ran.output, ran
    return ran.output


def test_an_unknown_setting_is_named_with_the_nearest_valid_one(sample):
    sample.settings('\n[tool.sametree]\nreport = "out"\n')
    ran = sample.nox("-l")
    assert ran.code == 2
    line = sample.text("pyproject.toml").splitlines().index('report = "out"') + 1
    expected = (
        f"line {line}: tool.sametree.report: unknown key; did you mean 'reports'?"
    )
    assert expected in explained(ran)


@pytest.mark.proof
def test_a_setting_of_the_wrong_type_is_refused(sample):
    sample.settings('\n[tool.sametree.coverage]\nlines = "all"\nbranches = 101\n')
    ran = sample.nox("-l")
    assert ran.code == 2
    assert "tool.sametree.coverage.lines: expected float, got a string" in explained(
        ran
    )
    assert "tool.sametree.coverage.branches: expected float <= 100" in ran.output


@pytest.mark.proof
def test_a_missing_component_folder_is_named(sample):
    sample.settings('\n[[tool.sametree.components]]\nname = "app"\npath = "ap"\n')
    ran = sample.nox("-s", "lint")
    assert ran.code == 2
    assert "there is no folder 'ap' (component 'app')" in explained(ran)


@pytest.mark.proof
def test_without_a_repository_the_units_simply_run(sample):
    shutil.rmtree(sample.root / ".git")
    ran = sample.nox()
    assert ran.code == 0, ran
    assert "outside git: no tree id" in ran.output


@pytest.mark.proof
def test_without_the_git_program_the_units_simply_run(sample, folder):
    programs = folder / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    ran = sample.nox("-s", "lint", "build", env={"PATH": str(programs)})
    assert ran.code == 0, ran
    assert "outside git: no tree id" in ran.output


@pytest.mark.proof
def test_a_path_with_spaces_and_letters_of_the_world(with_database, folder):
    place = folder / "Ünser Projekt – 项目"
    with_database.root.rename(place)
    moved = type(with_database)(place, place / ".nox")
    ran = moved.nox("-s", "lint", "tests", "migrate", "build")
    assert "2 migrations run" in ran.output, ran
    assert "tests(sample)" in ran.output
    assert ran.code == 0, ran


@pytest.mark.proof
def test_a_lock_that_is_out_of_date_fails_lint_and_names_the_cure(sample):
    changed = sample.text("pyproject.toml").replace(
        '"pytest-xdist"]', '"pytest-xdist>=3"]'
    )
    (sample.root / "pyproject.toml").write_text(changed)
    ran = sample.nox("-s", "lint", env={"GITHUB_ACTIONS": "true"})
    assert ran.code == 1
    assert "locks/tests.txt was made from another pyproject.toml" in explained(ran)
    assert "::error title=locks::locks/tests.txt was made from" in ran.output
    assert "mend:   nox -s lock" in ran.output


@pytest.mark.proof
def test_a_lock_that_was_edited_by_hand_fails_lint(sample):
    lock = sample.root / "locks" / "lint.txt"
    lock.write_text(lock.read_text().replace("# Made", "# Made", 1) + "\n# hello\n")
    ran = sample.nox("-s", "lint")
    assert "locks/lint.txt was changed by hand, or by a merge" in explained(ran)
    assert ran.code == 1


def test_a_missing_lock_is_named_with_its_cure(sample):
    (sample.root / "locks" / "tests.txt").unlink()
    ran = sample.nox("-s", "tests")
    assert ran.code == 1
    assert "none of the locks tests.txt is in locks/" in explained(ran)
    assert "nox -s lock" in ran.output


@pytest.mark.proof
def test_a_file_with_another_hash_is_not_installed(sample):
    lock = sample.root / "locks" / "lint.txt"
    text = lock.read_text()
    at = text.index("sha256:", text.index("black=="))
    forged = text[:at] + "sha256:" + "0" * 64
    end = text.index("\nclick==")
    lock.write_text(forged + text[end:])
    sample.environments = sample.root / ".nox"
    ran = sample.nox("-s", "lint", env={"UV_NO_CACHE": "1"})
    assert ran.code == 1
    assert "whose hash is not the one in lint.txt" in explained(ran)


@pytest.mark.proof
def test_a_failing_test_is_named_with_the_way_to_repeat_it(sample):
    sample.write({"test_sample.py": "def test_wrong():\n    assert 1 == 2\n"})
    ran = sample.nox("-s", "tests")
    assert ran.code == 1
    assert "1 of 1 tests failed" in explained_by_us(ran)
    assert "test_sample::test_wrong" in ran.output
    assert "nox -s 'tests(sample)' -- --lf" in ran.output


@pytest.mark.proof
def test_an_error_in_a_fixture_is_told_apart_from_a_failure(sample):
    test = """
    import pytest

    @pytest.fixture
    def broken():
        raise RuntimeError("no such thing")

    def test_it(broken):
        pass
    """
    sample.write({"test_sample.py": test})
    ran = sample.nox("-s", "tests")
    assert ran.code == 1
    assert "1 could not run (error outside the test itself)" in explained_by_us(ran)


@pytest.mark.proof
def test_tests_that_cannot_be_collected_fail(sample):
    sample.write({"test_sample.py": "import nothing_of_this_name\n"})
    ran = sample.nox("-s", "tests")
    assert ran.code == 1
    assert "could not run" in explained_by_us(ran)


@pytest.mark.proof
def test_low_coverage_names_the_missed_lines_of_changed_files_first(sample):
    sample.write(
        {
            "old.py": "def never():\n    x = 1\n    y = 2\n    z = 3\n    return x, y, z\n",
            "test_old.py": "import old\nold\n",
        }
    )
    changed = sample.text("pyproject.toml").replace('["sample"]', '["."]')
    omitted = 'omit = ["noxfile.py"]\n'
    (sample.root / "pyproject.toml").write_text(changed + omitted)
    sample.commit("Add a file that no test runs")
    sample.git("checkout", "--quiet", "-b", "feature")
    sample.write(
        {"sample.py": sample.text("sample.py") + "\n\ndef f(a):\n    return a\n"}
    )
    ran = sample.nox("-s", "tests", env={})
    assert ran.code == 1
    said = explained(ran)
    assert "coverage is below the gate: lines" in said
    assert said.index("sample.py (changed): 8") < said.index("old.py: 2-5")


@pytest.mark.proof
def test_two_migration_heads_are_named_with_their_files(with_database):
    rival = migration("0003", "0001", "pass", "pass")
    with_database.write({"migrations/versions/0003_rival.py": rival})
    for session in (["migrate"], ["migrate", "--", "--check"]):
        ran = with_database.nox("-s", *session)
        assert ran.code == 1
        assert "the migrations have 2 heads" in explained(ran)
        assert "0003  migrations/versions/0003_rival.py" in ran.output


@pytest.mark.proof
def test_a_migration_that_fails_leaves_the_last_good_one(with_database):
    broken = migration("0003", "0002", "op.execute('SELECT 1/0 AS nonsense')", "pass")
    with_database.write({"migrations/versions/0003_broken.py": broken})
    ran = with_database.nox("-s", "migrate")
    assert ran.code == 1
    said = explained(ran)
    assert (
        "migration 0003 (upgrade) failed at migrations/versions/0003_broken.py:11"
        in said
    )
    assert "division by zero" in said
    assert "SELECT 1/0 AS nonsense" in said
    assert "the database stays at 0002" in said
    mended = migration("0003", "0002", "op.execute('SELECT 1')", "pass")
    with_database.write({"migrations/versions/0003_broken.py": mended})
    again = with_database.nox("-s", "migrate")
    assert again.code == 0, again
    assert "1 migration run" in again.output


FEW = "rows = 50\n"
"""Ends the table of the database: fewer rows to measure, where it is not about them."""


@pytest.mark.proof
def test_a_downgrade_that_forgets_and_a_model_without_its_migration_are_found(
    with_database,
):
    extra = migration(
        "0003", "0002", "op.execute('CREATE TYPE mood AS ENUM ()')", "pass"
    )
    env = with_database.text("migrations/env.py")
    more = env.replace("engine =", 'sa.Table("pets", metadata)\nengine =')
    with_database.write(
        {"migrations/versions/0003_extra.py": extra, "migrations/env.py": more}
    )
    with_database.settings(FEW)
    ran = with_database.nox("-s", "migrate", "--", "--check")
    assert ran.code == 1
    said = explained(ran)
    assert "irreversible: " in said
    assert "after the downgrade of 0003 the type mood is still there" in said
    assert "models and database differ" in said
    assert "pets" in said
    # What is to be repeated is the very command.
    assert "repeat: nox -s 'migrate(sample)' -- --check" in said


def test_migrate_refuses_arguments_that_it_does_not_know(with_database):
    ran = with_database.nox("-s", "migrate", "--", "--chekc")
    assert ran.code == 1
    assert "migrate does not know --chekc" in explained(ran)


@pytest.mark.proof
def test_a_server_that_refuses_is_named_without_its_password(with_database):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql://ada:s3cret@127.0.0.1:{port}/app"
    for session in ("tests", "migrate"):
        ran = with_database.nox("-s", session, env={"DATABASE_URL": url})
        assert ran.code == 1
        assert f"cannot connect to database 'app' on 127.0.0.1:{port}" in explained(ran)
        assert "s3cret" not in ran.output


def test_an_address_that_is_none_is_refused(with_database):
    url = "mysql://ada:s3cret@localhost/app"
    ran = with_database.nox("-s", "tests", env={"DATABASE_URL": url})
    assert ran.code == 1
    assert "'mysql' is no scheme of a PostgreSQL address" in explained(ran)
    assert "s3cret" not in ran.output


@pytest.mark.proof
def test_a_folder_that_cannot_be_written_is_named(with_database, folder):
    place = folder / "scratch"
    place.write_text("a file, where a folder is needed")
    ran = with_database.nox("-s", "tests", env={"SAMETREE_SCRATCH": str(place)})
    assert ran.code == 1
    assert f"SAMETREE_SCRATCH: {place} is no folder" in explained(ran)


@pytest.mark.proof
def test_a_full_disk_is_named_with_its_cure(with_database, folder):
    with small_disk(folder, "20m") as place:
        ran = with_database.nox("-s", "tests", env={"SAMETREE_SCRATCH": str(place)})
        left = list(place.glob("*/*"))
    assert ran.code == 1
    assert "PostgreSQL's data could not be made in" in explained(ran)
    assert "free some space on the disk" in ran.output
    assert left == []
    assert eventually(lambda: not processes_with(str(place)))


NO_NETWORK = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}


@pytest.mark.proof
def test_npm_needs_no_network_once_its_cache_is_warm_and_else_says_so(page, folder):
    warm = {"npm_config_cache": str(folder / "cache")}
    locked = page.nox("-s", "lock", env=warm)
    assert "page/package-lock.json  made" in locked.output, locked
    assert "resolved" not in page.text("page/package-lock.json")
    assert page.nox("-s", "lint", env=warm).code == 0
    installed = page.root / "page" / "node_modules"
    shutil.rmtree(installed)
    again = ("-s", "lint(page)", "--", "--force")
    ran = page.nox(*again, env={**warm, **NO_NETWORK})
    assert ran.code == 0, ran
    shutil.rmtree(installed)
    # How often npm tries again, and how long it waits, is its own affair.
    cold = {"npm_config_cache": str(folder / "empty"), "npm_config_fetch_retries": "0"}
    ran = page.nox(*again, env={**cold, **NO_NETWORK})
    assert ran.code == 1
    assert "npm could not reach its registry for a package of page/" in explained(ran)
    assert "check the network" in ran.output
    assert not (installed / ".sametree").exists()


@pytest.mark.proof
def test_two_runs_in_one_checkout_do_not_meet(with_database):
    runs = []
    threads = [
        threading.Thread(target=lambda: runs.append(with_database.nox("-s", "migrate")))
        for _ in range(2)
    ]
    with_database.settings(FEW)
    with_database.nox("-s", "migrate", "--", "--check")  # the environment is there
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ran.code for ran in runs] == [0, 0], runs


def explained_by_us(ran):
    """pytest shows tracebacks of the tests; ours are not among them."""
    assert "sametree/units" not in ran.output, ran
    return ran.output


@pytest.mark.proof
def test_an_option_that_pytest_does_not_know_is_told_apart_from_failing_tests(sample):
    ran = sample.nox("-s", "tests", "--", "--no-such-option")
    assert ran.code == 1
    assert "pytest ended with exit code 4 before it ran the tests" in explained_by_us(
        ran
    )


@pytest.mark.proof
def test_a_package_json_that_is_none_is_named(page):
    page.write({"page/package.json": "<<<<<<< HEAD\n{}\n"})
    ran = page.nox("-s", "lint")
    assert ran.code == 2
    assert "page/package.json is not valid" in explained(ran)


@pytest.mark.proof
def test_lock_upgrades_only_what_a_lock_has(page):
    ran = page.nox("-s", "lock", "--", "--upgrade", "blakc")
    assert ran.code == 1
    assert "no lock has blakc" in explained(ran)
