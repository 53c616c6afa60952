"""To which database does an address lead, and may tests work there?"""

import pytest
from sqlalchemy import make_url

from sametree.inside.sametree_pytest import addresses
from sametree.inside.sametree_pytest.addresses import Place, place_of
from sametree.inside.sametree_pytest.protocol import Told

TEMPLATE = "postgresql+psycopg://me:hunter2@127.0.0.1:5433/sametree_tests_1"
OWN = place_of(Told(TEMPLATE, own=True))
GIVEN = place_of(Told(TEMPLATE))
SQLITE = place_of(Told(sqlite="template.sqlite"))
CLONE = "postgresql://localhost:5433/sametree_tests_1__gw0"


@pytest.mark.parametrize(
    ("place", "url", "allowed"),
    [
        (OWN, CLONE, True),
        (OWN, "postgresql+psycopg2:///sametree_tests_1__gw0?host=::1&port=5433", True),
        (OWN, "postgresql://[::1]:5433/?dbname=anything", True),
        (OWN, "postgresql://127.0.0.1:5433/sametree_tests_1", False),
        (OWN, "postgresql://127.0.0.1/sametree_tests_1__gw0", False),
        (OWN, "postgresql://db.example.org:5433/sametree_tests_1__gw0", False),
        (OWN, "postgresql://a,b/sametree_tests_1__gw0", False),
        (OWN, "postgresql:///?host=a&host=b&dbname=x", False),
        (OWN, "mysql+pymysql://127.0.0.1:5433/sametree_tests_1__gw0", False),
        (OWN, "sqlite:///development.sqlite", True),
        (OWN, "postgresql://", None),
        (OWN, "postgresql:///development", None),
        (OWN, "postgresql://127.0.0.1:5433", None),
        (GIVEN, CLONE, True),
        (GIVEN, "postgresql://127.0.0.1:5433/development", False),
        (GIVEN, "postgresql://127.0.0.1:5433/sametree_tests_1", False),
        (GIVEN, "postgresql://127.0.0.1:5433/sametree_tests_10__gw0", False),
        (SQLITE, "sqlite://", True),
        (SQLITE, CLONE, False),
    ],
)
def test_tests_may_work_in_their_place_only(place, url, allowed):
    assert place.has(make_url(url)) is allowed


def test_a_place_without_a_port_is_on_the_usual_one():
    assert place_of(Told("postgresql://h/t")) == Place("h", "5432", "t", own=False)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (CLONE, CLONE.replace("localhost", "me:hunter2@127.0.0.1"), True),
        (CLONE, CLONE.replace("postgresql", "postgresql+pg8000"), True),
        (CLONE, CLONE + "_1", False),
        (CLONE, "sqlite:///x", False),
        ("sqlite:///file:/x?vfs=memdb&uri=true", "sqlite:///file:/x?uri=true", True),
        ("sqlite:///x", "sqlite:///y", False),
    ],
)
def test_two_addresses_of_one_database_are_the_same(one, other, same):
    assert addresses.same(make_url(one), make_url(other)) is same


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (TEMPLATE, "database 'sametree_tests_1' on localhost:5433"),
        ("postgresql:///x?host=/run/pg", "database 'x' on /run/pg:5432"),
        ("mysql+pymysql://me:p@h:1/x", "mysql+pymysql database 'x' on h:1"),
        ("mysql+pymysql://me:p@h/x", "mysql+pymysql database 'x' on h"),
    ],
)
def test_a_database_is_described_without_secrets(url, words):
    assert addresses.described(make_url(url)) == words
