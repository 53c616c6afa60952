"""Which records are exported, and what is said when there are none?"""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from comparing import failed, record
from repositories import Repository, without_configuration

from sametree import exports, masking, records, trees
from sametree.errors import UsageError

RUN = "20261122T211231-473095"
OLD = "20261121T080000-aaaaaa"


@pytest.fixture
def state(tmp_path):
    """A checkout's state with two runs: an old one of one unit, a new one of two."""
    kept = tmp_path / "project" / ".sametree"
    records.write(kept, record("lint(backend)", run=OLD, **failed()))
    for unit in ("lint(backend)", "tests(backend)"):
        records.write(kept, record(unit, run=RUN, proves=True))
    return kept


def units_of(text):
    return [
        suite.get("name") for suite in ElementTree.fromstring(text).iter("testsuite")
    ]


def refused(*call):
    with pytest.raises(UsageError) as caught:
        exports.export(*call)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_newest_run_is_exported_when_none_is_named(state):
    assert units_of(exports.export(state, "", "", "junit")) == [
        "lint(backend)",
        "tests(backend)",
    ]


def test_a_run_can_be_named(state):
    text = exports.export(state, OLD, "", "junit")
    assert units_of(text) == ["lint(backend)"]
    assert ElementTree.fromstring(text).get("failures") == "1"


@pytest.mark.parametrize("format", exports.FORMATS)
def test_a_unit_can_be_chosen_in_every_format(state, format):
    text = exports.export(state, "", "tests(backend)", format)
    assert "tests(backend)" in text
    assert "lint(backend)" not in text


@pytest.mark.parametrize("format", exports.FORMATS)
def test_the_same_records_give_the_same_text_each_time(state, format):
    assert exports.export(state, "", "", format) == exports.export(
        state, "", "", format
    )


@pytest.mark.parametrize("format", exports.FORMATS)
def test_a_text_can_be_printed_in_any_encoding(state, format):
    records.write(state, record("tests(ä)", run=RUN, **failed("ü ✗ 🙂"), tree="d" * 40))
    text = exports.export(state, RUN, "", format)
    assert text.isascii() and text.endswith("\n")


def test_a_chosen_unit_does_not_make_the_run_a_success(state):
    records.write(state, record("build(backend)", run=RUN, **failed()))
    trace = json.loads(exports.export(state, RUN, "lint(backend)", "otlp"))
    (spans,) = (g["scopeSpans"][0]["spans"] for g in trace["resourceSpans"])
    root, unit = spans[0], spans[1]
    assert root["status"]["code"] == 2
    assert unit["name"] == "lint(backend)" and unit["status"] == {}


def test_a_run_of_which_nothing_can_be_read_is_not_the_newest(state):
    broken = state / "runs" / "20261123T000000-ffffff"
    broken.mkdir()
    (broken / "lint.backend.json").write_text('{"cicd.pipel')
    assert len(units_of(exports.export(state, "", "", "junit"))) == 2
    said = refused(state, broken.name, "", "junit")
    assert f"run {broken.name} has no record that can be read" in said
    assert RUN in said


def test_no_record_at_all_is_explained(tmp_path):
    assert "no run is recorded here yet" in refused(tmp_path, "", "", "otlp")
    assert "`nox` makes the first" in refused(tmp_path, RUN, "", "otlp")


def test_an_unknown_run_is_refused_with_the_newest_known_first(state):
    said = refused(state, "yesterday", "", "otlp")
    assert "there is no run 'yesterday'" in said
    assert f"--run: {RUN}, {OLD}" in said


def test_a_run_leads_nowhere_else(state):
    elsewhere = state / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.json").write_text(records.encode(record("lint(backend)")))
    assert "there is no run" in refused(state, "../elsewhere", "", "otlp")


def test_an_unknown_unit_is_refused_with_those_of_the_run(state):
    said = refused(state, "", "tests", "junit")
    assert f"no record of tests in run {RUN}" in said
    assert "--unit: lint(backend), tests(backend)" in said


def test_an_unknown_format_is_refused_with_the_nearest(state):
    said = refused(state, "", "", "intoto")
    assert "did you mean in-toto?" in said
    assert "otlp, junit, in-toto" in said
    assert "did you mean" not in refused(state, "", "", "zzz")


@pytest.mark.parametrize("format", exports.FORMATS)
def test_a_secret_is_in_no_export(state, format, monkeypatch):
    monkeypatch.setattr(masking, "_mask", masking.Mask(["hunter2hunter2"]))
    said = failed("it said hunter2hunter2", notes=("hunter2hunter2",))
    told = record("tests(backend)", run=RUN, args=("hunter2hunter2",), **said)
    records.write(state, told)
    assert "hunter2" not in exports.export(state, RUN, "tests(backend)", format)


class TestCommit:
    """A statement names the commit only when that is what was tested."""

    @pytest.fixture
    def repository(self, tmp_path, monkeypatch):
        without_configuration(monkeypatch, tmp_path)
        made = Repository(tmp_path / "repository")
        made.write("project/code.py", "print()\n")
        made.write("README", "read me\n")
        made.git("add", ".")
        made.git("commit", "--quiet", "-m", "Begin")
        return made

    def subject(self, repository, place="", **told):
        root = repository.root / place
        state = root / ".sametree"
        revision = repository.git("rev-parse", "HEAD")
        known = {"revision": revision, "tree": trees.tree_id(root), **told}
        records.write(state, record("lint(backend)", run=RUN, proves=True, **known))
        statement = json.loads(exports.export(state, "", "", "in-toto"))
        return {k: v for s in statement["subject"] for k, v in s["digest"].items()}

    @pytest.mark.parametrize("place", ["", "project"])
    def test_a_committed_tree_is_named_with_its_commit(self, repository, place):
        assert self.subject(repository, place) == {
            "gitTree": repository.git("rev-parse", f"HEAD:{place}"),
            "gitCommit": repository.git("rev-parse", "HEAD"),
        }

    def test_a_commit_is_not_named_for_what_is_not_in_it(self, repository):
        repository.write("project/code.py", "print('changed')\n")
        found = self.subject(repository)
        assert list(found) == ["gitTree"]
        assert found["gitTree"] != repository.git("rev-parse", "HEAD:")

    @pytest.mark.parametrize("revision", ["", "e" * 40, "--all", "HEAD^{tree}"])
    def test_a_commit_that_is_not_known_here_is_not_named(self, repository, revision):
        assert list(self.subject(repository, revision=revision)) == ["gitTree"]
