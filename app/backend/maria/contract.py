"""What do requests and answers look like?

The fields of the answers are the attributes of the models: a model is converted by
name, so nothing is written twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

# What 18 digits can hold: well within the bigint of the database.
MAX_ID = 10**18 - 1
Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
Moment = Annotated[datetime, Meta(tz=True)]
Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=r"\A[^@\s]+@[^@\s]+\Z",
        extra={"must": "be an e-mail address of at most 254 characters"},
    ),
]


class NewParticipant(Struct, frozen=True):
    """Body of ``POST /api/participants``."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    email: Email


class NewConversation(Struct, frozen=True):
    """Body of ``POST /api/conversations``."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    participants: Annotated[tuple[Id, ...], Meta(min_length=1)]


class NewMessage(Struct, frozen=True):
    """Body of ``POST /api/conversations/{id}/messages``."""

    author: Id
    body: Annotated[str, Meta(min_length=1, max_length=4000)]


class Joining(Struct, frozen=True):
    """Body of ``POST /api/conversations/{id}/participants``."""

    participant: Id


class Participant(Struct, frozen=True):
    """A person who takes part in conversations."""

    id: int
    name: str
    email: str


class Conversation(Struct, frozen=True):
    """A conversation without its messages."""

    id: int
    title: str
    created_at: datetime
    last_message_at: datetime | None
    message_count: int
    participants: list[Participant]


class Message(Struct, frozen=True):
    """One message of a conversation."""

    id: int
    conversation_id: int
    author: Participant
    body: str
    created_at: datetime
