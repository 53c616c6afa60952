"""The whole of Nox on sample projects: what is proven is skipped, and nothing else is."""

import hashlib
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from conftest import eventually, interrupt, processes_with

from sametree import records
from sametree.database import cluster

proof = pytest.mark.proof

BROKEN = "def double(number):\n    return 3\n"
COUNTING = """
import os
import pathlib
from sample import double


def test_counted():
    with open("count.local", "a") as file:
        file.write("x")
    assert double(2) == 4
    exec(pathlib.Path("also.local").read_text() if os.path.exists("also.local") else "")


def test_refusal():
    try:
        double(-1)
    except ValueError:
        pass
"""


def session(name, body, options='venv_backend="none"'):
    return f"\n\n@nox.session({options})\ndef {name}(session):\n    {body}\n"


@pytest.fixture
def counting(sample):
    """The sample, whose tests count their runs in a file that git ignores."""
    ignored = sample.text(".gitignore") + "*.local\n"
    sample.write({"test_sample.py": COUNTING, ".gitignore": ignored})
    sample.commit()
    return sample


def also(sample, code):
    """Let the test do something more; git ignores it, so no fingerprint tells."""
    (sample.root / "also.local").write_text(code)


def count(sample):
    path = sample.root / "count.local"
    return len(path.read_text()) if path.exists() else 0


def ran(sample):
    """Return the units of the last run, and how each ended."""
    state = sample.root / ".sametree"
    runs = sorted((state / "runs").iterdir(), key=lambda run: run.stat().st_mtime_ns)
    return {each.unit: each.result for each in records.read(state, runs[-1].name)}


def every(sample):
    """Return all records that there are."""
    state = sample.root / ".sametree"
    return [each for run in records.runs(state) for each in records.read(state, run)]


@proof
def test_what_passed_is_proven_until_its_inputs_change(counting):
    assert counting.nox("-s", "tests").code == 0
    again = counting.nox("-s", "tests")
    assert again.code == 0
    assert re.search(r"tests\(sample\)\s+proven\s+passed .* here", again.output), again
    assert count(counting) == 1
    counting.write({"sample.py": counting.text("sample.py") + "\n\nmore = 1\n"})
    why = counting.nox("-s", "tests", "--", "--why")
    assert "tests(sample) would run; since it passed" in why.output
    assert "M sample.py" in why.output
    assert count(counting) == 1
    assert counting.nox("-s", "tests").code == 0
    assert count(counting) == 2


@proof
def test_each_choice_of_arguments_is_proven_by_itself_and_force_runs_it(counting):
    for times in (1, 1):
        counting.nox("-s", "tests", "--", "-k", "counted")
        assert count(counting) == times
    counting.nox("-s", "tests")
    assert count(counting) == 2
    forced = counting.nox("-s", "tests", "--", "--force")
    assert forced.code == 0, forced
    assert count(counting) == 3
    assert counting.nox("-s", "tests").code == 0
    assert count(counting) == 3


@proof
def test_only_the_units_run_whose_inputs_changed(page):
    page.settings("""
    [tool.sametree.coverage]
    lines = 0
    """)
    assert page.nox("-s", "lock").code == 0
    page.commit()
    whole = page.nox("-s", "lint", "build")
    assert whole.code == 0, whole
    assert set(ran(page).values()) == {"success"}
    page.write({"page/index.html": "<!doctype html>\n<title>Other</title>\n"})
    assert page.nox("-s", "lint", "build").code == 0
    assert ran(page) == {
        "lint(sample)": "skip",
        "lint(page)": "success",
        "build(sample)": "skip",
    }
    page.write({"sample.py": page.text("sample.py") + "\n\nmore = 1\n"})
    assert page.nox("-s", "lint", "build").code == 0
    assert ran(page) == {
        "lint(sample)": "success",
        "lint(page)": "skip",
        "build(sample)": "success",
    }
    page.git("checkout", "--quiet", ".")
    assert page.nox("-s", "lint", "build").code == 0
    assert ran(page) == {
        "lint(sample)": "skip",
        "lint(page)": "skip",
        "build(sample)": "success",  # what lies in dist is of the other tree
    }


@proof
def test_a_failure_proves_nothing_and_takes_an_older_proof_back(counting):
    assert counting.nox("-s", "tests").code == 0
    also(counting, "assert False, 'unstable'")
    assert counting.nox("-s", "tests").code == 0  # proven: nobody can know
    failed = counting.nox("-s", "tests", "--", "--force")
    assert failed.code == 1
    assert counting.nox("-s", "tests").code == 1  # not proven any more
    also(counting, "")
    assert counting.nox("-s", "tests").code == 0
    assert count(counting) == 4


@proof
def test_ctrl_c_proves_nothing_and_takes_nothing_back(counting):
    also(counting, "open('began.local', 'w').close(); import time; time.sleep(60)")
    process = counting.start("-s", "tests")
    assert eventually(lambda: (counting.root / "began.local").exists(), 60)
    interrupt(process)
    assert process.returncode == 130
    assert ran(counting) == {"tests(sample)": "cancellation"}
    also(counting, "")
    assert counting.nox("-s", "tests").code == 0
    assert count(counting) == 2
    (counting.root / "began.local").unlink()
    also(counting, "open('began.local', 'w').close(); import time; time.sleep(60)")
    process = counting.start("-s", "tests", "--", "--force")
    assert eventually(lambda: (counting.root / "began.local").exists(), 60)
    interrupt(process)
    assert counting.nox("-s", "tests").code == 0
    assert count(counting) == 3


@proof
def test_after_kill_9_the_next_run_completes_the_record(counting):
    code = "open('began.local', 'w').close(); import time; time.sleep(60)"
    also(counting, code)
    process = counting.start("-s", "tests")
    assert eventually(lambda: (counting.root / "began.local").exists(), 60)
    marked = list((counting.root / ".sametree" / "running").glob("*.json"))
    assert len(marked) == 1
    os.killpg(process.pid, signal.SIGKILL)
    kill_all(counting)
    process.communicate()
    assert every(counting) == []
    also(counting, "")
    assert counting.nox("-s", "tests").code == 0
    first, second = every(counting)
    assert first.result == "cancellation"
    assert first.reason == "it was killed, or the machine stopped"
    assert (second.result, second.proves) == ("success", True)
    assert list((counting.root / ".sametree" / "running").iterdir()) == []


def kill_all(sample):
    """End what a killed Nox left running in ``sample``."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            inside = os.readlink(entry / "cwd") == str(sample.root)
        except OSError:
            continue
        if inside and int(entry.name) != os.getpid():
            os.kill(int(entry.name), signal.SIGKILL)


@proof
def test_tests_that_write_to_their_own_source_prove_nothing_and_say_which(counting):
    also(counting, "open('sample.py', 'a').write('\\n')")
    first = counting.nox("-s", "tests")
    assert first.code == 0, first
    assert "proves nothing: sample.py changed while it ran" in first.output
    second = counting.nox("-s", "tests")
    assert count(counting) == 2
    assert "proves nothing" in second.output
    also(counting, "")
    counting.nox("-s", "tests")
    assert "proven" in counting.nox("-s", "tests").output
    assert count(counting) == 3


@proof
@pytest.mark.parametrize("change", ["gone", "changed"])
def test_when_an_artifact_is_not_as_it_was_made_it_is_built_again(sample, change):
    assert sample.nox("-s", "build").code == 0
    (wheel,) = (sample.root / "dist" / "sample").glob("*.whl")
    made = wheel.read_bytes()
    wheel.unlink() if change == "gone" else wheel.write_bytes(b"another")
    why = sample.nox("-s", "build", "--", "--why")
    said = f"{wheel.name} is gone" if change == "gone" else "what it made was changed"
    assert said in why.output
    again = sample.nox("-s", "build")
    assert again.code == 0
    assert ran(sample) == {"build(sample)": "success"}
    assert wheel.read_bytes() == made
    assert "proven" in sample.nox("-s", "build").output


@proof
def test_of_two_at_once_the_second_waits_and_finds_it_proven(counting):
    wait = (
        "open('began.local', 'w').close()\n"
        "import os, time\n"
        "deadline = time.time() + 30\n"
        "while not os.path.exists('go.local') and time.time() < deadline:\n"
        "    time.sleep(0.05)\n"
    )
    also(counting, wait)
    first = counting.start("-s", "tests")
    assert eventually(lambda: (counting.root / "began.local").exists(), 60)
    second = counting.start("-s", "tests")
    lines = iter(second.stdout.readline, "")
    assert any("is at work in this checkout; waiting" in line for line in lines)
    (counting.root / "go.local").touch()
    said, _ = first.communicate(timeout=60)
    rest, _ = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0), said + rest
    assert count(counting) == 1
    assert sorted(each.result for each in every(counting)) == ["skip", "success"]


@proof
def test_of_two_whole_runs_at_once_no_record_is_lost(counting):
    both = [counting.start("-s", "lint", "tests", "build") for _ in range(2)]
    for each in both:
        said, _ = each.communicate(timeout=120)
        assert each.returncode == 0, said
    found = every(counting)
    names = ["build(sample)", "lint(sample)", "tests(sample)"]
    assert sorted(each.unit for each in found) == sorted(2 * names)
    assert sum(each.proves for each in found) >= 3
    assert all(each.result in ("success", "skip") for each in found)
    again = counting.nox("-s", "lint", "tests", "build")
    assert "all 3 proven" in again.output


@proof
def test_a_proof_of_the_development_database_holds_until_it_is_used(with_database):
    def migrate(*args):
        done = with_database.nox("-s", "migrate", *args)
        assert done.code == 0, done
        return done.output

    assert "2 migrations run" in migrate()
    assert "proven" in migrate()
    folder = cluster.kept_folder(with_database.root / ".sametree", 18)
    with cluster.kept(folder, 18):
        assert "proven" not in migrate()
        why = migrate("--", "--why")
        assert "the development database is in use" in why
    assert "at the newest migration" in migrate()  # somebody may have changed it
    assert "proven" in migrate()
    shutil.rmtree(folder)
    assert "2 migrations run" in migrate()
    assert "proven" in migrate()
    with_database.write({"migrations/versions/0003_more.py": MORE})
    assert "1 migration run" in migrate()
    assert eventually(lambda: not processes_with(str(with_database.root)))


MORE = '''
"""More."""
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.execute("SELECT 1")


def downgrade():
    pass
'''


@proof
def test_with_a_given_server_nothing_of_the_database_is_proven(with_database):
    with cluster.throw_away(18) as server:
        env = {"DATABASE_URL": server.url("psycopg")}
        for _ in range(2):
            done = with_database.nox("-s", "migrate", env=env)
            assert done.code == 0, done
            assert ran(with_database) == {"migrate(sample)": "success"}
            assert not every(with_database)[-1].proves
        why = with_database.nox("-s", "migrate", "--", "--why", env=env)
        assert "DATABASE_URL" in why.output
        password = server.password
    told = [path.read_text() for path in _files(with_database.root / ".sametree")]
    assert not [text for text in told if password in text]


def _files(state):
    return [path for path in state.glob("r*/**/*.json") if path.is_file()]


@proof
def test_a_full_disk_at_the_end_is_told_and_the_unit_passes_all_the_same(counting):
    # What Nox itself writes is stopped by the kernel, as on a full disk; the output of
    # the tests was written before.
    limit = (
        "import os, resource\n"
        "pid = os.getppid()\n"
        "while b'nox' not in open(f'/proc/{pid}/cmdline', 'rb').read():\n"
        "    pid = int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])\n"
        "resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, -1))\n"
    )
    also(counting, limit)
    # Coverage, where it measures us, has words of its own for a full disk.
    unmeasured = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
    done = counting.nox("-s", "tests", env=unmeasured)
    assert "the run record could not be written" in done.output, done
    assert "Traceback" not in done.output
    assert done.code == 0
    state = counting.root / ".sametree"
    assert list(state.glob("runs/*/*")) == list(state.glob("proofs/*/*")) == []
    also(counting, "")
    assert counting.nox("-s", "tests").code == 0
    assert count(counting) == 2


@proof
def test_outside_git_all_runs_each_time(counting):
    shutil.rmtree(counting.root / ".git")
    for times in (1, 2):
        done = counting.nox("-s", "tests", env={"GIT_CEILING_DIRECTORIES": "/"})
        assert done.code == 0, done
        assert count(counting) == times
    why = counting.nox("-s", "tests", "--", "--why")
    assert "would run: outside git" in why.output


@proof
def test_a_clone_that_brings_proofs_along_believes_none(counting, folder):
    assert counting.nox("-s", "tests").code == 0
    counting.git("add", "--force", ".sametree/proofs")
    counting.git("commit", "--quiet", "-m", "Bring proofs along")
    clone = type(counting)(folder / "clone", counting.environments)
    counting.git("clone", "--quiet", str(counting.root), str(clone.root))
    assert clone.nox("-s", "tests").code == 0
    assert count(clone) == 1
    why = clone.nox("-s", "tests", "--", "--why")
    assert ".sametree is committed; take it out of git" in why.output


@proof
def test_a_forged_proof_is_not_believed(counting):
    assert counting.nox("-s", "tests").code == 0
    (kept,) = (counting.root / ".sametree" / "proofs" / "tests.sample").iterdir()
    counting.write({"sample.py": counting.text("sample.py") + "\nbroken(\n"})
    shutil.rmtree(counting.root / ".sametree" / "answers", ignore_errors=True)
    assert counting.nox("-s", "tests").code == 1
    (failed,) = [each for each in every(counting) if each.result == "failure"]
    forged = json.loads(kept.read_text()) | {"fingerprint": failed.fingerprint}
    kept.with_name(f"{failed.fingerprint}.json").write_text(json.dumps(forged))
    assert counting.nox("-s", "tests").code == 1


@proof
def test_parallel_sessions_prove_as_others_do(counting):
    args = ("-j", "2", "-s", "lint", "tests")
    assert counting.nox(*args).code == 0
    counting.write({"more.local": "", "README": "read\n"})
    assert counting.nox(*args).code == 0
    assert count(counting) == 2
    counting.git("add", "--all")
    counting.commit()
    assert counting.nox(*args).code == 0
    assert count(counting) == 2


@proof
def test_after_a_session_of_ones_own_the_tree_is_looked_at_anew(counting):
    generate = session("generate", f"open('sample.py', 'w').write({BROKEN!r})")
    counting.write({"noxfile.py": counting.text("noxfile.py") + generate})
    assert counting.nox("-s", "build", "tests").code == 0
    done = counting.nox("-s", "build", "generate", "tests")
    assert done.code == 1, "the tests of a broken program were called proven"


@proof
def test_after_the_locks_were_made_the_tree_is_looked_at_anew(counting):
    assert counting.nox("-s", "lint", "tests").code == 0
    pyproject = counting.text("pyproject.toml")
    counting.write({"pyproject.toml": pyproject.replace('"pytest-xdist"', '"pluggy"')})
    counting.nox("-s", "build", "tests")
    counting.git("checkout", "--quiet", "locks")
    before = len(every(counting))
    assert counting.nox("-s", "build", "lock", "tests").code == 0
    (tests,) = [e for e in every(counting)[before:] if e.unit == "tests(sample)"]
    locked = (counting.root / "locks" / "tests.txt").read_bytes()
    told = tests.parts["lock:locks/tests.txt"]
    assert told == hashlib.sha256(locked).hexdigest()


LATE = f"""

import os
import pathlib

from sametree.units import running

before = running.proven


def late(*args):
    found = before(*args)
    if found and "LATE" in os.environ:
        pathlib.Path("sample.py").write_text({BROKEN!r})
    return found


running.proven = late
"""


@proof
def test_a_file_saved_in_the_very_moment_in_which_a_run_ends_is_seen(counting):
    counting.write({"noxfile.py": counting.text("noxfile.py") + LATE})
    done = counting.nox("-s", "tests", env={"LATE": "1"})
    assert done.code == 0, done
    assert counting.text("sample.py") == BROKEN
    after = counting.nox("-s", "tests")
    assert after.code == 1, "the tests of a broken program were called proven"


@proof
def test_a_unit_on_its_way_is_proven_by_what_it_began_with(counting):
    """Who edits while Nox starts gets a verdict on what was read, not on less."""
    assert counting.nox("-s", "tests").code == 0
    slow = "import time; open('began.local', 'w').close(); time.sleep(1)"
    also(counting, slow)
    counting.write({"sample.py": counting.text("sample.py") + "\n\nmore = 1\n"})
    process = counting.start("-s", "tests")
    assert eventually(lambda: (counting.root / "began.local").exists(), 60)
    counting.write({"sample.py": counting.text("sample.py") + "\n\nmore = 2\n"})
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "proves nothing: sample.py changed while it ran" in said
    also(counting, "")
    before = count(counting)
    assert counting.nox("-s", "tests").code == 0
    assert count(counting) == before + 1
