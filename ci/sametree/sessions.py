"""The face that Nox meets: sessions made of units.

A ``noxfile.py`` loads the pipeline once and calls it in each session::

    pipeline = sessions.load(__file__)

    @nox.session
    @pipeline.each("lint")
    def lint(session, component):
        pipeline.run(session, component)
"""

from __future__ import annotations

import os
import sys

from sametree.answers import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sametree.pipeline import Pipeline


def load(noxfile: str) -> Pipeline:
    """Return the pipeline of the project in which ``noxfile`` (its path) lies.

    Where all that this command would do is proven already, Nox ends here, with the
    verdicts. Wrong settings end it with a message and exit code 2.
    """
    root = os.path.realpath(os.path.dirname(noxfile))
    if Answer(root, sys.argv[1:]).told():
        sys.exit(0)
    from sametree import pipeline

    return pipeline.load(root)
