"""How does a replica of a release come up, and what is said when it does not?"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Mapping, Sequence

from sametree import masking, terminal
from sametree.deploy.router.desired import Endpoint
from sametree.deploy.runners import Runner, Running
from sametree.deploy.strategies import COLOURS
from sametree.errors import UnitFailed

COMES_UP = 60.0
"""Seconds that a replica has until it can work."""
_NAME = re.compile(rf"({'|'.join(COLOURS)})-(\d+)")


def name_of(colour: str, number: int) -> str:
    """Return the name of a colour's replica; numbers begin with 1."""
    return f"{colour}-{number}"


def of(services: Mapping[str, Running], colour: str) -> list[Running]:
    """Return the replicas of ``colour``, in the order of their numbers."""
    found = []
    for name, each in services.items():
        match = _NAME.fullmatch(name)
        if match and match[1] == colour:
            found.append((int(match[2]), each))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def await_ready(
    runner: Runner,
    names: Sequence[str],
    path: str,
    at_wait: Callable[[], None],
    patience: float = COMES_UP,
) -> None:
    """Wait until each of ``names`` answers ``path`` with 200; ``at_wait`` is called
    meanwhile, and may raise.

    Raises UnitFailed when one ends, or does not answer in ``patience`` seconds. It says
    what was asked, what came back, how it ended, and its last words.
    """
    deadline = time.monotonic() + patience
    for name in names:
        said = ""
        while True:
            at_wait()
            endpoint = runner.endpoint(name)
            running = runner.inspect()[name]
            if running.restarts or running.exit is not None:
                raise UnitFailed(
                    f"{name} does not come up: it ended {ending(running.exit)}"
                    f"{last_words(runner, name)}"
                )
            code, said = ask(endpoint, path)
            if code == 200:
                break
            if time.monotonic() > deadline:
                raise UnitFailed(
                    f"{name} does not come up: after {terminal.duration(patience)},"
                    f" {path} at {endpoint} {said}{last_words(runner, name)}"
                )
            time.sleep(0.05)


def ask(endpoint: Endpoint, path: str, timeout: float = 5.0) -> tuple[int, str]:
    """Return the status that ``path`` has (0: no answer), and what came in words."""
    connection = http.client.HTTPConnection(
        endpoint.host, endpoint.port, timeout=timeout
    )
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read(300).decode(errors="replace").strip()
        return answer.status, f"answers {answer.status}" + (f": {body}" if body else "")
    except TimeoutError:
        return 0, f"does not answer within {timeout:g} s"
    except ConnectionRefusedError:
        return 0, "is not listened on"
    except (OSError, http.client.HTTPException) as error:
        return 0, f"breaks off: {error or type(error).__name__}"
    finally:
        connection.close()


def ending(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is None:
        return "at once"
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


def last_words(runner: Runner, name: str) -> str:
    """Return what a service printed last, to follow a sentence; without secrets."""
    lines = [masking.hide(line) for line in runner.logs(name, 15)]
    if not lines:
        return "; it printed nothing"
    return "; its last words:\n" + "\n".join(f"    {line}" for line in lines)
