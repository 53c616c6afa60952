"""A release is installed from its own files alone, whole or not at all."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from conftest import environment, small_disk

from sametree import files
from sametree.artifacts import install, manifest, statement
from sametree.errors import SurroundingsError, UnitFailed, UsageError

INSTALL = (
    "import sys, pathlib\n"
    "from sametree.artifacts import install\n"
    "install.install(*map(pathlib.Path, sys.argv[1:]))\n"
)


@pytest.fixture
def place(folder):
    return folder / "environment"


def test_an_installed_release_runs_without_a_network(release, place):
    ready = install.install(release, place)
    digest = manifest.read(release).digest
    assert ready.folder == place / "releases" / digest[:12]
    assert ready.manifest == manifest.read(release)
    program = install.programs(ready) / "sample"
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    assert install.source(ready) == ready.folder / "sample" / "source"
    assert os.access(install.source(ready) / "serve.sh", os.X_OK)
    assert install.page(place, digest) == ready.folder / "page" / "page"
    assert install.problems(ready) == []
    compiled = list(ready.folder.glob("venv/lib/*/site-packages/__pycache__/dep.*.pyc"))
    assert len(compiled) == 1
    assert not (ready.folder / ".uv").exists()


def test_one_that_is_installed_is_left_alone(release, place):
    ready = install.install(release, place)
    before = {path: path.lstat().st_ino for path in ready.folder.rglob("*")}
    shutil.rmtree(ready.folder / "page")  # it is not even looked at
    assert install.install(release, place) == ready
    left = {path: path.lstat().st_ino for path in ready.folder.rglob("*")}
    assert left.items() <= before.items()
    assert install.problems(ready)


def test_nothing_is_shared_with_where_it_came_from(release, place):
    ready = install.install(release, place)
    theirs = {path.stat().st_ino for path in release.rglob("*") if path.is_file()}
    for path in ready.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert path.stat().st_ino not in theirs
            assert path.stat().st_nlink == 1


def no_mark(folder):
    (folder / ".installed").unlink()
    shutil.rmtree(folder / "venv" / "lib")


def no_file(folder):
    no_mark(folder)
    (folder / "sample" / "lock.txt").unlink()


def no_manifest(folder):
    (folder / "release.json").write_text("{}")


def no_python(folder):
    (folder / "venv" / "bin" / "python").unlink()


def of_another(folder):
    (folder / ".installed").write_text("0" * 64)


def test_one_that_is_half_there_is_known_and_mended(release, place, tmp_path):
    ready = install.install(release, place)
    whole = shutil.copytree(ready.folder, tmp_path / "whole", symlinks=True)
    copied = {no_mark, no_python, of_another}  # all files of the release are there
    for change in (no_file, no_python, of_another, no_manifest, no_mark):
        shutil.rmtree(ready.folder)
        shutil.copytree(whole, ready.folder, symlinks=True)
        assert install.installed(place, ready.manifest.digest) == ready
        change(ready.folder)
        assert install.installed(place, ready.manifest.digest) is None, change
        assert install.all_installed(place) == []
        assert install._stands(ready.folder, ready.manifest) == (change in copied)
    assert install.install(release, place) == ready
    assert install.problems(ready) == []
    subprocess.run([install.programs(ready) / "sample"], check=True)


@pytest.mark.proof
def test_one_that_is_half_there_is_mended(release, place):
    ready = install.install(release, place)
    for change in (no_mark, no_file, no_manifest, no_python, of_another):
        change(ready.folder)
        assert install.installed(place, ready.manifest.digest) is None, change
        assert install.install(release, place) == ready
        assert install.problems(ready) == []
        assert install.installed(place, ready.manifest.digest) == ready
        subprocess.run([install.programs(ready) / "sample"], check=True)


@pytest.mark.proof
def test_whatever_moment_it_is_killed_at_the_next_one_goes_on(release, place):
    for seconds in (0.2, 0.25, 0.3, 0.35, 0.4):
        argv = [sys.executable, "-c", INSTALL, str(release), str(place)]
        process = subprocess.Popen(argv, env=environment(), process_group=0)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    ready = install.install(release, place)
    assert install.problems(ready) == []
    subprocess.run([install.programs(ready) / "sample"], check=True)
    names = [path.name for path in (place / "releases").iterdir()]
    assert not [name for name in names if ".new." in name]


def test_two_at_once_install_it_once(release, place):
    with ThreadPoolExecutor() as threads:
        both = [threads.submit(install.install, release, place) for _ in range(2)]
        one, other = (each.result() for each in both)
    assert one == other
    assert install.problems(one) == []


def test_a_release_with_a_byte_changed_is_refused(release, place):
    wheel = release / "sample" / "wheels" / "sample-1.0-py3-none-any.whl"
    wheel.write_bytes(b"evil" + wheel.read_bytes()[4:])
    (release / "page" / "evil.js").write_text("evil")
    with pytest.raises(UnitFailed) as told:
        install.install(release, place)
    assert f"sample/wheels/{wheel.name} was changed" in str(told.value)
    assert "page/evil.js is a file that the manifest does not name" in str(told.value)
    assert not [p for p in (place / "releases").iterdir() if p.is_dir()]


def test_a_release_of_another_machine_is_refused(release, place):
    here = manifest.read(release)
    for more in ({"python": "cpython 3.9"}, {"platform": "linux aarch64 musl"}):
        other = msgspec.structs.replace(here, **more)
        manifest.write(release, other)
        statement.write(release, other, "local", None)
        with pytest.raises(UsageError, match="cannot run here: it is for"):
            install.install(release, place)
    assert not place.exists()


def test_a_folder_that_is_no_release_is_refused(tmp_path, place):
    with pytest.raises(UsageError, match="is no release"):
        install.install(tmp_path, place)


def test_what_uv_says_when_it_cannot_install_is_shown(release, place):
    here = manifest.read(release)
    path = "sample/wheels/sample-1.0-py3-none-any.whl"
    (release / path).write_bytes(b"no zip")
    files = here.files | {
        path: manifest.File(
            size=6, sha256=manifest.hashlib.sha256(b"no zip").hexdigest()
        )
    }
    manifest.write(release, msgspec.structs.replace(here, files=files))
    with pytest.raises(SurroundingsError, match="uv cannot install the release in"):
        install.install(release, place)


def test_a_full_disk_is_told_and_the_next_one_goes_on(release, folder):
    with small_disk(folder, "100k") as place:
        with pytest.raises(SurroundingsError) as told:
            install.install(release, place)
        assert "the disk is full" in str(told.value)
        assert "MB are free" in str(told.value)
        subprocess.run(["mount", "-o", "remount,size=50m", place], check=True)
        assert install.problems(install.install(release, place)) == []


def test_a_folder_that_cannot_be_written_is_told(release, folder):
    (folder / "file").write_text("no folder")
    with pytest.raises(SurroundingsError, match="Not a directory.*MB are free"):
        install.install(release, folder / "file")


def test_all_that_are_installed_are_listed_and_the_others_go(release, place):
    ready = install.install(release, place)
    digest = ready.manifest.digest
    (place / "releases" / "half").mkdir()
    (place / "releases" / "odd").mkdir()
    (place / "releases" / "odd" / ".installed").write_text("x")
    assert install.all_installed(place) == [ready]
    install.prune(place, keep=[digest])
    assert install.all_installed(place) == [ready]
    assert not (place / "releases" / "half").exists()
    install.prune(place, keep=[])
    assert install.all_installed(place) == []
    assert not ready.folder.exists()
    assert install.page(place, digest) is None


def test_bytecode_beside_the_sources_is_nobodys_change(release, place):
    ready = install.install(release, place)
    subprocess.run(
        [install.programs(ready) / "python", "-c", "import sample"],
        cwd=install.source(ready),
        env=environment({"PYTHONDONTWRITEBYTECODE": ""}),
        check=True,
    )
    assert list(install.source(ready).glob("__pycache__/*"))
    assert install.problems(ready) == []
    # So it can go from environment to environment as it is.
    other = install.install(ready.folder, place.with_name("production"))
    assert not list(install.source(other).glob("__pycache__/*"))
    assert other.manifest == ready.manifest


def test_one_that_is_being_installed_is_not_removed(release, place):
    ready = install.install(release, place)
    lock = ready.folder.with_name(f".{ready.folder.name}.lock")
    with files.locked(lock):
        install.prune(place, keep=[])
        assert install.installed(place, ready.manifest.digest) == ready


def test_what_a_kill_has_left_is_swept_away(release, place):
    digest = manifest.read(release).digest
    left = place / "releases" / f".{digest[:12]}.new.abcd"
    left.mkdir(parents=True)
    (release / "release.intoto.json").unlink()  # whoever copied it has not minded
    ready = install.install(release, place)
    assert not left.exists() and install.problems(ready) == []
    assert not (ready.folder / "release.intoto.json").exists()


def test_a_release_without_wheels_runs_from_its_sources(release, place):
    here = manifest.read(release)
    shutil.rmtree(release / "sample" / "wheels")
    rest = {p: f for p, f in here.files.items() if "/wheels/" not in p}
    manifest.write(release, msgspec.structs.replace(here, files=rest))
    ready = install.install(release, place)
    assert (install.programs(ready) / "python").exists()
    assert not list(ready.folder.glob("venv/lib/*/site-packages/dep*"))


def test_a_disk_that_uv_fills_is_told_like_any(release, folder):
    with small_disk(folder, "200k") as place:
        with pytest.raises(SurroundingsError) as told:
            install.install(release, place)
        assert install._stands(*half(place, release))
    assert "the disk is full" in str(told.value)
    assert "MB are free" in str(told.value)


def half(place, release):
    found = manifest.read(release)
    return place / "releases" / found.digest[:12], found


def test_a_release_of_a_page_alone_needs_no_environment(release, place):
    here = manifest.read(release)
    shutil.rmtree(release / "sample")
    page = {p: f for p, f in here.files.items() if p.startswith("page/")}
    parts = tuple(part for part in here.components if part.name == "page")
    manifest.write(release, msgspec.structs.replace(here, files=page, components=parts))
    ready = install.install(release, place)
    assert not install.programs(ready).exists()
    assert install.page(place, ready.manifest.digest) == ready.folder / "page" / "page"
    assert install.install(release, place) == ready


def test_a_release_without_a_page_has_none(release, place):
    here = manifest.read(release)
    shutil.rmtree(release / "page")
    rest = {p: f for p, f in here.files.items() if p.startswith("sample/")}
    parts = tuple(part for part in here.components if part.name == "sample")
    manifest.write(release, msgspec.structs.replace(here, files=rest, components=parts))
    ready = install.install(release, place)
    assert install.page(place, ready.manifest.digest) is None


def test_one_component_runs():
    part = manifest.Part(name="app", language="python", tree="t", run=("serve",))
    made = manifest.Manifest(
        schema=1,
        tree="a" * 40,
        python="",
        platform="",
        files={},
        locks={},
        components=(part,),
    )
    assert install.app(made) == part
    both = (part, msgspec.structs.replace(part, name="other"))
    for parts, names in ((both, "app, other"), ((), "none")):
        with pytest.raises(UsageError, match=f"this release has {names} with `run`"):
            install.app(msgspec.structs.replace(made, components=parts))
