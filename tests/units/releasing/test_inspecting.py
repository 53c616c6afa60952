"""What may not be published is found in the files, and told with its reason."""

import io
import tarfile
import zipfile

import pytest

from sametree.errors import UnitFailed
from sametree.units.releasing import inspecting

METADATA = "Metadata-Version: 2.1\nName: shop\nVersion: {version}\n"


def wheel(folder, files=(), version="1.0", metadata=True):
    """Make a wheel with one package, and more ``files``."""
    path = folder / "shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for name in files or ("shop/__init__.py",):
            made.writestr(name, "")
        if metadata:
            text = METADATA.format(version=version)
            made.writestr("shop-1.0.dist-info/METADATA", text)
            made.writestr("shop-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    return path


def sdist(folder, files=(), version="1.0"):
    """Make an sdist with ``files`` beside its metadata."""
    path = folder / "shop-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        for name in ("PKG-INFO", *files):
            raw = METADATA.format(version=version).encode()
            told = tarfile.TarInfo(f"shop-1.0/{name}")
            told.size = len(raw)
            made.addfile(told, io.BytesIO(raw))
    return path


def wrong(path, version="1.0"):
    return list(inspecting.contents(path, version))


def test_nothing_is_wrong_with_what_is_right(tmp_path):
    assert wrong(wheel(tmp_path)) == []
    assert wrong(wheel(tmp_path, version="1.0.0")) == []  # the same, by PEP 440
    assert wrong(sdist(tmp_path, ["shop/__init__.py", "tests/test_shop.py"])) == []


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (["shop/__init__.py", "shop/.env"], "it holds shop/.env"),
        (["shop/__init__.py", "shop/__pycache__/x.pyc"], "it holds shop/__pycache__"),
        (["shop/__init__.py", "../outside.py"], "../outside.py leads out of it"),
        (
            ["shop/__init__.py", "tests/test_shop.py"],
            "tests/ would be installed beside",
        ),
    ],
)
def test_what_a_wheel_may_not_hold(tmp_path, files, why):
    assert any(why in each for each in wrong(wheel(tmp_path, files)))


def test_many_leaked_files_are_counted(tmp_path):
    files = ["shop/__init__.py", *(f"shop/.git/{n}" for n in range(9))]
    assert any("and 4 more" in each for each in wrong(wheel(tmp_path, files)))


def test_what_has_no_metadata_is_none(tmp_path):
    unreadable = "it has no metadata, or cannot be read"
    assert wrong(wheel(tmp_path, metadata=False)) == [unreadable]
    broken = tmp_path / "shop-1.0.tar.gz"
    broken.write_bytes(b"no archive")
    assert wrong(broken) == [unreadable]
    other = sdist(tmp_path).rename(tmp_path / "other-1.0.tar.gz")
    assert wrong(other) == [unreadable]


@pytest.mark.parametrize("version", ["1.1", "one"])
def test_another_version_in_the_metadata_is_told(tmp_path, version):
    for path in (wheel(tmp_path, version=version), sdist(tmp_path, version=version)):
        assert f"its metadata say version {version}, and not 1.0" in wrong(path)


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    paths = [wheel(tmp_path, version="2"), sdist(tmp_path, ["id_rsa"])]
    with pytest.raises(UnitFailed) as caught:
        inspecting.inspect(None, "api", "1.0", paths)
    said = str(caught.value)
    assert "the files of api may not be published" in said
    assert "its metadata say version 2" in said and "id_rsa" in said


def test_a_wheel_without_a_package_is_told(tmp_path):
    path = wheel(tmp_path, ["shop-1.0.dist-info/more"])
    assert "it has no package: nothing could be imported" in wrong(path)


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("shop_api-1.0-py3-none-any.whl", "shop-api"),
        ("shop_api-1.0rc1.tar.gz", "shop-api"),
        ("Shop.API-1.0.tar.gz", "shop-api"),
    ],
)
def test_a_file_tells_its_project(name, project):
    assert inspecting.project_of(name) == project
