"""Which units CI has to run, and why: asked of a real repository and real records."""

import json
import subprocess
import time

import msgspec
import pytest

from sametree import fingerprint, proofs, records
from sametree.errors import UsageError
from sametree.records import Record
from sametree.settings import load
from sametree.units import identity, plan
from sametree.units.identity import Unit

SETTINGS = """
[tool.sametree.ci]
python = "3.11"
proof-days = 30

[[tool.sametree.components]]
name = "app"
path = "app"

[[tool.sametree.components]]
name = "page"
path = "page"
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name in ("app", "page"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text("[project]\nname = 'x'\n")
        (tmp_path / name / "code.py").write_text("one = 1\n")
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    (tmp_path / "noxfile.py").touch()
    for args in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "One"],
    ):
        subprocess.run(["git", *args], cwd=tmp_path, check=True)
    return load(tmp_path)


def units(project):
    return [
        Unit(name=f"lint({c.name})", kind="lint", component=c)
        for c in project.components
    ]


def by_ci(project, **more):
    """Return the records of a CI run that has proven every unit as it is now."""
    seen = identity.identify(project, units(project))
    elsewhere = {
        "interpreter": "cpython 3.11.99",
        "platform": "elsewhere",
        "tool:uv": "9",
    }
    return [
        Record(
            **{
                "schema": records.SCHEMA,
                "run": "ci-1",
                "unit": unit.name,
                "result": "success",
                "started": time.time() - 7300,
                "seconds": 1.0,
                "place": "github",
                "parts": {**now.parts, **elsewhere},
                "fingerprint": "of another machine",
                "proves": True,
                **more,
            }
        )
        for unit, now in zip(units(project), seen, strict=True)
    ]


def needed(project, trusted):
    return [
        job.unit for job in plan.plan(project, units(project), trusted) if job.needed
    ]


def test_without_a_record_of_ci_all_units_are_jobs(project):
    jobs = plan.plan(project, units(project), [])
    assert [job.needed for job in jobs] == [True, True]
    assert {job.reason for job in jobs} == {"CI has no proof of it yet"}


def test_a_tree_that_ci_has_proven_has_no_jobs(project):
    jobs = plan.plan(project, units(project), by_ci(project))
    assert not any(job.needed for job in jobs)
    assert jobs[0].reason == "passed 2 h ago on CI (run ci-1)"


def test_another_commit_with_the_same_tree_has_none_either(project):
    trusted = by_ci(project)
    argv = ["git", "-c", "user.name=B", "-c", "user.email=b@b", "commit", "--quiet"]
    subprocess.run([*argv, "--amend", "-m", "Squashed"], cwd=project.root, check=True)
    assert needed(project, trusted) == []


def test_after_a_change_only_the_units_with_that_input_are_jobs(project):
    trusted = by_ci(project)
    (project.root / "app" / "code.py").write_text("one = 2\n")
    jobs = plan.plan(project, units(project), trusted)
    assert [job.unit for job in jobs if job.needed] == ["lint(app)"]
    assert jobs[0].reason == "changed since it passed: app/code.py"


def test_a_revert_is_proven_by_the_record_from_before(project):
    trusted = by_ci(project)
    (project.root / "app" / "code.py").write_text("one = 2\n")
    assert needed(project, trusted)
    (project.root / "app" / "code.py").write_text("one = 1\n")
    assert needed(project, trusted) == []


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"place": "local"}, id="made on a laptop"),
        pytest.param({"result": "failure"}, id="of a failure"),
        pytest.param({"proves": False}, id="that proves nothing"),
        pytest.param({"started": time.time() - 31 * 86400}, id="too old"),
    ],
)
def test_a_record_spares_no_job_that_is(project, more):
    assert needed(project, by_ci(project, **more)) == ["lint(app)", "lint(page)"]


def test_a_record_made_with_another_python_than_cis_spares_no_job(project):
    trusted = [
        msgspec.structs.replace(r, parts={**r.parts, "interpreter": "cpython 3.12.1"})
        for r in by_ci(project)
    ]
    assert needed(project, trusted) == ["lint(app)", "lint(page)"]


def test_a_python_whose_number_begins_alike_is_another(project):
    trusted = [
        msgspec.structs.replace(r, parts={**r.parts, "interpreter": "cpython 3.110.0"})
        for r in by_ci(project)
    ]
    assert needed(project, trusted) == ["lint(app)", "lint(page)"]


def test_a_record_of_one_unit_proves_no_other(project):
    app, page = by_ci(project)
    swapped = [msgspec.structs.replace(app, unit=page.unit)]
    assert needed(project, swapped) == ["lint(app)", "lint(page)"]


def test_a_server_of_ones_own_does_not_change_cis_plan(project, monkeypatch):
    trusted = by_ci(project)
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/own")
    assert needed(project, trusted) == []


def test_outside_git_all_units_are_jobs(project, monkeypatch):
    trusted = by_ci(project)
    (project.root / ".git").rename(project.root / "dot-git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.root.parent))
    jobs = plan.plan(project, units(project), trusted)
    assert {job.reason for job in jobs} == {"outside git"}


def test_a_rehearsal_plans_the_units_and_sessions_it_is_for(project):
    every = units(project) + [
        msgspec.structs.replace(each, name=f"tests({each.component.name})")
        for each in units(project)
    ]
    for named, expected in (
        ("", ["lint(app)", "lint(page)", "tests(app)", "tests(page)"]),
        (" ", ["lint(app)", "lint(page)", "tests(app)", "tests(page)"]),
        ("tests(page) lint(app)", ["lint(app)", "tests(page)"]),
        ("tests  lint(app) tests(page)", ["lint(app)", "tests(app)", "tests(page)"]),
    ):
        found = plan.chosen(every, {"SAMETREE_UNITS": named, "CI": "1", "ACT": "true"})
        assert [unit.name for unit in found] == expected, named


def test_a_unit_that_ci_does_not_have_is_named_with_the_nearest(project):
    for named, cure in (("lint(ap)", r"'lint\(app\)'\?"), ("x", "'lint.app.' 'lint.p")):
        with pytest.raises(UsageError, match=cure):
            plan.chosen(units(project), {"SAMETREE_UNITS": f"lint(app) {named}"})


def test_in_ci_itself_no_unit_can_be_left_out(project):
    for environ in ({"CI": "true"}, {"CI": "true", "ACT": ""}):
        with pytest.raises(UsageError, match="CI has to plan every unit"):
            plan.chosen(units(project), {"SAMETREE_UNITS": "lint", **environ})


def test_the_plan_of_a_part_says_so_and_has_a_matrix_of_it(
    project, tmp_path, monkeypatch, capsys
):
    output = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("SAMETREE_UNITS", "lint(page)")
    monkeypatch.delenv("CI", raising=False)
    plan.run(project, units(project))
    said = capsys.readouterr().out
    assert "lint(app)" not in said and "lint(page)  runs" in said
    assert "1 of 2 units are jobs in CI" in said
    assert "1 left out: SAMETREE_UNITS names the others" in said
    assert output.read_text().startswith('units=[{"unit":"lint(page)"')


def test_the_matrix_has_one_line_each_for_github(project):
    jobs = plan.plan(project, units(project), [])
    told = dict(line.split("=", 1) for line in plan.matrix(jobs).splitlines())
    assert told["any"] == "true"
    assert json.loads(told["units"]) == [
        {"unit": "lint(app)", "name": "lint-app"},
        {"unit": "lint(page)", "name": "lint-page"},
    ]


def test_the_matrix_says_which_jobs_get_the_service(project):
    table = '[tool.sametree.database]\ncomponent = "app"\nservice = "a@sha256:b"\n'
    of_kinds = [
        ("tests", "app"),
        ("migrate", "app"),
        ("lint", "app"),
        ("tests", "page"),
    ]
    for settings, expected in (
        ("", set()),
        (table.replace('service = "a@sha256:b"\n', ""), set()),
        (table, {"tests(app)", "migrate(app)"}),
        (f'{table}tests = "sqlite"\n', {"migrate(app)"}),
    ):
        (project.root / "pyproject.toml").write_text(f"{SETTINGS}\n{settings}")
        made = load(project.root)
        asked = [
            Unit(name=f"{kind}({name})", kind=kind, component=made.component(name))
            for kind, name in of_kinds
        ]
        told = plan.matrix(plan.plan(made, asked, [])).splitlines()[0]
        found = json.loads(told.removeprefix("units="))
        assert len(found) == 4
        assert {each["unit"] for each in found if "database" in each} == expected
        assert all(each.get("database", True) is True for each in found)


def test_the_matrix_of_a_proven_tree_is_empty_and_says_so(project):
    jobs = plan.plan(project, units(project), by_ci(project))
    assert plan.matrix(jobs) == "units=[]\nany=false\n"


def test_only_what_the_tree_says_is_compared(project):
    now, _ = identity.identify(project, units(project))
    kinds = {name.partition(":")[0] for name in fingerprint.source_parts(now.parts)}
    assert kinds <= {"input", "lock", "arguments", "settings", "suite", "session"}


def test_at_home_what_was_proven_here_counts_when_that_is_asked(
    project, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("CI", raising=False)
    asked = units(project)
    out = tmp_path / "plan.json"
    wish = plan.wishes(["--here", f"--out={out}"])
    plan.run(project, asked, wish)
    assert "2 of 2 units have to run" in capsys.readouterr().out
    now = identity.identify(project, asked)[0]
    proven = msgspec.structs.replace(
        by_ci(project)[0], place="local", parts=dict(now.parts)
    )
    proofs.keep(
        project.state,
        msgspec.structs.replace(proven, fingerprint=now.fingerprint),
    )
    plan.run(project, asked, wish)
    said = capsys.readouterr().out
    assert "1 of 2 units have to run" in said and "here (run " in said
    needed = {each["unit"]: each["needed"] for each in json.loads(out.read_bytes())}
    assert needed == {asked[0].name: False, asked[1].name: True}
    monkeypatch.setenv("CI", "true")  # where only CI's own signature counts
    plan.run(project, asked, wish)
    assert "2 of 2 units" in capsys.readouterr().out


@pytest.mark.parametrize("arg", ["--there", "--out", "--out=", "--here=yes"])
def test_what_the_plan_does_not_know_is_refused(arg):
    with pytest.raises(UsageError, match="the plan does not know"):
        plan.wishes([arg])
