"""Who judges a new colour while traffic moves to it, and what is seen of it meanwhile?"""

from __future__ import annotations

from contextlib import ExitStack

from sametree.deploy.gate.probes import Probes
from sametree.deploy import replicas
from sametree.deploy.gate import view as views
from sametree.deploy.gate.watch import EVERY, Stage, View, Watch
from sametree.deploy.router.desired import PREVIEW
from sametree.deploy.strategies import Shift
from sametree.errors import UnitFailed
from sametree.steps import Step
from sametree.units.deploying.change import Change
from sametree.units.deploying.plan import percent

CRASHES = 2
"""Ends of a replica while it is judged: one may be an accident."""


class Judge:
    """Judges the new colour of a deployment, from before traffic moves to it."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self._open = ExitStack()
        self._watch: Watch | None = None
        self._show = views.for_reader()

    def begin(self) -> None:
        """Begin to look, once for the whole deployment: what the old colour is like
        while it has all traffic is what the new one is compared with."""
        if self._watch is not None:
            return
        change, plan = self.change, self.change.plan
        site, gate = change.site, change.site.environment.gate
        colours = [plan.new, *([plan.old] if plan.old else [])]
        paths = change.probes()
        probes = Probes(
            (site.listen.host, site.listen.port),
            PREVIEW,
            colours,
            paths,
            change.prefixes,
        )
        command = None
        if gate.command:
            cwd = change.code.folder()
            command = Step(name="gate", argv=gate.command, cwd=cwd)
        watch = Watch(
            site.router.stats,
            plan.new,
            plan.old,
            gate,
            probes=probes if paths else None,
            command=command,
            env={
                **change.code.gate_environ(),
                "SAMETREE_URL": site.url,
                "SAMETREE_PREVIEW": plan.new,
            },
            on_poll=self._poll,
            every=min(EVERY, max(0.05, site.environment.bake / 2)),
        )
        self._watch = self._open.enter_context(watch)

    def run(self, move: Shift) -> None:
        """Judge the new colour while it bakes. Raises UnitFailed when it is worse."""
        assert self._watch is not None
        name = percent(move)
        verdict = self._watch.run(Stage(self.change.site.name, move.share, move.bake))
        if verdict.kind == "fail":
            raise UnitFailed(
                f"{self.change.plan.new} at {name}: {verdict.reason}",
                f"`invoke logs {self.change.site.name} --colour {self.change.plan.new}`"
                " while it is there; the release is not promoted",
            )

    def close(self) -> None:
        """Stop looking."""
        self._open.close()
        self._watch = None

    def _poll(self, view: View) -> None:
        self._show(view)
        self.change.at_wait()
        self.change.site.allowed()
        self._refuse_restarts()

    def _refuse_restarts(self) -> None:
        """Raise UnitFailed when the new colour crashes: the router asks another replica
        then, so its answers alone do not tell."""
        runner, new = self.change.site.runner, self.change.plan.new
        for each in replicas.of(runner.inspect(), new):
            if each.restarts >= CRASHES:
                raise UnitFailed(
                    f"{each.name} has ended {each.restarts} times while it was judged,"
                    f" the last time {replicas.ending(each.exit)}"
                    f"{replicas.last_words(runner, each.name)}"
                )
