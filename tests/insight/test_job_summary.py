"""What a CI job tells on its page."""

import os

import pytest
from markdown_it import MarkdownIt

from sametree import masking
from sametree.insight import job_summary
from sametree.records import Covered, Record

SHA = "0123456789abcdef0123456789abcdef01234567"
HOSTILE = (
    "`x` | y\n::error::z\n<script>alert(1)</script> [a](https://evil.example)"
    " ![b](c) **d** &amp; # ~~e~~ ```\n````\n</code></td> \033[31mred\033[0m \x07 $f$"
)


def record(unit="tests(backend)", result="success", **more):
    told = {"run": "run-7", "started": 0.0, "seconds": 2.5, "revision": SHA, **more}
    return Record(unit=unit, result=result, **told)


def rendered(text):
    """Return Markdown as GitHub's dialect renders it, with its tables."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def tokens(text):
    """Return the kinds of all blocks and inlines in ``text``."""
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    inner = [child for token in parsed for child in token.children or ()]
    return [token.type for token in (*parsed, *inner)]


def cells(text):
    """Return the text of the rows of the table in ``text``."""
    rows = rendered(text).partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [cell.partition(">")[2].partition("</td>")[0] for cell in row.split("<td")[1:]]
        for row in rows.split("<tr>")[1:]
    ]


def test_a_run_has_a_headline_and_a_row_for_each_unit():
    text = job_summary.of_run(
        [
            record("lint(suite)", tree="a" * 40),
            record(covered=Covered(91.26, 85.0), notes=("a note",), seconds=75),
            record("build(suite)", "failure", reason="build failed:\nmore"),
        ],
        80.0,
    )
    assert text.startswith("### 2 of 3 passed, in 1 min 20 s\n")
    assert cells(text) == [
        ["✅ passed", "<code>lint(suite)</code>", "2.5 s", "", ""],
        [
            "✅ passed",
            "<code>tests(backend)</code>",
            "1 min 15 s",
            "lines 91.3 %, branches 85.0 %",
            "a note",
        ],
        ["❌ failed", "<code>build(suite)</code>", "2.5 s", "", "build failed"],
    ]
    assert "aaaaaaaaaaaa</code>, commit <code>0123456789ab</code>" in rendered(text)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("failure", "❌ failed"),
        ("error", "⚠️ could not run"),
        ("cancellation", "⏹️ was stopped"),
        ("timeout", "⏱️ took too long"),
    ],
)
def test_what_did_not_pass_says_how_it_ended_and_how_to_repeat_it(result, words):
    told = record(
        result=result, reason="2 of 9 failed:\n  a\n  b", mend=("nox -s lock",)
    )
    text = job_summary.of_run([told])
    assert cells(text)[0][0] == words
    assert "```text\n2 of 9 failed:\n  a\n  b\n```" in text
    assert "Mend with:\n\n```sh\nnox -s lock\n```" in text
    command = f"git fetch origin {SHA} && git checkout {SHA} && nox -s 'tests(backend)'"
    assert f"Repeat it at home:\n\n```sh\n{command}\n```" in text


def test_what_passed_or_was_skipped_needs_no_details():
    text = job_summary.of_run([record(), record("x", "skip", reason="no database")])
    assert "####" not in text
    assert cells(text)[1][4] == "no database"


def test_a_run_in_which_all_was_proven_has_nothing_to_do():
    proven = record(result="skip", proof="run-3")
    text = job_summary.of_run([proven, record("b", "skip", proof="run-4")], 1.0)
    assert text.startswith("### Nothing to do: all 2 units are proven already\n")
    assert cells(text)[0] == [
        "☑️ proven",
        "<code>tests(backend)</code>",
        "",
        "",
        "passed in run <code>run-3</code>",
    ]
    assert "the unit is proven already" in job_summary.of_run([proven])


def test_a_note_on_the_proof_says_more_than_its_run():
    noted = record(result="skip", proof="run-3", notes=("passed 2 h ago on github",))
    assert cells(job_summary.of_run([noted]))[0][4] == "passed 2 h ago on github"
    mixed = job_summary.of_run([noted, record("b")])
    assert mixed.startswith("### 1 of 1 passed, 1 proven already\n")


def test_a_run_without_units():
    assert job_summary.of_run([]) == "### Nothing ran\n\n"


@pytest.mark.parametrize(
    ("more", "command"),
    [
        ({"revision": ""}, "nox -s 'tests(backend)'"),
        ({"revision": "--upload-pack=x"}, "nox -s 'tests(backend)'"),
        (
            {"args": ("-k", "a b", "$(x)")},
            f"git fetch origin {SHA} && git checkout {SHA} &&"
            " nox -s 'tests(backend)' -- -k 'a b' '$(x)'",
        ),
        ({"unit": "proofs", "revision": ""}, "nox -s proofs"),
    ],
)
def test_the_command_that_repeats_a_unit_is_safe_to_paste(more, command):
    assert job_summary.repeat(record(**more)) == command


def test_hostile_words_stay_words():
    told = record(HOSTILE, "failure", reason=HOSTILE, notes=(HOSTILE,), mend=(HOSTILE,))
    text = job_summary.of_run([told, record("next")])
    found = tokens(text)
    for kind in ("link_open", "image", "strong_open", "html_block", "code_inline"):
        assert kind not in found
    assert found.count("tr_open") == 3
    assert found.count("fence") == 3
    assert "s_open" not in found
    shown = rendered(text)
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; [a](https://evil.example)" in shown
    assert "\033" not in text and "\x07" not in text
    fences = [token for token in MarkdownIt("commonmark").parse(text) if token.markup]
    said = next(token for token in fences if token.info == "text")
    assert said.content.splitlines()[0] == "`x` | y"
    assert "````" in said.content


def test_no_line_of_a_table_begins_as_a_command():
    text = job_summary.of_run([record("::error::x", notes=("::error::y",))])
    assert not any(line.startswith("::") for line in text.splitlines())


def test_a_long_reason_is_cut():
    reason = "\n".join(f"line {n} {'x' * 500}" for n in range(200))
    text = job_summary.of_run([record(result="failure", reason=reason)])
    assert text.count("\nline ") == 50
    assert "... and 150 more lines" in text
    assert max(map(len, text.splitlines())) < 800


def test_of_many_units_that_failed_the_first_are_shown_at_length():
    many = [record(f"tests(a{n})", "failure") for n in range(30)]
    text = job_summary.of_run(many)
    assert text.count("#### ") == 20
    assert "10 more did not pass; the table names them." in text


def test_a_table_of_very_many_units_is_cut():
    text = job_summary.of_run([record(f"tests(a{n})") for n in range(600)])
    assert tokens(text).count("tr_open") == 501
    assert "100 more units" in rendered(text).partition("</table>")[2]


def test_a_plan_says_what_runs_and_why():
    text = job_summary.of_plan(
        [("lint(a)", False, "proven in run 7"), ("tests(a)", True, "a|b changed")]
    )
    assert text.startswith("### 1 of 2 units have to run for this tree\n")
    assert cells(text) == [
        ["✅ proven", "<code>lint(a)</code>", "proven in run 7"],
        ["▶️ runs", "<code>tests(a)</code>", "a|b changed"],
    ]


def test_a_plan_with_nothing_to_do_says_where_it_was_proven():
    text = job_summary.of_plan([("lint(a)", False, "proven already in run 7")])
    assert text.startswith("### Nothing to do: ")
    assert "proven already in run 7" in text


def test_a_long_plan_is_cut_and_an_empty_one_is_no_table():
    text = job_summary.of_plan([(f"u{n}", True, "") for n in range(510)])
    assert "10 more units" in text
    assert "|" not in job_summary.of_plan([])


def test_the_page_is_appended_to(tmp_path):
    page = tmp_path / "summary"
    page.write_text("before\n")
    assert job_summary.append("one\n", {"GITHUB_STEP_SUMMARY": str(page)})
    assert job_summary.append("two", {"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text() == "before\none\n\ntwo\n"


def test_at_home_there_is_no_page(monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert not job_summary.append("text")
    assert not job_summary.append("text", {"GITHUB_STEP_SUMMARY": ""})


def test_a_page_that_cannot_be_written_is_told_and_no_reason_to_fail(tmp_path, capsys):
    assert not job_summary.append("x", {"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert "summary could not be written" in capsys.readouterr().out


def test_a_full_disk_is_told_too(capsys):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs a device of Linux")
    assert not job_summary.append("x", {"GITHUB_STEP_SUMMARY": "/dev/full"})
    assert "No space left" in capsys.readouterr().out


def test_what_would_make_the_page_too_long_is_left_out(tmp_path):
    page = tmp_path / "summary"
    environ = {"GITHUB_STEP_SUMMARY": str(page)}
    reason = "\n".join("ü" * 299 for _ in range(50))
    many = [record(f"tests(a{n})", "failure", reason=reason) for n in range(20)]
    text = job_summary.of_run(many)
    for _ in range(5):
        assert job_summary.append(text, environ)
    size = page.stat().st_size
    assert (1 << 20) - 70_000 < size <= 1 << 20
    text = page.read_text(encoding="utf-8")
    assert text.endswith("The rest is left out: a job's page has 1 MiB. See the log.\n")
    assert tokens(text).count("fence") % 2 == 0


def test_no_secret_reaches_the_page(tmp_path, monkeypatch):
    secret = "hunter_2.2|*"
    monkeypatch.setattr(masking, "_mask", masking.Mask([secret]))
    page = tmp_path / "summary"
    reason = f"wrong: {secret}\n{'x' * 295}{secret}"
    told = record(result="failure", reason=reason, notes=(f"a {secret}",))
    text = job_summary.of_run([told]) + job_summary.of_plan([("u", True, secret)])
    assert job_summary.append(f"{text}{secret}", {"GITHUB_STEP_SUMMARY": str(page)})
    assert "hunter" not in page.read_text()
