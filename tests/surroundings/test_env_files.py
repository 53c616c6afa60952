"""What stands in a .env file."""

import os
import subprocess
import threading

import pytest

from sametree.surroundings import env_files


@pytest.fixture
def said(tmp_path):
    """Return a function that reads a text as the project's .env."""

    def read(text):
        raw = text if isinstance(text, bytes) else text.encode()
        (tmp_path / ".env").write_bytes(raw)
        return env_files.read(tmp_path, tmp_path)

    return read


def test_names_and_values_are_read_with_their_lines(said):
    file = said("# ours\nA=1\n\n\nexport B='two words' # note\nC=\"x\\ny\"\nD=\n")
    assert file.values == {"A": "1", "B": "two words", "C": "x\ny", "D": ""}
    assert file.lines == {"A": 2, "B": 5, "C": 6, "D": 7}
    assert (file.path, file.unread, file.problem) == (".env", (), "")


@pytest.mark.parametrize(
    "text", ["A=1\nthis is nothing\nB=2\n", "A=1\n\n'open\nB=2\n", "A=1\n\n\n=5\nB=2\n"]
)
def test_a_line_that_cannot_be_understood_is_told_and_the_others_count(said, text):
    file = said(text)
    assert file.values == {"A": "1", "B": "2"}
    assert len(file.unread) == 1
    wrong = text.splitlines()[file.unread[0] - 1]
    assert wrong in ("this is nothing", "'open", "=5")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_do_elsewhere(said, line_end):
    file = said(f"A=1{line_end}{line_end}B=2{line_end}")
    assert file.values == {"A": "1", "B": "2"}
    assert file.lines["B"] == 3


def test_references_stay_as_they_are(said, monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert said("A=${HOME}/x\n").values == {"A": "${HOME}/x"}


def test_a_mark_of_the_byte_order_is_no_part_of_a_name(said):
    assert said(b"\xef\xbb\xbfA=1\n").values == {"A": "1"}


def test_of_a_name_written_twice_the_last_counts(said):
    assert said("A=1\nA=2\n").values == {"A": "2"}


def test_a_name_without_a_value_is_none(said):
    assert said("A\n").values == {}


def test_a_file_that_is_no_text_is_told(said):
    assert said(b"A=\xff\n").problem == "cannot be read: it is not UTF-8"


def test_a_file_that_we_may_not_read_is_told(folder):
    (folder / ".env").write_text("A=1\n")
    (folder / ".env").chmod(0)
    ourselves = os.geteuid()
    if ourselves == 0:
        os.seteuid(65534)  # root may read everything
    try:
        file = env_files.read(folder, folder)
    finally:
        os.seteuid(ourselves)
    assert file.problem == "cannot be read: Permission denied"


def test_a_folder_of_this_name_is_none(tmp_path):
    (tmp_path / ".env").mkdir()
    assert env_files.read(tmp_path, tmp_path) is None


def test_where_there_is_none_there_is_none(tmp_path):
    assert env_files.read(tmp_path, tmp_path) is None


def test_it_may_be_a_pipe_that_a_store_of_secrets_writes_to(tmp_path):
    os.mkfifo(tmp_path / ".env")
    store = threading.Thread(target=(tmp_path / ".env").write_text, args=("A=1\n",))
    store.start()
    assert env_files.read(tmp_path, tmp_path).values == {"A": "1"}
    store.join()


def test_a_file_in_a_folder_is_named_by_its_path(tmp_path):
    (tmp_path / "app" / "page").mkdir(parents=True)
    (tmp_path / "app" / "page" / ".env").write_text("A=1")
    assert env_files.read(tmp_path, tmp_path / "app" / "page").path == "app/page/.env"


def test_a_file_does_not_show_what_it_holds(said):
    assert "hunter22" not in repr(said("A=hunter22\n"))


def git(root, *args):
    subprocess.run(["git", "-C", root, *args], check=True, capture_output=True)


def test_git_is_asked_whether_it_would_commit_the_file(said, tmp_path):
    file = said("A=1\n")
    assert env_files.in_git(tmp_path, file) == ""  # outside git
    git(tmp_path, "init", "--quiet")
    assert env_files.in_git(tmp_path, file) == "not ignored"
    git(tmp_path, "add", ".env")
    assert env_files.in_git(tmp_path, file) == "tracked"
    git(tmp_path, "rm", "--cached", "--quiet", ".env")
    (tmp_path / ".gitignore").write_text(".env\n")
    assert env_files.in_git(tmp_path, file) == ""
