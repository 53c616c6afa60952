"""A log on GitHub that is readable, and obeys nobody but us."""

import re
import subprocess

import pytest

from sametree.insight import ci_log


@pytest.fixture
def github(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def obeyed(log):
    """Return the commands in ``log`` that GitHub's runner would obey.

    Its rules: a command's line begins with ``::``, or has ``##[`` in it; after
    stop-commands all are plain text until a line that is the given word.
    """
    found, stopped = [], ""
    for line in log.splitlines():
        if stopped:
            stopped = "" if line.strip() == f"::{stopped}::" else stopped
        elif told := re.match(r"\s*::stop-commands::(.+)", line):
            stopped = told[1]
        elif re.match(r"\s*::", line) or "##[" in line:
            found.append(line.strip())
    assert not stopped, "from here on nobody is obeyed"
    return found


HOSTILE = "::error::not ours\n  ::add-mask::word\ntext ##[error]x\n::endgroup::"


def test_what_a_step_prints_is_folded_and_not_obeyed(github, capfd):
    with ci_log.folded("pytest"):
        # As a live step does, past our own buffers; its last line has no end.
        subprocess.run(["printf", "%s", HOSTILE], check=True)
    print("::notice::ours")
    log = capfd.readouterr().out
    assert obeyed(log) == ["::group::pytest", "::endgroup::", "::notice::ours"]
    for line in HOSTILE.splitlines():
        assert line in log


def test_a_group_ends_also_when_the_step_fails(github, capfd):
    with pytest.raises(KeyboardInterrupt), ci_log.folded("pytest"):
        raise KeyboardInterrupt
    assert obeyed(capfd.readouterr().out) == ["::group::pytest", "::endgroup::"]


def test_nobody_can_know_the_word_that_ends_it(github, capfd):
    for _ in range(2):
        with ci_log.folded("pytest"):
            pass
    log = capfd.readouterr().out
    words = re.findall(r"::stop-commands::(\w+)", log)
    assert len(set(words)) == 2 and all(len(word) == 32 for word in words)


def test_a_title_is_one_line(github, capfd):
    with ci_log.folded("50 %\n::error::x"):
        pass
    assert capfd.readouterr().out.startswith("::group::50 %25 ::error::x\n")


def test_at_home_nothing_is_added(monkeypatch, capfd):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    with ci_log.folded("pytest"):
        print(HOSTILE)
    assert capfd.readouterr().out == f"{HOSTILE}\n"
    assert ci_log.unheeded(HOSTILE) == HOSTILE


def test_captured_output_is_not_obeyed(github):
    shown = ci_log.unheeded(HOSTILE)
    assert obeyed(f"{shown}\n::notice::ours") == ["::notice::ours"]
    assert HOSTILE in shown


def test_output_without_commands_stays_as_it_is(github):
    assert ci_log.unheeded("a::b\nstd::vector") == "a::b\nstd::vector"
