"""How is a difference between two runs said in words, and in a row of a table?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from sametree.changes import Changed
from sametree.differences import MISSING, Difference
from sametree.insight.compare.pairs import SET, THERE
from sametree.records import Record

PHRASES = {
    "local": "in the local run",
    "CI": "in CI",
    "left": "on the left",
    "right": "on the right",
}
SURROUNDINGS = {
    "host.cpu.count": "cores",
    "host.cpu.model": "CPU",
    "host.name": "host",
    "host.arch": "architecture",
    "os.release": "kernel",
    "os.type": "system",
}
NAMED = 3
"""Files or packages that a sentence names."""


class Names(msgspec.Struct, frozen=True):
    """What the two sides are called: ``local`` and ``CI``, or ``left`` and ``right``."""

    left: str = "left"
    right: str = "right"

    def only(self, difference: Difference) -> str:
        """Return where something is that only one side has."""
        return f"{PHRASES[self.left if difference.old else self.right]} only"

    def both(self, left: str, right: str) -> str:
        """Return two values, each with where it is so."""
        return f"{left} {PHRASES[self.left]}, {right} {PHRASES[self.right]}"


def names(left: Iterable[Record], right: Iterable[Record]) -> Names:
    """Return what to call two sides: by their places, where these are not the same."""
    sides = [{record.place == "local" for record in side} for side in (left, right)]
    if sides == [{True}, {False}]:
        return Names("local", "CI")
    if sides == [{False}, {True}]:
        return Names("CI", "local")
    return Names()


def sentence(difference: Difference, names: Names) -> str:
    """Return what differs, as a sentence without a full stop.

    >>> sentence(Difference("tool", "node", "22", "24"), Names("local", "CI"))
    'node is 22 in the local run, 24 in CI'
    """
    said = _SENTENCES.get(difference.kind, _value)
    return said(difference, names)


def row(difference: Difference) -> tuple[str, str, str]:
    """Return what differs, and the two values, for a table."""
    kind, name = difference.kind, difference.name
    old, new = difference.old, difference.new
    if kind == "input":
        return _row_of_files(difference)
    if kind in ("outside", "litter"):
        more = f" +{len(difference.files) - 1}" if len(difference.files) > 1 else ""
        return f"{name}{more} (ignored)", old, new
    if kind == "lock":
        return _row_of_lock(difference)
    if kind in ("settings", "suite"):
        return subject(difference), old[:7], new[:7]
    if kind == "step" and THERE not in (old, new):
        return f"call of {name}", old, new
    if kind == "surroundings" and name == "memory":
        old, new = (_gibibytes(each) for each in (old, new))
    return subject(difference), old, new


def subject(difference: Difference) -> str:
    """Return what it is that differs, in a word or two."""
    kind, name = difference.kind, difference.name
    if kind == "surroundings":
        return SURROUNDINGS.get(name, name)
    if kind == "workers":
        return f"workers of {name}"
    if kind in ("variable", "environment", "ambient"):
        return f"variable {name}"
    if kind == "step":
        return f"step {name}"
    return {
        "interpreter": "Python",
        "suite": "sametree itself",
        "settings": "[tool.sametree]",
    }.get(kind, name)


def listed(items: Sequence[str]) -> str:
    """Return ``items`` as in a sentence, the first of many.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    if len(items) > NAMED + 1:
        return f"{', '.join(items[:NAMED])} and {len(items) - NAMED} more"
    if len(items) > 1:
        return f"{', '.join(items[:-1])} and {items[-1]}"
    return items[0] if items else ""


def first_line(text: str) -> str:
    """Return the first line of a reason, without the colon that announces more."""
    return text.strip().partition("\n")[0].rstrip(":")


def _value(found: Difference, names: Names) -> str:
    return f"{subject(found)} is {names.both(found.old or 'none', found.new or 'none')}"


def _variable(found: Difference, names: Names) -> str:
    what = f"the variable {found.name}"
    if not (found.old and found.new):
        value = found.old or found.new
        told = "" if value == SET else f" ({value})"
        return f"{what} is set {names.only(found)}{told}"
    return f"{what} is {names.both(found.old, found.new)}"


def _input(found: Difference, names: Names) -> str:
    files = found.files
    if len(files) == 1:
        return _file(files[0], names)
    if files:
        shown = listed([each.path for each in files])
        return f"{len(files)} files are not the same: {shown}"
    if not (found.old and found.new):
        return f"{found.name} is an input {names.only(found)}"
    lacking = f"; git has no {found.absent[0][:10]} here" if found.absent else ""
    return f"the sources in {found.name or 'the project'} are not the same{lacking}"


def _file(file: Changed, names: Names) -> str:
    if file.status in "AD":
        side = names.left if file.status == "D" else names.right
        return f"the file {file.path} is there {PHRASES[side]} only"
    note = f" ({file.note})" if file.note else ""
    return f"the file {file.path} is not the same{note}"


def _outside(found: Difference, names: Names) -> str:
    paths = [file.path for file in found.files] or [found.name]
    if len(paths) == 1:
        kind = "folder" if paths[0].endswith("/") else "file"
        what, ignored = f"the {kind} {paths[0]} is", "git ignores it"
    else:
        what = f"{listed(paths)} are"
        ignored = "git ignores them"
    return f"{what} there {names.only(found)}, and {ignored}"


def _lock(found: Difference, names: Names) -> str:
    if MISSING in (found.old, found.new) or not (found.old and found.new):
        side = names.left if found.new in ("", MISSING) else names.right
        verb = "there" if MISSING in (found.old, found.new) else "installed"
        return f"the lock {found.name} is {verb} {PHRASES[side]} only"
    if not found.pins:
        return f"the lock {found.name} is not the same"
    first, more = found.pins[0], len(found.pins) - 1
    what = f"{first.name} is {names.both(first.old or 'none', first.new or 'none')}"
    others = f" {more} other package{'s' * (more > 1)} too" if more else ""
    return f"{what} ({found.name} differs{',' * bool(more)}{others})"


def _arguments(found: Difference, names: Names) -> str:
    told = [f"`{each}`" if each else "none" for each in (found.old, found.new)]
    return f"the arguments are {names.both(*told)}"


def _step(found: Difference, names: Names) -> str:
    if THERE in (found.old, found.new):
        return f"the step {found.name} runs {names.only(found)}"
    if not (found.old and found.new):
        return (
            f"{found.name} is called with `{found.old or found.new}`"
            f" {names.only(found)}"
        )
    told = names.both(f"`{found.old}`", f"`{found.new}`")
    return f"{found.name} is called with {told}"


def _same_kind(found: Difference, names: Names) -> str:
    what = {"suite": "sametree itself is", "settings": "the settings are"}
    return f"{what[found.kind]} not the same"


def _fingerprint(found: Difference, names: Names) -> str:
    sides = [names.left] * (not found.old) + [names.right] * (not found.new)
    where = " and ".join(PHRASES[side] for side in sides)
    return f"what the result depends on was not recorded {where}"


def _gibibytes(text: str) -> str:
    """Return a size of /proc/meminfo as people say it.

    >>> _gibibytes("16384000 kB")
    '15.6 GiB'
    """
    number, _, unit = text.partition(" ")
    known = unit == "kB" and number.isdecimal()
    return f"{int(number) / 2**20:.1f} GiB" if known else text


def _row_of_files(found: Difference) -> tuple[str, str, str]:
    files = found.files
    if not files:
        old, new = (
            each.partition(" ")[2][:7] or each for each in (found.old, found.new)
        )
        return found.name or "the project", old, new
    what = f"{files[0].path} +{len(files) - 1}" if len(files) > 1 else files[0].path
    statuses = {file.status for file in files}
    if statuses == {"A"}:
        return what, "", THERE
    if statuses == {"D"}:
        return what, THERE, ""
    differ = "differ" if len(files) > 1 else "differs"
    return what, differ, files[0].note if len(files) == 1 and files[0].note else differ


def _row_of_lock(found: Difference) -> tuple[str, str, str]:
    if not found.pins:
        return found.name, found.old[:7], found.new[:7]
    first, more = found.pins[0], len(found.pins) - 1
    lock = found.name.rpartition("/")[2]
    others = f" +{more}" if more else ""
    return f"{first.name}{others} ({lock})", first.old, first.new


_SENTENCES: dict[str, Callable[[Difference, Names], str]] = {
    "input": _input,
    "outside": _outside,
    "litter": _outside,
    "lock": _lock,
    "arguments": _arguments,
    "variable": _variable,
    "environment": _variable,
    "ambient": _variable,
    "step": _step,
    "suite": _same_kind,
    "settings": _same_kind,
    "fingerprint": _fingerprint,
}
