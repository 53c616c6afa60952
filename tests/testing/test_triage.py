"""Whose fault is a failure? Asked of what pytest, Node and jest really report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

from sametree.errors import SurroundingsError, UnitFailed
from sametree.testing import jest, junit, triage
from sametree.testing.junit import Failure
from sametree.testing.triage import Around
from sametree.toolchains import environments

HEAD = """
import os, pathlib, socket, subprocess, urllib.request
from unittest import mock

import psycopg, pytest

os.environ.pop("API_KEY", None)


def connect():
    return psycopg.connect("postgresql://ada:secret@127.0.0.1:1/shop")


@pytest.fixture
def database():
    return connect()


@pytest.fixture
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


"""
CASES = [
    ("a_refused_database", "connect()", "database"),
    ("a_database_refused_to_a_fixture", "database", "database"),
    (
        "a_database_refused_to_sqlalchemy",
        "import sqlalchemy\n"
        'sqlalchemy.create_engine("postgresql+psycopg://a:b@127.0.0.1:1/x").connect()',
        "database",
    ),
    ("a_socket_without_a_server", 'psycopg.connect("host=/nowhere")', "database"),
    (
        "a_refused_database_that_the_code_reports_in_its_own_words",
        "try: connect()\nexcept Exception as e: raise RuntimeError('no users') from e",
        "database",
    ),
    (
        "a_refused_database_that_the_code_forgot_to_name",
        "try: connect()\nexcept Exception: raise RuntimeError('no users')",
        "database",
    ),
    (
        "a_database_server_with_a_strange_name",
        'psycopg.connect("postgresql://nowhere.invalid/x")',
        "network",
    ),
    (
        "a_name_that_cannot_be_resolved",
        'urllib.request.urlopen("http://nowhere.invalid/")',
        "network",
    ),
    (
        "a_refused_connection",
        'urllib.request.urlopen(f"http://127.0.0.1:{closed_port}/")',
        "network",
    ),
    (
        "a_refused_connection_of_asyncio",
        "import asyncio\n"
        'asyncio.run(asyncio.open_connection("127.0.0.1", closed_port))',
        "network",
    ),
    (
        "a_refused_connection_within_a_group",
        "import asyncio\n"
        "async def both():\n"
        "    async with asyncio.TaskGroup() as group:\n"
        "        for _ in range(2):\n"
        '            group.create_task(asyncio.open_connection("127.0.0.1", 1))\n'
        "asyncio.run(both())",
        "network",
    ),
    ("a_missing_variable", 'os.environ["API_KEY"]', "variable"),
    (
        "a_variable_that_somebody_misses_in_words",
        'raise RuntimeError("environment variable API_KEY is not set")',
        "variable",
    ),
    ("a_full_disk", 'pathlib.Path("/dev/full").write_text("x")', "disk"),
    ("a_memory_that_does_not_suffice", "bytearray(1 << 60)", "memory"),
    (
        "too_many_open_files",
        "import resource\n"
        "limits = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (20, limits[1]))\n"
        "try:\n"
        '    files = [open("/dev/null") for _ in range(30)]\n'
        "finally:\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, limits)",
        "files",
    ),
    (
        "a_folder_of_somebody_else",
        'open("/sys/kernel/nobody-may-write-here", "w")',
        "permission",
    ),
    ("a_program_that_is_not_here", 'subprocess.run(["no-such-program"])', "program"),
    # From here on it is the code's own fault.
    ("an_assertion", "assert 1 == 2", "code"),
    (
        "an_assertion_about_a_refused_connection",
        "try: connect()\nexcept Exception as e: text = str(e)\n"
        'assert "Connection refused" not in text',
        "code",
    ),
    (
        "an_assertion_while_a_refused_connection_is_handled",
        'try: connect()\nexcept Exception as e: assert "no" == str(e)',
        "code",
    ),
    (
        "a_mistake_while_a_refused_connection_is_handled",
        "try: connect()\nexcept Exception as e: e.nothing_of_that_name",
        "code",
    ),
    (
        "an_error_that_should_have_come",
        "with pytest.raises(ConnectionRefusedError): pass",
        "code",
    ),
    (
        "an_error_that_should_have_said_something_else",
        'with pytest.raises(Exception, match="timeout"): connect()',
        "code",
    ),
    ("a_missing_key", '{}["API_KEY"]', "code"),
    (
        "another_missing_key_than_expected",
        'with pytest.raises(ValueError): {}["Connection refused"]',
        "code",
    ),
    (
        "a_variable_that_the_test_took_away",
        'with mock.patch.dict(os.environ, clear=True): os.environ["GIVEN"]',
        "code",
    ),
    (
        "a_refused_connection_that_a_mock_raises",
        'with mock.patch("socket.create_connection", side_effect='
        'ConnectionRefusedError(111, "Connection refused")):\n'
        '    socket.create_connection(("127.0.0.1", 1))',
        "code",
    ),
    (
        "a_full_disk_that_the_code_raises",
        'raise OSError(28, "No space left on device", "/data/x")',
        "code",
    ),
    ("a_missing_file", 'open("no-such-file.txt")', "code"),
    (
        "a_file_of_the_project_that_may_not_be_read",
        'os.mkdir("closed", 0); pathlib.Path("closed/x").mkdir(); '
        'raise PermissionError(13, "Permission denied", "closed/x")',
        "code",
    ),
    (
        "a_server_of_the_test_that_does_not_answer",
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(server.getsockname(), timeout=0.05)\n"
        "with server, client: client.recv(1)",
        "code",
    ),
    ("a_test_that_gives_up", 'pytest.fail("Connection refused")', "code"),
]
LINUX = {"a_full_disk", "a_folder_of_somebody_else"}


def write_tests(folder: Path) -> None:
    """Write each case as a test."""
    text = HEAD
    for name, body, _ in CASES:
        wants = "closed_port" if "closed_port" in body else ""
        wants, body = ("database", "pass") if body == "database" else (wants, body)
        lines = body.replace("\n", "\n    ")
        text += f"def test_{name}({wants}):\n    {lines}\n\n\n"
    (folder / "test_cases.py").write_text(text)


def run_pytest(folder: Path, *args: str) -> Path:
    """Run the real pytest in ``folder``; return its report."""
    report = folder / "junit.xml"
    options = ("-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1")
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junitxml={report}", *args],
        cwd=folder,
        env=environment({"GIVEN": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    return report


def causes(folder: Path, *args: str) -> dict[str, triage.Cause]:
    """Return why the cases failed, by name, as pytest run with ``args`` reports it."""
    write_tests(folder)
    results = junit.read(run_pytest(folder, *args))
    around = Around(folder, {"GIVEN"})
    return {
        failure.name.partition("::test_")[2]: triage.of_failure(failure, around)
        for failure in results.failures
    }


@pytest.mark.proof
def test_whose_fault_is_what_pytest_reports(tmp_path):
    found = causes(tmp_path)
    left_out = set() if sys.platform == "linux" else LINUX
    kinds = {name: cause.kind for name, cause in found.items()}
    expected = {name: kind for name, _, kind in CASES}
    for name in expected.keys() - left_out:
        assert kinds[name] == expected[name], (name, found[name])
        assert bool(found[name].cure) == (expected[name] != "code")
    told = {name: cause.text for name, cause in found.items()}
    assert told["a_refused_database"] == "no database server answers at 127.0.0.1:1"
    assert told["a_missing_variable"] == "the variable API_KEY is not set"
    assert "no-such-program" in told["a_program_that_is_not_here"]
    assert "secret" not in str(told)


@pytest.mark.proof
@pytest.mark.parametrize("style", ["native", "short"])
def test_the_ways_of_pytest_to_show_a_traceback_make_no_difference(tmp_path, style):
    chosen = "group or variable or key or mock or raises or refused_database or mistake"
    found = causes(tmp_path, f"--tb={style}", "-k", chosen)
    assert len(found) > 10
    expected = {name: kind for name, _, kind in CASES if name in found}
    assert {name: cause.kind for name, cause in found.items()} == expected


def test_without_a_traceback_only_what_is_said_counts(tmp_path):
    chosen = "refused_database or refused_to_a_fixture or key"
    found = causes(tmp_path, "--tb=no", "-k", chosen)
    kinds = {name: cause.kind for name, cause in found.items()}
    assert kinds["a_refused_database"] == "database"
    assert kinds["a_database_refused_to_a_fixture"] == "database"
    assert kinds["a_missing_key"] == "code"


def test_a_variable_missing_while_tests_are_collected(tmp_path):
    (tmp_path / "test_app.py").write_text('import os\nKEY = os.environ["API_KEY"]\n')
    (failure,) = junit.read(run_pytest(tmp_path)).failures
    cause = triage.of_failure(failure, Around(tmp_path))
    assert (cause.kind, cause.text) == ("variable", "the variable API_KEY is not set")


def test_a_variable_missing_in_conftest_is_told_by_the_output_alone(tmp_path):
    (tmp_path / "conftest.py").write_text('import os\nKEY = os.environ["API_KEY"]\n')
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        argv,
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    cause = triage.of_step(done.returncode, done.stdout, Around(tmp_path))
    assert cause and cause.text == "the variable API_KEY is not set"
    assert "[tool.sametree.variables]" in cause.cure


def test_a_declared_variable_is_to_be_set_and_another_to_be_declared():
    failure = Failure("t", "error", "decouple.UndefinedValueError: API_KEY not found")
    known = triage.of_failure(failure, Around(Path("/x"), declared={"API_KEY"}))
    unknown = triage.of_failure(failure, Around(Path("/x"), declared={"OTHER"}))
    assert known.cure.startswith("set API_KEY")
    assert unknown.cure.startswith("declare it in pyproject.toml")


SCRIPT = """
const [fs, net, dns, { spawn }] = ["fs", "net", "dns", "child_process"].map(require);
const told = {};
const keep = (name, error) => {
  told[name] = error.stack + (error.cause ? `\\n\\n[cause]: ${error.cause.stack}` : "");
};
const own = () => new Error("connect ECONNREFUSED 127.0.0.1:5432");
keep("thrown", own());
try { fs.writeFileSync("/dev/full", "x"); } catch (e) { keep("disk", e); }
try { null.x; } catch (e) { keep("mistake", e); }
const server = net.createServer().listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  server.close(async () => {
    await fetch(`http://127.0.0.1:${port}/`).catch((e) => keep("fetch", e));
    net.connect(port, "127.0.0.1").on("error", (e) => {
      keep("refused", e);
      dns.promises.lookup("nowhere.invalid").catch((e) => {
        keep("name", e);
        spawn("no-such-program").on("error", (e) => {
          keep("program", e);
          console.log(JSON.stringify(told));
        });
      });
    });
  });
});
"""


@pytest.fixture(scope="module")
def of_node(tmp_path_factory):
    """Errors of the real Node, in jest's form."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "a.test.js").write_text(SCRIPT)
    argv = [environments.node() / "node", "a.test.js"]
    done = subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    cases = [
        {"fullName": name, "status": "failed", "failureMessages": [stack]}
        for name, stack in json.loads(done.stdout).items()
    ]
    suite = {"name": str(folder / "a.test.js"), "status": "failed", "message": ""}
    suite |= {"assertionResults": cases, "startTime": 0, "endTime": 1}
    jest.junit({"testResults": [suite]}, folder).write(folder / "junit.xml")
    return {
        failure.name.partition("::")[2]: triage.of_failure(failure, Around(folder))
        for failure in junit.read(folder / "junit.xml").failures
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("refused", "network"),
        ("fetch", "network"),
        ("name", "network"),
        ("disk", "disk"),
        ("program", "program"),
        ("thrown", "code"),
        ("mistake", "code"),
    ],
)
def test_whose_fault_is_an_error_of_node(of_node, name, kind):
    assert of_node[name].kind == kind, of_node[name]


# As jest 30 tells it, with fewer frames.
JEST = [
    (
        "code",
        "Error: expect(received).toBe(expected) // Object.is equality\n\n"
        'Expected: "x"\nReceived: "connect ECONNREFUSED"\n'
        "    at Object.toBe (/project/page/a.test.js:8:58)",
    ),
    (
        "code",
        "Error: connect ECONNREFUSED 127.0.0.1:5432\n"
        "    at /project/page/a.test.js:10:51\n"
        "    at /project/page/node_modules/jest-mock/build/index.js:370:39",
    ),
    (
        "code",
        'Error: thrown: "connect ECONNREFUSED"\n'
        "    at _getError (/project/page/node_modules/jest-circus/build/x.js:1985:12)",
    ),
    (
        "variable",
        "Error: Missing environment variable API_URL\n"
        "    at Object.<anonymous> (/project/page/a.test.js:12:50)",
    ),
    (
        "database",
        "Error: cannot load users\n    at load (/project/page/users.js:14:80)\n\n"
        '[cause]: Error: connection to server at "db", port 5432 failed: timeout\n'
        "    at Client.connect (/project/page/node_modules/pg/lib/client.js:54:17)",
    ),
    (
        "disk",
        "  ● Test suite failed to run\n\n    ENOSPC: no space left on device, write\n\n"
        "    > 1 | fs.writeFileSync('/data/full', 'x');\n        |    ^\n\n"
        "      at Object.writeFileSync (c.test.js:1:28)\n",
    ),
    (
        "code",
        "  ● Test suite failed to run\n\n"
        "    Cannot find module './ENOSPC' from 'b.test.js'\n\n"
        "    > 1 | const m = require('./ENOSPC');\n",
    ),
    (
        "memory",
        "  ● Test suite failed to run\n\n    A jest worker process (pid=7) was terminated"
        " by another process: signal=SIGKILL, exitCode=null. Operating system logs may"
        " contain more information on why this occurred.\n",
    ),
]


@pytest.mark.parametrize(("kind", "text"), JEST)
def test_whose_fault_is_what_jest_reports(kind, text):
    failure = Failure("t", "failure", text, detail=text)
    found = triage.of_failure(failure, Around(Path("/project/page")))
    assert found.kind == kind, found


SERVER = 'psycopg.OperationalError: connection failed: connection to server at "db"'
SERVER += ", port 5432 failed: FATAL:  "


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("database", f'{SERVER}database "shop" does not exist'),
        ("database", f'{SERVER}password authentication failed for user "ada"'),
        ("database", f'{SERVER}role "ada" does not exist'),
        ("database", f"{SERVER}the database system is starting up"),
        ("code", f"{SERVER}sorry, too many clients already"),
        (
            "code",
            'psycopg.errors.InvalidCatalogName: database "shop" does not exist',
        ),
        (
            "database",
            "psycopg.OperationalError: consuming input failed:"
            " server closed the connection unexpectedly",
        ),
        (
            "code",
            "psycopg.errors.AdminShutdown: terminating connection due to administrator"
            " command\nserver closed the connection unexpectedly",
        ),
        (
            "database",
            'psycopg.errors.FeatureNotSupported: extension "pg_trgm" is not available',
        ),
        ("disk", "psycopg.errors.DiskFull: could not extend file"),
        ("disk", "sqlite3.OperationalError: database or disk is full"),
        (
            "database",
            "pg8000.exceptions.InterfaceError: Can't create a connection to host"
            " 127.0.0.1 and port 1 (timeout is None and source_address is None).",
        ),
        (
            "database",
            "pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on"
            " '127.0.0.1' ([Errno 111] Connection refused)\")",
        ),
        (
            "network",
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379."
            " Connection refused.",
        ),
        (
            "network",
            "requests.exceptions.ConnectionError: HTTPConnectionPool(host='127.0.0.1',"
            " port=1): Max retries exceeded with url: / (Caused by NewConnectionError("
            "\"HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new"
            ' connection: [Errno 111] Connection refused"))',
        ),
        (
            "code",
            "requests.exceptions.ReadTimeout: HTTPConnectionPool(host='127.0.0.1',"
            " port=49429): Read timed out. (read timeout=0.3)",
        ),
        ("network", "httpx.ConnectTimeout: timed out"),
        ("network", "OSError: [Errno 101] Network is unreachable"),
        (
            "network",
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate"
            " verify failed: self-signed certificate (_ssl.c:1006)",
        ),
        (
            "variable",
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for"
            " Settings\ndatabase_url\n  Field required [type=missing]",
        ),
        (
            "variable",
            'environs.exceptions.EnvNotSetError: Environment variable "A_B"' " not set",
        ),
        (
            "variable",
            "django.core.exceptions.ImproperlyConfigured: Set the API_KEY environment"
            " variable",
        ),
        ("permission", "PermissionError: [Errno 13] Permission denied: '/srv/data'"),
        ("permission", "OSError: [Errno 30] Read-only file system: '/srv/data'"),
        ("permission", "Error: EACCES: permission denied, open '/srv/data'"),
        (
            "permission",
            "OSError: The temporary directory /scratch/pytest-of-ada is not owned by the"
            " current user. Fix this and try again.",
        ),
        (
            "code",
            "PermissionError: [Errno 13] Permission denied: '/project/shop/data'",
        ),
        (
            "code",
            "PermissionError: [Errno 13] Permission denied:"
            " '/scratch/pytest-of-ada/pytest-0/test_x0/closed'",
        ),
        ("code", "worker 'gw0' crashed while running 'test_app.py::test_crash'"),
        ("code", "ModuleNotFoundError: No module named 'ENOSPC'"),
        ("code", "TimeoutError: timed out"),
    ],
)
def test_words_of_drivers_and_clients(kind, text):
    found = triage.of_failure(Failure("t", "failure", text), Around(Path("/project")))
    assert found.kind == kind, found


def test_an_address_is_told_where_the_words_have_one():
    text = f'{SERVER}database "shop" does not exist'
    found = triage.of_failure(Failure("t", "failure", text), Around(Path("/project")))
    assert found.text == 'the server at db:5432 has no database "shop"'
    assert found.cure.startswith("make it, or correct the address")


def test_a_failure_without_words_is_the_codes():
    found = triage.of_failure(Failure("t", "failure", ""), Around(Path("/project")))
    assert (found.kind, found.text) == ("code", "it failed and said nothing")


REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"


def failures(*messages):
    return [Failure(f"tests::test_{n}", "failure", m) for n, m in enumerate(messages)]


def test_when_all_is_the_surroundings_fault_it_is_an_error():
    verdict = triage.blame(failures(REFUSED, REFUSED), Around(Path("/project")))
    assert verdict.blame == "error"
    problem = verdict.problem("2 of 9 tests failed", "repeat with: nox")
    assert isinstance(problem, SurroundingsError)
    assert str(problem).splitlines() == [
        "2 of 9 tests failed, 1 cause, not by the code: a connection was refused:",
        "  2 tests: not the code: a connection was refused",
        "      tests::test_0",
        "      tests::test_1",
        "      -> start what should listen there; if the tests start it themselves,"
        " see why it ended",
        "  -> repeat with: nox",
    ]


def test_the_headline_names_one_cause_and_counts_several():
    def headline(*messages):
        verdict = triage.blame(failures(*messages), Around(Path("/project")))
        return str(verdict.problem("some failed", "")).partition("\n")[0]

    refused = "a connection was refused"
    assert headline(REFUSED) == f"some failed, not by the code: {refused}:"
    assert headline(REFUSED, "MemoryError") == "some failed, not by the code:"
    three = (REFUSED, REFUSED, "MemoryError")
    assert headline(*three) == "some failed, 2 causes, not by the code:"
    assert headline(REFUSED, "assert 0") == "some failed:"


def test_one_fault_of_the_code_makes_it_a_failure_and_the_others_are_told_beside():
    told = failures(REFUSED, REFUSED, "assert 1 == 2", REFUSED, REFUSED)
    verdict = triage.blame(told, Around(Path("/project")))
    assert verdict.blame == "failure"
    problem = verdict.problem("5 of 9 tests failed", "repeat with: nox")
    assert isinstance(problem, UnitFailed)
    lines = str(problem).splitlines()
    assert lines[:3] == [
        "5 of 9 tests failed, 2 causes:",
        "  tests::test_2: assert 1 == 2",
        "  4 tests: not the code: a connection was refused",
    ]
    assert "      and 1 more" in lines


def test_what_differs_from_test_to_test_makes_no_other_cause():
    told = failures(
        "TypeError: <App object at 0x7f31> is not ready",
        "TypeError: <App object at 0x9a02> is not ready",
        'sqlalchemy.exc.ProgrammingError: relation "shop__gw0" does not exist',
        'sqlalchemy.exc.ProgrammingError: relation "shop__gw1" does not exist',
        "KeyError: 'a'",
        "KeyError: 'b'",
    )
    verdict = triage.blame(told, Around(Path("/project")))
    assert [len(cause.tests) for cause in verdict.causes] == [2, 2, 1, 1]
    assert verdict.count == "4 causes"


def test_a_test_that_failed_and_could_not_be_cleaned_up_counts_once():
    twice = [Failure("t", kind, "KeyError: 1") for kind in ("failure", "error")]
    (cause,) = triage.blame(twice, Around(Path("/project"))).causes
    assert cause.tests == ("t",)


def test_where_each_failure_has_its_own_cause_they_are_not_counted():
    verdict = triage.blame(failures("assert 1", "assert 2"), Around(Path("/project")))
    assert verdict.count == ""
    assert verdict.problem("2 of 2 tests failed", "").problem.startswith(
        "2 of 2 tests failed:\n"
    )


def test_many_causes_are_cut_but_those_of_the_surroundings_stay():
    told = failures(*(f"assert {n} == 0" for n in range(1, 15)), REFUSED)
    lines = triage.blame(told, Around(Path("/project"))).lines()
    assert lines[10] == "  and 4 more causes"
    assert lines[11].endswith("not the code: a connection was refused")


def test_without_failures_there_is_nothing_to_blame_the_surroundings_for():
    assert triage.blame([], Around(Path("/project"))) == triage.Verdict("failure", ())


@pytest.mark.parametrize(
    ("code", "output", "kind"),
    [
        (-9, "", "memory"),
        (137, "Killed\n", "memory"),
        (-15, "", "ended"),
        (1, "OSError: [Errno 28] No space left on device\n", "disk"),
        (1, "cp: error writing 'dist/x': No space left on device\n", "disk"),
        (1, "\033[31merror during build:\nError: ENOSPC: no space left, write", "disk"),
        (1, "npm error code ENOTFOUND\nnpm error errno ENOTFOUND\n", "network"),
        (1, "npm ERR! code ECONNREFUSED\n", "network"),
        (
            1,
            "the migrations cannot be run: OperationalError: connection failed:"
            ' connection to server at "db", port 5432 failed: FATAL:  database "shop"'
            " does not exist",
            "database",
        ),
        (
            134,
            "FATAL ERROR: Reached heap limit JavaScript heap out of memory",
            "memory",
        ),
        (
            1,
            "fatal: unable to access 'x': Could not resolve host: example.org\n",
            "network",
        ),
    ],
)
def test_what_ended_a_step(code, output, kind):
    cause = triage.of_step(code, output, Around(Path("/project")))
    assert cause is not None and cause.kind == kind
    assert cause.cure


@pytest.mark.parametrize(
    ("code", "output"),
    [
        (1, ""),
        (2, "usage: build [-h]\n"),
        (1, '-    "No space left on device": 28,\n+    "ENOSPC": 28,\n'),
        (1, "  12 | throw new Error('ENOSPC: no space left on device')\n"),
        (-11, ""),
        (
            1,
            'Traceback (most recent call last):\n  File "hatch_build.py", line 3, in'
            " initialize\n    raise OSError(28, 'No space left on device')\nOSError:"
            " [Errno 28] No space left on device\n",
        ),
    ],
)
def test_what_the_code_or_nobody_ended(code, output):
    assert triage.of_step(code, output, Around(Path("/project"))) is None


def test_a_real_step_on_a_full_disk():
    if not os.path.exists("/dev/full"):
        pytest.skip("needs a device of Linux")
    argv = [
        sys.executable,
        "-c",
        "with open('/dev/full', 'w') as file: file.write('x')",
    ]
    done = subprocess.run(argv, capture_output=True, text=True)
    cause = triage.of_step(done.returncode, done.stderr, Around(Path("/project")))
    assert cause and cause.kind == "disk"


def test_a_real_step_that_was_killed():
    done = subprocess.run(["sh", "-c", "kill -9 $$"])
    cause = triage.of_step(done.returncode, "", Around(Path("/project")))
    assert cause and "SAMETREE_JOBS=1" in cause.cure
