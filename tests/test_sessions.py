"""The sessions, run by the real Nox on sample projects."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest
from conftest import environment, eventually, processes_with

from sametree import trees

HOOK = """
import os
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        with open(os.path.join(self.root, "tree.txt"), "w") as file:
            file.write(os.environ["SAMETREE_TREE"])
        build_data["force_include"]["tree.txt"] = "tree.txt"
"""


@pytest.mark.proof
def test_nox_alone_runs_the_pipeline_and_sums_it_up(sample):
    # The build asks for its tree.
    ignored = sample.text(".gitignore") + "tree.txt\n"
    sample.write({"hatch_build.py": HOOK, ".gitignore": ignored})
    sample.settings("\n[tool.hatch.build.hooks.custom]\n")
    sample.commit("Name the tree")
    tree = trees.tree_id(sample.root)
    ran = sample.nox()
    assert ran.code == 0, ran
    summary = ran.output[ran.output.index("lint(sample)  ") :]
    assert "tests(sample)" in summary
    assert "lines 100.0 %, branches 100.0 %" in summary
    assert "build(sample)" in summary
    assert "3 of 3 passed" in summary
    assert sample.git("status", "--porcelain") == ""
    reports_are_there(sample.root / "reports" / "sample")
    every_unit_has_a_record(sample.root)
    the_artifact_knows_its_tree(sample.root, tree)


def reports_are_there(folder):
    """Look for JUnit, Cobertura, lcov and HTML."""
    cases = list(ElementTree.parse(folder / "junit.xml").iter("testcase"))
    assert {case.get("name") for case in cases} == {
        "test_double",
        "test_a_negative_number_is_refused",
    }
    assert ElementTree.parse(folder / "coverage.xml").getroot().tag == "coverage"
    assert "SF:sample.py" in (folder / "lcov.info").read_text()
    assert (folder / "html" / "index.html").exists()


def every_unit_has_a_record(root):
    paths = (root / ".sametree" / "runs").glob("*/*.json")
    told = [json.loads(path.read_text()) for path in paths]
    units = {each["cicd.pipeline.task.name"] for each in told}
    assert units == {"lint(sample)", "tests(sample)", "build(sample)"}
    assert {each["cicd.pipeline.task.run.result"] for each in told} == {"success"}


def the_artifact_knows_its_tree(root, tree):
    (wheel,) = (root / "dist" / "sample").glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        assert opened.read("tree.txt").decode() == tree


@pytest.mark.proof
def test_parallel_sessions_share_one_summary(sample):
    ran = sample.nox("-j", "2", "-s", "lint", "build")
    assert ran.code == 0, ran
    assert ran.output.count("2 of 2 passed") == 1


def test_a_session_imports_nothing_of_what_others_need():
    code = (
        "import sys; from sametree import pipeline; pipeline._function('lint');"
        "print([n for n in ('psycopg', 'yaml', 'sametree.deploy') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_listing_sessions_leaves_no_trace(sample):
    ran = sample.nox("-l")
    assert ran.code == 0
    assert not (sample.root / ".sametree").exists()


@pytest.mark.proof
def test_what_follows_the_dashes_goes_to_pytest_and_the_gate_is_not_judged(sample):
    ran = sample.nox("-s", "tests", "--", "-k", "negative")
    assert ran.code == 0, ran
    assert "1 passed" in ran.output
    assert "coverage not judged" in ran.output


@pytest.mark.proof
def test_choosing_no_test_of_a_component_is_no_failure(sample):
    ran = sample.nox("-s", "tests", "--", "-k", "elsewhere")
    assert ran.code == 0, ran
    assert "no test was selected" in ran.output


@pytest.mark.proof
def test_lint_runs_every_check_and_names_what_mends(sample):
    sample.write({"sample.py": "import os\ndef  double(n): return 2*n\n"})
    ran = sample.nox("-s", "lint", env={"GITHUB_ACTIONS": "true"})
    assert ran.code == 1
    assert "sample.py:2  not formatted" in ran.output or "not formatted" in ran.output
    assert "sample.py:1:1  'os' imported but unused  (F401)" in ran.output
    assert "black, flake8 failed" in ran.output
    assert "mend:   nox -s 'format(sample)'" in ran.output
    assert "repeat: nox -s 'lint(sample)'" in ran.output
    assert (
        "::error file=sample.py,line=1,title=flake8 F401::'os' imported but unused"
        in ran.output
    )


@pytest.mark.proof
def test_failing_tests_become_annotations_on_github(sample):
    sample.write({"test_sample.py": "def test_wrong():\n    assert 1 == 2\n"})
    ran = sample.nox("-s", "tests", env={"GITHUB_ACTIONS": "true"})
    assert "::error file=test_sample.py,line=1,title=test_sample%3A%3A" in ran.output


@pytest.mark.proof
def test_format_mends_what_lint_finds(sample):
    sample.write({"sample.py": "def  double(n): return 2*n\n"})
    assert sample.nox("-s", "lint").code == 1
    assert sample.nox("-s", "format").code == 0
    assert sample.nox("-s", "lint").code == 0


@pytest.mark.proof
def test_building_twice_from_one_tree_gives_the_same_bytes(sample, folder):
    assert sample.nox("-s", "build").code == 0
    other = folder / "elsewhere, längs" / "clone"
    sample.git("clone", "--quiet", str(sample.root), str(other))
    (other / "sample.py").touch()
    first = _built(sample.root)
    twin = type(sample)(other, sample.environments)
    assert twin.nox("-s", "build").code == 0
    assert _built(other) == first
    assert {name.rpartition(".")[2] for name in first} == {"whl", "gz"}


@pytest.mark.proof
def test_a_new_build_takes_the_place_of_the_old_one(sample):
    stale = sample.root / "dist" / "sample" / "old.whl"
    stale.parent.mkdir(parents=True)
    stale.touch()
    assert sample.nox("-s", "build").code == 0
    assert not stale.exists()
    assert not list((sample.root / "dist").glob(".*"))


@pytest.mark.proof
def test_migrate_keeps_the_database_and_goes_on_from_there(with_database):
    first = with_database.nox("-s", "migrate")
    assert first.code == 0, first
    assert "2 migrations run" in first.output
    assert "0002  Revision 0002." in first.output
    again = with_database.nox("-s", "migrate", "--", "--force")
    assert again.code == 0, again
    assert "at the newest migration" in again.output
    assert eventually(lambda: not processes_with(str(with_database.root)))


@pytest.mark.proof
def test_migrate_check_goes_up_down_and_up(with_database):
    ran = with_database.nox("-s", "migrate", "--", "--check")
    assert ran.code == 0, ran
    assert "2 revisions: up, down, up, on tables of 100,000 rows" in ran.output
    assert re.search(r"up +\d+ ms  0002  Revision 0002\.", ran.output)
    assert "models and database agree" in ran.output
    again = with_database.nox("-s", "migrate", "--", "--check", "--force")
    assert "2 revisions: up, down, up, on tables" in again.output, again


@pytest.mark.proof
def test_every_test_process_has_a_migrated_database_of_its_own(with_database):
    test = """
    import os
    import pytest
    import sqlalchemy as sa
    from sample import double

    engine = sa.create_engine(os.environ["DATABASE_URL"])

    @pytest.mark.parametrize("number", range(8))
    def test_insert(number, worker_id):
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO people VALUES (:n)"), {"n": number})
            count = connection.scalar(sa.text("SELECT count(*) FROM people"))
            name = connection.scalar(sa.text("SELECT current_database()"))
        assert name.endswith(f"__{worker_id}")
        assert count <= 8
        assert double(number) == 2 * number

    def test_refusal():
        with pytest.raises(ValueError):
            double(-1)
    """
    with_database.write({"test_sample.py": test})
    ran = with_database.nox("-s", "tests", "--", "-n", "2")
    assert ran.code == 0, ran
    assert "9 passed" in ran.output


@pytest.mark.proof
def test_locks_are_made_for_python_and_node_and_then_stay(page):
    (page.root / "locks" / "lint.txt").unlink()
    made = page.nox("-s", "lock")
    assert made.code == 0, made
    assert "locks/lint.txt  changed" in made.output
    assert "page/package-lock.json  made" in made.output
    assert "://" not in page.text("locks/lint.txt")
    again = page.nox("-s", "lock")
    assert "locks/lint.txt  unchanged" in again.output
    linted = page.nox("-s", "lint(page)")
    assert linted.code == 0, linted
    assert "prettier" in linted.output


def test_a_build_that_fails_shows_its_output_and_leaves_the_old_one(sample):
    old = sample.root / "dist" / "sample" / "old.whl"
    old.parent.mkdir(parents=True)
    old.touch()
    broken = sample.text("pyproject.toml").replace('version = "1.0"', 'version = "one"')
    sample.write({"pyproject.toml": broken})
    ran = sample.nox("-s", "build")
    assert ran.code == 1
    assert "Invalid version" in ran.output
    assert "build failed (exit code 1)" in ran.output
    assert old.exists()
    assert not list((sample.root / "dist").glob(".*"))


def test_state_that_cannot_be_written_is_told_without_a_traceback(sample):
    (sample.root / ".sametree").write_text("in the way")
    ran = sample.nox("-s", "lint")
    assert ran.code == 1
    assert "this machine said no" in ran.output
    assert ".sametree" in ran.output
    assert "Traceback" not in ran.output


@pytest.mark.proof
def test_after_all_is_well_the_summary_says_what_one_may_do_now(sample):
    sample.settings("""
    [[tool.sametree.components]]
    name = "sample"
    path = "."
    serve = ["python", "-m", "http.server", "{port}"]
    """)
    sample.lock()
    ran = sample.nox("-s", "tests", "build")
    assert ran.code == 0, ran
    assert "next: invoke up" in ran.output


def test_without_an_environment_of_its_own_a_session_touches_nothing(sample):
    ran = sample.nox("-s", "lint", "--no-venv")
    assert ran.code == 1
    assert "lint(sample) needs an environment of its own" in ran.output


OWN = """

@nox.session
def nobody(session):
    pipeline.run(session, "nobody")


@nox.session
def own(session):
    pipeline.run(session, "sample")
"""


def test_a_session_that_is_not_rightly_made_is_told_without_a_traceback(sample):
    sample.write({"noxfile.py": sample.text("noxfile.py") + OWN})
    ran = sample.nox("-s", "nobody", "own")
    assert ran.code == 1
    assert "there is no component 'nobody'; there is sample" in ran.output
    assert "give it @pipeline.each(...) in noxfile.py" in ran.output
    assert "Traceback" not in ran.output


def test_lock_refuses_arguments_that_it_does_not_know(sample):
    ran = sample.nox("-s", "lock", "--", "--upgarde")
    assert ran.code == 1
    assert "lock does not know --upgarde" in ran.output


def _built(root):
    folder = root / "dist" / "sample"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.proof
def test_an_sdist_with_our_own_state_in_it_is_refused(sample):
    sample.write({".gitignore": "/.nox/\n/dist/\n/reports/\n__pycache__/\n"})
    ran = sample.nox("-s", "build")
    assert ran.code == 1
    assert "sample-1.0.tar.gz holds .sametree/" in ran.output
    assert "add the line `.sametree/` to .gitignore" in ran.output


PLAN = """

@nox.session(venv_backend="none")
def plan(session):
    pipeline.plan(session)
"""


def test_the_plan_is_printed_and_in_ci_written_as_a_matrix(sample, folder):
    sample.write({"noxfile.py": sample.text("noxfile.py") + PLAN})
    sample.settings('\n[tool.sametree.ci]\nsessions = ["lint", "build"]\n')
    output, page = folder / "output", folder / "page"
    env = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(page)}
    ran = sample.nox("-s", "plan", env=env)
    assert ran.code == 0, ran
    assert "2 of 2 units are jobs in CI" in ran.output
    assert "no key signs CI's records" in ran.output
    assert '{"unit":"lint(sample)","name":"lint-sample"}' in output.read_text()
    assert "any=true" in output.read_text()
    assert "2 of 2 units have to run" in page.read_text()


def test_a_plan_of_a_session_that_is_not_there_is_told(sample):
    sample.write({"noxfile.py": sample.text("noxfile.py") + PLAN})
    sample.settings('\n[tool.sametree.ci]\nsessions = ["lints"]\n')
    ran = sample.nox("-s", "plan")
    assert ran.code == 1
    assert "there is no session 'lints' with units" in ran.output
    assert "Traceback" not in ran.output


def test_with_a_key_the_plan_looks_at_what_is_here_when_the_remote_is_away(sample):
    sample.write({"noxfile.py": sample.text("noxfile.py") + PLAN})
    key = "A" * 43 + "="
    table = f'\n[tool.sametree.ci]\nsessions = ["lint"]\nsigners = ["{key}"]\n'
    sample.settings(table)
    ran = sample.nox("-s", "plan")
    assert ran.code == 0, ran
    assert "only the records that are here already" in ran.output
    assert "CI has no proof of it yet" in ran.output
