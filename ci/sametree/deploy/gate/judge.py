"""May a new colour have more of the traffic, does it need more time, or is it worse?

Pure: what was seen of both colours goes in, a verdict with its reason comes out. It can
be asked at every poll: an alarm needs evidence that holds however often one looks (see
``bounds``), so a good release fails in less than one of a hundred deployments. A pass
needs data: what nobody has asked is not proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, structs

from sametree.deploy.gate import bounds
from sametree.deploy.gate.probes import Asked
from sametree.deploy.router.stats import PoolStats
from sametree.settings.model import Gate

IN_A_ROW = 2
"""Failed probes of a path: one may be an accident."""
LATENCY_LEAST = 20
"""Requests of each colour before latency is judged: the first ones find cold caches."""
TAIL_LEAST = 1000
"""Requests before a p99 means something: below, less than ten of them are above it."""
NOTICED = 5.0
"""Milliseconds: nobody feels less, however many times as slow it is."""
CHANCE = 0.05
"""When time is over, doubt counts for a rate that chance gives at least so often."""


class Pool(Struct, frozen=True, kw_only=True):
    """What was seen of a colour in a window: the router's counts, which hold those of
    our probes as well, and the probes."""

    name: str
    stats: PoolStats
    probed: tuple[Asked, ...] = ()

    @property
    def requests(self) -> int:
        """How many requests there were, with our probes."""
        pages = (each.answered for each in self.probed if not each.counted)
        return self.stats.requests + sum(pages)

    @property
    def users(self) -> tuple[int, int]:
        """How many requests failed, and of how many, without our probes: these make a
        rate of errors look smaller than it is for users."""
        probed = [each for each in self.probed if each.counted]
        requests = self.stats.requests - sum(each.answered for each in probed)
        errors = max(0, self.stats.errors - sum(each.errors for each in probed))
        return errors, max(errors, requests)

    @property
    def buckets(self) -> bounds.Buckets:
        """How long the requests of users took."""
        probed = [ms for each in self.probed if each.counted for ms in each.millis]
        return bounds.without(bounds.filled(self.stats.buckets), probed)


class Window(Struct, frozen=True, kw_only=True):
    """Both colours in the same ``seconds``; ``old`` is None where there is none.

    ``before`` is what the old one did when it last had the traffic: latency is compared
    with that where the new one has taken all of it over. (One that is idle is faster.)
    ``warm`` is the window without its first second, in which everything is slower.
    """

    new: Pool
    old: Pool | None
    seconds: float
    before: Pool | None = None
    warm: Window | None = None


class Figures(Struct, frozen=True, kw_only=True):
    """A colour's window in numbers; latencies in ms, None where too few tell."""

    requests: int
    errors: int
    p50: float | None
    p90: float | None
    p99: float | None

    @property
    def percent(self) -> float:
        """The errors, in percent."""
        return 100 * self.errors / self.requests if self.requests else 0.0


class Verdict(Struct, frozen=True, kw_only=True):
    """What is to be done now, and why. ``shared`` says that both colours fail, so that
    this window tells nothing of the new one."""

    kind: Literal["pass", "wait", "fail"]
    reason: str
    new: Figures
    old: Figures | None = None
    shared: bool = False


class _Finding(Struct, frozen=True):
    """What speaks against a pass. ``fatal`` is enough to fail at once; anything else
    needs time, and when that is over it fails, unless it is only a ``doubt``."""

    reason: str
    fatal: bool = False
    doubt: bool = False
    shared: bool = False


def _weight(finding: _Finding) -> tuple[bool, bool, bool]:
    return not finding.fatal, finding.doubt, not finding.shared


def judge(window: Window, rules: Gate, *, bake: float, elapsed: float) -> Verdict:
    """Return the verdict on a stage that has gone on for ``elapsed`` seconds, of which
    ``window`` tells; all of ``bake`` seconds have to be in the window for a pass.

    The time for it is over after the deadline, or the bake, whichever is later; but
    without its samples a stage fails at the deadline.
    """
    found = [
        *_probes(window),
        *_errors(window, rules),
        *_latency(window.warm or window, rules),
        *_samples(window, rules, elapsed),
    ]
    over = elapsed >= max(rules.deadline, bake)
    verdict = Verdict(
        kind="pass",
        reason=_praise(window),
        new=figures(window.new.stats),
        old=figures(window.old.stats) if window.old else None,
    )
    shared = any(finding.shared for finding in found)
    for finding in sorted(found, key=_weight):
        reason = finding.reason
        if finding.fatal:
            return structs.replace(verdict, kind="fail", reason=reason)
        if not over:
            return structs.replace(verdict, kind="wait", reason=reason, shared=shared)
        if not finding.doubt:
            reason += f", and {rules.deadline:g} s are over"
            return structs.replace(verdict, kind="fail", reason=reason, shared=shared)
    if window.seconds >= bake:
        return verdict
    if over:
        reason = f"it was not {bake:g} s without trouble within {rules.deadline:g} s"
        return structs.replace(verdict, kind="fail", reason=reason)
    return structs.replace(verdict, kind="wait", reason=f"{verdict.reason} so far")


def figures(stats: PoolStats) -> Figures:
    """Return a window in numbers."""
    tells = stats.requests >= TAIL_LEAST
    buckets = bounds.filled(stats.buckets)
    return Figures(
        requests=stats.requests,
        errors=stats.errors,
        p50=bounds.quantile(buckets, 0.5),
        p90=bounds.quantile(buckets, 0.9),
        p99=bounds.quantile(buckets, 0.99) if tells else None,
    )


def _probes(window: Window) -> Sequence[_Finding]:
    """Judge the probes: two failed in a row are enough, unless the old one's fail too."""
    found = []
    for asked in window.new.probed:
        failure = asked.failure
        if failure is None or asked.in_a_row < IN_A_ROW:
            continue
        said = f"{window.new.name}: {asked.path} {failure}"
        other = _same_path(window.old, asked.path)
        if other is None or not other.comparable:
            found.append(_Finding(said, fatal=True))
        elif other.failure is not None:
            reason = f"both colours fail: {asked.path} {failure}"
            found.append(_Finding(reason, shared=True))
        elif other.succeeded > asked.failed_since:
            assert window.old is not None
            found.append(_Finding(f"{said}; {window.old.name} answers it", fatal=True))
        else:
            found.append(_Finding(said))  # the old one has not answered since
    for asked in window.new.probed:
        if asked.unreachable:
            found.append(_Finding(f"the router cannot be reached: {asked.unreachable}"))
            break
    return found


def _errors(window: Window, rules: Gate) -> Sequence[_Finding]:
    """Judge the users' errors by the bound to the old colour, and by the absolute one."""
    new, old = window.new, window.old
    hits, tries = new.users
    if not hits:
        return ()
    told = f"{new.name}: {_rate(hits, tries)} failed"
    if old is None:
        return _too_many(hits, tries, rules, told)
    if not old.users[1]:
        # Its probes tell whether something is down that both need.
        others = (old.stats.errors, old.stats.requests)
        return _too_many(hits, tries, rules, told, others)
    told += f", {old.name}: {_rate(*old.users)}"
    return [
        *_more(hits, tries, rules, told, old.users),
        *_too_many(hits, tries, rules, told, old.users),
    ]


def _more(
    hits: int, tries: int, rules: Gate, told: str, others: tuple[int, int]
) -> Sequence[_Finding]:
    """Judge errors by those of the ``others``."""
    worse = rules.worse / 100
    limit = others[0] / others[1] + worse
    if hits <= tries * limit:
        return ()
    fatal = bounds.surely_above(hits, tries, bounds.highest(*others) + worse)
    doubt = not fatal and bounds.tail(hits, tries, limit) >= CHANCE
    reason = f"{told}; at most {rules.worse:g} points more are allowed"
    return (_Finding(reason, fatal, doubt),)


def _too_many(
    hits: int, tries: int, rules: Gate, told: str, others: tuple[int, int] = (0, 0)
) -> Sequence[_Finding]:
    """Judge errors by the absolute bound; where the ``others`` have too many as well,
    something that both need is down, and no fault of the new colour."""
    most = rules.errors / 100
    if hits <= tries * most:
        return ()
    sure = bounds.surely_above(hits, tries, most)
    reason = f"{told}; at most {rules.errors:g} % is allowed"
    if others[0] > others[1] * most:
        shared = sure and bounds.surely_above(*others, most)
        return (_Finding(f"both colours fail: {reason}", shared=shared),)
    doubt = not sure and bounds.tail(hits, tries, most) >= CHANCE
    return (_Finding(reason, sure, doubt),)


def _latency(window: Window, rules: Gate) -> Sequence[_Finding]:
    """Judge how long requests take: those of users, and the probes of each path, each
    among themselves. A quick page beside a slow one would hide it."""
    new, old = window.new, window.old
    if old is None:
        return ()
    pairs = []
    # As long as the old one has half of the traffic of the new one, each of its replicas
    # has about as much to do; with less, it is faster for that alone.
    if loaded := old if 2 * old.users[1] >= new.users[1] else window.before:
        pairs.append((new.buckets, loaded.buckets, ""))
    theirs_of = {each.path: each for each in old.probed}
    for asked in new.probed if 2 * old.requests >= new.requests else ():
        if other := theirs_of.get(asked.path):
            probes = bounds.of_each(asked.millis), bounds.of_each(other.millis)
            pairs.append((*probes, f" of the probes of {asked.path}"))
    found = []
    for mine, theirs, whose in pairs:
        tries = min(sum(n for _, n in buckets) for buckets in (mine, theirs))
        shares = (0.5, 0.9, 0.99) if tries >= TAIL_LEAST else (0.5, 0.9)
        for share in shares if tries >= LATENCY_LEAST else ():
            least, most = bounds.at_least(mine, share), bounds.at_most(theirs, share)
            if least > max(rules.slower * most, most + NOTICED):
                found.append(
                    _Finding(
                        f"{new.name} is slower than {old.name}: p{100 * share:g}{whose}"
                        f" at least {least:.3g} ms, {old.name}'s at most {most:.3g} ms;"
                        f" at most {rules.slower:g} times as slow is allowed",
                        fatal=True,
                    )
                )
    return found


def _samples(window: Window, rules: Gate, elapsed: float) -> Sequence[_Finding]:
    """Judge whether there is enough to judge by."""
    requests = window.new.requests
    if requests >= rules.samples:
        return ()
    late = elapsed >= rules.deadline
    within = f" in {rules.deadline:g} s" if late else " yet"
    if not requests:
        return (_Finding(f"no request reached {window.new.name}{within}", fatal=late),)
    reason = f"{requests} of the {rules.samples} requests that it takes{within}"
    return (_Finding(reason, fatal=late),)


def _praise(window: Window) -> str:
    errors = window.new.stats.errors
    failed = f"{errors:,} of them failed" if errors else "none failed"
    return f"{window.new.requests:,} requests, {failed}"


def _same_path(pool: Pool | None, path: str) -> Asked | None:
    probed = pool.probed if pool else ()
    return next((asked for asked in probed if asked.path == path), None)


def _rate(hits: int, tries: int) -> str:
    """
    >>> _rate(12, 2000)
    '0.6 % (12 of 2,000)'
    """
    return f"{100 * hits / tries if tries else 0.0:.3g} % ({hits:,} of {tries:,})"
