"""How does a program run within the context of a Flask application?

Run as ``python sametree_flask.py PROGRAM ...`` in the component's folder; a program is a
module beside this one, or a file. The application is found as ``flask`` finds it:
FLASK_APP, a ``.flaskenv`` file (with python-dotenv), ``wsgi.py`` or ``app.py``.
(https://flask.palletsprojects.com/en/stable/cli/#application-discovery)
"""

from __future__ import annotations

import os
import runpy
import sys


def main(program: str, *arguments: str) -> None:
    """Run ``program`` with ``arguments``, within the application's context."""
    sys.path.insert(0, os.getcwd())
    sys.argv = [program, *arguments]
    # Imported here: an application is found only once the folder is on the path.
    import alembic.command  # noqa: F401
    from flask.cli import NoAppException, ScriptInfo, load_dotenv

    # See sametree_check: packages may be kept compiled, what is worked at may not.
    sys.dont_write_bytecode = True
    load_dotenv()
    try:
        info = ScriptInfo(app_import_path=os.environ.get("FLASK_APP"))
        context = info.load_app().app_context()
    except NoAppException as error:
        sys.exit(
            f"env.py asks for a Flask application, and none was found: {error}\n"
            'name it in the command that serves the component: serve = ["flask",'
            ' "--app", "NAME", ...], or in the variable FLASK_APP'
        )
    with context:
        if program.endswith(".py"):
            runpy.run_path(program, run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
