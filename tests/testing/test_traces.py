"""What was raised, where, and because of what."""

import doctest

import pytest

from sametree.testing import traces
from sametree.testing.traces import Raised

LONG = """\
    def load():
>       return connect()
               ^^^^^^^^^

app/users.py:3: 
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def connect():
>       raise OSError("no")
E       OSError: no
E         second line

app/base.py:9: OSError

The above exception was the direct cause of the following exception:

    def test_users():
>       load()

tests/test_users.py:4: 
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def load():
>       raise RuntimeError("no users") from error
E       RuntimeError: no users

app/users.py:5: RuntimeError
"""  # noqa: W291 (pytest writes it so)

NATIVE = """\
Traceback (most recent call last):
  File "/project/app/base.py", line 9, in connect
    raise OSError("no")
OSError: no
\tsecond line

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/project/tests/test_users.py", line 4, in test_users
    load()
  File "/project/app/users.py", line 5, in load
    raise RuntimeError("no users")
RuntimeError: no users

INFO what is printed later is nothing that was raised
"""

NODE = """\
Error: no users
    at load (/project/users.js:14:80)
    at /project/users.test.js:3:1

[cause]: TypeError: fetch failed
    at node:internal/deps/undici/undici:14976:13
"""

GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/project/a.py", line 76, in test_group
  |     asyncio.run(m())
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/project/a.py", line 73, in f
    |     connect()
    | ConnectionRefusedError: no
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/project/a.py", line 74, in g
    |     parse()
    | ValueError: bad
    +------------------------------------
"""


def test_a_long_traceback_is_read_from_the_last_to_the_first():
    last, first = traces.chain(LONG)
    assert last == Raised(
        "RuntimeError",
        "RuntimeError: no users",
        "app/users.py",
        'raise RuntimeError("no users") from error',
        ("tests/test_users.py", "app/users.py"),
    )
    assert first.said == "OSError: no\n  second line"
    assert first.first == "OSError: no"
    assert (first.file, first.source) == ("app/base.py", 'raise OSError("no")')


def test_a_traceback_of_python_itself_ends_with_what_was_raised():
    last, first = traces.chain(NATIVE)
    assert (last.type, last.said) == ("RuntimeError", "RuntimeError: no users")
    assert last.source == 'raise RuntimeError("no users")'
    assert (first.file, first.said) == (
        "/project/app/base.py",
        "OSError: no\n\tsecond line",
    )


def test_a_stack_of_node_leads_to_its_cause():
    last, cause = traces.chain(NODE)
    assert (last.said, last.file) == (
        "Error: no users",
        "load (/project/users.js:14:80)",
    )
    assert (cause.type, cause.said) == ("TypeError", "TypeError: fetch failed")


def test_the_type_of_a_bare_assertion_stands_behind_its_place():
    text = ">       assert f() == 2\nE       assert 1 == 2\n\na.py:3: AssertionError"
    (raised,) = traces.chain(text)
    assert (raised.type, raised.said) == ("AssertionError", "assert 1 == 2")


def test_a_short_traceback_has_its_source_below_the_place():
    text = "a.py:3: in test_a\n    f()\nb.py:7: in f\n    raise KeyError(1)\nE   KeyError: 1"
    (raised,) = traces.chain(text)
    assert (raised.type, raised.file) == ("KeyError", "b.py")
    assert raised.source == "raise KeyError(1)"


def test_an_exception_without_a_traceback_was_raised_in_c():
    text = (
        "OSError: [Errno 28] No space left on device\n\n"
        "During handling of the above exception, another exception occurred:\n"
        "a.py:3: in test_a\n    f()\nE   OSError: [Errno 28] No space left on device"
    )
    assert [raised.file for raised in traces.chain(text)] == ["a.py", ""]


def test_each_exception_of_a_group_is_read_on_its_own():
    first, second = traces.members(GROUP)
    assert traces.chain(first)[0].said == "ConnectionRefusedError: no"
    assert traces.chain(second)[0].said == "ValueError: bad"


@pytest.mark.parametrize("text", ["", "no exception at all", "in test_a\n    f()"])
def test_where_the_text_shows_nothing_the_message_has_to_do(text):
    assert traces.chain(text, "KeyError: 1") == [Raised("KeyError", "KeyError: 1")]
    assert traces.chain(text, " ") == []


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_a_message_of_a_fixture_is_taken_out_of_what_pytest_says_around_it(phase):
    (raised,) = traces.chain("", f'failed on {phase} with "OSError: no\nmore"')
    assert raised == Raised("OSError", "OSError: no\nmore")


def test_a_traceback_that_was_cut_raises_nothing():
    text = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    f()'
    assert traces.chain(text) == []
    assert traces.chain("    at f (a.js:1:1)") == []


def test_the_examples_in_the_text_hold():
    assert doctest.testmod(traces).failed == 0
