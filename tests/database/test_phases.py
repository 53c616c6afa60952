"""What a migration file says of itself, read from its text."""

import pytest

from sametree.database import phases
from sametree.database.safety import RULES


def read(tmp_path, text):
    own = tmp_path / "app" / "migrations"
    file = own / "versions" / "a.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return phases.read(file, tmp_path, own, RULES)


@pytest.mark.parametrize(
    "text, phase",
    [
        ("", "expand"),
        ('phase = "contract"', "contract"),
        ('phase: str = "contract"', "contract"),
        ('phase = "expand"', "expand"),
        ('def f():\n    phase = "contract"', "expand"),
        ('"""phase = "contract" is a sentence here"""', "expand"),
        ("def broken(", "expand"),
    ],
)
def test_the_phase_is_what_the_module_says(tmp_path, text, phase):
    said = read(tmp_path, text)
    assert (said.phase, said.problems) == (phase, ())


@pytest.mark.parametrize("value", ['"late"', "3", 'f"{x}"', '"con" + "tract"'])
def test_an_unknown_phase_is_told_with_its_line(tmp_path, value):
    said = read(tmp_path, f"\nphase = {value}")
    assert said.problems == ((2, 'phase is "expand" or "contract"'),)


def test_a_waiver_has_a_rule_and_a_reason(tmp_path):
    said = read(tmp_path, "x = 1  # sametree: allow irreversible: it is an enum\n")
    assert said.waivers == (phases.Waiver("irreversible", "it is an enum", 1),)


def test_a_waiver_in_a_text_is_none(tmp_path):
    said = read(tmp_path, 'x = "# sametree: allow irreversible: really"\n')
    assert (said.waivers, said.problems) == ((), ())


@pytest.mark.parametrize(
    "comment, told",
    [
        ("allow irreversible", "the waiver of irreversible has no reason"),
        ("allow irreversible:", "the waiver of irreversible has no reason"),
        ("allow irreversible: …", "the waiver of irreversible has no reason"),
        ("allow irreversible because", "the waiver of irreversible has no reason"),
        ("allow irreversable: so", "no rule irreversable; did you mean irreversible?"),
        ("allow", "there is no rule without a name"),
        ("ignore all", "a waiver is `# sametree: allow RULE: reason`"),
    ],
)
def test_a_waiver_that_is_none_is_told_with_its_line(tmp_path, comment, told):
    ((line, text),) = read(tmp_path, f"\n# sametree: {comment}\n").problems
    assert line == 2 and told in text


def test_imports_of_the_application_are_found_wherever_they_are(tmp_path):
    (tmp_path / "app").mkdir()
    for name in ("app/__init__.py", "app/models.py", "app/migrations/names.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "src" / "shop").mkdir(parents=True)
    (tmp_path / "src" / "shop" / "prices.py").touch()
    (tmp_path / "tool.py").touch()
    text = (
        "import sqlalchemy\nfrom alembic import op\n"
        "from app.models import User\n"
        "from app.migrations.names import NAME\n"
        "from app.migrations import names\n"
        "def upgrade():\n    import tool, shop.prices\n    from . import other\n"
    )
    said = read(tmp_path, text)
    assert said.imports == (("app.models", 3), ("tool", 7))
    assert said.upgrade == 6 and said.downgrade == 0


def test_a_file_that_is_not_there_says_nothing(tmp_path):
    assert phases.read(tmp_path / "a.py", tmp_path, tmp_path, RULES) == phases.Said()


@pytest.mark.parametrize(
    "text, reads",
    [
        ("open('names.sql')", True),
        ("import pathlib\npathlib.Path('x').read_text()", True),
        ("from importlib import resources", True),
        ("op.execute('open')", False),
    ],
)
def test_a_migration_that_reads_more_than_itself_is_known(tmp_path, text, reads):
    assert read(tmp_path, text).reads is reads
