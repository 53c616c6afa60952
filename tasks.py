"""What maintainers and developers do by hand. `invoke -l` lists it."""

from invoke import Collection, task

from sametree import tasks

project = tasks.load(__file__)


@task
def up(context):
    """Run database, backend and frontend with hot reload; Ctrl-C stops all."""
    tasks.up(project)


@task
def down(context):
    """Stop what `invoke up` runs in another terminal."""
    tasks.down(project)


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


namespace = Collection(up, down, psql, clean, compare)
namespace.add_collection(Collection("migrate", environment, new))
namespace.add_collection(Collection("db", snapshot, restore, snapshots, drop, seed))
namespace.add_collection(Collection("records", push, pull, list_, key, export))
namespace.add_collection(Collection("workflows", write))
