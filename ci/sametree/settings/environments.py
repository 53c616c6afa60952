"""Which environments cannot be as the settings say?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import suppress

from sametree.settings.decode import Path, Problem, nearest
from sametree.settings.model import Environment, Settings


def problems(settings: Settings) -> Iterator[Problem]:
    """Yield what is well-formed but cannot be true of environments and what runs there."""
    yield from _running(settings)
    named = settings.environments
    runs = any(component.run for component in settings.components)
    addresses: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name, environment in named.items():
        place: Path = ("environments", name)
        yield from _before(settings, name)
        yield from _address(place, environment)
        for key, known in (("address", addresses), ("folder", folders)):
            value = getattr(environment, key)
            if runs and value and (other := known.setdefault(value, name)) != name:
                yield Problem((*place, key), f"is that of {other!r} already")
        for variable in environment.secrets:
            if variable not in settings.variables:
                near = nearest(variable, list(settings.variables), "variables")
                text = f"no variable {variable!r} is declared: {near}"
                yield Problem((*place, "secrets", variable), text)
        gate = environment.gate
        if bool(gate.prometheus) != bool(gate.query):
            key = "query" if gate.prometheus else "prometheus"
            yield Problem((*place, "gate"), f"{key} is missing: one needs the other")


def _running(settings: Settings) -> Iterator[Problem]:
    running = [c.name for c in settings.components if c.run]
    for index, component in enumerate(settings.components):
        place: Path = ("components", index, "run")
        if component.run and len(running) > 1:
            yield Problem(place, f"one component runs, not {' and '.join(running)}")
        if component.run and component.language == "node":
            text = "a release runs Python; of a Node component it has the built page"
            yield Problem(place, text)
        if component.run and not any("{port}" in part for part in component.run):
            text = "{port} is missing: a replica listens where it is told"
            yield Problem(place, text)


def _before(settings: Settings, name: str) -> Iterator[Problem]:
    """Yield why the environment that goes before ``name`` cannot."""
    named = settings.environments
    after = named[name].after
    place: Path = ("environments", name, "after")
    if after and after not in named:
        near = nearest(after, list(named), "environments")
        yield Problem(place, f"there is no environment {after!r}: {near}")
        return
    seen = [name]
    while after:
        if after in seen:
            yield Problem(place, f"goes round in a circle: {' after '.join(seen)}")
            return
        seen.append(after)
        after = named[after].after if after in named else ""


def _address(place: Path, environment: Environment) -> Iterator[Problem]:
    host, _, port = environment.address.rpartition(":")
    with suppress(ValueError):
        ipaddress.ip_address(host)
        if 0 < int(port) < 65536:
            return
    yield Problem(
        (*place, "address"),
        f"{environment.address!r} is no IP address with a port, such as"
        " '127.0.0.1:8080' or '0.0.0.0:80'",
    )
