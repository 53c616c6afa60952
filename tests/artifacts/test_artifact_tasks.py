"""`invoke artifacts.pack`, `list` and `verify`, as the tasks call them."""

import shutil

import msgspec
import pytest
from packing import CACHE, Shop

from sametree import artifact_tasks, signatures
from sametree.artifacts import install, manifest
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.units import pack, rebuild


def test_pack_says_what_the_release_is(shop, capsys):
    artifact_tasks.pack(shop.project)
    folder = artifact_tasks.find(shop.project)
    said = capsys.readouterr().out
    told = manifest.read(folder)
    for part in (told.digest, told.tree, told.commit[:12], told.python, "not signed"):
        assert part in said
    assert "2 migrations, up to 0002" in said
    assert "nothing yet" in said
    assert f"dist/releases/{told.tree}" in said


def test_the_list_shows_each_release_also_a_broken_one(shop, capsys):
    artifact_tasks.listed(shop.project)
    assert "`nox -s build` makes that of this tree" in capsys.readouterr().out
    shop.sample.write({"notes.txt": "dirty\n"})
    shop.build()
    folder = pack.pack(shop.project)
    broken = folder.with_name("f" * 40)
    shutil.copytree(folder, broken)
    (broken / "release.json").write_text("{}")
    artifact_tasks.listed(shop.project)
    said = capsys.readouterr().out
    digest = manifest.read(folder).digest
    assert f"{folder.name[:12]}  {digest[:12]}  dirty" in said
    assert "ffffffffffff" in said and "cannot be read" in said


def test_verify_checks_the_release_of_this_tree_or_the_one_named(shop, capsys):
    folder = pack.pack(shop.project)
    artifact_tasks.verify(shop.project)
    assert artifact_tasks.find(shop.project, folder.name[:8]) == folder
    assert "every byte is as the manifest" in capsys.readouterr().out
    copy = shop.sample.root.with_name("copy")
    shutil.copytree(folder, copy)
    artifact_tasks.verify(shop.project, str(copy))
    assert str(copy) in capsys.readouterr().out
    ready = install.install(copy, shop.sample.root.with_name("production"))
    artifact_tasks.verify(shop.project, str(ready.folder))
    for number in range(25):
        (copy / f"extra{number:02}").write_text("")
    with pytest.raises(UnitFailed) as told:
        artifact_tasks.verify(shop.project, str(copy))
    assert "extra19 is a file that the manifest does not name" in str(told.value)
    assert "and 5 more" in str(told.value)


def test_verify_asks_settings_whose_signature_counts(shop, monkeypatch):
    private, public = signatures.new_key()
    listed = f'[tool.sametree.ci]\nsigners = ["{public}"]\n'
    shop.sample.settings(listed)
    shop.build()
    monkeypatch.setenv(signatures.VARIABLE, signatures.new_key()[0])
    artifact_tasks.pack(shop.project)
    with pytest.raises(UnitFailed, match="whom settings .ci.signers. do not name"):
        artifact_tasks.verify(shop.project)
    monkeypatch.setenv(signatures.VARIABLE, private)
    artifact_tasks.pack(shop.project)
    artifact_tasks.verify(shop.project)
    monkeypatch.setenv(signatures.VARIABLE, "no key")
    with pytest.raises(SurroundingsError, match="holds no key"):
        artifact_tasks.pack(shop.project)


def test_a_tree_that_was_never_built_has_no_release(shop):
    with pytest.raises(UsageError, match="has no release yet"):
        artifact_tasks.verify(shop.project)
    with pytest.raises(UsageError, match="'abcd' is no release here"):
        artifact_tasks.verify(shop.project, "abcd")
    assert artifact_tasks.find(shop.project).is_dir()  # who deploys has it packed


@pytest.fixture
def plain(sample, registry, firsts):
    """A project of one component, without a page."""
    made = Shop(sample, registry, page=False)
    if (firsts / "wheels").is_dir():
        shutil.copytree(firsts / "wheels", sample.root / CACHE)
    return made


def test_a_release_that_its_tree_does_not_give_is_told_file_by_file(plain, capsys):
    """The real build makes another wheel than the one that lies in dist."""
    plain.build()
    pack.pack(plain.project)
    status = plain.sample.git("status", "--porcelain")
    with pytest.raises(UnitFailed) as told:
        artifact_tasks.verify(plain.project, rebuild=True)
    assert "built again, gives another release" in str(told.value)
    wheel = "sample/wheels/sample-1.0-py3-none-any.whl differs: "
    assert wheel in str(told.value)
    assert "when built again" in str(told.value)
    assert str(told.value).count("differs") == 1
    assert "building sample of tree" in capsys.readouterr().out
    assert plain.sample.git("status", "--porcelain") == status


def test_a_release_can_only_be_built_again_where_its_tree_is(plain, tmp_path):
    plain.build()
    folder = pack.pack(plain.project)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    plain.sample.write({"sample.py": "later = True\n"})
    shutil.rmtree(plain.sample.root / ".git")
    plain.sample.git("init", "--quiet")
    plain.sample.commit("Another history")
    shutil.rmtree(plain.sample.root / ".sametree" / "objects", ignore_errors=True)
    with pytest.raises(UsageError, match="git does not have the tree"):
        artifact_tasks.verify(plain.project, str(copy), rebuild=True)


def test_what_cannot_be_built_again_here_is_told_before_it_is_built(plain):
    here = manifest.read(pack.pack(plain.build().project))
    for more, said in (
        ({"python": "cpython 3.9"}, "cannot be built again here: it is for"),
        ({"components": ()}, "the release has no component sample"),
    ):
        with pytest.raises(UsageError, match=said):
            rebuild.differences(
                plain.project, msgspec.structs.replace(here, **more), print
            )


@pytest.mark.proof
def test_what_nox_builds_is_packed_and_comes_out_the_same_again(plain, capsys):
    ran = plain.sample.nox("-s", "build")
    assert ran.code == 0, ran
    assert "release dist/releases/" in ran.output
    artifact_tasks.verify(plain.project, rebuild=True)
    assert "built again, gives the same bytes" in capsys.readouterr().out
    folder = artifact_tasks.find(plain.project)
    assert {e.unit for e in manifest.read(folder).proofs} == {"build(sample)"}
