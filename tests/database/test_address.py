"""What a database's address holds, and how it is shown without its secret."""

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from sametree.database import address
from sametree.database.address import Address
from sametree.errors import UsageError

NASTY = "p@ss:w/o?r#d %41&=+[ü]'\\"


def test_an_address_is_read_part_by_part():
    url = "postgresql://ada:s%40cret@db.example.org:5433/maria?sslmode=require"
    assert address.parse(url) == Address(
        host="db.example.org",
        port=5433,
        user="ada",
        password="s@cret",
        database="maria",
        options={"sslmode": "require"},
    )


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg"]
)
def test_every_scheme_of_postgresql_is_known(scheme):
    found = address.parse(f"{scheme}://localhost/maria")
    assert (found.host, found.database) == ("localhost", "maria")


@pytest.mark.parametrize(
    ("url", "host", "options"),
    [
        ("postgresql:///maria", "", {}),
        ("postgresql:///maria?host=/run/pg", "", {"host": "/run/pg"}),
        ("postgresql://ada@%2Frun%2FMyPG/maria", "/run/MyPG", {}),
        ("postgresql://[::1]:5432/maria", "::1", {}),
    ],
)
def test_sockets_and_ipv6_have_their_place(url, host, options):
    found = address.parse(url)
    assert (found.host, found.options) == (host, options)


FULL = Address(
    host="db.example.org",
    port=5433,
    user=f"user {NASTY}",
    password=NASTY,
    database=f"data {NASTY}",
    options={"sslmode": "require", "application_name": "a&b=c"},
)
ADDRESSES = [
    FULL,
    Address(database="maria"),
    Address(host="::1", port=5432, user="ada", database="maria"),
    Address(host="/run/My PG", user="ada", database="maria"),
    Address(database="maria", options={"host": "/run/pg", "port": "5433"}),
]


@pytest.mark.parametrize("known", ADDRESSES, ids=str)
@pytest.mark.parametrize("driver", [None, "psycopg"])
def test_an_address_is_read_back_as_it_was_written(known, driver):
    assert address.parse(known.url(driver)) == known


@pytest.mark.parametrize("known", ADDRESSES, ids=str)
def test_libpq_reads_the_same_from_the_url(known):
    wanted = {
        "host": known.host,
        "port": str(known.port or ""),
        "user": known.user,
        "password": known.password,
        "dbname": known.database,
        **known.options,
    }
    found = conninfo_to_dict(known.url())
    assert found == {name: value for name, value in wanted.items() if value}


def test_libpq_reads_a_space_in_an_option():
    known = Address(database="maria", options={"options": "-c search_path=x"})
    assert conninfo_to_dict(known.url())["options"] == "-c search_path=x"


def test_a_plus_in_an_option_is_a_plus_as_libpq_has_it():
    url = "postgresql:///maria?application_name=a+b"
    assert conninfo_to_dict(url)["application_name"] == "a+b"
    assert address.parse(url).options == {"application_name": "a+b"}


@pytest.mark.parametrize("known", ADDRESSES, ids=str)
def test_sqlalchemy_reads_the_same_from_the_url(known):
    found = make_url(known.url("psycopg"))
    assert found.drivername == "postgresql+psycopg"
    assert (found.username or "", found.password or "") == (known.user, known.password)
    assert (found.database, found.port) == (known.database, known.port)
    assert dict(found.query) == dict(known.options)


def test_another_database_of_the_same_server_is_at_the_same_place():
    other = FULL.named("other")
    assert other.database == "other"
    assert other.named(FULL.database) == FULL


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        (Address(host="db", port=5433, database="m"), "database 'm' on db:5433"),
        (Address(host="db", database="m"), "database 'm' on db"),
        (Address(database="m"), "database 'm' on local socket"),
        (Address(database="m", options={"host": "/run"}), "database 'm' on /run"),
    ],
)
def test_an_address_is_shown_with_what_people_want_to_know(known, shown):
    assert str(known) == shown
    assert repr(known) == f"<Address of {shown}>"


def test_an_address_is_never_shown_with_its_secret():
    secret = Address(host="db", user="ada", password="s3cret", database="m")
    for shown in (str(secret), repr(secret), f"{secret}", repr([secret])):
        assert "s3cret" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:s3cret@db/m",
        "postgresql+://ada:s3cret@db/m",
        "sqlite:///m.db",
        "",
        "postgresql://ada:s3cret@db",
        "postgresql://ada:s3cret@db/",
        "postgresql://ada:s3cret@db:x/m",
        "postgresql://ada:s3cret@db:99999/m",
        "postgresql://ada:s3cret@[::1/m",
    ],
)
def test_what_is_no_address_is_refused_without_its_secret(url):
    with pytest.raises(UsageError) as caught:
        address.parse(url)
    assert "DATABASE_URL" in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:s3cret#x@db/m",
        "postgresql://ada:s3cret/x@db/m",
        "postgresql://ada:s3cret?x@db/m",
        "postgresql://ada:s3cret℀@db/m",
        "ada:s3cret@db/m",
    ],
)
def test_a_mistyped_address_does_not_give_its_secret_away(url):
    with pytest.raises(UsageError) as caught:
        address.parse(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://db/m", "postgresql://db"])
def test_a_refusal_shows_how_an_address_is_written(url):
    with pytest.raises(UsageError) as caught:
        address.parse(url)
    assert "postgresql://user:password@host:5432/database" in caught.value.cure


@pytest.mark.parametrize("written", ["p@ss/w", "p%40ss%2Fw", "p%40ss/w"])
def test_a_secret_is_hidden_however_it_is_written(written):
    secret = Address(host="db", user="ada", password="p@ss/w", database="m")
    assert secret.hide(f"invalid: postgresql://ada:{written}@db/m") == (
        "invalid: postgresql://ada:***@db/m"
    )


def test_a_password_among_the_options_is_the_password():
    found = address.parse("postgresql://ada@db/m?password=s3cret&sslmode=require")
    assert found.password == "s3cret"
    assert found.options == {"sslmode": "require"}
