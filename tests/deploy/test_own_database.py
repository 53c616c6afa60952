"""An environment's own PostgreSQL runs as long as its program, and keeps its data."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import eventually

from sametree.database.connections import connection
from sametree.deploy import own_database
from sametree.deploy.own_database import Own
from sametree.errors import SurroundingsError


@pytest.fixture
def own(folder):
    """A database that is not there yet; this process hears signals as before."""
    before = signal.getsignal(signal.SIGTERM)
    yield Own(folder / "postgres-18", 18, "app")
    signal.signal(signal.SIGTERM, before)


def meanwhile(own, do, stops=True):
    """Run its program in this very thread, where signals arrive; ``do`` is done beside
    it once the database can be used. Return how the program ends, and what came of it.
    """

    def beside():
        try:
            assert eventually(lambda: taken(own), 30)
            return do()
        finally:
            if stops:
                os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(beside)
        code = own_database.main(own)
        return code, done


def taken(own):
    """Return whether the database takes connections."""
    if (address := own.address()) is None:
        return False
    try:
        with connection(address):
            return True
    except SurroundingsError:
        return False


def test_it_runs_until_it_is_told_to_stop_and_is_there_again(own, capsys):
    assert own.address() is None

    def use():
        with connection(own.address()) as asked:
            asked.execute("CREATE TABLE stays ()")
            return own.address()

    code, done = meanwhile(own, use)
    where = done.result()
    assert code == 0 and where.database == "app" and own.address() is None
    told = f"PostgreSQL 18 listens on {where.host}:{where.port}"
    assert capsys.readouterr().out == f"{told}\n"

    def again():
        with connection(own.address()) as asked:
            return asked.execute("SELECT to_regclass('stays')").fetchone()

    code, done = meanwhile(own, again)
    assert (code, done.result()) == (0, ("stays",))


def test_it_ends_when_its_server_does_so_that_both_are_started_again(own, capsys):
    def kill():
        pid = (own.folder / "data" / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGKILL)

    code, _ = meanwhile(own, kill, stops=False)
    assert code == 1
    assert capsys.readouterr().out.splitlines()[-1] == "PostgreSQL has ended"
