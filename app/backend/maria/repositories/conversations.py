"""How are conversations found and kept?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import exists, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from maria.models import Conversation, Participant, conversation_participants
from maria.paging import ByActivity, Page, cut

# Two queries for any number of conversations: one for them, one for who takes part.
WITH_PARTICIPANTS = selectinload(Conversation.participants)


@dataclass(frozen=True)
class Conversations:
    """All conversations, the latest active first."""

    session: Session

    def page(self, limit: int, after: ByActivity | None) -> Page[Conversation]:
        active_at, id = Conversation.active_at, Conversation.id
        query = (
            select(Conversation)
            .options(WITH_PARTICIPANTS)
            .order_by(active_at.desc(), id.desc())
            .limit(limit + 1)
        )
        if after:
            query = query.where(tuple_(active_at, id) < tuple_(after.at, after.id))
        rows = self.session.scalars(query)
        return cut(rows, limit, lambda row: ByActivity(row.active_at, row.id))

    def get(self, id: int) -> Conversation | None:
        return self.session.get(Conversation, id, options=[WITH_PARTICIPANTS])

    def titled(self, title: str) -> Conversation | None:
        query = select(Conversation).where(Conversation.title == title).limit(1)
        return self.session.scalar(query)

    def exists(self, id: int) -> bool:
        return bool(self.session.scalar(select(exists().where(Conversation.id == id))))

    def add(self, title: str, participants: Iterable[Participant]) -> Conversation:
        conversation = Conversation(title=title, participants=list(participants))
        self.session.add(conversation)
        self.session.flush()
        # Read back what the database filled in, and who takes part in their order.
        self.session.refresh(conversation)
        return conversation

    def join(self, conversation: Conversation, participant: Participant) -> bool:
        """Let ``participant`` take part; return whether that is new."""
        query = (
            insert(conversation_participants)
            .values(conversation_id=conversation.id, participant_id=participant.id)
            .on_conflict_do_nothing()
            .returning(conversation_participants.c.participant_id)
        )
        new = self.session.scalar(query) is not None
        self.session.refresh(conversation, ["participants"])
        return new
