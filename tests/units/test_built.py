"""What was built counts for the tree it was built of, as long as it is there."""

import hashlib
import shutil

import pytest

from sametree import proofs, records, settings
from sametree.records import Record
from sametree.units import built, identity
from sametree.units.built import Built
from sametree.units.identity import Unit


@pytest.fixture
def project(sample):
    place = sample.root / "dist" / "sample"
    place.mkdir(parents=True)
    (place / "sample.whl").write_text("built")
    return settings.load(sample.root)


def now(project, *args, python=""):
    component = project.components[0]
    unit = Unit(
        name="build(sample)",
        kind="build",
        component=component,
        args=args,
        python=python,
    )
    return identity.identify(project, [unit])[0]


def keep(project, sources=None):
    component = project.components[0]
    made = project.dist / component.name
    return built.keep(project, component, sources or now(project).sources, made)


def told(project):
    return built.of_tree(project, project.components)["sample"]


def test_what_was_just_built_counts(project):
    assert told(project) == "it was not built yet"
    assert keep(project)
    found = told(project)
    assert isinstance(found, Built)
    assert found.outputs == {"sample.whl": hashlib.sha256(b"built").hexdigest()}
    assert found.sources == now(project).sources


def test_what_was_built_of_sources_that_changed_meanwhile_is_forgotten(project):
    assert keep(project)
    assert not keep(project, "0" * 40)
    assert told(project) == "it was not built yet"


def test_a_mark_that_is_cut_short_counts_as_none(project):
    keep(project)
    (project.state / "built" / "sample.json").write_text('{"sour')
    assert told(project) == "it was not built yet"


def proof(project, *args, python=""):
    """Keep a proof that the component was built, as a session leaves it."""
    seen = now(project, *args, python=python)
    made = built.digests(project.dist / "sample")
    record = Record(
        schema=records.SCHEMA,
        run="r1",
        unit="build(sample)",
        result="success",
        started=1.0,
        seconds=1.0,
        fingerprint=seen.fingerprint,
        parts=dict(seen.parts),
        proves=True,
        outputs={f"dist/sample/{path}": digest for path, digest in made.items()},
    )
    proofs.keep(project.state, record)


def test_the_same_bytes_of_an_earlier_tree_count_by_its_proof(project, sample):
    """There and back: Nox takes the build for proven, so it has to count here, too."""
    proof(project, "--odd", python="3.11")
    before = sample.text("sample.py")
    sample.write({"sample.py": "another = True\n"})
    keep(project)
    sample.write({"sample.py": before.lstrip("\n")})
    found = told(project)
    assert isinstance(found, Built)
    assert found.sources == now(project).sources


def test_a_proof_of_other_bytes_does_not_count(project):
    proof(project)
    (project.dist / "sample" / "sample.whl").write_text("changed")
    assert told(project) == "it was not built yet"
    shutil.rmtree(project.state / "proofs")
    folder = project.state / "proofs" / "build.sample"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{")
    assert told(project) == "it was not built yet"


def test_a_component_without_a_build_has_nothing_to_be_built(project, sample):
    text = sample.text("pyproject.toml")
    sample.write({"pyproject.toml": text[text.index("[project]") :]})
    found = told(settings.load(sample.root))
    assert isinstance(found, Built) and found.outputs == {}
