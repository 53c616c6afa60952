"""A release has all that runs a tree, the same bytes for the same tree."""

import gzip
import json
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor

import brotli
import pytest
from packing import BUNDLE, wheel

from sametree import signatures
from sametree.artifacts import manifest, verify
from sametree.artifacts import pack as packing
from sametree.errors import SurroundingsError, UsageError
from sametree.surroundings.allowed import KEY
from sametree.units import pack, proving


def files_below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_release_holds_wheels_sources_lock_and_page_of_its_tree(shop):
    folder = pack.pack(shop.project)
    assert folder == shop.sample.root / "dist" / "releases" / folder.name
    assert folder.name == shop.sample.git("rev-parse", "HEAD^{tree}").strip()
    found = manifest.read(folder)
    assert found.tree == folder.name
    assert found.commit == shop.sample.git("rev-parse", "HEAD").strip()
    assert found.python == "cpython " + ".".join(map(str, os.sys.version_info[:2]))
    names = set(found.files)
    assert {"sample/wheels/dep-1.0-py3-none-any.whl", "sample/lock.txt"} <= names
    assert {"sample/source/sample.py", "sample/source/alembic.ini"} <= names
    assert not [n for n in names if n.startswith(("sample/source/page", "suite"))]
    assert found.files["sample/source/serve.sh"].executable
    assert os.access(folder / "sample/source/serve.sh", os.X_OK)
    assert set(found.locks) == {
        *("locks/sample.txt", "locks/build.txt", "page/package-lock.json")
    }
    assert verify.verify(folder) == []


def test_the_manifest_says_how_components_run(shop):
    found = manifest.read(pack.pack(shop.project))
    sample, page = found.components
    assert sample.wheel == "sample-1.0-py3-none-any.whl"
    assert sample.run == ("sample", "--port", "{port}")
    assert (sample.routes, sample.health) == (("/api",), "/ready")
    assert page.tree == shop.sample.git("rev-parse", "HEAD:page").strip()
    assert (page.language, page.run) == ("node", ())


def test_the_manifest_knows_the_migrations_with_their_phases(shop):
    found = manifest.read(pack.pack(shop.project))
    told = [(e.revision, e.phase, e.below) for e in found.revisions]
    assert told == [("0001", "expand", ()), ("0002", "contract", ("0001",))]
    assert found.heads == ("0002",)


def test_text_is_there_compressed_where_that_is_smaller(shop):
    page = pack.pack(shop.project) / "page" / "page"
    script = "assets/index-Bwxj.js"
    plain = BUNDLE[script].encode()
    assert gzip.decompress((page / f"{script}.gz").read_bytes()) == plain
    assert brotli.decompress((page / f"{script}.br").read_bytes()) == plain
    assert (page / f"{script}.gz").read_bytes()[4:8] == bytes(4)  # no time
    small = {path.name for path in page.rglob("*") if path.suffix in (".gz", ".br")}
    assert small == {"index-Bwxj.js.gz", "index-Bwxj.js.br"}


def test_the_same_tree_gives_the_same_bytes(shop):
    folder = pack.pack(shop.project)
    before = files_below(folder)
    shutil.rmtree(folder)
    assert files_below(pack.pack(shop.project)) == before


def test_a_release_that_is_there_is_left_alone(shop):
    folder = pack.pack(shop.project)
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    shutil.rmtree(shop.project.dist / "sample")  # it is not even asked for
    assert pack.pack(shop.project) == folder
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_a_release_that_was_tampered_with_is_made_anew(shop):
    folder = pack.pack(shop.project)
    (folder / "sample/source/sample.py").write_text("evil")
    assert verify.verify(pack.pack(shop.project)) == []


def test_a_source_distribution_beside_the_wheel_is_no_affair_of_the_release(shop):
    (shop.sample.root / "dist" / "sample" / "sample-1.0.tar.gz").write_text("sources")
    shop.keep()
    folder = pack.pack(shop.project)
    before = folder.stat().st_ino
    assert pack.pack(shop.project) == folder and folder.stat().st_ino == before
    assert not [path for path in manifest.read(folder).files if "tar.gz" in path]


def test_a_release_follows_what_was_built_anew(shop):
    before = manifest.read(pack.pack(shop.project)).digest
    shop.build("import dep  # built otherwise\n")
    assert manifest.read(pack.pack(shop.project)).digest != before


def test_a_dirty_tree_is_named_by_its_tree_and_gets_its_commit_later(shop):
    shop.sample.git("checkout", "--quiet", "-b", 'a;rm$HOME`id`&&"x"')
    shop.sample.write({"sample.py": "changed = True\n"})
    shop.build()
    folder = pack.pack(shop.project)
    dirty = manifest.read(folder)
    assert dirty.commit == ""
    assert b"changed" in (folder / "sample/source/sample.py").read_bytes()
    shop.sample.commit("Now it is one")
    assert pack.pack(shop.project) == folder
    clean = manifest.read(folder)
    assert clean.commit == shop.sample.git("rev-parse", "HEAD").strip()
    assert clean.digest == dirty.digest
    assert verify.verify(folder) == []


def test_what_a_laptop_has_of_its_own_is_in_no_release(shop):
    shop.sample.write({".env": "PASSWORD=secret\n", "deep/.env": "X=1\n"})
    shop.build()
    folder = pack.pack(shop.project)
    assert not [path for path in folder.rglob(".env")]


def test_where_a_link_leads_the_file_is(shop):
    root = shop.sample.root
    (root / "linked.py").symlink_to("sample.py")
    (root / "twice.py").symlink_to("linked.py")
    (root / "more").symlink_to("migrations")
    shop.build()
    source = pack.pack(shop.project) / "sample" / "source"
    for name in ("linked.py", "twice.py"):
        assert (source / name).read_text() == (root / "sample.py").read_text()
        assert not (source / name).is_symlink()
    assert (source / "more/versions/one.py").is_file()


@pytest.mark.parametrize(
    "name, target, said",
    [
        ("round", "round", "leads in a circle"),
        ("nothing", "no-such-file", "leads to nothing that git knows"),
        ("inside", ".", "leads in a circle"),
        ("migrations/versions/up", "..", "leads in a circle"),
        ("away", "/etc/hostname", "leads out of the project"),
        ("above", "../outside", "leads out of the project"),
    ],
)
def test_a_link_that_no_release_can_hold_is_refused(shop, name, target, said):
    (shop.sample.root / name).symlink_to(target)
    shop.build()
    with pytest.raises(UsageError, match=said):
        pack.pack(shop.project)
    assert not list((shop.project.dist / "releases").glob("*"))


def test_what_git_was_told_not_to_look_at_is_refused(shop):
    shop.sample.git("update-index", "--assume-unchanged", "sample.py")
    shop.sample.write({"sample.py": "nobody knows me\n"})
    shop.build()
    with pytest.raises(UsageError, match="sample.py is no part of git's tree"):
        pack.pack(shop.project)


def test_a_component_that_was_not_built_is_named(shop):
    (shop.project.state / "built" / "page.json").unlink()
    with pytest.raises(UsageError) as told:
        pack.pack(shop.project)
    assert "page: it was not built yet" in str(told.value)
    assert "sample" not in told.value.problem
    assert "nox -s build" in told.value.cure


def test_what_was_built_of_another_tree_does_not_count(shop):
    shop.sample.write({"sample.py": "later = True\n"})
    with pytest.raises(UsageError, match="sample: it was built of other sources"):
        pack.pack(shop.project)


def test_what_was_built_with_other_settings_does_not_count(shop):
    shop.sample.settings("[tool.sametree.coverage]\nlines = 1\n")
    with pytest.raises(UsageError) as told:
        pack.pack(shop.project)
    assert "page: it was built with other locks, settings or tools" in str(told.value)
    assert "sample: it was built of other sources" in str(told.value)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda dist: (dist / "page/index.html").write_text("x"), "is changed since"),
        (lambda dist: (dist / "page/index.html").unlink(), "is gone since"),
        (lambda dist: (dist / "page/more.html").write_text("x"), "is new since"),
    ],
)
def test_what_was_changed_since_it_was_built_does_not_count(shop, change, said):
    change(shop.project.dist)
    with pytest.raises(UsageError, match=f"page: dist/page/.*{said} it was built"):
        pack.pack(shop.project)


def test_sources_that_change_while_it_is_packed_give_no_release(shop):
    shutil.rmtree(shop.sample.root / ".sametree" / "cache", ignore_errors=True)
    with pytest.raises(SurroundingsError, match="changed while the release was packed"):
        pack.pack(shop.project, lambda line: shop.sample.write({"new.py": line}))
    assert not list((shop.project.dist / "releases").glob("*"))


def test_the_last_component_that_is_built_has_the_release_packed(shop, capsys):
    mark = shop.project.state / "built" / "page.json"
    kept = mark.read_bytes()
    mark.unlink()
    sample, page = shop.project.components
    pack.after_build(shop.project, sample)
    assert capsys.readouterr().out == ""
    mark.write_bytes(kept)
    pack.after_build(shop.project, page)
    said = capsys.readouterr().out
    (folder,) = (shop.project.dist / "releases").iterdir()
    assert f"release dist/releases/{folder.name}  digest" in said
    assert "MB" in said


def test_a_tree_that_git_cannot_tell_has_no_release(shop):
    (shop.sample.root / "inner").mkdir()
    shop.sample.git("init", "--quiet", "inner")
    with pytest.raises(SurroundingsError, match="git cannot tell the tree"):
        pack.pack(shop.project)


def test_a_component_without_a_database_knows_no_migrations(shop):
    pyproject = shop.sample.text("pyproject.toml")
    table = "[tool.sametree.database]"
    assert table in pyproject
    shop.sample.write({"pyproject.toml": pyproject.partition(table)[0]})
    (shop.sample.root / "alembic.ini").unlink()
    shop.build()
    assert manifest.read(pack.pack(shop.project)).revisions == ()


def test_without_a_component_that_runs_there_is_nothing_to_pack(sample):
    from sametree.settings import load

    project = load(sample.root)
    with pytest.raises(UsageError, match="nothing to deploy"):
        pack.pack(project)
    pack.after_build(project, project.components[0])
    assert not (sample.root / "dist").exists()


def test_outside_git_there_is_no_release(shop):
    shutil.rmtree(shop.sample.root / ".git")
    with pytest.raises(UsageError, match="outside git"):
        pack.pack(shop.project)


def test_a_build_that_made_no_wheel_is_told(shop):
    wheels = shop.project.dist / "sample"
    wheel(wheels, "another")
    shop.keep()
    with pytest.raises(UsageError, match="another-1.0.*sample-1.0"):
        pack.pack(shop.project)


def test_a_build_that_made_nothing_is_told(shop):
    shutil.rmtree(shop.project.dist / "sample")
    shop.keep()
    with pytest.raises(UsageError, match="should have made one wheel; it made none"):
        pack.pack(shop.project)


def test_a_page_that_wants_to_run_is_refused(shop):
    pyproject = shop.sample.text("pyproject.toml")
    page = 'name = "page"\n'
    running = pyproject.replace(page, f'{page}run = ["node", "server.js"]\n')
    shop.sample.write({"pyproject.toml": running})
    with pytest.raises(UsageError, match="a release runs Python; of a Node component"):
        pack.pack(shop.project)


def test_a_component_without_a_build_runs_from_its_sources(shop):
    pyproject = shop.sample.text("pyproject.toml")
    begin, end = pyproject.index("[build-system]"), pyproject.index("[project]")
    shop.sample.write({"pyproject.toml": pyproject[:begin] + pyproject[end:]})
    shop.build()
    shutil.rmtree(shop.project.dist / "sample")
    found = manifest.read(pack.pack(shop.project))
    assert found.components[0].wheel == ""
    assert "sample/wheels/dep-1.0-py3-none-any.whl" in found.files


def test_two_at_once_make_one_release(shop):
    with ThreadPoolExecutor() as threads:
        one, other = threads.map(pack.pack, [shop.project, shop.project])
    assert one == other
    assert verify.verify(one) == []
    assert [path.name for path in one.parent.iterdir()] == [one.name]


def test_what_a_kill_has_left_is_swept_away(shop):
    left = shop.project.dist / "releases" / ".0123.new.abcd"
    left.mkdir(parents=True)
    pack.pack(shop.project)
    assert not left.exists()


def test_the_newest_releases_are_kept(shop):
    releases = shop.project.dist / "releases"
    for number in range(7):
        old = releases / (str(number) * 40)
        old.mkdir(parents=True)
        os.utime(old, (1e9 + number, 1e9 + number))
    folder = pack.pack(shop.project)
    kept = sorted(path.name for path in releases.iterdir())
    assert kept == sorted([folder.name, *(str(number) * 40 for number in (3, 4, 5, 6))])


def test_a_full_disk_leaves_no_release_and_says_so(tmp_path):
    with pytest.raises(SurroundingsError, match="No space left.*MB are free"):
        with packing.making(tmp_path / "releases", "a" * 40) as made:
            (made / "file").write_text("half")
            raise OSError(28, os.strerror(28), str(made / "file"))
    assert list((tmp_path / "releases").iterdir()) == []


def test_a_build_may_only_leave_plain_files(tmp_path):
    (tmp_path / "file").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="file is no plain file"):
        packing.files_of(tmp_path)


def test_a_component_that_depends_on_itself_is_refused(tmp_path, registry):
    own = wheel(registry, "dep")
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    with pytest.raises(UsageError, match="is built here, and lock.txt names it too"):
        packing.add_python(
            tmp_path / "made",
            wheel=own,
            wheels=registry,
            lock=lock,
            source=lambda into: None,
        )


def test_wheels_are_never_writable_through_the_page_of_a_release(shop):
    """What is linked is checked by hash whenever it is used: the cache heals itself."""
    folder = pack.pack(shop.project)
    kept = folder / "sample/wheels/dep-1.0-py3-none-any.whl"
    kept.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with kept.open("ab") as file:
        file.write(b"tampered")
    assert verify.verify(folder)
    assert verify.verify(pack.pack(shop.project)) == []


# --- Which release is meant


def test_a_release_is_found_by_folder_tree_and_digest(shop):
    folder = pack.pack(shop.project)
    digest = manifest.read(folder).digest
    root = shop.sample.root
    for name in (str(folder), f"dist/releases/{folder.name}", folder.name[:6], digest):
        assert packing.find(folder.parent, name, root) == folder


def test_a_name_that_is_no_release_lists_those_there_are(shop, tmp_path):
    folder = pack.pack(shop.project)
    shutil.copytree(folder, folder.with_name(folder.name[:39] + "x"))
    broken = folder.with_name("f" * 40)
    broken.mkdir()
    with pytest.raises(UsageError, match="is the beginning of more than one"):
        packing.find(folder.parent, folder.name[:8], tmp_path)
    with pytest.raises(UsageError) as told:
        packing.find(folder.parent, "no$(such)", tmp_path)
    assert f"tree {folder.name[:12]}" in str(told.value)
    assert "ffff" in str(told.value)
    with pytest.raises(UsageError, match="there is\n  none"):
        packing.find(tmp_path / "nothing", "abcd", tmp_path)


# --- Who vouches for it


def test_a_statement_is_signed_once_there_is_a_key(shop, monkeypatch):
    folder = pack.pack(shop.project)
    assert str(verify.signed(folder)) == "not signed"
    private, public = signatures.new_key()
    monkeypatch.setenv(KEY, private)
    pack.pack(shop.project)
    assert verify.signed(folder, [public]).kind == "known"
    assert verify.verify(folder, [public]) == []
    before = (folder / manifest.STATEMENT).read_bytes()
    assert private.encode() not in before
    monkeypatch.delenv(KEY)  # another machine leaves it as it was signed
    pack.pack(shop.project)
    assert (folder / manifest.STATEMENT).read_bytes() == before


def test_a_statement_that_was_lost_or_changed_is_written_anew(shop):
    folder = pack.pack(shop.project)
    statement = folder / manifest.STATEMENT
    statement.unlink()
    pack.pack(shop.project)
    told = json.loads(statement.read_text())
    told["subject"][0]["digest"]["sha256"] = "0" * 64
    statement.write_text(json.dumps(told))
    pack.pack(shop.project)
    assert verify.verify(folder) == []


def test_a_project_without_proofs_has_none(shop):
    assert proving.proofs_of(shop.project, "0" * 40) == []
    assert manifest.read(pack.pack(shop.project)).proofs == ()
