"""What is there to look at while developing? `flask --app maria seed`."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from maria.database import UnitOfWork, unit_of_work

PEOPLE = {
    "ada@example.org": "Ada Lovelace",
    "grace@example.org": "Grace Hopper",
    "tim@example.org": "Tim Berners-Lee",
}
CONVERSATIONS = {
    "Notes on the engine": [
        ("ada@example.org", "It might weave algebra as the loom weaves flowers."),
        ("grace@example.org", "Mine had a moth in it this morning."),
        ("ada@example.org", "Keep it, and write down the time."),
    ],
    "Lunch? 🥪": [
        ("tim@example.org", "The usual address at noon?"),
        ("grace@example.org", "A nanosecond late, as always."),
    ],
}


@click.command("seed")
@with_appcontext
def command() -> None:
    """Add a few people and conversations, unless they are there already."""
    with unit_of_work() as work:
        people, conversations = sow(work)
    click.echo(f"added {people} participants and {conversations} conversations")


def sow(work: UnitOfWork) -> tuple[int, int]:
    """Add what is missing; return how many participants and conversations that was."""
    known = {email: work.participants.with_email(email) for email in PEOPLE}
    people = {
        email: person or work.participants.add(PEOPLE[email], email)
        for email, person in known.items()
    }
    missing = [title for title in CONVERSATIONS if not work.conversations.titled(title)]
    for title in missing:
        authors = {email: people[email] for email, _ in CONVERSATIONS[title]}
        conversation = work.conversations.add(title, authors.values())
        for email, body in CONVERSATIONS[title]:
            work.messages.add(conversation.id, people[email], body)
    return list(known.values()).count(None), len(missing)
