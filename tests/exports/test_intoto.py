"""Does a statement attest what happened to a tree, and never more?"""

from __future__ import annotations

import json

import pytest
from comparing import COMMIT, TREE, failed, record

from sametree.errors import UsageError
from sametree.exports import intoto

URL = "https://github.com/acme/maria/actions/runs/18837"


def passing(unit="tests(backend)", place="local", **more):
    return record(unit, place, **{"proves": True, **more})


def predicate_of(*found):
    return json.loads(intoto.text(found))["predicate"]


def names_in(predicate):
    return tuple(predicate[f"{kind}Tests"] for kind in ("passed", "warned", "failed"))


def test_a_statement_has_the_fields_of_the_specification():
    statement = json.loads(intoto.text([passing(place="github")], COMMIT))
    assert statement == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "tree", "digest": {"gitTree": TREE}},
            {"name": "commit", "digest": {"gitCommit": COMMIT}},
        ],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": "PASSED",
            "configuration": [
                {"name": "ci/locks/lint.txt", "digest": {"sha256": "7" * 64}}
            ],
            "url": URL,
            "passedTests": ["tests(backend)"],
            "warnedTests": [],
            "failedTests": [],
        },
    }


def test_the_subject_is_the_tree_alone_when_no_commit_has_it():
    (subject,) = json.loads(intoto.text([passing()]))["subject"]
    assert subject["digest"] == {"gitTree": TREE}


@pytest.mark.parametrize("result", ["failure", "error", "timeout", "cancellation"])
def test_what_did_not_pass_failed(result):
    bad = record("lint(backend)", result=result)
    predicate = predicate_of(passing(), bad)
    assert predicate["result"] == "FAILED"
    assert names_in(predicate) == (["tests(backend)"], [], ["lint(backend)"])


def test_a_unit_that_passed_without_a_proof_is_a_warning():
    unsure = passing("lint(backend)", proves=False)
    predicate = predicate_of(passing(), unsure)
    assert predicate["result"] == "WARNED"
    assert names_in(predicate) == (["tests(backend)"], ["lint(backend)"], [])


def test_a_failure_outweighs_a_warning():
    unsure = passing("lint(backend)", proves=False)
    predicate = predicate_of(unsure, record("build(backend)", **failed()))
    assert predicate["result"] == "FAILED"


def test_a_proven_unit_passed_and_one_skipped_for_no_reason_did_not():
    proven = record("a", result="skip", proof="R1")
    unknown = record("b", result="skip")
    assert names_in(predicate_of(proven, unknown)) == (["a"], ["b"], [])


def test_a_unit_with_arguments_is_another_test():
    chosen = passing(args=("-k", "two words"))
    assert names_in(predicate_of(chosen))[0] == ["tests(backend) -- -k 'two words'"]


def test_configuration_is_each_lock_and_root_file_once():
    parts = {
        "input:pyproject.toml": f"100644 {'1' * 40}",
        "input:noxfile.py": f"100755 {'2' * 40}",
        "input:app": f"040000 {'3' * 40}",
        "input:app/backend/setup.cfg": f"100644 {'4' * 40}",
        "input:link": f"120000 {'5' * 40}",
        "input:gone.toml": "missing",
        "lock:ci/locks/gone.txt": "missing",
    }
    both = (passing(parts=parts), passing("lint(backend)", parts=parts))
    assert predicate_of(*both)["configuration"] == [
        {"name": "ci/locks/lint.txt", "digest": {"sha256": "7" * 64}},
        {"name": "noxfile.py", "digest": {"gitBlob": "2" * 40}},
        {"name": "pyproject.toml", "digest": {"gitBlob": "1" * 40}},
    ]


def test_the_address_is_left_out_where_there_is_none_or_more_than_one():
    assert "url" not in predicate_of(passing())
    both = (passing("a", url="https://a/1"), passing("b", url="https://a/2"))
    assert "url" not in predicate_of(*both)


@pytest.mark.parametrize("tree", ["", "abc", "D" * 40, "d" * 41])
def test_without_a_known_tree_nothing_is_attested(tree):
    with pytest.raises(UsageError, match=r"lint\(backend\) names no git tree"):
        intoto.text([passing(), passing("lint(backend)", tree=tree)])


def test_units_of_two_trees_are_not_attested_together():
    with pytest.raises(UsageError) as caught:
        intoto.text([passing("a"), passing("b", tree="e" * 64)])
    said = str(caught.value)
    assert f"a of {'d' * 12}, b of {'e' * 12}" in said
    assert "--unit" in said
