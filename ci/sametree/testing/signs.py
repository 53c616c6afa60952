"""Which words tell that not the code but what surrounds it is at fault?

Each sign is what a program of ours, or one that many use, really says: Python's own
errors, libpq, the drivers and HTTP clients of Python, and Node.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

Kind = Literal[
    "database",
    "variable",
    "disk",
    "memory",
    "files",
    "network",
    "permission",
    "program",
]


class Sign(msgspec.Struct, frozen=True):
    """Words that tell of a fault: ``pattern`` finds them; ``text`` says what is wrong
    and ``cure`` what to do now, both with what the pattern's groups have found."""

    kind: Kind
    pattern: re.Pattern[str]
    text: str
    cure: str

    def told(self, found: re.Match[str]) -> tuple[str, str]:
        """Return text and cure for what was ``found``."""
        words = dict.fromkeys(("host", "port", "socket", "path"), "")
        for group, value in found.groupdict().items():
            name = group.rstrip("0123456789")  # one word, found in one of many forms
            words[name] = words.get(name) or value or ""
        host, port = words["host"], words["port"]
        at = f"{host}:{port}" if host and port else host or words["socket"]
        words["at"] = f" at {at}" if at else ""
        words["on"] = f" ({words['path']})" if words["path"] else ""
        return self.text.format(**words), self.cure.format(**words)


def _sign(kind: Kind, pattern: str, text: str, cure: str) -> Sign:
    return Sign(kind, re.compile(pattern, re.MULTILINE), text, cure)


START = (
    "start it, or correct the address; without DATABASE_URL the suite brings a server"
)
REACH = (
    "start what should listen there; if the tests start it themselves, see why it ended"
)
RESOLVE = "check the name, and this machine's network and DNS"
TRUST = (
    "name your network's certificates in SSL_CERT_FILE, and for Node in"
    " NODE_EXTRA_CA_CERTS"
)
SPACE = "make room there (`df -h` shows how much is free), and run it again"
SERVER = (
    r'connection to server (?:at "(?P<host>[^"]*)"(?: \([^)]*\))?, port (?P<port>\d+)'
)
SERVER += r'|on socket "(?P<socket>[^"]*)") failed: '
ADDRESS = r"\s+(?P<host>\[?[0-9a-fA-F.:]*[0-9a-fA-F]\]?|[\w.-]+):(?P<port>\d+)"

SIGNS = (
    _sign(
        "disk",
        r"\[Errno (?:28|122)\] [^:\n]*(?:: '(?P<path>[^']*)')?"
        r"|No space left on device|\bENOSPC\b|\bEDQUOT\b|Disk quota exceeded"
        r"|database or disk is full|\bDiskFull\b",
        "the disk is full{on}",
        SPACE,
    ),
    _sign(
        "memory",
        r"^MemoryError\b|\[Errno 12\]|\bENOMEM\b|Cannot allocate memory"
        r"|JavaScript heap out of memory|signal=SIGKILL\b|errors\.OutOfMemory\b",
        "the memory did not suffice",
        "end what needs much of it, or run fewer processes: SAMETREE_JOBS=1",
    ),
    _sign(
        "files",
        r"\[Errno 2[34]\]|Too many open files|\bEMFILE\b|\bENFILE\b",
        "too many files were open at once",
        "raise the limit (`ulimit -n 4096`); where it grows from test to test, close"
        " what is opened",
    ),
    _sign(
        "database",
        rf'{SERVER}FATAL:\s+database "(?P<name>[^"]*)" does not exist',
        'the server{at} has no database "{name}"',
        "make it, or correct the address; without DATABASE_URL the suite brings a"
        " database",
    ),
    _sign(
        "database",
        rf"{SERVER}FATAL:\s+(?P<why>(?:password|role|no pg_hba)[^\n]*)",
        "the database server{at} refused: {why}",
        "correct user and password in the address, or the server's rules",
    ),
    _sign(
        "database",
        rf"{SERVER}FATAL:\s+(?P<why>the database system is [^\n]*)",
        "the database server{at} is not ready: {why}",
        "wait until it is, and run it again",
    ),
    _sign(
        "database",
        rf"{SERVER}(?!FATAL)[^\n]*",
        "no database server answers{at}",
        START,
    ),
    _sign(
        "database",
        r"Can't create a connection to host (?P<host>\S+) and port (?P<port>\d+)"
        r"|Can't connect to (?:local )?(?:MySQL|MariaDB) server on '(?P<host2>[^']*)'",
        "no database server answers{at}",
        START,
    ),
    _sign(
        "database",
        # A test may have ended its own connection; then that is said first.
        r"(?<!administrator command\n)server closed the connection unexpectedly",
        "the database server ended while it was used",
        "its log tells why; then run it again",
    ),
    _sign(
        "database",
        r'extension "(?P<name>[^"]+)" is not available',
        'the database server has no extension "{name}"',
        "install it on the server, or name a server that has it in DATABASE_URL",
    ),
    _sign(
        "network",
        r"(?:failed to resolve host|Failed to resolve|could not translate host name"
        r"|[Cc]ould not resolve host:?|getaddrinfo (?:ENOTFOUND|EAI_AGAIN))"
        r" ['\"]?(?P<host>[\w.-]+)",
        "the name {host} cannot be resolved",
        RESOLVE,
    ),
    _sign(
        "network",
        r"\bgaierror\b|Name or service not known|Temporary failure in name resolution"
        r"|nodename nor servname|No address associated with hostname"
        r"|\bENOTFOUND\b|\bEAI_AGAIN\b",
        "a host's name cannot be resolved",
        RESOLVE,
    ),
    _sign(
        "network",
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError"
        r"|UNABLE_TO_(?:VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT\w*)|CERT_HAS_EXPIRED"
        r"|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT"
        r"|unable to (?:get local issuer|verify the first) certificate"
        r"|self[- ]signed certificate|certificate has expired",
        "a server's certificate is not trusted here",
        TRUST,
    ),
    _sign(
        "network",
        r"connect ECONNREFUSED" + ADDRESS + r"|Connect call failed"
        r" \('(?P<host2>[^']+)', (?P<port2>\d+)|HTTPS?Connection(?:Pool)?"
        r"\(host='(?P<host3>[^']*)', port=(?P<port3>\d+)\).*\[Errno 111\]"
        r"|Error 111 connecting to (?P<host4>\S+):(?P<port4>\d+)",
        "nothing listens{at}",
        REACH,
    ),
    _sign(
        "network",
        r"Connection refused|\bECONNREFUSED\b|\[Errno 111\]|actively refused it",
        "a connection was refused",
        REACH,
    ),
    _sign(
        "network",
        r"\[Errno 110\]|\bETIMEDOUT\b|Connection timed out|Connect(?:ion)?Timeout"
        r"|connection timeout expired",
        "a connection could not be made in time",
        "check this machine's network and proxy settings, and run it again",
    ),
    _sign(
        "network",
        r"\[Errno (?:101|113)\]|\bENETUNREACH\b|\bEHOSTUNREACH\b"
        r"|Network is unreachable|No route to host|Tunnel connection failed",
        "the network is not reachable",
        "check this machine's network and proxy settings, and run it again",
    ),
    _sign(
        "permission",
        r"\[Errno (?:13|30)\] [^:\n]*: '(?P<path>/[^']*)'"
        r"|E(?:ACCES|ROFS): [^,\n]*, \w+ '(?P<path2>/[^']*)'"
        r"|(?P<path3>/\S*pytest-of-\S*) is not owned by the current user",
        "this user may not use {path}",
        "change its owner or mode, or run as the user that it belongs to",
    ),
    _sign(
        "program",
        r"^FileNotFoundError: \[Errno 2\] [^:\n]*: '(?P<name>[^'/]+)'"
        r"|\bspawn (?P<name2>[^\s/]+) ENOENT",
        "there is no program {name} on this machine",
        "install it so that it is on PATH, or correct the name",
    ),
)

VARIABLES = (
    re.compile(r"^KeyError: '(?P<name>\w+)'"),
    re.compile(
        r"validation errors? for \w*(?:Settings|Config)\w*\n(?P<name>\w+)\n"
        r"\s+Field required"
    ),
    re.compile(r"UndefinedValueError: (?P<name>\w+) not found"),
    re.compile(r"[Ss]et the (?P<name>[A-Z][A-Z0-9_]+) environment variable"),
    re.compile(
        r"(?i:environment variable|env var)s?:? ['\"`]?(?P<name>[A-Z][A-Z0-9_]+)['\"`]?"
        r" (?i:(?:is |was )?(?:not set|unset|missing|required|not defined|undefined))"
    ),
    re.compile(
        r"(?i:missing|undefined|unset)(?i: required)? (?i:environment variable|env var)"
        r"s?:? ['\"`]?(?P<name>[A-Z][A-Z0-9_]+)"
    ),
    re.compile(
        r"['\"`]?(?P<name>[A-Z][A-Z0-9_]+)['\"`]? (?i:environment variable)"
        r" (?i:(?:is |was )?(?:not set|unset|missing|required|not defined))"
    ),
)
"""Ways to say that a variable of the environment is missing; the first, Python's own,
says so only where ``os.environ`` was asked."""
