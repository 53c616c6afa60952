"""What a look at the project tells."""

import msgspec
import pytest

from sametree import git
from sametree.settings import detect, load
from sametree.settings.model import Component

PYTHON = '[project]\nname = "{}"\n'
NODE = '{{"name": "{}"}}'


def found(root):
    return [(c.name, c.path, c.language) for c in detect.components(root)]


@pytest.mark.parametrize(
    ("files", "language"),
    [
        ({"pyproject.toml": ""}, "python"),
        ({"package.json": "{}"}, "node"),
        ({"pyproject.toml": "", "package.json": "{}"}, "python"),
        ({"readme.txt": ""}, None),
    ],
)
def test_the_language_of_a_folder_is_told_by_its_files(write, files, language):
    assert detect.language_of(write(files)) == language


def test_each_folder_with_a_mark_is_a_component_in_the_order_of_the_paths(write):
    root = write(
        {
            "web/package.json": "{}",
            "api/pyproject.toml": PYTHON.format("something"),
            "docs/readme.txt": "",
        }
    )
    assert found(root) == [("api", "api", "python"), ("web", "web", "node")]


@pytest.mark.parametrize(
    ("file", "text", "language"),
    [
        ("pyproject.toml", PYTHON.format("My.App"), "python"),
        ("package.json", NODE.format("My.App"), "node"),
    ],
)
def test_a_component_at_the_top_has_the_name_of_its_package(
    write, file, text, language
):
    assert found(write({file: text})) == [("my-app", ".", language)]


@pytest.mark.parametrize("text", ["{}", "[]"])
def test_a_component_at_the_top_without_a_name_has_its_folders(tmp_path, text):
    root = tmp_path / "The Shop"
    root.mkdir()
    (root / "package.json").write_text(text)
    assert found(root) == [("the-shop", ".", "node")]


def test_a_pyproject_that_only_holds_settings_of_tools_makes_no_component(write):
    root = write({"pyproject.toml": "[tool.black]\n", "a/pyproject.toml": "broken ="})
    assert found(root) == []


def test_a_folder_with_both_marks_is_two_components_with_two_names(write):
    root = write({"app/pyproject.toml": PYTHON.format("app"), "app/package.json": "{}"})
    assert found(root) == [("app", "app", "node"), ("app-python", "app", "python")]


def test_folders_of_the_same_name_are_components_with_different_names(write):
    root = write({f"{folder}/web/package.json": "{}" for folder in "abc"})
    assert len({name for name, _, _ in found(root)}) == 3


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Back End", "back-end"),
        ("2fa", "component-2fa"),
        ("日本", "component"),
        ("x" * 50, "x" * 30),
    ],
)
def test_any_folder_gives_a_valid_name(write, folder, name):
    assert found(write({f"{folder}/package.json": "{}"})) == [(name, folder, "node")]


def test_a_name_is_never_too_long_to_be_written_in_the_settings(write):
    root = write({f"{'2' * 50}/package.json": "{}"})
    (component,) = detect.components(root)
    msgspec.convert(msgspec.to_builtins(component), Component)


@pytest.mark.parametrize(
    ("folder", "seen"),
    [("a", True), ("a/b", True), ("a/b/c", True), ("a/b/c/d", False)],
)
@pytest.mark.parametrize("place", ["in git", "outside git"])
def test_components_are_looked_for_three_folders_down(
    write, request, place, folder, seen
):
    if place == "in git":
        request.getfixturevalue("in_git")
    root = write({f"{folder}/package.json": "{}"})
    assert bool(found(root)) is seen


def test_in_git_ignored_files_do_not_count(write, in_git):
    root = write(
        {
            ".gitignore": "/vendor/\n",
            "vendor/lib/package.json": "{}",
            "dist/package.json": "{}",
        }
    )
    assert found(root) == [("dist", "dist", "node")]


def test_in_git_a_deleted_file_does_not_count(write, in_git):
    root = write({"web/package.json": "{}"})
    git.run(root, "add", "--all")
    (root / "web" / "package.json").unlink()
    assert found(root) == []


@pytest.mark.parametrize(
    "folder", ["node_modules/lib", "dist", "build", ".hidden", "a/.cache/x", "venv"]
)
def test_outside_git_folders_of_tools_do_not_count(write, folder):
    root = write(
        {
            f"{folder}/package.json": "{}",
            "venv/pyvenv.cfg": "",
            "web/package.json": "{}",
        }
    )
    assert found(root) == [("web", "web", "node")]


def test_the_database_is_of_the_component_that_has_an_alembic_ini(write):
    root = write({"api/alembic.ini": "", "web/package.json": "{}"})
    components = [
        Component(name="web", path="web"),
        Component(name="backend", path="api"),
    ]
    assert detect.database(root, components).component == "backend"


def test_without_an_alembic_ini_there_is_no_database(write):
    root = write({"web/package.json": "{}"})
    assert detect.database(root, [Component(name="web", path="web")]) is None


def test_the_place_where_flask_migrate_keeps_its_configuration_counts_too(write):
    root = write({"api/migrations/alembic.ini": ""})
    assert detect.database(root, [Component(name="api", path="api")]) is not None


def test_a_project_that_says_nothing_has_what_was_found(write):
    root = write(
        {
            "api/pyproject.toml": PYTHON.format("x"),
            "api/alembic.ini": "",
            "web/package.json": "{}",
        }
    )
    project = load(root)
    assert [component.name for component in project.components] == ["api", "web"]
    assert project.has_database(project.component("api"))
    assert not project.has_database(project.component("web"))


def test_a_broken_package_json_at_the_top_is_a_component_with_its_folders_name(
    tmp_path,
):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "package.json").write_text("{")
    assert found(tmp_path / "shop") == [("shop", ".", "node")]
