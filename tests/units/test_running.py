"""A unit runs unless it is proven; what ran is recorded; and nothing proves too much."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from repositories import Copied, Repository, without_configuration

from sametree import proofs, records, surroundings, trees
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.settings import load
from sametree.units import Work, recording, running
from sametree.units.identity import Unit
from sametree.units.running import Wishes

FILES = {
    "pyproject.toml": '[project]\nname = "app"\n',
    "noxfile.py": "import nox\n",
    "app.py": "app = 1\n",
    "locks/tests.txt": "pytest==9.0\n",
    ".gitignore": "dist/\nignored/\n*.local\n__pycache__/\n",
}
FORCE, WHY = Wishes(force=True), Wishes(why=True)


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path):
    without_configuration(monkeypatch, tmp_path)
    for name in [*os.environ]:
        if name.startswith(("SAMETREE_", "CI", "GITHUB_", "DATABASE_URL")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("original") / "project")
    for name, text in FILES.items():
        made.write(name, text)
    made.commit()
    return made


class Runs:
    """A project of one component, whose unit does what a test says."""

    def __init__(self, repository):
        self.repository = repository
        self.root = repository.root
        self.state = self.root / ".sametree"
        self.count = 0
        self.done = 0

    def unit(self, *args, kind="tests", name="app"):
        project = load(self.root)
        component = project.component(name)
        made = Unit(name=f"{kind}({name})", kind=kind, component=component, args=args)
        self.count += 1
        work = Work(
            project,
            component,
            kind,
            venv=self.root / "venv",
            args=args,
            title=made.name,
            run_id=f"run{self.count:03}",
        )
        return work, made

    def run(self, do=None, wish=Wishes(), args=(), kind="tests"):
        """Run the unit with ``do`` (of the Work); return whether it ran."""
        work, made = self.unit(*args, kind=kind)

        def counted(work):
            self.done += 1
            if do is not None:
                do(work)

        return running.run(work, made, counted, wish)

    def fails(self, error, do=None, **more):
        """Run the unit, which raises ``error`` in the end."""

        def raising(work):
            if do is not None:
                do(work)
            raise error

        with pytest.raises(type(error)):
            self.run(raising, **more)

    @property
    def record(self):
        """The record of the last run."""
        (found,) = records.read(self.state, f"run{self.count:03}")
        return found

    def why(self, capsys, *args):
        capsys.readouterr()
        assert not self.run(wish=WHY, args=args)
        return capsys.readouterr().out


@pytest.fixture
def runs(original, tmp_path):
    return Runs(Copied(original, tmp_path / "project"))


def test_our_options_are_taken_out_of_the_arguments():
    told = ("-k", "x", "--why", "--force", "--audit", "--forced")
    wish, left = running.wishes(told)
    assert wish == Wishes(force=True, why=True, audit=True)
    assert left == ("-k", "x", "--forced")
    assert running.wishes(()) == (Wishes(), ())


# --- What is proven is not done again


def test_a_unit_that_passed_is_not_run_again(runs, capsys):
    assert runs.run()
    first = runs.record
    assert (first.result, first.proves) == ("success", True)
    capsys.readouterr()
    assert not runs.run()
    assert runs.done == 1
    said = capsys.readouterr().out
    assert re.search(r"tests\(app\) passed .* here \(run run001\)", said)
    again = runs.record
    assert (again.result, again.proof, again.proves) == ("skip", "run001", False)
    assert again.fingerprint == first.fingerprint
    assert not runs.run()
    assert runs.record.proof == "run001"


CHANGES = {
    "a file": lambda r: r.write("app.py", "app = 2\n"),
    "a new file": lambda r: r.write("new.py"),
    "a file that is gone": lambda r: (r.root / "app.py").unlink(),
    "a name": lambda r: (r.root / "app.py").rename(r.root / "other.py"),
    "a mode": lambda r: (r.root / "app.py").chmod(0o755),
    "a lock": lambda r: r.write("locks/tests.txt", "pytest==9.1\n"),
    "the noxfile": lambda r: r.write("noxfile.py", "import nox, os\n"),
    "the settings": lambda r: r.write(
        "pyproject.toml",
        FILES["pyproject.toml"] + "[tool.sametree.coverage]\nlines = 1\n",
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_a_change_it_runs_and_back_again_it_does_not(runs, change):
    runs.run()
    change(runs.repository)
    assert runs.run()
    assert not runs.run()
    runs.repository.git("checkout", "--quiet", ".")
    runs.repository.git("clean", "--quiet", "--force", "-d")
    assert not runs.run()
    assert runs.done == 2


def test_what_git_ignores_and_a_commit_of_what_is_there_change_nothing(runs):
    runs.repository.write("new.py", "new = 1\n")
    runs.run()
    runs.repository.write("ignored/file")
    runs.repository.commit()
    os.utime(runs.root / "app.py", (1, 1))
    assert not runs.run()


def test_each_choice_of_arguments_has_a_proof_of_its_own(runs):
    assert runs.run()
    assert runs.run(args=("-k", "some"))
    assert not runs.run()
    assert not runs.run(args=("-k", "some"))
    assert runs.run(args=("-k", "others"))


def test_each_kind_of_session_has_a_proof_of_its_own(runs):
    assert runs.run()
    assert runs.run(kind="lint")
    assert not runs.run()


def test_who_forces_it_runs_it_and_proves_it_anew(runs):
    runs.run()
    assert runs.run(wish=FORCE)
    assert not runs.run()
    assert runs.record.proof == "run002"


def test_what_rewrites_the_sources_runs_each_time(runs):
    assert runs.run(kind="format")
    assert runs.run(kind="format")
    assert not runs.record.proves


def test_outside_git_it_runs_each_time(runs):
    shutil.rmtree(runs.root / ".git")
    assert runs.run()
    assert runs.run()
    found = runs.record
    assert (found.result, found.proves, found.fingerprint) == ("success", False, "")
    assert found.tree == found.revision == found.branch == ""


# --- What proves nothing


def test_a_failure_proves_nothing(runs):
    runs.fails(UnitFailed("2 tests failed"))
    found = runs.record
    assert (found.result, found.proves) == ("failure", False)
    assert found.reason == "2 tests failed"
    assert runs.run()


def test_a_failure_takes_the_proof_of_the_very_same_back(runs):
    # The test is unstable, or depends on what nobody declared: it proves nothing.
    runs.run()
    runs.fails(UnitFailed("it failed"), wish=FORCE)
    assert runs.run()


def test_a_failure_leaves_the_proofs_of_other_states(runs):
    runs.run()
    runs.repository.write("app.py", "broken")
    runs.fails(UnitFailed("it failed"))
    runs.repository.git("checkout", "--quiet", ".")
    assert not runs.run()


ERRORS = [
    SurroundingsError("no server"),
    UsageError("no such option"),
    OSError(28, "No space left on device", "some/file"),
    RuntimeError("a bug"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_of_the_surroundings_proves_nothing_and_takes_nothing_back(
    runs, error
):
    runs.fails(error)
    found = runs.record
    assert (found.result, found.proves) == ("error", False)
    assert "some/file" in found.reason or str(error) in found.reason
    assert runs.run()
    runs.fails(error, wish=FORCE)
    assert not runs.run()


def test_ctrl_c_proves_nothing(runs):
    runs.fails(KeyboardInterrupt())
    found = runs.record
    assert (found.result, found.proves, found.reason) == ("cancellation", False, "")
    assert list((runs.state / "running").iterdir()) == []
    assert runs.run()


def test_a_unit_that_changes_its_own_source_proves_nothing_and_says_which(runs):
    def writing(work):
        runs.repository.write("app.py", f"app = {runs.done + 10}\n")

    assert runs.run(writing)
    found = runs.record
    assert (found.result, found.proves) == ("success", False)
    assert "proves nothing: app.py changed while it ran" in found.notes
    assert runs.run(writing)
    assert runs.run()  # now nothing changes any more
    assert not runs.run()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda r: r.write("new.py"), "new.py"),
        (lambda r: (r.root / "app.py").unlink(), "app.py"),
        (lambda r: (r.root / "app.py").chmod(0o755), "app.py"),
        (lambda r: r.link("app.py", "noxfile.py"), "app.py"),
        (lambda r: r.write("locks/tests.txt", "pytest==9.2\n"), "locks/tests.txt"),
    ],
    ids=["new", "gone", "mode", "link", "lock"],
)
def test_whatever_changes_while_it_runs_it_proves_nothing(runs, change, name):
    assert runs.run(lambda work: change(runs.repository))
    assert not runs.record.proves
    assert f"{name}" in " ".join(runs.record.notes)
    assert proofs.nearest(runs.state, "tests(app)", {}) is None


def test_when_git_cannot_tell_afterwards_whether_something_changed_it_proves_nothing(
    runs,
):
    def spoil(work):
        Repository(runs.root / "inner").write("file")

    assert runs.run(spoil)
    assert not runs.record.proves
    shutil.rmtree(runs.root / "inner")
    assert runs.run()


def test_when_git_could_not_tell_before_it_proves_nothing(runs):
    Repository(runs.root / "inner").write("file")
    assert runs.run(lambda work: shutil.rmtree(runs.root / "inner"))
    assert not runs.record.proves
    assert runs.record.fingerprint == ""
    assert runs.run()


def test_a_file_that_changed_and_changed_back_while_it_ran_is_seen(runs):
    def there_and_back(work):
        runs.repository.write("app.py", "app = 2\n")
        runs.repository.write("app.py", FILES["app.py"])

    runs.run(there_and_back)
    assert not runs.record.proves


def test_with_other_values_than_the_fingerprint_tells_it_proves_nothing(runs):
    variable = "[tool.sametree.variables.GREETING]\ndefault = 'none'\n"
    runs.repository.write("pyproject.toml", FILES["pyproject.toml"] + variable)
    runs.repository.write(".gitignore", ".env\n")
    runs.repository.write(".env", "GREETING=one\n")
    work, made = runs.unit()
    work.declared = surroundings.look(work.project)  # as at the start of a long run
    runs.repository.write(".env", "GREETING=two\n")
    had = {}
    assert running.run(work, made, lambda w: had.update(w.declared.of("app")), Wishes())
    assert had == {"GREETING": "one"}
    of_one = work.declared.parts("app")["variable:GREETING"]
    assert not runs.record.proves or runs.record.parts["variable:GREETING"] == of_one


# --- What was made


def making(text="wheel"):
    def do(work):
        place = work.project.root / "dist" / "app" / "app.whl"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        work.outputs["dist/app/app.whl"] = _sha256(text)

    return do


def _sha256(text):
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("how", ["gone", "changed", "a folder", "unreadable"])
def test_when_what_was_made_is_not_there_any_more_it_is_made_anew(runs, how, capsys):
    made = runs.root / "dist" / "app" / "app.whl"
    runs.run(making(), kind="build")
    assert not runs.run(making(), kind="build")
    if how == "changed":
        made.write_text("whee!")
    else:
        made.unlink()
    if how == "a folder":
        made.mkdir()
    if how == "unreadable":
        made.symlink_to(made)
    work, unit = runs.unit(kind="build")
    capsys.readouterr()
    running.run(work, unit, making(), WHY)
    what = "what it made was changed" if how == "changed" else f"{made.name} is gone"
    assert what in capsys.readouterr().out
    if made.is_dir():
        made.rmdir()
    elif how == "unreadable":
        made.unlink()
    assert runs.run(making(), kind="build")
    assert made.read_text() == "wheel"


def test_the_outputs_and_coverage_of_a_unit_are_in_its_record(runs):
    def do(work):
        making()(work)
        work.covered = records.Covered(91.0, 80.0)
        work.notes.append("a note")
        work.mend.append("nox -s format")
        work.environment["TZ"] = "UTC"

    runs.run(do)
    found = runs.record
    assert found.outputs == {"dist/app/app.whl": _sha256("wheel")}
    assert (found.notes, found.mend) == (("a note",), ("nox -s format",))
    assert found.environment == {"TZ": "UTC"}
    assert not runs.run()
    assert runs.record.covered == records.Covered(91.0, 80.0)


# --- The record


def test_the_record_tells_what_ran_where_and_on_which_tree(runs, monkeypatch):
    runs.repository.write("new.py", "new = 1\n")
    runs.repository.write("secret.local")
    runs.repository.write("__pycache__/x.pyc")
    before = time.time()
    runs.run(args=("-x",))
    found = runs.record
    assert found.schema == records.SCHEMA
    assert (found.run, found.unit, found.args) == ("run001", "tests(app)", ("-x",))
    assert before <= found.started <= time.time()
    assert 0 <= found.seconds < 60
    assert (found.place, found.url, found.worker) == ("local", "", "")
    assert found.revision == runs.repository.git("rev-parse", "HEAD")
    assert found.branch == "main"
    assert found.tree == trees.tree_id(runs.root) != runs.repository.committed
    assert found.parts["input:new.py"].startswith("100644 ")
    assert found.surroundings["os.type"]
    assert found.outside == ("secret.local",)
    assert not found.audited
    assert proofs.find(runs.state, "tests(app)", found.fingerprint) == found


def test_on_a_commit_without_a_branch_none_is_told(runs):
    runs.repository.git("checkout", "--quiet", "--detach")
    runs.run()
    assert runs.record.branch == ""
    assert runs.record.revision


def test_before_the_first_commit_no_revision_is_told_and_it_is_proven_all_the_same(
    tmp_path,
):
    unborn = Repository(tmp_path / "unborn")
    for name, text in FILES.items():
        unborn.write(name, text)
    runs = Runs(unborn)
    assert runs.run()
    assert runs.record.revision == runs.record.branch == ""
    unborn.commit()
    assert not runs.run()


def test_a_long_reason_is_cut(runs):
    runs.fails(UnitFailed("x" * (recording.REASON_MOST + 1)))
    assert len(runs.record.reason) == recording.REASON_MOST


def test_what_lies_beside_under_a_name_of_any_bytes_is_recorded(runs):
    runs.repository.write(os.fsdecode(b"caf\xe9.local"))
    runs.repository.write(os.fsdecode(b"caf\xe9.py"))
    assert runs.run()
    assert runs.record.outside == ("caf�e9.local",)
    assert not runs.run()


# --- Why


def test_why_tells_that_it_never_passed_here(runs, capsys):
    told = runs.why(capsys)
    assert "tests(app) would run: it has not passed here yet" in told
    assert re.search("fingerprint [0-9a-f]{12}", told)
    assert runs.done == 0
    assert not (runs.state / "runs").exists()


def test_why_tells_that_it_is_proven_and_what_cannot_be(runs, capsys):
    runs.run()
    assert re.search(r"tests\(app\) is proven: passed .* here", runs.why(capsys))
    shutil.rmtree(runs.root / ".git")
    assert "tests(app) would run: outside git" in runs.why(capsys)


def test_why_names_what_changed_since_the_nearest_proof(runs, capsys):
    runs.run()
    runs.repository.write("app.py", "app = 2\n")
    runs.repository.write("locks/tests.txt", "pytest==9.1\n")
    told = runs.why(capsys)
    assert "tests(app) would run; since it passed" in told
    assert "app.py" in told
    assert "locks/tests.txt" in told
    assert "noxfile.py" not in told
    assert "-k some" in runs.why(capsys, "-k", "some")


# --- Two at once, and kills


def test_the_second_of_two_waits_and_then_finds_it_proven(runs, capsys):
    begun, go_on = threading.Event(), threading.Event()

    def slow(work):
        begun.set()
        assert go_on.wait(20)

    first = threading.Thread(target=runs.run, args=(slow,))
    first.start()
    assert begun.wait(20)
    ran = []
    second = threading.Thread(target=lambda: ran.append(runs.run()))
    second.start()
    said = ""
    deadline = time.monotonic() + 20
    while "waiting" not in said and time.monotonic() < deadline:
        said += capsys.readouterr().out
        time.sleep(0.01)
    assert "another run of tests(app) is at work in this checkout; waiting" in said
    go_on.set()
    first.join(20)
    second.join(20)
    assert ran == [False]
    assert runs.done == 1
    results = [records.read(runs.state, run)[0].result for run in ("run001", "run002")]
    assert sorted(results) == ["skip", "success"]


def test_the_second_of_two_runs_when_the_first_has_failed(runs):
    begun, go_on = threading.Event(), threading.Event()

    def failing(work):
        begun.set()
        assert go_on.wait(20)
        raise UnitFailed("it failed")

    def first():
        with suppress(UnitFailed):
            runs.run(failing)

    one = threading.Thread(target=first)
    one.start()
    assert begun.wait(20)
    ran = []
    other = threading.Thread(target=lambda: ran.append(runs.run()))
    other.start()
    time.sleep(0.1)
    go_on.set()
    one.join(20)
    other.join(20)
    assert ran == [True]
    assert runs.done == 2


def test_two_different_units_do_not_wait_for_each_other(runs):
    def other(work):
        inner, made = runs.unit(kind="lint")
        assert running.run(inner, made, lambda work: None, Wishes())

    assert runs.run(other)


PROCESS = """
import resource, sys, time
from pathlib import Path
from sametree.settings import load
from sametree.units import Work, running
from sametree.units.identity import Unit

project = load(Path(sys.argv[1]))
component = project.component("app")
unit = Unit(name="tests(app)", kind="tests", component=component)
work = Work(project, component, "tests", venv=Path("venv"), title=unit.name,
            run_id=sys.argv[2])

def do(work):
    print("running", flush=True)
    exec(sys.argv[3])

try:
    running.run(work, unit, do, running.Wishes(force="force" in sys.argv))
except KeyboardInterrupt:
    sys.exit(130)
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
"""


def process(runs, code, *more):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", PROCESS, str(runs.root), "other", code, *more]
    return subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_what_was_killed_proves_nothing_and_the_next_run_completes_its_record(runs):
    with process(runs, "time.sleep(60)") as killed:
        assert killed.stdout.readline() == "running\n"
        killed.kill()
        killed.wait()
        assert records.read(runs.state, "other") == []
    assert runs.run()
    (found,) = records.read(runs.state, "other")
    assert (found.result, found.proves) == ("cancellation", False)
    assert found.reason == "it was killed, or the machine stopped"
    assert found.tree and found.parts
    assert not runs.run()


def test_a_kill_leaves_the_proof_of_before(runs):
    runs.run()
    with process(runs, "time.sleep(60)", "force") as killed:
        assert killed.stdout.readline() == "running\n"
        killed.kill()
    assert not runs.run()


def test_an_interrupted_process_tells_its_cancellation_itself(runs):
    with process(runs, "time.sleep(60)") as stopped:
        assert stopped.stdout.readline() == "running\n"
        stopped.send_signal(signal.SIGINT)
        assert stopped.wait(20) == 130
    (found,) = records.read(runs.state, "other")
    assert (found.result, found.reason) == ("cancellation", "")


@pytest.mark.parametrize("size", [0, 200, 1100])
def test_a_full_disk_at_the_end_is_told_and_changes_no_verdict(runs, size):
    # The limit of a file's size stops the kernel in the middle of a file, as a full
    # disk does, whoever runs this.
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, -1))"
    with process(runs, limit) as ended:
        said = ended.communicate(timeout=30)[0]
    assert ended.returncode == 0, said
    assert "the run record could not be written" in said
    assert "Traceback" not in said
    assert records.read(runs.state, "other") == []
    assert list(runs.state.glob("runs/other/*")) == []
    assert not list(runs.state.glob("proofs/*/*"))
    assert runs.run()


def test_a_full_disk_at_the_end_of_a_failure_leaves_the_failure(runs):
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (0, -1))"
    failing = "from sametree.errors import UnitFailed; raise UnitFailed('it failed')"
    with process(runs, f"{limit}; {failing}") as ended:
        said = ended.communicate(timeout=30)[0]
    assert "the run record could not be written" in said
    assert said.endswith("sametree.errors.UnitFailed: it failed\n")
    assert list(runs.state.glob("runs/*/*")) == []
