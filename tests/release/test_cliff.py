"""What git-cliff, the real one, reads from commits of real repositories."""

import shutil
import sysconfig

import pytest
from markdown_it import MarkdownIt
from repositories import Copied, Opened, Repository, without_configuration

from sametree.errors import SurroundingsError, UsageError
from sametree.release import cliff

CONFIG = """
[changelog]
header = "# All"
body = '''
{% if version %}## [{{ version | trim_start_matches(pat="v") }}] - \
{{ timestamp | date(format="%Y-%m-%d") }}{% else %}## unreleased{% endif %}
{% for commit in commits %}
* {{ commit.message }} by {{ commit.author.name }}, after {{ previous.version }}
{% endfor %}
'''
footer = "The end"
[git]
tag_pattern = "release-.*"
commit_preprocessors = [{ pattern = "^SHOP-[0-9]+ *", replace = "" }]
filter_unconventional = true
commit_parsers = [
  { message = "^(feat|fix)", group = "All" },
  { message = ".*", skip = true },
]
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("commits") / "template")
    made.git("commit", "--quiet", "--allow-empty", "-m", "chore: begin")
    return made


@pytest.fixture
def repository(template, tmp_path, monkeypatch):
    """A repository with one commit, and no tag."""
    without_configuration(monkeypatch, tmp_path)
    return Copied(template, tmp_path / "repository")


def commit(repository, *messages, path=""):
    """Commit, once for each message; return the first seven digits of the last one."""
    for message in messages:
        if path:
            repository.write(path, message)
            repository.git("add", path)
        repository.git(
            "commit",
            "--quiet",
            "--allow-empty",
            "--allow-empty-message",
            "--cleanup=verbatim",
            "-m",
            message,
        )
    return repository.git("rev-parse", "--short=7", "HEAD")


def released(repository, tag="v0.1.0"):
    repository.git("tag", "-a", "-m", "It", tag)
    return tag


def look(repository, last="v0.1.0", prefix="v", paths=()):
    return cliff.look(repository.root, last, prefix, paths)


def entry(repository, last="v0.1.0", version="0.2.0", prefix="v", paths=()):
    return cliff.entry(repository.root, last, prefix, version, paths)


# Which version comes next, and why


@pytest.mark.parametrize(
    ("last", "messages", "version", "why"),
    [
        ("v0.1.0", ["fix: a slip"], "0.1.1", "patch: 1 fix since v0.1.0 (fix: a slip)"),
        (
            "v0.1.0",
            ["fix: a slip", "feat(api): messages", "feat: more", "fix: b"],
            "0.2.0",
            "minor: 2 features, 2 fixes since v0.1.0 (first: feat(api): messages)",
        ),
        (
            "v0.1.0",
            ["feat: a", "feat!: b"],
            "0.2.0",
            "minor: 1 breaking, 1 feature since v0.1.0 (first: feat!: b)",
        ),
        (
            "v1.1.0",
            ["fix: a\n\nBREAKING CHANGE: all of it"],
            "2.0.0",
            "major: 1 breaking since v1.1.0 (fix: a)",
        ),
        ("v1.1.0", ["feat: a"], "1.2.0", "minor: 1 feature since v1.1.0 (feat: a)"),
        (
            "v1.1.0",
            ["docs: a", "deps(py): b"],
            "1.1.1",
            "patch: 2 other since v1.1.0 (first: docs: a)",
        ),
        (
            "v1.9.9",
            ["plain", "fix: " + "long " * 50],
            "1.9.10",
            "patch: 1 fix since v1.9.9 (fix:" + " long" * 13 + " l…)",
        ),
        ("v1.1", ["feat: a"], "1.2.0", "minor: 1 feature since v1.1 (feat: a)"),
        ("v1.1.post1", ["fix: a"], "1.1.1", "patch: 1 fix since v1.1.post1 (fix: a)"),
        ("v2!1.0", ["feat: a"], "2!1.1.0", "minor: 1 feature since v2!1.0 (feat: a)"),
        ("v1.1.0", ["Feat: a"], "1.2.0", "minor: 1 feature since v1.1.0 (Feat: a)"),
        ("v1.1.0", ["A change"], "", ""),
        ("vanilla", ["feat: a"], "", ""),
        ("v1.1.0", [], "", ""),
    ],
)
def test_the_commits_tell_the_next_version(repository, last, messages, version, why):
    released(repository, last)
    commit(repository, *messages)
    told = look(repository, last)
    assert told.version == version
    assert told.why == why
    assert len(told.commits) == len(messages)


def test_without_a_version_all_commits_are_told_and_none_follows(repository):
    commit(repository, "feat: a")
    told = look(repository, None)
    assert [each.subject for each in told.commits] == ["chore: begin", "feat: a"]
    assert (told.version, told.why) == ("", "")


def test_a_version_before_a_final_one_does_not_count(repository):
    released(repository, "v1.1.0")
    commit(repository, "feat: a", "Release shop 1.2.0rc1")
    released(repository, "v1.2.0rc1")
    commit(repository, "fix: b", "Say that v1.1.0 is yanked")
    told = look(repository, "v1.1.0")
    assert told.version == "1.2.0"
    assert [each.subject for each in told.commits] == ["feat: a", "fix: b"]


def test_tags_that_are_no_version_and_those_of_others_are_left_alone(repository):
    released(repository, "api-v1.1.0")
    commit(repository, "fix: a")
    for tag in ("vanilla", "v7.0.0", "web-v3.0.0", "deployed", "v2024-01", "api-v9x"):
        released(repository, tag)
    commit(repository, "fix: b")
    assert look(repository, "api-v1.1.0", "api-v").version == "1.1.1"


def test_a_branch_that_is_named_like_the_tag_is_not_taken_for_it(repository):
    released(repository)
    commit(repository, "feat: a")
    repository.git("branch", "v0.1.0")
    assert look(repository).version == "0.2.0"


def test_what_a_commit_is(repository):
    released(repository)
    commit(
        repository, "Feat(a-b)!: \x1b[31mred\x07\n\nmore", "feat: one\nno empty line"
    )
    first, second = look(repository).commits
    assert (first.subject, first.kind, first.scope) == (
        "Feat(a-b)!: red",
        "feat",
        "a-b",
    )
    assert first.breaking and first.conventional and len(first.id) == 40
    assert (second.subject, second.kind, second.conventional) == (
        "feat: one",
        "",
        False,
    )


def test_only_commits_that_touch_a_component_count(repository):
    released(repository, "api-v1.0.0")
    commit(repository, "feat: of web", path="web/app.js")
    commit(repository, "fix: of api", path="api/app.py")
    told = look(repository, "api-v1.0.0", "api-v", ["api/**"])
    assert [each.subject for each in told.commits] == ["fix: of api"]
    assert told.version == "1.0.1"
    assert look(repository, "api-v1.0.0", "api-v", ["other/**"]).commits == ()
    text = entry(repository, "api-v1.0.0", "1.0.1", "api-v", ["api/**"])
    assert "of api" in text and "of web" not in text


def test_a_project_in_a_folder_of_a_repository_has_its_own_commits(repository):
    released(repository)
    commit(repository, "feat: elsewhere", path="other/a.py")
    commit(repository, "fix: here", path="shop/api/a.py")
    told = cliff.look(repository.root / "shop", "v0.1.0", "v", ["shop/api/**"])
    assert [each.subject for each in told.commits] == ["fix: here"]
    told = cliff.look(repository.root / "shop", "v0.1.0", "v")
    assert [each.subject for each in told.commits] == ["fix: here"]


def test_merges_are_no_commits_of_their_own(repository):
    released(repository)
    repository.git("switch", "--quiet", "-c", "topic")
    commit(repository, "feat: a")
    repository.git("switch", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "Merge branch 'topic'", "topic")
    assert [each.subject for each in look(repository).commits] == ["feat: a"]


def test_a_worktree_is_read_like_any_other(repository, tmp_path):
    released(repository)
    commit(repository, "feat: a")
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "beside"))
    assert look(Opened(tmp_path / "beside")).version == "0.2.0"


# The entry


def test_an_entry_has_what_breaks_first_and_leaves_housekeeping_out(repository):
    released(repository)
    ids = [
        commit(repository, message)
        for message in (
            "fix: a slip",
            "A plain one\n\nwith more",
            "perf(db): faster",
            "chore: tidy",
            "chore(deps)!: drop 3.10",
            "feat(api): messages",
            "ci(x): y",
            "feat: other\n\nBREAKING CHANGE: all\n  is new",
            'Revert "feat: x"',
            "docs: more",
        )
    ]
    assert entry(repository).split("\n") == [
        "### Breaking",
        "",
        f"- **deps:** drop 3.10 ({ids[4]})",
        f"- other ({ids[7]})",
        "  all",
        "    is new",
        "",
        "### Added",
        "",
        f"- **api:** messages ({ids[5]})",
        "",
        "### Fixed",
        "",
        f"- a slip ({ids[0]})",
        "",
        "### Performance",
        "",
        f"- **db:** faster ({ids[2]})",
        "",
        "### Reverted",
        "",
        f'- Revert "feat: x" ({ids[8]})',
        "",
        "### Other",
        "",
        f"- A plain one ({ids[1]})",
    ]


def test_where_nobody_would_meet_a_change_the_entry_says_so(repository):
    released(repository)
    assert entry(repository) == cliff.NOTHING
    commit(repository, "chore: tidy", "docs: more")
    assert entry(repository) == cliff.NOTHING


def test_the_first_entry_has_all(repository):
    commit(repository, "feat: a")
    assert entry(repository, None, "0.1.0").startswith("### Added\n\n- a (")


def test_what_commits_say_does_nothing_in_an_entry(repository):
    released(repository)
    commit(
        repository,
        "feat: {{ 7 * 7 }} {% raw %} {# x #}",
        "fix(<b>`): <img src=x> [look](https://x.example) `<b>`",
        "feat!: # big\n\nBREAKING CHANGE: <script>\n## 9.9.9\n===\n```\n[x]: y",
        "\x1b[2J> plain <b>\r\n## 9.9.9",
        "feat: \u202etxt.exe",
    )
    repository.git(
        "-c", "user.name=<b>`", "commit", "--quiet", "--allow-empty", "-m", "fix: c"
    )
    text = entry(repository)
    assert "{{ 7 * 7 }} {% raw %} {# x #}" in text
    assert "\n- **&lt;b>\\`:** &lt;img src=x> [look]\\(https://x.example) `<b>`" in text
    assert "\n- \\> plain &lt;b> (" in text and "- \\# big" in text
    assert not set("\x1b\u202e\r\x07") & set(text)
    tokens = MarkdownIt("commonmark").parse(text)
    found = {kid.type for each in tokens for kid in [each, *(each.children or ())]}
    assert not found & {"html_inline", "html_block", "link_open", "image", "fence"}
    titles = [
        tokens[place + 1].content
        for place, each in enumerate(tokens)
        if each.type == "heading_open"
    ]
    assert titles == ["Breaking", "Added", "Fixed", "Other"]


def test_a_commit_whose_encoding_is_unknown_is_read(repository):
    released(repository)
    file = repository.write("../message", b"fix: caf\xe9")
    repository.git("commit", "--quiet", "--allow-empty", "-F", str(file))
    assert entry(repository).startswith("### Fixed\n\n- caf")


# The project's own cliff.toml


def test_the_projects_own_configuration_counts(repository):
    repository.write("cliff.toml", CONFIG)
    released(repository, "v1.1.0")
    commit(repository, "SHOP-12 feat: a <b>", "plain", "chore: c")
    told = look(repository, "v1.1.0")
    assert told.version == "1.2.0"
    assert told.why == "minor: 1 feature since v1.1.0 (feat: a <b>)"
    assert len(told.commits) == 3  # also what it skips
    text = entry(repository, "v1.1.0", "1.2.0")
    assert text == "* a &lt;b> by Ada, after v1.1.0"
    assert entry(repository, None, "1.2.0").endswith("by Ada, after")


def test_where_it_skips_all_no_commit_tells_a_version(repository):
    repository.write("cliff.toml", CONFIG)
    released(repository)
    commit(repository, "chore: c")
    told = look(repository)
    assert (told.version, told.why, len(told.commits)) == ("", "", 1)
    assert entry(repository) == cliff.NOTHING


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("= 1", "TOML parse error at line 1"),
        ('[git]\ncommit_parsers = [{ message = "(", group = "x" }]', "unclosed group"),
        ('[changelog]\nbody = "{% for %}"', "TemplateParseError"),
        ('[changelog]\nbody = "{{ nope }}"', "Variable `nope` not found"),
    ],
)
def test_one_that_cannot_be_used_is_named(repository, config, why):
    repository.write("cliff.toml", config)
    released(repository)
    commit(repository, "feat: a")
    with pytest.raises(UsageError) as caught:
        look(repository)
        entry(repository)
    assert caught.value.problem.startswith("cliff.toml cannot be used: ")
    assert why in caught.value.problem and "INFO" not in caught.value.problem
    assert "\x1b" not in caught.value.problem and caught.value.cure


# What cannot be read


def test_a_tag_that_only_the_remote_has_is_fetched_first(repository):
    with pytest.raises(UsageError, match="v9.0.0 is not in this clone") as caught:
        look(repository, "v9.0.0")
    assert caught.value.cure == "`git fetch --tags`"


def test_a_repository_that_git_cliff_cannot_read_is_told(tmp_path, monkeypatch):
    without_configuration(monkeypatch, tmp_path)
    other = Repository(tmp_path / "new", "--object-format=sha256")
    commit(other, "feat: a")
    with pytest.raises(SurroundingsError, match="unknown object format 'sha256'"):
        look(other, None)


def test_outside_of_git_there_are_no_commits(tmp_path, monkeypatch):
    without_configuration(monkeypatch, tmp_path)
    with pytest.raises(SurroundingsError, match="cannot read the commits"):
        cliff.look(tmp_path, None, "v")


def test_without_git_cliff_one_is_told_where_it_is(repository, monkeypatch, tmp_path):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(SurroundingsError) as caught:
        look(repository, None)
    assert "sametree[release]" in caught.value.cure


def test_a_full_disk_is_nothing_to_it(repository, monkeypatch, tmp_path):
    released(repository)
    commit(repository, "feat: a")
    scripts = tmp_path / "scripts"
    real = shutil.which("git-cliff", path=sysconfig.get_path("scripts"))
    program = repository.write(
        str(scripts / "git-cliff"), f'#!/bin/sh\nulimit -f 0\n{real} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(scripts))
    assert look(repository).version == "0.2.0"
    assert entry(repository).startswith("### Added\n\n- a (")
