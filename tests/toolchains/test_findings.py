"""What checks found, read out of what the programs really print.

The outputs below were made by black 26, flake8 7.5, mypy 2.4, prettier 3.10, eslint 10
and TypeScript 6, with the options that the toolchains give them.
"""

from pathlib import Path

import pytest

from sametree.toolchains import findings
from sametree.toolchains.findings import Finding

FOLDER = Path("/project")


def read(reader, output, folder=FOLDER):
    return findings.read(reader, output, folder)


BLACK = """\
--- /project/pkg/bad.py\t2026-11-22 19:07:34.744907+00:00
+++ /project/pkg/bad.py\t2026-11-22 19:07:34.964255+00:00
@@ -1,5 +1,5 @@
 import os
-x = {  "a":1 }
+
+x = {"a": 1}
@@ -14,7 +14,4 @@
     return a
-
-
-class A: pass
+class A:
+    pass
--- /project/with space.py\t2026-11-22 19:07:34.744907+00:00
+++ /project/with space.py\t2026-11-22 19:07:34.964255+00:00
@@ -3 +3 @@
-x=1
+x = 1
"""


def test_black_finds_a_place_for_every_hunk_of_its_diff():
    assert read("black", BLACK) == [
        Finding("pkg/bad.py", 1, None, "not formatted"),
        Finding("pkg/bad.py", 14, None, "not formatted"),
        Finding("with space.py", 3, None, "not formatted"),
    ]


def test_black_finds_files_that_it_cannot_format():
    output = "error: cannot format enc.py: invalid or missing encoding declaration\n"
    assert read("black", output) == [
        Finding("enc.py", None, None, "invalid or missing encoding declaration")
    ]


def test_black_finds_files_that_it_cannot_parse():
    output = (
        "error: cannot parse: /project/broken.py:1:6\n"
        "    def f(:\n"
        "         ^\n"
        "ParseError: bad input\n"
    )
    (finding,) = read("black", output)
    assert (finding.file, finding.line) == ("broken.py", 1)


BLACK_WITH_SQL = """\
--- /project/sql.py\t2026-11-22 19:08:06.345802+00:00
+++ /project/sql.py\t2026-11-22 19:08:06.699190+00:00
@@ -1,7 +1,7 @@
 def f():
     \"\"\"Doc.
--- sql
-\"\"\"
-    a=1
+    -- sql
+    \"\"\"
+    a = 1
     b = 2
@@ -11,4 +11,4 @@
     g = 7
     h = 8
-    return  a
+    return a
"""


def test_black_is_not_confused_by_a_comment_of_sql():
    assert read("black", BLACK_WITH_SQL) == [
        Finding("sql.py", 1, None, "not formatted"),
        Finding("sql.py", 11, None, "not formatted"),
    ]


FLAKE8 = """\
./pkg/bad.py:1:1: F401 'os' imported but unused
./pkg/bad.py:2:6: E201 whitespace after '{'
./pkg/broken.py:1:8: E999 SyntaxError: invalid syntax
"""


def test_flake8_finds_place_and_rule():
    assert read("flake8", FLAKE8) == [
        Finding("pkg/bad.py", 1, 1, "'os' imported but unused", "F401"),
        Finding("pkg/bad.py", 2, 6, "whitespace after '{'", "E201"),
        Finding("pkg/broken.py", 1, 8, "SyntaxError: invalid syntax", "E999"),
    ]


MYPY = """\
pkg/bad.py:12: error: Incompatible return value type (got "int", expected "str")  [return-value]
pkg/bad.py:12:5: error: Name "x" is not defined  [name-defined]
pkg/bad.py:13: note: See the documentation for more information
pkg/broken.py:1: error: Invalid syntax
"""


def test_mypy_finds_errors_with_and_without_column_and_rule_but_no_notes():
    incompatible = 'Incompatible return value type (got "int", expected "str")'
    assert read("mypy", MYPY) == [
        Finding("pkg/bad.py", 12, None, incompatible, "return-value"),
        Finding("pkg/bad.py", 12, 5, 'Name "x" is not defined', "name-defined"),
        Finding("pkg/broken.py", 1, None, "Invalid syntax"),
    ]


TSC = """\
src/App.tsx(3,7): error TS2322: Type 'string' is not assignable to type 'number'.
  The expected type comes from property 'size' which is declared here on type 'X'
src/broken.ts(1,9): error TS1134: Variable declaration expected.
"""


def test_tsc_finds_place_and_rule():
    wrong = "Type 'string' is not assignable to type 'number'."
    assert read("tsc", TSC) == [
        Finding("src/App.tsx", 3, 7, wrong, "TS2322"),
        Finding("src/broken.ts", 1, 9, "Variable declaration expected.", "TS1134"),
    ]


PRETTIER = """\
[warn] src/bad.ts
[error] src/broken.ts: SyntaxError: Variable declaration expected. (1:7)
[error] > 1 | const = 3;
[error]     |       ^
[error]   2 |
[warn] Code style issues found in 2 files. Run Prettier with --write to fix.
[error] No files matching the pattern were found: "source".
"""


def test_prettier_finds_what_is_not_formatted_and_what_it_cannot_read(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "bad.ts").touch()
    broken = "SyntaxError: Variable declaration expected."
    assert read("prettier", PRETTIER, tmp_path) == [
        Finding("src/bad.ts", None, None, "not formatted"),
        Finding("src/broken.ts", 1, 7, broken),
    ]


def test_prettier_finds_errors_without_a_place():
    output = "[error] src/a.ts: Error: Couldn't resolve parser\n"
    assert read("prettier", output) == [
        Finding("src/a.ts", None, None, "Error: Couldn't resolve parser")
    ]


def test_prettier_is_understood_in_colour_too(tmp_path):
    (tmp_path / "bad.ts").touch()
    output = "[\033[33mwarn\033[39m] bad.ts\n"
    assert read("prettier", output, tmp_path) == [
        Finding("bad.ts", None, None, "not formatted")
    ]


ESLINT = (
    '[{"filePath":"/project/src/bad.ts","messages":[{"ruleId":'
    '"@typescript-eslint/no-unused-vars","severity":2,"message":'
    '"\'a\' is assigned a value but never used.","line":1,"column":7,"messageId":'
    '"unusedVar","endLine":1,"endColumn":8}],"suppressedMessages":[],"errorCount":1,'
    '"fatalErrorCount":0,"warningCount":0,"fixableErrorCount":0,'
    '"fixableWarningCount":0,"usedDeprecatedRules":[]},'
    '{"filePath":"/project/src/broken.ts","messages":[{"ruleId":null,"fatal":true,'
    '"severity":2,"message":"Parsing error: Variable declaration expected.","line":1,'
    '"column":6}],"suppressedMessages":[],"errorCount":1},'
    '{"filePath":"/elsewhere/x.ts","messages":[{"ruleId":null,"severity":1,"message":'
    '"File ignored because outside of base path."}]},'
    '{"filePath":"/project/src/good.ts","messages":[]}]'
)
ESLINT_FOUND = [
    Finding(
        "src/bad.ts",
        1,
        7,
        "'a' is assigned a value but never used.",
        "@typescript-eslint/no-unused-vars",
    ),
    Finding("src/broken.ts", 1, 6, "Parsing error: Variable declaration expected."),
    Finding(
        "/elsewhere/x.ts", None, None, "File ignored because outside of base path."
    ),
]


def test_eslint_finds_place_and_rule():
    assert read("eslint", ESLINT) == ESLINT_FOUND


def test_eslint_may_say_something_before_and_after_its_findings():
    output = f"(node:7) ExperimentalWarning: x\n{ESLINT}\n\nmore [{{\n"
    assert read("eslint", output) == ESLINT_FOUND


@pytest.mark.parametrize(
    ("reader", "output"),
    [
        ("black", "Error: Invalid value for '--target-version': 'py99'\n"),
        ("flake8", "There was a critical error during execution of Flake8:\n"),
        ("mypy", "mypy: can't read file 'x': No such file or directory\n"),
        ("tsc", "error TS18003: No inputs were found in config file.\n"),
        ("prettier", "[error] Invalid configuration for file\n"),
        ("eslint", "Oops! Something went wrong! :(\n"),
        ("eslint", '[{"filePath": "cut sho'),
        ("eslint", "[]"),
        ("", "anything.py:1:1: X1 at all\n"),
        ("unheard-of", "anything.py:1:1: X1 at all\n"),
    ],
)
def test_what_is_no_finding_is_left_for_people_to_read(reader, output):
    assert read(reader, output) == []


@pytest.mark.parametrize(
    ("finding", "shown"),
    [
        (Finding("a.py", 3, 7, "text", "E1"), "a.py:3:7  text  (E1)"),
        (Finding("a.py", 3, None, "text"), "a.py:3  text"),
        (Finding("a.py", None, None, "text"), "a.py  text"),
    ],
)
def test_a_finding_is_shown_so_that_an_editor_can_jump_to_it(finding, shown):
    assert str(finding) == shown
