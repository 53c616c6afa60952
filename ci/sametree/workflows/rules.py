"""What do we ask of a workflow, and why?

Each rule is a function that yields what it found, under a title, a reason and a cure.
``docs/workflows.md`` shows the same table; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sametree.workflows import calls, deployment, naming, publishing, write
from sametree.workflows.calls import Call
from sametree.workflows.document import Document, Job, Said, Step, child
from sametree.workflows.findings import Found, Look, Rule, World, nothing

CHECKOUT = frozenset({"actions/checkout"})
SET_UP = frozenset({"astral-sh/setup-uv", "actions/setup-python", "actions/setup-node"})
ARTIFACTS = frozenset({"actions/upload-artifact", "actions/download-artifact"})
ATTEST = frozenset({"actions/attest"})
"""Signs what was made; nobody can do that at home, so a job may hold it alone."""
GATE = "required"
CHANGING = frozenset(
    "deploy promote rollback scale retire migrate migrate.environment release"
    " release.make release.yank".split()
)
"""Tasks that change an environment, or publish."""
BY_HAND = (deployment.FILE, publishing.FILE)
"""Files that settings do not always ask for."""

_INSTALL = re.compile(
    r"(?:uv |python -m )?pip (?:install|sync) --require-hashes (?:-r )?\S+|"
    r"(?:uv |python -m )?pip install --no-deps --no-build-isolation -e \."
)
"""What a runtime may run: pins with hashes, and the project itself without a resolver."""
_PINNED = re.compile(r"[^@\s]+@[0-9a-f]{40}|docker://[^@\s]+@sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"v?\d")
_EXIT = re.compile(r"exit [1-9]\d*")
_SHELLS = frozenset({"bash", "sh", "pwsh"})

RULES: list[Rule] = []


def rule(name: str, *, title: str, reason: str, cure: str) -> Callable[[Look], Look]:
    """Make the function below it a rule."""

    def add(look: Look) -> Look:
        made = Rule(name=name, title=title, reason=reason, cure=cure, look=look)
        RULES.append(made)
        return look

    return add


def named(name: str) -> Rule:
    """Return the rule called ``name``."""
    return next(each for each in RULES if each.name == name)


rule(
    "yaml",
    title="the file is YAML that GitHub reads",
    reason="a workflow that GitHub cannot read does not run, and no check turns red",
    cure="mend the line; if it looks right, the fault is in one of the lines before it",
)(nothing)

rule(
    "schema",
    title="the file is as GitHub's schema for workflows or actions says",
    reason="a key with a slip is ignored, or stops the workflow on GitHub only",
    cure="docs.github.com/actions/reference lists the keys",
)(nothing)

rule(
    "security",
    title="zizmor finds nothing, at its strictest",
    reason="a workflow runs with rights on the repository and its secrets",
    cure="the finding's name leads to what mends it, at docs.zizmor.sh/audits",
)(nothing)


@rule(
    "thin",
    title="a job holds checkout, runtime, one call of nox or invoke, and artifacts",
    reason="what a workflow does by itself cannot be run, tested or mended at home",
    cure="move it into a session of noxfile.py or a task of tasks.py, and call that",
)
def thin(document: Document, world: World) -> Found:
    """Look at what each job, and each local action, is made of."""
    if document.kind == "action" and document.using != "composite":
        yield 1, f"the action is a program of its own ({document.using or 'nothing'})"
    for step in document.steps:
        yield from _not_runtime(step, world)
    for job in document.jobs:
        for key in ("services", "container", "defaults"):
            if key == "services" and world.service and job.services == ("postgres",):
                continue  # as settings ask for it
            if key in job.keys:
                yield job.keys[key], f"job {job.id!r} has {key} of its own"
        for step in job.steps:
            yield from _not_thin(step, job, world)
        yield from _not_one_call(job)
    if "defaults" in document.keys:
        yield document.keys["defaults"], "the workflow sets defaults for shell lines"


@rule(
    "callable",
    title="what is called exists: sessions, tasks, local actions and workflows",
    reason="a name with a slip is noticed only when CI runs, or never",
    cure="`nox -l` and `invoke -l` list what there is",
)
def callable_(document: Document, world: World) -> Found:
    """Look whether noxfile, tasks and repository have what is called."""
    told: set[str] = set()
    for job in document.jobs:
        if job.uses and (local := _local(job.uses.text)) is not None:
            if not (world.root / local).is_file():
                yield job.uses.line, f"there is no workflow {local}"
        for step, call in _calls(job):
            assert step.run is not None
            file = calls.file_of(call)
            problem = world.listing.problems.get(file)
            if problem and file not in told:
                told.add(file)
                yield step.run.line, f"{file} cannot be listed: {problem}"
            for name in call.names:
                wrong = naming.problems(name, call, step, job, document, world.listing)
                for text in wrong:
                    yield step.run.line, text
    for step in _steps(document):
        local = _local(step.uses.text) if step.uses else None
        if step.uses and local is not None and local not in world.actions:
            yield step.uses.line, f"there is no action in {local}"


@rule(
    "timeout",
    title="every job has a timeout",
    reason="GitHub lets a job that hangs run for six hours",
    cure="give the job `timeout-minutes`",
)
def timeout(document: Document, world: World) -> Found:
    """Look at every job but calls of reusable workflows, which cannot have one."""
    for job in document.jobs:
        if job.uses is None and "timeout-minutes" not in job.keys:
            yield job.line, f"job {job.id!r} has no timeout-minutes"


@rule(
    "gate",
    title="the gate runs always, needs every job, and looks at their results",
    reason="GitHub counts a skipped job as passed, so a gate that is skipped, or that"
    " does not know a job, lets a failure through",
    cure="`if: ${{ always() }}`, every job in `needs`, and a step that fails unless"
    " `needs.JOB.result` is 'success'",
)
def gate(document: Document, world: World) -> Found:
    """Look at the job that branch protection requires."""
    for job in filter(_is_gate, document.jobs):
        if "always()" not in job.condition:
            line = job.keys.get("if", job.line)
            yield line, f"the gate {job.id!r} is skipped when a job that it needs fails"
        others = [other for other in document.jobs if other.id != job.id]
        if missing := [other.id for other in others if other.id not in job.needs]:
            line = job.keys.get("needs", job.line)
            yield line, f"the gate {job.id!r} does not need {', '.join(missing)}"
        conditions = [step.condition for step in job.steps if step.run]
        if not any("needs" in text and "result" in text for text in conditions):
            yield job.line, f"the gate {job.id!r} does not look at any result"
        for other in others:
            if "continue-on-error" in other.keys:
                line = other.keys["continue-on-error"]
                yield line, f"job {other.id!r} may tell the gate that it passed"


@rule(
    "pinned",
    title="actions are pinned by commit, with their version in a comment",
    reason="a tag can be moved to other code, which then runs with our rights; the"
    " comment is for people, and for what proposes updates",
    cure="OWNER/NAME@COMMIT # vVERSION, with all 40 digits of the commit",
)
def pinned(document: Document, world: World) -> Found:
    """Look at every `uses` of what is not in this repository."""
    users: list[Job | Step] = [*document.jobs, *_steps(document)]
    for user in users:
        if user.uses is None or _local(user.uses.text) is not None:
            continue
        name, _, at = user.uses.text.partition("@")
        if not _PINNED.fullmatch(user.uses.text):
            place = f"{at!r}, which can be moved" if at else "no commit"
            yield user.uses.line, f"{name} is taken at {place}"
        elif not name.startswith("docker:") and not _VERSION.match(user.pin):
            yield user.uses.line, f"{name} has no comment that tells its version"


@rule(
    "expression",
    title="no expression inside `run`",
    reason="GitHub pastes its text into the shell line, so a branch's or an issue's name"
    " can bring commands of its own",
    cure='give it to the step as a variable in `env`, and write "$NAME"',
)
def expression(document: Document, world: World) -> Found:
    """Look for expressions in shell lines."""
    for step in _steps(document):
        if step.run and "${{" in step.run.text:
            yield step.run.line, "an expression stands inside `run`"


@rule(
    "uncut",
    title="a job that changes an environment waits its turn, and is never cancelled",
    reason="who is cancelled in the middle leaves an environment half changed, and two"
    " at once stand in each other's way",
    cure="`concurrency` with a `group` of the environment and `cancel-in-progress: false`",
)
def uncut(document: Document, world: World) -> Found:
    """Look at the jobs that call a task which changes an environment."""
    outer = child(document.root, "concurrency")
    for job in document.jobs:
        names = [name for _, call in _calls(job) for name in call.names]
        if changing := [name for name in names if name in CHANGING]:
            here = child(child(document.root, "jobs"), job.id)
            told = [each for each in (outer, child(here, "concurrency")) if each]
            cut = [c for each in told if (c := child(each, "cancel-in-progress"))]
            what = f"job {job.id!r} calls `invoke {changing[0]}`"
            if not told:
                yield job.line, f"{what}, and two such jobs may run at once"
            for each in cut:
                if getattr(each, "value", "") != "false":
                    line = each.start_mark.line + 1
                    yield line, f"{what}, and may be cancelled in the middle"


@rule(
    "drift",
    title="what `invoke workflows.write` made is as the settings say",
    reason="a change by hand is lost with the next write, and until then what the"
    " settings say is not what runs",
    cure="invoke workflows.write",
)
def drift(document: Document, world: World) -> Found:
    """Compare with what the settings ask for now."""
    wanted = world.texts.get(document.file)
    found = write.read(world.root / document.file) or ""
    if wanted is None and document.file in BY_HAND and write.ours(found):
        yield 1, f"settings do not ask for it any more: `git rm {document.file}`"
    if wanted is not None and write.ours(found) and found != wanted:
        line, shown = write.difference(document.file, found, wanted)
        yield line, f"is not what the settings say:\n{shown}\n"


def _is_gate(job: Job) -> bool:
    """Return whether ``job`` is a gate: it has the name, or does nothing but fail."""
    return job.id == GATE or bool(
        job.needs and job.steps and all(map(_fails, job.steps))
    )


def _fails(step: Step) -> bool:
    return step.run is not None and bool(_EXIT.fullmatch(step.run.text.strip()))


def _not_thin(step: Step, job: Job, world: World) -> Found:
    if step.uses and _local(step.uses.text) is None:
        if _name(step.uses) not in CHECKOUT | SET_UP | ARTIFACTS | ATTEST:
            text = f"{_name(step.uses)} is neither checkout, runtime nor artifacts"
            yield step.uses.line, text
    if step.run is None or _is_gate(job) and _fails(step) and step.condition:
        return
    if calls.parse(step.run.text) is None:
        yield step.run.line, f"`{_short(step.run)}` is no plain call of nox or invoke"
    if step.shell and step.shell.text not in _SHELLS:
        yield step.shell.line, f"the shell `{_short(step.shell)}` is a program of its own"


def _not_runtime(step: Step, world: World) -> Found:
    """Say what in a local action neither sets a runtime up nor installs pins."""
    if step.uses and _local(step.uses.text) is None and _name(step.uses) not in SET_UP:
        yield step.uses.line, f"{_name(step.uses)} sets no runtime up"
    if step.run and not _INSTALL.fullmatch(step.run.text.strip()):
        text = f"`{_short(step.run)}` installs no lock with --require-hashes"
        yield step.run.line, text


def _not_one_call(job: Job) -> Found:
    made = [step.run.line for step, _ in _calls(job) if step.run]
    attests = any(step.uses and _name(step.uses) in ATTEST for step in job.steps)
    if not made and not job.uses and not attests and not any(s.run for s in job.steps):
        yield job.line, f"job {job.id!r} calls neither nox nor invoke"
    for line in made[1:]:
        yield line, f"job {job.id!r} makes a second call"


def _calls(job: Job) -> Iterator[tuple[Step, Call]]:
    for step in job.steps:
        call = calls.parse(step.run.text) if step.run else None
        if call:
            yield step, call


def _steps(document: Document) -> list[Step]:
    inner = [step for job in document.jobs for step in job.steps]
    return [*document.steps, *inner]


def _local(uses: str) -> str | None:
    """Return the path of an action or workflow of this repository; None for others."""
    return uses[2:].rstrip("/") if uses.startswith(("./", "$/")) else None


def _name(uses: Said) -> str:
    return uses.text.partition("@")[0]


def _short(said: Said) -> str:
    first, _, more = said.text.strip().partition("\n")
    return f"{first[:60]} ..." if more or len(first) > 60 else first
