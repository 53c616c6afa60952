"""Small real wheels, a registry of them in a folder, and a project that has a release."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

from conftest import Sample, migration

from sametree import settings
from sametree.settings import Project
from sametree.units import built, identity
from sametree.units.identity import Unit

LONG_AGO = (1980, 1, 1, 0, 0, 0)
CACHE = ".sametree/cache/wheels"
PAGE = """
[[tool.sametree.components]]
name = "page"
path = "page"
"""
RUNS = f"""
[[tool.sametree.components]]
name = "sample"
path = "."
serve = ["sample", "{{port}}"]
run = ["sample", "--port", "{{port}}"]
routes = ["/api"]
health = "/ready"
{PAGE}
[tool.sametree.database]
component = "sample"
"""
PACKAGE = {"name": "page", "private": True, "devDependencies": {"vite": "7.0.0"}}
BUNDLE = {
    "index.html": "<!doctype html>\n<title>Page</title>\n",
    "assets/index-Bwxj.js": "console.log('a page');\n" * 200,
    "assets/photo-Dm.png": "no text " * 400,
}


def wheel(
    folder: Path, name: str, text: str = "", *, scripts: Mapping[str, str] = {}
) -> Path:
    """Make a wheel with one module of ``text``, the same bytes each time.

    (packaging.python.org/en/latest/specifications/binary-distribution-format)
    """
    info = f"{name}-1.0.dist-info"
    entries = "".join(f"{key} = {value}\n" for key, value in scripts.items())
    contents = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: sametree\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{entries}",
    }
    record = "".join(f"{path},,\n" for path in (*contents, f"{info}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        for inside, body in {**contents, f"{info}/RECORD": record}.items():
            made.writestr(zipfile.ZipInfo(inside, LONG_AGO), body)
    return path


def lock_of(*wheels: Path) -> str:
    """Return a lock that names ``wheels`` and their hashes."""
    return "".join(
        f"{path.name.partition('-')[0]}==1.0 \\\n"
        f"    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in wheels
    )


class Shop:
    """A sample project with a release: a Python component that runs, with migrations,
    and a page. ``build`` stands for `nox -s build`: it leaves what that leaves."""

    def __init__(self, sample: Sample, registry: Path, *, page: bool = True) -> None:
        self.sample = sample
        self.registry = registry
        sample.settings(RUNS if page else RUNS.replace(PAGE, ""))
        sample.write(
            {
                "page/package.json": json.dumps(PACKAGE),
                "page/package-lock.json": "{}",
                "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n",
                "migrations/env.py": "raise SystemExit('nobody imports me')\n",
                "migrations/versions/one.py": migration("0001", None, "pass", "pass"),
                "migrations/versions/two.py": 'phase = "contract"\n'
                + migration("0002", "0001", "pass", "pass"),
                "serve.sh": "#!/bin/sh\n",
            }
        )
        sample.root.joinpath("serve.sh").chmod(0o755)
        self.lock(wheel(registry, "dep", "answer = 42\n"))
        sample.commit("Run it")

    @property
    def project(self) -> Project:
        return settings.load(self.sample.root)

    def lock(self, *wheels: Path) -> None:
        """Write the lock of what the component needs when it runs."""
        self.sample.write({"locks/sample.txt": lock_of(*wheels)})

    def build(
        self, text: str = "import dep\n\ndef main():\n    print(dep.answer)\n"
    ) -> Shop:
        """Leave what a build of this tree leaves in ``dist``."""
        dist = self.sample.root / "dist"
        wheel(dist / "sample", "sample", text, scripts={"sample": "sample:main"})
        for path, body in BUNDLE.items():
            place = dist / "page" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(body)
        self.keep()
        return self

    def keep(self) -> None:
        """Write down that what is in ``dist`` was built of this tree."""
        keep(self.project)


def keep(project: Project) -> None:
    """Write down that what is in ``dist`` was built of the tree of ``project``."""
    units = [
        Unit(name=f"build({c.name})", kind="build", component=c)
        for c in project.components
    ]
    for unit, now in zip(units, identity.identify(project, units), strict=True):
        place = project.dist / unit.component.name
        assert built.keep(project, unit.component, now.sources, place)
