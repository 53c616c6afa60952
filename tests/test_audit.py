"""A unit that takes more than it declares is found out, and what it takes is named."""

import subprocess

import pytest

from sametree.units import audit

READS = """
from pathlib import Path
from sample import double


def test_double():
    assert double(2) == 4


def test_{name}():
    root = Path(__file__).parent
    {body}
"""


def declared(sample, *paths):
    listed = ", ".join(f'"{path}"' for path in paths)
    sample.settings(f"""
    [[tool.sametree.components]]
    name = "sample"
    path = "."
    coverage = {{ lines = 0, branches = 0 }}
    inputs = {{ tests = [{listed}] }}
    """)


def reading(sample, body, name="reads"):
    sample.write(
        {
            "test_sample.py": READS.format(name=name, body=body),
            "shared/data.json": "{}\n",
            "shared/helper.py": "answer = 42\n",
        }
    )


@pytest.mark.proof
@pytest.mark.parametrize(
    "body, named",
    [
        ('assert (root / "shared" / "data.json").read_text()', "shared/data.json"),
        ('assert list((root / "shared").glob("*.json"))', "shared"),
        ("from shared import helper; assert helper.answer", "shared/helper.py"),
        (
            "import subprocess, sys; code = \"open('shared/data.json')\";"
            ' assert not subprocess.call([sys.executable, "-c", code], cwd=root)',
            "shared/data.json",
        ),
    ],
    ids=["a file", "a glob", "a module", "a process of its own"],
)
def test_a_test_that_needs_what_is_not_declared_fails_and_names_it(sample, body, named):
    declared(sample, ".", "!shared")
    reading(sample, body)
    plain = sample.nox("-s", "tests")
    assert plain.code == 0, plain
    ran = sample.nox("-s", "tests", "--", "--audit")
    assert ran.code == 1, ran
    assert "looked for what it does not declare:\n" in ran.output
    assert f"  {named}\n" in ran.output
    assert f'"/{named}"' in ran.output
    assert (
        "Traceback (most recent call last)" not in ran.output.split("Session tests")[1]
    )


@pytest.mark.proof
def test_a_test_that_swallows_the_miss_is_found_out_though_it_passes(sample):
    declared(sample, ".", "!shared")
    reading(
        sample,
        "try:\n        (root / 'shared/data.json').read_text()\n"
        "    except OSError:\n        pass",
    )
    ran = sample.nox("-s", "tests", "--", "--audit")
    assert ran.code == 1, ran
    assert "tests(sample) passed, and looked for what it does not declare" in ran.output


@pytest.mark.proof
def test_what_is_declared_is_there_as_it_stands(sample):
    declared(sample, ".", "!shared", "shared/data.json")
    reading(
        sample,
        "import os\n"
        "    assert (root / 'shared' / 'data.json').read_text() == 'changed'\n"
        "    assert os.access(root / 'run.sh', os.X_OK)\n"
        "    assert os.readlink(root / 'link') == 'sample.py'",
    )
    sample.commit()
    sample.write({"shared/data.json": "changed", "run.sh": "#!/bin/sh\n"})
    (sample.root / "run.sh").chmod(0o755)
    (sample.root / "link").symlink_to("sample.py")
    ran = sample.nox("-s", "tests", "--", "--audit")
    assert ran.code == 0, ran
    assert "with its declared inputs alone" in ran.output
    assert (sample.root / "reports" / "sample" / "junit.xml").exists()
    assert not (sample.root / "reports").is_symlink()


@pytest.mark.proof
def test_an_audited_proof_is_one_and_a_plain_one_is_no_audit(sample):
    sample.nox("-s", "lint")
    first = sample.nox("-s", "lint", "--", "--audit")
    assert "with its declared inputs alone" in first.output, first
    again = sample.nox("-s", "lint", "--", "--audit")
    assert "= lint(sample) passed" in again.output
    plain = sample.nox("-s", "lint")
    assert "proven" in plain.output


@pytest.mark.proof
def test_an_audited_build_is_a_build_byte_for_byte(sample):
    def made():
        return {p.name: p.read_bytes() for p in (sample.root / "dist/sample").iterdir()}

    assert sample.nox("-s", "build").code == 0
    plain = made()
    ran = sample.nox("-s", "build", "--", "--audit")
    assert ran.code == 0, ran
    assert made() == plain


@pytest.mark.proof
def test_a_database_is_there_under_audit_too(with_database):
    test = 'import os\n\n\ndef test_url():\n    assert os.environ["DATABASE_URL"]\n'
    with_database.write({"test_url.py": test})
    ran = with_database.nox("-s", "tests", "migrate", "--", "--audit")
    assert "tests(sample)" in ran.output
    assert "tests(sample) was successful" in ran.output or "2 passed" in ran.output
    # What changes a kept database is no matter of declared inputs.
    assert ran.code in (0, 1), ran


@pytest.mark.proof
def test_ctrl_c_and_failures_leave_no_copy_behind(sample, folder):
    scratch = folder / "scratch"
    scratch.mkdir()
    sample.write({"test_sample.py": "def test_no():\n    assert 0\n"})
    env = {"SAMETREE_SCRATCH": str(scratch)}
    ran = sample.nox("-s", "tests", "--", "--audit", env=env)
    assert ran.code == 1
    assert "looked for" not in ran.output
    assert not list(scratch.rglob("audit-*"))


@pytest.mark.proof
def test_a_node_component_is_audited_with_the_packages_it_has(page):
    page.write({"page/.prettierrc": "{}\n"})
    page.commit()
    locked = page.nox("-s", "lock")
    assert locked.code == 0, locked
    ran = page.nox("-s", "lint(page)", "--", "--audit")
    assert ran.code == 0, ran
    assert "with its declared inputs alone" in ran.output
    assert (page.root / "page" / "node_modules").is_dir()
    assert not (page.root / "page" / "node_modules").is_symlink()


@pytest.mark.proof
def test_outside_git_there_is_nothing_to_audit_by(sample):
    subprocess.run(["rm", "-rf", str(sample.root / ".git")], check=True)
    env = {"GIT_CEILING_DIRECTORIES": str(sample.root.parent)}
    ran = sample.nox("-s", "lint", "--", "--audit", env=env)
    assert ran.code == 1
    assert "lint(sample) cannot be audited: outside git" in ran.output


@pytest.mark.parametrize(
    "text, path",
    [
        ("open('{root}/docs/a.json')", "docs/a.json"),
        ("ENOENT: no such file, open '{root}/web/a.ts'", "web/a.ts"),
        ("Cannot find module '../shared/other' from 'page.ts'", "shared/other.js"),
        ("ModuleNotFoundError: No module named 'lib.tools'", "src/lib/tools.py"),
        ("ModuleNotFoundError: No module named 'lib'", "lib/__init__.py"),
        ("ImportError: cannot import name 'x' from 'lib.a' (unknown)", "lib/a.py"),
    ],
)
def test_a_file_is_known_by_how_programs_name_it(text, path):
    others = {path, "docs/unrelated.md", "ab"}
    found = audit._mentioned(text.format(root="/copy/project"), "/copy/project", others)
    assert found == {path}


def test_a_word_in_an_output_is_no_file():
    others = {"LICENSE", "docs/license.txt", "ab"}
    said = "assert 'ab' == 'license'; see docs"
    assert audit._mentioned(said, "/copy", others) == set()
