"""What maintainers and developers do by hand. `invoke -l` lists it."""

from invoke import task

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
