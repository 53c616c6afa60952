"""Files are written, locked and removed so that a kill leaves nothing half done."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sametree import files

HOLD = """
import sys, time
from pathlib import Path
from sametree import files
files.lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "lock"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writing_makes_the_folders_above(tmp_path):
    files.write_atomically(tmp_path / "a" / "b" / "file.txt", "Grüße\n")
    assert (tmp_path / "a" / "b" / "file.txt").read_bytes() == "Grüße\n".encode()


def test_writing_replaces_the_old_text_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("something longer")
    files.write_atomically(path, "new")
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file.txt"]


def test_a_reader_that_has_the_old_file_open_still_reads_it_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with path.open() as reader:
        files.write_atomically(path, "new")
        assert reader.read() == "old"


def test_text_that_cannot_be_written_leaves_the_old_file_and_no_scratch(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        files.write_atomically(path, "half \ud800")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_place_that_cannot_be_replaced_is_an_error_that_leaves_no_scratch(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        files.write_atomically(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_put_where_nothing_was(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    files.replace_folder(tmp_path / "new", tmp_path / "out" / "place")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["place"]
    assert names(tmp_path / "out" / "place") == ["file"]


def test_a_folder_takes_the_place_of_an_older_one_whole(tmp_path):
    for name in ("new", "place"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"only-in-{name}").touch()
    files.replace_folder(tmp_path / "new", tmp_path / "place")
    assert names(tmp_path) == ["place"]
    assert names(tmp_path / "place") == ["only-in-new"]


def test_the_borders_between_parts_count_in_a_digest():
    assert files.digest("ab", "c") != files.digest("a", "bc")
    assert files.digest("ab") != files.digest("ab", "")


def test_a_text_and_its_utf8_bytes_have_the_same_digest():
    assert files.digest("Grüße") == files.digest("Grüße".encode())


def test_a_digest_is_the_same_in_every_version_and_on_every_machine():
    # Locks in other people's repositories hold such digests.
    assert files.digest("ab", b"c") == (
        "430fb1b4ac43316eca81fab27a1930ab8eff8fef6a1dc7903dce44bbc2790dc5"
    )


def test_git_never_sees_an_excluded_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("GIT_DIR", raising=False)  # set where a hook runs us
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    folder = files.add_exclude_file(tmp_path / "deep" / "state")
    (folder / "file").touch()
    status = ["git", "-C", tmp_path, "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(status, check=True, capture_output=True).stdout == b""


def test_an_exclude_file_that_is_there_already_stays(tmp_path):
    (tmp_path / ".gitignore").write_text("/mine\n")
    assert files.add_exclude_file(tmp_path) == tmp_path
    assert (tmp_path / ".gitignore").read_text() == "/mine\n"


def test_a_lock_is_held_by_one_at_a_time(lock):
    first = files.try_lock(lock)
    assert first is not None
    assert files.try_lock(lock) is None
    assert files.try_lock(lock, shared=True) is None
    os.close(first)
    second = files.try_lock(lock)
    assert second is not None
    os.close(second)


def test_a_shared_lock_is_held_by_many_and_keeps_the_exclusive_one_out(lock):
    held = [files.try_lock(lock, shared=True), files.try_lock(lock, shared=True)]
    assert None not in held
    assert files.try_lock(lock) is None
    for descriptor in held:
        os.close(descriptor)


def test_a_child_process_does_not_inherit_a_lock(lock):
    descriptor = files.lock(lock)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        os.close(descriptor)
        taken = files.try_lock(lock)
        child.communicate()
    assert taken is not None
    os.close(taken)


def test_a_killed_owner_leaves_no_lock(lock):
    env = {**os.environ, "PYTHONPATH": str(Path(files.__file__).parent.parent)}
    argv = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as owner:
        assert owner.stdout.readline() == b"held\n"
        assert files.try_lock(lock) is None
        owner.send_signal(signal.SIGKILL)
    assert files.wait_free(lock, 10)


def test_lock_waits_for_the_owner(lock):
    events = []
    owner = files.lock(lock)

    def wait():
        descriptor = files.lock(lock)
        events.append("taken")
        os.close(descriptor)

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.1)
    events.append("given back")
    os.close(owner)
    waiting.join()
    assert events == ["given back", "taken"]


def test_an_interrupted_wait_for_a_lock_leaves_no_descriptor_open(lock, monkeypatch):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    owner = files.lock(lock)
    opened = os.listdir("/dev/fd")
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            files.lock(lock)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(os.listdir("/dev/fd")) == len(opened)
    os.close(owner)


def test_of_several_holders_only_the_last_is_told_so(lock):
    first = files.lock(lock, shared=True)
    second = files.lock(lock, shared=True)
    assert not files.last_holder(first)
    assert files.last_holder(second)
    assert files.wait_free(lock, 10), "both have given the lock up"


def test_waiting_for_a_lock_ends_in_time(lock):
    owner = files.lock(lock)
    assert not files.wait_free(lock, 0.05)
    os.close(owner)
    assert files.wait_free(lock, 10)


def test_a_block_holds_its_lock_to_its_end_and_makes_its_folder(tmp_path):
    path = tmp_path / "locks" / "one"
    with files.locked(path):
        assert files.try_lock(path) is None
    assert files.wait_free(path, 10)


def test_a_block_that_fails_gives_its_lock_back(lock):
    with pytest.raises(ZeroDivisionError), files.locked(lock, shared=True):
        1 / 0
    assert files.wait_free(lock, 10)


def test_when_the_new_folder_is_missing_the_old_one_stays(tmp_path):
    place = tmp_path / "dist"
    place.mkdir()
    (place / "old").touch()
    with pytest.raises(FileNotFoundError):
        files.replace_folder(tmp_path / "missing", place)
    assert (place / "old").exists()
    assert os.listdir(tmp_path) == ["dist"]
