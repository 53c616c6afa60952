"""Can the declared variables be what ``[tool.sametree.variables]`` says?"""

from __future__ import annotations

from collections.abc import Iterator

from sametree.settings.decode import Problem, nearest
from sametree.settings.model import Settings, Variable
from sametree.surroundings import allowed, values


def problems(settings: Settings) -> Iterator[Problem]:
    """Yield what is well-formed in ``variables`` but cannot be."""
    components = [component.name for component in settings.components]
    for name, variable in settings.variables.items():
        key = ("variables", name)
        if text := _taken(name):
            yield Problem(key, text)
        if variable.type == "secret":
            for given in ("default", "defaults"):
                if getattr(variable, given) not in (None, {}):
                    yield Problem(
                        (*key, given),
                        "a secret has no default: it would be in git for all to read;"
                        " set it in the environment or in .env",
                    )
        elif variable.default is not None:
            yield from _mistyped((*key, "default"), variable, variable.default)
        for environment, value in variable.defaults.items():
            if variable.type != "secret":
                where = (*key, "defaults", environment)
                yield from _mistyped(where, variable, value)
        for index, component in enumerate(variable.components):
            if component not in components:
                near = nearest(component, components, "components")
                text = f"there is no component {component!r}; {near}"
                yield Problem((*key, "components", index), text)


def _taken(name: str) -> str:
    """Return why nobody may declare ``name``; empty when one may."""
    if name in allowed.FIXED:
        return f"is the same everywhere ({allowed.FIXED[name]}); remove it"
    if name in allowed.SET_BY_SUITE or name.startswith("SAMETREE_"):
        return "is set by the suite or by the machine; take another name"
    return ""


def _mistyped(
    key: tuple[str, ...], variable: Variable, value: str | int | bool
) -> Iterator[Problem]:
    meant = {"int": int, "bool": bool}.get(variable.type, str)
    if type(value) is not meant:
        expected = values.EXPECTED[variable.type]
        yield Problem(key, f"expected {expected} (it is {value!r})")
        return
    try:
        values.normalised(variable.type, values.written(value))
    except values.Malformed as error:
        yield Problem(key, str(error))
