"""Does the name that a step calls exist, also where it comes from a matrix?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sametree.workflows import calls
from sametree.workflows.calls import Call, Listing
from sametree.workflows.document import Document, Job, Step

_MATRIX = re.compile(r"\$\{\{\s*matrix\.([\w-]+)\s*\}\}")
_PLANNED = re.compile(r"\$\{\{\s*fromJSON\(needs\.([\w-]+)\.outputs\.([\w-]+)\)\s*\}\}")
_OUTPUT = re.compile(r"\$\{\{\s*steps\.[\w-]+\.outputs\.[\w-]+\s*\}\}")


def problems(
    name: str, call: Call, step: Step, job: Job, document: Document, listing: Listing
) -> Iterator[str]:
    """Yield why ``name``, in ``call`` of ``step``, cannot be called.

    The name is a session's or a task's, or that of a variable. Its value stands in the
    workflow, in a matrix that is written out, or in one that another job's nox makes.
    """
    variable = calls.variable(name)
    if not variable:
        yield from _absent(call, [name], listing)
        return
    value = {**document.env, **job.env, **step.env}.get(variable)
    if value is None:
        yield f"nothing gives the step a variable {variable}"
    elif not (of_matrix := _MATRIX.fullmatch(value)):
        yield from _absent(call, [value], listing)
    elif of_matrix[1] in job.matrix:
        yield from _absent(call, job.matrix[of_matrix[1]], listing)
    elif not _planned(job, document):
        yield f"the matrix of {job.id!r} does not come from a job that calls nox"


def _absent(call: Call, names: Iterable[str], listing: Listing) -> Iterator[str]:
    what = "session" if call.program == "nox" else "task"
    for name in names:
        if "${{" in name:
            yield f"{name} names a {what} that nobody can look up here"
        elif not listing.has(call, name):
            yield f"there is no {what} {name!r}"


def _planned(job: Job, document: Document) -> bool:
    """Return whether a job's matrix is the output of a job before it that calls nox."""
    found = _PLANNED.fullmatch(job.included.strip())
    plan = next((each for each in document.jobs if found and each.id == found[1]), None)
    if found is None or plan is None or plan.id not in job.needs:
        return False
    comes = _OUTPUT.fullmatch(plan.outputs.get(found[2], ""))
    made = (calls.parse(step.run.text) for step in plan.steps if step.run)
    return bool(comes) and any(call and call.program == "nox" for call in made)
