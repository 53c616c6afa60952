"""Which files of a page are worth sending compressed, and what are their bytes then?"""

from __future__ import annotations

import importlib
import zlib
from pathlib import Path

from sametree.errors import SurroundingsError

TEXT = frozenset(
    ".html .htm .css .js .mjs .cjs .json .map .svg .txt .xml .webmanifest .wasm .ico"
    " .md .csv .ttf .otf .eot".split()
)
"""Suffixes of files that become smaller; pictures and woff2 are compressed as they are."""
SMALLEST = 1024
"""Bytes below which a file fits into one packet anyway."""
GZIP, BROTLI = 9, 9
"""How hard each tries. Brotli's 11 is 8 % smaller, and takes ten times as long."""


def add(folder: Path) -> None:
    """Write ``NAME.gz`` and ``NAME.br`` beside each file that they are smaller than.

    The same bytes for the same file. What a build has already made stays.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in TEXT or not path.is_file():
            continue
        raw = path.read_bytes()
        if len(raw) <= SMALLEST:
            continue
        for suffix, made in ((".gz", _gzip(raw)), (".br", _brotli(raw))):
            beside = path.with_name(path.name + suffix)
            if len(made) < len(raw) and not beside.exists():
                beside.write_bytes(made)


def _gzip(raw: bytes) -> bytes:
    # Written by zlib itself: no name and no time in the header (RFC 1952).
    squeezing = zlib.compressobj(GZIP, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return squeezing.compress(raw) + squeezing.flush()


def _brotli(raw: bytes) -> bytes:
    try:
        brotli = importlib.import_module("brotli")  # it has no types
    except ImportError:
        raise SurroundingsError(
            "pages of a release are compressed by brotli, which is not installed here",
            "install sametree[deploy] (here: README's first command)",
        ) from None
    made: bytes = brotli.compress(raw, quality=BROTLI)
    return made
