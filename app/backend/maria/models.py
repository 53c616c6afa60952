"""What does the database hold, and which rules does it keep by itself?"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    String,
    Table,
    func,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.sql.elements import ColumnElement


class Base(DeclarativeBase):
    """Every constraint has a name, so that a migration can speak of it."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True)}


conversation_participants = Table(
    "conversation_participants",
    Base.metadata,
    Column("conversation_id", ForeignKey("conversations.id"), primary_key=True),
    Column("participant_id", ForeignKey("participants.id"), primary_key=True),
)


class Participant(Base):
    """A person, known by an e-mail address that no other has in any spelling."""

    __tablename__ = "participants"
    __table_args__ = (
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("email LIKE '_%@_%'", name="email_formed"),
        Index("uq_participants_lower_email", func.lower(Column("email")), unique=True),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Conversation(Base):
    """A conversation; its last two columns repeat what its messages say.

    They save the listing from counting. Whoever adds a message sets both of them,
    in the same transaction: see :meth:`maria.repositories.Messages.add`.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("title <> ''", name="title_given"),
        CheckConstraint(
            "message_count >= 0 AND (message_count = 0) = (last_message_at IS NULL)",
            name="activity_agrees",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_message_at: Mapped[datetime | None]
    message_count: Mapped[int] = mapped_column(server_default="0")

    participants: Mapped[list[Participant]] = relationship(
        secondary=conversation_participants, order_by=Participant.id
    )

    @hybrid_property
    def active_at(self) -> datetime:
        """When something last happened here: a message, or the beginning."""
        return self.last_message_at or self.created_at

    @active_at.inplace.expression
    @classmethod
    def _active_at(cls) -> ColumnElement[datetime]:
        return func.coalesce(cls.last_message_at, cls.created_at)


Index(
    "ix_conversations_active_at",
    Conversation.active_at.desc(),
    Conversation.id.desc(),
)


class Message(Base):
    """What one participant wrote in a conversation."""

    __tablename__ = "messages"
    __table_args__ = (CheckConstraint("body <> ''", name="body_given"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    author_id: Mapped[int] = mapped_column(ForeignKey("participants.id"))
    body: Mapped[str] = mapped_column(String(4000))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    author: Mapped[Participant] = relationship()


Index("ix_messages_conversation_id", Message.conversation_id, Message.id.desc())
