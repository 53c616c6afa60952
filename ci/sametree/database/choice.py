"""Whose programs run a project's servers: the embedded ones, or installed ones?

The embedded ones, the same everywhere, unless they lack an extension that the component
creates. Then a PostgreSQL that is installed here and has it: one of the same major
version before the newest.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

import msgspec

from sametree.database import binaries, extensions, installed
from sametree.database.binaries import Programs
from sametree.database.extensions import Created
from sametree.errors import SurroundingsError
from sametree.settings import Project

DEFAULT = 18
CONTRIB = frozenset(
    "adminpack amcheck autoinc bloom bool_plperl btree_gin btree_gist citext cube"
    " dblink dict_int dict_xsyn earthdistance file_fdw fuzzystrmatch hstore insert_username"
    " intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache"
    " pg_freespacemap pg_prewarm pg_stat_statements pg_surgery pg_trgm pg_visibility"
    " pg_walinspect pgcrypto pgrowlocks pgstattuple postgres_fdw refint seg sslinfo"
    " tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp xml2".split()
)
"""What comes with PostgreSQL's own package (docs: appendix F)."""
PACKAGES = {
    **dict.fromkeys(("postgis", "postgis_topology", "postgis_raster"), "postgis-3"),
    **dict.fromkeys(("postgis_tiger_geocoder", "address_standardizer"), "postgis-3"),
    "vector": "pgvector",
    "pg_cron": "cron",
    "pg_partman": "partman",
    "pg_repack": "repack",
    "hll": "hll",
    "rum": "rum",
    "pgaudit": "pgaudit",
    "pgrouting": "pgrouting",
    "hypopg": "hypopg",
    "ip4r": "ip4r",
    "pgtap": "pgtap",
    "pg_similarity": "similarity",
    "semver": "semver",
    "orafce": "orafce",
    "age": "age",
}
"""Extensions of packages of their own: what follows ``postgresql-N-`` in Debian's name.
Languages have names the other way round."""
LANGUAGES = {"plpython3u": "plpython3", "plperl": "plperl", "plperlu": "plperl"}
LANGUAGES["pltcl"] = "pltcl"


class Choice(msgspec.Struct, frozen=True):
    """The programs, and in one line why they are not the embedded ones; else empty."""

    programs: Programs
    why: str = ""


def choose(project: Project) -> Choice:
    """Return whose programs run the servers of ``project``.

    Raises SurroundingsError, with what to install, when no PostgreSQL here has all that
    the component of the database creates.
    """
    database = project.settings.database
    version = database.version if database else DEFAULT
    return of(version, extensions.of_project(project))


def of(version: int, needed: Sequence[Created]) -> Choice:
    """Return the programs that have all of ``needed``, like the embedded ``version``."""
    own = binaries.embedded(version)
    lacking = _lacking(own, needed)
    if not lacking:
        return Choice(own)
    known = installed.find()
    # Sorted by version already, and a stable sort leaves it so.
    for programs in sorted(known, key=lambda each: each.major != version):
        if not _lacking(programs, needed):
            names = ", ".join(each.name for each in lacking)
            return Choice(programs, f"{programs}: the embedded one lacks {names}")
    raise _missing(version, lacking, known)


def packages(extension: str, version: int) -> str:
    """Return the Debian packages that bring ``extension``, as a call of apt has them.

    >>> packages("pg_trgm", 18), packages("postgis", 18)
    ('postgresql-18', 'postgresql-18 postgresql-18-postgis-3')
    """
    server = f"postgresql-{version}"
    if extension in CONTRIB:
        return server
    if extension in LANGUAGES:
        return f"{server} postgresql-{LANGUAGES[extension]}-{version}"
    own = PACKAGES.get(extension) or re.sub(r"[^a-z0-9]+", "-", extension.lower())
    return f"{server} {server}-{own}"


def _lacking(programs: Programs, needed: Iterable[Created]) -> list[Created]:
    return [each for each in needed if not programs.has(each.name)]


def _missing(
    version: int, lacking: Sequence[Created], known: Sequence[Programs]
) -> SurroundingsError:
    first, *more = lacking
    lines = [
        f"the embedded PostgreSQL {version} has no extension {first.name!r}, which"
        f" {first.reason}"
    ]
    lines += [f"  nor {each.name!r}, which {each.reason}" for each in more]
    for programs in known:
        names = ", ".join(repr(each.name) for each in _lacking(programs, lacking))
        lines.append(f"  {programs} is here, but lacks {names}")
    if not known:
        lines.append("  no other PostgreSQL is installed on this machine")
    return SurroundingsError("\n".join(lines), _cure(version, lacking, known))


def _cure(version: int, lacking: Sequence[Created], known: Sequence[Programs]) -> str:
    """Return what to install, for the version that is here already if there is one."""
    major = known[0].major if known else version
    if sys.platform == "darwin":
        own = [each.name for each in lacking if each.name not in CONTRIB]
        call = f"brew install postgresql@{major}"
        call += f" {' '.join(own)}" if own else ""
    else:
        words = " ".join(packages(each.name, major) for each in lacking).split()
        call = f"apt install {' '.join(dict.fromkeys(words))}"
    return (
        f"{call}  (the name of the package may differ here), or name a server that has"
        " it in DATABASE_URL"
    )
