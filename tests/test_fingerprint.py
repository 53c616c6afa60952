"""On what a unit depends: its inputs by rules, and one digest of all its parts."""

import json
import os
import posixpath
import random
import re
import shutil
import subprocess
import sys

import pytest
from repositories import Copied, Repository, without_configuration

from sametree import fingerprint, trees
from sametree.digests import readable
from sametree.fingerprint import Inputs, decided
from sametree.settings import Component, Project, Settings


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path):
    without_configuration(monkeypatch, tmp_path)


FILES = {
    "noxfile.py": "import nox\n",
    "pyproject.toml": "[project]\n",
    "readme.txt": "hello\n",
    "app/__init__.py": "",
    "app/server/pyproject.toml": "[project]\n",
    "app/server/main.py": "main = 1\n",
    "app/server/data/one.json": "1\n",
    "app/page/package.json": "{}\n",
    "app/page/index.js": "1\n",
    "shared/text.txt": "text\n",
    ".gitignore": ".sametree/\nignored/\n",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("original") / "project")
    for name, text in FILES.items():
        made.write(name, text)
    made.commit()
    return made


@pytest.fixture
def repository(original, tmp_path):
    return Copied(original, tmp_path / "project")


def component(name="app", path=".", language="python", **more):
    return Component(name=name, path=path, language=language, **more)


def project(root, *components):
    return Project(root, Settings(components=components))


def rules(root, chosen, *others, session="tests"):
    return fingerprint.rules(project(root, chosen, *others), chosen, session)


def parts(root, rules, folder=""):
    tree = trees.read(root, root / ".sametree")
    return Inputs(tree, [rules]).parts(rules, folder)


def all_parts(root, sets):
    """Return the parts for each of ``sets`` of rules, asked of one tree."""
    asked = Inputs(trees.read(root, root / ".sametree"), sets)
    return [asked.parts(each, "") for each in sets]


def inputs(root, rules, folder=""):
    return sorted(name.removeprefix("input:") for name in parts(root, rules, folder))


# --- Rules


def test_without_settings_a_component_is_its_folder_and_the_noxfile(tmp_path):
    assert rules(tmp_path, component()) == {"": True, "noxfile.py": True}
    server = component(path="app/server")
    assert rules(tmp_path, server) == {"app/server": True, "noxfile.py": True}


def test_components_inside_are_left_out(tmp_path):
    for place in ("app/server", "app/page"):
        (tmp_path / place).mkdir(parents=True)
    server, page = component("s", "app/server"), component("p", "./app/page/")
    assert rules(tmp_path, component("app", "."), server, page) == {
        "": True,
        "app/server": False,
        "app/page": False,
        "noxfile.py": True,
    }


def test_folders_of_those_one_depends_on_are_inputs_and_of_those_they_depend_on(
    tmp_path,
):
    a = component("a", "a", depends=("b",))
    b = component("b", "b", depends=("c",))
    c = component("c", "c", depends=("a",))
    found = rules(tmp_path, a, b, c)
    assert found == {"a": True, "b": True, "c": True, "noxfile.py": True}


def test_who_depends_on_a_component_inside_takes_it_in(tmp_path):
    (tmp_path / "inner").mkdir()
    inner = component("inner", "inner")
    outer = component("outer", ".", depends=("inner",))
    assert rules(tmp_path, outer, inner)["inner"] is True


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((".", "!docs"), {"app": True, "app/docs": False}),
        (("src", "/shared"), {"app/src": True, "shared": True}),
        (("src/./a/../b",), {"app/src/b": True}),
        (("../beside",), {"beside": True}),
        (("../../out",), {"../out": True}),
        (("/",), {"": True}),
        (("!/shared/x", "/shared"), {"shared": True, "shared/x": False}),
        (("src", "!src"), {"app/src": False}),
        (("/!odd", "!!odd"), {"!odd": True, "app/!odd": False}),
    ],
)
def test_inputs_are_relative_to_the_component_or_the_project(tmp_path, told, expected):
    chosen = component("app", "app", inputs={"tests": told})
    found = rules(tmp_path, chosen)
    mark = {} if "app" in expected else {"app/pyproject.toml": True}
    mark = {} if expected == {"": True} else mark
    assert found == {**expected, **mark, "noxfile.py": True}


def test_inputs_are_those_of_one_session(tmp_path):
    chosen = component("app", "app", inputs={"lint": ("src",)})
    assert rules(tmp_path, chosen, session="lint") == {
        "app/src": True,
        "app/pyproject.toml": True,
        "noxfile.py": True,
    }
    assert rules(tmp_path, chosen) == {"app": True, "noxfile.py": True}


def test_the_file_that_says_what_a_component_is_counts_unless_it_is_left_out(tmp_path):
    # What the suite itself reads there decides which tools run at all.
    page = component("page", "page", "node", inputs={"lint": ("src",)})
    assert rules(tmp_path, page, session="lint")["page/package.json"] is True
    told = ("src", "!package.json")
    page = component("page", "page", "node", inputs={"lint": told})
    assert rules(tmp_path, page, session="lint")["page/package.json"] is False


def test_even_the_noxfile_can_be_left_out(tmp_path):
    chosen = component("app", ".", inputs={"tests": (".", "!noxfile.py")})
    assert rules(tmp_path, chosen)["noxfile.py"] is False


def test_an_absolute_path_of_a_component_is_taken_relative_to_the_project(tmp_path):
    inside = component("app", str(tmp_path / "app"))
    assert rules(tmp_path, inside) == {"app": True, "noxfile.py": True}
    outside = component("app", str(tmp_path.parent / "other"))
    assert "../other" in rules(tmp_path, outside)


def test_the_longest_rule_decides():
    rules = {"": False, "a": True, "a/b": False, "a/b/c": True}
    known = {"x": False, "a": True, "a/x": True, "a/b/x": False, "a/b/c/x": True}
    assert {path: decided(rules, path) for path in known} == known
    assert not decided({"a": True}, "ab")


# --- Inputs


def test_a_whole_folder_is_one_input_and_tells_the_id_of_its_tree(repository):
    found = parts(repository.root, {"app/server": True, "noxfile.py": True})
    assert found == {
        "input:app/server": f"040000 {repository.git('rev-parse', 'HEAD:app/server')}",
        "input:noxfile.py": f"100644 {repository.git('rev-parse', 'HEAD:noxfile.py')}",
    }


def test_of_the_whole_project_each_entry_is_an_input(repository):
    assert inputs(repository.root, {"": True}) == sorted(
        {name.split("/")[0] for name in FILES}
    )


def test_what_is_left_out_splits_the_folder_that_it_lies_in(repository):
    rules = {"app": True, "app/server/data": False, "app/server/data/one.json": True}
    assert inputs(repository.root, rules) == [
        "app/__init__.py",
        "app/page",
        "app/server/data/one.json",
        "app/server/main.py",
        "app/server/pyproject.toml",
    ]


def test_an_input_that_is_not_there_is_told_and_seen_when_it_comes(repository):
    rules = {"app/later": True, "nowhere/at/all": True}
    before = parts(repository.root, rules)
    assert before == {"input:app/later": "missing", "input:nowhere/at/all": "missing"}
    repository.write("app/later/file")
    assert parts(repository.root, rules) != before


def test_what_is_left_out_and_not_there_is_nothing(repository):
    assert inputs(repository.root, {"app/page": True, "app/page/no": False}) == [
        "app/page/index.js",
        "app/page/package.json",
    ]


@pytest.mark.parametrize("kind", ["file", "link", "submodule"])
def test_what_came_in_the_place_of_a_folder_with_rules_counts(
    repository, kind, tmp_path
):
    rules = {"app": True, "app/server/data": False}
    shutil.rmtree(repository.root / "app" / "server")
    repository.commit()
    seen = [parts(repository.root, rules)]
    if kind == "submodule":
        library = Repository(tmp_path / "library")
        library.write("main.py", "1")
        library.commit()
        inner = repository.submodule("app/server", library)
    for text in ("1", "2", "3"):
        if kind == "file":
            repository.write("app/server", text)
        elif kind == "link":
            repository.link("app/server", text)
        else:
            inner.write("main.py", text)
        seen.append(parts(repository.root, rules))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


def test_configuration_above_a_component_counts(repository):
    above = [
        *("setup.cfg", "pytest.ini", "tsconfig.json", ".flake8", ".prettierrc"),
        *("app/conftest.py", "app/eslint.config.mjs", "app/mypy.ini", "app/.hidden"),
        *("app/vite.config.ts", "babel.config.cjs", "pnpm-workspace.yaml"),
    ]
    no_configuration = ["setup.py", "app/readme.md", "app/util.py", ".gitattributes"]
    for name in (*above, *no_configuration):
        repository.write(name, "1")
    repository.write("conf.d.toml/file", "a folder")
    known = ["noxfile.py", "pyproject.toml", ".gitignore", "app/__init__.py"]
    found = inputs(repository.root, {"app/server": True}, "app/server")
    assert found == sorted([*above, *known, "app/server"])


def test_what_lies_beside_a_component_is_no_configuration_of_it(repository):
    repository.write("shared/setup.cfg", "1")
    repository.write("app/page/.eslintrc", "1")
    found = inputs(repository.root, {"app/server": True}, "app/server")
    assert not [name for name in found if name.startswith(("shared", "app/page"))]


def test_configuration_can_be_left_out(repository):
    rules = {"app/server": True, "pyproject.toml": False}
    assert "pyproject.toml" not in inputs(repository.root, rules, "app/server")


def test_a_component_that_is_the_project_has_nothing_above_it(repository):
    assert inputs(repository.root, {"shared": True}, "") == ["shared"]


def test_inputs_of_many_units_are_asked_of_one_tree_at_once(repository, monkeypatch):
    asked = []
    real = trees.Tree.entries

    def counted(self, folders):
        asked.append(folders)
        return real(self, folders)

    monkeypatch.setattr(trees.Tree, "entries", counted)
    repository.link("shared/link", "../app/page/index.js")
    all_rules = [{"": True}, {"app/server": True, "app/page": False}, {"shared": True}]
    found = Inputs(trees.read(repository.root, repository.root / ".s"), all_rules)
    for each in all_rules:
        found.parts(each, "app/server")
    assert len(asked) == 1


# --- Links


def sees(repository, rules, name, text="changed"):
    """Return whether a change of the file ``name`` changes the parts."""
    before = parts(repository.root, rules)
    path = repository.root / name
    kept = path.read_bytes() if path.exists() else None
    repository.write(name, text)
    after = parts(repository.root, rules)
    path.unlink() if kept is None else path.write_bytes(kept)
    assert parts(repository.root, rules) == before
    return after != before


SERVER = {"app/server": True, "noxfile.py": True}


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("../../shared/text.txt", "shared/text.txt"),
        ("../../shared", "shared/text.txt"),
        ("../../shared/", "shared/text.txt"),
        ("../../.config/tool", ".config/tool"),
        ("../../..hidden", "..hidden"),
        ("../..", "shared/text.txt"),
        ("..", "app/page/index.js"),
        ("../page", "app/page/index.js"),
        ("ROOT/shared/text.txt", "shared/text.txt"),
        ("ROOT", "readme.txt"),
        ("../../later.txt", "later.txt"),
        ("../../../project/shared", "shared/text.txt"),
    ],
)
def test_what_a_link_among_the_inputs_leads_to_is_an_input(repository, target, name):
    assert not sees(repository, SERVER, name)
    target = target.replace("ROOT", str(repository.root))
    repository.link("app/server/link", target)
    assert sees(repository, SERVER, name)


def test_what_a_link_among_the_inputs_does_not_lead_to_is_none(repository):
    repository.link("app/server/link", "../../shared/text.txt")
    assert not sees(repository, SERVER, "shared/other.txt")
    assert not sees(repository, SERVER, "readme.txt")


def test_a_link_outside_of_the_inputs_leads_nowhere(repository):
    repository.link("app/page/link", "../../shared")
    assert not sees(repository, SERVER, "shared/text.txt")


def test_a_link_that_is_led_elsewhere_is_another_input(repository):
    repository.link("app/server/link", "../page/index.js")
    before = parts(repository.root, SERVER)
    repository.write("app/page/same.js", FILES["app/page/index.js"])
    repository.link("app/server/link", "../page/same.js")
    assert parts(repository.root, SERVER) != before


def test_all_links_of_a_chain_are_inputs_with_what_is_at_the_end(repository):
    repository.link("app/server/link", "../../one")
    repository.link("one", "two/x")
    repository.link("two", "shared")
    repository.write("shared/x", "x")
    repository.write("other/x", "x")
    assert sees(repository, SERVER, "shared/x")
    assert not sees(repository, SERVER, "shared/text.txt")
    before = parts(repository.root, SERVER)
    repository.link("two", "other")  # to the same content
    assert parts(repository.root, SERVER) != before
    assert sees(repository, SERVER, "other/x")


def test_links_found_behind_a_link_are_followed_too(repository):
    repository.link("app/server/link", "../../shared")
    repository.link("shared/deeper", "../app/page")
    assert sees(repository, SERVER, "app/page/index.js")


def test_a_link_into_what_is_left_out_takes_it_in(repository):
    rules = {"": True, "app": False}
    assert not sees(repository, rules, "app/page/index.js")
    repository.link("link", "app/page")
    assert sees(repository, rules, "app/page/index.js")
    assert not sees(repository, rules, "app/server/main.py")


def test_configuration_that_is_a_link_is_followed(repository):
    repository.write("config/tools/pytest.ini", "[pytest]")
    repository.link("pytest.ini", "config/tools/pytest.ini")
    before = parts(repository.root, SERVER, "app/server")
    repository.write("config/tools/pytest.ini", "[pytest]\naddopts = -x")
    assert parts(repository.root, SERVER, "app/server") != before


def test_an_input_behind_a_link_is_seen(repository):
    repository.link("way", "app/page")
    for rules in ({"way": True}, {"way/index.js": True}, {"way/deep/new": True}):
        assert sees(repository, rules, "app/page/index.js")
        assert "missing" not in parts(repository.root, rules).values()


def test_a_component_whose_folder_is_a_link_is_the_folder_that_it_leads_to(repository):
    repository.link("server", "app/server")
    chosen = component("server", "server")
    found = rules(repository.root, chosen, component("app", "app"))
    assert sees(repository, found, "app/server/data/one.json")


def test_a_link_that_leads_outside_tells_what_is_there(repository, tmp_path):
    repository.link("app/server/link", "../../../outside")
    seen = []
    for text in ("1", "2"):
        (tmp_path / "outside").write_text(text)
        seen.append(parts(repository.root, SERVER))
    (tmp_path / "outside").unlink()
    seen.append(parts(repository.root, SERVER))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


def test_a_link_that_leads_outside_elsewhere_in_the_project_is_nothing_to_a_unit(
    repository, tmp_path
):
    repository.link("app/page/link", "../../../outside")
    before = parts(repository.root, SERVER)
    (tmp_path / "outside").write_text("text")
    assert parts(repository.root, SERVER) == before


def test_links_in_a_circle_are_inputs_as_they_are(repository):
    repository.link("app/server/one", "../../two")
    repository.link("two", "app/server/one")
    before = parts(repository.root, SERVER)
    repository.link("two", "readme.txt")
    assert parts(repository.root, SERVER) != before


# --- What no tree tells


def test_an_edit_that_git_shall_not_see_counts_for_those_it_is_an_input_of(repository):
    repository.git("update-index", "--assume-unchanged", "app/server/main.py")
    assert sees(repository, SERVER, "app/server/main.py")
    assert not sees(repository, {"app/page": True}, "app/server/main.py")
    assert not sees(repository, {"": True, "app": False}, "app/server/main.py")


@pytest.fixture
def with_library(repository, tmp_path):
    library = Repository(tmp_path / "library")
    library.write("docs/text", "text\n")
    library.write("lib.py", "lib = 1\n")
    library.link("data", "../shared")
    library.commit()
    repository.submodule("lib", library)
    return repository


@pytest.mark.parametrize(
    "rules",
    [
        {"": True},
        {"lib": True},
        {"lib/lib.py": True},
        {"lib": True, "lib/docs": False},
        {"lib": False, "lib/lib.py": True},
    ],
    ids=str,
)
def test_who_takes_in_a_part_of_a_submodule_takes_in_all_of_it(with_library, rules):
    assert sees(with_library, rules, "lib/lib.py")
    assert "missing" not in parts(with_library.root, rules).values()


def test_who_takes_in_nothing_of_a_submodule_does_not_see_it(with_library):
    for rules in ({"": True, "lib": False}, {"app": True}):
        assert not sees(with_library, rules, "lib/lib.py")


def test_a_link_out_of_a_submodule_is_followed(with_library):
    assert sees(with_library, {"lib": True}, "shared/text.txt")


def test_a_link_into_a_submodule_is_followed(with_library):
    with_library.link("app/server/link", "../../lib/docs")
    assert sees(with_library, SERVER, "lib/docs/text")


# --- Names


ODD = [
    "two\nlines",
    "a b",
    'q"uote',
    "co:lon",
    "back\\slash",
    "-dash",
    ":(top)magic",
    "!not",
    "*",
    "~",
    os.fsdecode(b"caf\xe9"),
    "Grüße-日本",
    "�9",
]


@pytest.mark.parametrize("name", ODD)
def test_whatever_the_name_of_a_file_its_change_is_seen(repository, name):
    for place in (name, f"{name}.d/{name}", f"app/server/{name}"):
        repository.write(place, "1")
    repository.link("link", f"{name}.d/{name}")
    sets = [
        {"": True},
        {"": True, f"{name}.d/other": False},
        {f"{name}.d/{name}": True},
        {f"{name}.d": True},
        {"link": True},
        SERVER,
    ]
    before = all_parts(repository.root, sets)
    json.dumps(before, ensure_ascii=False).encode()
    repository.write(f"{name}.d/{name}", "2")
    folder = all_parts(repository.root, sets)
    repository.write(f"app/server/{name}", "2")
    server = all_parts(repository.root, sets)
    assert [a != b for a, b in zip(before, folder, strict=True)] == 5 * [True] + [False]
    assert before[5] != server[5]


def test_names_of_any_bytes_are_written_so_that_no_two_are_the_same():
    names = [b"caf\xe9", "caf�e9".encode(), "caf�".encode(), b"caf\xff", b"caf\\xe9"]
    names += ["caf�-e9".encode(), b"caf\xe9-", b"caf"]
    written = [readable(os.fsdecode(name)) for name in names]
    assert len(set(written)) == len(names)
    assert all(text.encode() for text in written)
    assert readable("plain – Grüße\n") == "plain – Grüße\n"


# --- Any rules, any files


NAMES = ["a", "b", "c", "a b", "ü", "conf.toml", ".hidden", "x.py"]


def anything(random):
    """Return the files of a random project."""
    found = {"noxfile.py"}
    while len(found) < 14:
        depth = random.randint(1, 4)
        path = posixpath.join(*random.choices(NAMES, k=depth))
        above = {path.rsplit("/", n)[0] for n in range(1, depth)}
        if not above & found and not any(f.startswith(f"{path}/") for f in found):
            found.add(path)
    return sorted(found)


def any_rules(random, files):
    """Return random rules, most of them on paths that are there."""
    folders = {f.rsplit("/", n)[0] for f in files for n in range(1, f.count("/") + 1)}
    places = ["", *sorted(folders), *files, "nowhere", "a/nowhere"]
    chosen = random.sample(places, k=min(len(places), random.randint(1, 7)))
    return {place: random.random() < 0.6 for place in chosen}


def is_input(rules, file):
    """The oracle: of all rules for a file the one with the longest path decides."""
    ruling = [r for r in rules if r in ("", file) or file.startswith(f"{r}/")]
    return bool(ruling) and rules[max(ruling, key=len)]


def there(rules, files):
    """Return the paths to be taken in that are there: to come and go is a change."""
    taken = [rule for rule in rules if rules[rule]]
    return {r for r in taken if any(f"{f}/".startswith(f"{r}/") for f in files)}


def judge(root, seed):
    """Change each file of a random project in turn; compare what is seen of it with
    the oracle, for several random sets of rules at once."""
    chance = random.Random(seed)
    repository = Repository(root / str(seed))
    repository.write(".git/info/exclude", ".sametree/\n")
    files = anything(chance)
    for file in files:
        repository.write(file, f"{file}\n")
    for file in files[::2]:  # some are known to git, others are new
        repository.git("add", "--", file)
    sets = [any_rules(chance, files) for _ in range(6)]

    before = all_parts(repository.root, sets)
    for file in files:
        path = repository.root / file
        change = chance.choice(["content", "mode", "removed", "link", "new beside"])
        if change == "content":
            path.write_text("changed")
        elif change == "mode":
            path.chmod(0o755)
        elif change == "new beside":
            changed = f"{file}.new"
            repository.write(changed)
        else:
            path.unlink()
            if change == "link":
                path.symlink_to("nowhere-to-be-found")
        changed = f"{file}.new" if change == "new beside" else file
        after = all_parts(repository.root, sets)
        for rules, old, new in zip(sets, before, after, strict=True):
            below = any(rules[r] for r in rules if r.startswith(f"{file}/"))
            left = [name for name in files if change != "removed" or name != file]
            expected = (
                is_input(rules, changed)
                or (change == "link" and below)
                or there(rules, files) != there(rules, left)
            )
            assert (old != new) == expected, (rules, changed, change)
        (repository.root / changed).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        repository.write(file, f"{file}\n")
    assert all_parts(repository.root, sets) == before


@pytest.mark.parametrize("seed", range(4))
def test_a_change_is_seen_if_and_only_if_the_rules_take_the_file_in(tmp_path, seed):
    judge(tmp_path, seed)


@pytest.mark.proof
@pytest.mark.parametrize("start", [100, 110, 120, 130])
def test_a_change_is_seen_if_and_only_if_the_rules_take_the_file_in_often(
    tmp_path, start
):
    for seed in range(start, start + 10):
        judge(tmp_path, seed)


# --- The other parts, and the digest of all


def test_the_digest_is_that_of_all_parts_whatever_their_order():
    one = fingerprint.digest({"a": "1", "b": "2"})
    assert one == fingerprint.digest({"b": "2", "a": "1"})
    assert re.fullmatch("[0-9a-f]{64}", one)


def test_the_digest_tells_where_a_name_ends():
    told = [
        {"a": "1", "b": "2"},
        {"a": "1b2"},
        {"a": "", "1": "b2"},
        {"a1": "b2"},
        {"a": "1", "b": "2", "": ""},
        {},
    ]
    assert len({fingerprint.digest(parts) for parts in told}) == len(told)


def test_source_parts_are_those_that_no_machine_changes():
    same = dict.fromkeys(
        ("input:a", "lock:b", "arguments", "settings", "suite", "session"), "1"
    )
    own = dict.fromkeys(
        ("interpreter", "platform", "tool:uv", "variable:X", "database"), "1"
    )
    assert fingerprint.source_parts({**own, **same}) == same


def test_the_suite_is_another_when_any_of_its_files_is_wherever_it_lies(tmp_path):
    package = os.path.dirname(fingerprint.__file__)
    one, other = tmp_path / "one" / "sametree", tmp_path / "other" / "sametree"
    shutil.copytree(package, one, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(one, other)

    def suite(copy):
        program = "from sametree import fingerprint; print(fingerprint.suite())"
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(copy.parent)}
        argv = [sys.executable, "-c", program]
        return subprocess.run(argv, env=env, check=True, capture_output=True).stdout

    before = suite(one)  # leaves compiled files, which are nothing new
    assert before == suite(one) == suite(other)
    with (one / "database" / "address.py").open("a") as file:
        file.write("# changed\n")
    changed = suite(one)
    assert changed != before
    (one / "template.yml").write_text("jobs: {}\n")
    assert suite(one) not in (before, changed)


def test_the_interpreter_is_told_with_its_full_version(monkeypatch):
    current = ".".join(str(number) for number in sys.version_info[:3])
    assert fingerprint.interpreter() == f"cpython {current}{sys.abiflags}"
    monkeypatch.setattr(sys, "version_info", (3, 15, 0, "beta", 2))
    monkeypatch.setattr(sys, "abiflags", "t")
    assert fingerprint.interpreter() == "cpython 3.15.0beta2t"


def test_the_platform_is_what_compiled_code_runs_on():
    told = fingerprint.platform()
    assert re.fullmatch(rf"{sys.platform} \w+( glibc| musl)?", told)


def test_installed_packages_are_told_with_their_versions(tmp_path, monkeypatch):
    import msgspec

    assert fingerprint.installed.__wrapped__()["msgspec"] == msgspec.__version__
    first, second = tmp_path / "1" / "site-packages", tmp_path / "2" / "site-packages"
    (first / "Some_Tool-2.0.dist-info").mkdir(parents=True)
    (second / "some_tool-1.0.dist-info").mkdir(parents=True)
    (second / "other-3.dist-info").mkdir()
    gone = str(tmp_path / "gone" / "site-packages")
    folders = ["", gone, str(first), str(second), str(tmp_path)]
    monkeypatch.setattr(sys, "path", folders)
    found = fingerprint.installed.__wrapped__()
    assert found == {"some_tool": "2.0", "other": "3"}
