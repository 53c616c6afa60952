"""How are messages found and kept, and conversations told of them?"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from maria.models import (
    Conversation,
    Message,
    Participant,
    conversation_participants,
)
from maria.paging import ById, Page, cut

WITH_AUTHOR = joinedload(Message.author, innerjoin=True)


@dataclass(frozen=True)
class Messages:
    """The messages of conversations, the newest first."""

    session: Session

    def page(
        self, conversation_id: int, limit: int, after: ById | None
    ) -> Page[Message]:
        query = (
            select(Message)
            .options(WITH_AUTHOR)
            .where(Message.conversation_id == conversation_id)
            .order_by(Message.id.desc())
            .limit(limit + 1)
        )
        if after:
            query = query.where(Message.id < after.id)
        return cut(self.session.scalars(query), limit, lambda row: ById(row.id))

    def get(self, conversation_id: int, id: int) -> Message | None:
        query = (
            select(Message)
            .options(WITH_AUTHOR)
            .where(Message.conversation_id == conversation_id, Message.id == id)
        )
        return self.session.scalar(query)

    def author(self, conversation_id: int, participant_id: int) -> Participant | None:
        """Return who writes, if they take part in the conversation."""
        takes_part = conversation_participants.c
        query = (
            select(Participant)
            .join(conversation_participants)
            .where(takes_part.conversation_id == conversation_id)
            .where(takes_part.participant_id == participant_id)
        )
        return self.session.scalar(query)

    def add(self, conversation_id: int, author: Participant, body: str) -> Message:
        """Add a message and count it, in one transaction.

        The UPDATE comes first: it locks the conversation, so of two that post at
        once the second waits and counts on from the first, and within a conversation
        ids and times are in the order in which messages become visible.
        """
        now = func.greatest(Conversation.last_message_at, func.clock_timestamp())
        count = (
            update(Conversation)
            .where(Conversation.id == conversation_id)
            .values(message_count=Conversation.message_count + 1, last_message_at=now)
            .returning(Conversation.last_message_at)
            .execution_options(synchronize_session=False)
        )
        message = Message(
            conversation_id=conversation_id,
            author=author,
            body=body,
            created_at=self.session.execute(count).scalar_one(),
        )
        self.session.add(message)
        self.session.flush()
        return message
