"""Each of our rules finds what it is for, at its line, and nothing in a good workflow."""

import re

import pytest
from conftest import REPOSITORY
from workflow_texts import CHECKOUT, GOOD, RUNTIME, SHA

from sametree.workflows import document, rules, write
from sametree.workflows.calls import Listing
from sametree.workflows.findings import World

SESSIONS = frozenset({"plan", "tests", "tests(a)", "tests(b)"})
TASKS = frozenset({"records.push"})


def look(text, root=REPOSITORY, kind="workflow", problems={}, texts={}, service=False):
    """Return what our rules find in ``text``: rule, line and text."""
    runtime = document.read("runtime", "action", RUNTIME.encode())
    file = write.WORKFLOW if kind == "workflow" else write.RUNTIME
    found = document.read(file, kind, text.encode())
    world = World(
        root=root,
        listing=Listing(SESSIONS, TASKS, problems),
        actions={".github/actions/runtime": runtime},
        texts=texts,
        service=service,
    )
    each = [one for rule in rules.RULES for one in rule.findings(found, world)]
    assert all(one.reason and one.cure for one in each)
    return [(one.rule, one.line, one.text) for one in each]


def changed(old, new, text=GOOD):
    assert old in text
    return look(text.replace(old, new, 1))


def only(found):
    assert len(found) == 1, found
    return found[0]


def test_a_good_workflow_and_a_good_runtime_have_no_findings():
    assert look(GOOD) == []
    assert look(RUNTIME, kind="action") == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pip install nox && nox -s plan", "is no plain call"),
        ("|\n          nox -s plan\n          nox -s tests", "nox -s plan ..."),
        ("echo done", "`echo done` is no plain call"),
        ("python -c 'print(1)'", "is no plain call"),
        ("exit 1", "is no plain call"),
    ],
)
def test_a_shell_line_of_its_own_is_not_thin(line, said):
    found = changed("run: nox -s plan", f"run: {line}")
    assert ("thin", 13) in [each[:2] for each in found]
    assert said in found[0][2]


def test_two_calls_in_a_job_are_one_too_many():
    two = "run: nox -s plan\n      - run: invoke records.push"
    assert only(changed("run: nox -s plan", two))[:2] == ("thin", 14)


def test_a_job_without_a_call_does_nothing_that_one_could_do_at_home():
    text = (
        f"jobs:\n  a:\n    timeout-minutes: 1\n    steps:\n      - uses: {CHECKOUT}\n"
    )
    assert only(look(text)) == ("thin", 2, "job 'a' calls neither nox nor invoke")


def test_any_other_action_is_not_thin():
    other = f"uses: some/action@{SHA} # v1"
    found = only(changed(f"uses: {CHECKOUT}", other))
    assert found == (
        "thin",
        10,
        "some/action is neither checkout, runtime nor artifacts",
    )


def test_a_machine_with_services_is_not_what_one_has_at_home():
    for key in ("services: {}", "container: debian", "defaults: {}"):
        text = f"timeout-minutes: 5\n    {key}"
        found = only(changed("timeout-minutes: 5", text))
        assert found[:2] == ("thin", 7)
    assert only(changed("name: ci", "defaults: {run: {shell: fish}}"))[:2] == (
        "thin",
        1,
    )


def test_a_job_has_the_one_service_that_settings_ask_for_and_no_other():
    text = GOOD.replace("timeout-minutes: 5", "timeout-minutes: 5\n    HERE", 1)
    asked = text.replace("HERE", "services: {postgres: {image: a}}")
    assert only(look(asked))[:2] == ("thin", 7)
    assert look(asked, service=True) == []
    more = text.replace("HERE", "services: {postgres: {image: a}, redis: {image: b}}")
    assert only(look(more, service=True))[:2] == ("thin", 7)


def test_a_shell_of_its_own_is_a_program():
    found = only(
        changed("run: nox -s plan", "run: nox -s plan\n        shell: perl {0}")
    )
    assert found[:2] == ("thin", 14)
    assert not changed("run: nox -s plan", "run: nox -s plan\n        shell: bash")


def test_a_local_action_sets_a_runtime_up_and_no_more():
    for line in ("npm test", "uv pip install flask", "pip install -r locks/dev.txt"):
        text = RUNTIME.replace(
            "uv pip install --require-hashes -r ci/locks/dev.txt", line
        )
        assert only(look(text, kind="action"))[:2] == ("thin", 7)
    text = RUNTIME.replace("astral-sh/setup-uv", "some/thing")
    assert only(look(text, kind="action"))[:2] == ("thin", 6)
    program = "name: x\nruns:\n  using: node24\n  main: index.js\n"
    assert "a program of its own (node24)" in only(look(program, kind="action"))[2]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("nox -s plan", "nox -s paln", 13, "there is no session 'paln'"),
        ('nox -s "$UNIT"', "inv records.psuh", 23, "there is no task 'records.psuh'"),
        ("$/.github/actions/runtime", "./actions/x", 11, "no action in actions/x"),
        ("UNIT: ", "OTHER: ", 23, "nothing gives the step a variable UNIT"),
        ("${{ matrix.unit }}", "tests(c)", 23, "there is no session 'tests(c)'"),
        ("${{ matrix.unit }}", "${{ inputs.x }}", 23, "that nobody can look up"),
        ("steps.plan.outputs", "github.event", 23, "does not come from a job"),
        ("fromJSON(needs.plan.outputs.units)", "fromJSON(vars.X)", 23, "not come from"),
        ("fromJSON(needs.plan.", "fromJSON(needs.other.", 23, "not come from"),
        ("needs: plan\n", "needs: []\n", 23, "does not come from a job that calls nox"),
    ],
)
def test_what_is_called_exists(old, new, line, said):
    found = [each for each in changed(old, new) if each[0] == "callable"]
    assert only(found)[1] == line
    assert said in found[0][2]


def test_a_matrix_that_is_written_out_is_looked_up():
    matrix = "include: ${{ fromJSON(needs.plan.outputs.units) }}"
    assert changed(matrix, 'unit: ["tests(a)", "tests(b)"]') == []
    found = only(changed(matrix, 'unit: ["tests(a)", "tests(z)"]'))
    assert found[2] == "there is no session 'tests(z)'"
    assert changed(matrix, 'include: [{unit: "tests(a)"}]') == []


def test_a_noxfile_that_cannot_be_listed_is_told_once():
    found = only(look(GOOD, problems={"noxfile.py": "SyntaxError"}))
    assert found == ("callable", 13, "noxfile.py cannot be listed: SyntaxError")


def test_a_job_may_call_a_workflow_that_is_there(tmp_path):
    text = "jobs:\n  a:\n    uses: $/.github/workflows/more.yml\n"
    assert only(look(text, tmp_path))[:2] == ("callable", 3)
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "more.yml").touch()
    assert look(text, tmp_path) == []


def test_every_job_has_a_timeout():
    found = only(changed("    timeout-minutes: 5\n", ""))
    assert found == ("timeout", 4, "job 'plan' has no timeout-minutes")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("needs: [plan, unit]", "needs: [unit]", 28, "does not need plan"),
        ("    if: ${{ always() }}\n", "", 26, "is skipped when"),
        ("always()", "success()", 27, "is skipped when"),
        ("if: ${{ needs.unit.result != 'success' }}", "if: false", 26, "any result"),
        (
            "    needs: plan",
            "    continue-on-error: true\n    needs: plan",
            15,
            "may tell",
        ),
    ],
)
def test_the_gate_runs_always_needs_every_job_and_looks(old, new, line, said):
    found = [each for each in changed(old, new) if each[0] == "gate"]
    assert only(found)[1] == line
    assert said in found[0][2]


def test_a_gate_of_another_name_is_known_by_what_it_does():
    text = GOOD.replace("required:", "all-green:").replace("[plan, unit]", "[unit]")
    assert only(look(text))[:2] == ("gate", 28)


def test_a_job_called_required_is_no_place_for_logic():
    assert ("thin", 33) == changed("run: exit 1", "run: make")[0][:2]
    bare = GOOD.replace(
        "- if: ${{ needs.unit.result != 'success' }}\n        run", "- run"
    )
    assert ("thin", 32) == look(bare)[0][:2]


@pytest.mark.parametrize(
    ("uses", "said"),
    [
        ("actions/checkout@v7", "is taken at 'v7', which can be moved"),
        ("actions/checkout", "is taken at no commit"),
        (f"actions/checkout@{SHA[:12]} # v7", "which can be moved"),
        (f"actions/checkout@{SHA}", "has no comment that tells its version"),
        (f"actions/checkout@{SHA} # because", "has no comment that tells its version"),
    ],
)
def test_actions_are_pinned_by_commit_with_their_version(uses, said):
    found = only(changed(f"uses: {CHECKOUT}", f"uses: {uses}"))
    assert found[:2] == ("pinned", 10)
    assert said in found[2]


def test_a_called_workflow_and_an_image_are_pinned_too():
    text = "jobs:\n  a:\n    uses: o/r/.github/workflows/x.yml@main\n"
    assert only(look(text))[:2] == ("pinned", 3)
    assert look(text.replace("main", f"{SHA} # 1.2")) == []
    image = f"uses: docker://debian@sha256:{'0' * 64}"
    assert [each[0] for each in changed(f"uses: {CHECKOUT}", image)] == ["thin"]
    found = changed(f"uses: {CHECKOUT}", "uses: docker://debian:13")
    assert "pinned" in [each[0] for each in found]


def test_no_expression_stands_in_a_shell_line():
    found = changed("run: nox -s plan", "run: nox -s ${{ inputs.session }}")
    assert ("expression", 13, "an expression stands inside `run`") in found
    action = RUNTIME.replace("dev.txt", "${{ inputs.lock }}")
    assert "expression" in [each[0] for each in look(action, kind="action")]


def test_what_the_settings_would_write_is_compared(tmp_path):
    path = tmp_path / write.WORKFLOW
    path.parent.mkdir(parents=True)
    ours = f"{write.HEADER}\n{GOOD}"
    for own, wanted, lines in (
        (ours, ours, []),
        (ours.replace("timeout-minutes: 5", "timeout-minutes: 9", 1), ours, [7]),
        (GOOD, ours, []),  # a person wrote it
    ):
        path.write_text(own)
        found = look(own, tmp_path, texts={write.WORKFLOW: wanted})
        assert [line for rule, line, _ in found if rule == "drift"] == lines
    shown = look(ours, tmp_path, texts={write.WORKFLOW: ours})
    assert shown == []


def test_a_difference_is_shown_with_the_finding(tmp_path):
    path = tmp_path / write.WORKFLOW
    path.parent.mkdir(parents=True)
    ours = f"{write.HEADER}\n{GOOD}"
    theirs = ours.replace("nox -s plan", "nox -s tests")
    path.write_text(theirs)
    rule, line, text = only(look(theirs, tmp_path, texts={write.WORKFLOW: ours}))
    assert (rule, line) == ("drift", 14)
    assert "-        run: nox -s tests\n+        run: nox -s plan" in text


def test_the_docs_tell_every_rule_as_it_is():
    page = (REPOSITORY / "docs" / "workflows.md").read_text(encoding="utf-8")
    rows = [
        tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    assert [row for row in rows if len(row) == 4] == [
        (f"`{rule.name}`", rule.title, rule.reason, rule.cure) for rule in rules.RULES
    ]
