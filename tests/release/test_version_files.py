"""A component's version is changed where it stands, and nothing else is."""

import tomllib

import pytest

from sametree.errors import UsageError
from sametree.release import version_files

PLAIN = """\
# Ours.
[build-system]
requires = ["hatchling>=1"]
version = "not this one"

[project]
name = "api"   # a name
version = "0.1.0"  # as of the last release
description = '''
version = "0.1.0"
'''

[tool.other]
version = "0.1.0"
"""
HATCH = """\
[project]
name = "api"
dynamic = ["version"]

[tool.hatch.version]
path = "src/api/__init__.py"
"""


def reader(**files):
    """Return what reads these files of a commit."""

    def read(path):
        try:
            return files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    return read


def refused(files, folder="api"):
    with pytest.raises(UsageError) as caught:
        version_files.changed(reader(**files), folder, "1.2.0")
    assert caught.value.cure
    return str(caught.value)


def test_only_the_version_of_the_project_changes():
    read = reader(**{"api/pyproject.toml": PLAIN})
    assert version_files.current(read, "api") == "0.1.0"
    made = version_files.changed(read, "api", "1.2.0")
    line = 'version = "0.1.0"  # as of'
    expected = PLAIN.replace(line, 'version = "1.2.0"  # as of')
    assert made == {"api/pyproject.toml": expected}


@pytest.mark.parametrize("folder", [".", ""])
def test_the_component_may_be_the_whole_repository(folder):
    read = reader(**{"pyproject.toml": PLAIN})
    assert list(version_files.changed(read, folder, "1.2.0")) == ["pyproject.toml"]


def test_the_same_version_changes_nothing():
    read = reader(**{"pyproject.toml": PLAIN})
    assert version_files.changed(read, ".", "0.1.0") == {"pyproject.toml": PLAIN}


@pytest.mark.parametrize(
    "text",
    [
        '[project]\r\nname = "a"\r\nversion = "0.1.0"\r\n',
        "[project]\nversion='0.1.0'",
        '[project]\n"version"\t=\t"0.1.0"\nname = "a"\n',
        'project.name = "a"\nproject.version = "0.1.0"\n',
        '[ project ]\nversion = "0.1.0"\n[[project.authors]]\nname = "version"\n',
        '[tool.a]\nversion = "0.1.0"\n[project.urls]\nversion = "0.1.0"\n'
        '[project]\nversion = "0.1.0"\n',
    ],
)
def test_the_line_is_found_however_it_is_written(text):
    made = version_files.changed(reader(**{"pyproject.toml": text}), ".", "1.2.0")
    new = made["pyproject.toml"]
    assert tomllib.loads(new)["project"]["version"] == "1.2.0"
    assert len(new) == len(text)
    assert sum(a != b for a, b in zip(new, text, strict=True)) == 2
    assert new.count("\r\n") == text.count("\r\n")


@pytest.mark.parametrize(
    "code",
    [
        '"""Api."""\n__version__ = "0.1.0"\n',
        "VERSION='0.1.0'\r\n",
        '__version__: str = "v0.1.0"  # now\nother = "0.1.0"\n',
    ],
)
def test_hatchling_reads_it_from_the_code(code):
    files = {"api/pyproject.toml": HATCH, "api/src/api/__init__.py": code}
    assert version_files.current(reader(**files), "api") == "0.1.0"
    made = version_files.changed(reader(**files), "api", "1.2.0")
    assert made == {"api/src/api/__init__.py": code.replace("0.1.0", "1.2.0", 1)}


def test_a_pattern_of_ones_own_counts():
    pattern = "pattern = 'v is (?P<version>[0-9.]+)'\n"
    files = {
        "api/pyproject.toml": HATCH + pattern,
        "api/src/api/__init__.py": "# v is 0.1.0\n",
    }
    made = version_files.changed(reader(**files), "api", "1.2.0")
    assert made == {"api/src/api/__init__.py": "# v is 1.2.0\n"}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "api/pyproject.toml is not in the commit"),
        ({"api/pyproject.toml": "= 1"}, "api/pyproject.toml is no TOML"),
        ({"api/pyproject.toml": "[tool.x]\n"}, "has no [project]"),
        ({"api/pyproject.toml": '[project]\nname = "a"\n'}, "it has none"),
        (
            {"api/pyproject.toml": '[project]\ndynamic = ["version"]\n'},
            "does not say which version it is: it is dynamic",
        ),
        (
            {
                "api/pyproject.toml": HATCH.replace("path =", "source = 'vcs'\npath ="),
                "api/src/api/__init__.py": '__version__ = "0.1.0"\n',
            },
            "it is dynamic",
        ),
        (
            {"api/pyproject.toml": 'project = { name = "a", version = "0.1.0" }\n'},
            "cannot be changed as it is written",
        ),
        (
            {"api/pyproject.toml": '[project]\nversion = """0.1.0"""\n'},
            "cannot be changed as it is written",
        ),
        ({"api/pyproject.toml": "[project]\nversion = 1\n"}, "none that is text"),
        ({"api/pyproject.toml": "[project]\ndynamic = 1\n"}, "none that is text"),
        (
            {
                "api/pyproject.toml": '[project]\ndynamic = ["version"]\n[tool]\nhatch = 1'
            },
            "it is dynamic",
        ),
        (
            {"api/pyproject.toml": HATCH.replace("src/api/__init__.py", "")},
            "it is dynamic",
        ),
        (
            {
                "api/pyproject.toml": HATCH + "pattern = '(?P<version>x)?y'\n",
                "api/src/api/__init__.py": "y\n",
            },
            "does not say it",
        ),
        ({"api/pyproject.toml": HATCH}, "`git add api/src/api/__init__.py`"),
        (
            {"api/pyproject.toml": HATCH, "api/src/api/__init__.py": "x = 1\n"},
            "does not say it",
        ),
        (
            {"api/pyproject.toml": HATCH.replace("src/", "../../")},
            "../api/__init__.py, which has the version ([tool.hatch.version] path), is"
            " outside of the repository",
        ),
        (
            {
                "api/pyproject.toml": HATCH + "pattern = '('\n",
                "api/src/api/__init__.py": "",
            },
            "pattern '(' is none: missing )",
        ),
        (
            {
                "api/pyproject.toml": HATCH + "pattern = 'x'\n",
                "api/src/api/__init__.py": "",
            },
            "pattern 'x' has no group `version`",
        ),
    ],
)
def test_a_version_that_a_release_cannot_change_is_refused(files, why):
    assert why in refused(files)


@pytest.mark.parametrize("version", ["1.0+ours", "one", ""])
def test_a_version_that_no_index_takes_is_refused(version):
    text = f'[project]\nversion = "{version}"\n'
    with pytest.raises(UsageError, match="cannot be released"):
        version_files.current(reader(**{"pyproject.toml": text}), ".")


def test_the_version_that_is_there_gets_its_normal_form():
    text = '[project]\nversion = "1.0-RC.1"\n'
    assert version_files.current(reader(**{"pyproject.toml": text}), ".") == "1.0rc1"
