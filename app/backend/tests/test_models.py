"""Which rules does the database keep by itself, whoever writes to it?"""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

ADA = "INSERT INTO participants (name, email) VALUES ('Ada', 'ada@example.org')"
TALK = "INSERT INTO conversations (title) VALUES ('T')"
NOBODY = "(SELECT max(id) + 1 FROM participants)"
NOWHERE = "(SELECT max(id) + 1 FROM conversations)"
HERE = "(SELECT max(id) FROM conversations)"
SHE = "(SELECT max(id) FROM participants)"
MESSAGE = "INSERT INTO messages (conversation_id, author_id, body) VALUES"
JOIN = "INSERT INTO conversation_participants VALUES"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (ADA.replace("ada@", "ADA@"), "uq_participants_lower_email"),
        (ADA.replace("'Ada'", "''"), "ck_participants_name_given"),
        (ADA.replace("ada@", "ada"), "ck_participants_email_formed"),
        (TALK.replace("'T'", "''"), "ck_conversations_title_given"),
        (
            "UPDATE conversations SET message_count = 1",
            "ck_conversations_activity_agrees",
        ),
        (
            "UPDATE conversations SET last_message_at = now()",
            "ck_conversations_activity_agrees",
        ),
        (f"{MESSAGE} ({HERE}, {SHE}, '')", "ck_messages_body_given"),
        (f"{MESSAGE} ({NOWHERE}, {SHE}, 'x')", "fk_messages_conversation_id"),
        (f"{MESSAGE} ({HERE}, {NOBODY}, 'x')", "fk_messages_author_id"),
        (
            f"{JOIN} ({NOWHERE}, {SHE})",
            "fk_conversation_participants_conversation_id",
        ),
        (f"{JOIN} ({HERE}, {NOBODY})", "fk_conversation_participants_participant_id"),
        (f"{JOIN} ({HERE}, {SHE}), ({HERE}, {SHE})", "pk_conversation_participants"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_by_its_name(
    database_connection: Connection, statement: str, rule: str
) -> None:
    database_connection.execute(text(ADA))
    database_connection.execute(text(TALK))

    with (
        pytest.raises(IntegrityError, match=f'"{rule}"'),
        database_connection.begin_nested(),
    ):
        database_connection.execute(text(statement))
