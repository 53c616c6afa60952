"""Declared variables that cannot be what the settings say."""

import pytest

from sametree import settings
from sametree.errors import SettingsError
from sametree.settings.model import Variable


@pytest.fixture
def problems(settings_text):
    """Return a function that says what is wrong with a text of settings."""

    def found(text):
        component = '[[tool.sametree.components]]\nname = "app"\npath = "."\n'
        root = settings_text(f'{component}language = "python"\n{text}')
        with pytest.raises(SettingsError) as caught:
            settings.load(root)
        return caught.value.problems

    return found


def test_variables_are_taken_as_they_are_written(settings_text):
    root = settings_text("""
        [tool.sametree.variables]
        PLAIN = {}

        [tool.sametree.variables.PORT]
        type = "int"
        default = 8080
        defaults = { ci = 80, staging = 81 }
        help = "where it listens"
        """)
    assert settings.load(root).settings.variables == {
        "PLAIN": Variable(),
        "PORT": Variable(
            type="int",
            default=8080,
            defaults={"ci": 80, "staging": 81},
            help="where it listens",
        ),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[tool.sametree.variables.PORT]\ntyp = "int"',
            "line 6: tool.sametree.variables.PORT.typ: unknown key;"
            " did you mean 'type'?",
        ),
        (
            '[tool.sametree.variables]\nPORT = { type = "integer" }',
            "line 6: tool.sametree.variables.PORT.type: invalid enum value 'integer'"
            " (it is 'integer')",
        ),
        (
            "[tool.sametree.variables]\nPORT = 8080",
            "line 6: tool.sametree.variables.PORT: expected a table, got int"
            " (it is 8080)",
        ),
        (
            "[tool.sametree.variables.port]",
            "line 5: tool.sametree.variables.port: expected a string matching regex"
            " '^[A-Z][A-Z0-9_]*$' (it is 'port')",
        ),
        (
            "[tool.sametree.variables.A]\ndefaults = { CI = 'x' }",
            "line 6: tool.sametree.variables.A.defaults.CI: expected a string matching"
            " regex '^[a-z][a-z0-9_-]{0,30}$' (it is 'CI')",
        ),
        (
            "[tool.sametree.variables]\nA.default = 1.5",
            "line 6: tool.sametree.variables.A.default: expected",
        ),
        (
            '[tool.sametree.variables.A]\ntype = "int"\ndefault = "8080"',
            "line 7: tool.sametree.variables.A.default: expected a whole number, such"
            " as 8080 (it is '8080')",
        ),
        (
            '[tool.sametree.variables.A]\ntype = "int"\ndefault = true',
            "line 7: tool.sametree.variables.A.default: expected a whole number",
        ),
        (
            '[tool.sametree.variables.A]\ntype = "bool"\ndefault = 1',
            "line 7: tool.sametree.variables.A.default: expected true or false",
        ),
        (
            "[tool.sametree.variables.A]\ndefault = 8080",
            "line 6: tool.sametree.variables.A.default: expected a text (it is 8080)",
        ),
        (
            '[tool.sametree.variables.A]\ntype = "url"\ndefault = "example.org"',
            "line 7: tool.sametree.variables.A.default: expected an address",
        ),
        (
            '[tool.sametree.variables.A]\ntype = "bool"\ndefaults = { ci = "yes" }',
            "line 7: tool.sametree.variables.A.defaults.ci: expected true or false",
        ),
        (
            '[tool.sametree.variables.A]\ndefault = "a\\u0000b"',
            "line 6: tool.sametree.variables.A.default: holds a NUL",
        ),
        (
            '[tool.sametree.variables.A]\ncomponents = ["ap"]',
            "line 6: tool.sametree.variables.A.components[0]: there is no component"
            " 'ap'; did you mean 'app'?",
        ),
        (
            '[tool.sametree.variables.A]\ncomponents = ["page"]',
            "line 6: tool.sametree.variables.A.components[0]: there is no component"
            " 'page'; known components: app",
        ),
        *(
            (
                f"[tool.sametree.variables.{name}]",
                f"line 5: tool.sametree.variables.{name}: is set by the suite or by the"
                " machine; take another name",
            )
            for name in ("DATABASE_URL", "PATH", "HOME", "CI", "SAMETREE_ANY")
        ),
        (
            "[tool.sametree.variables.TZ]",
            "line 5: tool.sametree.variables.TZ: is the same everywhere (UTC);"
            " remove it",
        ),
    ],
)
def test_a_variable_that_cannot_be_is_told_with_its_line(problems, text, problem):
    (found,) = problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    "key", ['default = "hunter22"', 'defaults = { ci = "hunter22" }']
)
def test_a_secret_has_no_default_and_the_message_does_not_repeat_it(problems, key):
    (found,) = problems(f'[tool.sametree.variables.A]\ntype = "secret"\n{key}')
    assert found.startswith(
        f"line 7: tool.sametree.variables.A.{key.split()[0]}: a secret"
    )
    assert "hunter22" not in found


def test_all_that_is_wrong_is_told_at_once(problems):
    text = """
        [tool.sametree.variables.TZ]
        type = "secret"
        default = "x"
        components = ["no"]
    """
    assert len(problems(text)) == 3


# What a component names


@pytest.mark.parametrize(
    ("depends", "told"),
    [
        ('["ap"]', "there is no component 'ap'; did you mean 'app'?"),
        ('["app"]', "a component depends on itself anyway"),
    ],
)
def test_a_component_depends_on_others_that_exist(settings_text, depends, told):
    root = settings_text(f"""
        [[tool.sametree.components]]
        name = "app"
        path = "."
        language = "python"
        depends = {depends}
        """)
    with pytest.raises(SettingsError) as caught:
        settings.load(root)
    (found,) = caught.value.problems
    assert found == f"line 5: tool.sametree.components[0].depends[0]: {told}"


def test_ci_audits_components_that_exist(problems):
    (found,) = problems('[tool.sametree.ci]\naudited = ["app", "apq"]')
    assert found == (
        "line 6: tool.sametree.ci.audited[1]: there is no component 'apq';"
        " did you mean 'app'?"
    )


def test_inputs_may_be_told_for_any_session(settings_text):
    root = settings_text("""
        [[tool.sametree.components]]
        name = "app"
        path = "."
        language = "python"
        inputs = { own-session = ["src", "!src/made"] }
        """)
    component = settings.load(root).component("app")
    assert component.inputs == {"own-session": ("src", "!src/made")}


def test_inputs_that_are_no_lists_are_told(problems):
    (found,) = problems("[tool.sametree.components.inputs]\ntests = 'src'")
    assert "inputs.tests: expected a list" in found
