"""How does Envoy begin? In its folder, and with as many open files as it may have.

Run as a program: ``python launch.py FOLDER ENVOY ARGUMENT...``; it becomes Envoy. In the
folder all paths are short: a socket's has to stay below 108 bytes (unix(7)). Each
request needs two open files, and a shell's usual 1,024 would be 500 requests at once.
It imports the standard library only.
"""

import os
import resource
import sys

MOST = 200_000
"""Open files: for 50,000 clients, and as many requests to replicas."""


def main(folder: str, program: str, *arguments: str) -> None:
    """Become ``program`` in ``folder``."""
    os.chdir(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(MOST, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):
            pass  # macOS has a lower limit than it tells; Envoy runs all the same
    os.execv(program, [program, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
