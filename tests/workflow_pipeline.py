"""A project whose workflow is written by the suite, and can be rehearsed as it is."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path

from conftest import LOCKS, REPOSITORY, Sample

from sametree.settings import load
from sametree.toolchains import locks
from sametree.workflows import write

PLAN = """

@nox.session(venv_backend="none")
def plan(session):
    pipeline.plan(session)
"""
TASKS = """
from invoke import Collection, task


@task
def push(context, folder):
    pass


namespace = Collection(records=Collection(push))
"""


def wheel_of_the_suite(folder: Path) -> str:
    """Build the suite's wheel in ``folder``; return its pin with its hash."""
    name = "sametree-0.1.0-py3-none-any.whl"
    info = "sametree-0.1.0.dist-info"
    files = {
        path.relative_to(REPOSITORY / "ci").as_posix(): path.read_bytes()
        for path in sorted((REPOSITORY / "ci" / "sametree").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    files[f"{info}/METADATA"] = (
        b"Metadata-Version: 2.1\nName: sametree\nVersion: 0.1.0\n"
    )
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(data)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return f"sametree==0.1.0 --hash=sha256:{digest}\n"


def with_ci(sample: Sample, units: tuple[str, ...] = ("lint", "tests")) -> Sample:
    """Give ``sample`` a workflow that runs ``units``, and a runtime with this suite."""
    wheels = sample.root.parent / "wheels"
    wheels.mkdir()
    pins = locks.body_of((LOCKS / "dev.txt").read_text(encoding="utf-8"))
    lock = f"--find-links {wheels}\n{wheel_of_the_suite(wheels)}{pins}"
    sample.settings(f"[tool.sametree.ci]\nsessions = {json.dumps(units)}\n")
    noxfile = sample.text("noxfile.py") + PLAN
    sample.write({"noxfile.py": noxfile, "tasks.py": TASKS, "locks/dev.txt": lock})
    write.write(load(sample.root))
    sample.commit("Write the workflow")
    return sample
