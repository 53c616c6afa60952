"""Does anybody still wait for a command? This program prints a sign while it runs.

Run as ``python leash.py COMMAND ARGUMENT...``; it ends with the command's exit code (of
one that a signal ended 128 and its number, as a shell does). It imports the standard
library only.
"""

import subprocess
import sys

SIGN = "\x1e"
"""ASCII's record separator, on a line of its own."""
EVERY = 0.2


def main(*argv: str) -> int:
    """Run the command; return its exit code."""
    try:
        process = subprocess.Popen(argv)
    except OSError as error:
        print(f"cannot start `{argv[0]}`: {error.strerror}")
        return 127
    while True:
        try:
            code = process.wait(EVERY)
        except subprocess.TimeoutExpired:
            print(SIGN, flush=True)
        else:
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:  # the command got it as well
        sys.exit(130)
