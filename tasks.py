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
    positional=["left", "right"],
    optional=["left", "right"],
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


namespace = Collection(up, down, psql, clean, compare)
namespace.add_collection(Collection("records", push, pull, list_, key, export))
namespace.add_collection(Collection("workflows", write))
