"""Where do the processes of an environment run? What every runner can be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from sametree.deploy.router.desired import Endpoint


class Service(Struct, frozen=True, kw_only=True):
    """Something that has to run: a replica of a colour, or a part of the environment.

    ``env`` may hold secrets: a runner writes it into no file. ``port`` is where it
    listens (0: nowhere). It has ``patience`` seconds to end after signal ``stop``.
    ``labels`` say what it is: ``colour``, ``release``.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    port: int = 0
    stop: int = 15
    patience: float = 35.0
    user: tuple[int, int] | None = None
    labels: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"<Service {self.name} {' '.join(self.argv)}>"


class Running(Struct, frozen=True, kw_only=True):
    """What a runner knows of a service.

    ``alive`` says whether its process lives, ``kept`` whether it is started again when
    it ends; ``exit`` is how it ended last (a signal is negative), ``since`` when it
    began (a Unix time).
    """

    name: str
    alive: bool
    kept: bool
    pid: int
    port: int
    restarts: int
    exit: int | None
    since: float
    labels: Mapping[str, str] = {}


class Runner(Protocol):
    """Runs services that outlive the command that started them."""

    def port(self) -> int:
        """Return a port on which a new service can listen."""

    def start(self, service: Service) -> None:
        """Have ``service`` run from now on; one of its name that runs already is first
        stopped, unless it is the very same. Raises SurroundingsError."""

    def stop(self, names: Sequence[str]) -> None:
        """Stop services, all at once, and forget them; they may be gone already."""

    def endpoint(self, name: str) -> Endpoint:
        """Return where a service that was started listens."""

    def inspect(self) -> Mapping[str, Running]:
        """Return what is known of every service, by name."""

    def logs(self, name: str, lines: int = 50) -> list[str]:
        """Return the last lines that a service printed."""
