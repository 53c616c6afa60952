"""How is what happens to a unit recorded, however it ends?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from sametree import git, machine, records, terminal
from sametree.errors import (
    INTERRUPTED,
    SametreeError,
    SurroundingsError,
    UsageError,
    of_machine,
)
from sametree.records import Record, Result
from sametree.units.work import Work

REASON_MOST = 8000


@dataclass
class Ending:
    """How a unit ended; a cancellation unless it says otherwise."""

    result: Result = "cancellation"
    reason: str = ""
    began: float = field(default_factory=time.monotonic)

    def of(self, begun: Record, work: Work) -> Record:
        """Return the record of the unit that began as ``begun`` says."""
        return msgspec.structs.replace(
            begun,
            result=self.result,
            reason=self.reason[:REASON_MOST],
            seconds=time.monotonic() - self.began,
            steps=tuple(work.ran),
            covered=work.covered,
            notes=tuple(work.notes),
            mend=tuple(work.mend),
            environment=dict(work.environment),
            outputs=dict(work.outputs),
        )


@contextmanager
def ending(work: Work) -> Iterator[Ending]:
    """Give what is filled with how the block ends. Raises what the block raises."""
    told = Ending()
    try:
        yield told
        told.result = "success"
    except (SurroundingsError, UsageError) as error:
        told.result, told.reason = "error", _with_lines(error, work)
        raise
    except OSError as error:
        told.result, told.reason = "error", str(of_machine(error))
        raise
    except SametreeError as error:
        stopped = error.exit_code == INTERRUPTED
        told.result = "cancellation" if stopped else "failure"
        told.reason = _with_lines(error, work)
        raise
    except Exception as error:
        told.result, told.reason = "error", f"{type(error).__name__}: {error}"
        raise


def begun(work: Work, tree: str) -> Record:
    """Return the record of a unit that begins now, at the git tree ``tree``."""
    where = machine.place()
    told = git.run(work.project.root, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    revision, branch = (told or "\n").split("\n")[:2]
    return Record(
        schema=records.SCHEMA,
        run=work.run_id,
        unit=work.name,
        result="cancellation",
        started=time.time(),
        seconds=0.0,
        place=where.name,
        url=where.url,
        worker=where.worker,
        revision=revision,
        branch="" if branch == "HEAD" else branch,
        tree=tree,
        surroundings=dict(machine.told()),
    )


def write(work: Work, record: Record) -> bool:
    """Write a record, or say in a line why that cannot be; return whether it was."""
    try:
        records.write(work.project.state, record)
    except OSError as error:
        terminal.say(f"  the run record could not be written: {error}")
        return False
    return True


def _with_lines(error: SametreeError, work: Work) -> str:
    return "\n".join([str(error), *work.failing])
