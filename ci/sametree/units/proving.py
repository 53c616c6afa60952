"""Which runs have proven a tree: those of this checkout, and those that CI has signed?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sametree import fingerprint, proofs, records, signatures, surroundings
from sametree.artifacts.manifest import Proof
from sametree.errors import SurroundingsError
from sametree.records import Record
from sametree.settings import Project
from sametree.sharing import notes
from sametree.units import identity, running
from sametree.units.identity import Unit


def proofs_of(project: Project, tree: str) -> list[Proof]:
    """Return the runs that proved units of ``tree``, sorted by unit.

    Of each unit there is one of this checkout and one of each signer at most: with the
    fewest arguments (a part of the tests proves a part), and of these the newest. What
    this checkout has proven counts when ``tree`` is the one that stands in it.
    """
    found = {
        (proof.unit, proof.signer): proof
        for proof in _sorted([*_here(project, tree), *_signed(project, tree)])
    }
    return [found[key] for key in sorted(found)]


def _here(project: Project, tree: str) -> Iterator[tuple[Record, str]]:
    """Yield the proofs of this checkout that hold for the sources as they stand."""
    known = list(_kept(project))
    units = {}
    for record in known:
        if unit := _unit(project, record):
            units[(unit.name, unit.args, unit.python)] = unit
    if not units:
        return
    asked = list(units.values())
    told = identity.identify(project, asked, surroundings.look(project))
    for unit, now in zip(asked, told, strict=True):
        proof = running.proven(project.state, project.root, unit, now)
        if proof is not None and now.tree == tree:
            yield proof, ""


def _kept(project: Project) -> Iterator[Record]:
    for file in (project.state / proofs.FOLDER).glob("*/*.json"):
        found = records.load(Path(file))
        if found is not None and found.proves:
            yield found


def _unit(project: Project, record: Record) -> Unit | None:
    """Return the unit that a record is about, as it would be run now."""
    kind = record.parts.get("session", "")
    named = re.fullmatch(r"[^()]+(?:\((.+)\))?", record.unit)
    if not kind or kind == "deploy" or named is None:
        return None  # a deployment proves nothing of a tree
    components = {each.name: each for each in project.components}
    component = components.get(named[1] or "")
    if kind in identity.WHOLE:
        component = identity.whole(kind)
    if component is None:
        return None
    return Unit(
        name=record.unit,
        kind=kind,
        component=component,
        args=record.args,
        python=record.parts.get("interpreter", ""),
    )


def _signed(project: Project, tree: str) -> Iterator[tuple[Record, str]]:
    """Yield the records of ``tree`` that a signer vouches for, with his key."""
    signers = project.settings.ci.signers
    if not signers:
        return
    try:
        keys = signatures.public_keys(signers)
        shared = notes.known(project.root)
    except SurroundingsError:
        return  # cryptography is not here, so nobody can be believed
    believed = []
    for each in shared:
        record = each.record
        if record.result != "success" or not record.proves:
            continue
        key = keys.get(each.key)
        if key and signatures.verified(each.text, each.signature, key):
            believed.append((record, each.key))
    others = [record for record, _ in believed if record.tree != tree]
    same = _same_sources(project, tree, others)
    for record, signer in believed:
        if record.tree == tree or id(record) in same:
            yield record, signer


def _same_sources(project: Project, tree: str, found: Iterable[Record]) -> set[int]:
    """Return which of the records ``found`` (by ``id``) were made of another tree, whose
    sources are as they stand in ``tree`` for their unit.

    The commit of a release differs from the one that CI has seen, in its changelog for
    example, on which no unit depends.
    """
    units = {id(each): unit for each in found if (unit := _unit(project, each))}
    if not units:
        return set()
    told = identity.identify(project, list(units.values()))
    now = dict(zip(units, told, strict=True))
    return {
        id(each)
        for each in found
        if id(each) in now
        and now[id(each)].tree == tree
        and not now[id(each)].unprovable
        and fingerprint.source_parts(each.parts)
        == fingerprint.source_parts(now[id(each)].parts)
    }


def _sorted(found: Iterable[tuple[Record, str]]) -> list[Proof]:
    """Return the proofs, the one that counts of a unit behind the others of it."""
    ordered = sorted(found, key=lambda each: (-len(each[0].args), each[0].started))
    return [
        Proof(
            unit=record.unit,
            run=record.run,
            place=record.place,
            fingerprint=record.fingerprint,
            args=record.args,
            signer=signer,
        )
        for record, signer in ordered
    ]
