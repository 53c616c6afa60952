"""What a project is: ``[tool.sametree]`` and a look."""

import re
import tomllib
import typing
from pathlib import Path

import msgspec
import pytest

from sametree import settings
from sametree.errors import SettingsError, UsageError
from sametree.settings import Component, Coverage, Database, Settings, model

REPOSITORY = Path(__file__).parents[2]


def problems(root):
    with pytest.raises(SettingsError) as caught:
        settings.load(root)
    return caught.value.problems


# What is right


def test_a_folder_without_a_pyproject_has_the_defaults(tmp_path):
    project = settings.load(tmp_path)
    assert project.settings == Settings()
    assert project.root == tmp_path.resolve()


def test_a_pyproject_without_the_table_has_the_defaults(settings_text):
    root = settings_text("[tool.black]\nline-length = 100\n")
    assert settings.load(root).settings == Settings()


def test_what_is_written_is_taken(write):
    root = write(
        {
            "pyproject.toml": """
                [tool.sametree]
                main-branch = "trunk"
                locks = "ci/locks"
                coverage = { lines = 90, branches = 70.5 }

                [[tool.sametree.components]]
                name = "api"
                path = "src/api"
                language = "python"
                sources = ["api", "tests"]
                serve = ["flask", "run", "--port", "{port}"]

                [tool.sametree.database]
                component = "api"
                version = 16
                driver = "pg8000"
            """,
            "src/api/app.py": "",
        }
    )
    assert settings.load(root).settings == Settings(
        main_branch="trunk",
        locks="ci/locks",
        coverage=Coverage(lines=90, branches=70.5),
        components=(
            Component(
                name="api",
                path="src/api",
                language="python",
                sources=("api", "tests"),
                serve=("flask", "run", "--port", "{port}"),
            ),
        ),
        database=Database(component="api", version=16, driver="pg8000"),
    )


def test_a_component_that_names_no_language_has_that_of_its_files(write):
    root = write(
        {
            "pyproject.toml": """
                [[tool.sametree.components]]
                name = "page"
                path = "web"
            """,
            "web/package.json": "{}",
        }
    )
    assert settings.load(root).component("page").language == "node"


def test_where_components_are_named_no_others_are_looked_for(write):
    root = write(
        {
            "pyproject.toml": """
                tool.sametree.components = [{ name = "page", path = "web" }]
            """,
            "web/package.json": "{}",
            "other/package.json": "{}",
        }
    )
    assert [each.name for each in settings.load(root).components] == ["page"]


def test_our_own_settings_are_right():
    project = settings.load(REPOSITORY)
    assert {component.name for component in project.components} >= {"suite", "backend"}


# What a project answers


@pytest.fixture
def project(write):
    return settings.load(
        write(
            {
                "pyproject.toml": """
                    [project]
                    name = "all"

                    [tool.sametree]
                    coverage = { lines = 50 }
                    components = [
                      { name = "all", path = ".", coverage = { lines = 99 } },
                      { name = "apps", path = "apps", language = "python" },
                      { name = "web", path = "apps/web" },
                    ]
                    database = { component = "apps" }
                """,
                "apps/web/package.json": "{}",
            }
        )
    )


def test_a_component_is_found_by_its_name(project):
    assert project.component("web").path == "apps/web"
    with pytest.raises(UsageError):
        project.component("nobody")


def test_a_folder_of_a_component_is_below_the_project(project):
    assert project.folder(project.component("web")) == project.root / "apps" / "web"
    assert project.folder(project.component("all")) == project.root


@pytest.mark.parametrize(
    ("name", "nested"),
    [("all", ["apps", "apps/web"]), ("apps", ["web"]), ("web", [])],
)
def test_components_inside_a_component_are_known_relative_to_it(project, name, nested):
    assert project.nested(project.component(name)) == nested


def test_the_gate_of_a_component_comes_before_that_of_the_project(project):
    assert project.gate(project.component("all")) == Coverage(lines=99)
    assert project.gate(project.component("web")) == Coverage(lines=50)


def test_the_database_belongs_to_the_component_that_is_named(project):
    assert project.has_database(project.component("apps"))
    assert not project.has_database(project.component("web"))


def test_what_the_suite_keeps_is_in_the_project(project):
    assert project.state == project.root / ".sametree"


# What is wrong


def test_an_unknown_key_is_named_with_file_line_key_and_the_nearest_valid_key(
    settings_text,
):
    root = settings_text('[project]\nname = "x"\n\n[tool.sametree]\nreport = "out"\n')
    with pytest.raises(SettingsError) as caught:
        settings.load(root)
    message = str(caught.value)
    assert message.startswith("pyproject.toml: ")
    assert "line 5: tool.sametree.report: unknown key; did you mean 'reports'?" in (
        message
    )
    assert "sametree schema" in caught.value.cure


def test_all_problems_are_told_at_once_each_with_its_line(settings_text):
    root = settings_text("""
        [tool.sametree]
        locks = 3
        main-brunch = "main"

        [[tool.sametree.components]]
        name = "Not A Name"
        path = "x"

        [[tool.sametree.components]]
        nam = "y"

        [tool.sametree.database]
        version = 17
        """)
    assert {": ".join(problem.split(": ")[:2]) for problem in problems(root)} == {
        "line 2: tool.sametree.locks",
        "line 3: tool.sametree.main-brunch",
        "line 6: tool.sametree.components[0].name",
        "line 9: tool.sametree.components[1].name",
        "line 9: tool.sametree.components[1].path",
        "line 10: tool.sametree.components[1].nam",
        "line 12: tool.sametree.database.component",
        "line 13: tool.sametree.database.version",
    }


def test_a_component_without_its_folder_is_named_with_its_line(settings_text):
    root = settings_text("""
        [[tool.sametree.components]]
        name = "web"
        path = "wbe"
        language = "node"
        """)
    (problem,) = problems(root)
    assert problem.startswith("line 3: tool.sametree.components[0].path: ")
    assert "'wbe'" in problem


def test_a_component_whose_folder_is_a_file_is_refused(write):
    root = write(
        {
            "pyproject.toml": """
                tool.sametree.components = [{ name = "web", path = "readme.txt" }]
            """,
            "readme.txt": "",
        }
    )
    assert "there is no folder 'readme.txt'" in problems(root)[0]


def test_a_component_whose_language_cannot_be_told_is_refused(write):
    root = write(
        {
            "pyproject.toml": """
                [[tool.sametree.components]]
                name = "web"
                path = "web"
            """,
            "web/index.html": "",
        }
    )
    (problem,) = problems(root)
    assert "components[0].language" in problem
    assert "pyproject.toml or package.json" in problem


def test_two_components_of_one_name_are_refused(write):
    root = write(
        {
            "pyproject.toml": """
                [[tool.sametree.components]]
                name = "web"
                path = "a"

                [[tool.sametree.components]]
                name = "web"
                path = "b"
            """,
            "a/package.json": "{}",
            "b/package.json": "{}",
        }
    )
    (problem,) = problems(root)
    assert problem.startswith("line 6: tool.sametree.components[1].name: 'web'")


@pytest.mark.parametrize(
    ("files", "known"), [({"a/package.json": "{}"}, "a"), ({}, "none")]
)
def test_a_database_of_an_unknown_component_is_refused(write, files, known):
    text = '[tool.sametree.database]\ncomponent = "b"\n'
    (problem,) = problems(write({"pyproject.toml": text, **files}))
    assert problem.startswith("line 2: tool.sametree.database.component: ")
    assert problem.endswith(f"there is {known}")


@pytest.mark.parametrize("text", ["[tool.sametree\n", 'a = "\n', "a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_told_with_the_line(settings_text, text):
    (problem,) = problems(settings_text(text))
    assert problem.startswith("not valid TOML")
    assert "line" in problem


@pytest.mark.parametrize("table", ["3", "[]", '"text"'])
def test_something_else_in_the_place_of_the_table_is_refused(settings_text, table):
    (problem,) = problems(settings_text(f"[tool]\nsametree = {table}\n"))
    assert "expected a table" in problem


def test_something_else_in_the_place_of_all_tools_is_refused(settings_text):
    assert problems(settings_text("tool = 3\n"))


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_bytes(b'name = "Gr\xfc\xdfe"\n')
    assert problems(tmp_path)


# The schema


def tables():
    """Return the types of the settings, by name."""
    found = vars(model).values()
    types = (
        each
        for each in found
        if isinstance(each, type) and each.__module__ == (model.__name__)
    )
    return {each.__name__: each for each in types if each is not model.Table}


def test_the_schema_has_every_key_of_every_table_and_no_other():
    definitions = settings.schema()["$defs"]
    assert {
        name: (set(definition["properties"]), definition["additionalProperties"])
        for name, definition in definitions.items()
    } == {
        name: ({field.encode_name for field in msgspec.structs.fields(table)}, False)
        for name, table in tables().items()
    }


def test_the_schema_requires_what_has_no_default():
    definitions = settings.schema()["$defs"]
    assert definitions["Component"]["required"] == ["name", "path"]
    assert definitions["Database"]["required"] == ["component"]
    assert definitions["Settings"]["required"] == []


def test_the_schema_names_its_dialect_and_what_it_is_of():
    schema = settings.schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "[tool.sametree] of pyproject.toml"


def test_the_schema_allows_the_choices_of_the_types():
    properties = settings.schema()["$defs"]["Database"]["properties"]
    version = typing.get_type_hints(model.Database)["version"]
    assert set(properties["version"]["enum"]) == set(typing.get_args(version))


def test_our_own_settings_are_valid_by_the_schema():
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    schema = settings.schema()
    assert invalid(tomllib.loads(text)["tool"]["sametree"], schema, schema) == []


@pytest.mark.parametrize(
    "table",
    [
        {"report": "out"},
        {"coverage": {"lines": 101}},
        {"components": [{"name": "Web", "path": "."}]},
        {"components": [{"name": "web"}]},
        {"components": [{"name": "web", "path": ".", "language": "ruby"}]},
        {"database": {"component": "web", "version": 17}},
        {"locks": 3},
    ],
)
def test_what_load_refuses_is_invalid_by_the_schema(table):
    schema = settings.schema()
    assert invalid(table, schema, schema)


def invalid(value, schema, root):
    """Return what of ``value`` is invalid: the few words of JSON Schema that we use."""
    if "$ref" in schema:
        return invalid(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        tried = [invalid(value, option, root) for option in schema["anyOf"]]
        return [] if [] in tried else tried[0]
    if "enum" in schema:
        return [] if value in schema["enum"] else [value]
    if schema["type"] == "object":
        if "properties" not in schema:  # a table with names of one's own
            each = schema["additionalProperties"]
            return [bad for item in value.values() for bad in invalid(item, each, root)]
        known = schema["properties"]
        missing = [key for key in schema["required"] if key not in value]
        unknown = [key for key in value if key not in known]
        return [
            *(missing + unknown),
            *(
                wrong
                for key in value.keys() & known.keys()
                for wrong in invalid(value[key], known[key], root)
            ),
        ]
    if schema["type"] == "array":
        return [
            wrong for item in value for wrong in invalid(item, schema["items"], root)
        ]
    kinds = {"string": str, "number": (int, float), "null": type(None)}
    if not isinstance(value, kinds[schema["type"]]):
        return [value]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [value]
    if "maximum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        return [value]
    return []


@pytest.mark.parametrize("key", ["reports", "dist", "locks"])
@pytest.mark.parametrize("place", [".", "", "..", "../outside", "/tmp"])
def test_a_folder_that_is_emptied_lies_inside_the_project(settings_text, key, place):
    (problem,) = problems(settings_text(f'[tool.sametree]\n{key} = "{place}"\n'))
    assert "has to be a folder inside the project" in problem


@pytest.mark.parametrize("key", ["reports", "dist"])
def test_a_folder_that_is_emptied_holds_no_component(settings_text, key):
    root = settings_text(f"""
        [tool.sametree]
        {key} = "app"
        components = [{{ name = "api", path = "app/api", language = "python" }}]
    """)
    (root / "app" / "api").mkdir(parents=True)
    (problem,) = problems(root)
    assert "holds a component" in problem
