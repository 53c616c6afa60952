"""CI's key signs what this CI run did to this commit, and nothing else."""

import msgspec
import pytest
from hubs import of_ci, record

from sametree import fingerprint, signatures
from sametree.sharing import claims, notes
from sametree.units.plan import Job


@pytest.fixture
def key():
    return signatures.new_key()[0]


def reasons(hub, made, key):
    """Push a record with CI's key; return why it was not signed."""
    done = notes.push(hub.first.root, [made], key=key)
    assert done.new == 1
    assert done.signed + sum(done.unsigned.values()) == 1
    return list(done.unsigned)


def test_what_this_run_did_to_this_commit_is_signed(hub, on_github, key):
    assert reasons(hub, of_ci(hub.first), key) == []


def test_a_record_of_another_run_is_not_signed(hub, on_github, key):
    other = "https://github.example/o/r/actions/runs/8"
    told = ({"url": other}, {"url": ""}, {"place": "ci"})
    found = [of_ci(hub.first, **each) for each in told]
    done = notes.push(hub.first.root, found, key=key)
    assert done.unsigned == {"made in another run, as the record says": 3}


def test_a_record_of_another_commit_is_not_signed(hub, on_github, key):
    made = of_ci(hub.first)
    hub.first.write("app.py", "print(3)\n")
    hub.first.commit()
    (reason,) = reasons(hub, made, key)
    assert "another commit" in reason


INPUTS = {
    "an input that another commit has": {"input:app.py": f"100644 {'1' * 40}"},
    "an input with another mode": {"input:app.py": "100755 {app}"},
    "an input that is not in the commit": {"input:gone.py": f"100644 {'1' * 40}"},
    "an input that is there": {"input:sub": "missing"},
    "an input told beside git": {"input:app.py": "100644 {app} 123abc"},
    "an input that is a link to outside": {"input:else": " leads outside"},
    "a lock that another commit has": {"lock:locks/tests.txt": "2" * 64},
    "a lock that is there": {"lock:locks/tests.txt": "missing"},
    "a lock that is not in the commit": {"lock:locks/lint.txt": "2" * 64},
    "another suite": {"suite": "3" * 64},
}


def test_a_record_of_other_inputs_is_not_signed(hub, on_github, key):
    app = hub.first.git("rev-parse", "HEAD:app.py")
    found = []
    for name, parts in INPUTS.items():
        told = {part: text.replace("{app}", app) for part, text in parts.items()}
        found.append(of_ci(hub.first, name, parts=told))
    done = notes.push(hub.first.root, found, key=key)
    unsigned = {each.record.run for each in notes.known(hub.first.root)}
    assert unsigned == {*INPUTS}
    assert done.unsigned == {"of other inputs than the commit has": len(INPUTS)}


def test_a_fingerprint_of_other_parts_is_not_signed(hub, on_github, key):
    made = of_ci(hub.first, fingerprint=fingerprint.digest({"session": "tests"}))
    (reason,) = reasons(hub, made, key)
    assert "fingerprint of other parts" in reason


def test_locks_that_are_missing_are_so_in_the_commit(hub, on_github, key):
    parts = {"lock:lint": "missing", "lock:locks/gone.txt": "missing"}
    assert reasons(hub, of_ci(hub.first, parts=parts), key) == []


def test_a_repository_inside_may_have_its_own_tree(hub, on_github, key):
    inner = hub.first.git("rev-parse", "HEAD")
    hub.first.git("update-index", "--add", "--cacheinfo", f"160000,{inner},inner")
    hub.first.git("commit", "--quiet", "-m", "Inner")
    parts = {"input:inner": f"160000 {inner} {'4' * 40}"}
    assert reasons(hub, of_ci(hub.first, parts=parts), key) == []


def test_paths_that_are_no_text_are_those_of_the_commit(hub, on_github, key):
    name = "caf\udce9.py"
    (hub.first.root / name).write_text("1\n")
    hub.first.commit()
    blob = hub.first.git("rev-parse", f"HEAD:{name}")
    parts = {f"input:{fingerprint.readable(name)}": f"100644 {blob}"}
    assert reasons(hub, of_ci(hub.first, parts=parts), key) == []


def test_a_project_in_a_subfolder_has_inputs_of_its_own(hub, on_github, key):
    first = hub.first
    parts = {"input:inner.py": f"100644 {first.git('rev-parse', 'HEAD:sub/inner.py')}"}
    made = of_ci(first, parts=parts, tree=first.git("rev-parse", "HEAD:sub"))
    own = {**parts, "session": "tests"}
    made = msgspec.structs.replace(made, parts=own, fingerprint=fingerprint.digest(own))
    done = notes.push(first.root / "sub", [made], key=key)
    assert (done.signed, done.unsigned) == (1, {})


def test_a_laptop_signs_nothing_even_with_the_key(hub, key):
    done = notes.push(hub.first.root, [record(hub.first)], key=key)
    assert (done.new, done.signed) == (1, 0)
    assert list(done.unsigned) == ["made on a laptop"]


def test_ci_without_an_address_signs_what_was_made_in_ci(hub, monkeypatch, key):
    monkeypatch.setenv("CI", "true")
    made = of_ci(hub.first, place="ci", url="")
    assert reasons(hub, made, key) == []


@pytest.mark.parametrize(
    "unit", ["tests(app)", "workflows", "tests(a_b-c.d)", "x(ü é)"]
)
def test_the_artifact_of_a_units_job_is_named_as_the_plan_names_the_job(tmp_path, unit):
    made = Job(unit, True, "").name
    path = tmp_path / f"unit-{made}" / ".sametree" / "runs" / "1" / "unit-x.json"
    told = msgspec.structs.replace(RECORD, unit=unit)
    assert claims.is_of_artifact(told, path.relative_to(tmp_path))
    other = msgspec.structs.replace(RECORD, unit=f"{unit}2")
    assert not claims.is_of_artifact(other, path.relative_to(tmp_path))


RECORD = msgspec.convert(
    {
        "cicd.pipeline.run.id": "1",
        "cicd.pipeline.task.name": "x",
        "cicd.pipeline.task.run.result": "success",
        "started": 1.0,
        "seconds": 1.0,
    },
    type=notes.Record,
)


def test_a_folder_inside_an_artifact_makes_no_other_of_it(tmp_path):
    told = msgspec.structs.replace(RECORD, unit="tests(app)")
    path = tmp_path / "unit-lint-app" / "unit-tests-app" / "runs" / "1" / "x.json"
    assert not claims.is_of_artifact(told, path.relative_to(tmp_path))


def test_outside_of_artifacts_any_unit_may_be(tmp_path):
    assert claims.is_of_artifact(RECORD, tmp_path / "runs" / "1" / "x.json")
