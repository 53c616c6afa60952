"""What names a content? One digest of it; imported by what has to answer at once."""

from __future__ import annotations

import hashlib


def digest(*parts: str | bytes) -> str:
    """Return the SHA-256 (hex) of ``parts``, each ended so that borders count.

    Text may be a name of a file as ``os.fsdecode`` gives it, with bytes of any kind.
    """
    summed = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogateescape") if isinstance(part, str) else part
        summed.update(b"%d:" % len(raw) + raw)
    return summed.hexdigest()


def readable(text: str) -> str:
    r"""Return ``text``, of bytes that may be no UTF-8, as JSON can have it; no two are
    written alike.

    >>> readable("caf\udce9"), readable("caf\ufffd")
    ('caf\ufffde9', 'caf\ufffd-')
    """
    marked = text.replace("\ufffd", "\ufffd-")
    return "".join(
        f"\ufffd{ord(each) - 0xDC00:02x}" if "\udc80" <= each <= "\udcff" else each
        for each in marked
    )
