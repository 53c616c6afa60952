"""How are participants found and kept?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from maria.models import Participant
from maria.paging import ById, Page, cut


class EmailTaken(Exception):
    """Another participant has this e-mail address already."""


@dataclass(frozen=True)
class Participants:
    """All participants, in the order in which they came."""

    session: Session

    def page(self, limit: int, after: ById | None) -> Page[Participant]:
        query = select(Participant).order_by(Participant.id).limit(limit + 1)
        if after:
            query = query.where(Participant.id > after.id)
        return cut(self.session.scalars(query), limit, lambda row: ById(row.id))

    def get(self, id: int) -> Participant | None:
        return self.session.get(Participant, id)

    def with_ids(self, ids: Collection[int]) -> dict[int, Participant]:
        """Return those of the ``ids`` that exist."""
        query = select(Participant).where(Participant.id.in_(ids))
        return {row.id: row for row in self.session.scalars(query)}

    def with_email(self, email: str) -> Participant | None:
        query = select(Participant).where(
            func.lower(Participant.email) == func.lower(email)
        )
        return self.session.scalar(query)

    def add(self, name: str, email: str) -> Participant:
        """Add one, or raise :class:`EmailTaken`; of two at once, one gets it."""
        query = (
            insert(Participant)
            .values(name=name, email=email)
            .on_conflict_do_nothing()
            .returning(Participant)
        )
        added = self.session.scalar(query)
        if added is None:
            raise EmailTaken(email)
        return added
