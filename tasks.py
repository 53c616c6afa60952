"""What maintainers and developers do by hand. `invoke -l` lists it."""

from invoke import Collection, task

from sametree import tasks

project = tasks.load(__file__)


@task
def up(context):
    """Run database, backend and frontend with hot reload; Ctrl-C stops all."""
    tasks.up(project)


@task(
    help={
        "environment": "stop all of this one instead; its data stay",
        "yes": "agree to that: do not ask",
    }
)
def down(context, environment="", yes=False):
    """Stop what `invoke up` runs in another terminal, and what runs in `local`."""
    tasks.down(project, environment=environment, yes=yes)


@task
def psql(context):
    """Open a shell on the development database; what follows -- goes to psql."""
    tasks.psql(project)


@task(
    help={
        "database": "remove the development database too, with its data",
        "dry-run": "print what would be removed, remove nothing",
    }
)
def clean(context, database=False, dry_run=False):
    """Remove what the pipeline made and can make again."""
    tasks.clean(project, database=database, dry_run=dry_run)


@task(
    help={
        "left": "a run, a file or folder with records, `last`, or `ci`",
        "right": "what to compare it with; by default CI's run of the same commit",
        "unit": "compare only this unit",
        "folder": "look for records in this folder of downloaded artifacts",
        "full": "show all, not only what fits on a screen",
    },
)
def compare(context, left="", right="", unit="", folder="", full=False):
    """Show how two runs differ, the likely cause first."""
    tasks.compare(project, left=left, right=right, unit=unit, folder=folder, full=full)


@task(
    help={
        "remote": "the git remote",
        "folder": "share the records of CI's artifacts below this folder",
    }
)
def push(context, remote="origin", folder=""):
    """Share this checkout's run records with other clones, as git notes."""
    tasks.push_records(project, remote=remote, folder=folder)


@task(help={"remote": "the git remote"})
def pull(context, remote="origin"):
    """Take over the run records that others have shared."""
    tasks.pull_records(project, remote=remote)


@task(name="list", help={"count": "how many runs"})
def list_(context, count=10):
    """List the last runs: when, where, and how they ended."""
    tasks.list_records(project, count=count)


@task
def key(context):
    """Make the key with which CI signs its records."""
    tasks.new_records_key(project)


@task(
    help={
        "format": "otlp, junit or in-toto",
        "run": "the newest run by default",
        "unit": "only this unit",
        "out": "write to this file",
    }
)
def export(context, format, run="", unit="", out=""):
    """Print a run's records as OpenTelemetry traces, JUnit or an in-toto statement."""
    tasks.export_records(project, format=format, run=run, unit=unit, out=out)


@task
def write(context):
    """Write the files in .github/workflows that settings decide."""
    tasks.write_workflows(project)


@task(
    default=True,
    help={
        "environment": "local, or one of [tool.sametree.environments]",
        "to": "stop after this revision",
        "contract": "also take away what no running code uses any more",
        "restore-point": "save the database first",
        "no-restore-point": "do not save it, also before a contract",
        "backed-up": "say where the backup is, instead of a restore point",
        "patience": "seconds for which locks are waited for, in all",
        "dry-run": "print the plan, change nothing",
        "yes": "agree to the plan: do not ask",
    },
)
def environment(
    context,
    environment,
    to="",
    contract=False,
    restore_point=False,
    no_restore_point=False,
    backed_up="",
    patience="",
    dry_run=False,
    yes=False,
):
    """Migrate the database of an environment: print the plan, ask, do it, look again."""
    wish = {
        "to": to,
        "contract": contract,
        "restore_point": restore_point,
        "no_restore_point": no_restore_point,
        "backed_up": backed_up,
        "patience": patience,
        "dry_run": dry_run,
        "yes": yes,
    }
    tasks.migrate(project, environment, wish)


@task(
    help={
        "message": "the title of the migration",
        "contract": "it takes away what no running code uses any more",
        "backfill": "it fills rows of this table, in batches",
        "index": "it indexes columns of a table: people:name,born",
    }
)
def new(context, message, contract=False, backfill="", index=""):
    """Write the file of a new migration, with safe idioms to begin with."""
    tasks.new_migration(
        project, message, contract=contract, backfill=backfill, index=index
    )


@task(help={"name": "what to call the copy"})
def snapshot(context, name):
    """Copy the development database under a name."""
    tasks.snapshot(project, "snapshot", name)


@task(help={"name": "the copy"})
def restore(context, name):
    """Make the development database what a copy is."""
    tasks.snapshot(project, "restore", name)


@task(name="list")
def snapshots(context):
    """List the copies of the development database."""
    tasks.snapshot(project, "listed")


@task(help={"name": "the copy"})
def drop(context, name):
    """Remove a copy of the development database."""
    tasks.snapshot(project, "drop", name)


@task
def seed(context):
    """Fill the development database, once it is migrated."""
    tasks.snapshot(project, "seed")


WISHES = {
    "plan": "print the plan, change nothing",
    "yes": "agree to the plan: do not ask",
    "why": "a reason, for the audit trail",
}


@task(
    help={
        "environment": "local, or one of [tool.sametree.environments]",
        "release": "a packed release, by digest, tree or folder; this tree's by default",
        "resume": "go on with the deployment that was cut off",
        "abort": "undo the deployment that was cut off",
        "again": "deploy also what runs there already",
        "build": "fetch CI's records and build first: on a machine with a fresh checkout",
        **WISHES,
    }
)
def deploy(
    context,
    environment,
    release="",
    resume=False,
    abort=False,
    again=False,
    build=False,
    plan=False,
    yes=False,
    why="",
):
    """Bring this tree's release to an environment, without losing a request."""
    wish = {"resume": resume, "abort": abort, "again": again}
    wish |= {"plan": plan, "yes": yes, "why": why}
    tasks.environment(project, "deploy", environment, release, wish, build)


@task(
    help={
        "source": "the environment that runs the release",
        "target": "the environment that gets it",
        **WISHES,
    }
)
def promote(context, source, target, plan=False, yes=False, why=""):
    """Bring the very release that one environment runs to another."""
    wish = {"plan": plan, "yes": yes, "why": why}
    tasks.environment(project, "promote", source, target, wish)


@task(
    help={
        "environment": "which one",
        "to": "a kept release, by digest or tree; else the warm colour, at once",
        **WISHES,
    }
)
def rollback(context, environment, to="", plan=False, yes=False, why=""):
    """Return to the release before, at once as long as it is warm."""
    wish = {"plan": plan, "yes": yes, "why": why}
    tasks.environment(project, "rollback", environment, to, wish)


@task(help={"environment": "all by default"})
def status(context, environment=""):
    """Show what runs where, since when and by whom."""
    tasks.environment(project, "status", environment)


@task(help={"environment": "all by default"})
def drift(context, environment=""):
    """Show what is not as it was decided; exit code 1 when there is something."""
    tasks.environment(project, "drift", environment)


@task(help={"environment": "which one", "count": "how many lines"})
def history(context, environment, count=20):
    """Show what happened to an environment, who did it and why."""
    tasks.environment(project, "history", environment, count)


@task(
    help={
        "environment": "which one",
        "colour": "blue, green, router, pages or database; the active one by default",
        "lines": "how many of each",
    }
)
def logs(context, environment, colour="", lines=50):
    """Show the last lines that the replicas of an environment printed."""
    tasks.environment(project, "logs", environment, colour, lines)


@task(
    help={
        "environment": "which one",
        "count": "replicas; as many as it has by default",
    },
)
def scale(context, environment, count=0):
    """Change the number of replicas, or bring back those that are gone."""
    tasks.environment(project, "scale", environment, int(count))


@task(help={"environment": "which one"})
def retire(context, environment):
    """Stop the warm colour, for good: before a contract migration."""
    tasks.environment(project, "retire", environment)


@task(name="status", help={"environment": "all by default"})
def lock_status(context, environment=""):
    """Show who changes an environment just now."""
    tasks.environment(project, "lock_status", environment)


@task(name="break", help={"environment": "which one"})
def lock_break(context, environment):
    """Take the lease from an owner who is dead; he changes nothing after that."""
    tasks.environment(project, "break_lock", environment)


@task
def pack(context):
    """Make the release of this tree out of what was built."""
    tasks.artifacts(project, "pack")


@task(name="list")
def releases(context):
    """List the releases that are here."""
    tasks.artifacts(project, "listed")


@task(
    help={
        "release": "by digest, tree or folder; this tree's by default",
        "rebuild": "build its tree again, and compare",
    },
)
def verify(context, release="", rebuild=False):
    """Check every byte of a release, and who signed it."""
    tasks.artifacts(project, "verify", name=release, rebuild=rebuild)


@task(
    name="make",
    default=True,
    help={
        "version": "this version, and not the one that the commits tell",
        "pre": "one before the final version: rc, b or a",
        "dry-run": "print the plan, change nothing",
        "yes": "agree to the plan: do not ask",
        "resume": "finish a release that was cut off, here or anywhere",
        "abort": "undo one that was cut off before its push",
        "until": "stop after this stage: push, publish, announce, verify or deploy",
    },
)
def release(
    context,
    version="",
    pre="",
    dry_run=False,
    yes=False,
    resume=False,
    abort=False,
    until="",
):
    """Take this proven tree to a version: changelog, tag, published files, deployment."""
    asked = {"version": version, "pre": pre, "dry_run": dry_run, "yes": yes}
    tasks.release(project, asked, resume=resume, abort=abort, until=until)


@task(name="status", help={"tag": "the newest by default"})
def release_status(context, tag=""):
    """Show what of a version is where, and who releases just now."""
    tasks.releases(project, "status", tag)


@task(
    name="notes",
    help={
        "edit": "open the entry in $EDITOR, and keep what you make of it",
        "fresh": "forget what was written by hand",
        "version": "as for `invoke release`",
        "pre": "as for `invoke release`",
    },
)
def release_notes(context, edit=False, fresh=False, version="", pre=""):
    """Print the changelog's entry of the next version, or edit it."""
    tasks.releases(project, "entry", edit=edit, fresh=fresh, version=version, pre=pre)


@task(
    name="yank",
    help={
        "tag": "which version",
        "reason": "what people are told",
        "yes": "do not ask",
    },
)
def release_yank(context, tag, reason, yes=False):
    """Tell everybody not to use a version any more: changelog, release, index."""
    tasks.releases(project, "yank", tag, reason, yes=yes)


@task(name="unlock", help={"yes": "do not ask"})
def release_unlock(context, yes=False):
    """Take the claim from a release that nobody will finish."""
    tasks.releases(project, "unlock", yes=yes)


namespace = Collection(up, down, psql, clean, compare)
namespace.add_task(deploy)
namespace.add_task(promote)
namespace.add_task(rollback)
namespace.add_task(status)
namespace.add_task(history)
namespace.add_task(logs)
namespace.add_task(drift)
namespace.add_task(scale)
namespace.add_task(retire)
namespace.add_collection(Collection("artifacts", pack, releases, verify))
namespace.add_collection(Collection("lock", lock_status, lock_break))
namespace.add_collection(Collection("migrate", environment, new))
namespace.add_collection(Collection("db", snapshot, restore, snapshots, drop, seed))
namespace.add_collection(Collection("records", push, pull, list_, key, export))
namespace.add_collection(
    Collection(
        "release", release, release_status, release_notes, release_yank, release_unlock
    )
)
namespace.add_collection(Collection("workflows", write))
