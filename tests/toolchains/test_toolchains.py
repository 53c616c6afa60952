"""What every language's toolchain offers."""

import pytest

from sametree import toolchains
from sametree.toolchains import node, python


@pytest.mark.parametrize(("language", "module"), [("python", python), ("node", node)])
def test_a_language_has_its_toolchain(language, module):
    assert toolchains.of(language) is module


def test_a_language_that_is_not_known_has_none():
    with pytest.raises(KeyError):
        toolchains.of("ruby")


def test_what_mends_the_format_is_ready_to_paste(place):
    assert place(name="web").format_command == "nox -s 'format(web)'"


@pytest.mark.parametrize("module", [python, node])
def test_a_lint_step_says_whose_output_it_is(place, module):
    tools = frozenset({"mypy", "prettier", "eslint", "tsc"})
    steps = module.lint(place(tools=tools))
    assert len(steps) == 3
    assert all(step.reader == step.name == step.argv[0] for step in steps)


@pytest.mark.parametrize("module", [python, node])
def test_what_a_formatter_can_mend_says_how(place, module):
    tools = frozenset({"mypy", "prettier", "eslint", "tsc"})
    mends = {step.name: step.mend for step in module.lint(place(tools=tools))}
    formatters = {step.name for step in module.format(place(tools=tools))}
    assert {name for name, mend in mends.items() if mend} == formatters
