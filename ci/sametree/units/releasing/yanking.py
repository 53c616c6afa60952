"""How does everybody hear that a version must not be used any more?"""

from __future__ import annotations

import time

from sametree import records, terminal
from sametree.errors import UsageError
from sametree.release import changelog, repository
from sametree.settings import Project
from sametree.stepwise import audit, lease, telling
from sametree.units.releasing import choosing, flow, halves, preflight, world


def yank(project: Project, tag: str, reason: str, *, yes: bool) -> None:
    """Mark the version ``tag`` in the changelog and in all places that can be told, and
    say what a person has to do by hand.

    Raises UsageError when there is no such version, or nobody agrees.
    """
    told = halves.told_by(project, tag)
    if told is None:
        raise UsageError(
            f"{tag} is no version that was released with this",
            "`invoke release.status` shows the newest",
        )
    if not reason.strip():
        raise UsageError("people have to hear why", '--reason="…"')
    settings = project.settings.release
    plan = halves.plan_of(project, [(tag, told)])
    shared = world.of(project, plan)
    local = repository.state(project.root)
    seen = repository.look(project.root, settings.remote, project.settings.main_branch)
    preflight.refuse(
        [
            *preflight.of_checkout(project, local),
            *preflight.of_remote(project, local, seen),
        ],
        f"to yank {tag}",
    )
    log = choosing.changelog_of(project, told.component)
    text = repository.read_file(project.root, local.head, log) or ""
    marked = changelog.marked_yanked(text, told.version, reason)
    if marked != text:
        terminal.say(f"  mark {told.version} as yanked in {log}, and push that")
    for name, target in shared.targets.items():
        terminal.say(f"  tell {target.where()} ({name})")
    telling.agree(f"yank {tag}: {reason}", yes)
    folder, run = world.folder_of(project), records.new_id()
    with lease.held(folder, run, f"yank {tag}", flow.WAY_OUT):
        if marked != text:
            branch, when = project.settings.main_branch, int(time.time())
            subject = f"Say that {tag} is yanked"
            repository.prepare(
                project.root, run, local.head, {log: marked}, subject, when
            )
            made = repository.prepared(project.root, run)
            assert made is not None
            try:
                repository.push(project.root, settings.remote, branch, local.head, made)
                for line in repository.catch_up(project.root, branch, local.head, made):
                    terminal.say(f"    {line}")
            finally:
                repository.forget(project.root, run)
            terminal.say(f"  {terminal.mark('passed')}  {log} says it")
        for name, target in shared.targets.items():
            for item in shared.goes(name):
                said = target.yank(shared.announced(item, name), reason)
                terminal.say(f"  {name}: {said}")
        audit.append(folder, "yank", run=run, tags=[tag], why=reason, result="done")
